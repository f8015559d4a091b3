/**
 * The timeline on screen: scrubbing, and what it offers to do.
 *
 * @vitest-environment happy-dom
 */
import { useState } from "preact/hooks";
import { afterEach, describe, expect, test } from "vitest";

import type { JsonObject } from "../../src/json";
import type { WireEvent } from "../../src/protocol";
import { useAsOf } from "../../src/ui/history/asOf";
import { Timeline } from "../../src/ui/history/Timeline";
import type { Place } from "../../src/ui/history/tree";
import { Places } from "../../src/ui/pictures/Places";
import { event, hidden, resolved, told } from "../support/plays";
import { Pictured } from "../support/pictured";

let pictured: Pictured;
afterEach(() => pictured.end());

const LOG: WireEvent[] = [
  event(1, {
    kind: "created",
    story: "x",
    title: "X",
    patch: [
      { op: "add", path: "/characters", value: { mara: { name: "Mara", location: "landing" } } },
      { op: "add", path: "/locations", value: { landing: { name: "landing", exits: {} }, kitchen: { name: "kitchen", exits: {} } } },
      { op: "add", path: "/scene", value: {} },
    ],
  } as never),
  resolved(3, { patch: [{ op: "replace", path: "/characters/mara/location", value: "kitchen" }] }),
  told(5, 3, "She came up the steps."),
  resolved(7, { number: 2, parent: 3, patch: [{ op: "replace", path: "/characters/mara/location", value: "landing" }] }),
  told(9, 7, "She went down again."),
  event(10, { kind: "branched", turn: 2, to: 3, branch: "stay", left: 7, edits: [], patch: [{ op: "replace", path: "/characters/mara/location", value: "kitchen" }] }),
];

function state(more: JsonObject = {}): JsonObject {
  const turn = (number: number, parent: number, end: number) => ({ number, attempt: 1, branch: "main", parent, narration: "told", end });
  return {
    session: { status: "open", opening: 1 },
    participants: { ada: { name: "Ada", role: "owner", joined_at: "" }, ben: { name: "Ben", role: "player", joined_at: "" } },
    characters: { mara: { name: "Mara", location: "kitchen" } },
    locations: { landing: { name: "landing", exits: {} }, kitchen: { name: "kitchen", exits: {} } },
    scene: {},
    seats: {},
    chronicle: { "3": { turn: 1, attempt: 1, branch: "main", narrative: "She came up the steps." } },
    turns: { "3": turn(1, 0, 5), "7": turn(2, 3, 9) },
    branches: { main: 7, stay: 3 },
    turn: { number: 2, parent: 3, phase: "collect", branch: "stay", node: 0, locked: null, resume: null },
    ...more,
  };
}

let scrubbed: Place[] = [];

function Screen(): preact.JSX.Element {
  const [place, setPlace] = useState<Place>(null);
  const asOf = useAsOf(place);
  return (
    <>
      <Timeline
        place={place}
        onScrub={(to) => {
          scrubbed.push(to);
          setPlace(to);
        }}
      />
      <output>{asOf.kind}</output>
      <Places {...(asOf.kind === "known" ? { stage: asOf.stage } : {})} />
    </>
  );
}

async function begin(more: JsonObject = {}, me = "ada", log = [...LOG]): Promise<Pictured> {
  scrubbed = [];
  pictured = new Pictured(log, state(more), me);
  await pictured.draw(<Screen />);
  return pictured;
}

const list = (): Element => pictured.find('[role="listbox"]');
const chosen = (): string | null | undefined => pictured.root.querySelector('[role="option"][aria-selected="true"]')?.getAttribute("aria-label");
const mara = (): string | null | undefined => pictured.find('[data-token="mara"]').closest("[data-place]")?.getAttribute("data-place");

describe("scrubbing", () => {
  test("walks the turns by keys, tells how each began, and moves the map with it", async () => {
    const pictured = await begin();
    expect(chosen()).toBe("Now: turn 2, open for proposals");
    expect(pictured.asked).toEqual([]);
    await pictured.key(list(), "ArrowLeft");
    expect(chosen()).toBe("Turn 1: She came up the steps.");
    expect(list().getAttribute("aria-activedescendant")).toBe(pictured.find('[aria-selected="true"]').id);
    expect(mara()).toBe("kitchen");
    await pictured.key(list(), "Home");
    expect(chosen()).toBe("The opening");
    expect([mara(), pictured.find("output").textContent]).toEqual(["landing", "known"]);
    await pictured.key(list(), "ArrowDown");
    // The words of a turn that the state no longer keeps come from the log.
    expect(chosen()).toBe("Turn 2, branch main: She went down again.");
    expect(mara()).toBe("landing");
    await pictured.key(list(), "End");
    expect([mara(), pictured.find("output").textContent]).toEqual(["kitchen", "now"]);
    expect(scrubbed).toEqual([3, 0, 7, null]);
    expect(pictured.sent).toEqual([]);
  });

  test("a log too long to fold says so, except for what the page saw itself", async () => {
    const pictured = await begin({}, "ada", [...LOG, hidden(50_000)]);
    await pictured.key(list(), "ArrowLeft");
    expect(pictured.find("output").textContent).toBe("far");
    expect(pictured.asked.length).toBeLessThan(2);
    pictured.live(resolved(50_001, { number: 2, parent: 3, branch: "stay" }), told(50_002, 50_001, "On it went."));
    await pictured.key(list(), "End");
    pictured.live(
      event(50_003, { kind: "opened", turn: 3, attempt: 0, patch: [{ op: "add", path: "/turn/parent", value: 50_001 }] }),
    );
    await pictured.rested();
    await pictured.key(list(), "ArrowLeft");
    expect(pictured.find("output").textContent).toBe("known");
  });

  test("a turn that is forgotten while one looks at it leads back to now", async () => {
    const pictured = await begin();
    await pictured.key(list(), "ArrowLeft");
    const forget = [{ op: "replace" as const, path: "/turns", value: {} }];
    pictured.live(event(11, { kind: "opened", turn: 2, attempt: 0, patch: forget }));
    await pictured.rested();
    expect(scrubbed.at(-1)).toBeNull();
    expect(chosen()).toContain("Now");
  });
});

describe("what it offers", () => {
  test("each is a command with the turn that is looked at", async () => {
    const pictured = await begin();
    await pictured.click(pictured.button("Retell the last turn"));
    await pictured.click(pictured.button("Re-roll"));
    await pictured.click(pictured.button("Undo the last turn"));
    await pictured.key(list(), "Home");
    await pictured.click(pictured.button("Undo to here"));
    expect(scrubbed.at(-1)).toBeNull();
    await pictured.key(list(), "ArrowLeft");
    await pictured.click(pictured.button("Retell"));
    expect(pictured.sent).toEqual([
      { kind: "retell", node: 3 },
      { kind: "reroll" },
      { kind: "undo", to: null },
      { kind: "undo", to: 0 },
      { kind: "retell", node: 3 },
    ]);
  });

  test("a branch gets a name that is one, and another branch is gone on with", async () => {
    const pictured = await begin();
    await pictured.click(pictured.button("Branch from here"));
    const input = pictured.find("input") as HTMLInputElement;
    const type = async (text: string): Promise<void> => {
      input.value = text;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await pictured.rested();
    };
    expect(pictured.button("Branch").getAttribute("aria-disabled")).toBe("true");
    await type("stay");
    expect(pictured.find('[role="alert"]').textContent).toContain("already");
    await pictured.click(pictured.button("Branch"));
    expect(pictured.sent).toEqual([]);
    await type("The boat leaves");
    expect(input.value).toBe("the-boat-leaves");
    await pictured.click(pictured.button("Branch"));
    expect(pictured.sent).toEqual([{ kind: "branch", name: "the-boat-leaves", at: 3 }]);
    expect(pictured.root.querySelector("input")).toBeNull();
    await pictured.click(pictured.button("Go on with branch main (2 turns)"));
    expect(pictured.sent.at(-1)).toEqual({ kind: "branch", name: "main" });
    expect(pictured.button("stay (one turn): the story goes on here").getAttribute("aria-pressed")).toBe("true");
  });

  test("who may not is told so on every button, and no click goes through", async () => {
    const pictured = await begin({}, "ben");
    for (const name of ["Retell the last turn", "Re-roll", "Undo the last turn", "Branch from here"]) {
      const button = pictured.button(name);
      expect(button.getAttribute("aria-disabled")).toBe("true");
      const why = pictured.root.querySelector(`[id="${button.getAttribute("aria-describedby")}"]`);
      expect(why?.textContent).toContain("You are a player");
      await pictured.click(button);
    }
    expect(pictured.sent).toEqual([]);
  });
});
