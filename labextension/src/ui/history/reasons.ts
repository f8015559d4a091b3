/**
 * What can be done with a turn of the past, and if not, why not.
 *
 * Law: the rules are the server's (going back moves a reference, and only between turns); this only tells beforehand.
 * Parts: one function for each command: null, or the reason; `branchNameFault`.
 */
import { barred, outOfPhase } from "../rights";
import type { Phase, StoryState } from "../state";
import type { Translation } from "../translate";
import type { Place } from "./tree";

const RESTING: readonly Phase[] = ["lobby", "collect", "review", "paused", "failed", "ended"];
const RETELLING: readonly Phase[] = ["collect", "review", "paused", "ended"];
const BRANCHES = 32;
const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;

export interface Asked {
  readonly trans: Translation;
  readonly state: StoryState;
  readonly me: string;
}

/** The node that a place stands for. */
export function nodeAt(state: StoryState, place: Place): number {
  return place ?? state.turn?.parent ?? 0;
}

export function whyNotRetell({ trans, state, me }: Asked, place: Place): string | null {
  const node = nodeAt(state, place);
  return (
    barred(trans, state, me, "retell") ??
    outOfPhase(trans, state.turn?.phase, RETELLING) ??
    (node === 0 ? trans.__("No turn was told here.") : unfinished(trans, state, node))
  );
}

export function whyNotReroll({ trans, state, me }: Asked, place: Place): string | null {
  const { turn } = state;
  const refused = barred(trans, state, me, "reroll") ?? outOfPhase(trans, turn?.phase, [...RETELLING, "failed"]);
  if (refused !== null) return refused;
  if (turn?.phase === "paused" && turn.resume === "failed") return trans.__("The turn that failed is paused: resume first.");
  if (turn?.phase === "failed" && turn.locked !== null) {
    return place === null ? null : trans.__("The turn that failed is the one to play again: go to now.");
  }
  if ((turn?.parent ?? 0) === 0) return trans.__("No turn was played yet.");
  if (place !== null && place !== turn?.parent) return trans.__("Only the last turn can be played again.");
  return unfinished(trans, state, turn?.parent ?? 0);
}

/** `place` null: the last turn is taken back. */
export function whyNotUndo({ trans, state, me }: Asked, place: Place, path: readonly number[]): string | null {
  const refused = barred(trans, state, me, "undo") ?? outOfPhase(trans, state.turn?.phase, RESTING);
  if (refused !== null) return refused;
  const parent = state.turn?.parent ?? 0;
  if (place === null) return parent === 0 ? trans.__("The story stands at its opening.") : null;
  if (place === parent) return trans.__("The story stands here.");
  if (place !== 0 && !path.includes(place)) return trans.__("This turn is not on the current path: branch from here instead.");
  return unfinished(trans, state, place);
}

export function whyNotBranch({ trans, state, me }: Asked, place: Place): string | null {
  const refused = barred(trans, state, me, "branch") ?? outOfPhase(trans, state.turn?.phase, RESTING);
  if (refused !== null) return refused;
  if (Object.keys(state.branches).length >= BRANCHES) return trans.__("A story has at most %1 branches.", BRANCHES);
  return unfinished(trans, state, nodeAt(state, place));
}

export function whyNotSwitch({ trans, state, me }: Asked, name: string): string | null {
  const refused = barred(trans, state, me, "branch") ?? outOfPhase(trans, state.turn?.phase, RESTING);
  if (refused !== null) return refused;
  return unfinished(trans, state, state.branches[name] ?? 0);
}

function unfinished(trans: Translation, state: StoryState, node: number): string | null {
  if (node === 0) return null;
  const turn = state.turns[String(node)];
  if (turn === undefined) return trans.__("This turn is too long ago to go back to.");
  return turn.end === 0 ? trans.__("This turn is not told to its end yet.") : null;
}

/** What is wrong with the name of a new branch; null: nothing. */
export function branchNameFault(trans: Translation, state: StoryState, name: string): string | null {
  if (name === "") return trans.__("Give it a name.");
  if (!NAME.test(name)) return trans.__("Small letters a to z, digits, - and _, at most 32, a letter or digit first.");
  if (Object.hasOwn(state.branches, name)) return trans.__("There is a branch of this name already.");
  return null;
}
