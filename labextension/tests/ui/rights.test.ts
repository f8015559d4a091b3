/** No dead button: what may not be done has a reason, and it is the server's. */
import { describe, expect, it } from "vitest";

import { MAY, emptyReplica } from "../../src";
import { barred, outOfPhase, phaseName, type Kind } from "../../src/ui/rights";
import { story } from "../../src/ui/state";
import { asWritten } from "../../src/ui/translate";

const participants = {
  ada: { name: "Ada", role: "owner" },
  dee: { name: "Dee", role: "director" },
  ben: { name: "Ben", role: "player" },
  cleo: { name: "Cleo", role: "spectator" },
};

function stateOf(status = "open"): ReturnType<typeof story> {
  return story({ ...emptyReplica("s"), state: { session: { status }, participants } as never });
}

describe("rights", () => {
  it("are those of the server's table, for every kind and role", () => {
    const state = stateOf();
    for (const kind of Object.keys(MAY) as Kind[]) {
      for (const [id, { role }] of Object.entries(participants)) {
        const may = (MAY[kind] as readonly string[]).includes(role);
        expect(barred(asWritten, state, id, kind) === null, `${kind} ${role}`).toBe(may);
      }
    }
  });

  it("say who may, and what one is", () => {
    expect(barred(asWritten, stateOf(), "ben", "cancel")).toBe("Only for: owner, director. You are a player.");
    expect(barred(asWritten, stateOf(), "zoe", "chat")).toBe("You are not in this session.");
  });

  it("leave nothing but the way back of an archived session", () => {
    expect(barred(asWritten, stateOf("archived"), "ada", "edit")).toBe("The session is archived.");
    expect(barred(asWritten, stateOf("archived"), "ada", "unarchive")).toBeNull();
  });

  it("depend on the turn", () => {
    expect(outOfPhase(asWritten, "locked", ["lobby", "collect"])).toBe(`Not while the turn is ${phaseName(asWritten, "locked")}.`);
    expect(outOfPhase(asWritten, "collect", ["lobby", "collect"])).toBeNull();
  });
});
