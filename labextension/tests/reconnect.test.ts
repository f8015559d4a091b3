/**
 * Coming back: when, how often, after what, and that nothing was lost on the way.
 *
 * Law: time, chance and sockets are the test's (see support/world); the server is the model in support/server.
 */
import { describe, expect, test } from "vitest";

import { CAP_MS } from "../src/backoff";
import { ModelServer } from "./support/server";
import { made, pass, served, settle, types } from "./support/served";
import { World, random } from "./support/world";

describe("coming back", () => {
  test("is tried for ever, with full jitter and a cap", () => {
    const world = new World(7);
    const connection = made(world);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const at = world.time;
      world.line.end();
      expect(connection.status).toBe("waiting");
      const before = world.lines.length;
      while (world.lines.length === before) world.run(10);
      waits.push(world.time - at);
    }
    waits.slice(0, 6).forEach((wait, attempt) => expect(wait).toBeLessThanOrEqual(200 * 2 ** attempt + 10));
    const late = waits.slice(10);
    expect(Math.max(...late)).toBeLessThanOrEqual(CAP_MS + 10);
    expect(Math.max(...late)).toBeGreaterThan(CAP_MS * 0.9);
    expect(Math.min(...late)).toBeLessThan(CAP_MS * 0.1);
  });

  test("begins anew after a connection that lasted, not after one that did not", async () => {
    const { world, connection } = served(3);
    await settle();
    let longest = 0;
    for (let times = 0; times < 12; times += 1) {
      const from = world.time;
      world.line.end();
      while (connection.status !== "connecting") world.run(10);
      longest = Math.max(longest, world.time - from);
      await settle();
    }
    expect(longest).toBeGreaterThan(1000);
    await pass(world, 11_000);
    const at = world.time;
    world.line.end();
    while (connection.status === "waiting") world.run(10);
    expect(world.time - at).toBeLessThanOrEqual(210);
  });

  test.each([4501, 4503, 4508, 4509, 4510])("is of no use after %i, until it is asked for", async (code) => {
    const { world, connection } = served();
    await settle();
    world.line.end(code);
    expect(connection).toMatchObject({ status: "stopped", closeCode: code });
    await pass(world, 100_000);
    expect(world.lines).toHaveLength(1);
    connection.start();
    await settle();
    expect(connection.status).toBe("open");
  });

  test.each([1000, 1001, 1006, 1011, 1013, 4001, 4002, 4003, 4004, 4005, 4006])("works after %i", async (code) => {
    const { world, connection } = served();
    await settle();
    world.line.end(code);
    await pass(world, 3000);
    expect(connection.status).toBe("open");
  });

  test("waits as long as a draining server asked", async () => {
    const { world, connection } = served();
    await settle();
    world.line.receive({ type: "system_message", data: { kind: "drain", reconnect_after: 5 } });
    expect(connection.status).toBe("open");
    world.line.end(4001);
    world.run(4999);
    expect(connection.status).toBe("waiting");
    await pass(world, 2600);
    expect(connection.status).toBe("open");
    world.line.end(1006);
    await pass(world, 500);
    expect(connection.status).toBe("open");
  });

  test("does not wait when the network or the page is back", async () => {
    const { world, connection } = served();
    await settle();
    for (let times = 0; times < 8; times += 1) {
      world.line.end();
      expect(connection.status).toBe("waiting");
      world.wake();
      expect(connection.status).toBe("connecting");
      await settle();
      expect(connection.status).toBe("open");
    }
  });

  test("asks for a fresh URL each time", async () => {
    const world = new World();
    let asked = 0;
    const connection = made(world, { url: () => `ws://here?token=${(asked += 1)}` });
    world.line.end();
    await pass(world, 1000);
    expect(world.lines.map(({ url }) => url)).toEqual(["ws://here?token=1", "ws://here?token=2"]);
    connection.close();
  });

  test("happens when the server says nothing at all", async () => {
    const world = new World();
    made(world);
    await pass(world, 30_000);
    expect(world.lines.length).toBeGreaterThan(1);
  });
});

describe("signs of life", () => {
  test("a ping each heartbeat tells the latency", async () => {
    const { world, server, connection } = served();
    await settle();
    server.deliver = (line, frame) => {
      world.time += 40;
      line.receive(frame);
    };
    await pass(world, 60_000);
    expect(types(world.line).filter((type) => type === "ping").length).toBeGreaterThanOrEqual(3);
    expect(connection.latency).toBe(40);
    expect(world.lines).toHaveLength(1);
  });

  test("silence is a lost connection", async () => {
    const { world, server, connection } = served();
    await settle();
    server.deliver = () => {};
    await pass(world, 85_000, 200);
    expect(world.lines.length).toBeGreaterThan(1);
    expect(connection.closeCode === 4005 || connection.closeCode === 1006).toBe(true);
  });

  test("a page that is back looks at once whether its connection still is", async () => {
    const { world, server } = served();
    await settle();
    server.deliver = () => {};
    world.run(1);
    world.wake();
    await pass(world, 6000);
    expect(world.lines.length).toBeGreaterThan(1);
  });

  test("frames that make no sense change nothing", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    for (const text of ["", "{", "[]", '"x"', "17", '{"type":"news"}', '{"type":"news","session_id":"s1","data":{}}']) {
      world.line.receive(text);
    }
    server.append([{ op: "replace", path: "/scene/n", value: 1 }]);
    expect(session.replica.state).toEqual(server.state);
  });
});

describe("the end", () => {
  test("leaves no timer and no socket, and tells whoever waits", async () => {
    const { world, connection } = served();
    const session = connection.session("s1");
    await settle();
    world.line.onFrame = () => {};
    const waiting = session.say("x");
    session.cursor({ target: "/scene" });
    connection.close();
    await expect(waiting).rejects.toThrow("closed");
    expect(world.line.open).toBe(false);
    expect(world.timers).toBe(0);
    await pass(world, 60_000);
    expect(world.lines).toHaveLength(1);
  });
});

test("whatever the network does, every command is in the log once and the replica is the server's state", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const chance = random(seed);
    const world = new World(seed);
    const server = new ModelServer();
    world.onOpen = (line) => void queueMicrotask(() => (chance() < 0.7 ? server.connect(line) : line.end()));
    // A socket keeps its order; what it loses, it loses with all that follows.
    server.deliver = (line, frame) => {
      if (chance() < 0.03) line.end(chance() < 0.3 ? 4002 : 1006);
      line.receive(frame);
    };
    server.refuse = (frame) => (frame.type === "story_update" && chance() < 0.1 ? { code: "rate" } : null);
    let connection = made(world);
    const wanted: string[] = [];
    for (let step = 0; step < 40; step += 1) {
      if (step === 20) {
        connection.close();
        connection = made(world);
      }
      const session = connection.session("s1");
      void session.say("x");
      wanted.push(`${connection.clientId}:${(step % 20) + 1}`);
      await pass(world, chance() * 400, 4);
      if (chance() < 0.1) world.line.end();
    }
    server.refuse = () => null;
    server.deliver = (line, frame) => line.receive(frame);
    await pass(world, 120_000, 200);
    const { replica } = connection.session("s1");
    expect(connection.unsettled, `seed ${seed}`).toBe(0);
    expect(server.log.map(({ id }) => id).sort(), `seed ${seed}`).toEqual(wanted.sort());
    expect(replica.state, `seed ${seed}`).toEqual(server.state);
    expect(replica.head, `seed ${seed}`).toEqual(server.head);
    connection.close();
  }
});
