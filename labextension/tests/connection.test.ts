/**
 * The connection and its sessions: joining, asking again, and commands that are settled once.
 *
 * Law: time, chance and sockets are the test's (see support/world); the server is the model in support/server.
 */
import { describe, expect, test } from "vitest";

import { Connection, type Note, type Settled } from "../src/index";
import { ModelServer } from "./support/server";
import { made, pass, served, settle, types } from "./support/served";
import { World } from "./support/world";

describe("a session", () => {
  test("is joined when the server has welcomed us, and again after a loss, from where it stands", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    expect(session.status).toBe("offline");
    await settle();
    expect(connection.status).toBe("open");
    expect(session.status).toBe("joined");
    expect(world.line.sent.find(({ type }) => type === "join_session")).toMatchObject({
      id: "page1:join",
      data: { epoch: null, sequence_id: null, hash: null, since: 1 },
    });
    server.append([{ op: "replace", path: "/scene/n", value: 1 }]);
    const first = world.line;
    const { userId } = connection;
    expect(userId).not.toBe("");
    first.end();
    expect(session.status).toBe("offline");
    expect(connection).toMatchObject({ welcome: null, userId });
    expect(session.replica.state).toEqual(server.state);
    server.append([{ op: "replace", path: "/scene/n", value: 2 }]);
    await pass(world, 1000);
    expect(world.line).not.toBe(first);
    expect(world.line.sent.find(({ type }) => type === "join_session")?.data).toMatchObject({ sequence_id: 1 });
    expect(session.replica.state).toEqual(server.state);
  });

  test("is one object, and several share the socket", async () => {
    const { world, connection } = served();
    expect(connection.session("s1")).toBe(connection.session("s1"));
    connection.session("s2");
    await settle();
    connection.session("s3");
    expect(world.line.sent.filter(({ type }) => type === "join_session").map((frame) => frame.session_id)).toEqual([
      "s1",
      "s2",
      "s3",
    ]);
    expect(world.lines).toHaveLength(1);
  });

  test("asks for what is missing, one question at a time", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    const { deliver } = server;
    server.deliver = () => {};
    server.append([{ op: "replace", path: "/scene/n", value: 1 }]);
    const unanswered: { [key: string]: unknown }[] = [];
    server.deliver = (line, frame) => void (frame["type"] === "state_sync" ? unanswered.push(frame) : line.receive(frame));
    for (let value = 2; value < 6; value += 1) server.append([{ op: "replace", path: "/scene/n", value }]);
    expect(world.line.sent.filter(({ type }) => type === "state_sync")).toHaveLength(1);
    server.deliver = deliver;
    // The answer is older than what was mentioned since: there is one more question.
    world.line.receive(unanswered[0]);
    expect(world.line.sent.filter(({ type }) => type === "state_sync")).toHaveLength(1);
    await pass(world, 500);
    expect(world.line.sent.filter(({ type }) => type === "state_sync")).toHaveLength(2);
    expect(session.replica).toMatchObject({ wantsSync: false, state: server.state });
  });

  test("that the server refuses stays refused, and whoever waits is told", async () => {
    const { world, server, connection } = served();
    server.refuse = (frame) => (frame.type === "join_session" ? { code: "no_session" } : null);
    const session = connection.session("s1");
    const waiting = session.say("hello");
    await settle();
    expect(session.status).toBe("refused");
    expect((await waiting).result).toMatchObject({ kind: "error", code: "no_session" });
    await expect(session.say("again")).rejects.toThrow("refused");
    world.line.end();
    await pass(world, 1000);
    expect(types(world.line)).not.toContain("join_session");
  });

  test("that cannot be joined just now is tried again", async () => {
    const { world, server, connection } = served();
    let failures = 2;
    server.refuse = (frame) =>
      frame.type === "join_session" && failures-- > 0 ? { code: "unavailable", retry_after: 0.5 } : null;
    const session = connection.session("s1");
    await pass(world, 3000, 60);
    expect(session.status).toBe("joined");
  });

  test("from which we were removed is refused", async () => {
    const { world, connection } = served();
    const session = connection.session("s1");
    await settle();
    const removed = { kind: "error", level: "error", code: "forbidden", message: "you were removed" };
    world.line.receive({ type: "system_message", session_id: "s1", id: null, data: removed });
    expect(session.status).toBe("refused");
    expect(session.refusal?.message).toBe("you were removed");
  });

  test("that was left hears no more and is not joined again", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    session.leave();
    expect(types(world.line)).toContain("leave_session");
    server.append([{ op: "replace", path: "/scene/n", value: 1 }]);
    expect(session.replica.state).not.toEqual(server.state);
    await expect(session.say("x")).rejects.toThrow("left");
    world.line.end();
    await pass(world, 1000);
    expect(types(world.line)).not.toContain("join_session");
  });

  test("sends cursors at most every 50 ms, the last one always", async () => {
    const { world, connection } = served();
    const session = connection.session("s1");
    await settle();
    for (let position = 0; position < 10; position += 1) session.cursor({ target: "/scene", position });
    world.run(200);
    const sent = world.line.sent.filter(({ type }) => type === "user_cursor").map(({ data }) => data["position"]);
    expect(sent).toEqual([0, 9]);
  });

  test("shows a host what it is asked", async () => {
    const { world, connection } = served();
    const session = connection.session("s1");
    await settle();
    const notes: Note[] = [];
    session.subscribe((note) => notes.push(note));
    world.line.receive({ type: "agent_action", session_id: "s1", data: { kind: "turn_request", task: "resolve" } });
    expect(notes).toEqual([{ kind: "task", task: { kind: "turn_request", task: "resolve" } }]);
  });
});

describe("commands", () => {
  test("wait for the connection, go in order with the epoch, and are settled by the server's word", async () => {
    const world = new World();
    const server = new ModelServer();
    world.onOpen = (line) => void queueMicrotask(() => server.connect(line));
    const connection = new Connection({ url: "ws://here", environment: world.environment() });
    const session = connection.session("s1");
    const first = session.say("one");
    const second = session.edit([{ op: "replace", path: "/scene/n", value: 5 }]);
    expect(connection.unsettled).toBe(2);
    connection.start();
    expect(await first).toMatchObject({ id: "page1:1", sequenceId: 1, result: { kind: "ack" } });
    expect(await second).toMatchObject({ id: "page1:2", sequenceId: 2 });
    await session.act({ kind: "claim", character: "mara" });
    expect(connection.unsettled).toBe(0);
    expect(world.line.sent.find(({ id }) => id === "page1:3")).toMatchObject({ type: "agent_action", epoch: "e1" });
    expect(world.kept.size).toBe(0);
  });

  test("whose answer was lost are sent again under their ids, and committed once", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    const { deliver } = server;
    server.deliver = () => {};
    const waiting = session.say("once");
    server.deliver = deliver;
    world.line.end();
    await pass(world, 1000);
    expect((await waiting).sequenceId).toBe(1);
    expect(server.log).toHaveLength(1);
  });

  test("are settled by the results that a sync brings", async () => {
    const { world, connection } = served();
    const session = connection.session("s1");
    await settle();
    world.line.onFrame = () => {};
    const waiting = session.say("x");
    const tail = { epoch: "e1", hash: "", view: "public", presence: [], provisional: null };
    const results = [{ id: "page1:1", sequence_id: 7, data: { kind: "ack", outcome: "merged" } }];
    const data = { kind: "up_to_date", ...tail, high_water: 1, results };
    world.line.receive({ type: "state_sync", session_id: "s1", sequence_id: 0, data });
    expect(await waiting).toEqual<Settled>({
      id: "page1:1",
      sequenceId: 7,
      result: { kind: "ack", outcome: "merged" },
    });
  });

  test("that were refused are settled; undecided ones are sent again when the server said", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    server.refuse = (frame) => (frame.type === "story_update" ? { code: "stale_base" } : null);
    expect((await session.say("x")).result).toMatchObject({ kind: "error", code: "stale_base" });
    server.refuse = (frame) => (frame.type === "story_update" ? { code: "rate", retry_after: 2 } : null);
    const waiting = session.say("y");
    await pass(world, 1900);
    expect(world.line.sent.filter(({ id }) => id === "page1:2")).toHaveLength(1);
    server.refuse = () => null;
    await pass(world, 400);
    expect(await waiting).toMatchObject({ id: "page1:2", result: { kind: "ack" } });
    expect(server.log).toHaveLength(1);
  });

  test("at which the server fails for ever are given up, so that others go on", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    server.refuse = (frame) => (frame.id === "page1:1" ? { code: "internal", retry_after: 0.1 } : null);
    const bad = session.say("poison");
    const good = session.say("fine");
    await pass(world, 120_000, 400);
    expect((await bad).result).toMatchObject({ code: "internal" });
    expect((await good).result).toMatchObject({ kind: "ack" });
  });

  test("that find us not joined make us join, and go again", async () => {
    const { world, server, connection } = served();
    const session = connection.session("s1");
    await settle();
    server.joined.get(world.line)?.clear();
    expect((await session.say("x")).result.kind).toBe("ack");
    expect(types(world.line).filter((type) => type === "join_session")).toHaveLength(2);
    expect(server.log).toHaveLength(1);
  });

  test("keep to the window that the welcome tells", async () => {
    const world = new World();
    const server = new ModelServer();
    server.limits = { in_flight: 2 };
    world.onOpen = (line) => void queueMicrotask(() => server.connect(line));
    const connection = made(world);
    const session = connection.session("s1");
    await settle();
    world.line.onFrame = () => {};
    for (let n = 0; n < 5; n += 1) void session.say("x");
    expect(world.line.sent.filter(({ type }) => type === "story_update")).toHaveLength(2);
    const ack = { type: "system_message", session_id: "s1", id: "page1:1", data: { kind: "ack", outcome: "applied" } };
    world.line.receive(ack);
    expect(world.line.sent.filter(({ type }) => type === "story_update")).toHaveLength(3);
  });

  test("outlive a reload under their old ids", async () => {
    const { world, server, connection } = served();
    connection.session("s1");
    await settle();
    server.deliver = () => {};
    void connection.session("s1").say("kept");
    connection.close();
    expect(world.kept.size).toBe(1);
    server.deliver = (line, frame) => line.receive(frame);
    const reloaded = made(world);
    expect(reloaded.unsettled).toBe(1);
    const session = reloaded.session("s1");
    const notes: Note[] = [];
    session.subscribe((note) => notes.push(note));
    void session.say("new");
    await settle();
    expect(world.line.sent.filter(({ type }) => type === "story_update").map(({ id }) => id)).toEqual([
      "page1:1",
      "page2:1",
    ]);
    expect(server.log.map(({ id }) => id)).toEqual(["page1:1", "page2:1"]);
    expect(notes.filter(({ kind }) => kind === "settled")).toHaveLength(2);
    expect(reloaded.unsettled).toBe(0);
    expect(world.kept.size).toBe(0);
  });

  test("do without a storage that fails", async () => {
    const broken = (): never => {
      throw new Error("forbidden");
    };
    const world = new World();
    const server = new ModelServer();
    world.onOpen = (line) => void queueMicrotask(() => server.connect(line));
    const environment = world.environment({ getItem: broken, setItem: broken, removeItem: broken });
    const connection = new Connection({ url: "ws://here", environment });
    connection.start();
    expect((await connection.session("s1").say("x")).result.kind).toBe("ack");
  });
});
