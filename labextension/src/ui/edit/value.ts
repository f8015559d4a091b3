/**
 * One number or choice that several people change.
 *
 * Law: it is shown as wished at once. A counter (`add`) sends how far it is moved from what the server has, so that two
 * people's steps add up; anything else sends the value, and the last wish goes when the one before it is answered. One
 * edit is on its way at a time. A refusal shows the server's value again, with the reason.
 * Parts: `Value`.
 */
import { lookup, parsePointer } from "../../patch";
import type { ErrorReply, JsonValue } from "../../protocol";
import type { Note, Session } from "../../session";
import type { Outcome } from "./field";

interface Flight {
  readonly value: JsonValue;
  readonly delta: number;
  readonly at: number;
}

export type ValueStatus = "clean" | "pending" | "saved" | "merged" | "conflicted" | "refused";

export class Value {
  readonly path: string;
  refusal: ErrorReply | null = null;
  readonly #session: Session;
  readonly #clientId: string;
  readonly #counts: boolean;
  readonly #told: () => void;
  readonly #tokens: readonly string[];
  #delta = 0;
  #wish: { value: JsonValue } | null = null;
  #flight: Flight | null = null;
  #answer: { at: number; outcome: Outcome } | null = null;
  #outcome: Outcome | null = null;

  /** `clientId` is that of the page load; `told` is called when what is shown may have changed. */
  constructor(session: Session, clientId: string, path: string, counts: boolean, told: () => void) {
    [this.#session, this.#clientId, this.path, this.#counts, this.#told] = [session, clientId, path, counts, told];
    this.#tokens = parsePointer(path);
  }

  /** What the server has. */
  get server(): JsonValue | undefined {
    return lookup(this.#session.replica.state, this.#tokens);
  }

  get shown(): JsonValue | undefined {
    if (this.#counts) return number(this.server) + (this.#flight?.delta ?? 0) + this.#delta;
    return this.#wish?.value ?? this.#flight?.value ?? this.server;
  }

  get status(): ValueStatus {
    if (this.refusal !== null) return "refused";
    if (this.#flight !== null || this.#wish !== null || this.#delta !== 0) return "pending";
    switch (this.#outcome) {
      case null:
        return "clean";
      case "applied":
        return "saved";
      case "merged":
        return "merged";
      default:
        return "conflicted";
    }
  }

  set(value: JsonValue): void {
    if (this.#counts) this.#delta += number(value) - number(this.shown);
    else this.#wish = { value };
    this.refusal = null;
    this.#outcome = null;
    this.#send();
    this.#told();
  }

  add(delta: number): void {
    this.set(number(this.shown) + delta);
  }

  take(note: Note): void {
    if (note.kind === "replica") {
      const own = note.applied.find(({ id, data }) => {
        const isOurs = data.kind === "edit" && data.base === this.#flight?.at && (id?.startsWith(`${this.#clientId}:`) ?? false);
        return isOurs && this.#writes(data.patch);
      });
      if (own?.data.kind === "edit") this.#answer = { at: own.sequence_id, outcome: own.data.outcome };
    } else if (note.kind === "settled") {
      const { body, settled } = note;
      if (this.#flight === null || body.type !== "story_update" || body.data.kind !== "edit") return;
      if (body.data.base !== this.#flight.at || body.data.patch[0]?.value !== this.#flight.value || !this.#writes(body.data.patch)) return;
      if (settled.result.kind === "error") {
        [this.refusal, this.#flight, this.#wish, this.#delta] = [settled.result, null, null, 0];
      } else {
        this.#answer = { at: settled.sequenceId ?? 0, outcome: settled.result.outcome };
      }
    } else {
      return;
    }
    this.#conclude();
    this.#told();
  }

  #writes(patch: readonly { readonly path: string }[] | undefined): boolean {
    return patch?.some(({ path }) => path === this.path) ?? false;
  }

  #conclude(): void {
    if (this.#answer === null || (this.#session.replica.head?.sequence_id ?? 0) < this.#answer.at) return;
    [this.#outcome, this.#answer, this.#flight] = [this.#answer.outcome, null, null];
    this.#send();
  }

  #send(): void {
    const { head } = this.#session.replica;
    if (this.#flight !== null || head === null || (this.#wish === null && this.#delta === 0)) return;
    const value = this.#wish?.value ?? number(this.server) + this.#delta;
    const flight: Flight = { value, delta: this.#delta, at: head.sequence_id };
    [this.#flight, this.#wish, this.#delta] = [flight, null, 0];
    try {
      this.#session.edit([{ op: "add", path: this.path, value }], flight.at).catch((error: Error) => this.#fail(error));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail({ message }: Error): void {
    this.#flight = null;
    this.refusal = { kind: "error", level: "error", code: "internal", message };
    this.#told();
  }
}

function number(value: JsonValue | undefined): number {
  return typeof value === "number" ? value : 0;
}
