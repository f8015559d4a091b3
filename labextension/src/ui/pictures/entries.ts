/**
 * An event of the log, cut down to what pictures and timelines read.
 *
 * Law: pure; what a view hides leaves nothing behind. The rules' own partitions and the prose are left out of the
 * patches, so that what is kept stays small; of a telling only its first words are kept.
 * Parts: `Entry`, `entryOf`, `writes` (what a patch says of one place).
 */
import { isObject } from "../../json";
import { lookup, parsePointer } from "../../patch";
import type { JsonValue, MadeBy, Op, Outcome, WireEvent } from "../../protocol";
import type { Action, Overruling } from "../state";

const RULES: ReadonlySet<string> = new Set([
  ...["session", "participants", "seats", "turn", "host", "turns", "branches", "conflicts", "suggestions", "chat"],
  ...["sealed", "onlookers", "chronicle"],
]);
const WORDS = 160;

/** What a director put in the place of a player's proposal, and why. */
export interface Overruled {
  readonly character: string;
  readonly action: Action | null;
  readonly overruled: Overruling;
}

export interface Entry {
  readonly sequence: number;
  /** Of the command that made it: the events of one command tell of one moment. */
  readonly command: string | null;
  readonly kind: string;
  /** What it changes of the story. */
  readonly patch: readonly Op[];
  readonly outcomes: readonly Outcome[];
  /** A turn that was resolved whole, or resolved in part (`complete: false`). */
  readonly resolved: {
    readonly number: number;
    readonly attempt: number;
    readonly branch: string;
    readonly parent: number;
    readonly complete: boolean;
    readonly madeBy: MadeBy;
  } | null;
  /** What of a locked turn a director put in its place; null where the event locks none. */
  readonly overruled: readonly Overruled[] | null;
  /** The turn that is told, by its node, and how it begins. */
  readonly told: { readonly node: number; readonly words: string } | null;
  /** The turn that ends with this event. */
  readonly ends: number;
}

/** Null: nothing that a picture reads. */
export function entryOf(event: WireEvent): Entry | null {
  const { data } = event;
  if (data.kind === "hidden") return null;
  const all = "patch" in data && data.patch !== undefined ? data.patch : [];
  const patch = all.filter((op) => isStory(op.path));
  const ended = all.find((op) => /^\/turns\/\d+\/end$/.test(op.path));
  let resolved: Entry["resolved"] = null;
  let told: Entry["told"] = null;
  if (data.kind === "resolved") {
    const node = writes(all, ["turns", String(event.sequence_id)]);
    const { branch = "", parent = 0 } = isObject(node) ? node : {};
    resolved = {
      number: data.turn,
      attempt: data.attempt,
      branch: String(branch),
      parent: Number(parent),
      complete: data.turn_complete,
      madeBy: data.made_by,
    };
  } else if ((data.kind === "turn" || data.kind === "dealt") && data.node !== undefined && data.narrative) {
    told = { node: data.node, words: firstWords(data.narrative) };
  }
  const overruled = data.kind === "locked" ? overruledIn(writes(all, ["turn", "locked", "proposals"])) : null;
  const outcomes = (data.kind === "resolved" || data.kind === "dealt") && data.outcomes !== undefined ? data.outcomes : [];
  const moves = data.kind === "undone" || data.kind === "branched";
  const isNothing = patch.length === 0 && outcomes.length === 0 && resolved === null && told === null && overruled === null;
  if (isNothing && !moves && ended === undefined) return null;
  return {
    sequence: event.sequence_id,
    command: event.id,
    kind: data.kind,
    patch,
    outcomes,
    resolved,
    overruled,
    told,
    ends: ended === undefined ? 0 : Number(ended.path.split("/")[2]),
  };
}

function overruledIn(proposals: JsonValue | undefined): Overruled[] {
  if (!isObject(proposals)) return [];
  return Object.entries(proposals).flatMap(([character, proposal]) => {
    if (!isObject(proposal) || !isObject(proposal["overruled"])) return [];
    const { by, reason } = proposal["overruled"];
    const action = isObject(proposal["action"]) ? proposal["action"] : null;
    return [{ character, action, overruled: { by: String(by), reason: String(reason) } }];
  });
}

function isStory(path: string): boolean {
  const [, partition = "", within = ""] = path.split("/", 3);
  return !RULES.has(partition) && !(partition.startsWith("seat:") && within === "chronicle");
}

/** The beginning of a text, cut at a word. */
export function firstWords(text: string, most = WORDS): string {
  const line = text.trim().replace(/\s+/g, " ");
  if (line.length <= most) return line;
  const cut = line.lastIndexOf(" ", most - 1);
  return `${line.slice(0, cut > most / 2 ? cut : most - 1)}…`;
}

/** What a patch says of a place, or undefined where it says nothing; a removal says null. */
export function writes(patch: readonly Op[], place: readonly string[]): JsonValue | undefined {
  let found: JsonValue | undefined;
  for (const op of patch) {
    const path = parsePointer(op.path);
    if (path.length > place.length || path.some((token, at) => token !== place[at])) continue;
    const rest = place.slice(path.length);
    if (op.op === "remove") found = null;
    else if (rest.length === 0) found = op.value;
    else found = (isObject(op.value) ? lookup(op.value, rest) : undefined) ?? found;
  }
  return found;
}
