/** The tree of turns, what can be done from where, and the story as it stood. */
import { describe, expect, test } from "vitest";

import type { JsonObject } from "../../src/json";
import type { WireEvent } from "../../src/protocol";
import { Past, type Source } from "../../src/ui/history/asOf";
import { branchNameFault, whyNotBranch, whyNotReroll, whyNotRetell, whyNotSwitch, whyNotUndo } from "../../src/ui/history/reasons";
import { step, treeOf, type Place } from "../../src/ui/history/tree";
import { entryOf } from "../../src/ui/pictures/entries";
import type { StoryState, Turn, TurnNode } from "../../src/ui/state";
import { asWritten } from "../../src/ui/translate";
import { event, hidden, resolved, told } from "../support/plays";

function node(number: number, parent: number, branch = "main", attempt = 1): TurnNode {
  return { number, attempt, branch, parent, narration: "told", end: 1 };
}

// main: 10 – 20 – 30; stay: 10 – 20 – 41 – 51; 20 – 60 was undone and nothing leads there.
const TURNS: { [id: string]: TurnNode } = {
  "10": node(1, 0),
  "20": node(2, 10),
  "30": node(3, 20),
  "41": node(3, 20, "stay"),
  "51": node(4, 41, "stay"),
  "60": node(3, 20, "main", 3),
};
const BRANCHES = { main: 30, stay: 51 };

describe("the tree", () => {
  const tree = treeOf(TURNS, BRANCHES, 51);

  test("knows the current path, and which turn is on which branch", () => {
    expect(tree.path).toEqual([0, 10, 20, 41, 51]);
    expect(tree.nodes.get(20)?.branches).toEqual(["main", "stay"]);
    expect(tree.nodes.get(30)).toMatchObject({ branches: ["main"], tips: ["main"], isOnPath: false });
    expect(tree.nodes.get(60)?.branches).toEqual([]);
    expect(tree.left).toBe(1);
  });

  test("lays turns out by their number, the current path first, and no two in one spot", () => {
    expect(tree.path.map((id) => tree.nodes.get(id)?.row)).toEqual([0, 0, 0, 0, 0]);
    expect([...tree.nodes.values()].map(({ column }) => column)).toEqual([0, 1, 2, 3, 3, 4, 3]);
    const spots = [...tree.nodes.values(), tree.now].map(({ column, row }) => `${column} ${row}`);
    expect(new Set(spots).size).toBe(spots.length);
    expect(tree).toMatchObject({ rows: 3, columns: 6, hasGap: false });
  });

  test("branches that do not meet share a row", () => {
    const turns: { [id: string]: TurnNode } = {};
    for (let n = 1; n <= 12; n += 1) turns[n] = node(n, n - 1);
    turns[20] = node(2, 1, "early");
    turns[21] = node(9, 8, "late");
    const both = treeOf(turns, { main: 12, early: 20, late: 21 }, 12);
    expect([both.nodes.get(20)?.row, both.nodes.get(21)?.row, both.rows]).toEqual([1, 1, 2]);
  });

  test("an empty story has its opening and now; a branch may stand there", () => {
    const bare = treeOf({}, { main: 0, other: 0 }, 0);
    expect(bare).toMatchObject({ path: [0], columns: 2, rows: 1, now: { column: 1, row: 0 }, left: 0 });
    expect(bare.nodes.get(0)?.tips).toEqual(["main", "other"]);
    expect([step(bare, null, "back"), step(bare, 0, "back"), step(bare, 0, "on"), step(bare, 0, "down")]).toEqual([0, 0, null, 0]);
  });

  test("two hundred turns of a long story say that there were others", () => {
    const turns: { [id: string]: TurnNode } = {};
    for (let n = 301; n <= 500; n += 1) turns[n * 10] = node(n, (n - 1) * 10);
    const long = treeOf(turns, { main: 5000 }, 5000);
    expect(long).toMatchObject({ hasGap: true, columns: 203 });
    expect(long.path).toHaveLength(200);
    expect([step(long, 0, "on"), step(long, 3010, "back")]).toEqual([3010, 0]);
  });

  test("keys lead along the path, between branches, and to both ends", () => {
    const walk = (from: Place, ...keys: Parameters<typeof step>[2][]): Place => keys.reduce((at, key) => step(tree, at, key), from);
    expect(walk(null, "back", "back", "back")).toBe(20);
    expect(walk(20, "on")).toBe(41);
    expect(walk(51, "on")).toBeNull();
    expect(walk(41, "down")).toBe(30);
    expect(walk(30, "up")).toBe(41);
    expect(walk(30, "back")).toBe(20);
    // At the tip of another branch there is nothing further.
    expect(walk(30, "on")).toBe(30);
    expect([walk(41, "first"), walk(41, "last")]).toEqual([0, null]);
    expect(walk(999, "back")).toBeNull();
  });
});

function stateWith(turn: Partial<Turn>, role = "director"): StoryState {
  return {
    session: { status: "open" },
    participants: { ada: { name: "Ada", role, joined_at: "" } },
    turns: { ...TURNS, "51": { ...TURNS["51"], end: turn.phase === "narrating" ? 0 : 1 } },
    branches: BRANCHES,
    turn: { phase: "collect", parent: 51, branch: "stay", number: 5, locked: null, resume: null, ...turn },
  } as unknown as StoryState;
}

describe("what can be done with the past", () => {
  const asked = (turn: Partial<Turn> = {}, role?: string) => ({ trans: asWritten, state: stateWith(turn, role), me: "ada" });
  const { path } = treeOf(TURNS, BRANCHES, 51);

  test("between turns all of it can, where it makes sense", () => {
    for (const phase of ["collect", "review", "paused", "ended"] as const) {
      const now = asked({ phase });
      expect([whyNotRetell(now, null), whyNotReroll(now, null), whyNotUndo(now, null, path), whyNotBranch(now, null)]).toEqual([null, null, null, null]);
      expect([whyNotRetell(now, 30), whyNotUndo(now, 20, path), whyNotUndo(now, 0, path), whyNotBranch(now, 60)]).toEqual([null, null, null, null]);
      expect(whyNotSwitch(now, "main")).toBeNull();
    }
  });

  test("in mid-turn nothing can, and the reason names the phase", () => {
    const now = asked({ phase: "narrating" });
    for (const reason of [whyNotRetell(now, 20), whyNotReroll(now, null), whyNotUndo(now, 20, path), whyNotBranch(now, 20), whyNotSwitch(now, "main")]) {
      expect(reason).toBe("Not while the turn is being told.");
    }
  });

  test("a player may not, and is told who may", () => {
    expect(whyNotUndo(asked({}, "player"), 20, path)).toBe("Only for: owner, director. You are a player.");
    expect(whyNotRetell(asked({}, "spectator"), 20)).toContain("Only for");
  });

  test("only the last turn is played again, and only what is on the path undone", () => {
    expect(whyNotReroll(asked(), 20)).toContain("last turn");
    expect(whyNotReroll(asked({ parent: 0 }), null)).toContain("No turn");
    expect(whyNotUndo(asked(), 51, path)).toContain("stands here");
    expect(whyNotUndo(asked(), 30, path)).toContain("branch from here");
    expect(whyNotUndo(asked({ parent: 0, number: 1 }), null, [0])).toContain("opening");
    expect(whyNotRetell(asked(), 0)).not.toBeNull();
  });

  test("a turn that failed is played again as it was locked", () => {
    const locked = { proposals: {}, agents: [] };
    expect(whyNotReroll(asked({ phase: "failed", locked, parent: 0 }), null)).toBeNull();
    expect(whyNotReroll(asked({ phase: "failed", locked }), 51)).toContain("go to now");
    expect(whyNotReroll(asked({ phase: "paused", resume: "failed" }), null)).toContain("resume first");
  });

  test("what is forgotten cannot be gone back to", () => {
    expect(whyNotBranch(asked(), 5)).toContain("too long ago");
  });

  test.each([
    ["", "a name"],
    ["Main", "Small letters"],
    ["-x", "Small letters"],
    ["a".repeat(33), "Small letters"],
    ["main", "already"],
  ])("the name %j of a branch is refused", (name, why) => {
    expect(branchNameFault(asWritten, stateWith({}), name)).toContain(why);
  });

  test("thirty-two branches are enough", () => {
    expect(branchNameFault(asWritten, stateWith({}), "the_boat-2")).toBeNull();
    const state = { ...stateWith({}), branches: Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`b${n}`, 20])) };
    expect(whyNotBranch({ trans: asWritten, state, me: "ada" }, 20)).toContain("at most 32");
  });
});

describe("the story as it stood", () => {
  const at = (place: string) => ({ op: "replace" as const, path: "/characters/mara/location", value: place });
  const events: WireEvent[] = [
    event(1, { kind: "created", story: "x", title: "X", patch: [{ op: "add", path: "/characters", value: { mara: { name: "Mara", location: "landing" } } }, { op: "add", path: "/turn", value: {} }] } as never),
    hidden(2),
    resolved(7, { patch: [at("kitchen")] }),
    told(9, 7, "She came in."),
    event(10, { kind: "edit", outcome: "applied", base: 9, patch: [{ op: "add", path: "/characters/mara/mood", value: "wary" }] }),
    resolved(12, { number: 2, parent: 7, patch: [at("cellar")] }),
    told(14, 12, "She went down."),
    event(15, { kind: "undone", turn: 2, to: 7, branch: "main", left: 12, edits: [], patch: [at("kitchen"), { op: "remove", path: "/characters/mara/mood" }] }),
    resolved(20, { number: 2, parent: 7, attempt: 2, patch: [at("landing")] }),
    told(22, 20, "She went out."),
  ];
  const source = (some: Partial<Source> = {}): Source => ({ entries: events.flatMap((one) => entryOf(one) ?? []), hasOpening: true, history: 1, seen: new Map(), ...some });
  const mara = (state: JsonObject | null) => (state as { characters: { mara: object } } | null)?.characters.mara;

  test("at the end of any turn, in whatever order one asks, undone ones too", () => {
    const past = new Past(source());
    expect(mara(past.at(22))).toEqual({ name: "Mara", location: "landing" });
    expect(mara(past.at(14))).toEqual({ name: "Mara", location: "cellar", mood: "wary" });
    expect(mara(past.at(9))).toEqual({ name: "Mara", location: "kitchen" });
    expect(mara(past.at(2))).toEqual({ name: "Mara", location: "landing" });
    expect(mara(past.at(14))).toEqual({ name: "Mara", location: "cellar", mood: "wary" });
  });

  test("nothing is made up where the log does not reach back", () => {
    expect(new Past(source({ hasOpening: false })).at(14)).toBeNull();
  });

  test("what the page saw itself needs no log; another history has another past", () => {
    const seen = new Map<number, JsonObject>([[14, { characters: {} }]]);
    const log = { ...source({ hasOpening: false, seen }) };
    const past = new Past(log);
    expect(past.at(14)).toEqual({ characters: {} });
    seen.clear();
    log.history = 2;
    expect(past.at(14)).toBeNull();
  });

  test("what was folded of one history is not said of another", () => {
    const log: { -readonly [K in keyof Source]: Source[K] } = source();
    const past = new Past(log);
    expect(mara(past.at(14))).toMatchObject({ location: "cellar" });
    log.history = 2;
    log.entries = log.entries.filter(({ sequence }) => sequence !== 12);
    expect(mara(past.at(14))).toMatchObject({ location: "kitchen" });
  });

  test("a log that does not fit together says nothing", () => {
    expect(new Past(source({ entries: events.slice(3).flatMap((one) => entryOf(one) ?? []) })).at(14)).toBeNull();
  });
});
