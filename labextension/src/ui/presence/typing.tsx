/**
 * Who is typing where, for boxes whose words are not yet part of the story: a move, a message.
 *
 * Law: the others hear that one types there and how far, never what; it ends when one stops, sends or leaves.
 * Parts: `useTyping` (one's own), `TypingAt` (the others').
 */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { typingHere } from "../edit/Caret";
import { useFace, useMe, useReplica, useStory } from "../face";
import { personName } from "../state";
import { cursorsAt } from "./people";

const TYPING_MS = 2500;

export interface Typing {
  /** Words changed; `position` is where the caret is (UTF-16 units). */
  typed(position: number | null): void;
  /** In the box, and not typing. */
  here(): void;
  left(): void;
}

/** Tell the others where one types. `target` is a JSON pointer of the story. */
export function useTyping(target: string): Typing {
  const { session } = useFace();
  const quiet = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const inside = useRef(false);
  const here = (): void => {
    clearTimeout(quiet.current);
    inside.current = true;
    session.cursor({ target, typing: false });
  };
  const left = (): void => {
    clearTimeout(quiet.current);
    if (inside.current) session.cursor({ target: "" });
    inside.current = false;
  };
  const latest = useRef(left);
  latest.current = left;
  useEffect(() => () => latest.current(), [session, target]);
  return {
    typed(position) {
      clearTimeout(quiet.current);
      inside.current = true;
      session.cursor({ target, position: position ?? 0, typing: true });
      quiet.current = setTimeout(here, TYPING_MS);
    },
    here,
    left,
  };
}

/** Who of the others types at a place; an empty line where nobody does, so that nothing jumps. */
export function TypingAt({ target }: { readonly target: string }): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const cursors = useReplica((replica) => cursorsAt(replica, target, me));
  const words = useStory((state) => typingHere(trans, cursors, (user) => personName(state, user, trans.__("somebody"))));
  return (
    <p class="jp-Novel-company" role="status" dir="auto">
      {words}
    </p>
  );
}
