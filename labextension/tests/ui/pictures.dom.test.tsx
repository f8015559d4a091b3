/**
 * The log that pictures share, and the pictures themselves.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, describe, expect, test } from "vitest";

import type { JsonObject } from "../../src/json";
import type { WireEvent } from "../../src/protocol";
import { logOf } from "../../src/ui/pictures/log";
import { Places } from "../../src/ui/pictures/Places";
import { Relations } from "../../src/ui/pictures/Relations";
import { Tension } from "../../src/ui/pictures/Tension";
import { event, hidden, outcome, resolved, told } from "../support/plays";
import { Pictured } from "../support/pictured";

let pictured: Pictured;
afterEach(() => pictured.end());

function begin(log: WireEvent[], state: JsonObject = {}, me?: string): Pictured {
  pictured = new Pictured(log, state, me);
  return pictured;
}

/** `count` turns, three events each; the first at 2. */
function turnsOf(count: number): WireEvent[] {
  const log: WireEvent[] = [event(1, { kind: "created", story: "x", title: "X", patch: [] } as never)];
  for (let n = 0; n < count; n += 1) {
    const at = 2 + 3 * n;
    log.push(resolved(at, { number: n + 1, parent: n === 0 ? 0 : at - 3, outcomes: [outcome("mara", { kind: "threaten", target: "ines" })] }));
    log.push(event(at + 1, { kind: "dealt", why: "turn", patch: [{ op: "add", path: "/director/tension", value: n % 100 }] }, `host:${at}`));
    log.push(told(at + 2, at, `Turn ${n + 1} began.`));
  }
  return log;
}

function treeState(count: number, more: JsonObject = {}): JsonObject {
  const turns = Object.fromEntries(
    Array.from({ length: Math.min(count, 200) }, (_, back) => {
      const n = count - 1 - back;
      const at = 2 + 3 * n;
      return [String(at), { number: n + 1, attempt: 1, branch: "main", parent: n === 0 ? 0 : at - 3, narration: "told", end: at + 2 }];
    }),
  );
  const parent = count === 0 ? 0 : 2 + 3 * (count - 1);
  return {
    session: { status: "open", opening: 1 },
    director: { tension: count },
    turns,
    branches: { main: parent },
    turn: { number: count + 1, parent, phase: "collect", branch: "main", node: 0 },
    ...more,
  };
}

describe("the log", () => {
  test("is read backwards in pages, no further than is wanted, and once", async () => {
    const { session, rest, asked } = begin(turnsOf(400), treeState(400));
    const log = logOf(session, rest);
    expect([log.from, log.to]).toEqual([1201, 1201]);
    await Promise.all([log.reach(1000), log.reach(900)]);
    expect(asked).toEqual(["?after=701&limit=500"]);
    expect(log.digest.turns.get(902)?.words).toBe("Turn 301 began.");
    await log.reach(1000);
    expect(asked).toHaveLength(1);
    await log.reach(1);
    expect([log.from, log.hasOpening, log.isWhole]).toEqual([0, true, true]);
    expect(asked).toEqual(["?after=701&limit=500", "?after=201&limit=500", "?after=0&limit=201"]);
    expect(log.digest.turns.size).toBe(400);
    expect(logOf(session, rest)).toBe(log);
  });

  test("goes on with what comes live, and keeps the state at the end of each turn", async () => {
    const pictured = begin(turnsOf(1), treeState(1));
    const log = logOf(pictured.session, pictured.rest);
    pictured.live(hidden(5), resolved(6, { number: 2, parent: 2 }), told(7, 6, "It went on."));
    expect(log.digest.turns.get(6)?.words).toBe("It went on.");
    expect(log.to).toBe(7);
    expect(log.seen.get(7)).toBe(pictured.session.replica.state);
    await log.reach(1);
    expect([...log.digest.turns.keys()]).toEqual([2, 6]);
  });

  test("another view: what was read is let go, and as much is read again", async () => {
    const pictured = begin(turnsOf(3), treeState(3));
    const log = logOf(pictured.session, pictured.rest);
    await log.reach(1);
    expect(log.digest.turns.size).toBe(3);
    pictured.live(resolved(11, { number: 4, parent: 8 }), told(12, 11, "It went on."));
    expect(log.seen.size).toBe(1);
    const { history } = log;
    pictured.log = pictured.log.map((one) => (one.sequence_id === 2 ? resolved(2, { outcomes: [] }) : one));
    pictured.full(treeState(3), "e", "seats:mara");
    expect(log.history).toBeGreaterThan(history);
    expect(log.seen.size).toBe(0);
    expect(log.digest.turns.size).toBe(0);
    await log.reach(1);
    expect(log.digest.turns.get(2)?.outcomes).toEqual([]);
  });

  test("a page of another view is not taken for one of this", async () => {
    const pictured = begin(turnsOf(3), treeState(3));
    const log = logOf(pictured.session, pictured.rest);
    pictured.view = "all";
    await log.reach(1);
    expect(log.digest.turns.size).toBe(0);
    expect(log.failed?.message).toContain("another view");
  });

  test("a page that comes too late is dropped", async () => {
    const pictured = begin(turnsOf(3), treeState(3));
    const log = logOf(pictured.session, pictured.rest);
    let release: (answer: Response) => void = () => {};
    pictured.answer = () => new Promise((answer) => (release = answer));
    const reading = log.reach(1);
    const late = pictured.page(new URL("http://localhost/?after=0&limit=10"));
    pictured.answer = () => new Promise(() => {});
    pictured.full(treeState(3), "other", "public");
    release(late);
    await reading;
    expect(log.digest.turns.size).toBe(0);
    expect(log.loading).toBe(true);
  });

  test("a server that is down is a failure that can be tried again", async () => {
    const pictured = begin(turnsOf(3), treeState(3));
    const log = logOf(pictured.session, pictured.rest);
    pictured.answer = () => Promise.reject(new TypeError("no network"));
    await log.reach(1);
    expect([log.failed?.message, log.loading]).toEqual(["no network", false]);
    pictured.answer = (url) => pictured.page(url);
    await log.reach(1);
    expect([log.failed, log.digest.turns.size]).toEqual([null, 3]);
  });

  test("where the server keeps no more, it ends, near to what is kept", async () => {
    const pictured = begin(turnsOf(400), treeState(400));
    const log = logOf(pictured.session, pictured.rest);
    pictured.answer = (url) =>
      Number(url.searchParams.get("after")) < 1000
        ? new Response(JSON.stringify({ code: "trimmed", message: "the events kept begin after 1000" }), { status: 410 })
        : pictured.page(url);
    await log.reach(1);
    expect(log.failed).toBeNull();
    expect(log.from).toBeGreaterThanOrEqual(1000);
    expect(log.from).toBeLessThan(1010);
    expect([log.isWhole, log.hasOpening, log.canReachOpening]).toEqual([true, false, false]);
  });

  test("a very long log is read to a bound", async () => {
    const pictured = begin([...turnsOf(4), hidden(100_000)], treeState(4));
    const log = logOf(pictured.session, pictured.rest);
    expect([log.canReachOpening, log.hasOpening]).toEqual([false, false]);
    await log.reach(1);
    expect(log.from).toBe(92_000);
    expect(pictured.asked).toHaveLength(16);
  });
});

describe("the tension curve", () => {
  test("says turn by turn what it shows, by keys, and is drawn further live", async () => {
    const pictured = begin(turnsOf(3), treeState(3));
    const picked: number[] = [];
    await pictured.draw(<Tension onTurn={(node) => picked.push(node)} />);
    const curve = pictured.find('[role="slider"]');
    expect(curve.getAttribute("aria-valuetext")).toBe("turn 4, now: 3");
    await pictured.key(curve, "ArrowLeft");
    expect(curve.getAttribute("aria-valuetext")).toBe("turn 3: 2");
    await pictured.key(curve, "Enter");
    expect(picked).toEqual([8]);
    await pictured.key(curve, "Home");
    await pictured.key(curve, "ArrowLeft");
    expect(curve.getAttribute("aria-valuenow")).toBe("1");
    expect(pictured.texts("tbody tr")).toEqual(["10", "21", "32", "4 (now)3"]);
    const next = { op: "replace" as const, path: "/director/tension", value: 77 };
    pictured.live(event(11, { kind: "edit", outcome: "applied", base: 10, patch: [next] } as never));
    await pictured.rested();
    expect(pictured.texts("tbody tr").at(-1)).toBe("4 (now)77");
  });

  test("without the right to see it, it is the clock's, and says so", async () => {
    const log = turnsOf(1).map((one) => (one.sequence_id === 2 ? resolved(2, { patch: [{ op: "add", path: "/clocks/storm/value", value: 7 }] }) : one));
    const { director: _, ...state } = treeState(1, { clocks: { storm: { name: "storm", value: 7, segments: 14 } } });
    const pictured = begin(
      log.filter((one) => one.data.kind !== "dealt" || one.sequence_id !== 3),
      state,
    );
    await pictured.draw(<Tension />);
    expect(pictured.find("h3").textContent).toBe("How far the clocks have run");
    expect(pictured.root.textContent).toContain("director's to see");
    expect(pictured.texts("tbody tr")).toEqual(["150", "2 (now)50"]);
  });

  test("reads the latest turns, and earlier ones when asked", async () => {
    const pictured = begin(turnsOf(400), treeState(400));
    await pictured.draw(<Tension />);
    expect(pictured.asked).toHaveLength(1);
    await pictured.click(pictured.button("Show earlier turns"));
    expect(pictured.asked).toHaveLength(2);
    expect(pictured.texts("tbody tr").length).toBeGreaterThanOrEqual(200);
    expect(pictured.root.textContent).not.toContain("Show earlier turns");
  });
});

const CAST = {
  characters: {
    mara: { name: "Mara", location: "kitchen" },
    ines: { name: "Ines", location: "cellar" },
    tomas: { name: "Tomas", location: null },
  },
  seats: { mara: { name: "Mara", playable: true, owner: "ben", understudy: false } },
  participants: { ben: { name: "Ben", role: "player", joined_at: "" } },
  locations: {
    kitchen: { name: "kitchen", exits: { cellar: { description: null, locked_by: "key", open: false } } },
    cellar: { name: "cellar", exits: { kitchen: { description: null, locked_by: null, open: true } } },
  },
  items: {
    key: { name: "brass key", holder: "mara", location: null },
    lamp: { name: "lamp", holder: null, location: "cellar" },
  },
  scene: { location: "kitchen" },
};

describe("relations", () => {
  test("draws what the view has, says whose it is, and keeps dealings apart from feelings", async () => {
    const seat = { relations: { ines: 2, tomas: -1 } };
    const pictured = begin(turnsOf(2), treeState(2, { ...CAST, "seat:mara": seat }), "ben");
    await pictured.draw(<Relations />);
    expect(pictured.texts("li")).toEqual([
      "Mara trusts Ines (+2)",
      "Mara mistrusts Tomas (−1)",
      "Mara turned to Ines 2 times lately, last: threaten (turn 2)",
    ]);
    expect(pictured.root.textContent).toContain("Shown to you: what Mara feels.");
    expect(pictured.root.querySelectorAll(".jp-Novel-tie")).toHaveLength(2);
    // Her feeling is drawn, not what she did beside it.
    expect(pictured.root.querySelectorAll(".jp-Novel-dealing")).toHaveLength(0);
    expect(pictured.find('[role="button"][aria-label^="Mara"]').getAttribute("aria-label")).toContain("played by you");
  });

  test("without feelings it is who dealt with whom", async () => {
    const pictured = begin(turnsOf(2), treeState(2, CAST));
    await pictured.draw(<Relations />);
    expect(pictured.root.textContent).toContain("Nobody's feelings are shown to you");
    expect(pictured.root.querySelectorAll(".jp-Novel-tie")).toHaveLength(0);
    expect(pictured.root.querySelectorAll(".jp-Novel-dealing.jp-mod-fierce")).toHaveLength(1);
  });

  test("a person is picked and let go by keys", async () => {
    const pictured = begin(turnsOf(2), treeState(2, { ...CAST, "seat:mara": { relations: { tomas: 1 } } }));
    await pictured.draw(<Relations />);
    const ines = pictured.find('[role="button"][aria-label^="Ines"]');
    await pictured.key(ines, "Enter");
    expect(ines.getAttribute("aria-pressed")).toBe("true");
    expect(pictured.find(".jp-Novel-tie").getAttribute("data-faint")).toBe("true");
    await pictured.key(ines, "Escape");
    expect(ines.getAttribute("aria-pressed")).toBe("false");
  });
});

describe("the map", () => {
  test("reads as a list: people, what they have, things, ways", async () => {
    const pictured = begin(turnsOf(0), treeState(0, CAST), "ben");
    await pictured.draw(<Places />);
    const [kitchen, cellar] = ["kitchen", "cellar"].map((id) => pictured.find(`[data-place="${id}"]`));
    expect(kitchen?.textContent).toContain("Mara, played by you, has: brass key");
    expect(kitchen?.textContent).toContain("Ways to: cellar (locked, opens with: brass key).");
    expect(kitchen?.classList.contains("jp-mod-scene")).toBe(true);
    expect(cellar?.textContent).toContain("Here lies: lamp");
    expect(cellar?.textContent).toContain("Ways to: kitchen.");
    expect(pictured.root.textContent).toContain("In no place that is shown: Tomas");
  });

  test("people go where the story takes them, while places stay", async () => {
    const pictured = begin(turnsOf(0), treeState(0, CAST));
    await pictured.draw(<Places />);
    const where = (): string | null | undefined => pictured.find('[data-token="mara"]').closest("[data-place]")?.getAttribute("data-place");
    const cells = (): string[] => [...pictured.root.querySelectorAll<HTMLElement>("[data-place]")].map(({ style }) => `${style.gridColumn} ${style.gridRow}`);
    const before = cells();
    expect(where()).toBe("kitchen");
    pictured.live(event(2, { kind: "edit", outcome: "applied", base: 1, patch: [{ op: "replace", path: "/characters/mara/location", value: "cellar" }] }));
    await pictured.rested();
    expect(where()).toBe("cellar");
    expect(cells()).toEqual(before);
  });

  test("an earlier stage is shown as such, and a place can be picked", async () => {
    const pictured = begin(turnsOf(0), treeState(0, CAST));
    const picked: string[] = [];
    const stage = { ...CAST, characters: { mara: { name: "Mara", location: "cellar" } }, scene: { location: "cellar" } };
    await pictured.draw(<Places stage={stage} asOf="turn 1" onPlace={(place) => picked.push(place)} />);
    expect(pictured.find("h3").textContent).toContain("turn 1");
    expect(pictured.find('[data-place="cellar"]').textContent).toContain("Mara");
    await pictured.click(pictured.button("cellar"));
    expect(picked).toEqual(["cellar"]);
  });

  test("nothing in a story's names is markup", async () => {
    const evil = '<img src=x onerror="alert(1)">';
    const locations = { kitchen: { name: evil, exits: {} } };
    const pictured = begin(turnsOf(0), treeState(0, { ...CAST, locations, characters: { mara: { name: evil, location: "kitchen" } } }));
    await pictured.draw(
      <>
        <Places />
        <Relations />
      </>,
    );
    expect(pictured.root.querySelector("img")).toBeNull();
    expect(pictured.root.textContent).toContain(evil);
  });
});
