/**
 * Conflicts, sheets and notes on the screen.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, describe, expect, test } from "vitest";

import type { JsonObject } from "../../src/json";
import type { WireEvent } from "../../src/protocol";
import { CharacterSheet } from "../../src/ui/edit/CharacterSheet";
import { Conflicts, useConflictCount } from "../../src/ui/edit/Conflicts";
import { Notes } from "../../src/ui/edit/Notes";
import { recordsOf, undoneEdits } from "../../src/ui/edit/records";
import { Desk, STORY, act, hide, show } from "./edit-support";

let page: HTMLElement | null = null;
afterEach(() => {
  if (page !== null) hide(page);
  page = null;
});

const conflict = (more: object = {}): JsonObject => ({
  path: "/notes/scene",
  kept: "the dog sat",
  lost: "the bird sat",
  kept_by: "ben",
  lost_by: "ann",
  base: 1,
  sequence_id: 4,
  ...more,
});
const RECORDS: JsonObject = {
  ...STORY,
  conflicts: { "4-0": conflict() },
  suggestions: {
    "6-0": { path: "/scene/mood", op: { op: "add", path: "/scene/mood", value: "tense" }, current: "calm", suggested_by: "kernel:ann:1", kept_by: "ben", base: 1, sequence_id: 6 },
  },
  "seat:mara": { notes: "mine", conflicts: { "5-0": conflict({ path: "/seat:mara/notes", lost: null, removal: "lost", sequence_id: 5 }) } },
};

const texts = (selector: string): string[] => [...(page?.querySelectorAll(selector) ?? [])].map((each) => each.textContent ?? "");
const button = (name: string): HTMLElement => page?.querySelector(`[aria-label="${name}"]`) as HTMLElement;

describe("records", () => {
  test("are found wherever they stand, the newest first", () => {
    expect(recordsOf(RECORDS).map(({ pointer, kind, audience, removal }) => [pointer, kind, audience, removal])).toEqual([
      ["/suggestions/6-0", "suggestion", null, null],
      ["/seat:mara/conflicts/5-0", "conflict", "mara", "lost"],
      ["/conflicts/4-0", "conflict", null, null],
    ]);
    expect(recordsOf({})).toEqual([]);
  });

  test("show both texts with who wrote them, and are settled by a click", async () => {
    const desk = new Desk({ state: RECORDS });
    desk.join();
    const Count = () => <b>{useConflictCount()}</b>;
    page = show(desk, <><Count /><Conflicts /></>);
    expect(texts("b")).toEqual(["3"]);
    expect(texts("figcaption")).toEqual([
      "StandsBen", "Suggestedkernel", "StandsBen", "Kept asideAnn", "StandsBen", "Kept asideAnn",
    ]);
    expect(texts("blockquote").slice(4)).toEqual(["the dog sat", "the bird sat"]);
    expect(texts("blockquote")[3]).toBe("(removed)");
    expect(texts("mark").slice(-2)).toEqual(["dog", "bird"]);
    void act(() => button("Take this instead: Notes on the scene").click());
    expect(desk.sent[0]?.body.data).toEqual({ kind: "settle", record: "/conflicts/4-0", take: true });
    await act(() => desk.settle({ kind: "error", level: "error", code: "no_record", message: "gone already" }));
    expect(desk.notices).toEqual(["gone already"]);
    void act(() => button("Keep as it is: Scene: mood").click());
    expect(desk.sent[0]?.body.data).toEqual({ kind: "settle", record: "/suggestions/6-0", take: false });
  });

  test("say why who only watches decides nothing", () => {
    const desk = new Desk({ me: "eve", state: RECORDS });
    desk.join();
    page = show(desk, <Conflicts />);
    expect(button("Keep as it is: Scene: mood").getAttribute("aria-disabled")).toBe("true");
    expect(texts(".jp-Novel-reason")[0]).toContain("You are a spectator");
  });
});

describe("undone edits", () => {
  const event = (sequence_id: number, data: object, user_id = "ben"): WireEvent =>
    ({ sequence_id, user_id, data }) as unknown as WireEvent;
  const patch = [
    { op: "add", path: "/notes/scene", value: "words" },
    { op: "add", path: "/conflicts/3-0", value: {} },
  ];
  const log = [
    event(3, { kind: "edit", outcome: "applied", base: 1, patch }),
    event(5, { kind: "undone", turn: 1, to: 0, branch: "main", left: 2, edits: [2, 3] }),
  ];

  test("are those that nobody brought back", () => {
    expect(undoneEdits(log).map(({ sequence, by, patch: ops }) => [sequence, by, ops.length])).toEqual([[3, "ben", 1], [2, null, 0]]);
    expect(undoneEdits([...log, event(6, { kind: "edit", restores: 3, patch })]).map(({ sequence }) => sequence)).toEqual([2]);
  });

  test("are offered, and brought back by a click", async () => {
    const desk = new Desk();
    desk.asked = () => ({ events: log }) as never;
    desk.join();
    page = show(desk, <Conflicts />);
    await act(async () => void (await new Promise((resolve) => setTimeout(resolve))));
    expect(texts("blockquote")).toEqual(["words"]);
    void act(() => button("Bring back: Notes on the scene").click());
    expect(desk.sent[0]?.body.data).toEqual({ kind: "restore_edit", sequence_id: 3 });
  });
});

describe("sheets and notes", () => {
  test("have a field for each text, and none that is not shown", () => {
    const desk = new Desk();
    desk.join();
    page = show(desk, <><CharacterSheet character="mara" /><Notes /></>);
    expect([...page.querySelectorAll("[data-novel-target]")].map((each) => each.getAttribute("data-novel-target"))).toEqual([
      "/characters/mara",
      "/characters/mara/description",
      "/characters/mara/traits/bold",
      "/notes/scene",
      "/scene/mood",
      "/facts/dark/text",
    ]);
  });

  test("show one's own seat, marked as private", () => {
    const seat = { notes: "mine", goals: { a: { text: "find out", status: "met", weight: 1 } }, secrets: { s: "a secret" }, relations: {} };
    const desk = new Desk({ me: "ben", state: { ...STORY, "seat:mara": seat } });
    desk.join();
    page = show(desk, <CharacterSheet character="mara" />);
    expect(page.querySelector('[data-novel-target="/seat:mara/notes"] textarea')).not.toBeNull();
    expect(texts(".jp-Novel-private li")).toEqual(["find out (reached)", "a secret"]);
  });

  test("a trait is stepped within its bounds, and says when it ends", async () => {
    const desk = new Desk();
    desk.join();
    page = show(desk, <CharacterSheet character="mara" />);
    void act(() => button("bold: one more").click());
    expect(texts("output")).toEqual(["+2"]);
    expect(desk.sent[0]?.body.data).toMatchObject({ patch: [{ path: "/characters/mara/traits/bold", value: 2 }] });
    await act(() => desk.accept());
    expect(button("bold: one more").getAttribute("aria-disabled")).toBe("true");
    expect(texts(".jp-Novel-number .jp-Novel-status")).toEqual(["✓ saved"]);
  });

  test("nobody who only watches is offered a dead field", () => {
    const desk = new Desk({ me: "eve" });
    desk.join();
    page = show(desk, <CharacterSheet character="mara" />);
    expect(button("bold: one less").getAttribute("aria-disabled")).toBe("true");
    expect(texts(".jp-Novel-why")[0]).toContain("spectator");
  });
});
