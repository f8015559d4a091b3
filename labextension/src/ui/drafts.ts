/**
 * What is typed and not yet sent.
 *
 * Law: nothing typed is lost on a reload within the tab: each draft lies in the tab's storage until it is empty.
 */
import { useState } from "preact/hooks";

import { useFace } from "./face";

/** Like `useState("")`, for a text that outlives a reload. `name` is unique in the session. */
export function useDraft(name: string): [string, (text: string) => void] {
  const { session, storage } = useFace();
  const key = `novel_jupyter:draft:${session.id}:${name}`;
  const [held, setHeld] = useState(() => ({ key, text: read(storage, key) }));
  const text = held.key === key ? held.text : read(storage, key);
  return [
    text,
    (next) => {
      setHeld({ key, text: next });
      try {
        if (next === "") storage?.removeItem(key);
        else storage?.setItem(key, next);
      } catch {
        // A full or forbidden storage costs the safety of a reload, not the words.
      }
    },
  ];
}

function read(storage: { getItem(key: string): string | null } | null, key: string): string {
  try {
    return storage?.getItem(key) ?? "";
  } catch {
    return "";
  }
}
