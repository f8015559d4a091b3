/**
 * Writes TypeScript types from the JSON Schema of the wire: `node generate.mjs <schema.json> <out.ts> [--check]`.
 *
 * Law: the pydantic models are the only source. Every entry of the schema's `$defs` becomes exactly one exported type
 * of the same name, every entry of `x-constants` one constant, and nothing else is exported; anything that cannot keep
 * this is an error, never a guess.
 * The same schema gives the same bytes. With `--check` nothing is written: exit 1 says that the file is stale.
 * Parts: `prepare` (pydantic's dialect → what the compiler reads as meant), `compile`, `tidy`, `constants`, the command
 * line.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";

import { compile } from "json-schema-to-typescript";

const ROOT = "ProtocolRoot";
const BANNER = `/**
 * The messages of the wire, generated from the server's models: do not edit, run \`make types\`.
 *
 * Law: one exported type for each model, with its name and its description.
 */`;
const JSON_VALUE = "null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue }";

/** A copy of one schema node in which the compiler finds what pydantic meant. */
function prepare(node) {
  if (Array.isArray(node)) return node.map(prepare);
  if (node === null || typeof node !== "object") return node;
  // Words beside a reference (a default) would make the compiler copy what it refers to under another name.
  if (typeof node.$ref === "string") return { $ref: node.$ref };
  const copy = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === "properties") {
      // Names of properties are data, not keywords: one may be called `title`.
      copy[key] = Object.fromEntries(Object.entries(value).map(([name, sub]) => [name, prepare(sub)]));
    } else if (["const", "default", "enum", "examples", "required"].includes(key)) {
      copy[key] = value;
    } else if (!["title", "discriminator"].includes(key)) {
      copy[key] = prepare(value);
    }
  }
  if (copy.prefixItems !== undefined) {
    copy.items = copy.prefixItems;
    copy.additionalItems = false;
    delete copy.prefixItems;
  } else if (copy.type === "array") {
    // Bounds are the server's to check; as types they would forbid every array built at run time.
    delete copy.minItems;
    delete copy.maxItems;
  }
  if (copy.properties !== undefined) {
    // A tag is always on the wire, though pydantic gives it a default and so calls it optional.
    const tags = Object.keys(copy.properties).filter((name) => copy.properties[name].const !== undefined);
    const required = new Set([...(copy.required ?? []), ...tags]);
    copy.required = Object.keys(copy.properties).filter((name) => required.has(name));
  }
  return copy;
}

function define(name, node) {
  if (name === "JsonValue") return { tsType: JSON_VALUE };
  const alias = /^#\/\$defs\/(\w+)$/.exec(node.$ref ?? "");
  if (alias !== null) return { tsType: alias[1] };
  return { ...prepare(node), title: name };
}

/** The compiler's output without its remarks about the root, which is ours and means nothing. */
function tidy(text) {
  return text
    .replace(new RegExp(`^export interface ${ROOT} \\{[^}]*\\}\\n`, "m"), "")
    .replace(/(?: \*\n)? \* This \w+ was referenced by `\w+`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g, "")
    .replace(/^\/\*\*\n \*\/\n/gm, "")
    .replace(/\}\n(?=\/\*\*|export )/g, "}\n\n")
    .replace(/;\n(?=\/\*\*)/g, ";\n\n")
    .replace(/\n{3,}/g, "\n\n");
}

/** The values that a client needs besides types, frozen into the source. */
function constants(values) {
  return Object.entries(values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `\nexport const ${name} = ${JSON.stringify(value, null, 2)} as const;\n`)
    .join("");
}

/**
 * TypeScript source for a schema document `{$defs: {Name: schema, …}, "x-constants"?: {NAME: value, …}}`.
 *
 * @throws Error when the exported names would differ from the names in `$defs`.
 */
export async function generate(schema) {
  const defs = Object.entries(schema.$defs ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (defs.length === 0) throw new Error("the schema has no $defs");
  const root = {
    title: ROOT,
    type: "object",
    $defs: Object.fromEntries(defs.map(([name, node]) => [name, define(name, node)])),
  };
  const source = await compile(root, ROOT, {
    additionalProperties: false,
    bannerComment: BANNER,
    enableConstEnums: false,
    unreachableDefinitions: true,
    style: { printWidth: 110 },
    $refOptions: { resolve: { external: false } },
  });
  const text = tidy(source);
  const found = [...text.matchAll(/^export (?:type|interface) (\w+)/gm)].map((match) => match[1]).sort();
  const wanted = defs.map(([name]) => name);
  const odd = [
    ...wanted.filter((name) => !found.includes(name)).map((name) => `${name} is missing`),
    ...found.filter((name) => !wanted.includes(name)).map((name) => `${name} was made up`),
  ];
  if (odd.length > 0) throw new Error(`types and models differ: ${odd.join(", ")}`);
  return text + constants(schema["x-constants"] ?? {});
}

async function main(schemaPath, outPath, flag) {
  const text = await generate(JSON.parse(readFileSync(schemaPath, "utf8")));
  if (flag !== "--check") {
    writeFileSync(outPath, text);
  } else if (readFileSync(outPath, "utf8") !== text) {
    console.error(`${outPath} is stale: run \`make types\``);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [schemaPath, outPath, flag] = process.argv.slice(2);
  if (schemaPath === undefined || outPath === undefined) {
    console.error("usage: node generate.mjs <schema.json> <out.ts> [--check]");
    process.exitCode = 2;
  } else {
    await main(schemaPath, outPath, flag);
  }
}
