/**
 * The generator of the protocol's types: what pydantic means is what TypeScript reads.
 *
 * Law: each test feeds a schema in the words that pydantic uses, and looks at the types that come out.
 */
import { existsSync, readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { generate } from "../scripts/generate.mjs";

const wire = new URL("../schema/protocol.json", import.meta.url);

const schema = {
  title: "Protocol",
  $defs: {
    Add: {
      type: "object",
      title: "Add",
      description: "Puts a value at a path.",
      additionalProperties: false,
      properties: {
        op: { const: "add", default: "add", title: "Op", type: "string" },
        title: { type: "string", title: "Title" },
        value: { $ref: "#/$defs/JsonValue" },
      },
      required: ["title", "value"],
    },
    Remove: {
      type: "object",
      title: "Remove",
      properties: {
        op: { const: "remove", title: "Op", type: "string" },
        dice: {
          anyOf: [
            { type: "array", minItems: 2, maxItems: 2, prefixItems: [{ type: "integer" }, { type: "integer" }] },
            { type: "null" },
          ],
          default: null,
          title: "Dice",
        },
        paths: { type: "array", items: { type: "string" }, minItems: 1, maxItems: 9, title: "Paths" },
      },
      required: ["op", "paths"],
    },
    JsonValue: {},
    Op: {
      oneOf: [{ $ref: "#/$defs/Add" }, { $ref: "#/$defs/Remove" }],
      discriminator: { propertyName: "op", mapping: { add: "#/$defs/Add", remove: "#/$defs/Remove" } },
    },
    Change: { $ref: "#/$defs/Op" },
  },
};

describe("generate", () => {
  test("exports each definition once, under its own name, and nothing else", async () => {
    const text = await generate(schema);
    const names = [...text.matchAll(/^export (?:type|interface) (\w+)/gm)].map((match) => match[1]);
    expect(names.sort()).toEqual(["Add", "Change", "JsonValue", "Op", "Remove"]);
    expect(text).toMatch(/^\/\*\*\n \* The messages of the wire, generated/);
    expect(text).not.toContain("was referenced by");
  });

  test("keeps unions, tags, tuples and descriptions", async () => {
    const text = await generate(schema);
    expect(text).toContain("export type Op = Add | Remove;");
    expect(text).toContain("export type Change = Op;");
    expect(text).toContain('  op: "add";');
    expect(text).toContain("  dice?: [number, number] | null;");
    expect(text).toContain("  paths: string[];");
    expect(text).toContain("  title: string;");
    expect(text).toContain(" * Puts a value at a path.");
  });

  test("writes constants as they are", async () => {
    const text = await generate({ ...schema, "x-constants": { LIMITS: { most: [1, 2] }, NAME: "novel" } });
    expect(text).toContain('export const NAME = "novel" as const;');
    expect(text).toContain('export const LIMITS = {\n  "most": [\n    1,\n    2\n  ]\n} as const;');
  });

  test("gives the same bytes whatever the order of the definitions", async () => {
    const reversed = { $defs: Object.fromEntries(Object.entries(schema.$defs).reverse()) };
    expect(await generate(reversed)).toBe(await generate(schema));
  });

  test("refuses a name that TypeScript would have to change", async () => {
    await expect(generate({ $defs: { "Page[int]": { type: "object", properties: {} } } })).rejects.toThrow(
      "types and models differ",
    );
  });

  test("refuses a schema without definitions", async () => {
    await expect(generate({ type: "object" })).rejects.toThrow("no $defs");
  });

  test.runIf(existsSync(wire))("gave the types that stand in src, so `make types` was not forgotten", async () => {
    const types = readFileSync(new URL("../src/protocol.ts", import.meta.url), "utf8");
    expect(await generate(JSON.parse(readFileSync(wire, "utf8")))).toBe(types);
  });
});
