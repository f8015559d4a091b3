/**
 * What one client knows of one session: a pure reducer of the server's frames.
 *
 * Law: state is the fold of patches, so the reducer knows no kind of event: it applies each next `data.patch` once, in
 * order. What it has seen it ignores, and what it cannot place makes it want a sync; it never guesses. A `hidden`
 * placeholder moves the head and nothing else. What is live (presence, cursors, prose that streams) is never part of
 * the state. Nothing here is changed in place.
 * Parts: `Replica`, `emptyReplica`, `reduce`, `headEcho`, and one function for each kind of frame.
 */
import type { JsonObject } from "./json";
import { PatchError, applyPatch, lookup } from "./patch";
import type {
  AgentProgress,
  Conflict,
  Delta,
  FullSync,
  HeadEcho,
  NarrationChunk,
  Present,
  Provisional,
  ServerMessage,
  ShownCursor,
  SyncFrame,
  UpToDate,
  WireEvent,
} from "./protocol";

export interface Head {
  readonly epoch: string;
  readonly sequence_id: number;
  readonly hash: string;
}

export interface Replica {
  readonly sessionId: string;
  /** Null before the first sync, and when the state turned out to be wrong: the next sync then brings all of it. */
  readonly head: Head | null;
  readonly view: string | null;
  /** The visible partitions. Kept on screen while a sync is awaited. */
  readonly state: JsonObject;
  readonly presence: readonly Present[];
  /** By connection_id. */
  readonly cursors: ReadonlyMap<string, ShownCursor>;
  /** By agent. */
  readonly progress: ReadonlyMap<string, AgentProgress>;
  /** What has streamed of the telling under way; the commit replaces it. */
  readonly provisional: Provisional | null;
  /** Whether the client must send `state_sync` with `headEcho`. */
  readonly wantsSync: boolean;
  /** The highest sequence_id that was mentioned: a sync that ends before it was not enough. */
  readonly mentioned: number;
}

/** The replica after a frame, and the events that it took in, in order. `reset`: the state was replaced whole. */
export interface Step {
  readonly replica: Replica;
  readonly applied: readonly WireEvent[];
  readonly reset: boolean;
}

export function emptyReplica(sessionId: string): Replica {
  return {
    sessionId,
    head: null,
    view: null,
    state: {},
    presence: [],
    cursors: new Map(),
    progress: new Map(),
    provisional: null,
    wantsSync: false,
    mentioned: 0,
  };
}

/** Where the replica stands, as `join_session` and `state_sync` say it. */
export function headEcho(replica: Replica): HeadEcho {
  if (replica.head === null) {
    return { epoch: null, sequence_id: null, hash: null };
  }
  return { ...replica.head, view: replica.view };
}

/** A frame with a hash is an event of the log or its placeholder; nothing else has one. */
export function isEvent(message: ServerMessage): message is WireEvent {
  return "hash" in message;
}

/** The replica after one frame of its session. A frame that is not about the replica leaves the very same object. */
export function reduce(replica: Replica, message: ServerMessage): Step {
  if (isEvent(message)) return takeEvents(replica, [message]);
  switch (message.type) {
    case "state_sync":
      return takeSync(replica, message);
    case "story_update":
      return only(takeChunk(replica, message.data));
    case "user_cursor":
      return only({ ...replica, cursors: movedCursors(replica.cursors, message.data.cursors) });
    case "join_session": {
      const { user } = message.data;
      if (replica.presence.some((present) => present.user_id === user.user_id)) return only(replica);
      return only({ ...replica, presence: [...replica.presence, { ...user, connections: 1 }] });
    }
    case "leave_session": {
      const gone = message.data.user.user_id;
      return only(present(replica, replica.presence.filter(({ user_id }) => user_id !== gone)));
    }
    case "system_message":
      if (message.data.kind === "presence") return only(present(replica, message.data.users));
      if (message.data.kind === "progress") {
        const { agent } = message.data;
        return only({ ...replica, progress: new Map(replica.progress).set(agent, message.data) });
      }
      return only(replica);
    default:
      return only(replica);
  }
}

function only(replica: Replica): Step {
  return { replica, applied: [], reset: false };
}

/** Events in the order in which they came, each one only if it is the next. */
function takeEvents(replica: Replica, events: readonly WireEvent[]): Step {
  const applied: WireEvent[] = [];
  let { head, state, wantsSync, mentioned } = replica;
  for (const event of events) {
    mentioned = Math.max(mentioned, event.sequence_id);
    if (head === null) {
      wantsSync = true;
      continue;
    }
    if (event.sequence_id > head.sequence_id + 1) {
      wantsSync = true;
    } else if (event.sequence_id === head.sequence_id + 1) {
      try {
        if ("patch" in event.data && event.data.patch !== undefined) state = applyPatch(state, event.data.patch);
      } catch (error) {
        if (!(error instanceof PatchError)) throw error;
        // The state is not what the server has: only all of it can help.
        head = null;
        wantsSync = true;
        continue;
      }
      head = { epoch: head.epoch, sequence_id: event.sequence_id, hash: event.hash };
      applied.push(event);
    } else if (event.sequence_id === head.sequence_id && event.hash !== head.hash) {
      wantsSync = true;
    }
  }
  const next: Replica = { ...replica, head, state, wantsSync, mentioned };
  return { replica: applied.length > 0 ? withoutStale(next) : next, applied, reset: false };
}

function takeSync(replica: Replica, message: SyncFrame): Step {
  const { data } = message;
  const at = message.sequence_id ?? 0;
  switch (data.kind) {
    case "conflict":
      return replaced(replica, data, at);
    case "full_sync": {
      const { head } = replica;
      // An answer from before what is already known, as a repeated frame would be.
      if (head !== null && head.epoch === data.epoch && at < head.sequence_id) return only(replica);
      return replaced(replica, data, at);
    }
    case "delta":
      return caughtUp(takeEvents(replica, data.events), data, at);
    case "up_to_date":
      return caughtUp(only(replica), data, at);
  }
}

function replaced(replica: Replica, data: FullSync | Conflict, at: number): Step {
  const sameHistory = data.kind === "full_sync" && replica.head?.epoch === data.epoch;
  const next: Replica = {
    ...replica,
    head: { epoch: data.epoch, sequence_id: at, hash: data.hash },
    view: data.view,
    state: data.state,
    provisional: data.provisional,
    progress: new Map(),
    wantsSync: sameHistory && replica.mentioned > at,
    mentioned: sameHistory ? replica.mentioned : at,
  };
  return { replica: present(next, data.presence), applied: [], reset: true };
}

/** After a delta or an `up_to_date`: whether the replica is now where the server said it would be. */
function caughtUp(step: Step, data: Delta | UpToDate, at: number): Step {
  const { replica } = step;
  const { head } = replica;
  const mentioned = Math.max(replica.mentioned, at);
  if (head === null || head.epoch !== data.epoch || head.sequence_id < at) {
    return { ...step, replica: { ...replica, mentioned, wantsSync: true } };
  }
  // An answer from before what is already known says nothing new.
  if (head.sequence_id > at) return step;
  if (head.hash !== data.hash) return { ...step, replica: { ...replica, wantsSync: true } };
  const next = { ...replica, view: data.view, provisional: data.provisional, wantsSync: mentioned > at, mentioned };
  return { ...step, replica: present(next, data.presence) };
}

/** Streamed prose. Text that is already there is a repeat; other text at its place is a new telling of it. */
function takeChunk(replica: Replica, chunk: NarrationChunk): Replica {
  if (phaseOf(replica) !== "narrating") return replica;
  const { turn, attempt, offset, text } = chunk;
  const same = replica.provisional?.turn === turn && replica.provisional.attempt === attempt;
  const before = same && replica.provisional !== null ? replica.provisional.text : "";
  // A hole: what follows it is shown by the next sync or by the commit.
  if (offset > before.length || before.startsWith(text, offset)) return replica;
  return { ...replica, provisional: { turn, attempt, text: before.slice(0, offset) + text } };
}

/** What streamed, and what agents were said to do, ends with the phase that it was for. */
function withoutStale(replica: Replica): Replica {
  const phase = phaseOf(replica);
  const telling = phase === "narrating";
  const working = telling || phase === "resolving";
  return {
    ...replica,
    provisional: telling ? replica.provisional : null,
    progress: working || replica.progress.size === 0 ? replica.progress : new Map(),
  };
}

function phaseOf(replica: Replica): unknown {
  return lookup(replica.state, ["turn", "phase"]);
}

function movedCursors(
  cursors: ReadonlyMap<string, ShownCursor>,
  moved: readonly ShownCursor[],
): ReadonlyMap<string, ShownCursor> {
  const next = new Map(cursors);
  for (const cursor of moved) {
    if (cursor.target === null) next.delete(cursor.connection_id);
    else next.set(cursor.connection_id, cursor);
  }
  return next;
}

/** Who is here; the cursors of whoever is not go with them. */
function present(replica: Replica, users: readonly Present[]): Replica {
  const here = new Set(users.map(({ user_id }) => user_id));
  const cursors = [...replica.cursors].filter(([, cursor]) => here.has(cursor.user_id));
  return {
    ...replica,
    presence: users,
    cursors: cursors.length === replica.cursors.size ? replica.cursors : new Map(cursors),
  };
}
