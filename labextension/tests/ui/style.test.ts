/** The face looks like its host: only variables of JupyterLab's themes, all of which the plain page gives, too. */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";

const folder = new URL("../../style/", import.meta.url);
const sheets = readdirSync(folder).filter((name) => name.endsWith(".css"));
const text = (name: string): string => readFileSync(new URL(name, folder), "utf8");

describe("the style sheets", () => {
  it("use no variable that the plain page does not give", () => {
    const given = new Set([...text("page.css").matchAll(/^\s*(--jp-[\w-]+):/gm)].map(([, name]) => name));
    const own = /^--jp-Novel-/;
    const used = sheets.flatMap((name) => [...text(name).matchAll(/var\((--jp-[\w-]+)/g)].map(([, variable = ""]) => variable));
    expect(used.length).toBeGreaterThan(50);
    expect([...new Set(used)].filter((name) => !own.test(name) && !given.has(name))).toEqual([]);
  });

  it("name no colour of their own, and style only what is ours", () => {
    for (const name of sheets.filter((sheet) => sheet !== "page.css")) {
      const rules = text(name).replace(/\/\*[\s\S]*?\*\//g, "");
      expect([...rules.matchAll(/#[0-9a-f]{3,8}\b|:\s*(?:white|black|red|green|blue)\s*;/gi)].map(String), name).toEqual([]);
      const selectors = [...rules.matchAll(/^([^@{}\s][^{}]*)\{/gm)].map(([, selector = ""]) => selector.trim());
      const foreign = selectors.filter((selector) => !/jp-Novel|^to$|^from$|^\d+%/.test(selector));
      expect(foreign, name).toEqual([]);
    }
  });
});
