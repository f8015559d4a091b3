/**
 * Who and what is where, as far as a view shows it.
 *
 * Law: pure; whose place is not shown is listed as nowhere, never guessed.
 * Parts: `Stage`, `Whereabouts`, `whereaboutsOf`.
 */
import type { Character, Item, Place, Scene, Seat } from "../state";

/** The part of a state that a map shows: of now, or as of an earlier turn. */
export interface Stage {
  readonly locations: { readonly [id: string]: Place };
  readonly characters: { readonly [id: string]: Character };
  readonly items: { readonly [id: string]: Item };
  readonly scene: Scene;
}

export interface Whereabouts {
  /** Place → characters. */
  readonly people: ReadonlyMap<string, readonly string[]>;
  /** Place → items that lie there. */
  readonly items: ReadonlyMap<string, readonly string[]>;
  /** Character → items that they carry. */
  readonly carried: ReadonlyMap<string, readonly string[]>;
  /** Characters who are in no place that is shown. */
  readonly nowhere: readonly string[];
}

export function whereaboutsOf({ locations, characters, items }: Stage): Whereabouts {
  const people = new Map<string, string[]>();
  const lying = new Map<string, string[]>();
  const carried = new Map<string, string[]>();
  const nowhere: string[] = [];
  const put = (into: Map<string, string[]>, key: string, id: string): void => {
    into.set(key, [...(into.get(key) ?? []), id]);
  };
  for (const id of Object.keys(characters).sort()) {
    const { location, status } = characters[id] ?? {};
    if (location != null && Object.hasOwn(locations, location) && status !== "gone") put(people, location, id);
    else nowhere.push(id);
  }
  for (const id of Object.keys(items).sort()) {
    const item = items[id];
    if (item === undefined || item.destroyed === true) continue;
    if (item.holder !== null && Object.hasOwn(characters, item.holder)) put(carried, item.holder, id);
    else if (item.location !== null && Object.hasOwn(locations, item.location)) put(lying, item.location, id);
  }
  return { people, items: lying, carried, nowhere };
}

/** Whose seat a character is, null where nobody has it. */
export function ownerOf(seats: { readonly [id: string]: Seat }, character: string): string | null {
  return seats[character]?.owner ?? null;
}
