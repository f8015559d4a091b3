/**
 * A face around parts under test: a real session and replica, a log to read back, and no network.
 *
 * Law: frames are those of the server; a command is written down and settled as the test says.
 */
import type { ComponentChildren } from "preact";
import { render } from "preact";
import { act } from "preact/test-utils";

import type { KeyValues } from "../../src/environment";
import type { JsonObject } from "../../src/json";
import type { WireEvent } from "../../src/protocol";
import { Session, type Link } from "../../src/session";
import { FaceContext, type Face } from "../../src/ui/face";
import { Rest } from "../../src/ui/rest";
import { asWritten } from "../../src/ui/translate";

export class Pictured {
  readonly session: Session;
  readonly asked: string[] = [];
  readonly sent: unknown[] = [];
  readonly notified: string[] = [];
  readonly root = document.body.appendChild(document.createElement("div"));
  /** What the server has. */
  log: WireEvent[];
  /** In which view it answers. */
  view = "public";
  answer: (url: URL) => Response | Promise<Response> = (url) => this.page(url);
  readonly #face: Face;

  constructor(log: WireEvent[], state: JsonObject, me = "ada", storage: KeyValues | null = null) {
    this.log = log;
    const link: Link = {
      command: async (_session, body) => {
        this.sent.push(body.data);
        return { id: "c:1", result: { kind: "ack", outcome: "applied" } } as never;
      },
      send: () => {},
      since: () => 1,
      joined: () => {},
      refused: () => {},
      forget: () => {},
      after: () => () => {},
      delay: () => 0,
      clientId: "c",
    };
    this.session = new Session("s", link);
    this.session.join();
    this.full(state);
    const rest = new Rest("http://localhost/", async (url) => {
      this.asked.push(new URL(url).search);
      return this.answer(new URL(url));
    });
    const connection = { userId: me, subscribe: () => () => {} };
    this.#face = {
      session: this.session,
      connection: connection as unknown as Face["connection"],
      rest,
      trans: asWritten,
      storage,
      notify: (text) => this.notified.push(text),
      announce: () => {},
    };
  }

  get rest(): Rest {
    return this.#face.rest;
  }

  page(url: URL): Response {
    const [after, limit] = [Number(url.searchParams.get("after")), Number(url.searchParams.get("limit"))];
    const events = this.log.filter(({ sequence_id }) => sequence_id > after).slice(0, limit);
    return new Response(JSON.stringify({ events, view: this.view }));
  }

  /** The replica is replaced whole. */
  full(state: JsonObject, epoch = "e", view = "public"): void {
    this.view = view;
    const head = this.log.at(-1)?.sequence_id ?? 0;
    const data = { kind: "full_sync", epoch, hash: `h${head}`, view, presence: [], provisional: null, state };
    this.session.take({ type: "state_sync", session_id: "s", sequence_id: head, data } as never);
  }

  /** An event comes live. */
  live(...events: WireEvent[]): void {
    for (const event of events) {
      this.log.push(event);
      this.session.take(event);
    }
  }

  async draw(children: ComponentChildren): Promise<void> {
    await act(async () => {
      render(<FaceContext.Provider value={this.#face}>{children}</FaceContext.Provider>, this.root);
    });
    await this.rested();
  }

  /** Until nothing is on its way: a page of the log takes some turns of the queue. */
  async rested(): Promise<void> {
    for (let at = 0; at < 12; at += 1) await act(async () => new Promise((done) => setImmediate(done)));
  }

  async key(target: Element, key: string): Promise<void> {
    await act(async () => {
      target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    });
    await this.rested();
  }

  async click(target: Element): Promise<void> {
    await act(async () => {
      target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    });
    await this.rested();
  }

  /** Type into a field, or choose in a list. */
  async fill(label: string, value: string): Promise<void> {
    const found = [...this.root.querySelectorAll("label")].find((one) => (one.textContent ?? "").startsWith(label));
    const field = found?.querySelector<HTMLInputElement | HTMLSelectElement>("input, select");
    if (field == null) throw new Error(`there is no field ${label}`);
    await act(async () => {
      field.value = value;
      field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
    });
    await this.rested();
  }

  /** Why a button cannot be used; null: it can. */
  why(name: string): string | null {
    const described = this.button(name).getAttribute("aria-describedby");
    return described === null ? null : (document.getElementById(described)?.textContent ?? "");
  }

  find(selector: string): Element {
    const found = this.root.querySelector(selector);
    if (found === null) throw new Error(`nothing is ${selector}`);
    return found;
  }

  button(name: string): Element {
    const found = [...this.root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name);
    if (found === undefined) throw new Error(`there is no button ${name}`);
    return found;
  }

  texts(selector: string): string[] {
    return [...this.root.querySelectorAll(selector)].map((one) => one.textContent ?? "");
  }

  end(): void {
    render(null, this.root);
    this.root.remove();
  }
}
