/**
 * A director's word against a proposal: how it is said, and where everybody reads it.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, describe, expect, test } from "vitest";

import type { JsonObject } from "../../src/json";
import type { LoggedEvent, Op } from "../../src/protocol";
import { Banners } from "../../src/ui/Banners";
import { Cast } from "../../src/ui/Cast";
import { Director } from "../../src/ui/Director";
import { Timeline } from "../../src/ui/history/Timeline";
import { Outcomes } from "../../src/ui/Outcomes";
import { Overrule } from "../../src/ui/Overrule";
import { digest } from "../../src/ui/pictures/digest";
import { entryOf } from "../../src/ui/pictures/entries";
import { Proposals } from "../../src/ui/Proposals";
import { event, outcome, resolved, told } from "../support/plays";
import { Pictured } from "../support/pictured";

const SEARCH = { kind: "search" };
const OFFERS = [
  { action: { kind: "wait" }, words: "wait", kind: "wait" },
  { action: { kind: "move", target: "kitchen" }, words: "go to the kitchen", kind: "move" },
];
const HOSTILE = '<img src=x onerror="alert(1)">';

let pictured: Pictured;
afterEach(() => pictured.end());

function proposal(character: string, more: JsonObject = {}): JsonObject {
  return { character, action: SEARCH, user_id: "ben", ready: false, at: "", order: 3, ...more };
}

function overruled(action: JsonObject | null, reason = "It is night.", by = "ada"): JsonObject {
  return proposal("mara", { action, overruled: { by, reason } });
}

function state(turn: JsonObject = {}, more: JsonObject = {}): JsonObject {
  const person = (name: string, role: string): JsonObject => ({ name, role, joined_at: "" });
  return {
    session: { status: "open", opening: 1, settings: { turn_policy: "round", collect_timeout: null, understudy_after: 60, review: false, default_role: "player" } },
    participants: { ada: person("Ada", "owner"), ben: person("Ben", "player"), dan: person("Dan", "director"), eve: person("Eve", "spectator") },
    seats: {
      mara: { name: "Mara", playable: true, owner: "ben", understudy: false },
      tom: { name: "Tom", playable: true, owner: null, understudy: false },
    },
    characters: { mara: { name: "Mara" } },
    locations: { kitchen: { name: "kitchen" } },
    items: {},
    facts: {},
    turns: {},
    branches: { main: 0 },
    chronicle: {},
    host: { holder: null, token: 0, admitted: {} },
    turn: {
      number: 1,
      attempt: 0,
      phase: "collect",
      parent: 0,
      branch: "main",
      node: 0,
      locked: null,
      resume: null,
      votes: {},
      proposals: { mara: proposal("mara") },
      ...turn,
    },
    ...more,
  };
}

async function begin(part: preact.JSX.Element, me = "ada", whole = state(), kept: Map<string, string> | null = null): Promise<Pictured> {
  const storage =
    kept === null
      ? null
      : {
          getItem: (key: string) => kept.get(key) ?? null,
          setItem: (key: string, value: string) => void kept.set(key, value),
          removeItem: (key: string) => void kept.delete(key),
        };
  pictured = new Pictured([], whole, me, storage);
  pictured.answer = (url) => (url.pathname.endsWith("/actions") ? new Response(JSON.stringify({ actions: OFFERS })) : pictured.page(url));
  await pictured.draw(part);
  return pictured;
}

describe("the director's panel", () => {
  test("overrules by another action, with a reason, and is empty again", async () => {
    await begin(<Director />, "dan");
    expect(pictured.why("Overrule")).toBe("Choose whose proposal.");
    await pictured.fill("Whose", "mara");
    expect(pictured.why("Overrule")).toBe("Choose what they do instead.");
    await pictured.fill("Does instead", "offer:go to the kitchen");
    expect(pictured.why("Overrule")).toBe("Give a reason: everybody reads it.");
    await pictured.click(pictured.button("Overrule"));
    expect(pictured.sent).toEqual([]);
    await pictured.fill("Why", "  It is night.  ");
    expect(pictured.why("Overrule")).toBeNull();
    await pictured.click(pictured.button("Overrule"));
    expect(pictured.sent).toEqual([
      { kind: "overrule", character: "mara", action: { kind: "move", target: "kitchen" }, reason: "It is night." },
    ]);
    expect(pictured.why("Overrule")).toBe("Choose whose proposal.");
  });

  test("strikes a proposal out, or says it in its own words", async () => {
    await begin(<Overrule />);
    await pictured.fill("Whose", "mara");
    await pictured.fill("Why", "No.");
    await pictured.fill("Does instead", "nothing");
    await pictured.click(pictured.button("Overrule"));
    await pictured.fill("Whose", "mara");
    await pictured.fill("Why", "Yes.");
    await pictured.fill("Does instead", "free");
    expect(pictured.why("Overrule")).toBe("Choose what they do instead.");
    await pictured.fill("In your words", "sings");
    await pictured.click(pictured.button("Overrule"));
    expect(pictured.sent).toEqual([
      { kind: "overrule", character: "mara", action: null, reason: "No." },
      { kind: "overrule", character: "mara", action: { kind: "free", text: "sings" }, reason: "Yes." },
    ]);
  });

  test.each([
    ["a player", "ben", {}, "Only for: owner, director. You are a player."],
    ["while paused", "ada", { phase: "paused" }, "Not while the turn is paused."],
    ["where nothing is proposed", "ada", { proposals: {} }, "Nothing is proposed that could be overruled."],
  ])("says why not: %s", async (_, me, turn, reason) => {
    await begin(<Overrule />, me, state(turn as JsonObject));
    expect(pictured.why("Overrule")).toBe(reason);
    await pictured.click(pictured.button("Overrule"));
    expect(pictured.sent).toEqual([]);
    expect(pictured.asked).toEqual([]);
  });

  test("what was typed is there again after a reload", async () => {
    const kept = new Map<string, string>();
    await begin(<Overrule />, "ada", state(), kept);
    await pictured.fill("Whose", "mara");
    await pictured.fill("Does instead", "free");
    await pictured.fill("In your words", "sings");
    await pictured.fill("Why", "It is nig");
    pictured.end();
    await begin(<Overrule />, "ada", state(), kept);
    const fields = [...pictured.root.querySelectorAll<HTMLInputElement | HTMLSelectElement>("select, input")].map((one) => one.value);
    expect(fields).toEqual(["mara", "free", "sings", "It is nig"]);
    await pictured.click(pictured.button("Overrule"));
    expect(kept.size).toBe(0);
  });

  test("takes back what was overruled", async () => {
    await begin(<Overrule />, "dan", state({ proposals: { mara: overruled(null) } }));
    expect(pictured.texts(".jp-Novel-overruled")[0]).toContain("Mara Overruled by Ada: It is night.");
    await pictured.click(pictured.button("Take back what overrules Mara"));
    expect(pictured.sent).toEqual([{ kind: "withdraw", character: "mara" }]);
  });
});

describe("the one who was overruled", () => {
  test("reads by whom and why, can say ready, and cannot get round it", async () => {
    await begin(<Proposals />, "ben", state({ proposals: { mara: overruled({ kind: "wait" }, HOSTILE) } }));
    expect(pictured.texts(".jp-Novel-overruled")).toEqual([`Overruled by Ada: ${HOSTILE}`]);
    expect(pictured.root.querySelector("img")).toBeNull();
    expect(pictured.texts(".jp-Novel-proposed strong")).toEqual(["wait"]);
    const why = "This stands for the turn, unless whoever directs takes it back.";
    expect([pictured.why("Withdraw"), pictured.why("Propose"), pictured.why("Ready")]).toEqual([why, why, null]);
    const input = pictured.find("input");
    await pictured.key(input, "ArrowDown");
    await pictured.key(input, "Enter");
    await pictured.click(pictured.button("Withdraw"));
    await pictured.click(pictured.button("Ready"));
    expect(pictured.sent).toEqual([{ kind: "ready", character: "mara", ready: true }]);
  });

  test("is told once, when it happens; nobody else is", async () => {
    const word = (sequence: number): LoggedEvent => ({
      ...event(sequence, { kind: "overruled", turn: 1, character: "mara", action: null, reason: "It is night.", patch: [] }),
      user_id: "ada",
    });
    for (const [me, heard] of [["ben", ["Ada overruled what Mara does: It is night."]], ["ada", []], ["eve", []]] as const) {
      await begin(<Banners onJump={() => undefined} />, me);
      pictured.session.take(word(1));
      await pictured.rested();
      expect(pictured.notified).toEqual(heard);
      pictured.end();
    }
  });
});

test("everybody reads it under the cast, and does not vote for what was struck out", async () => {
  const settings = { turn_policy: "vote" };
  const whole = state({ proposals: { mara: overruled(null) } });
  await begin(<Cast />, "eve", { ...whole, session: { ...(whole["session"] as JsonObject), settings } });
  expect(pictured.texts(".jp-Novel-overruled")).toEqual(["Overruled by Ada: It is night."]);
  expect(pictured.find(".jp-Novel-proposed").textContent).toContain("nothing: struck out");
  pictured.end();
  await begin(<Cast />, "ben", { ...whole, session: { ...(whole["session"] as JsonObject), settings } });
  expect(pictured.why("Vote for this (0 votes)")).toBe("It was struck out.");
});

describe("the history of a turn", () => {
  const locked = (sequence: number, proposals: JsonObject): LoggedEvent => {
    const patch: Op[] = [{ op: "add", path: "/turn/locked", value: { base: sequence, proposals, agents: [] } }];
    return event(sequence, { kind: "locked", turn: 1, attempt: 1, characters: ["mara"], why: "director", patch });
  };
  const LOG = [
    locked(4, { mara: overruled(null), tom: proposal("tom") }),
    resolved(5, { outcomes: [outcome("tom", SEARCH)] }),
    told(6, 5, "It rained."),
    locked(8, { tom: proposal("tom") }),
    resolved(9, { number: 2, parent: 5 }),
    told(10, 9, "It went on raining."),
  ];
  const turn = (number: number, parent: number, end: number) => ({ number, attempt: 1, branch: "main", parent, narration: "told", end });
  const PLAYED = { turns: { "5": turn(1, 0, 6), "9": turn(2, 5, 10) }, branches: { main: 9 } };

  test("keeps what was overruled with its reason, of the turn that it stood in", () => {
    const known = digest(LOG.flatMap((one) => entryOf(one) ?? []));
    expect(known.turns.get(5)?.overruled).toEqual([{ character: "mara", action: null, overruled: { by: "ada", reason: "It is night." } }]);
    expect(known.turns.get(9)?.overruled).toEqual([]);
  });

  test("keeps it over a turn that was resolved in two parts", () => {
    const parts = [locked(4, { mara: overruled(null) }), resolved(5, { complete: false, outcomes: [outcome("tom", SEARCH)] }), locked(7, {}), resolved(8)];
    expect(digest(parts.flatMap((one) => entryOf(one) ?? [])).turns.get(8)?.overruled).toHaveLength(1);
  });

  test("shows it with what came of the turn, and on the timeline", async () => {
    pictured = new Pictured([...LOG], state({ number: 3, parent: 9, proposals: {} }, PLAYED), "eve");
    await pictured.draw(
      <>
        <Outcomes node={5} />
        <Timeline place={5} onScrub={() => undefined} />
      </>,
    );
    const details = pictured.find("details") as HTMLDetailsElement;
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    await pictured.rested();
    const said = "Mara (nothing: struck out): Overruled by Ada: It is night.";
    expect(pictured.texts("details .jp-Novel-overruled")).toEqual([said]);
    expect(pictured.texts(".jp-Novel-timeline .jp-Novel-overruled")).toEqual([said]);
  });
});
