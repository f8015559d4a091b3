/**
 * The log as pictures read it: what came of each turn, how tense it was, what moved between people.
 *
 * Law: pure. Tension is read as a notebook's plots read it: what stands after the last event of the command that
 * resolved the turn, carried on from before where nothing is said. What a view hides is not there, and nothing is
 * guessed in its place.
 * Parts: `TurnLog`, `Digest`, `digest` (entries in order), `lineOf` (the turns that count), `outcomesOf`.
 */
import { isObject } from "../../json";
import { parsePointer } from "../../patch";
import type { JsonValue, MadeBy, Op, Outcome } from "../../protocol";
import { writes, type Entry, type Overruled } from "./entries";

export interface Shift {
  readonly from: string;
  readonly to: string;
  readonly before: number | null;
  readonly after: number;
}

export interface TurnLog {
  readonly node: number;
  readonly number: number;
  readonly attempt: number;
  readonly branch: string;
  readonly parent: number;
  readonly outcomes: readonly Outcome[];
  /** What a director had put in the place of players' proposals; null where the log was not read back to the lock. */
  readonly overruled: readonly Overruled[] | null;
  /** 0 … 100; null where this view does not show it. */
  readonly tension: number | null;
  readonly act: string | null;
  /** Clock → how far it had run. */
  readonly clocks: { readonly [clock: string]: number };
  readonly shifts: readonly Shift[];
  readonly words: string;
  readonly madeBy: MadeBy;
}

export interface Digest {
  /** By node. */
  readonly turns: ReadonlyMap<number, TurnLog>;
}

type Draft = { -readonly [K in keyof TurnLog]: TurnLog[K] };

export function digest(entries: Iterable<Entry>): Digest {
  const turns = new Map<number, Draft>();
  let tension: number | null = null;
  let act: string | null = null;
  const clocks = new Map<string, number>();
  const feelings = new Map<string, number>();
  // A turn that was resolved in part is told with the next part.
  let waiting: Outcome[] = [];
  let overruled: readonly Overruled[] | null = null;
  let open: { command: string | null; turn: Draft | null } = { command: null, turn: null };

  for (const entry of entries) {
    tension = numberOr(writes(entry.patch, ["director", "tension"]), tension);
    const said = writes(entry.patch, ["scene", "act"]);
    if (typeof said === "string") act = said;
    for (const [clock, value] of clocksIn(entry.patch)) clocks.set(clock, value);
    const shifts = shiftsIn(entry.patch, feelings);

    if (entry.overruled !== null) overruled = waiting.length === 0 ? entry.overruled : [...(overruled ?? []), ...entry.overruled];
    if (entry.resolved !== null) {
      const { complete, ...about } = entry.resolved;
      const outcomes = [...waiting, ...entry.outcomes];
      waiting = complete ? [] : outcomes;
      const turn: Draft | null = complete
        ? { node: entry.sequence, ...about, outcomes, overruled, tension, act, clocks: {}, shifts: [], words: "" }
        : null;
      if (turn !== null) turns.set(turn.node, turn);
      open = { command: entry.command, turn };
    } else if (entry.kind === "dealt" && entry.command === open.command) {
      if (open.turn === null) waiting = [...waiting, ...entry.outcomes];
      else open.turn.outcomes = [...open.turn.outcomes, ...entry.outcomes];
    } else if (entry.kind === "undone" || entry.kind === "branched") {
      waiting = [];
      open = { command: null, turn: null };
    }
    if (open.turn !== null && entry.command === open.command) {
      Object.assign(open.turn, { tension, act, clocks: Object.fromEntries(clocks) });
      open.turn.shifts = [...open.turn.shifts, ...shifts];
    }
    const told = entry.told === null ? undefined : turns.get(entry.told.node);
    if (told !== undefined && entry.told !== null) told.words = entry.told.words;
  }
  return { turns };
}

function numberOr(value: JsonValue | undefined, before: number | null): number | null {
  return typeof value === "number" ? value : before;
}

function* clocksIn(patch: readonly Op[]): Iterable<[string, number]> {
  for (const op of patch) {
    const [top, clock, field, ...deeper] = parsePointer(op.path);
    if (top !== "clocks" || op.op === "remove" || deeper.length > 0) continue;
    if (clock === undefined) {
      if (!isObject(op.value)) continue;
      for (const [id, value] of Object.entries(op.value)) {
        if (isObject(value) && typeof value["value"] === "number") yield [id, value["value"]];
      }
    } else {
      const value = field === undefined && isObject(op.value) ? op.value["value"] : field === "value" ? op.value : null;
      if (typeof value === "number") yield [clock, value];
    }
  }
}

/** What a patch moves between people; `feelings` follows. */
function shiftsIn(patch: readonly Op[], feelings: Map<string, number>): Shift[] {
  const shifts: Shift[] = [];
  for (const op of patch) {
    const path = parsePointer(op.path);
    const [top = "", field, other] = path;
    if (!top.startsWith("seat:") || op.op === "remove") continue;
    const from = top.slice("seat:".length);
    let said: [string, JsonValue | undefined][] = [];
    if (field === undefined) said = relationsIn(isObject(op.value) ? op.value["relations"] : undefined);
    else if (field === "relations") said = other === undefined ? relationsIn(op.value) : [[other, op.value]];
    for (const [to, after] of said) {
      if (typeof after !== "number") continue;
      const key = `${from} ${to}`;
      const before = feelings.get(key) ?? null;
      feelings.set(key, after);
      if (path.length > 1 && before !== after) shifts.push({ from, to, before, after });
    }
  }
  return shifts;
}

function relationsIn(value: JsonValue | undefined): [string, JsonValue | undefined][] {
  return isObject(value) ? Object.entries(value) : [];
}

/** The turns from the opening to `tip`, as far as `turns` and the log know them: what was undone does not count. */
export function lineOf(
  tip: number,
  turns: { readonly [node: string]: { readonly parent: number } },
  known?: Digest,
): readonly number[] {
  const line: number[] = [];
  let node = tip;
  // A parent is always older than its turn.
  for (let last = Number.MAX_SAFE_INTEGER; node > 0 && node < last; ) {
    const entry = turns[String(node)] ?? known?.turns.get(node);
    if (entry === undefined) break;
    line.push(node);
    last = node;
    node = entry.parent;
  }
  return line.reverse();
}

/** What came of each action of a turn, with its reason; undefined where the log that was read does not reach it. */
export function outcomesOf(known: Digest, node: number): readonly Outcome[] | undefined {
  return known.turns.get(node)?.outcomes;
}
