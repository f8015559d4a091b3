/**
 * What one's own character would do, asked of the agents.
 *
 * Law: the answer is what stands in the player's own seat of the replica; nobody else's replica has it.
 * Parts: `Suggestion`, `Asking` (what is needed of a session), `suggest`.
 */
import type { Settled } from "./commands";
import { isObject } from "./json";
import type { Result } from "./outbound";
import type { ActionCommand, JsonValue } from "./protocol";
import type { Replica } from "./replica";

export interface Suggestion {
  readonly character: string;
  /** An action that can be proposed; null where nobody could say. */
  readonly action: { [key: string]: JsonValue } | null;
  /** How it is shown. */
  readonly words: string;
  /** Reasons, the strongest first. */
  readonly why: readonly string[];
  /** The class that said so, where a notebook brought its own. */
  readonly agent: string | null;
}

/** The server's word on the question; `suggestion` is null where it was refused, or the turn went on before an answer. */
export interface Suggested {
  readonly result: Result;
  readonly suggestion: Suggestion | null;
}

export interface Asking {
  readonly replica: Replica;
  act(data: ActionCommand): Promise<Settled>;
  subscribe(listener: () => void): () => void;
  readonly status: string;
}

/** Ask, and wait for the answer as long as the turn can still be decided. */
export async function suggest(session: Asking, character: string): Promise<Suggested> {
  const { result, sequenceId } = await session.act({ kind: "advise", character });
  if (result.kind === "error") return { result, suggestion: null };
  await until(session, () => (session.replica.head?.sequence_id ?? 0) >= (sequenceId ?? 0));
  const turn = place(session.replica);
  const asked = entry(session.replica, character)["asked"];
  let suggestion: Suggestion | null = null;
  await until(session, () => {
    const { asked: now, answer } = entry(session.replica, character);
    if (turn === null || place(session.replica) !== turn || now !== asked) return true;
    suggestion = isObject(answer) ? read(character, answer) : null;
    return suggestion !== null;
  });
  return { result, suggestion };
}

function read(character: string, answer: { [key: string]: JsonValue }): Suggestion {
  const { action, words, why, agent } = answer;
  return {
    character,
    action: isObject(action) ? action : null,
    words: typeof words === "string" ? words : "",
    why: Array.isArray(why) ? why.map(String) : [],
    agent: typeof agent === "string" ? agent : null,
  };
}

/** The turn that can still be decided, or null. */
function place({ state }: Replica): string | null {
  const { turn } = state;
  if (!isObject(turn) || (turn["phase"] !== "lobby" && turn["phase"] !== "collect")) return null;
  return `${String(turn["branch"])} ${String(turn["number"])}`;
}

function entry({ state }: Replica, character: string): { [key: string]: JsonValue } {
  const seat = state[`seat:${character}`];
  const advice = isObject(seat) ? seat["advice"] : undefined;
  return isObject(advice) ? advice : {};
}

/** Done when `isSo`, or when the session is over for this page. */
function until(session: Asking, isSo: () => boolean): Promise<void> {
  const over = (): boolean => session.status === "left" || session.status === "refused";
  if (isSo() || over()) return Promise.resolve();
  return new Promise((resolve) => {
    const end = session.subscribe(() => {
      if (!isSo() && !over()) return;
      end();
      resolve();
    });
  });
}
