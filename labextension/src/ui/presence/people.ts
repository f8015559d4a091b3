/**
 * Who is here: everything that is known of a person, in one place.
 *
 * Law: a person is one, however many tabs they have. Who is connected is `here`; who just lost the connection, or whose
 * seat waits for them, is `away`; anybody else of the session is `gone`. A person has the same colour on every screen.
 * Parts: `Person`, `people`, `colorOf`, `initials`, `cursorsAt`.
 */
import type { Replica } from "../../replica";
import type { ShownCursor } from "../../protocol";
import { story, type Role } from "../state";

export type Whereabouts = "here" | "away" | "gone";

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly initials: string;
  /** A CSS value. */
  readonly color: string;
  readonly kind: "person" | "kernel";
  readonly role: Role | null;
  readonly guest: boolean;
  readonly me: boolean;
  readonly state: Whereabouts;
  readonly tabs: number;
  /** Names of their characters. */
  readonly seats: readonly string[];
  /** Seats that an understudy plays now. */
  readonly understudied: boolean;
  readonly hosts: boolean;
  /** What a kernel is doing, in its own words. */
  readonly doing: string | null;
  /** The JSON pointer of what they look at, and whether they type there. */
  readonly target: string | null;
  readonly typing: boolean;
}

const COLORS = 7;

/** One of JupyterLab's collaborator colours (see presence.css), the same on every screen. */
export function colorOf(userId: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(userId)) hash = Math.imul(hash ^ byte, 0x01000193);
  return `var(--jp-Novel-person${((hash >>> 0) % COLORS) + 1})`;
}

/** At most two letters, by whole characters. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter((word) => word !== "");
  const letters = [words.at(0), words.length > 1 ? words.at(-1) : undefined].map((word) => (word === undefined ? "" : firstOf(word)));
  return letters.join("").toLocaleUpperCase();
}

function firstOf(word: string): string {
  for (const { segment } of new Intl.Segmenter().segment(word)) return segment;
  return "";
}

const ORDER: readonly Whereabouts[] = ["here", "away", "gone"];

/** Everybody of the session: oneself first, then who is here, away, gone; kernels after people. */
export function people(replica: Replica, me: string): readonly Person[] {
  const state = story(replica);
  const present = new Map(replica.presence.map((each) => [each.user_id, each]));
  const cursors = new Map<string, ShownCursor>();
  for (const cursor of replica.cursors.values()) {
    const known = cursors.get(cursor.user_id);
    if (known === undefined || (cursor.typing ?? false) || !known.typing) cursors.set(cursor.user_id, cursor);
  }
  const found = [...new Set([...Object.keys(state.participants), ...present.keys()])].map((id): Person => {
    const [participant, here, cursor] = [state.participants[id], present.get(id), cursors.get(id)];
    const seats = Object.values(state.seats).filter(({ owner }) => owner === id);
    const name = participant?.name ?? here?.name ?? id;
    const waited = seats.some(({ away_until }) => away_until !== undefined);
    return {
      id,
      name,
      initials: initials(name),
      color: colorOf(id),
      kind: here?.kind ?? (id.startsWith("kernel:") ? "kernel" : "person"),
      role: participant?.role ?? null,
      guest: participant?.guest !== undefined,
      me: id === me,
      state: here !== undefined && here.connections > 0 ? "here" : here !== undefined || waited ? "away" : "gone",
      tabs: here?.connections ?? 0,
      seats: seats.map((seat) => seat.name),
      understudied: seats.some(({ understudy }) => understudy),
      hosts: state.host?.holder === id,
      doing: here?.doing ?? null,
      target: cursor?.target || null,
      typing: cursor?.typing ?? false,
    };
  });
  const rank = (person: Person): number =>
    (person.kind === "kernel" ? 10 : 0) + (person.me ? -1 : ORDER.indexOf(person.state));
  return found.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
}

/** The cursors of others in a field. */
export function cursorsAt(replica: Replica, target: string, me: string): readonly ShownCursor[] {
  return [...replica.cursors.values()].filter((cursor) => cursor.target === target && cursor.user_id !== me);
}
