/**
 * Events of a play, made by hand.
 *
 * Law: shapes are the wire's; what a test does not care for has a plain value.
 */
import type { LoggedEvent, Op, Outcome, WireEvent } from "../../src/protocol";

export function event(sequence: number, data: LoggedEvent["data"], command: string | null = null): LoggedEvent {
  return {
    type: "story_update",
    session_id: "s",
    user_id: null,
    timestamp: "2026-01-01T00:00:00.000Z",
    sequence_id: sequence,
    id: command,
    audience: "everyone",
    data,
    hash: `h${sequence}`,
  };
}

export function hidden(sequence: number): WireEvent {
  return {
    type: "system_message",
    session_id: "s",
    user_id: null,
    timestamp: null,
    sequence_id: sequence,
    id: null,
    audience: "hidden",
    data: { kind: "hidden" },
    hash: `h${sequence}`,
  };
}

export interface Resolution {
  readonly number?: number;
  readonly attempt?: number;
  readonly branch?: string;
  readonly parent?: number;
  readonly complete?: boolean;
  readonly outcomes?: Outcome[];
  readonly patch?: Op[];
}

const OFFLINE = { engine: "offline", model: null, fallback: false, agents: {} };

/** A turn that is resolved; its command is `host:<sequence>`. */
export function resolved(sequence: number, about: Resolution = {}): LoggedEvent {
  const { number = 1, attempt = 1, branch = "main", parent = 0, complete = true, outcomes = [], patch = [] } = about;
  const node = { number, attempt, branch, parent, narration: "pending", end: 0 };
  return event(
    sequence,
    {
      kind: "resolved",
      turn: number,
      attempt,
      seed: "0",
      turn_complete: complete,
      outcomes,
      suggested: 0,
      ended: null,
      made_by: OFFLINE,
      patch: [...patch, ...(complete ? [{ op: "add" as const, path: `/turns/${sequence}`, value: node }] : [])],
    },
    `host:${sequence}`,
  );
}

/** The telling of a turn, which ends it. */
export function told(sequence: number, node: number, narrative: string, retold = false): LoggedEvent {
  const end: Op[] = retold ? [] : [{ op: "add", path: `/turns/${node}/end`, value: sequence }];
  const data = { kind: "turn" as const, turn: 1, attempt: 1, node, retold, narrative, sentences: [], made_by: OFFLINE, patch: end };
  return event(sequence, data, `host:${node}:2`);
}

export function outcome(character: string, action: Outcome["action"]): Outcome {
  return { id: "e1", character, action, outcome: "success", reason: "It was so.", by: "agent", audience: "everyone" };
}
