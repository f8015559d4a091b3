/** What pictures read of the log, and where they put it. */
import { describe, expect, test } from "vitest";

import type { Outcome, WireEvent } from "../../src/protocol";
import { curveOf, nearest, plot } from "../../src/ui/pictures/curve";
import { digest, lineOf, outcomesOf } from "../../src/ui/pictures/digest";
import { entryOf, firstWords, writes, type Entry } from "../../src/ui/pictures/entries";
import { crosses, gridOf, keyOf, passes, waysOf } from "../../src/ui/pictures/grid";
import { arrow, HALF_TALL, ring } from "../../src/ui/pictures/ring";
import { roads } from "../../src/ui/pictures/roads";
import { dealingsOf } from "../../src/ui/pictures/ties";
import { whereaboutsOf } from "../../src/ui/pictures/whereabouts";
import { initials, short, signed } from "../../src/ui/pictures/words";
import type { Place } from "../../src/ui/state";
import { hidden, outcome, resolved, told, event } from "../support/plays";

function entries(events: readonly WireEvent[]): Entry[] {
  return events.flatMap((one) => entryOf(one) ?? []);
}

describe("the log", () => {
  test("keeps nothing of what is hidden, of rules and of prose", () => {
    expect(entryOf(hidden(4))).toBeNull();
    const entry = entryOf(resolved(7, { patch: [{ op: "replace", path: "/scene/act", value: "crisis" }] }));
    expect(entry?.patch).toEqual([{ op: "replace", path: "/scene/act", value: "crisis" }]);
    expect(entryOf(event(9, { kind: "voted", turn: 1, character: "mara", patch: [{ op: "add", path: "/turn/votes/ada", value: "mara" }] }))).toBeNull();
    const seat = event(10, { kind: "dealt", why: "turn", patch: [{ op: "add", path: "/seat:mara/chronicle/7", value: {} }] });
    expect(entryOf(seat)).toBeNull();
  });

  test("reads a place that is written whole, in part, and not at all", () => {
    expect(writes([{ op: "add", path: "/director", value: { tension: 12 } }], ["director", "tension"])).toBe(12);
    expect(writes([{ op: "replace", path: "/director/tension", value: 0 }], ["director", "tension"])).toBe(0);
    expect(writes([{ op: "replace", path: "/director/tensions", value: 3 }], ["director", "tension"])).toBeUndefined();
    expect(writes([{ op: "remove", path: "/director" }], ["director", "tension"])).toBeNull();
  });

  test("cuts words at a word", () => {
    expect(firstWords("  one\n\ntwo ", 40)).toBe("one two");
    expect(firstWords("somebody laughed in the dark", 18)).toBe("somebody laughed…");
    expect(firstWords("x".repeat(50), 10)).toBe(`${"x".repeat(9)}…`);
  });
});

describe("the digest", () => {
  const first = outcome("mara", { kind: "ask", target: "ines" });
  const secret = outcome("ines", { kind: "hide" });

  test("gives each turn its outcomes, what is dealt with it, and its tension after it", () => {
    const known = digest(
      entries([
        event(2, { kind: "dealt", why: "opening", patch: [{ op: "add", path: "/director", value: { tension: 5 } }] }),
        resolved(7, { outcomes: [first] }),
        hidden(8),
        event(9, { kind: "dealt", why: "turn", outcomes: [secret], patch: [{ op: "replace", path: "/director/tension", value: 21 }] }, "host:7"),
        told(10, 7, "It began."),
        resolved(12, { number: 2, parent: 7 }),
      ]),
    );
    expect(outcomesOf(known, 7)).toEqual([first, secret]);
    expect(known.turns.get(7)).toMatchObject({ tension: 21, number: 1, words: "It began." });
    // Nothing is said of it in the second turn: it stands.
    expect(known.turns.get(12)?.tension).toBe(21);
    expect(outcomesOf(known, 99)).toBeUndefined();
  });

  test("what is dealt by another command is not of the turn", () => {
    const other = event(9, { kind: "dealt", why: "turn", outcomes: [secret], patch: [{ op: "add", path: "/director/tension", value: 3 }] }, "host:9");
    const known = digest(entries([resolved(7, { outcomes: [first] }), other]));
    expect(known.turns.get(7)).toMatchObject({ outcomes: [first], tension: null });
  });

  test("says no tension where the view shows none", () => {
    expect(digest(entries([resolved(7)])).turns.get(7)?.tension).toBeNull();
  });

  test("tells a part of a turn with the next part, unless it was undone", () => {
    const part = resolved(7, { outcomes: [first], complete: false });
    expect(outcomesOf(digest(entries([part, resolved(9, { outcomes: [secret] })])), 9)).toEqual([first, secret]);
    const undone = event(8, { kind: "undone", turn: 1, to: 0, branch: "main", left: 0, edits: [], patch: [] });
    expect(outcomesOf(digest(entries([part, undone, resolved(9, { outcomes: [secret] })])), 9)).toEqual([secret]);
  });

  test("an undo takes the tension back with it", () => {
    const deal = (at: number, why: "turn" | "undo", value: number, command: string): WireEvent =>
      event(at, { kind: "dealt", why, patch: [{ op: "add", path: "/director/tension", value }] }, command);
    const known = digest(
      entries([
        resolved(7),
        deal(8, "turn", 10, "host:7"),
        resolved(12, { number: 2, parent: 7 }),
        deal(13, "turn", 60, "host:12"),
        event(15, { kind: "undone", turn: 2, to: 7, branch: "main", left: 12, edits: [], patch: [] }, "c:1"),
        deal(16, "undo", 10, "c:1"),
        resolved(20, { number: 2, parent: 7, attempt: 2 }),
      ]),
    );
    expect([7, 12, 20].map((node) => known.turns.get(node)?.tension)).toEqual([10, 60, 10]);
  });

  test("follows feelings: an opening is no change, a write is one", () => {
    const known = digest(
      entries([
        event(2, { kind: "dealt", why: "opening", patch: [{ op: "add", path: "/seat:mara", value: { relations: { tomas: 0 } } }] }),
        resolved(7),
        event(8, { kind: "dealt", why: "turn", patch: [{ op: "replace", path: "/seat:mara/relations/tomas", value: -1 }] }, "host:7"),
        event(9, { kind: "dealt", why: "turn", patch: [{ op: "replace", path: "/seat:mara/relations/tomas", value: -1 }] }, "host:7"),
      ]),
    );
    expect(known.turns.get(7)?.shifts).toEqual([{ from: "mara", to: "tomas", before: 0, after: -1 }]);
  });

  test("only the turns before the tip count", () => {
    const turns = { "7": { parent: 0 }, "12": { parent: 7 }, "20": { parent: 7 }, "30": { parent: 20 } };
    expect(lineOf(30, turns)).toEqual([7, 20, 30]);
    expect(lineOf(0, turns)).toEqual([]);
    // Older than what the state keeps: the log knows them.
    expect(lineOf(30, { "30": { parent: 20 } }, digest(entries([resolved(20)])))).toEqual([20, 30]);
    // A broken tree ends, and does not go round.
    expect(lineOf(7, { "7": { parent: 12 }, "12": { parent: 7 } })).toEqual([7]);
  });
});

describe("the tension curve", () => {
  const turns = [...digest(entries([
    event(2, { kind: "dealt", why: "opening", patch: [{ op: "add", path: "/director", value: { tension: 5 } }] }),
    resolved(7, { patch: [{ op: "replace", path: "/scene/act", value: "setup" }, { op: "replace", path: "/clocks/storm/value", value: 7 }] }),
  ])).turns.values()];
  const clocks = { storm: { name: "storm", value: 7, segments: 14 }, tide: { name: "tide", value: 1, segments: 4 } };

  test("is of the tension where it is shown, and else of the clock that is furthest", () => {
    expect(curveOf(turns, clocks, { turn: 2, tension: 9, act: "crisis" })).toEqual({
      shows: "tension",
      points: [
        { node: 7, turn: 1, value: 5, act: "setup" },
        { node: 0, turn: 2, value: 9, act: "crisis" },
      ],
    });
    const blind = turns.map((turn) => ({ ...turn, tension: null }));
    expect(curveOf(blind, clocks, null)).toEqual({ shows: "clocks", points: [{ node: 7, turn: 1, value: 50, act: "setup" }] });
    expect(curveOf([], {}, { turn: 1, tension: null, act: null }).points).toEqual([]);
  });

  test("fits its width, whatever it is, and labels no more turns than have room", () => {
    const points = Array.from({ length: 200 }, (_, at) => ({ node: at + 1, turn: at + 1, value: at / 2, act: at < 90 ? "setup" : "crisis" }));
    for (const width of [260, 320, 1200]) {
      const drawn = plot(points, width);
      expect(Math.min(...drawn.spots.map(({ x }) => x))).toBeGreaterThan(20);
      expect(Math.max(...drawn.spots.map(({ x }) => x))).toBeLessThan(width);
      const gaps = drawn.ticks.slice(1).map(({ x }, at) => x - (drawn.ticks[at]?.x ?? 0));
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(25);
      expect(drawn.acts.map(({ name }) => name)).toEqual(["setup", "crisis"]);
    }
  });

  test("a single turn is a picture too", () => {
    const drawn = plot([{ node: 7, turn: 3, value: 40, act: null }], 300);
    expect(drawn.spots).toHaveLength(1);
    expect(drawn.line).not.toContain("NaN");
    expect(drawn.area).toBe("");
  });

  test("the nearest point is picked", () => {
    expect(nearest([{ x: 10, y: 0 }, { x: 50, y: 0 }, { x: 90, y: 0 }], 61)).toBe(1);
    expect(nearest([], 5)).toBe(0);
  });
});

const HOUSE: { [id: string]: Place } = house({
  landing: ["kitchen"],
  kitchen: ["landing", "cellar", "quarters", "watch_room"],
  cellar: ["kitchen"],
  quarters: ["kitchen"],
  watch_room: ["kitchen", "!lamp_room"],
  lamp_room: ["watch_room"],
});

function house(exits: { [id: string]: string[] }): { [id: string]: Place } {
  const place = ([id, to]: [string, string[]]): [string, Place] => [
    id,
    {
      name: id,
      exits: Object.fromEntries(to.map((one) => [one.replace("!", ""), { description: null, locked_by: one.startsWith("!") ? "key" : null, open: !one.startsWith("!") }])),
    },
  ];
  return Object.fromEntries(Object.entries(exits).map(place));
}

describe("the map", () => {
  test.each([1, 2, 3, 4, 5])("puts no two places in one cell, nor a way over a third, in %i columns", (columns) => {
    const cells = gridOf(HOUSE, columns);
    expect(cells.size).toBe(6);
    expect(new Set([...cells.values()].map(({ column, row }) => `${column} ${row}`)).size).toBe(6);
    expect(Math.max(...[...cells.values()].map(({ column }) => column))).toBeLessThan(columns);
    if (columns < 3) return;
    for (const { a, b } of waysOf(HOUSE)) {
      const [from, to] = [cells.get(a), cells.get(b)];
      for (const [id, cell] of cells) {
        if (id !== a && id !== b && from !== undefined && to !== undefined) expect(passes(from, to, cell), `${a}-${b} over ${id}`).toBe(false);
      }
    }
  });

  test("a hall with many doors: no way leads over another room", () => {
    const rooms = Array.from({ length: 8 }, (_, n) => `room${n}`);
    const hall = house({ hall: rooms, ...Object.fromEntries(rooms.map((room) => [room, ["hall"]])) });
    const cells = gridOf(hall, 5);
    const at = cells.get("hall");
    for (const room of rooms) {
      const to = cells.get(room);
      for (const [id, between] of cells) {
        if (id !== room && id !== "hall" && at !== undefined && to !== undefined) expect(passes(at, to, between), `${room} over ${id}`).toBe(false);
      }
    }
  });

  test("is the same whatever the order in which places are named", () => {
    const turned = Object.fromEntries(Object.entries(HOUSE).reverse());
    expect(keyOf(turned)).toBe(keyOf(HOUSE));
    expect(gridOf(turned, 3)).toEqual(gridOf(HOUSE, 3));
  });

  test("a lock changes no place", () => {
    const opened = { ...HOUSE, watch_room: { ...HOUSE["watch_room"], name: "another name", exits: { kitchen: { description: null, locked_by: null, open: true }, lamp_room: { description: null, locked_by: "key", open: true } } } };
    expect(keyOf(opened)).toBe(keyOf(HOUSE));
  });

  test("many places are laid out in good time", () => {
    const many = house(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`p${n}`, [`p${(n * 7 + 3) % 40}`, `p${(n + 1) % 40}`]])));
    const began = performance.now();
    expect(gridOf(many, 5).size).toBe(40);
    expect(performance.now() - began).toBeLessThan(4000);
  });

  test("knows ways that lead one way, and ways that are shut one way", () => {
    const ways = waysOf(HOUSE);
    expect(ways).toHaveLength(5);
    expect(ways.find(({ a, b }) => a === "lamp_room" && b === "watch_room")).toMatchObject({ there: { open: true }, back: { open: false, lockedBy: "key" } });
    expect(waysOf(house({ a: ["b", "elsewhere", "a"], b: [] }))).toEqual([{ a: "a", b: "b", there: expect.objectContaining({ open: true }), back: null }]);
  });

  test("a way ends at frames, goes round what lies between, and shows its lock", () => {
    const box = (x: number, y: number) => ({ x, y, wide: 100, tall: 50 });
    const boxes = new Map([["watch_room", box(0, 0)], ["kitchen", box(0, 100)], ["lamp_room", box(0, 200)]]);
    const drawn = roads(waysOf(HOUSE), boxes);
    expect(drawn.map(({ key }) => key)).toEqual(["kitchen watch_room", "lamp_room watch_room"]);
    expect(drawn[0]).toMatchObject({ line: "M50,100 Q50,75 50,50", shut: false, lock: null, heads: [] });
    expect(drawn[1]?.shut).toBe(true);
    expect(drawn[1]?.heads).toHaveLength(1);
    // Beside the kitchen, not over it.
    const lock = drawn[1]?.lock;
    expect(lock !== null && lock !== undefined && (lock.x < 0 || lock.x > 100)).toBe(true);
  });

  test("lines cross where they do", () => {
    const at = (column: number, row: number) => ({ column, row });
    expect(crosses(at(0, 0), at(1, 1), at(1, 0), at(0, 1))).toBe(true);
    expect(crosses(at(0, 0), at(1, 0), at(0, 1), at(1, 1))).toBe(false);
  });

  test("who is where: what is not shown is nowhere", () => {
    const where = whereaboutsOf({
      locations: HOUSE,
      characters: {
        mara: { name: "Mara", location: "kitchen" },
        ines: { name: "Ines", location: null },
        tomas: { name: "Tomas", location: "secret_room" },
        corwin: { name: "Corwin", location: "kitchen", status: "gone" },
      },
      items: {
        lamp: { name: "lamp", holder: null, location: "lamp_room" },
        knife: { name: "knife", holder: "mara", location: null },
        book: { name: "book", holder: null, location: "kitchen", destroyed: true },
      },
      scene: {},
    });
    expect(where.people.get("kitchen")).toEqual(["mara"]);
    expect(where.nowhere).toEqual(["corwin", "ines", "tomas"]);
    expect([...where.items]).toEqual([["lamp_room", ["lamp"]]]);
    expect(where.carried.get("mara")).toEqual(["knife"]);
  });
});

describe("the ring", () => {
  test.each([
    [1, 300],
    [2, 240],
    [4, 320],
    [8, 292],
    [12, 292],
    [12, 900],
  ])("%i people stand apart and inside, %i pixels wide", (count, width) => {
    const people = Array.from({ length: count }, (_, n) => [`c${n}`, n % 2 === 0 ? "Maximiliana von Hohenschwangau" : "Jo"] as const);
    const { spots, height } = ring(people, width);
    for (const [n, spot] of spots.entries()) {
      expect(spot.x - spot.half).toBeGreaterThanOrEqual(0);
      expect(spot.x + spot.half).toBeLessThanOrEqual(width);
      expect(spot.y - HALF_TALL).toBeGreaterThanOrEqual(0);
      expect(spot.y + HALF_TALL).toBeLessThanOrEqual(height);
      for (const other of spots.slice(n + 1)) {
        const apart = Math.abs(other.y - spot.y) >= 2 * HALF_TALL || Math.abs(other.x - spot.x) >= spot.half + other.half;
        expect(apart, `${spot.id} and ${other.id}`).toBe(true);
      }
    }
  });

  test("the arrows of a pair do not lie on each other", () => {
    const { spots } = ring([["a", "Ann"], ["b", "Bo"]], 400);
    const [one, other] = spots;
    if (one === undefined || other === undefined) throw new Error("two people");
    expect(arrow(one, other).label).not.toEqual(arrow(other, one).label);
    expect(arrow(one, one).line).not.toContain("NaN");
  });

  test("who dealt with whom: the last time gives the tone, refused and unknown do not count", () => {
    const done: Outcome[] = [
      outcome("mara", { kind: "help", target: "ines" }),
      outcome("mara", { kind: "threaten", target: "ines" }),
      outcome("mara", { kind: "move", target: "cellar" }),
      outcome("director", { kind: "scene" }),
      { ...outcome("ines", { kind: "attack", target: "mara" }), outcome: "refused" },
    ];
    const turns = [...digest(entries([resolved(7, { outcomes: done })])).turns.values()];
    expect(dealingsOf({ mara: { name: "Mara" }, ines: { name: "Ines" } }, turns)).toEqual([
      { from: "mara", to: "ines", times: 2, last: "threaten", turn: 1, tone: "fierce" },
    ]);
  });
});

test("words of pictures", () => {
  expect([signed(2), signed(-1), signed(0)]).toEqual(["+2", "−1", "0"]);
  expect(short("Maximiliana", 4)).toBe("Max…");
  expect([initials("Mara"), initials("anna de bruin"), initials("  ")]).toEqual(["M", "AB", "?"]);
});
