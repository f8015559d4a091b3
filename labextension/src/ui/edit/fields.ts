/**
 * The editable texts of one session on one page.
 *
 * Law: one path is one field, however many boxes show it, and it goes on while none does. A draft lies in the tab's
 * storage until the server has answered, so that a reload loses nothing that was typed. What is typed is sent after a
 * short quiet, or at the latest after a while.
 * Parts: `Fields` (by path, with their drafts), `Field` (one, with its effects), `fieldsOf` (those of a face).
 */
import { isObject } from "../../json";
import { Listeners } from "../../listeners";
import type { KeyValues } from "../../environment";
import { lookup, parsePointer } from "../../patch";
import type { ErrorReply, WireEvent } from "../../protocol";
import type { Note, Session } from "../../session";
import { answered, arrived, chose, isDirty, isUnsaved, maySend, opened, refused, sent, typed, undone } from "./field";
import type { FieldState, Moved, Outcome } from "./field";

/** Between letters of a quick typist there is more quiet than this. */
export const QUIET_MS = 30;
export const LONGEST_MS = 150;
/** An edit carries the whole text; this much longer is waited for each unit, so that a long text is sent seldom. */
export const MS_PER_UNIT = 0.05;
const AGAIN_MS = 1_000;

export interface Ports {
  readonly session: Session;
  /** Of this page load. */
  readonly clientId: string;
  /** How many commands the server has not answered, those of earlier page loads too. */
  unsettled(): number;
  readonly storage: KeyValues | null;
  now(): number;
  after(ms: number, action: () => void): () => void;
}

interface Draft {
  readonly state: Omit<FieldState, "steps">;
  readonly epoch: string;
  readonly client: string;
}

export class Fields {
  readonly ports: Ports;
  readonly #fields = new Map<string, Field>();
  readonly #drafts = new Map<string, Draft>();
  readonly #key: string;

  constructor(ports: Ports) {
    this.ports = ports;
    this.#key = `novel_jupyter:drafts:${ports.session.id}`;
    this.#restore();
    ports.session.subscribe((note) => this.#take(note));
    for (const path of this.#drafts.keys()) this.at(path);
  }

  /** The field of a JSON pointer. */
  at(path: string): Field {
    const known = this.#fields.get(path);
    if (known !== undefined) return known;
    const field = new Field(path, this.ports, this.#drafts.get(path) ?? null, (draft) => this.#keep(path, draft));
    this.#fields.set(path, field);
    return field;
  }

  /** Paths whose text the server does not have yet. */
  get unsaved(): readonly string[] {
    return [...this.#fields.values()].filter(({ state }) => isUnsaved(state)).map(({ path }) => path);
  }

  #take(note: Note): void {
    for (const field of this.#fields.values()) field.take(note);
  }

  #keep(path: string, draft: Draft | null): void {
    if (draft === null ? !this.#drafts.delete(path) : false) return;
    if (draft !== null) this.#drafts.set(path, draft);
    try {
      if (this.#drafts.size === 0) this.ports.storage?.removeItem(this.#key);
      else this.ports.storage?.setItem(this.#key, JSON.stringify([...this.#drafts]));
    } catch {
      // A full or forbidden storage costs the safety of a reload, not the text on the screen.
    }
  }

  #restore(): void {
    try {
      const kept: unknown = JSON.parse(this.ports.storage?.getItem(this.#key) ?? "[]");
      if (!Array.isArray(kept)) return;
      for (const [path, draft] of kept as [string, Draft][]) {
        if (typeof path === "string" && isDraft(draft)) this.#drafts.set(path, draft);
      }
    } catch {
      // What is not ours is not restored.
    }
  }
}

function isDraft(draft: unknown): draft is Draft {
  if (typeof draft !== "object" || draft === null) return false;
  const { state, epoch, client } = draft as Partial<Draft>;
  const texts = typeof epoch === "string" && typeof client === "string" && typeof state?.local === "string";
  return texts && typeof state.base?.text === "string" && typeof state.base.at === "number";
}

export class Field {
  readonly path: string;
  state: FieldState;
  /** Whether there is anything at the path. */
  exists = false;
  readonly #ports: Ports;
  readonly #keep: (draft: Draft | null) => void;
  readonly #listeners = new Listeners<Moved>();
  readonly #tokens: readonly string[];
  #epoch: string | null = null;
  /** The page load that sent what is on its way. */
  #client: string;
  /** What the server said to it, where the event is still to come. */
  #answer: { outcome: Outcome; at: number } | null = null;
  /** What was taken last, and what of it the server lost. */
  #taken: { id: string; text: string } | null = null;
  #lost: { text: string; refusal: ErrorReply } | null = null;
  #cancel: (() => void) | null = null;
  #since: number | null = null;

  constructor(path: string, ports: Ports, draft: Draft | null, keep: (draft: Draft | null) => void) {
    this.path = path;
    this.#ports = ports;
    this.#keep = keep;
    this.#tokens = parsePointer(path);
    this.#client = draft?.client ?? ports.clientId;
    this.#epoch = draft?.epoch || null;
    this.state = draft === null ? opened("", 0) : { ...draft.state, steps: [] };
    this.#follow();
  }

  /** Be told when the state changed, with where the positions of the shown text went. */
  subscribe(listener: (change: Moved) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** The person made this of the text that is shown. */
  type(text: string): void {
    this.#set(typed(this.state, text));
  }

  choose(which: "mine" | "theirs"): void {
    this.#set(chose(this.state, which));
    this.#send();
  }

  get canUndo(): boolean {
    return isUnsaved(this.state) || this.state.steps.length > 0;
  }

  /** Take back what one did last here; false where others changed the same words since. */
  undo(): boolean {
    const state = undone(this.state);
    if (state === null) {
      this.#set({ ...this.state, steps: this.state.steps.slice(0, -1) });
      return false;
    }
    this.#set(state);
    this.#send();
    return true;
  }

  /** Send now what waits. */
  flush(): void {
    this.#send();
  }

  take(note: Note): void {
    switch (note.kind) {
      case "replica":
        this.#follow(note.applied);
        return;
      case "settled": {
        const { body, settled } = note;
        if (body.type !== "story_update" || body.data.kind !== "edit" || !this.#isFlight(body.data)) {
          this.#arrivedAgain();
          return;
        }
        if (settled.result.kind === "error") {
          this.#refuse(settled.result);
        } else {
          this.#taken = { id: settled.id, text: this.state.flight?.text ?? "" };
          this.#answer = { outcome: settled.result.outcome, at: settled.sequenceId ?? 0 };
          this.#follow();
        }
        return;
      }
      case "status":
        if (note.status === "joined") this.#arrivedAgain();
        return;
      case "lost":
        if (note.id === this.#taken?.id) this.#lost = { text: this.#taken.text, refusal: note.refusal };
        this.#mourn();
        return;
      case "task":
    }
  }

  /** The replica moved: bring what it has here together with what is shown. */
  #follow(applied: readonly WireEvent[] = []): void {
    const { head, state } = this.#ports.session.replica;
    if (head === null || !isObject(lookup(state, this.#tokens.slice(0, -1)))) return;
    const value = lookup(state, this.#tokens);
    this.exists = value !== undefined;
    const text = typeof value === "string" ? value : "";
    const elsewhere = this.#epoch !== null && this.#epoch !== head.epoch;
    this.#epoch = head.epoch;
    const own = applied.find((event) => this.#isOwn(event));
    if (own !== undefined && own.data.kind === "edit") {
      this.#taken = { id: own.id ?? "", text: this.state.flight?.text ?? "" };
      this.#answer = { outcome: own.data.outcome, at: own.sequence_id };
    }
    const answer = this.#answer;
    if (answer !== null && head.sequence_id >= answer.at) {
      this.#answer = null;
      this.#move(answered(this.state, answer.outcome, text, head.sequence_id, this.#ports.now()));
      if (isDirty(this.state)) this.#soon();
    } else if (text !== this.state.base.text || elsewhere) {
      this.#move(arrived(this.state, text, head.sequence_id, elsewhere));
    } else {
      this.state = { ...this.state, base: { text, at: head.sequence_id } };
    }
    this.#mourn();
  }

  /** What an earlier page load sent is in the server's text by now, if the server owes no answer any more. */
  #arrivedAgain(): void {
    const { head } = this.#ports.session.replica;
    if (head === null || this.#ports.session.status !== "joined") return;
    if (this.state.flight !== null && this.#client !== this.#ports.clientId && this.#ports.unsettled() === 0) {
      this.#answer = { outcome: "merged", at: head.sequence_id };
      this.#follow();
    }
    if (maySend(this.state)) this.#soon();
  }

  #isFlight({ base, patch }: { base: number; patch: readonly { path: string; value?: unknown }[] }): boolean {
    const { flight } = this.state;
    const op = patch[0];
    return flight !== null && op?.path === this.path && op.value === flight.text && base === flight.at;
  }

  #isOwn(event: WireEvent): boolean {
    const { flight } = this.state;
    if (flight === null || event.data.kind !== "edit" || !event.id?.startsWith(`${this.#client}:`)) return false;
    return event.data.base === flight.at && (event.data.patch ?? []).some(({ path }) => path === this.path);
  }

  #refuse(refusal: ErrorReply): void {
    this.#set(refused(this.state, refusal));
    if (maySend(this.state)) this.#soon(AGAIN_MS);
  }

  /** The server took a text and lost it: as soon as it is gone it is shown again, for the person to send. */
  #mourn(): void {
    const { state } = this;
    if (this.#lost === null || state.base.text === this.#lost.text) return;
    const { text, refusal } = this.#lost;
    this.#lost = null;
    if (state.local === text) return;
    this.#set({ ...(isDirty(state) ? state : typed(state, text)), refusal });
  }

  #soon(pause = 0): void {
    this.#cancel?.();
    const now = this.#ports.now();
    this.#since ??= now;
    const longer = this.state.local.length * MS_PER_UNIT;
    const wait = Math.max(pause, Math.min(QUIET_MS + longer, this.#since + LONGEST_MS + longer - now));
    this.#cancel = this.#ports.after(wait, () => this.#send());
  }

  #send(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#since = null;
    if (!maySend(this.state) || this.#ports.session.replica.head === null) return;
    const before = this.state;
    const next = sent(before);
    const { flight } = next;
    if (flight === null) return;
    this.#client = this.#ports.clientId;
    try {
      const patch = [{ op: "add" as const, path: this.path, value: flight.text }];
      // Kept first: a page that ends now has it in its queue and in its drafts.
      this.state = next;
      this.#ports.session.edit(patch, flight.at).catch(() => this.#unsent(flight.text));
      this.#set(next);
    } catch {
      this.state = before; // the queue is full
      this.#soon(AGAIN_MS);
    }
  }

  /** Nobody will answer: the session was left, or the connection closed. */
  #unsent(text: string): void {
    const { flight } = this.state;
    if (flight?.text === text) this.#set({ ...this.state, flight: null, behind: this.state.behind ?? flight.at });
  }

  #move(change: Moved): void {
    this.state = change.state;
    this.#store();
    this.#listeners.tell(change);
  }

  #set(state: FieldState): void {
    const dirtier = state.local !== this.state.local;
    this.#move({ state, move: (position) => position });
    if (dirtier && maySend(state)) this.#soon();
  }

  #store(): void {
    if (!isUnsaved(this.state)) {
      this.#keep(null);
      return;
    }
    const { steps: _, ...state } = this.state;
    this.#keep({ state, epoch: this.#epoch ?? "", client: this.#client });
  }
}

const known = new WeakMap<Session, Fields>();

/** The fields of a face's session. Made once for each, early, so that no answer to an earlier page load is missed. */
export function fieldsOf(face: {
  readonly session: Session;
  readonly connection: { readonly clientId: string; readonly unsettled: number };
  readonly storage: KeyValues | null;
}): Fields {
  const { session, connection, storage } = face;
  const fields =
    known.get(session) ??
    new Fields({
      session,
      clientId: connection.clientId,
      unsettled: () => connection.unsettled,
      storage,
      now: () => Date.now(),
      after: (ms, action) => {
        const timer = setTimeout(action, ms);
        return () => clearTimeout(timer);
      },
    });
  known.set(session, fields);
  return fields;
}
