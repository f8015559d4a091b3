/**
 * JSON patches: the only way in which a state changes.
 *
 * Law: a patch applies whole or not at all, never touches its input, and copies only along the paths that it writes, so
 * what did not change stays the very same object. Arrays are values: they are replaced whole. Only own properties
 * exist, and no path names what would be a prototype.
 * Parts: `PatchError`, `parsePointer`, `formatPointer`, `lookup`, `applyPatch`.
 */
import { equalJson, isObject, type JsonObject } from "./json";
import type { JsonValue, Op } from "./protocol";

const MAX_POINTER_CHARS = 1024;
const MAX_POINTER_DEPTH = 16;
const FORBIDDEN_TOKENS: ReadonlySet<string> = new Set(["", "__proto__", "constructor", "prototype"]);

export type PatchCode = "bad_path" | "invalid" | "missing_path" | "positional" | "test_failed";

/** A patch that cannot be read or applied: why, where, and by which operation (-1 for none). */
export class PatchError extends Error {
  readonly code: PatchCode;
  readonly path: string;
  readonly index: number;

  constructor(code: PatchCode, path: string, message: string, index = -1) {
    super(`${message} (at ${JSON.stringify(path)})`);
    this.name = "PatchError";
    this.code = code;
    this.path = path;
    this.index = index;
  }
}

function checked(tokens: string[], path: string, index: number): string[] {
  if (tokens.length > MAX_POINTER_DEPTH) {
    throw new PatchError("bad_path", path, `a path has at most ${MAX_POINTER_DEPTH} parts`, index);
  }
  if (tokens.some((token) => FORBIDDEN_TOKENS.has(token))) {
    throw new PatchError("bad_path", path, "a part of the path is empty or reserved", index);
  }
  return tokens;
}

/** Characters as the server counts them: one beyond the basic plane is one, not two. */
function isTooLong(pointer: string): boolean {
  return pointer.length > MAX_POINTER_CHARS && Array.from(pointer).length > MAX_POINTER_CHARS;
}

/** The tokens of an RFC 6901 pointer; `""` is the document, `[]`. @throws PatchError `bad_path`. */
export function parsePointer(pointer: string, index = -1): string[] {
  if (pointer === "") return [];
  if (isTooLong(pointer)) {
    throw new PatchError("bad_path", pointer.slice(0, 64), `a path has at most ${MAX_POINTER_CHARS} characters`, index);
  }
  if (!pointer.startsWith("/")) throw new PatchError("bad_path", pointer, "a path begins with '/'", index);
  if (/~(?![01])/.test(pointer)) {
    throw new PatchError("bad_path", pointer, "'~' is written '~0' and '/' is written '~1'", index);
  }
  const parts = pointer.slice(1).split("/");
  return checked(
    parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")),
    pointer,
    index,
  );
}

/** The RFC 6901 pointer of tokens. @throws PatchError `bad_path` where `parsePointer` would. */
export function formatPointer(tokens: readonly string[]): string {
  const pointer = tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  checked([...tokens], pointer, -1);
  if (isTooLong(pointer)) throw new PatchError("bad_path", pointer.slice(0, 64), "the path is too long");
  return pointer;
}

/** The value at a path, or undefined, also where the path would walk into an array or a scalar. */
export function lookup(doc: JsonObject, path: readonly string[]): JsonValue | undefined {
  let node: JsonValue | undefined = doc;
  for (const token of path) {
    if (!isObject(node) || !Object.hasOwn(node, token)) return undefined;
    node = node[token];
  }
  return node;
}

function valueOf(op: Op, index: number): JsonValue {
  if (op.value === undefined) throw new PatchError("invalid", op.path, `'${op.op}' needs a value`, index);
  return op.value;
}

function noWay(found: JsonValue | undefined, path: string, index: number): PatchError {
  return Array.isArray(found)
    ? new PatchError("positional", path, "arrays are replaced whole, not edited by position", index)
    : new PatchError("missing_path", path, "the path leads through something that is not an object", index);
}

/**
 * The document after the operations, in order. `add` on an existing key replaces (RFC 6902).
 *
 * @throws PatchError, and then nothing happened.
 */
export function applyPatch(doc: JsonObject, ops: readonly Op[]): JsonObject {
  const root: { [key: string]: JsonValue } = { ...doc };
  // Objects made here, which may be written in place.
  const own = new Set<JsonObject>([root]);
  for (const [index, op] of ops.entries()) {
    const path = parsePointer(op.path, index);
    const key = path.pop();
    if (key === undefined) throw new PatchError("bad_path", "", "the document itself cannot be written", index);
    let parent = root;
    for (const token of path) {
      let child: JsonValue | undefined = Object.hasOwn(parent, token) ? parent[token] : undefined;
      if (!isObject(child)) throw noWay(child, op.path, index);
      if (op.op !== "test" && !own.has(child)) {
        child = { ...child };
        own.add(child);
        parent[token] = child;
      }
      parent = child;
    }
    if (op.op === "add") {
      parent[key] = valueOf(op, index);
      continue;
    }
    if (!Object.hasOwn(parent, key)) throw new PatchError("missing_path", op.path, "there is nothing here", index);
    if (op.op === "replace") {
      parent[key] = valueOf(op, index);
    } else if (op.op === "remove") {
      delete parent[key];
    } else if (op.op === "test") {
      if (!equalJson(parent[key], valueOf(op, index))) {
        throw new PatchError("test_failed", op.path, "the value here is another", index);
      }
    } else {
      throw new PatchError("invalid", op.path, "this is not an operation here", index);
    }
  }
  return root;
}
