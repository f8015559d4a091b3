/**
 * The reducer: what each frame does to what a client knows.
 *
 * Law: frames may be lost, repeated and reordered; after a sync that arrives, the replica is the server's state.
 */
import { describe, expect, test } from "vitest";

import { emptyReplica, headEcho, isEvent, reduce, type Op, type Replica, type ServerMessage } from "../src/index";
import { ModelServer } from "./support/server";
import { random } from "./support/world";

function take(replica: Replica, ...frames: unknown[]): Replica {
  return frames.reduce<Replica>((at, frame) => reduce(at, frame as ServerMessage).replica, replica);
}

function sync(server: ModelServer, replica: Replica): unknown {
  return server.sync({ type: "state_sync", session_id: "s1", data: { ...headEcho(replica) } });
}

function joined(server: ModelServer): Replica {
  return take(emptyReplica("s1"), sync(server, emptyReplica("s1")));
}

function set(n: number): Op[] {
  return [{ op: "replace", path: "/scene/n", value: n }];
}

const ANN = { user_id: "ann", name: "Ann", kind: "person" };

describe("events", () => {
  test("the next one is applied, whatever its kind", () => {
    const server = new ModelServer();
    const before = joined(server);
    const step = reduce(before, server.append(set(1)) as unknown as ServerMessage);
    expect(step.replica.state).toEqual(server.state);
    expect(step.replica.head).toEqual(server.head);
    expect(step.applied.map((event) => event.sequence_id)).toEqual([1]);
    expect(before.state).toEqual({ scene: { n: 0 }, chat: {}, turn: { phase: "collect" } });
  });

  test("a hidden one moves the head and nothing else", () => {
    const server = new ModelServer();
    const before = joined(server);
    const after = take(before, server.append([], null, true));
    expect(after.state).toBe(before.state);
    expect(after.head).toEqual(server.head);
  });

  test("one that is known is ignored", () => {
    const server = new ModelServer();
    const first = server.append(set(1));
    const after = take(joined(server), server.append(set(2)));
    expect(take(after, first).state).toEqual(after.state);
    expect(take(after, first).wantsSync).toBe(false);
  });

  test("a gap wants a sync, and a delta fills it", () => {
    const server = new ModelServer();
    const before = joined(server);
    server.append(set(1));
    const gap = take(before, server.append(set(2)));
    expect(gap.wantsSync).toBe(true);
    expect(gap.state).toBe(before.state);
    const step = reduce(gap, sync(server, gap) as ServerMessage);
    expect(step.applied.map((event) => event.sequence_id)).toEqual([1, 2]);
    expect(step.replica).toMatchObject({ wantsSync: false, head: server.head, state: server.state });
  });

  test("a delta that ends before what was mentioned is not enough", () => {
    const server = new ModelServer();
    const before = joined(server);
    server.append(set(1));
    const old = sync(server, before);
    server.append(set(2));
    const late = server.append(set(3));
    const after = take(before, late, old);
    expect(after.head?.sequence_id).toBe(1);
    expect(after.wantsSync).toBe(true);
  });

  test("the same number with another hash is another history", () => {
    const server = new ModelServer();
    const after = take(joined(server), server.append(set(1)));
    const other = { ...server.log[0], hash: "other" };
    expect(take(after, other).wantsSync).toBe(true);
  });

  test("one that does not fit asks for the whole state, and shows the old one meanwhile", () => {
    const server = new ModelServer();
    const before = joined(server);
    const wrong = { ...server.append(set(1)), data: { kind: "edit", patch: [{ op: "remove", path: "/absent" }] } };
    const after = take(before, wrong);
    expect(after).toMatchObject({ head: null, wantsSync: true, state: before.state });
    expect(headEcho(after)).toEqual({ epoch: null, sequence_id: null, hash: null });
    expect(take(after, sync(server, after))).toMatchObject({ wantsSync: false, head: server.head });
  });

  test("before the first sync there is nothing to apply them to", () => {
    const server = new ModelServer();
    const after = take(emptyReplica("s1"), server.append(set(1)));
    expect(after).toMatchObject({ head: null, wantsSync: true, state: {} });
  });
});

describe("syncs", () => {
  test("a conflict brings the server's history, however far ahead the client was", () => {
    const server = new ModelServer();
    let replica = joined(server);
    for (let n = 1; n < 5; n += 1) replica = take(replica, server.append(set(n)));
    const restored = new ModelServer();
    restored.epoch = "e2";
    restored.append(set(9));
    const answer = sync(restored, replica) as { data: { kind: string } };
    expect(answer.data.kind).toBe("conflict");
    const step = reduce(replica, answer as unknown as ServerMessage);
    expect(step.reset).toBe(true);
    expect(step.replica).toMatchObject({ head: restored.head, state: restored.state, wantsSync: false });
  });

  test("a full_sync for a changed view drops partitions that are seen no more", () => {
    const server = new ModelServer();
    const seated = { ...joined(server), view: "seats:mara", state: { ...server.state, "seat:mara": { x: 1 } } };
    expect(take(seated, sync(server, emptyReplica("s1")))).toMatchObject({ view: "public", state: server.state });
  });

  test("a full_sync from before is ignored", () => {
    const server = new ModelServer();
    const old = sync(server, emptyReplica("s1"));
    const replica = take(joined(server), server.append(set(1)));
    expect(take(replica, old)).toBe(replica);
  });

  test("an up_to_date that is ahead of the replica wants another", () => {
    const server = new ModelServer();
    const replica = joined(server);
    server.append(set(1));
    const elsewhere = { ...replica, head: { ...server.head } };
    expect(take(replica, sync(server, elsewhere)).wantsSync).toBe(true);
  });
});

test("an up_to_date of another history at the same number wants another sync", () => {
  const server = new ModelServer();
  const replica = take(joined(server), server.append(set(1)));
  const answer = sync(server, replica) as { data: object };
  expect(take(replica, answer)).toMatchObject({ wantsSync: false });
  expect(take(replica, { ...answer, data: { ...answer.data, hash: "other" } }).wantsSync).toBe(true);
});

describe("what is live", () => {
  function telling(): Replica {
    const server = new ModelServer();
    server.append([{ op: "replace", path: "/turn/phase", value: "narrating" }]);
    return joined(server);
  }
  function chunk(offset: number, text: string, turn = 1): unknown {
    return { type: "story_update", data: { kind: "narration", turn, attempt: 0, offset, text } };
  }

  test("chunks are put together by offset; repeats and holes change nothing", () => {
    let replica = take(telling(), chunk(0, "The lamp "), chunk(9, "went "));
    expect(replica.provisional?.text).toBe("The lamp went ");
    replica = take(replica, chunk(9, "went "), chunk(0, "The lamp "), chunk(99, "lost"));
    expect(replica.provisional?.text).toBe("The lamp went ");
    expect(take(replica, chunk(14, "out.")).provisional?.text).toBe("The lamp went out.");
  });

  test("offsets count UTF-16 units", () => {
    expect(take(telling(), chunk(0, "😀"), chunk(2, "!")).provisional?.text).toBe("😀!");
  });

  test("a new teller begins anew, and another turn too", () => {
    const replica = take(telling(), chunk(0, "Once upon"), chunk(0, "It was"));
    expect(replica.provisional?.text).toBe("It was");
    expect(take(replica, chunk(0, "Then", 2)).provisional).toEqual({ turn: 2, attempt: 0, text: "Then" });
  });

  test("the commit ends it, and a late chunk does not bring it back", () => {
    const server = new ModelServer();
    server.append([{ op: "replace", path: "/turn/phase", value: "narrating" }]);
    const progress = { type: "system_message", data: { kind: "progress", agent: "mara", text: "is deciding", turn: 1, attempt: 0 } };
    let replica = take(joined(server), progress, chunk(0, "Once"));
    expect(replica.progress.get("mara")?.text).toBe("is deciding");
    replica = take(replica, server.append([{ op: "replace", path: "/turn/phase", value: "collect" }]), chunk(4, " upon"));
    expect(replica.provisional).toBeNull();
    expect(replica.progress.size).toBe(0);
  });

  test("presence replaces presence; cursors go with their users", () => {
    const cursor = { user_id: "ann", connection_id: "k1", target: "/scene", position: 1 };
    const presence = { type: "system_message", data: { kind: "presence", users: [{ ...ANN, connections: 1 }] } };
    let replica = take(joined(new ModelServer()), presence, { type: "user_cursor", data: { cursors: [cursor] } });
    expect(replica.presence).toHaveLength(1);
    expect(replica.cursors.get("k1")).toEqual(cursor);
    const gone = { type: "user_cursor", data: { cursors: [{ ...cursor, target: null }] } };
    expect(take(replica, gone).cursors.size).toBe(0);
    replica = take(replica, { type: "leave_session", data: { kind: "left", user: ANN } });
    expect(replica.presence).toEqual([]);
    expect(replica.cursors.size).toBe(0);
    replica = take(replica, { type: "join_session", data: { kind: "arrived", user: ANN } });
    expect(take(replica, { type: "join_session", data: { kind: "arrived", user: ANN } }).presence).toEqual([
      { ...ANN, connections: 1 },
    ]);
  });

  test("frames that are not about the replica leave the same object", () => {
    const replica = joined(new ModelServer());
    for (const data of [{ kind: "pong" }, { kind: "ack", outcome: "applied" }, { kind: "news" }]) {
      expect(take(replica, { type: "system_message", data })).toBe(replica);
    }
    expect(take(replica, { type: "news", data: {} })).toBe(replica);
  });
});

describe("whatever happens on the way", () => {
  test("lost, repeated and reordered frames end in the server's state", () => {
    for (let seed = 1; seed <= 500; seed += 1) shaken(seed);
  });

  function shaken(seed: number): void {
    const chance = random(seed);
    const server = new ModelServer();
    let replica = joined(server);
    let onTheWay: unknown[] = [];
    for (let step = 0; step < 60; step += 1) {
      const dice = chance();
      if (dice < 0.45) onTheWay.push(server.append(set(step), null, chance() < 0.2));
      else if (dice < 0.5) {
        onTheWay.push({ type: "story_update", data: { kind: "narration", turn: 1, attempt: 0, offset: 0, text: "x" } });
      } else if (dice < 0.53 && chance() < 0.3) {
        // The history was reset, which no connection outlives: nothing old is delivered any more, and the answer to
        // the new join comes first.
        server.epoch = `e${step}`;
        server.log.length = 0;
        onTheWay = [];
        replica = take(replica, sync(server, replica));
      } else if (dice < 0.6 && replica.wantsSync) onTheWay.push(sync(server, replica));
      else if (onTheWay.length > 0) {
        const at = Math.floor(chance() * onTheWay.length);
        const frame = onTheWay[at];
        if (chance() < 0.8) onTheWay.splice(at, 1);
        if (chance() < 0.8) replica = take(replica, frame);
      }
    }
    for (let tries = 0; replica.head?.hash !== server.head.hash && tries < 4; tries += 1) {
      replica = take(replica, sync(server, replica));
    }
    expect(replica.head, `seed ${seed}`).toEqual(server.head);
    expect(replica.state, `seed ${seed}`).toEqual(server.state);
    expect(replica.wantsSync, `seed ${seed}`).toBe(false);
    expect(replica.provisional, `seed ${seed}`).toBeNull();
  }

  test("an event is known by its hash alone", () => {
    const server = new ModelServer();
    expect(isEvent(server.append(set(1)) as unknown as ServerMessage)).toBe(true);
    expect(isEvent(sync(server, emptyReplica("s1")) as ServerMessage)).toBe(false);
  });
});
