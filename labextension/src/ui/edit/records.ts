/**
 * What lost and is kept: conflicts, suggestions of agents, and edits that went with an undone turn.
 *
 * Law: everything that the reader's view shows is listed, whichever partition it stands in; the newest comes first.
 * Parts: `recordsOf`, `undoneEdits`, `wordsOf` (a value as people read it).
 */
import { isObject, type JsonObject } from "../../json";
import type { JsonValue, Op, WireEvent } from "../../protocol";
import type { Translation } from "../translate";

export interface KeptAside {
  /** Where the record stands: what `settle` names. */
  readonly pointer: string;
  readonly kind: "conflict" | "suggestion";
  readonly path: string;
  /** Null is a removal where `removal` says so. */
  readonly kept: JsonValue;
  readonly lost: JsonValue;
  readonly removal: "kept" | "lost" | null;
  readonly keptBy: string | null;
  readonly lostBy: string | null;
  readonly at: number;
  /** The seat, the onlookers or the director whose it is; null: everybody's. */
  readonly audience: string | null;
}

const KINDS = { conflicts: "conflict", suggestions: "suggestion" } as const;

export function recordsOf(state: JsonObject): readonly KeptAside[] {
  const found: KeptAside[] = [];
  const collect = (holder: JsonObject, at: string, audience: string | null): void => {
    for (const [name, kind] of Object.entries(KINDS)) {
      const records = holder[name];
      if (!isObject(records)) continue;
      for (const [id, record] of Object.entries(records)) {
        if (isObject(record)) found.push(read(record, `${at}/${name}/${id}`, kind, audience));
      }
    }
  };
  collect(state, "", null);
  for (const [partition, holder] of Object.entries(state)) {
    const isPrivate = partition.startsWith("seat:") || partition === "director" || partition === "onlookers";
    if (isPrivate && isObject(holder)) collect(holder, `/${partition}`, partition.replace(/^seat:/, ""));
  }
  return found.sort((a, b) => b.at - a.at || (a.pointer < b.pointer ? 1 : -1));
}

function read(record: JsonObject, pointer: string, kind: KeptAside["kind"], audience: string | null): KeptAside {
  const text = (name: string): string | null => (typeof record[name] === "string" ? record[name] : null);
  const op = isObject(record["op"]) ? record["op"] : null;
  const removal = op === null ? record["removal"] : op["op"] === "remove" ? "lost" : null;
  return {
    pointer,
    kind,
    path: text("path") ?? "",
    kept: (kind === "suggestion" ? record["current"] : record["kept"]) ?? null,
    lost: (op === null ? record["lost"] : op["value"]) ?? null,
    removal: removal === "kept" || removal === "lost" ? removal : null,
    keptBy: text("kept_by"),
    lostBy: text("lost_by") ?? text("suggested_by"),
    at: typeof record["sequence_id"] === "number" ? record["sequence_id"] : 0,
    audience,
  };
}

export interface UndoneEdit {
  /** Of the edit: what `restore_edit` names. */
  readonly sequence: number;
  readonly by: string | null;
  /** What it wrote; empty where its event is not among those that were read. */
  readonly patch: readonly Op[];
}

/** The edits that an undo or a branch took away and nobody brought back, the newest first. */
export function undoneEdits(events: readonly WireEvent[]): readonly UndoneEdit[] {
  const edits = new Map<number, UndoneEdit>();
  const away = new Map<number, UndoneEdit>();
  for (const { sequence_id: sequence, user_id: by, data } of events) {
    if (data.kind === "edit") {
      const patch = (data.patch ?? []).filter(({ path }) => !/(^|\/)(conflicts|suggestions)(\/|$)/.test(path));
      edits.set(sequence, { sequence, by, patch });
      if (data.restores !== undefined) away.delete(data.restores);
    } else if (data.kind === "undone" || data.kind === "branched") {
      for (const each of data.edits) away.set(each, edits.get(each) ?? { sequence: each, by: null, patch: [] });
    }
  }
  return [...away.values()].sort((a, b) => b.sequence - a.sequence);
}

/** A value in words. */
export function wordsOf(trans: Translation, value: JsonValue | undefined, isRemoved: boolean): string {
  if (isRemoved) return trans.__("(removed)");
  if (typeof value === "string") return value === "" ? trans.__("(empty)") : value;
  return value === undefined || value === null ? trans.__("(nothing)") : JSON.stringify(value, null, 1);
}
