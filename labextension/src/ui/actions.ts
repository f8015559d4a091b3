/**
 * Actions in words.
 *
 * Law: the server words what it offers; this words what is already in the state (proposals, outcomes), from names that
 * the reader has anyway.
 */
import { personName, type Action, type Overruling, type StoryState } from "./state";
import type { Translation } from "./translate";

/** What an action's `target` or `about` is called. */
export function nameOf(state: StoryState, id: unknown): string {
  if (typeof id !== "string") return "";
  const found = state.characters[id]?.name ?? state.locations[id]?.name ?? state.items[id]?.name ?? state.facts[id]?.text;
  return found ?? id;
}

export function actionText(trans: Translation, state: StoryState, action: Action | null): string {
  if (action === null) return trans.__("nothing: struck out");
  const target = nameOf(state, action["target"]);
  const about = nameOf(state, action["about"] ?? action["item"] ?? action["fact"]);
  const text = typeof action["text"] === "string" ? action["text"] : "";
  const said = text === "" ? "" : ` “${text}”`;
  switch (action["kind"]) {
    case "free":
      return text;
    case "move":
      return trans.__("go to %1", target);
    case "observe":
      return target === "" ? trans.__("look around") : trans.__("watch %1", target);
    case "search":
      return target === "" ? trans.__("search") : trans.__("search %1", target);
    case "ask":
      return (about === "" ? trans.__("ask %1", target) : trans.__("ask %1 about %2", target, about)) + said;
    case "tell":
      return (target === "" ? trans.__("say aloud: %1", about || text) : trans.__("tell %1: %2", target, about || text));
    case "persuade":
      return (about === "" ? trans.__("win %1 over", target) : trans.__("persuade %1 about %2", target, about)) + said;
    case "threaten":
      return (about === "" ? trans.__("threaten %1", target) : trans.__("threaten %1 over %2", target, about)) + said;
    case "give":
      return trans.__("give %1 to %2", about, target);
    case "take":
      return trans.__("take %1", target || about);
    case "use":
      return trans.__("use %1", [nameOf(state, action["item"] ?? action["target"]), nameOf(state, action["on"])].filter(Boolean).join(" – "));
    case "attack":
      return trans.__("attack %1", target);
    case "defend":
      return target === "" ? trans.__("be on guard") : trans.__("defend %1", target);
    case "hide":
      return about === "" && target === "" ? trans.__("hide") : trans.__("hide %1", about || target);
    case "help":
      return trans.__("help %1", target);
    case "betray":
      return trans.__("betray %1", target);
    case "wait":
      return trans.__("wait");
    default:
      return [String(action["kind"] ?? ""), target, about].filter(Boolean).join(" ");
  }
}

/** Who put another action in the place of a player's, and why. */
export function overruledText(trans: Translation, state: StoryState, { by, reason }: Overruling): string {
  return trans.__("Overruled by %1: %2", personName(state, by), reason);
}
