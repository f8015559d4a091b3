/**
 * What every part of the face can reach, and how it follows the session.
 *
 * Law: a part reads the replica by a selection and is drawn again only when that changed; it does things by commands
 * of the session and hears what became of them. Nothing here keeps a second truth.
 * Parts: `Face`, `useFace`, `useReplica`, `useStory`, `useConnection`, `useCommand`.
 */
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useReducer, useRef } from "preact/hooks";

import type { Settled } from "../commands";
import type { Connection } from "../connection";
import type { KeyValues } from "../environment";
import type { Replica } from "../replica";
import type { Session } from "../session";
import type { Rest } from "./rest";
import { story, type StoryState } from "./state";
import type { Translation } from "./translate";
import { refusalText } from "./refusals";

export type Level = "info" | "warning" | "error";

export interface Face {
  readonly session: Session;
  readonly connection: Connection;
  readonly rest: Rest;
  readonly trans: Translation;
  /** What must outlive a reload of the tab: drafts. */
  readonly storage: KeyValues | null;
  /** Tell the reader something that passes. */
  notify(text: string, level?: Level): void;
  /** Say it to a screen reader, and to nobody else. */
  announce(text: string): void;
}

export const FaceContext = createContext<Face | null>(null);

export function useFace(): Face {
  const face = useContext(FaceContext);
  if (face === null) throw new Error("a part of the face outside of a face");
  return face;
}

function useFollowed<S, T>(source: S, follow: (changed: () => void) => () => void, select: (source: S) => T): T {
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  const last = useRef<{ value: T } | null>(null);
  const selecting = useRef(select);
  selecting.current = select;
  const value = select(source);
  last.current = { value };
  useEffect(() => {
    const changed = (): void => {
      const next = selecting.current(source);
      if (last.current !== null && same(next, last.current.value)) return;
      redraw();
    };
    changed();
    return follow(changed);
  }, [source]);
  return value;
}

/** Equal, or flat objects or lists of equal things. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  if (Array.isArray(a) !== Array.isArray(b) || left.length !== right.length) return false;
  return left.every(([key, value]) => key in b && Object.is(value, (b as { [key: string]: unknown })[key]));
}

/** A part of the replica; drawn again when it changed (flat comparison). */
export function useReplica<T>(select: (replica: Replica) => T): T {
  const { session } = useFace();
  return useFollowed(session, (changed) => session.subscribe(changed), (from) => select(from.replica));
}

/** A part of the story's state. */
export function useStory<T>(select: (state: StoryState) => T): T {
  return useReplica((replica) => select(story(replica)));
}

export function useSession<T>(select: (session: Session) => T): T {
  const { session } = useFace();
  return useFollowed(session, (changed) => session.subscribe(changed), select);
}

export function useConnection<T>(select: (connection: Connection) => T): T {
  const { connection } = useFace();
  return useFollowed(connection, (changed) => connection.subscribe(changed), select);
}

/** Who looks; empty before the server said it. */
export function useMe(): string {
  return useConnection((connection) => connection.userId);
}

/** Send a command; a refusal is told to the reader in their language. The result says whether it was taken. */
export function useCommand(): (sent: Promise<Settled>) => Promise<Settled | null> {
  const { notify, trans } = useFace();
  return useCallback(
    async (sent) => {
      try {
        const settled = await sent;
        if (settled.result.kind === "error") notify(refusalText(trans, settled.result), "error");
        return settled;
      } catch (error) {
        notify(error instanceof Error ? error.message : String(error), "error");
        return null;
      }
    },
    [notify, trans],
  );
}
