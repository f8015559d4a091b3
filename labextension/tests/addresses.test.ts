/**
 * Several servers of one store: which is tried next, and that nothing is lost or done twice on the way.
 *
 * Law: time, chance and sockets are the test's (see support/world). Two models that share log and answers are two
 * servers of one store.
 */
import { describe, expect, test } from "vitest";

import type { Connection, Note } from "../src/index";
import { Addresses } from "../src/addresses";
import { ModelServer } from "./support/server";
import { made, pass, served, settle } from "./support/served";
import { World, random, type Line } from "./support/world";

const URLS = ["ws://one/novel/api/ws", "ws://two/novel/api/ws"];

/** A connection that knows two servers; `away` are those that do not answer. */
function twice(seed = 1): { world: World; server: ModelServer; connection: Connection; away: Set<string> } {
  const world = new World(seed);
  const server = new ModelServer();
  const away = new Set<string>();
  world.onOpen = (line) => void queueMicrotask(() => (away.has(line.url) ? line.end() : server.connect(line)));
  return { world, server, away, connection: made(world, { url: URLS }) };
}

const visited = (world: World): string[] => world.lines.map(({ url }) => url.slice(5, 8));

describe("the next server", () => {
  test("is tried after a loss, a drain or a silence", async () => {
    for (const code of [1006, 1001, 4001, 4005]) {
      const { world, connection } = twice();
      await settle();
      world.line.end(code);
      await pass(world, 250);
      expect(connection.status, `${code}`).toBe("open");
      expect(visited(world)).toEqual(["one", "two"]);
    }
  });

  test("is not tried where nothing speaks against this one, or where there is no coming back", async () => {
    for (const code of [4002, 4003, 4004, 4006]) {
      const { world, connection } = twice();
      await settle();
      world.line.end(code);
      await pass(world, 250);
      expect(connection.status).toBe("open");
      expect(visited(world), `${code}`).toEqual(["one", "one"]);
    }
    const { world, connection } = twice();
    await settle();
    world.line.end(4503);
    await pass(world, 60_000);
    expect(connection.status).toBe("stopped");
    expect(visited(world)).toEqual(["one"]);
  });

  test("is not waited for when this one drains, and this one is left alone until it said", async () => {
    const { world, connection, away } = twice();
    await settle();
    world.line.receive({ type: "system_message", data: { kind: "drain", reconnect_after: 5 } });
    away.add(URLS[0] ?? "");
    world.line.end(4001);
    const from = world.time;
    await pass(world, 250);
    expect(connection.status).toBe("open");
    away.add(URLS[1] ?? "");
    world.line.end();
    while (world.lines.at(-1)?.url !== URLS[0]) await pass(world, 10, 1);
    expect(world.time - from).toBeGreaterThanOrEqual(5000);
  });

  test("is found however often all of them are away, with pauses that grow", async () => {
    const { world, connection, away } = twice();
    URLS.forEach((url) => away.add(url));
    await pass(world, 20_000, 2000);
    const tried = visited(world);
    expect(tried.length).toBeLessThan(60);
    expect(tried.every((name, at) => name === (at % 2 === 0 ? "one" : "two"))).toBe(true);
    away.delete(URLS[1] ?? "");
    await pass(world, 60_000, 600);
    expect(connection.status).toBe("open");
  });

  test("gets nothing if it takes the user for somebody else", async () => {
    const { world, server, connection } = twice();
    const session = connection.session("s1");
    await settle();
    const { deliver } = server;
    server.deliver = (line, frame) => {
      const data = frame["data"] as { kind?: string };
      const other = line.url === URLS[1] && data.kind === "welcome";
      deliver(line, other ? { ...frame, data: { ...data, user: { user_id: "bob", name: "Bob", kind: "person" } } } : frame);
    };
    world.line.end();
    void session.say("x");
    await pass(world, 2000);
    expect(connection.welcome?.user.user_id).toBe("ann");
    const strangers = world.lines.filter(({ url }) => url === URLS[1]);
    expect(strangers.length).toBeGreaterThan(0);
    expect(strangers.flatMap(({ sent }) => sent)).toEqual([]);
    expect(server.log.map(({ id }) => id)).toEqual(["page1:1"]);
  });

  test("one address is needed, and one is asked again and again", () => {
    expect(() => new Addresses([])).toThrow("at least one");
    const single = new Addresses(() => "ws://one");
    expect(single.next(1006, null, 0, 100, 0.5)).toBe(100);
    expect(single.next(4001, 5, 0, 100, 0)).toBe(5000);
    expect(single.url()).toBe("ws://one");
    expect(single.taken("ann") && single.taken("bob")).toBe(true);
  });
});

test("whichever servers are lost, every command is in the log once and the replica is the state", async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const chance = random(seed);
    const { world, server, connection } = twice(seed);
    world.onOpen = (line: Line) => void queueMicrotask(() => (chance() < 0.6 ? server.connect(line) : line.end()));
    server.deliver = (line, frame) => {
      if (chance() < 0.05) line.end(chance() < 0.5 ? 4001 : 1006);
      line.receive(frame);
    };
    const session = connection.session("s1");
    for (let step = 0; step < 30; step += 1) {
      void session.say("x");
      await pass(world, chance() * 400, 4);
    }
    server.deliver = (line, frame) => line.receive(frame);
    await pass(world, 120_000, 200);
    expect(connection.unsettled, `seed ${seed}`).toBe(0);
    expect(new Set(visited(world)).size, `seed ${seed}`).toBe(2);
    expect(server.log.map(({ id }) => id).sort()).toEqual([...Array(30)].map((_, n) => `page1:${n + 1}`).sort());
    expect(session.replica.state).toEqual(server.state);
    connection.close();
  }
});

describe("the store", () => {
  test("is said to be away and back, and anew by each server", async () => {
    const { world, connection } = twice();
    await settle();
    const told: boolean[] = [];
    connection.subscribe(({ storeAvailable }) => told.push(storeAvailable));
    const say = (available: boolean): void => {
      world.line.receive({ type: "system_message", session_id: null, data: { kind: "store", available } });
    };
    expect(connection.storeAvailable).toBe(true);
    say(false);
    expect([connection.storeAvailable, told.at(-1)]).toEqual([false, false]);
    say(true);
    expect([connection.storeAvailable, told.at(-1)]).toEqual([true, true]);
    say(false);
    world.line.end();
    await pass(world, 250);
    expect([connection.status, connection.storeAvailable, told.at(-1)]).toEqual(["open", true, true]);
  });

  test("may lose what was acknowledged, and then whoever listens to the session is told", async () => {
    const { world, connection } = served();
    const session = connection.session("s1");
    const notes: Note[] = [];
    session.subscribe((note) => notes.push(note));
    await settle();
    const { id } = await session.say("x");
    const refusal = { kind: "error", level: "error", code: "lost", message: "", reason: "stale_base" };
    world.line.receive({ type: "system_message", session_id: "s1", id, data: refusal });
    expect(notes.at(-1)).toEqual({ kind: "lost", id, refusal });
    expect(session.status).toBe("joined");
  });

  test("may come back with another history: it replaces the replica, and what was made in the old one is refused", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    await session.say("kept");
    const first = world.line;
    first.onFrame = () => {};
    const stale = session.say("of the old history");
    server.epoch = "e2";
    server.state = { scene: { n: 9 }, chat: {}, turn: { phase: "collect" } };
    server.refuse = (frame) => (frame.epoch === "e1" ? { code: "stale_epoch" } : null);
    first.end();
    await pass(world, 1000);
    expect((await stale).result).toMatchObject({ kind: "error", code: "stale_epoch" });
    expect(session.replica.head?.epoch).toBe("e2");
    expect(session.replica.state).toEqual(server.state);
    expect((await session.say("of the new one")).result.kind).toBe("ack");
    expect(session.replica.state).toEqual(server.state);
    expect(connection.unsettled).toBe(0);
  });
});
