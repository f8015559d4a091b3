/**
 * One session as seen from one connection: its replica, and what can be done in it.
 *
 * Law: a screen follows the replica, which only the server moves; a command is a wish that comes back as an event. The
 * session lives through lost connections: it joins again and asks for what it missed.
 * Parts: `Note` (what listeners are told), `Link` (what a session needs of its connection), `Session`.
 */
import { suggest, type Suggested } from "./advice";
import type { Settled } from "./commands";
import { Listeners } from "./listeners";
import type { Body } from "./outbound";
import type {
  ActionCommand,
  Cursor,
  ErrorReply,
  HeadEcho,
  JsonValue,
  Op,
  ServerMessage,
  SystemCommand,
  TurnRequest,
  WireEvent,
} from "./protocol";
import { emptyReplica, headEcho, isEvent, reduce, type Replica } from "./replica";

export type SessionStatus = "joining" | "joined" | "offline" | "refused" | "left";

export type Note =
  | { readonly kind: "replica"; readonly replica: Replica; readonly applied: readonly WireEvent[]; readonly reset: boolean }
  | { readonly kind: "status"; readonly status: SessionStatus; readonly refusal: ErrorReply | null }
  | { readonly kind: "settled"; readonly settled: Settled; readonly body: Body }
  /** A command was acknowledged, then the store lost it, and it could not be made again. */
  | { readonly kind: "lost"; readonly id: string; readonly refusal: ErrorReply }
  | { readonly kind: "task"; readonly task: TurnRequest };

/** The connection's side of a session. */
export interface Link {
  /** Queue a command; resolves when it is settled, however long that takes. @throws QueueFull. */
  command(sessionId: string, body: Body, epoch: string | null): Promise<Settled>;
  /** Send a frame now if the connection is open, else never. */
  send(frame: { [key: string]: unknown }): void;
  /** The lowest n of this client without an answer in the session. */
  since(sessionId: string): number;
  /** The session is joined: what waits for it may go. */
  joined(sessionId: string): void;
  /** The session is lost for good: what waits for it never goes. */
  refused(sessionId: string, refusal: ErrorReply): void;
  forget(sessionId: string): void;
  after(ms: number, action: () => void): () => void;
  /** Milliseconds before trying something again for the nth time. */
  delay(attempt: number): number;
  readonly clientId: string;
}

const CURSOR_MS = 50;

export class Session {
  readonly id: string;
  replica: Replica;
  status: SessionStatus = "offline";
  refusal: ErrorReply | null = null;
  readonly #link: Link;
  readonly #listeners = new Listeners<Note>();
  #syncs = 0;
  #asking = false;
  #cancelRetry: (() => void) | null = null;
  #cursor: Cursor | null = null;
  #cancelCursor: (() => void) | null = null;

  constructor(id: string, link: Link) {
    this.id = id;
    this.replica = emptyReplica(id);
    this.#link = link;
  }

  /** Be told of everything that happens here; the result ends that. */
  subscribe(listener: (note: Note) => void): () => void {
    return this.#listeners.add(listener);
  }

  // --- what one can do

  /** Any command of this session. */
  send(body: Body): Promise<Settled> {
    return this.#link.command(this.id, body, this.replica.head?.epoch ?? null);
  }

  act(data: ActionCommand): Promise<Settled> {
    return this.send({ type: "agent_action", data });
  }

  /** Change the story's state, as seen when this is called. */
  edit(patch: Op[], base: number = this.replica.head?.sequence_id ?? 0): Promise<Settled> {
    return this.send({ type: "story_update", data: { kind: "edit", base, patch } });
  }

  say(text: string, anchor: Cursor | null = null): Promise<Settled> {
    return this.send({ type: "story_update", data: { kind: "chat", text, anchor } });
  }

  /** What would one's own character do? Nothing is proposed by it, and nobody else hears of it. */
  suggest(character: string): Promise<Suggested> {
    return suggest(this, character);
  }

  manage(data: SystemCommand): Promise<Settled> {
    return this.send({ type: "system_message", data });
  }

  /** Show where this page's cursor is. The last one of some milliseconds is sent; none is kept for later. */
  cursor(cursor: Cursor): void {
    this.#cursor = cursor;
    if (this.#cancelCursor !== null) return;
    this.#sendCursor();
    this.#cancelCursor = this.#link.after(CURSOR_MS, () => {
      this.#cancelCursor = null;
      if (this.#cursor !== null) this.cursor(this.#cursor);
    });
  }

  #sendCursor(): void {
    const cursor = this.#cursor;
    this.#cursor = null;
    if (cursor !== null && this.status === "joined") this.#frame("user_cursor", { ...cursor }, "cursor");
  }

  /** Leave on purpose. What waits unsent is dropped; the replica stays as it is. */
  leave(): void {
    if (this.status === "joined") this.#frame("leave_session", {});
    this.#stopTimers();
    this.#move("left");
    this.#link.forget(this.id);
  }

  // --- what the connection tells

  /** The connection is open: join, from where the replica stands. */
  join(): void {
    if (this.status === "left") return;
    this.#stopTimers();
    this.#asking = true;
    this.#syncs = 0;
    this.#move("joining");
    this.#frame("join_session", this.#echo(), "join");
  }

  /** The connection is lost. */
  lost(): void {
    this.#stopTimers();
    if (this.status === "joined" || this.status === "joining") this.#move("offline");
  }

  /** A frame of this session that is no answer to a command. */
  take(message: ServerMessage): void {
    if (this.status === "left") return;
    if (!isEvent(message) && message.type === "agent_action") {
      this.#tell({ kind: "task", task: message.data });
      return;
    }
    const step = reduce(this.replica, message);
    const changed = step.replica !== this.replica;
    this.replica = step.replica;
    const answered = !isEvent(message) && message.type === "state_sync";
    if (changed) {
      this.#tell({ kind: "replica", replica: step.replica, applied: step.applied, reset: step.reset });
    }
    if (answered) {
      this.#asking = false;
      if (!this.replica.wantsSync) this.#syncs = 0;
      if (this.status === "joining") {
        this.#move("joined");
        this.#link.joined(this.id);
      }
    }
    this.#syncIfWanted();
  }

  /** The server refuses the session, or a join of it. `again` ms later it is tried once more, if that is not null. */
  refuse(refusal: ErrorReply, again: number | null): void {
    this.#stopTimers();
    this.refusal = refusal;
    if (again === null) {
      this.#move("refused");
      this.#link.refused(this.id, refusal);
      return;
    }
    this.#move("offline");
    this.#cancelRetry = this.#link.after(again, () => this.join());
  }

  lostCommand(id: string, refusal: ErrorReply): void {
    this.#tell({ kind: "lost", id, refusal });
  }

  settled(settled: Settled, body: Body): void {
    this.#tell({ kind: "settled", settled, body });
  }

  // --- within

  #echo(): { [key: string]: JsonValue } {
    const echo: HeadEcho = { ...headEcho(this.replica), since: this.#link.since(this.id) };
    return { ...echo };
  }

  /** Ask for what is missing: one question at a time, and the more slowly the less the answers help. */
  #syncIfWanted(): void {
    if (!this.replica.wantsSync || this.#asking || this.status !== "joined") return;
    this.#asking = true;
    const ask = (): void => {
      this.#cancelRetry = null;
      this.#frame("state_sync", this.#echo(), "sync");
    };
    if (this.#syncs === 0) ask();
    else this.#cancelRetry = this.#link.after(this.#link.delay(this.#syncs), ask);
    this.#syncs += 1;
  }

  #frame(type: string, data: { [key: string]: unknown }, name?: string): void {
    const id = name === undefined ? {} : { id: `${this.#link.clientId}:${name}` };
    this.#link.send({ type, session_id: this.id, ...id, data });
  }

  #move(status: SessionStatus): void {
    if (status === "joined") this.refusal = null;
    if (this.status === status) return;
    this.status = status;
    this.#tell({ kind: "status", status, refusal: this.refusal });
  }

  #tell(note: Note): void {
    this.#listeners.tell(note);
  }

  #stopTimers(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#cancelCursor?.();
    this.#cancelCursor = null;
    this.#cursor = null;
  }
}
