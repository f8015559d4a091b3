/**
 * One socket for any number of sessions, for as long as the page lives.
 *
 * Law: it reconnects for ever, except after a close code that says not to; where there are several servers, to the next
 * one. A command is kept until a server has settled it and is sent again under its own id; it is safe to reload the page
 * in the meantime. Silence is a lost connection: the server answers pings.
 * Parts: `ConnectionStatus`, `Options`, `Connection`.
 */
import { Addresses, type Address } from "./addresses";
import { backoff, mayReconnect } from "./backoff";
import { Commands, type Settled } from "./commands";
import type { Environment, Socket } from "./environment";
import { Listeners } from "./listeners";
import { isUndecided, type Body } from "./outbound";
import { SUBPROTOCOL, type ErrorReply, type ServerMessage, type SystemFrame, type Welcome } from "./protocol";
import { isEvent } from "./replica";
import { Session, type Link } from "./session";

export type ConnectionStatus = "idle" | "connecting" | "open" | "waiting" | "stopped";

export interface Options {
  /**
   * The WebSocket's URL; a function is asked before every attempt, so that a fresh token can be in it. Several are
   * servers of one store that know the user by the same name: when one is lost, the next is tried.
   */
  url: Address | readonly Address[];
  environment: Environment;
  /** Commands without an answer at a time; less if the server's welcome says so. */
  window?: number;
  /** Commands that may wait at all. */
  queueLimit?: number;
  /** The name under which unsettled commands are kept. */
  storageKey?: string;
  /** Milliseconds for a connection to be made. */
  timeout?: number;
}

/** Milliseconds for which a connection must last before the next loss starts the backoff anew. */
const STABLE_MS = 10_000;
/** Heartbeats without a word after which the connection is taken for lost. */
const SILENT_BEATS = 2.5;
const ABNORMAL = 1006;
const NO_PONG = 4005;

export class Connection {
  readonly clientId: string;
  status: ConnectionStatus = "idle";
  /** The code of the last close, and what the server said of itself on the present connection. */
  closeCode: number | null = null;
  welcome: Welcome | null = null;
  /** Who one is, as the server last said; empty before it did. It holds while the connection is lost. */
  userId = "";
  /** Milliseconds of the last ping's way there and back. */
  latency: number | null = null;
  /** False while the server says that it cannot reach its store: what is done meanwhile waits here. */
  storeAvailable = true;
  readonly #addresses: Addresses;
  readonly #window: number;
  readonly #timeout: number;
  readonly #env: Environment;
  readonly #commands: Commands;
  readonly #link: Link;
  readonly #sessions = new Map<string, Session>();
  readonly #listeners = new Listeners<Connection>();
  #socket: Socket | null = null;
  #attempt = 0;
  #openedAt = 0;
  #lastHeard = 0;
  #pingSent: number | null = null;
  #reconnectAfter: number | null = null;
  #cancelTimer: (() => void) | null = null;
  #endWake: (() => void) | null = null;

  constructor(options: Options) {
    const { url, environment, window = 32, timeout = 10_000 } = options;
    this.#addresses = new Addresses(url);
    this.#env = environment;
    this.#window = window;
    this.#timeout = timeout;
    this.clientId = environment.newId();
    this.#commands = new Commands({
      environment,
      clientId: this.clientId,
      storageKey: options.storageKey ?? "novel_jupyter:outbound",
      queueLimit: options.queueLimit ?? 512,
      window: () => this.#windowNow(),
      mayGo: (sessionId) => this.#sessions.get(sessionId)?.status === "joined",
      send: (frame) => this.#send(frame),
      settled: (sessionId, settled, body) => this.#sessions.get(sessionId)?.settled(settled, body),
      changed: () => this.#changed(),
    });
    this.#link = {
      clientId: this.clientId,
      command: (sessionId, body, epoch) => this.#command(sessionId, body, epoch),
      send: (frame) => this.#send(frame),
      since: (sessionId) => this.#commands.since(sessionId),
      joined: () => this.#commands.flush(),
      refused: (sessionId, refusal) => this.#commands.refused(sessionId, refusal),
      forget: (sessionId) => {
        this.#sessions.delete(sessionId);
        this.#commands.forget(sessionId);
      },
      after: (ms, action) => this.#env.after(ms, action),
      delay: (attempt) => backoff(attempt, this.#env.random()),
    };
  }

  /** Commands that the server has not settled, those of earlier page loads too. */
  get unsettled(): number {
    return this.#commands.unsettled;
  }

  /** Be told when status, welcome, latency, storeAvailable or the queue changed; the result ends that. */
  subscribe(listener: (connection: Connection) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Connect, now and for ever; also after it was stopped. */
  start(): void {
    if (this.status === "connecting" || this.status === "open") return;
    this.#endWake ??= this.#env.onWake(() => this.#wake());
    this.#attempt = 0;
    this.#connect();
  }

  /** Stop for good. What is not settled stays in the storage for the next page load. */
  close(): void {
    this.#endWake?.();
    this.#endWake = null;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#drop();
    this.#commands.close();
    this.#move("stopped");
  }

  /** The session of that id, joined as soon as the connection is open. */
  session(sessionId: string): Session {
    const known = this.#sessions.get(sessionId);
    if (known !== undefined) return known;
    const session = new Session(sessionId, this.#link);
    this.#sessions.set(sessionId, session);
    if (this.status === "open") session.join();
    return session;
  }

  // --- the socket

  #connect(): void {
    this.#cancelTimer?.();
    this.#drop();
    this.#move("connecting");
    try {
      const socket: Socket = this.#env.open(this.#addresses.url(), SUBPROTOCOL, {
        received: (text) => {
          if (this.#socket === socket) this.#received(text);
        },
        closed: (code) => {
          if (this.#socket === socket) this.#closed(code);
        },
      });
      this.#socket = socket;
    } catch {
      this.#closed(ABNORMAL);
      return;
    }
    this.#cancelTimer = this.#env.after(this.#timeout, () => this.#closed(ABNORMAL));
  }

  /** Let go of the socket, whatever state it is in. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.welcome = null;
    this.#pingSent = null;
    this.#commands.lost();
    for (const session of this.#sessions.values()) session.lost();
    socket?.close();
  }

  #closed(code: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.status === "open" && this.#env.now() - this.#openedAt >= STABLE_MS) this.#attempt = 0;
    this.#drop();
    this.closeCode = code;
    if (!mayReconnect(code)) {
      this.#move("stopped");
      return;
    }
    const said = this.#reconnectAfter;
    this.#reconnectAfter = null;
    const random = this.#env.random();
    const wait = this.#addresses.next(code, said, this.#attempt, this.#env.now(), random);
    this.#attempt += 1;
    this.#cancelTimer = this.#env.after(wait, () => this.#connect());
    this.#move("waiting");
  }

  /** The network or the page is back: do not wait for a timer that was made for worse times. */
  #wake(): void {
    if (this.status === "waiting") {
      this.#connect();
    } else if (this.status === "open") {
      const [socket, asked] = [this.#socket, this.#env.now()];
      this.#beat();
      this.#env.after(this.#timeout / 2, () => {
        if (this.#socket === socket && this.#lastHeard < asked) this.#closed(NO_PONG);
      });
    }
  }

  #send(frame: { [key: string]: unknown }): void {
    if (this.status === "open") this.#socket?.send(JSON.stringify(frame));
  }

  /** One heartbeat: silence for too long ends the connection, else the server is asked for a sign of life. */
  #beat(): void {
    const { welcome } = this;
    if (welcome === null) return;
    const every = welcome.heartbeat * 1000;
    const now = this.#env.now();
    if (now - this.#lastHeard > SILENT_BEATS * every) {
      this.#closed(NO_PONG);
      return;
    }
    this.#pingSent ??= now;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#env.after(every, () => this.#beat());
    this.#send({ type: "system_message", id: `${this.clientId}:ping`, data: { kind: "ping" } });
  }

  // --- frames

  #received(text: string): void {
    this.#lastHeard = this.#env.now();
    const message = parsed(text);
    if (message === null) return;
    if (!isEvent(message)) {
      if (message.type === "system_message" && this.#system(message)) return;
      if (message.type === "state_sync") {
        this.#commands.results(message.session_id ?? "", message.data.results ?? []);
      }
    }
    if (typeof message.session_id === "string") this.#sessions.get(message.session_id)?.take(message);
  }

  /** Whether the message was about the connection or a command, and not about a session's replica. */
  #system(message: SystemFrame): boolean {
    const { data } = message;
    switch (data.kind) {
      case "welcome":
        this.#opened(data);
        return true;
      case "pong":
        if (this.#pingSent !== null) this.latency = this.#env.now() - this.#pingSent;
        this.#pingSent = null;
        this.#changed();
        return true;
      case "drain":
        this.#reconnectAfter = data.reconnect_after;
        return true;
      case "store":
        this.storeAvailable = data.available;
        this.#changed();
        return true;
      case "ack":
        this.#commands.answered(message.session_id ?? "", message.id ?? "", data, message.sequence_id ?? null);
        return true;
      case "error":
        this.#error(message, data);
        return true;
      default:
        return false;
    }
  }

  #opened(welcome: Welcome): void {
    if (!this.#addresses.taken(welcome.user.user_id)) {
      this.#closed(ABNORMAL);
      return;
    }
    this.welcome = welcome;
    this.userId = welcome.user.user_id;
    this.closeCode = null;
    // A server whose store is away says so right after its welcome.
    this.storeAvailable = true;
    this.#openedAt = this.#env.now();
    this.#reconnectAfter = null;
    this.#move("open");
    this.#beat();
    for (const session of this.#sessions.values()) {
      if (session.status !== "refused") session.join();
    }
  }

  /** An error of a session's place here (its join, its sync, its removal) or else of a command. */
  #error(message: SystemFrame, data: ErrorReply): void {
    const { session_id: sessionId, id } = message;
    const session = this.#sessions.get(sessionId ?? "");
    const wait = (data.retry_after ?? 0) * 1000 + backoff(0, this.#env.random());
    if (session !== undefined && id === `${this.clientId}:join`) {
      session.refuse(data, isUndecided(data.code) ? wait : null);
    } else if (session !== undefined && data.code === "not_joined") {
      this.#commands.lost(session.id);
      if (session.status === "joined") session.join();
    } else if (session !== undefined && id === `${this.clientId}:sync`) {
      session.refuse(data, wait);
    } else if (typeof id === "string" && data.code === "lost") {
      this.#commands.answered(sessionId ?? "", id, data, message.sequence_id ?? null);
      session?.lostCommand(id, data);
    } else if (typeof id === "string") {
      this.#commands.answered(sessionId ?? "", id, data, message.sequence_id ?? null);
    } else if (session !== undefined && (data.code === "forbidden" || data.code === "no_session")) {
      session.refuse(data, null);
    }
  }

  // --- commands

  #windowNow(): number {
    if (this.status !== "open" || this.welcome === null) return 0;
    const told = this.welcome.limits["in_flight"];
    return typeof told === "number" ? Math.min(this.#window, told) : this.#window;
  }

  #command(sessionId: string, body: Body, epoch: string | null): Promise<Settled> {
    const status = this.#sessions.get(sessionId)?.status;
    if (status === undefined || status === "refused") {
      const refused = Promise.reject<Settled>(new Error("the session was left, or refused by the server"));
      refused.catch(() => {});
      return refused;
    }
    return this.#commands.add(sessionId, body, epoch);
  }

  #move(status: ConnectionStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.#changed();
  }

  #changed(): void {
    this.#listeners.tell(this);
  }
}

/** The server's frames are trusted to have their shapes; what is not even a frame is passed over. */
function parsed(text: string): ServerMessage | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof found !== "object" || found === null || !("data" in found)) return null;
  return typeof found.data === "object" && found.data !== null ? (found as ServerMessage) : null;
}
