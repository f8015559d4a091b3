/**
 * JSON that everyone writes alike, and hashes over it.
 *
 * Law: equal values have equal text (RFC 8785), whoever wrote them in whatever key order; the server's rules give the
 * same bytes (see tests/vectors.json). Only own properties count.
 * Parts: `JsonObject`, `isObject`, `canonical`, `sha256`, `stateHash`, `equalJson`.
 */
import type { JsonValue } from "./protocol";

export type JsonObject = { readonly [key: string]: JsonValue };

/** Whether a JSON value is an object (null and arrays are none). */
export function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function text(value: string): string {
  if (LONE_SURROGATE.test(value)) throw new TypeError("text with a lone surrogate has no canonical form");
  return JSON.stringify(value);
}

/**
 * The RFC 8785 text of a JSON value.
 *
 * @throws TypeError for lone surrogates and numbers that are not finite.
 */
export function canonical(value: JsonValue | JsonObject): string {
  if (typeof value === "string") return text(value);
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} is not a JSON number`);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(",")}]`;
  // The default order of sort() is that of UTF-16 units, as the RFC asks.
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${text(key)}:${canonical(member)}`);
  return `{${members.join(",")}}`;
}

/**
 * SHA-256 of the UTF-8 form of a text, in hex.
 *
 * @throws Error where the browser offers no `crypto.subtle`: on plain http from another machine.
 */
export async function sha256(content: string): Promise<string> {
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) throw new Error("hashes need a secure context (https, or this machine)");
  const digest = await subtle.digest("SHA-256", new TextEncoder().encode(content));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** How states are compared: the hash of the canonical text. Equal to the server's `view_hash` for the same view. */
export function stateHash(state: JsonObject): Promise<string> {
  return sha256(canonical(state));
}

/** Equality of JSON values; an array never equals an object, and true is not 1. */
export function equalJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => equalJson(item, b[at]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equalJson(a[key], b[key]))
  );
}
