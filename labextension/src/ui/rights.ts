/**
 * What one may do, and if not, why not.
 *
 * Law: no dead button: what may not be done is greyed and gives its reason. The table of rights is the server's
 * (`MAY`); the server decides, this only tells beforehand.
 * Parts: `standing`, `barred` (by role), and the reasons that depend on the turn.
 */
import { MAY } from "../protocol";
import type { Phase, Role, StoryState } from "./state";
import type { Translation } from "./translate";

export type Kind = keyof typeof MAY;

export function standing(state: StoryState, me: string): Role | null {
  return state.participants[me]?.role ?? null;
}

export function roleName(trans: Translation, role: string | null): string {
  switch (role) {
    case "owner":
      return trans.__("owner");
    case "director":
      return trans.__("director");
    case "player":
      return trans.__("player");
    case "spectator":
      return trans.__("spectator");
    default:
      return trans.__("nobody");
  }
}

/** Null: allowed by the role. Else why it is not. */
export function barred(trans: Translation, state: StoryState, me: string, kind: Kind): string | null {
  const role = standing(state, me);
  if (role === null) return trans.__("You are not in this session.");
  if (state.session?.status === "archived" && kind !== "unarchive") return trans.__("The session is archived.");
  const may = MAY[kind] as readonly string[];
  if (may.includes(role)) return null;
  const people = may.filter((one) => one !== "kernel" && one !== "host").map((one) => roleName(trans, one));
  if (people.length === 0) return trans.__("Nobody does this by hand.");
  return trans.__("Only for: %1. You are a %2.", people.join(", "), roleName(trans, role));
}

/** Why something that needs one of these phases cannot be done now; null if it can. */
export function outOfPhase(trans: Translation, phase: Phase | undefined, phases: readonly Phase[]): string | null {
  if (phase !== undefined && phases.includes(phase)) return null;
  return trans.__("Not while the turn is %1.", phaseName(trans, phase));
}

export function phaseName(trans: Translation, phase: Phase | undefined): string {
  switch (phase) {
    case "lobby":
      return trans.__("not begun");
    case "collect":
      return trans.__("open for proposals");
    case "locked":
      return trans.__("locked");
    case "resolving":
      return trans.__("being decided");
    case "narrating":
      return trans.__("being told");
    case "review":
      return trans.__("in review");
    case "paused":
      return trans.__("paused");
    case "failed":
      return trans.__("failed");
    case "ended":
      return trans.__("over");
    default:
      return trans.__("unknown");
  }
}
