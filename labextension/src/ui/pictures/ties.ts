/**
 * How people stand to each other, as far as a view shows it.
 *
 * Law: pure. Feelings are what the shown seats say; who dealt with whom is read from what came of everybody's actions,
 * and is never taken for a feeling.
 * Parts: `Tie`, `tiesOf`, `Dealing`, `dealingsOf`.
 */
import type { Character, StoryState } from "../state";
import type { TurnLog } from "./digest";

export interface Tie {
  readonly from: string;
  readonly to: string;
  /** Above 0: trust; below: mistrust. */
  readonly trust: number;
  /** How it moved in the last turn in which it did, and in which. */
  readonly moved: { readonly by: number; readonly turn: number } | null;
}

/** The feelings that this view shows, and whose they are. */
export function tiesOf(state: StoryState, turns: readonly TurnLog[]): { ties: readonly Tie[]; shown: readonly string[] } {
  const people = Object.keys(state.characters).sort();
  const known = new Set(people);
  const shown = people.filter((who) => state.seat(who)?.relations !== undefined);
  const ties = shown.flatMap((from) =>
    Object.entries(state.seat(from)?.relations ?? {})
      .filter(([to]) => known.has(to) && to !== from)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([to, trust]) => ({ from, to, trust, moved: lastMove(turns, from, to) })),
  );
  return { ties, shown };
}

function lastMove(turns: readonly TurnLog[], from: string, to: string): Tie["moved"] {
  for (const turn of turns.toReversed()) {
    const own = turn.shifts.filter((shift) => shift.from === from && shift.to === to && shift.before !== null);
    const [first, last] = [own[0], own.at(-1)];
    if (first?.before == null || last === undefined || first.before === last.after) continue;
    return { by: last.after - first.before, turn: turn.number };
  }
  return null;
}

export interface Dealing {
  readonly from: string;
  readonly to: string;
  readonly times: number;
  /** The kind of the last action, and its turn. */
  readonly last: string;
  readonly turn: number;
  readonly tone: "kind" | "fierce" | "plain";
}

const FIERCE: ReadonlySet<string> = new Set(["attack", "threaten", "betray"]);
const KIND: ReadonlySet<string> = new Set(["help", "give", "defend"]);

/** Who turned to whom, as far as this view shows what was done. The tone is that of the last action. */
export function dealingsOf(characters: { readonly [id: string]: Character }, turns: readonly TurnLog[]): readonly Dealing[] {
  const found = new Map<string, Dealing>();
  for (const { number, outcomes } of turns) {
    for (const { character: from, action, outcome } of outcomes) {
      const { kind, target } = action;
      if (typeof kind !== "string" || typeof target !== "string" || outcome === "refused") continue;
      if (from === target || !Object.hasOwn(characters, from) || !Object.hasOwn(characters, target)) continue;
      const key = `${from} ${target}`;
      const tone = FIERCE.has(kind) ? "fierce" : KIND.has(kind) ? "kind" : "plain";
      const times = (found.get(key)?.times ?? 0) + 1;
      found.set(key, { from, to: target, times, last: kind, turn: number, tone });
    }
  }
  return [...found.values()];
}
