/**
 * Bringing one's own typing and what arrives together: by examples, by chance, and against the server's own merge.
 *
 * Law: nothing that either side added is lost unless the result says that they clashed.
 */
import { describe, expect, test } from "vitest";

import { moved, rebase } from "../../src/ui/edit/merge";
import { tokenize } from "../../src/ui/edit/words";
import { runPython } from "../support/jupyter";
import { random } from "../support/world";

describe("two changes of one text", () => {
  const cases: [string, string, string, string, string, boolean][] = [
    ["in different places", "The lamp is out.", "The old lamp is out.", "The lamp is out. Nobody saw.", "The old lamp is out. Nobody saw.", false],
    ["the same on both sides", "a b", "a x b", "a x b", "a x b", false],
    ["one goes on where the other stopped", "", "hel", "hello", "hello", false],
    ["both add at one point", "one", "one two", "one three", "one three two", false],
    ["letters into one word", "h", "hello", "hw", "hellow", false],
    ["another word for the same", "the cat", "the bird", "the dog", "the bird", true],
    ["one takes away what the other changes", "a big red lamp", "a lamp", "a big blue lamp", "a lamp", true],
    ["scripts without spaces", "灯が消えた", "大灯が消えた", "灯が消えた。", "大灯が消えた。", false],
    ["characters beyond the basic plane", "😀 a", "😀😀 a", "😀 a b", "😀😀 a b", false],
  ];
  test.each(cases)("%s", (_, base, local, remote, text, clashed) => {
    expect(rebase(base, local, remote)).toMatchObject({ text, clashed });
  });

  test("with only one side changed, that side's text is the result", () => {
    expect(rebase("a", "a", "b")).toMatchObject({ text: "b", clashed: false });
    expect(rebase("a", "b", "a")).toMatchObject({ text: "b", clashed: false });
  });
});

describe("the caret", () => {
  const at = (base: string, local: string, remote: string): string => {
    const caret = local.indexOf("|");
    const { text, move } = rebase(base, local.replace("|", ""), remote);
    const now = move(caret);
    return `${text.slice(0, now)}|${text.slice(now)}`;
  };
  test("stays behind what was just typed", () => {
    expect(at("lamp", "lamp out|", "The lamp")).toBe("The lamp out|");
    expect(at("one", "one two|", "one three")).toBe("one three two|");
    expect(at("h", "hello|", "hw")).toBe("hello|w");
    expect(at("cat", "c|at", "a cat sat")).toBe("a c|at sat");
    expect(at("the dark house", "the dark| house", "the house")).toBe("the |house");
  });
  test("never leaves the text, nor changes order", () => {
    const next = random(3);
    for (let round = 0; round < 500; round += 1) {
      const [base, local, remote] = three(next);
      const { text, move } = rebase(base, local, remote);
      const places = Array.from({ length: local.length + 1 }, (_, position) => move(position));
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...places)).toBeLessThanOrEqual(text.length);
      expect(places).toEqual([...places].sort((a, b) => a - b));
      const over = Array.from({ length: base.length + 1 }, (_, position) => moved(position, base, remote));
      expect(over).toEqual([...over].sort((a, b) => a - b));
      expect(over.at(-1)).toBeLessThanOrEqual(remote.length);
    }
  });
});

const WORDS = ["lamp", "sea", "dark", "he", "was", " ", "  ", "\n", ".", ",", "灯", "é", "😀", "שלום", "x_1"];

function made(next: () => number, most: number): string {
  return Array.from({ length: Math.floor(next() * most) }, () => WORDS[Math.floor(next() * WORDS.length)]).join("");
}

function edited(next: () => number, text: string): string {
  let now = text;
  for (let times = Math.floor(next() * 3); times >= 0; times -= 1) {
    const tokens = tokenize(now);
    const start = Math.floor(next() * (tokens.length + 1));
    tokens.splice(start, Math.floor(next() * 3), made(next, 4));
    now = tokens.join("");
  }
  return now;
}

function three(next: () => number): [string, string, string] {
  const base = made(next, 12);
  return [base, edited(next, base), edited(next, base)];
}

describe("by chance", () => {
  test("marked words of both sides survive wherever nothing clashed", () => {
    const next = random(11);
    let agreed = 0;
    for (let round = 0; round < 2000; round += 1) {
      const base = made(next, 14);
      const put = (mark: string): string => {
        const tokens = tokenize(base);
        tokens.splice(Math.floor(next() * (tokens.length + 1)), Math.floor(next() * 2), ` ${mark} `);
        return tokens.join("");
      };
      const { text, clashed } = rebase(base, put("MINE"), put("THEIRS"));
      expect(text).toContain("MINE");
      if (clashed) continue;
      agreed += 1;
      expect(text).toContain("THEIRS");
    }
    expect(agreed).toBeGreaterThan(1000);
  });

  test("foretells what the server makes of it", () => {
    const next = random(5);
    const asked = Array.from({ length: 800 }, () => three(next));
    const program = [
      "import json, sys",
      "from novel_jupyter.core.text import merge_text",
      "asked = json.load(sys.stdin)",
      "made = [merge_text(base, remote, local) for base, local, remote in asked]",
      "print(json.dumps([[m.text, bool(m.conflicts)] for m in made]))",
    ].join("\n");
    const answers = JSON.parse(runPython(program, JSON.stringify(asked))) as [string, boolean][];
    let plain = 0;
    for (const [at, [base, local, remote]] of asked.entries()) {
      const [text, conflicted] = answers[at] ?? ["", true];
      if (conflicted) continue;
      plain += 1;
      expect([base, local, remote, rebase(base, local, remote).text]).toEqual([base, local, remote, text]);
    }
    expect(plain).toBeGreaterThan(300);
  });
});
