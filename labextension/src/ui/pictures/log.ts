/**
 * What happened, beyond what the state says: one log for each session, shared by all that draw from it.
 *
 * Law: what is live comes with the session's events; the past is asked of the server in pages, backwards from where
 * live events began, never more than is wanted and never more than a bound. When the replica is replaced (another
 * view, another history), everything read before it is let go. Nothing that the view hides is kept.
 * Parts: `beforeLock`, `StoryLog`, `logOf` (one for each session), `useLog`, `useOutcomes`.
 */
import { useEffect, useMemo, useReducer } from "preact/hooks";

import type { JsonObject } from "../../json";
import { Listeners } from "../../listeners";
import type { Outcome, WireEvent } from "../../protocol";
import type { Session } from "../../session";
import { useFace } from "../face";
import { RestError, type Rest } from "../rest";
import { digest, outcomesOf, type Digest } from "./digest";
import { entryOf, type Entry } from "./entries";

const PAGE = 500;
const SMALLEST_PAGE = 8;
/** So many numbers of the log are read at most, hidden ones counted. */
const MOST = 8000;
/** As many turns as the server goes back to. */
const SEEN = 200;

/** How far before a turn's node its lock is looked for: a host answers within few events of others. */
const LOCKED_WITHIN = 400;

/** From where the log is to be read to know what was locked for a turn. */
export function beforeLock(node: number, parent: number): number {
  return Math.max(parent, node - LOCKED_WITHIN, 1);
}

interface Page {
  readonly events: readonly WireEvent[];
  readonly view: string;
}

export class StoryLog {
  /** Entries with numbers in (from, to] that the view shows, in order. */
  entries: readonly Entry[] = [];
  from = 0;
  to = 0;
  /** Why the past could not be read. */
  failed: Error | null = null;
  /** Another number: nothing that was read before it holds. */
  history = 0;
  /** States as they stood when a turn ended while this page looked on, by the number of the event that ended it. */
  readonly seen = new Map<number, JsonObject>();
  readonly #session: Session;
  #rest: Rest;
  readonly #listeners = new Listeners<void>();
  #digest: Digest | null = null;
  #wanted = Number.POSITIVE_INFINITY;
  #floor = 0;
  #page = PAGE;
  #reading: Promise<void> | null = null;
  #placed = false;

  constructor(session: Session, rest: Rest) {
    this.#session = session;
    this.#rest = rest;
    this.#restart();
    session.subscribe((note) => {
      if (note.kind !== "replica") return;
      const follows = note.applied[0]?.sequence_id === this.to + 1;
      if (note.reset || !this.#placed || (note.applied.length > 0 && !follows)) this.#restart();
      else if (note.applied.length > 0) this.#append(note.applied);
    });
  }

  /** Another page's way to the server, where this one's is gone. */
  use(rest: Rest): void {
    this.#rest = rest;
  }

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  get digest(): Digest {
    this.#digest ??= digest(this.entries);
    return this.#digest;
  }

  /** Whether there is nothing older to read: the beginning, or the bound. */
  get isWhole(): boolean {
    return this.from <= this.#floor;
  }

  /** Whether the log is read from its very beginning. */
  get hasOpening(): boolean {
    return this.#placed && this.from === 0;
  }

  /** Whether the beginning is within the bound. */
  get canReachOpening(): boolean {
    return this.canReach(1);
  }

  /** Whether the log from `sequence` on is within the bound. */
  canReach(sequence: number): boolean {
    return sequence > this.#floor;
  }

  get loading(): boolean {
    return this.#reading !== null;
  }

  /** Read back to `sequence`, or as far as the bound lets. Resolves when that is done, or failed. */
  reach(sequence: number): Promise<void> {
    this.#wanted = Math.min(this.#wanted, Math.max(0, sequence - 1));
    if (!this.#placed) return Promise.resolve();
    this.#reading ??= this.#read(this.history);
    return this.#reading;
  }

  async #read(history: number): Promise<void> {
    this.failed = null;
    try {
      while (history === this.history && this.from > Math.max(this.#wanted, this.#floor)) {
        await this.#readBefore(history);
      }
    } catch (error) {
      if (history === this.history) this.failed = error instanceof Error ? error : new Error(String(error));
    }
    if (history !== this.history) return;
    // Not before the caller has this promise.
    await Promise.resolve();
    this.#reading = null;
    this.#tell();
  }

  async #readBefore(history: number): Promise<void> {
    const after = Math.max(this.#floor, this.from - this.#page);
    const { id, replica } = this.#session;
    const path = `sessions/${encodeURIComponent(id)}/events?after=${after}&limit=${this.from - after}`;
    let page: Page;
    try {
      page = await this.#rest.ask<Page>(path);
    } catch (error) {
      if (!(error instanceof RestError) || error.code !== "trimmed") throw error;
      // The server keeps no more than from somewhere within this page on.
      if (this.#page <= SMALLEST_PAGE) this.#floor = this.from;
      this.#page = Math.max(SMALLEST_PAGE, this.#page >> 2);
      return;
    }
    if (history !== this.history) return;
    // Mid-way to another view: what the new one shows comes with its replica.
    if (page.view !== replica.view) throw new Error("the past is of another view");
    const older = page.events.filter((event) => event.sequence_id <= this.from).flatMap((event) => entryOf(event) ?? []);
    this.entries = [...older, ...this.entries];
    this.from = after;
    this.#digest = null;
    this.#tell();
  }

  #append(events: readonly WireEvent[]): void {
    const added = events.flatMap((event) => entryOf(event) ?? []);
    this.to = events.at(-1)?.sequence_id ?? this.to;
    const last = added.at(-1);
    // Only what ends the batch: the replica stands behind all of it.
    if (last !== undefined && last.ends > 0 && last.sequence === this.to) {
      this.seen.set(last.sequence, this.#session.replica.state);
      const [oldest] = this.seen.keys();
      if (this.seen.size > SEEN && oldest !== undefined) this.seen.delete(oldest);
    }
    if (added.length === 0) return;
    this.entries = [...this.entries, ...added];
    if (this.to - this.from > 2 * MOST) {
      this.#floor = this.from = this.to - MOST;
      this.entries = this.entries.filter((entry) => entry.sequence > this.from);
    }
    this.#digest = null;
    this.#tell();
  }

  #restart(): void {
    const { head } = this.#session.replica;
    this.history += 1;
    this.entries = [];
    this.seen.clear();
    this.#reading = null;
    this.#page = PAGE;
    this.failed = null;
    this.#digest = null;
    this.#placed = head !== null;
    this.from = this.to = head?.sequence_id ?? 0;
    this.#floor = Math.max(0, this.from - MOST);
    this.#tell();
    if (this.#placed && Number.isFinite(this.#wanted)) void this.reach(this.#wanted + 1);
  }

  #tell(): void {
    this.#listeners.tell();
  }
}

const logs = new WeakMap<Session, StoryLog>();

/** The log of a session, from the moment when somebody first asked for it. */
export function logOf(session: Session, rest: Rest): StoryLog {
  const log = logs.get(session) ?? new StoryLog(session, rest);
  log.use(rest);
  logs.set(session, log);
  return log;
}

/** The log of this face's session, read back to `since` (a number of the log; null: what is there). */
export function useLog(since: number | null = null): StoryLog {
  const { session, rest } = useFace();
  const log = useMemo(() => logOf(session, rest), [session, rest]);
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  useEffect(() => log.subscribe(() => redraw()), [log]);
  useEffect(() => {
    if (since !== null) void log.reach(since);
  }, [log, since]);
  return log;
}

/** What came of each action of a turn, with the reasons; undefined until it is read, and where it cannot be. */
export function useOutcomes(node: number): readonly Outcome[] | undefined {
  return outcomesOf(useLog(node > 0 ? node : null).digest, node);
}
