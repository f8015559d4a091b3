/** Which turns are on screen, and in whose words. */
import { describe, expect, it } from "vitest";

import { emptyReplica } from "../../src";
import type { WireEvent } from "../../src/protocol";
import { olderFrom } from "../../src/ui/earlier";
import { story, type TurnNode } from "../../src/ui/state";
import { mySeats, pathOf, tipOf, toldOf } from "../../src/ui/turns";

function node(number: number, parent: number, branch = "main"): TurnNode {
  return { number, attempt: 1, branch, parent, narration: "told", end: 0 };
}

function stateOf(parts: { [name: string]: unknown }): ReturnType<typeof story> {
  return story({ ...emptyReplica("s"), state: parts as never });
}

describe("the path", () => {
  it("runs from the oldest known turn to the tip, and leaves other branches out", () => {
    const turns = { 10: node(1, 0), 20: node(2, 10), 30: node(2, 10, "if"), 40: node(3, 20) };
    expect(pathOf(turns, 40).map((shown) => shown.node)).toEqual([10, 20, 40]);
    expect(pathOf(turns, 30).map((shown) => shown.node)).toEqual([10, 30]);
    expect(pathOf(turns, 0)).toEqual([]);
  });

  it("ends where the state knows no more", () => {
    expect(pathOf({ 40: node(3, 20) }, 40).map((shown) => shown.node)).toEqual([40]);
  });

  it("shows the turn that is being told, else the one before the next", () => {
    expect(tipOf(stateOf({ turn: { node: 0, parent: 20 } }))).toBe(20);
    expect(tipOf(stateOf({ turn: { node: 30, parent: 20 } }))).toBe(30);
    expect(tipOf(stateOf({}))).toBe(0);
  });
});

describe("what was told", () => {
  const mine = { turn: 1, attempt: 1, branch: "main", narrative: "She saw it." };
  const seats = { mara: { owner: "ben" }, ines: { owner: null }, tomas: { owner: "ben" } };

  it("is the onlookers' prose for who plays nobody", () => {
    const open = { ...mine, narrative: "It happened." };
    expect(toldOf(stateOf({ seats, chronicle: { 10: open } }), 10)).toEqual([{ seat: null, told: open }]);
  });

  it("is what each of one's characters saw for who plays", () => {
    const state = stateOf({ seats, "seat:mara": { chronicle: { 10: mine } }, "seat:tomas": {} });
    expect(toldOf(state, 10)).toEqual([{ seat: "mara", told: mine }]);
    expect(mySeats(state, "ben")).toEqual(["mara", "tomas"]);
  });
});

describe("older turns", () => {
  it("are read from the log: the place in the tree, and the latest telling for each reader", () => {
    const event = (sequence_id: number, data: object, audience: unknown = "everyone"): WireEvent =>
      ({ type: "story_update", sequence_id, hash: "h", audience, data }) as unknown as WireEvent;
    const found = olderFrom({ nodes: new Map(), told: new Map() }, [
      event(5, { kind: "resolved", patch: [{ op: "add", path: "/turns/5", value: node(1, 0) }] }),
      event(6, { kind: "dealt", node: 5, narrative: "mine", turn: 1 }, ["mara"]),
      event(7, { kind: "turn", node: 5, narrative: "first", turn: 1 }),
      event(9, { kind: "turn", node: 5, narrative: "again", turn: 1 }),
    ]);
    expect(found.nodes.get(5)).toEqual(node(1, 0));
    expect(found.told.get(5)?.map(({ seat, told }) => [seat, told.narrative])).toEqual([
      ["mara", "mine"],
      [null, "again"],
    ]);
  });
});
