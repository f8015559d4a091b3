/**
 * One text that several people edit: what is shown, what is on its way, and what became of it.
 *
 * Law: what a person typed is shown at once and is never lost: it is on the screen until the server has it, or has said
 * what became of it and both texts are offered. One edit is on its way at a time, and names the state that it was made
 * against; where others changed the same words, that is the state before theirs, so that the server sees the clash and
 * keeps what loses. All functions are pure.
 * Parts: `FieldState`, what happens to it (`typed`, `arrived`, `sent`, `answered`, `refused`, `chose`, `undone`), `statusOf`.
 */
import type { Ack, ErrorReply } from "../../protocol";
import { rebase } from "./merge";

export type Outcome = Ack["outcome"];
export type Status = "clean" | "typing" | "pending" | "saved" | "merged" | "conflicted" | "refused";

export interface Flight {
  readonly text: string;
  /** `text` together with what arrived since: what the server is expected to make of it. */
  readonly shown: string;
  /** The state that it names as its base. */
  readonly at: number;
  readonly undoes: boolean;
}

/** A change of one's own: it led from one text to the other. */
export interface Step {
  readonly before: string;
  readonly after: string;
  /** When it ended, in milliseconds. */
  readonly ended: number;
}

export interface FieldState {
  /** What the server has, and as of which event. */
  readonly base: { readonly text: string; readonly at: number };
  /** What is shown. */
  readonly local: string;
  /** The state before others changed words that are changed here too; what is sent next names it. */
  readonly behind: number | null;
  readonly flight: Flight | null;
  /** Nothing is sent until the person chose between their text and the server's. */
  readonly held: boolean;
  /** Why the server did not take the text, which waits here. */
  readonly refusal: ErrorReply | null;
  readonly outcome: Outcome | null;
  readonly undoing: boolean;
  readonly steps: readonly Step[];
}

const MOST_STEPS = 50;
/** Milliseconds within which what was typed is undone as one. */
const ONE_STEP_MS = 2_000;

/** The new state, and where positions of the text that was shown are now. */
export interface Moved {
  readonly state: FieldState;
  move(position: number): number;
}

const still = (position: number): number => position;

export function opened(text: string, at: number): FieldState {
  return {
    base: { text, at },
    local: text,
    behind: null,
    flight: null,
    held: false,
    refusal: null,
    outcome: null,
    undoing: false,
    steps: [],
  };
}

/** Whether there is something that was not sent. */
export function isDirty({ local, flight, base }: FieldState): boolean {
  return local !== (flight?.shown ?? base.text);
}

/** Whether there is something that the server has not, and that would be missed. */
export function isUnsaved(state: FieldState): boolean {
  return state.flight !== null || isDirty(state);
}

export function maySend(state: FieldState): boolean {
  return isDirty(state) && state.flight === null && !state.held && state.refusal === null;
}

export function statusOf(state: FieldState): Status {
  if (state.held) return "conflicted";
  if (state.refusal !== null) return "refused";
  if (isDirty(state)) return "typing";
  if (state.flight !== null) return "pending";
  switch (state.outcome) {
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

export function typed(state: FieldState, text: string): FieldState {
  if (text === state.local) return state;
  const next: FieldState = { ...state, local: text, refusal: null, outcome: null, undoing: false };
  return settledHold(next);
}

/** A choice between two texts that are the same is none. */
function settledHold(state: FieldState): FieldState {
  return state.held && state.local === state.base.text ? { ...state, held: false, behind: null } : state;
}

/** The server's text as of an event, by others. `elsewhere`: in another history, where no older state can be named. */
export function arrived(state: FieldState, text: string, at: number, elsewhere = false): Moved {
  const { base, flight, local } = state;
  // What is on its way is the server's to bring together; only what was typed after it counts here.
  const sent = flight === null ? null : rebase(base.text, flight.shown, text);
  const mine = sent === null ? rebase(base.text, local, text) : rebase(flight?.shown ?? "", local, sent.text);
  const { clashed } = mine;
  const behind = elsewhere ? null : (state.behind ?? (clashed ? base.at : null));
  const next: FieldState = {
    ...state,
    base: { text, at },
    local: mine.text,
    behind: mine.text === text ? null : behind,
    flight: flight === null || sent === null ? null : { ...flight, shown: sent.text },
    held: state.held || (elsewhere && clashed),
  };
  return { state: settledHold(next), move: mine.move };
}

/** What is shown is now on its way. */
export function sent(state: FieldState): FieldState {
  const { local, behind, base, undoing } = state;
  const flight: Flight = { text: local, shown: local, at: behind ?? base.at, undoes: undoing };
  return { ...state, flight, behind: null, undoing: false, outcome: null };
}

/** The server took what was on its way, and has this text now. */
export function answered(state: FieldState, outcome: Outcome, text: string, at: number, now: number): Moved {
  const { flight, local, base } = state;
  if (flight === null) return { state, move: still };
  const { text: shown, clashed, move } = rebase(flight.shown, local, text);
  const lost = outcome === "conflicted" || outcome === "suggested";
  const steps = lost || flight.undoes ? state.steps : withStep(state.steps, rebase(flight.shown, base.text, text).text, text, now);
  const next: FieldState = {
    ...state,
    base: { text, at },
    local: shown,
    // More was typed where the words that were sent met others'.
    behind: state.behind ?? (clashed && !lost ? flight.at : null),
    held: state.held || (clashed && lost),
    flight: null,
    outcome,
    steps,
  };
  return { state: settledHold(next), move };
}

function withStep(steps: readonly Step[], before: string, after: string, now: number): readonly Step[] {
  if (before === after) return steps;
  const last = steps.at(-1);
  const goesOn = last !== undefined && last.after === before && now - last.ended < ONE_STEP_MS;
  const step = { before: goesOn ? last.before : before, after, ended: now };
  return [...(goesOn ? steps.slice(0, -1) : steps), step].slice(-MOST_STEPS);
}

/** The server did not take what was on its way: it stays on the screen. */
export function refused(state: FieldState, refusal: ErrorReply): FieldState {
  const next = { ...state, flight: null };
  switch (refusal.code) {
    case "stale_epoch": // made in another history: it is sent again in the present one
      return next;
    case "stale_base":
      return settledHold({ ...next, held: true, behind: null });
    default:
      return { ...next, refusal };
  }
}

/** Between one's own text and the server's; `mine` also tries again what was refused. */
export function chose(state: FieldState, which: "mine" | "theirs"): FieldState {
  const free = { ...state, held: false, refusal: null, behind: null, outcome: null };
  return which === "mine" ? free : { ...free, local: free.flight?.shown ?? free.base.text };
}

/** Without what one did last here, and with all that others did since; null where they changed the same words. */
export function undone(state: FieldState): FieldState | null {
  const { flight, base, steps } = state;
  if (isDirty(state)) return chose(state, "theirs");
  if (flight !== null) return { ...typed(state, base.text), undoing: true };
  const step = steps.at(-1);
  if (step === undefined) return null;
  const { text, clashed } = rebase(step.after, step.before, base.text);
  const rest = { ...state, steps: steps.slice(0, -1) };
  return clashed ? null : { ...typed(rest, text), undoing: true };
}
