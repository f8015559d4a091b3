/**
 * A desk for one person: a session whose server is the test, and a face around it.
 *
 * Law: nothing happens by itself; the test commits events and answers commands, in the shapes of the wire.
 */
import { render, type ComponentChildren } from "preact";
import { act } from "preact/test-utils";

import type { Settled } from "../../src/commands";
import type { JsonObject } from "../../src/json";
import type { Body, Result } from "../../src/outbound";
import { applyPatch } from "../../src/patch";
import type { JsonValue, Op, Present, ServerMessage } from "../../src/protocol";
import { Session, type Link } from "../../src/session";
import { FaceContext, type Face } from "../../src/ui/face";
import { asWritten } from "../../src/ui/translate";
import type { KeyValues } from "../../src/environment";
import type { Connection } from "../../src/connection";
import { Rest } from "../../src/ui/rest";

export interface Sent {
  readonly id: string;
  readonly body: Body;
  resolve(settled: Settled): void;
  reject(error: Error): void;
}

export const STORY: JsonObject = {
  session: { title: "T", strategies: { "/notes/*": "merge_text", "/chronicle/**": "append_only" }, status: "open" },
  participants: {
    ann: { name: "Ann", role: "owner", joined_at: "" },
    ben: { name: "Ben", role: "player", joined_at: "" },
    eve: { name: "Eve", role: "spectator", joined_at: "" },
  },
  seats: { mara: { name: "Mara", playable: true, owner: "ben", understudy: false } },
  characters: { mara: { name: "Mara", description: "Waits.", traits: { bold: 1 } } },
  notes: { scene: "lamp" },
  scene: { mood: "wary" },
  facts: { dark: { text: "It was dark." } },
  clocks: { storm: { name: "storm", value: 3, segments: 14 } },
  conflicts: {},
  suggestions: {},
  chat: {},
};

export function kept(): KeyValues & { readonly all: Map<string, string> } {
  const all = new Map<string, string>();
  return {
    all,
    getItem: (key) => all.get(key) ?? null,
    setItem: (key, value) => void all.set(key, value),
    removeItem: (key) => void all.delete(key),
  };
}

export class Desk {
  readonly session: Session;
  readonly sent: Sent[] = [];
  readonly frames: { [key: string]: unknown }[] = [];
  readonly notices: string[] = [];
  readonly spoken: string[] = [];
  readonly face: Face;
  readonly clientId: string;
  readonly me: string;
  asked: (path: string) => JsonValue = () => ({ events: [] });
  state: JsonObject;
  head = 1;
  epoch = "e1";
  #n = 0;

  constructor({ me = "ann", clientId = "page1", storage = kept() as KeyValues, state = STORY, head = 1 } = {}) {
    [this.me, this.clientId, this.state, this.head] = [me, clientId, state, head];
    const link: Link = {
      clientId,
      command: (_, body) => this.#command(body),
      send: (frame) => void this.frames.push(frame),
      since: () => 1,
      joined: () => {},
      refused: () => {},
      forget: () => {},
      after: (_, action) => {
        queueMicrotask(action);
        return () => {};
      },
      delay: () => 0,
    };
    this.session = new Session("s1", link);
    const connection = {
      clientId,
      userId: me,
      status: "open",
      subscribe: () => () => {},
    };
    Object.defineProperty(connection, "unsettled", { get: () => this.sent.length });
    this.face = {
      session: this.session,
      connection: connection as unknown as Connection,
      rest: new Rest("http://here/", (url) => Promise.resolve(new Response(JSON.stringify(this.asked(url))))),
      trans: asWritten,
      storage,
      notify: (text) => void this.notices.push(text),
      announce: (text) => void this.spoken.push(text),
    };
  }

  #command(body: Body): Promise<Settled> {
    return new Promise((resolve, reject) => {
      this.sent.push({ id: `${this.clientId}:${(this.#n += 1)}`, body, resolve, reject });
    });
  }

  take(frame: object): void {
    this.session.take(frame as ServerMessage);
  }

  join(presence: readonly Present[] = [{ user_id: "ann", name: "Ann", kind: "person", connections: 1 }]): void {
    this.session.join();
    this.full(presence);
  }

  full(presence: readonly Present[] = []): void {
    const data = { kind: "full_sync", epoch: this.epoch, hash: `h${this.head}`, view: "public", presence, provisional: null, state: this.state };
    this.take({ type: "state_sync", session_id: "s1", sequence_id: this.head, data });
  }

  /** An event of the log, as everybody gets it. */
  commit(patch: Op[], by = "ben", id: string | null = null, data: object = { kind: "edit", outcome: "applied", base: 0 }): number {
    this.head += 1;
    this.state = applyPatch(this.state, patch);
    this.take({
      type: "story_update",
      session_id: "s1",
      user_id: by,
      timestamp: "2026-01-01T00:00:00.000Z",
      sequence_id: this.head,
      id,
      audience: "everyone",
      hash: `h${this.head}`,
      data: { ...data, patch },
    });
    return this.head;
  }

  /** The value that the oldest unanswered edit wants to write. */
  wanted(): JsonValue | undefined {
    const { data } = this.sent[0]?.body ?? {};
    return data !== undefined && "patch" in data ? data.patch[0]?.value : undefined;
  }

  /** Answer the oldest command. */
  async settle(result: Result, sequenceId: number | null = null): Promise<void> {
    const sent = this.sent.shift();
    if (sent === undefined) throw new Error("nothing was sent");
    const settled = { id: sent.id, result, sequenceId };
    sent.resolve(settled);
    this.session.settled(settled, sent.body);
    await Promise.resolve();
  }

  /** Take the oldest edit, as it is or as `text`. */
  async accept(text?: string, outcome: "applied" | "merged" | "conflicted" = "applied"): Promise<void> {
    const data = this.sent[0]?.body.data;
    if (data === undefined || !("patch" in data)) throw new Error("no edit was sent");
    const { base } = data as { base: number };
    const patch = data.patch.map((op) => (text === undefined ? op : { ...op, value: text }));
    const at = this.commit(patch, this.me, this.sent[0]?.id, { kind: "edit", outcome, base });
    await this.settle({ kind: "ack", outcome }, at);
  }
}

/** Show something in a desk's face; the result is its element. */
export function show(desk: Desk, children: ComponentChildren): HTMLElement {
  const element = document.createElement("div");
  document.body.append(element);
  void act(() => render(<FaceContext.Provider value={desk.face}>{children}</FaceContext.Provider>, element));
  return element;
}

export function hide(element: HTMLElement): void {
  void act(() => render(null, element));
  element.remove();
}

export { act };
