/**
 * Words that several pictures say.
 *
 * Law: pure, through the translator. What a story file itself names (its own acts, people, places) stays as it names it.
 */
import type { Translation } from "../translate";

export function actName(trans: Translation, act: string): string {
  switch (act) {
    case "setup":
      return trans.__("setup");
    case "complication":
      return trans.__("complication");
    case "crisis":
      return trans.__("crisis");
    case "climax":
      return trans.__("climax");
    default:
      return act;
  }
}

/** With its sign, and a minus that is as wide as a plus. */
export function signed(value: number): string {
  return value > 0 ? `+${value}` : value < 0 ? `−${-value}` : "0";
}

/** Cut at its end, by characters as people count them. */
export function short(text: string, most: number): string {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

/** The letters of an avatar. */
export function initials(name: string): string {
  const parts = name.trim().split(/\s+/u).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
  return letters.map((part) => Array.from(part ?? "")[0] ?? "").join("").toLocaleUpperCase() || "?";
}
