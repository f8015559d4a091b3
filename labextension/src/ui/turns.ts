/**
 * Which turns the reader sees, in order, and what was told of each in their view.
 *
 * Law: the story is the path from the opening to where the next turn continues; other branches are in the timeline.
 * Who plays a character reads what that character witnessed; everybody else reads the onlookers' prose.
 * Parts: `pathOf`, `toldOf`, `mySeats`.
 */
import type { StoryState, Told, TurnNode } from "./state";

export interface TurnShown {
  readonly node: number;
  readonly entry: TurnNode;
}

/** From the oldest turn that is known to the one that was resolved last on this branch. */
export function pathOf(turns: { readonly [node: string]: TurnNode }, tip: number): TurnShown[] {
  const path: TurnShown[] = [];
  for (let node = tip; node !== 0; ) {
    const entry = turns[String(node)];
    if (entry === undefined) break;
    path.push({ node, entry });
    node = entry.parent;
  }
  return path.reverse();
}

/** The last node on screen: that of the turn under way once it is resolved, else the one before it. */
export function tipOf(state: StoryState): number {
  return state.turn === undefined ? 0 : state.turn.node || state.turn.parent;
}

/** The characters whose seats somebody has, in the story's order. */
export function mySeats(state: StoryState, me: string): string[] {
  return Object.entries(state.seats)
    .filter(([, seat]) => seat.owner === me)
    .map(([character]) => character);
}

/** What was told of a turn, by who it was told to: null for onlookers, else the character. */
export function toldOf(state: StoryState, node: number): { readonly seat: string | null; readonly told: Told }[] {
  const id = String(node);
  const open = state.chronicle?.[id];
  if (open !== undefined) return [{ seat: null, told: open }];
  return Object.keys(state.seats).flatMap((seat) => {
    const told = state.seat(seat)?.chronicle?.[id];
    return told === undefined ? [] : [{ seat, told }];
  });
}
