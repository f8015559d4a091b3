/**
 * One text, several people, a server between them: by examples, and by chance with everything late.
 *
 * Law: in the end every screen shows what the server has, and every word that somebody typed is in the text or in a
 * record of what lost.
 */
import { describe, expect, test } from "vitest";

import { answered, arrived, chose, isDirty, maySend, opened, refused, sent, statusOf, typed, undone } from "../../src/ui/edit/field";
import type { FieldState, Flight, Outcome } from "../../src/ui/edit/field";
import { rebase } from "../../src/ui/edit/merge";
import { random } from "../support/world";

const error = (code: "forbidden" | "stale_base" | "stale_epoch") =>
  ({ kind: "error", level: "error", code, message: "no" }) as const;

describe("a field", () => {
  test("goes from typing over pending to saved", () => {
    let state = opened("a", 3);
    expect(statusOf(state)).toBe("clean");
    state = typed(state, "a b");
    expect(statusOf(state)).toBe("typing");
    state = sent(state);
    expect(statusOf(state)).toBe("pending");
    expect(state.flight).toMatchObject({ text: "a b", at: 3 });
    expect(maySend(typed(state, "a b c"))).toBe(false);
    state = answered(state, "applied", "a b", 4, 0).state;
    expect(statusOf(state)).toBe("saved");
    expect(state.base).toEqual({ text: "a b", at: 4 });
  });

  test("what others write meanwhile is taken in, and the base with it", () => {
    let state = typed(opened("lamp", 1), "lamp out");
    state = arrived(state, "The lamp", 2).state;
    expect(state.local).toBe("The lamp out");
    expect(sent(state).flight).toMatchObject({ text: "The lamp out", at: 2 });
  });

  test("where others changed the same words, the server is told of the state before", () => {
    let state = typed(opened("the cat", 1), "the bird");
    state = arrived(state, "the dog", 2).state;
    expect(state.local).toBe("the bird");
    state = arrived(state, "the dog sat", 3).state;
    state = sent(state);
    expect(state.flight).toMatchObject({ text: "the bird sat", at: 1 });
    state = answered(state, "conflicted", "the dog sat", 4, 0).state;
    expect(state.local).toBe("the dog sat");
    expect(statusOf(state)).toBe("conflicted");
  });

  test("who goes on typing in words that lost is asked, and neither text goes away", () => {
    const flying = sent(typed(opened("the cat", 1), "the bird"));
    let state = typed(flying, "the birds");
    state = answered(state, "conflicted", "the dog", 3, 0).state;
    expect(state).toMatchObject({ held: true, local: "the birds", base: { text: "the dog" } });
    expect(maySend(state)).toBe(false);
    expect(chose(state, "theirs")).toMatchObject({ held: false, local: "the dog" });
    const mine = sent(chose(state, "mine"));
    expect(mine.flight).toMatchObject({ text: "the birds", at: 3 });
  });

  test("what is refused stays, and is sent again only when it was changed or on demand", () => {
    let state = refused(sent(typed(opened("a", 1), "b")), error("forbidden"));
    expect(state).toMatchObject({ local: "b", flight: null });
    expect(statusOf(state)).toBe("refused");
    expect(maySend(state)).toBe(false);
    expect(maySend(chose(state, "mine"))).toBe(true);
    expect(maySend(typed(state, "bc"))).toBe(true);
    expect(chose(state, "theirs").local).toBe("a");
    state = refused(sent(typed(opened("a", 1), "b")), error("stale_base"));
    expect(statusOf(state)).toBe("conflicted");
  });

  test("in another history it is made again, or asked about", () => {
    let state = arrived(sent(typed(opened("a", 9), "a b")), "c a", 2, true).state;
    state = refused(state, error("stale_epoch"));
    expect(sent(state).flight).toMatchObject({ text: "c a b", at: 2 });
    state = arrived(typed(opened("the cat", 9), "the bird"), "the dog", 2, true).state;
    expect(state).toMatchObject({ held: true, local: "the bird" });
  });

  test("one's own last edit is taken back without what others did since", () => {
    let state = answered(sent(typed(opened("The lamp is out.", 1), "The old lamp is out.")), "applied", "The old lamp is out.", 2, 0).state;
    state = arrived(state, "The old lamp is out. Ben saw.", 3).state;
    const back = undone(state);
    expect(back?.local).toBe("The lamp is out. Ben saw.");
    const taken = answered(sent(back ?? state), "applied", "The lamp is out. Ben saw.", 4, 1).state;
    expect(undone(taken)).toBeNull();
    const changed = arrived(state, "The ancient lamp is out.", 5).state;
    expect(undone(changed)).toBeNull();
  });

  test("what was typed in one go is taken back in one go", () => {
    let state = opened("", 1);
    for (const [at, text] of ["h", "he", "hel"].entries()) {
      state = answered(sent(typed(state, text)), "applied", text, 2 + at, at * 300).state;
    }
    expect(undone(state)?.local).toBe("");
    state = answered(sent(typed(state, "hel o")), "applied", "hel o", 9, 60_000).state;
    expect(undone(state)?.local).toBe("hel");
  });
});

interface Command extends Flight {
  readonly by: number;
}
interface Event {
  readonly by: number;
  readonly text: string;
  readonly at: number;
  readonly outcome: Outcome;
}

/** The server's rule for short texts (SPEC R11, R12, R13), on one path. */
class Server {
  readonly log: { by: number; text: string }[] = [{ by: -1, text: "" }];
  readonly lost: string[] = [];

  take({ by, text, at }: Command): Event {
    const current = this.log.at(-1)?.text ?? "";
    const foreign = this.log.some((entry, index) => index > at && entry.by !== by);
    const { text: merged, clashed } = rebase(this.log[at]?.text ?? "", current, text);
    // Words that overlap: those that stand stay, the late ones are kept aside.
    if (foreign && clashed) this.lost.push(text);
    const now = foreign ? merged : text;
    this.log.push({ by, text: now });
    const outcome = foreign ? (clashed ? "conflicted" : "merged") : "applied";
    return { by, text: now, at: this.log.length - 1, outcome };
  }
}

class Client {
  state: FieldState = opened("", 0);
  readonly up: Command[] = [];
  readonly down: Event[] = [];
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  send(): void {
    if (!maySend(this.state)) return;
    this.state = sent(this.state);
    if (this.state.flight !== null) this.up.push({ ...this.state.flight, by: this.id });
  }

  hear(): void {
    const event = this.down.shift();
    if (event === undefined) return;
    const { by, text, at, outcome } = event;
    this.state = by === this.id ? answered(this.state, outcome, text, at, 0).state : arrived(this.state, text, at).state;
  }
}

describe("by chance", () => {
  test("every screen ends with the server's text, and no word is lost", () => {
    const next = random(17);
    const pick = (most: number): number => Math.floor(next() * most);
    const newWord = (): string => Array.from({ length: 8 }, () => "abcdefghijklmnopqrstuvwxyz"[pick(26)]).join("");
    let conflicts = 0;
    for (let round = 0; round < 300; round += 1) {
      const server = new Server();
      const clients = [0, 1, 2].map((id) => new Client(id));
      const words: string[] = [];
      const overwritten: string[] = [];
      for (let step = 0; step < 90; step += 1) {
        const client = clients[pick(3)] as Client;
        const what = pick(5);
        if (what === 0) {
          const { local } = client.state;
          const word = newWord();
          words.push(word);
          const spaces = [...local.matchAll(/ /g)].map(({ index }) => index);
          const place = spaces.length === 0 || pick(3) === 0 ? local.length : (spaces[pick(spaces.length)] ?? 0);
          client.state = typed(client.state, `${local.slice(0, place)} ${word}${local.slice(place)}`);
        } else if (what === 1) {
          // Take one's own or another's word away and put one in its place: this is what clashes.
          const found = [...client.state.local.matchAll(/[a-z]{8}/g)];
          const old = found[pick(found.length)];
          if (old !== undefined && pick(4) === 0) {
            overwritten.push(old[0]);
            const word = newWord();
            words.push(word);
            client.state = typed(client.state, client.state.local.replace(old[0], word));
          }
        } else if (what === 2) {
          client.send();
        } else if (what === 3) {
          client.hear();
        } else {
          const command = client.up.shift();
          if (command === undefined) continue;
          const event = server.take(command);
          for (const each of clients) each.down.push(event);
        }
      }
      for (let more = true; more; ) {
        for (const client of clients) {
          if (client.state.held) {
            const { base, local } = client.state;
            overwritten.push(...words.filter((word) => base.text.includes(word) && !local.includes(word)));
            client.state = chose(client.state, "mine");
          }
          client.send();
          const command = client.up.shift();
          const event = command === undefined ? null : server.take(command);
          for (const each of clients) if (event !== null) each.down.push(event);
          client.hear();
        }
        more = clients.some(({ down, up, state }) => down.length + up.length > 0 || isDirty(state) || state.flight !== null);
      }
      conflicts += server.lost.length;
      const text = server.log.at(-1)?.text ?? "";
      for (const { state } of clients) expect(state.local).toBe(text);
      const somewhere = `${server.log.map((entry) => entry.text).join("\n")}\n${server.lost.join("\n")}`;
      for (const word of words) expect(overwritten.includes(word) || somewhere.includes(word)).toBe(true);
      // What nobody took away and no record keeps is in the text.
      const kept = `${text}\n${server.lost.join("\n")}`;
      for (const word of words.filter((each) => !overwritten.includes(each))) expect(kept).toContain(word);
    }
    expect(conflicts).toBeGreaterThan(20);
  });
});
