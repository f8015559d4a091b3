/**
 * A model of the server, small enough to be seen to be right: one log a session, one answer an id.
 *
 * Law: it keeps the promises of the protocol that clients rely on (gapless log, results kept by id, answers to a sync
 * by where the client stands), and nothing else. What it loses when it dies is told by the test: nothing.
 * Parts: `ModelServer`.
 */
import { applyPatch, type JsonObject, type Op } from "../../src/index";
import type { Frame, Line } from "./world";

interface LogEntry {
  [key: string]: unknown;
  sequence_id: number;
  hash: string;
  data: { kind: string; patch?: Op[] };
}

interface Sent {
  [key: string]: unknown;
}

export const EPOCH = "e1";

export class ModelServer {
  readonly log: LogEntry[] = [];
  state: JsonObject = { scene: { n: 0 }, chat: {}, turn: { phase: "collect" } };
  epoch = EPOCH;
  readonly results = new Map<string, Sent>();
  readonly joined = new Map<Line, Set<string>>();
  /** What stands between a frame and the log: an error's data instead of a decision. */
  refuse: (frame: Frame) => { [key: string]: unknown } | null = () => null;
  /** How a frame gets to a line; a test may lose or hold it. */
  deliver: (line: Line, frame: Sent) => void = (line, frame) => line.receive(frame);
  heartbeat = 20;
  limits: { [key: string]: unknown } = {};

  /** Meet a new socket. */
  connect(line: Line): void {
    line.onFrame = (frame) => this.take(line, frame);
    this.joined.set(line, new Set());
    this.deliver(line, {
      type: "system_message",
      session_id: null,
      data: {
        kind: "welcome",
        connection_id: `k${this.joined.size}`,
        user: { user_id: "ann", name: "Ann", kind: "person" },
        limits: this.limits,
        heartbeat: this.heartbeat,
        protocol: "novel.v1.json",
        version: "0",
      },
    });
  }

  get head(): { epoch: string; sequence_id: number; hash: string } {
    const last = this.log.at(-1);
    return { epoch: this.epoch, sequence_id: last?.sequence_id ?? 0, hash: last?.hash ?? "" };
  }

  take(line: Line, frame: Frame): void {
    if (frame.data["kind"] === "ping") {
      this.deliver(line, { type: "system_message", id: frame.id, data: { kind: "pong" } });
      return;
    }
    if (frame.type === "user_cursor") return;
    if (frame.type === "leave_session") {
      this.joined.get(line)?.delete(frame.session_id ?? "");
      return;
    }
    const refusal = this.refuse(frame);
    if (refusal !== null) {
      this.#answer(line, frame, { kind: "error", level: "error", message: "", ...refusal });
      return;
    }
    if (frame.type === "join_session" || frame.type === "state_sync") {
      if (frame.type === "join_session") this.joined.get(line)?.add(frame.session_id ?? "");
      this.deliver(line, this.sync(frame));
      return;
    }
    if (!this.joined.get(line)?.has(frame.session_id ?? "")) {
      this.#answer(line, frame, { kind: "error", level: "error", code: "not_joined", message: "" });
      return;
    }
    const known = this.results.get(frame.id ?? "");
    if (known !== undefined) {
      this.deliver(line, known);
      return;
    }
    const patch: Op[] = [{ op: "add", path: `/chat/${(frame.id ?? "").replaceAll(":", "_")}`, value: true }];
    const entry = this.append(patch, frame.id ?? null);
    const ack = {
      type: "system_message",
      session_id: frame.session_id,
      id: frame.id,
      sequence_id: entry.sequence_id,
      data: { kind: "ack", outcome: "applied" },
    };
    this.results.set(frame.id ?? "", ack);
    this.deliver(line, ack);
  }

  /** Commit an event and show it to whoever joined. */
  append(patch: Op[], id: string | null = null, hidden = false): LogEntry {
    const n = this.log.length + 1;
    const entry: LogEntry = {
      type: hidden ? "system_message" : "story_update",
      session_id: "s1",
      user_id: hidden ? null : "ann",
      timestamp: null,
      sequence_id: n,
      id,
      audience: hidden ? "hidden" : "everyone",
      data: hidden ? { kind: "hidden" } : { kind: "edit", patch },
      hash: `${this.epoch}-${n}`,
    };
    if (!hidden) this.state = applyPatch(this.state, patch);
    this.log.push(entry);
    for (const [line, sessions] of this.joined) if (sessions.has("s1")) this.deliver(line, entry);
    return entry;
  }

  /** The answer to a client that says where it is. */
  sync(frame: Frame): Sent {
    const { epoch, sequence_id: at, hash } = frame.data as { epoch: string | null; sequence_id: number | null; hash: string | null };
    const { head } = this;
    const tail = { epoch: head.epoch, hash: head.hash, view: "public", presence: [], provisional: null };
    const here = at === 0 ? "" : this.log[(at ?? 0) - 1]?.hash;
    let data: { [key: string]: unknown };
    if (epoch === null || at === null) data = { kind: "full_sync", state: this.state, ...tail };
    else if (epoch !== head.epoch || at > head.sequence_id || hash !== here)
      data = { kind: "conflict", reason: "epoch", state: this.state, ...tail };
    else if (at === head.sequence_id) data = { kind: "up_to_date", ...tail };
    else data = { kind: "delta", events: this.log.slice(at), ...tail };
    return { type: "state_sync", session_id: frame.session_id, id: frame.id, sequence_id: head.sequence_id, data };
  }

  #answer(line: Line, frame: Frame, data: { [key: string]: unknown }): void {
    this.deliver(line, { type: "system_message", session_id: frame.session_id ?? null, id: frame.id ?? null, data });
  }
}
