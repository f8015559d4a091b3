/**
 * The state of a session as the face reads it.
 *
 * Law: names and shapes are those of the server's state (`core/model.py`, and the story's partitions); everything may
 * be absent, because a view shows only a part and a state may come before the story does.
 * Parts: the shapes, `story` (the state of a replica, typed), `person`.
 */
import type { AgentCost, JsonValue, Op } from "../protocol";
import type { Replica } from "../replica";

export type Role = "owner" | "director" | "player" | "spectator";
export type Action = { readonly [key: string]: JsonValue };

export interface Participant {
  readonly name: string;
  readonly role: Role;
  readonly joined_at: string;
  readonly sees_all?: boolean;
  /** The invite by which somebody without an account came. */
  readonly guest?: number;
}

export interface Seat {
  readonly name: string;
  readonly playable: boolean;
  readonly owner: string | null;
  readonly understudy: boolean;
  readonly away_until?: string;
  readonly delegates?: readonly string[];
}

/** A director's word in the place of a player's. */
export interface Overruling {
  readonly by: string;
  readonly reason: string;
}

export interface Proposal {
  readonly character: string;
  /** Null: struck out by a director. */
  readonly action: Action | null;
  readonly user_id: string;
  readonly ready: boolean;
  readonly at: string;
  readonly order: number;
  readonly overruled?: Overruling;
}

export type Phase = "lobby" | "collect" | "locked" | "resolving" | "narrating" | "review" | "paused" | "failed" | "ended";

export interface Turn {
  readonly number: number;
  readonly attempt: number;
  readonly phase: Phase;
  readonly resume: Phase | null;
  readonly parent: number;
  readonly branch: string;
  readonly proposals: { readonly [character: string]: Proposal };
  /** voter → character */
  readonly votes: { readonly [user: string]: string };
  readonly locked: { readonly proposals: { readonly [character: string]: Proposal }; readonly agents: readonly string[] } | null;
  readonly node: number;
  readonly retelling: boolean;
  readonly pause_next: boolean;
  readonly deadline: string | null;
  readonly error: string | null;
}

/** One resolved turn in the tree of turns; its id is the sequence_id of its `resolved` event. */
export interface TurnNode {
  readonly number: number;
  readonly attempt: number;
  readonly branch: string;
  readonly parent: number;
  readonly narration: "pending" | "told" | "failed" | "cancelled";
  readonly end: number;
}

export interface Settings {
  readonly turn_policy: "immediate" | "round" | "vote";
  readonly collect_timeout: number | null;
  readonly understudy_after: number;
  readonly review: boolean;
  readonly default_role: "player" | "spectator" | "none";
}

export interface SessionPart {
  readonly story: string;
  readonly title: string;
  readonly owner: string | null;
  readonly created_at: string;
  readonly status: "open" | "ended" | "archived";
  readonly settings: Settings;
  readonly strategies: { readonly [path: string]: string };
  readonly ending?: { readonly [key: string]: JsonValue };
  readonly spent?: AgentCost;
  readonly reserved_for?: string;
}

export interface Told {
  readonly turn: number;
  readonly attempt: number;
  readonly branch: string;
  readonly narrative: string;
  readonly engine?: string;
  readonly so_far?: string;
  readonly tellings?: number;
}

export interface Character {
  readonly name: string;
  readonly pronouns?: string;
  readonly role?: string;
  readonly description?: string;
  readonly traits?: { readonly [trait: string]: number };
  readonly location?: string | null;
  readonly status?: string;
  readonly health?: number;
}

export interface Exit {
  readonly description: string | null;
  readonly locked_by: string | null;
  readonly open: boolean;
}

export interface Place {
  readonly name: string;
  readonly prep?: string;
  readonly description?: string;
  readonly exits?: { readonly [place: string]: Exit };
}

export interface Item {
  readonly name: string;
  readonly description?: string;
  readonly holder: string | null;
  readonly location: string | null;
  readonly destroyed?: boolean;
}

export interface Scene {
  readonly location?: string | null;
  readonly mood?: string;
  readonly text?: string;
  readonly act?: string;
  readonly focus?: readonly string[];
}

export interface Clock {
  readonly name: string;
  readonly value: number;
  readonly segments: number;
}

export interface ChatEntry {
  readonly user_id: string;
  readonly text: string;
  readonly at?: string;
  readonly anchor?: { readonly target?: string | null; readonly selection?: readonly [number, number] | null } | null;
}

export interface Candidate {
  readonly action: Action;
  readonly phrase: string;
}

/** What a player's own words may have meant: offered, never done. */
export interface Reading {
  readonly text: string;
  readonly candidates: readonly Candidate[];
  readonly sure: boolean;
  readonly instead: string | null;
}

/** What only the player of a seat sees. */
export interface SeatPart {
  readonly location?: string | null;
  readonly goals?: { readonly [id: string]: { readonly text: string; readonly status: string; readonly weight: number } };
  readonly secrets?: { readonly [id: string]: string };
  readonly beliefs?: { readonly [id: string]: { readonly text: string; readonly damning?: boolean; readonly turn?: number } };
  readonly relations?: { readonly [character: string]: number };
  readonly memory?: { readonly [id: string]: { readonly turn: number; readonly text: string; readonly weight: number } };
  readonly notes?: string;
  readonly chronicle?: { readonly [node: string]: Told };
  readonly reading?: Reading | null;
  readonly conflicts?: Records;
  readonly suggestions?: Records;
}

/** What lost against something else and is kept for a person to decide. */
export interface KeptRecord {
  readonly path: string;
  readonly kept?: JsonValue;
  readonly lost?: JsonValue;
  readonly kept_by?: string | null;
  readonly lost_by?: string | null;
  readonly removal?: "kept" | "lost";
  readonly value?: JsonValue;
  readonly patch?: readonly Op[];
  readonly [more: string]: unknown;
}
export type Records = { readonly [id: string]: KeptRecord };

export interface StoryState {
  readonly session: SessionPart | undefined;
  readonly participants: { readonly [user: string]: Participant };
  readonly seats: { readonly [character: string]: Seat };
  readonly turn: Turn | undefined;
  readonly host: { readonly holder: string | null; readonly token: number; readonly admitted: { readonly [kernel: string]: number } } | undefined;
  readonly turns: { readonly [node: string]: TurnNode };
  readonly branches: { readonly [name: string]: number };
  readonly conflicts: Records;
  readonly suggestions: Records;
  readonly chat: { readonly [sequence: string]: ChatEntry };
  readonly chronicle: { readonly [node: string]: Told } | undefined;
  readonly characters: { readonly [id: string]: Character };
  readonly locations: { readonly [id: string]: Place };
  readonly items: { readonly [id: string]: Item };
  readonly facts: { readonly [id: string]: { readonly text: string } };
  readonly clocks: { readonly [id: string]: Clock };
  readonly scene: Scene;
  readonly notes: { readonly [name: string]: string };
  /** The partition of a seat, if it is shown to who looks. */
  seat(character: string): SeatPart | undefined;
}

const NOTHING = Object.freeze({});
const seen = new WeakMap<object, StoryState>();

/** The state of a replica with its types. The same state gives the same object. */
export function story(replica: Replica): StoryState {
  const { state } = replica;
  const known = seen.get(state);
  if (known !== undefined) return known;
  const part = <T>(name: string): T => (state[name] ?? NOTHING) as T;
  const maybe = <T>(name: string): T | undefined => state[name] as T | undefined;
  const read: StoryState = {
    session: maybe("session"),
    participants: part("participants"),
    seats: part("seats"),
    turn: maybe("turn"),
    host: maybe("host"),
    turns: part("turns"),
    branches: part("branches"),
    conflicts: part("conflicts"),
    suggestions: part("suggestions"),
    chat: part("chat"),
    chronicle: maybe("chronicle"),
    characters: part("characters"),
    locations: part("locations"),
    items: part("items"),
    facts: part("facts"),
    clocks: part("clocks"),
    scene: part("scene"),
    notes: part("notes"),
    seat: (character) => maybe(`seat:${character}`),
  };
  seen.set(state, read);
  return read;
}

/** What a screen calls somebody: their name, a kernel's plain word, or the id. */
export function personName(state: StoryState, userId: string | null, kernel = "kernel"): string {
  if (userId === null) return "";
  return state.participants[userId]?.name ?? (userId.startsWith("kernel:") ? kernel : userId);
}
