/**
 * The story as it stood when a turn ended.
 *
 * Law: the state is the fold of the log, so an earlier one is the fold of an earlier part of it, in the reader's own
 * view. It is folded from the opening, once, and kept at the end of each turn; what this page saw itself needs no
 * folding. Where the log is too long to be read from its opening, that is said: nothing is made up.
 * Parts: `Past` (pure, over a log), `AsOf`, `useAsOf`.
 */
import { useEffect } from "preact/hooks";

import { isObject, type JsonObject } from "../../json";
import { PatchError, applyPatch, lookup } from "../../patch";
import { useReplica, useStory } from "../face";
import type { Entry } from "../pictures/entries";
import { useLog, type StoryLog } from "../pictures/log";
import type { Stage } from "../pictures/whereabouts";
import type { Place } from "./tree";

/** What a log has to offer for it. */
export interface Source {
  readonly entries: readonly Entry[];
  readonly hasOpening: boolean;
  readonly history: number;
  readonly seen: ReadonlyMap<number, JsonObject>;
}

interface Checkpoint {
  readonly sequence: number;
  readonly state: JsonObject;
}

const OPENING: Checkpoint = { sequence: 0, state: {} };

export class Past {
  readonly #log: Source;
  #history = -1;
  /** In order; the states share what did not change between them. */
  #kept: Checkpoint[] = [OPENING];

  constructor(log: Source) {
    this.#log = log;
  }

  /** The story's partitions after the event `sequence`; null where the log does not reach it, or does not fit. */
  at(sequence: number): JsonObject | null {
    const { history, entries, hasOpening, seen } = this.#log;
    if (history !== this.#history) [this.#history, this.#kept] = [history, [OPENING]];
    const known = seen.get(sequence);
    if (known !== undefined) return known;
    const from = this.#kept.findLast((one) => one.sequence <= sequence) ?? OPENING;
    if (from.sequence === sequence) return from.state;
    if (!hasOpening) return null;
    let { state } = from;
    const made: Checkpoint[] = [];
    try {
      for (const entry of entries) {
        if (entry.sequence <= from.sequence) continue;
        if (entry.sequence > sequence) break;
        state = applyPatch(state, entry.patch);
        if (entry.ends > 0) made.push({ sequence: entry.sequence, state });
      }
    } catch (error) {
      if (error instanceof PatchError) return null;
      throw error;
    }
    this.#kept = [...this.#kept, ...made].sort((a, b) => a.sequence - b.sequence);
    return state;
  }
}

export type AsOf =
  | { readonly kind: "now" }
  | { readonly kind: "known"; readonly state: JsonObject; readonly stage: Stage }
  | { readonly kind: "reading" }
  /** The log is too long to read it from its opening, or no longer kept from there on. */
  | { readonly kind: "far" }
  | { readonly kind: "failed" };

const pasts = new WeakMap<StoryLog, Past>();

/** The story as of the end of a turn (0: the opening; null: now). The log is read when it is needed for it. */
export function useAsOf(place: Place): AsOf {
  const log = useLog();
  const opening = useReplica(({ state }) => lookup(state, ["session", "opening"]));
  const end = useStory((state) => (place === null ? 0 : state.turns[String(place)]?.end)) ?? 0;
  const past = pasts.get(log) ?? new Past(log);
  pasts.set(log, past);
  const sequence = place === 0 ? Number(opening ?? 0) : end;
  const state = place === null || sequence === 0 ? null : past.at(sequence);
  const wants = place !== null && sequence > 0 && state === null && log.canReachOpening && !log.hasOpening;
  useEffect(() => {
    if (wants) void log.reach(1);
  }, [wants, log, log.history]);
  if (place === null) return { kind: "now" };
  if (state !== null) return { kind: "known", state, stage: stageOf(state) };
  if (sequence === 0 || !log.canReachOpening) return { kind: "far" };
  if (log.hasOpening || log.failed !== null) return { kind: "failed" };
  return { kind: "reading" };
}

function stageOf(state: JsonObject): Stage {
  const part = (name: string): JsonObject => {
    const found = state[name];
    return isObject(found) ? found : {};
  };
  return {
    locations: part("locations"),
    characters: part("characters"),
    items: part("items"),
    scene: part("scene"),
  } as unknown as Stage;
}
