/**
 * What paths are called, and how they are merged.
 *
 * Law: a path is shown to people as words; the rules for merging are the story's own, read as the server reads them
 * (of two patterns that fit, the more special one).
 * Parts: `placeName`, `strategyFor`.
 */
import { parsePointer } from "../../patch";
import type { StoryState } from "../state";
import type { Translation } from "../translate";

/** A place of the story in words, such as "Mara: description". */
export function placeName(trans: Translation, state: StoryState, pointer: string): string {
  const [root = "", id = "", part = ""] = tokensOf(pointer);
  const seat = root.startsWith("seat:") ? root.slice("seat:".length) : null;
  if (seat !== null) return trans.__("%1: private %2", characterName(state, seat), wordFor(trans, id));
  switch (root) {
    case "characters":
      return part === "" ? characterName(state, id) : trans.__("%1: %2", characterName(state, id), wordFor(trans, part));
    case "notes":
      return id === "scene" ? trans.__("Notes on the scene") : trans.__("Note: %1", id);
    case "scene":
      return trans.__("Scene: %1", wordFor(trans, id));
    case "facts":
      return trans.__("A fact of the world");
    case "locations":
      return trans.__("%1: %2", state.locations[id]?.name ?? id, wordFor(trans, part));
    case "items":
      return trans.__("%1: %2", state.items[id]?.name ?? id, wordFor(trans, part));
    case "chronicle":
    case "turns":
      return trans.__("Turn %1", state.turns[id]?.number ?? state.chronicle?.[id]?.turn ?? id);
    case "turn":
      return id === "proposals" && part !== "" ? trans.__("what %1 does next", characterName(state, part)) : trans.__("the turn");
    case "chat":
      return trans.__("the chat");
    default:
      return pointer;
  }
}

function characterName(state: StoryState, id: string): string {
  return state.characters[id]?.name ?? state.seats[id]?.name ?? id;
}

function wordFor(trans: Translation, part: string): string {
  switch (part) {
    case "description":
      return trans.__("description");
    case "traits":
      return trans.__("traits");
    case "notes":
      return trans.__("notes");
    case "mood":
      return trans.__("mood");
    case "text":
      return trans.__("text");
    default:
      return part;
  }
}

export function tokensOf(pointer: string): string[] {
  try {
    return parsePointer(pointer);
  } catch {
    return [pointer];
  }
}

/** The strategy of a path (`latest_wins` where the story names none). */
export function strategyFor(strategies: { readonly [pattern: string]: string }, pointer: string): string {
  const path = tokensOf(pointer);
  const fitting = Object.keys(strategies).filter((pattern) => fits(pattern.split("/").slice(1), path));
  const best = fitting.sort((a, b) => compare(specialty(a), specialty(b)) || (a < b ? -1 : 1))[0];
  return (best === undefined ? undefined : strategies[best]) ?? "latest_wins";
}

function fits(pattern: readonly string[], path: readonly string[]): boolean {
  const open = pattern.at(-1) === "**";
  const parts = open ? pattern.slice(0, -1) : pattern;
  if (open ? path.length < parts.length : path.length !== parts.length) return false;
  return parts.every((part, at) => {
    const plain = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const token = path[at] ?? "";
    return plain.endsWith("*") ? token.startsWith(plain.slice(0, -1)) : plain === token;
  });
}

function specialty(pattern: string): number[] {
  return pattern
    .split("/")
    .slice(1)
    .flatMap((part) => (part === "**" ? [3, 0] : part === "*" ? [2, 0] : part.endsWith("*") ? [1, -part.length] : [0, 0]));
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    if (value !== other) return value - other;
  }
  return a.length - b.length;
}
