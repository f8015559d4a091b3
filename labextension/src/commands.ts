/**
 * The queue of commands at work: what goes when, who waits for which answer, and what a reload finds again.
 *
 * Law: the queue itself is a value (see `outbound`); here are its effects. A command leaves the queue only by the
 * server's answer, or because its session is no more.
 * Parts: `CommandPorts`, `Commands`.
 */
import { backoff } from "./backoff";
import type { Environment } from "./environment";
import {
  enqueue,
  isUndecided,
  nextMoment,
  postpone,
  restore,
  save,
  sendable,
  settle,
  since,
  unsent,
  type Body,
  type Outbound,
  type Result,
} from "./outbound";
import type { ErrorReply, KeptResult } from "./protocol";

/** What the server said to a command, in the end. */
export interface Settled {
  readonly id: string;
  readonly result: Result;
  /** Of the event that the command made; null where the server named none. */
  readonly sequenceId: number | null;
}

export interface CommandPorts {
  readonly environment: Environment;
  readonly clientId: string;
  readonly storageKey: string;
  readonly queueLimit: number;
  /** How many commands may be without an answer now; 0 while there is no connection. */
  window(): number;
  mayGo(sessionId: string): boolean;
  send(frame: { [key: string]: unknown }): void;
  settled(sessionId: string, settled: Settled, body: Body): void;
  changed(): void;
}

/** Times that the server may fail at one command before its sender is told. */
const MOST_FAILURES = 8;

interface Waiting {
  resolve(settled: Settled): void;
  reject(error: Error): void;
}

export class Commands {
  readonly #ports: CommandPorts;
  readonly #env: Environment;
  readonly #waiting = new Map<string, Waiting>();
  #queue: Outbound;
  #cancelFlush: (() => void) | null = null;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
    this.#env = ports.environment;
    this.#queue = restore(this.#stored(), ports.clientId, ports.queueLimit);
  }

  get unsettled(): number {
    return this.#queue.pending.length;
  }

  since(sessionId: string): number {
    return since(this.#queue, sessionId);
  }

  /** Queue a command; resolves when it is settled, however long that takes. @throws QueueFull. */
  add(sessionId: string, body: Body, epoch: string | null): Promise<Settled> {
    const { queue, id } = enqueue(this.#queue, sessionId, body, epoch);
    this.#queue = queue;
    const promise = new Promise<Settled>((resolve, reject) => {
      this.#waiting.set(key(sessionId, id), { resolve, reject });
    });
    // Whoever does not wait for the answer is told by the session's notes.
    promise.catch(() => {});
    this.#keep();
    this.flush();
    return promise;
  }

  /** Send what may be sent, and come back when something that was put off may go. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const window = this.#ports.window();
    if (window <= 0) return;
    const now = this.#env.now();
    const { queue, send } = sendable(this.#queue, (id) => this.#ports.mayGo(id), now, window);
    this.#queue = queue;
    const moment = nextMoment(queue);
    if (moment !== null && moment > now) {
      this.#cancelFlush = this.#env.after(moment - now, () => this.flush());
    }
    for (const { id, sessionId, body, epoch } of send) {
      const frame = { type: body.type, session_id: sessionId, id, data: body.data };
      this.#ports.send(epoch === null ? frame : { ...frame, epoch });
    }
  }

  /** The server's answer to a command: it is settled, or undecided and to be sent again later. */
  answered(sessionId: string, id: string, result: Result, sequenceId: number | null): void {
    const entry = this.#queue.pending.find((pending) => pending.id === id && pending.sessionId === sessionId);
    if (entry === undefined) return;
    if (result.kind === "error" && isUndecided(result.code)) {
      const failed = result.code === "internal" && entry.delays + 1 >= MOST_FAILURES;
      if (!failed) {
        const wait = (result.retry_after ?? 0) * 1000 + backoff(entry.delays, this.#env.random());
        this.#queue = postpone(this.#queue, sessionId, id, this.#env.now() + wait);
        this.flush();
        return;
      }
    }
    this.#settle(sessionId, id, result, sequenceId);
    this.flush();
  }

  /** The answers that a sync brought along. */
  results(sessionId: string, results: readonly KeptResult[]): void {
    for (const { id, data, sequence_id } of results) {
      if (data.kind === "ack" || !isUndecided(data.code)) this.#settle(sessionId, id, data, sequence_id);
    }
  }

  /** The connection was lost, or the session's place on it: what was sent there is to be sent again. */
  lost(sessionId?: string): void {
    this.#queue = unsent(this.#queue, sessionId);
    if (sessionId === undefined) {
      this.#cancelFlush?.();
      this.#cancelFlush = null;
    }
  }

  /** Nothing of a session that the server refuses will ever be taken: whoever waits is told the same. */
  refused(sessionId: string, refusal: ErrorReply): void {
    for (const { id } of this.#of(sessionId)) this.#settle(sessionId, id, refusal, null);
  }

  /** Drop what was not yet sent of a session that was left. */
  forget(sessionId: string): void {
    for (const { id } of this.#of(sessionId).filter(({ sent }) => !sent)) {
      this.#queue = settle(this.#queue, sessionId, id).queue;
      this.#reject(key(sessionId, id), "the session was left before this was sent");
    }
    this.#keep();
  }

  /** Nobody will wait any more. The queue stays in the storage for the next page load. */
  close(): void {
    this.lost();
    for (const waiting of [...this.#waiting.keys()]) {
      this.#reject(waiting, "the connection was closed before the server had answered");
    }
  }

  #of(sessionId: string): Outbound["pending"] {
    return this.#queue.pending.filter((entry) => entry.sessionId === sessionId);
  }

  #settle(sessionId: string, id: string, result: Result, sequenceId: number | null): void {
    const { queue, settled: entry } = settle(this.#queue, sessionId, id);
    if (entry === null) return;
    this.#queue = queue;
    this.#keep();
    const settled: Settled = { id, result, sequenceId };
    this.#waiting.get(key(sessionId, id))?.resolve(settled);
    this.#waiting.delete(key(sessionId, id));
    this.#ports.settled(sessionId, settled, entry.body);
  }

  #reject(waiting: string, why: string): void {
    this.#waiting.get(waiting)?.reject(new Error(why));
    this.#waiting.delete(waiting);
  }

  #stored(): string | null {
    try {
      return this.#env.storage?.getItem(this.#ports.storageKey) ?? null;
    } catch {
      return null;
    }
  }

  #keep(): void {
    const { storage } = this.#env;
    const text = save(this.#queue);
    try {
      if (text === null) storage?.removeItem(this.#ports.storageKey);
      else storage?.setItem(this.#ports.storageKey, text);
    } catch {
      // A full or forbidden storage costs the safety of a reload, not the session.
    }
    this.#ports.changed();
  }
}

function key(sessionId: string, id: string): string {
  return `${sessionId} ${id}`;
}
