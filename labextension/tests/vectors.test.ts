/**
 * The cases that every language checks: canonical JSON, hashes, patches.
 *
 * Law: the answers were given by the server's rules (`vectors.json`); here the browser's half must give the same.
 */
import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { canonical, equalJson, sha256, stateHash, type JsonObject } from "../src/json";
import { PatchError, applyPatch, formatPointer, lookup, parsePointer } from "../src/patch";
import type { JsonValue, Op } from "../src/protocol";

interface PatchCase {
  ops: Op[];
  result?: JsonObject;
  error?: string;
  index?: number;
}
interface Vectors {
  canonical: { value: JsonValue; canonical: string; sha256: string }[];
  no_canonical_form: JsonValue[];
  patch: { doc: JsonObject; cases: PatchCase[] };
}
const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as Vectors;

function frozen(value: JsonValue | JsonObject): void {
  if (typeof value !== "object" || value === null) return;
  Object.values(value).forEach((child) => frozen(child));
  Object.freeze(value);
}

describe("canonical JSON", () => {
  test.each(vectors.canonical)("$canonical", async ({ value, canonical: wanted, sha256: hash }) => {
    expect(canonical(value)).toBe(wanted);
    expect(await sha256(canonical(value))).toBe(hash);
  });

  test.each(vectors.no_canonical_form)("%j has none", (value) => {
    expect(() => canonical(value)).toThrow(TypeError);
  });

  test("numbers that JSON has not are refused", () => {
    expect(() => canonical(Number.NaN)).toThrow(TypeError);
    expect(() => canonical([Number.POSITIVE_INFINITY])).toThrow(TypeError);
  });

  test("a state's hash does not depend on the order of its keys", async () => {
    expect(await stateHash({ b: { d: 1, c: [] }, a: null })).toBe(await stateHash({ a: null, b: { c: [], d: 1 } }));
  });
});

describe("patches", () => {
  frozen(vectors.patch.doc);

  test.each(vectors.patch.cases.map((entry) => [JSON.stringify(entry.ops).slice(0, 100), entry] as const))(
    "%s",
    (_, entry) => {
      const { doc } = vectors.patch;
      if (entry.error === undefined) {
        expect(applyPatch(doc, entry.ops)).toEqual(entry.result);
        return;
      }
      let caught: unknown;
      try {
        applyPatch(doc, entry.ops);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(PatchError);
      expect({ ...(caught as PatchError) }).toMatchObject({ code: entry.error, index: entry.index });
    },
  );

  test("what no patch touched stays the same object", () => {
    const doc = { a: { b: { c: 1 }, d: {} }, e: {} };
    const after = applyPatch(doc, [{ op: "replace", path: "/a/b/c", value: 2 }]);
    expect(after["e"]).toBe(doc.e);
    expect(lookup(after, ["a", "d"])).toBe(doc.a.d);
    expect(doc).toEqual({ a: { b: { c: 1 }, d: {} }, e: {} });
  });

  test("a value of a patch is not written into by a later operation", () => {
    const value = { y: {} };
    const ops: Op[] = [
      { op: "add", path: "/x", value },
      { op: "add", path: "/x/y/z", value: 1 },
    ];
    expect(applyPatch({}, ops)).toEqual({ x: { y: { z: 1 } } });
    expect(value).toEqual({ y: {} });
  });

  test("no prototype is reached, by path or by a key that was parsed", () => {
    const doc = JSON.parse('{"__proto__": {"a": 1}, "b": {}}') as JsonObject;
    const after = applyPatch(doc, [{ op: "add", path: "/b/toString", value: "own" }]);
    expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
    expect(Object.keys(after)).toEqual(["__proto__", "b"]);
    expect(({} as { a?: number }).a).toBeUndefined();
  });
});

test("pointers come back as they went in", () => {
  for (const tokens of [[], ["a"], ["a/b", "c~d", "~1"], ["0", "é", "😀"]]) {
    expect(parsePointer(formatPointer(tokens))).toEqual(tokens);
  }
  expect(() => formatPointer(["a", ""])).toThrow(PatchError);
  expect(() => formatPointer(["x".repeat(1024)])).toThrow(PatchError);
});

test("equality is that of JSON", () => {
  expect(equalJson({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toBe(true);
  expect(equalJson(["a"], { 0: "a" })).toBe(false);
  expect(equalJson({ toString: 1 }, {})).toBe(false);
  expect(equalJson(1, true)).toBe(false);
  expect(equalJson(null, {})).toBe(false);
});
