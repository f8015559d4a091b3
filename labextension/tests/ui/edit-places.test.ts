/**
 * What paths are called, and how they are merged.
 */
import { describe, expect, test } from "vitest";

import { placeName, strategyFor } from "../../src/ui/edit/places";
import { story } from "../../src/ui/state";
import { asWritten } from "../../src/ui/translate";
import { runPython } from "../support/jupyter";
import { Desk } from "./edit-support";

describe("places", () => {
  test("have names for people", () => {
    const desk = new Desk();
    desk.join();
    const nameOf = (pointer: string): string => placeName(asWritten, story(desk.session.replica), pointer);
    expect(["/characters/mara/description", "/seat:mara/notes", "/notes/scene", "/facts/dark/text", "/turn/proposals/mara", "/x"].map(nameOf)).toEqual([
      "Mara: description",
      "Mara: private notes",
      "Notes on the scene",
      "A fact of the world",
      "what Mara does next",
      "/x",
    ]);
  });

  test("are merged as the server merges them", () => {
    const patterns = {
      "/notes/*": "merge_text", "/notes/scene": "latest_wins", "/characters/**": "reject_stale", "/characters/*/traits/*": "latest_wins",
      "/characters/m*/traits/*": "union", "/seat:*/notes": "merge_text", "/seat:*/relations/*": "add", "/clocks/*/value": "add", "/a~1b/*": "add",
    };
    const paths = ["/notes/scene", "/notes/x", "/notes/x/y", "/characters/mara", "/characters/mara/traits/bold", "/characters/tomas/traits/bold",
      "/seat:mara/notes", "/seat:mara/relations/tomas", "/clocks/storm/value", "/clocks/storm", "/a~1b/c", "/nowhere"];
    const program = [
      "import json, sys",
      "from novel_jupyter.core.merge_strategies import MergeRules, STRATEGIES",
      "from novel_jupyter.core.patch import parse_pointer",
      "patterns, paths = json.load(sys.stdin)",
      "rules, names = MergeRules.for_story(patterns), {id(s): n for n, s in STRATEGIES.items()}",
      "print(json.dumps([names[id(rules.strategy_for(parse_pointer(p)))] for p in paths]))",
    ].join("\n");
    expect(paths.map((path) => strategyFor(patterns, path))).toEqual(JSON.parse(runPython(program, JSON.stringify([patterns, paths]))));
  });
});
