/**
 * The queue of commands: ids, order, answers, and what a reload finds.
 *
 * Law: nothing leaves the queue but by an answer, and nothing overtakes within a session.
 */
import { describe, expect, test } from "vitest";

import {
  QueueFull,
  emptyOutbound,
  enqueue,
  isUndecided,
  nextMoment,
  postpone,
  restore,
  save,
  sendable,
  settle,
  since,
  unsent,
  type Body,
  type Outbound,
} from "../src/outbound";
import { ERROR_CODES } from "../src/protocol";
import { random } from "./support/world";

const everywhere = (): boolean => true;

function say(text: string): Body {
  return { type: "story_update", data: { kind: "chat", text } };
}

function filled(...sessions: string[]): Outbound {
  return sessions.reduce((queue, session) => enqueue(queue, session, say("x"), "e1").queue, emptyOutbound("c1"));
}

function ids(entries: readonly { id: string; sessionId: string }[]): string[] {
  return entries.map(({ id, sessionId }) => `${sessionId} ${id}`);
}

describe("ids", () => {
  test("count up from 1 in each session", () => {
    expect(ids(filled("a", "b", "a", "a").pending)).toEqual(["a c1:1", "b c1:1", "a c1:2", "a c1:3"]);
  });

  test("are never used twice, even when the queue was empty between", () => {
    const queue = settle(filled("a"), "a", "c1:1").queue;
    expect(enqueue(queue, "a", say("y"), null).id).toBe("c1:2");
  });

  test("since is the lowest without an answer, or the next", () => {
    const queue = filled("a", "a", "a");
    expect(since(queue, "a")).toBe(1);
    expect(since(settle(queue, "a", "c1:1").queue, "a")).toBe(2);
    expect(since(queue, "b")).toBe(1);
    const settled = ["c1:1", "c1:2", "c1:3"].reduce((at, id) => settle(at, "a", id).queue, queue);
    expect(since(settled, "a")).toBe(4);
  });
});

describe("sending", () => {
  test("goes in order, only where it is joined, each once", () => {
    const first = sendable(filled("a", "b", "a"), (session) => session === "a", 0, 9);
    expect(ids(first.send)).toEqual(["a c1:1", "a c1:2"]);
    expect(sendable(first.queue, (session) => session === "a", 0, 9).send).toEqual([]);
    expect(ids(sendable(first.queue, everywhere, 0, 9).send)).toEqual(["b c1:1"]);
  });

  test("keeps to the window", () => {
    const { queue, send } = sendable(filled("a", "a", "a"), everywhere, 0, 2);
    expect(ids(send)).toEqual(["a c1:1", "a c1:2"]);
    expect(ids(sendable(settle(queue, "a", "c1:1").queue, everywhere, 0, 2).send)).toEqual(["a c1:3"]);
  });

  test("what was put off waits, and holds back what follows in its session", () => {
    let queue = sendable(filled("a"), everywhere, 0, 9).queue;
    queue = postpone(queue, "a", "c1:1", 100);
    queue = enqueue(queue, "a", say("y"), null).queue;
    queue = enqueue(queue, "b", say("z"), null).queue;
    expect(nextMoment(queue)).toBe(100);
    const before = sendable(queue, everywhere, 99, 9);
    expect(ids(before.send)).toEqual(["b c1:1"]);
    expect(ids(sendable(before.queue, everywhere, 100, 9).send)).toEqual(["a c1:1", "a c1:2"]);
  });

  test("after a lost connection all of it goes again, in order", () => {
    const sent = sendable(filled("a", "b"), everywhere, 0, 9).queue;
    expect(ids(sendable(unsent(sent), everywhere, 0, 9).send)).toEqual(["a c1:1", "b c1:1"]);
    expect(ids(sendable(unsent(sent, "b"), everywhere, 0, 9).send)).toEqual(["b c1:1"]);
  });
});

describe("answers", () => {
  test("an unknown id settles nothing", () => {
    const queue = filled("a");
    expect(settle(queue, "b", "c1:1")).toEqual({ queue, settled: null });
    expect(settle(queue, "a", "c2:1").settled).toBeNull();
  });

  test("which are undecided says the server's own table", () => {
    const undecided = (Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]).filter(isUndecided);
    expect(undecided.sort()).toEqual(["in_flight", "internal", "rate", "unavailable"]);
  });

  test("the queue has a bound", () => {
    const queue = enqueue(emptyOutbound("c1", 1), "a", say("x"), null).queue;
    expect(() => enqueue(queue, "a", say("y"), null)).toThrow(QueueFull);
  });
});

describe("a reload", () => {
  test("resends the old queue under its old ids; new commands have the new one's", () => {
    const old = postpone(sendable(filled("a", "a"), everywhere, 0, 9).queue, "a", "c1:1", 1e9);
    const queue = enqueue(restore(save(old), "c2"), "a", say("new"), "e2").queue;
    const { send } = sendable(queue, everywhere, 0, 9);
    expect(ids(send)).toEqual(["a c1:1", "a c1:2", "a c2:1"]);
    expect(send[0]).toMatchObject({ body: say("x"), epoch: "e1" });
    expect(since(queue, "a")).toBe(1);
  });

  test("an empty queue needs no keeping", () => {
    expect(save(emptyOutbound("c1"))).toBeNull();
    expect(restore(null, "c2")).toEqual(emptyOutbound("c2"));
  });

  test.each(["", "x", "null", "[]", '{"version":2,"pending":[]}', '{"version":1,"pending":[{}]}', '{"version":1}'])(
    "what is no queue is none: %s",
    (text) => {
      expect(restore(text, "c2")).toEqual(emptyOutbound("c2"));
    },
  );

  test("keeps to the bound", () => {
    expect(restore(save(filled("a", "a", "a")), "c2", 2).pending).toHaveLength(2);
  });
});

test("whatever happens, each command is settled once and sent in order", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const chance = random(seed);
    let queue = emptyOutbound("c1");
    let now = 0;
    const made: string[] = [];
    const settled: string[] = [];
    for (let step = 0; step < 120; step += 1) {
      const dice = chance();
      now += 10;
      const waiting = queue.pending.filter(({ sent }) => sent);
      const some = waiting[Math.floor(chance() * waiting.length)];
      if (dice < 0.3) {
        const session = chance() < 0.5 ? "a" : "b";
        const added = enqueue(queue, session, say("x"), null);
        queue = added.queue;
        made.push(`${session} ${added.id}`);
      } else if (dice < 0.6) {
        const went = sendable(queue, everywhere, now, 3);
        for (const session of ["a", "b"]) {
          const sent = went.send.filter(({ sessionId }) => sessionId === session).map(({ id }) => Number(id.slice(3)));
          expect(sent, `seed ${seed}`).toEqual([...sent].sort((x, y) => x - y));
        }
        queue = went.queue;
        expect(queue.pending.filter(({ sent }) => sent).length, `seed ${seed}`).toBeLessThanOrEqual(3);
      } else if (dice < 0.65) queue = unsent(queue);
      else if (dice < 0.7) queue = restore(save(queue), "c1", 512).pending.length > 0 ? { ...queue } : queue;
      else if (some !== undefined && dice < 0.8) queue = postpone(queue, some.sessionId, some.id, now + 50);
      else if (some !== undefined) {
        queue = settle(queue, some.sessionId, some.id).queue;
        settled.push(`${some.sessionId} ${some.id}`);
      }
    }
    expect([...settled, ...ids(queue.pending)].sort(), `seed ${seed}`).toEqual([...made].sort());
  }
});
