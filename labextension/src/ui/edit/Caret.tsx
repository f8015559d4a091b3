/**
 * Where others are in a text: their carets and what they selected, drawn behind one's own letters.
 *
 * Law: the backdrop has the very text of the box, so that a caret is where its letter is; it is nothing for a screen
 * reader, which is told in words who types here. Positions are those of the server's text, shown in one's own.
 * Parts: `Backdrop`, `stretches` (pure), `typingHere`.
 */
import type { JSX } from "preact";

import type { ShownCursor } from "../../protocol";
import { colorOf } from "../presence/people";
import type { Translation } from "../translate";

export interface Stretch {
  readonly text: string;
  /** Who selected it. */
  readonly users: readonly string[];
  /** Cursors that stand at its beginning. */
  readonly carets: readonly ShownCursor[];
}

/** The text cut where a caret or a selection begins or ends. `place` brings a position into the text. */
export function stretches(text: string, cursors: readonly ShownCursor[], place: (position: number) => number): Stretch[] {
  const into = (position: number): number => whole(text, Math.max(0, Math.min(text.length, place(position))));
  const placed = cursors.map((cursor) => {
    const [a, b] = cursor.selection ?? [0, 0];
    const [from, to] = [into(Math.min(a, b)), into(Math.max(a, b))];
    return { cursor, from, to, at: cursor.position === null || cursor.position === undefined ? null : into(cursor.position) };
  });
  const cuts = new Set([0, text.length, ...placed.flatMap(({ from, to, at }) => [from, to, at ?? 0])]);
  const ordered = [...cuts].sort((a, b) => a - b);
  return ordered.map((start, index) => {
    const end = ordered[index + 1] ?? text.length;
    return {
      text: text.slice(start, end),
      users: placed.filter(({ from, to }) => from < to && from <= start && end <= to && start < end).map(({ cursor }) => cursor.user_id),
      carets: placed.filter(({ at }) => at === start).map(({ cursor }) => cursor),
    };
  });
}

/** Never between the halves of one character. */
function whole(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff && at > 0 ? at - 1 : at;
}

export interface BackdropProps {
  readonly text: string;
  readonly cursors: readonly ShownCursor[];
  readonly place: (position: number) => number;
  readonly nameOf: (userId: string) => string;
}

export function Backdrop({ text, cursors, place, nameOf }: BackdropProps): JSX.Element {
  return (
    <div class="jp-Novel-backdrop" aria-hidden="true">
      {stretches(text, cursors, place).map((stretch, index) => (
        <span key={index} class={stretch.users.length > 0 ? "jp-Novel-selected" : undefined} style={markOf(stretch)}>
          {stretch.carets.map((cursor) => (
            <span
              key={cursor.connection_id}
              class={`jp-Novel-caret${cursor.typing === true ? " jp-mod-typing" : ""}`}
              style={{ "--jp-Novel-person": colorOf(cursor.user_id) }}
            >
              <span class="jp-Novel-flag" dir="auto">
                {nameOf(cursor.user_id)}
              </span>
            </span>
          ))}
          {stretch.text}
        </span>
      ))}
      {/* A last line that is empty has its height, too. */}
      {"\u200b"}
    </div>
  );
}

function markOf({ users }: Stretch): { [name: string]: string } | undefined {
  const user = users.at(-1);
  return user === undefined ? undefined : { "--jp-Novel-person": colorOf(user) };
}

/** Who types in a field, in words; empty where nobody does. */
export function typingHere(trans: Translation, cursors: readonly ShownCursor[], nameOf: (userId: string) => string): string {
  const names = [...new Set(cursors.filter(({ typing }) => typing).map(({ user_id }) => nameOf(user_id)))];
  switch (names.length) {
    case 0:
      return "";
    case 1:
      return trans.__("%1 is typing here", names[0] ?? "");
    case 2:
      return trans.__("%1 and %2 are typing here", names[0] ?? "", names[1] ?? "");
    default:
      return trans.__("%1 people are typing here", names.length);
  }
}
