/**
 * Who is here, from what the wire says of them.
 */
import { describe, expect, test } from "vitest";

import type { Present, ShownCursor } from "../../src/protocol";
import { emptyReplica, type Replica } from "../../src/replica";
import { colorOf, cursorsAt, initials, people, type Person } from "../../src/ui/presence/people";
import { STORY } from "./edit-support";

const here = (user_id: string, connections = 1, more: Partial<Present> = {}): Present => ({
  user_id,
  name: user_id,
  kind: "person",
  connections,
  ...more,
});

function replica(presence: Present[], cursors: ShownCursor[] = [], state: object = {}): Replica {
  return {
    ...emptyReplica("s1"),
    state: { ...STORY, ...state },
    presence,
    cursors: new Map(cursors.map((cursor) => [cursor.connection_id, cursor])),
  };
}

const byId = (found: readonly Person[], id: string): Person | undefined => found.find((person) => person.id === id);

describe("a person", () => {
  test("is here, away or gone", () => {
    const found = people(replica([here("ann"), here("ben", 0)]), "ann");
    expect(found.map(({ id, state }) => [id, state])).toEqual([
      ["ann", "here"],
      ["ben", "away"],
      ["eve", "gone"],
    ]);
    const seats = { mara: { name: "Mara", playable: true, owner: "eve", understudy: true, away_until: "2026-01-01T00:00:00.000Z" } };
    expect(byId(people(replica([here("ann")], [], { seats }), "ann"), "eve")).toMatchObject({ state: "away", understudied: true });
  });

  test("is one, however many tabs they have, and at the place where they type", () => {
    const at = { user_id: "ben", position: 1, selection: null };
    const cursors = [
      { ...at, connection_id: "k1", target: "/notes/scene", typing: true },
      { ...at, connection_id: "k2", target: "/scene/mood", typing: false },
    ];
    const found = people(replica([here("ben", 2)], cursors), "ann");
    expect(found.filter(({ id }) => id === "ben")).toHaveLength(1);
    expect(byId(found, "ben")).toMatchObject({ tabs: 2, target: "/notes/scene", typing: true, seats: ["Mara"], role: "player" });
  });

  test("who is in no field is at no place", () => {
    const cursors = [{ user_id: "ben", connection_id: "k1", target: "" }];
    expect(byId(people(replica([here("ben")], cursors), "ann"), "ben")).toMatchObject({ target: null, typing: false });
  });

  test("comes after oneself, and kernels after people", () => {
    const kernel = here("kernel:ann:1", 1, { kind: "kernel", name: "Ann’s notebook", doing: "Mara thinks" });
    const found = people(replica([kernel, here("ann"), here("eve")], [], { host: { holder: kernel.user_id, token: 1, admitted: {} } }), "eve");
    expect(found.map(({ id }) => id)).toEqual(["eve", "ann", "ben", kernel.user_id]);
    expect(byId(found, kernel.user_id)).toMatchObject({ kind: "kernel", hosts: true, doing: "Mara thinks", role: null });
  });

  test("is marked as a guest, and shown though the state does not know them yet", () => {
    const participants = { "guest:7": { name: "Zoë", role: "player", joined_at: "", guest: 4 } };
    expect(byId(people(replica([here("guest:7")], [], { participants }), ""), "guest:7")).toMatchObject({ guest: true, initials: "Z" });
    expect(byId(people(replica([here("new")]), ""), "new")).toMatchObject({ role: null, state: "here" });
  });
});

test("colours are the same everywhere, and all in use", () => {
  const colours = Array.from({ length: 200 }, (_, n) => colorOf(`user${n}`));
  expect(new Set(colours).size).toBe(7);
  expect(colorOf("ada")).toBe(colorOf("ada"));
  for (const colour of colours) expect(colour).toMatch(/^var\(--jp-Novel-person[1-7]\)$/);
});

test("initials are of whole characters, of any script", () => {
  expect(["Ada Lovelace", "ben", "  ", "José María de la Cruz", "👩‍🚀 Ripley", "שרה לוי", "李 小龙"].map(initials)).toEqual([
    "AL",
    "B",
    "",
    "JC",
    "👩‍🚀R",
    "של",
    "李小",
  ]);
});

test("the cursors of a field are the others' alone", () => {
  const cursors = ["ann", "ben", "eve"].map((user_id) => ({ user_id, connection_id: user_id, target: user_id === "eve" ? "/a" : "/b" }));
  expect(cursorsAt(replica([], cursors), "/b", "ann").map(({ user_id }) => user_id)).toEqual(["ben"]);
});
