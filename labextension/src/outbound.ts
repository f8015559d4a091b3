/**
 * Commands on their way to the server: a pure queue that outlives a lost connection and a reload.
 *
 * Law: an id belongs to one command for ever. A command stays, in order, until the server has settled it; it is sent
 * again under its own id as often as needed, because the server answers a repeat with its first result. A reload
 * resends the old queue under its old ids, while new commands get a new client id. Every queue has a bound.
 * Parts: `Outbound`, `enqueue`, `sendable`, `settle`, `postpone`, `unsent`, `save` and `restore`.
 */
import type { Ack, ErrorCode, ErrorReply } from "./protocol";
import { UNDECIDED_CODES, type AgentAction, type StoryUpdate, type SystemMessage } from "./protocol";

/** A command without its envelope: what the user wants, of which session. */
export type Body = Pick<AgentAction, "type" | "data"> | Pick<StoryUpdate, "type" | "data"> | Pick<SystemMessage, "type" | "data">;

export interface Pending {
  readonly id: string;
  readonly sessionId: string;
  readonly body: Body;
  /** The history in which the command was made; in another it is refused, not misapplied. */
  readonly epoch: string | null;
  /** Sent on the present connection and not answered yet. */
  readonly sent: boolean;
  /** Not before this moment (ms): the server asked to wait. */
  readonly notBefore: number;
  /** How often the server has put it off. */
  readonly delays: number;
}

export interface Outbound {
  readonly clientId: string;
  /** The last n that was used, by session. */
  readonly last: ReadonlyMap<string, number>;
  readonly pending: readonly Pending[];
  readonly limit: number;
}

/** What the server said in the end. */
export type Result = Ack | ErrorReply;

export class QueueFull extends Error {
  constructor(limit: number) {
    super(`${limit} commands wait for the server already`);
    this.name = "QueueFull";
  }
}

const UNDECIDED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(UNDECIDED_CODES);

/** Whether an error leaves the command undecided, so that the same id is sent again later. */
export function isUndecided(code: ErrorCode): boolean {
  return UNDECIDED.has(code);
}

export function emptyOutbound(clientId: string, limit = 512): Outbound {
  return { clientId, last: new Map(), pending: [], limit };
}

/** The queue with one more command, and the id that it got. @throws QueueFull. */
export function enqueue(
  queue: Outbound,
  sessionId: string,
  body: Body,
  epoch: string | null,
): { queue: Outbound; id: string } {
  if (queue.pending.length >= queue.limit) throw new QueueFull(queue.limit);
  const n = (queue.last.get(sessionId) ?? 0) + 1;
  const id = `${queue.clientId}:${n}`;
  const pending: Pending = { id, sessionId, body, epoch, sent: false, notBefore: 0, delays: 0 };
  return {
    id,
    queue: { ...queue, last: new Map(queue.last).set(sessionId, n), pending: [...queue.pending, pending] },
  };
}

/**
 * What may be sent now, in order, and the queue in which it is marked as sent.
 *
 * At most `window` commands are without an answer at a time. Within a session nothing overtakes a command that waits.
 */
export function sendable(
  queue: Outbound,
  joined: (sessionId: string) => boolean,
  now: number,
  window: number,
): { queue: Outbound; send: readonly Pending[] } {
  let room = window - queue.pending.filter(({ sent }) => sent).length;
  const held = new Set<string>();
  const send: Pending[] = [];
  const pending = queue.pending.map((entry) => {
    if (entry.sent) return entry;
    if (room <= 0 || entry.notBefore > now || held.has(entry.sessionId) || !joined(entry.sessionId)) {
      held.add(entry.sessionId);
      return entry;
    }
    room -= 1;
    send.push(entry);
    return { ...entry, sent: true };
  });
  return send.length === 0 ? { queue, send } : { queue: { ...queue, pending }, send };
}

/** The next moment (ms) at which a command that was put off may go, or null. */
export function nextMoment(queue: Outbound): number | null {
  const waiting = queue.pending.filter(({ sent, notBefore }) => !sent && notBefore > 0);
  return waiting.length === 0 ? null : Math.min(...waiting.map(({ notBefore }) => notBefore));
}

/** The queue without a command that the server has decided, and that command (null if it was not there). */
export function settle(queue: Outbound, sessionId: string, id: string): { queue: Outbound; settled: Pending | null } {
  const settled = queue.pending.find((entry) => entry.id === id && entry.sessionId === sessionId) ?? null;
  if (settled === null) return { queue, settled };
  return { queue: { ...queue, pending: queue.pending.filter((entry) => entry !== settled) }, settled };
}

/** The queue in which a command waits until `moment` (ms) and is then sent again under its id. */
export function postpone(queue: Outbound, sessionId: string, id: string, moment: number): Outbound {
  return changed(queue, (entry) =>
    entry.id === id && entry.sessionId === sessionId
      ? { ...entry, sent: false, notBefore: moment, delays: entry.delays + 1 }
      : entry,
  );
}

/** The queue after the connection was lost (or one session's part of it was): all of it is to be sent again. */
export function unsent(queue: Outbound, sessionId?: string): Outbound {
  return changed(queue, (entry) =>
    entry.sent && (sessionId === undefined || entry.sessionId === sessionId) ? { ...entry, sent: false } : entry,
  );
}

function changed(queue: Outbound, change: (entry: Pending) => Pending): Outbound {
  return { ...queue, pending: queue.pending.map(change) };
}

/** The lowest n of this client that has no answer yet: results from there on are of interest. */
export function since(queue: Outbound, sessionId: string): number {
  const prefix = `${queue.clientId}:`;
  const open = queue.pending
    .filter((entry) => entry.sessionId === sessionId && entry.id.startsWith(prefix))
    .map((entry) => Number(entry.id.slice(prefix.length)));
  return open.length > 0 ? Math.min(...open) : (queue.last.get(sessionId) ?? 0) + 1;
}

interface Saved {
  version: 1;
  pending: { id: string; sessionId: string; body: Body; epoch: string | null }[];
}

/** The text from which `restore` makes a queue again; null when nothing waits. */
export function save(queue: Outbound): string | null {
  if (queue.pending.length === 0) return null;
  const pending = queue.pending.map(({ id, sessionId, body, epoch }) => ({ id, sessionId, body, epoch }));
  return JSON.stringify({ version: 1, pending } satisfies Saved);
}

/**
 * A queue for a new client id whose first commands are those that were saved, under their old ids.
 *
 * A text that is not one of ours is taken as empty: what a page stored long ago must not keep it from starting.
 */
export function restore(text: string | null, clientId: string, limit = 512): Outbound {
  const queue = emptyOutbound(clientId, limit);
  if (text === null) return queue;
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    return queue;
  }
  if (!isSaved(saved)) return queue;
  const pending = saved.pending
    .slice(0, limit)
    .map(({ id, sessionId, body, epoch }) => ({ id, sessionId, body, epoch, sent: false, notBefore: 0, delays: 0 }));
  return { ...queue, pending };
}

function isSaved(value: unknown): value is Saved {
  if (typeof value !== "object" || value === null || !("version" in value) || value.version !== 1) return false;
  return "pending" in value && Array.isArray(value.pending) && value.pending.every(isSavedEntry);
}

function isSavedEntry(entry: unknown): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  const { id, sessionId, body, epoch } = entry as { [key: string]: unknown };
  const texts = typeof id === "string" && typeof sessionId === "string" && (epoch === null || typeof epoch === "string");
  return texts && typeof body === "object" && body !== null && "type" in body && "data" in body;
}
