/**
 * The client against a real server: two people, one story, and a server that is killed.
 *
 * Law: nothing is simulated and nothing waits for a time to pass; each step waits for what it needs to see. Every frame
 * that arrived is afterwards read by the server's own models.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import {
  Connection,
  browserEnvironment,
  isObject,
  lookup,
  stateHash,
  webSockets,
  type Environment,
  type KeyValues,
  type RuleState,
  type Session,
} from "../src/index";
import { JupyterServer, runPython } from "./support/jupyter";

let server: JupyterServer;
let connections: Connection[] = [];
const frames = new Map<string, string>();

/** The browser's constructor cannot set headers, Node's can; there the token stands in for a login's cookie. */
const Headed = WebSocket as unknown as new (
  url: string,
  init: { protocols: string[]; headers: { [name: string]: string } },
) => WebSocket;

function environment(name: string, storage: KeyValues | null = null): Environment {
  const open = webSockets((url, protocol) => {
    const socket = new Headed(url, { protocols: [protocol], headers: server.headers(name) });
    // One frame of each shape is enough to be read by the models afterwards.
    socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
      const { type, data: content } = JSON.parse(data) as { type: string; data: { kind?: string } };
      frames.set(`${type} ${content.kind ?? ""} ${data.length % 7}`, data);
    });
    return socket;
  });
  return browserEnvironment({ open, storage, onWake: () => () => {} });
}

function connect(name: string, storage: KeyValues | null = null): Connection {
  const connection = new Connection({ url: server.socketUrl, environment: environment(name, storage) });
  connections.push(connection);
  connection.start();
  return connection;
}

/** Done when the session is as `wanted`. */
async function until(session: Session, wanted: (session: Session) => boolean): Promise<void> {
  if (wanted(session)) return;
  await new Promise<void>((resolve) => {
    const end = session.subscribe(() => {
      if (!wanted(session)) return;
      end();
      resolve();
    });
  });
}

const joined = (session: Session): Promise<void> => until(session, ({ status }) => status === "joined");

function rules(session: Session): RuleState {
  return session.replica.state as unknown as RuleState;
}

async function newSession(): Promise<string> {
  const { stories } = (await server.rest("ann", "stories")) as { stories: { name: string }[] };
  const made = await server.rest("ann", "sessions", { story: stories[0]?.name, settings: {}, seed: "7" });
  return (made as { session_id: string }).session_id;
}

interface Shown {
  head: { sequence_id: number; hash: string };
  view: string;
  hash: string;
}

/** Both screens show exactly what the server has for each of them. */
async function same(...pairs: [string, Session][]): Promise<void> {
  for (const [name, session] of pairs) {
    const shown = (await server.rest(name, `sessions/${session.id}/state`)) as Shown;
    await until(session, ({ replica }) => (replica.head?.sequence_id ?? 0) >= shown.head.sequence_id);
    expect(session.replica.head).toMatchObject(shown.head);
    expect(session.replica.view).toBe(shown.view);
    expect(await stateHash(session.replica.state)).toBe(shown.hash);
  }
}

beforeAll(async () => {
  server = await JupyterServer.start(["ann", "bob"]);
});

afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(`the server said:\n${server.log}`);
  for (const connection of connections) connection.close();
  connections = [];
});

afterAll(async () => {
  await server?.dispose();
});

describe("two people on one server", () => {
  test("see each other's edits, words and cursors", async () => {
    const id = await newSession();
    const [ann, bob] = [connect("ann"), connect("bob")];
    const [hers, his] = [ann.session(id), bob.session(id)];
    await Promise.all([joined(hers), joined(his)]);
    expect(ann.welcome?.user).toMatchObject({ user_id: "ann", kind: "person" });
    await until(hers, ({ replica }) => replica.presence.length === 2);

    const edited = await hers.edit([{ op: "add", path: "/notes/lamp", value: "It is out. 😀" }]);
    expect(edited.result).toMatchObject({ kind: "ack", outcome: "applied" });
    await until(his, ({ replica }) => lookup(replica.state, ["notes", "lamp"]) !== undefined);
    const said = await his.say("Who did that?");
    await until(hers, ({ replica }) => (replica.head?.sequence_id ?? 0) >= (said.sequenceId ?? 0));
    expect(Object.values(rules(hers).chat)).toContainEqual(expect.objectContaining({ text: "Who did that?" }));

    his.cursor({ target: "/notes/lamp", position: 3, selection: [3, 5], typing: true });
    await until(hers, ({ replica }) => replica.cursors.size === 1);
    expect([...hers.replica.cursors.values()][0]).toMatchObject({ user_id: "bob", position: 3 });
    await same(["ann", hers], ["bob", his]);
    bob.close();
    await until(hers, ({ replica }) => replica.cursors.size === 0);
  });

  test("see what their seats let them see", async () => {
    const id = await newSession();
    const [hers, his] = [connect("ann").session(id), connect("bob").session(id)];
    await Promise.all([joined(hers), joined(his)]);
    const seat = Object.entries(rules(hers).seats).find(([, { playable }]) => playable)?.[0] ?? "";
    await hers.act({ kind: "claim", character: seat });
    await until(hers, ({ replica }) => replica.view === `seats:${seat}`);
    expect(isObject(hers.replica.state[`seat:${seat}`])).toBe(true);
    expect((await hers.edit([{ op: "add", path: `/seat:${seat}/plan`, value: "wait" }])).result.kind).toBe("ack");
    await same(["ann", hers], ["bob", his]);
    expect(Object.keys(his.replica.state).filter((name) => name.startsWith("seat:"))).toEqual([]);
    expect((await his.act({ kind: "claim", character: seat })).result).toMatchObject({ code: "seat_taken" });
    expect((await his.edit([{ op: "add", path: `/seat:${seat}/plan`, value: "peek" }])).result.kind).toBe("error");
  });

  test("lose nothing when the server is killed, twice, in the middle of their commands", async () => {
    const id = await newSession();
    const [ann, bob] = [connect("ann"), connect("bob")];
    const [hers, his] = [ann.session(id), bob.session(id)];
    await Promise.all([joined(hers), joined(his)]);
    const wanted = new Map<string, string>();
    for (let round = 0; round < 2; round += 1) {
      const sent = Array.from({ length: 60 }, (_, n) => {
        const session = n % 2 === 0 ? hers : his;
        return n % 3 === 0
          ? session.say(`${round} ${n}`)
          : session.edit([{ op: "add", path: `/notes/n${round}_${n}`, value: n }]);
      });
      await sent[3 + 10 * round];
      await server.end("SIGKILL");
      await Promise.all([hers, his].map((session) => until(session, ({ status }) => status === "offline")));
      sent.push(hers.say(`${round} offline`));
      await server.start();
      for (const { id: command, result } of await Promise.all(sent)) {
        expect(result).toMatchObject({ kind: "ack" });
        wanted.set(command, `${round}`);
      }
    }
    await Promise.all([joined(hers), joined(his)]);
    expect([ann.unsettled, bob.unsettled]).toEqual([0, 0]);
    await same(["ann", hers], ["bob", his]);
    expect(await stateHash(hers.replica.state)).toBe(await stateHash(his.replica.state));

    const { events } = (await server.rest("ann", `sessions/${id}/events?after=0&limit=500`)) as {
      events: { id: string | null; sequence_id: number }[];
    };
    expect(events.map(({ sequence_id }) => sequence_id)).toEqual(events.map((_, at) => at + 1));
    const ids = events.map((event) => event.id).filter((found) => found !== null && wanted.has(found));
    expect(ids.sort()).toEqual([...wanted.keys()].sort());
  }, 90_000);

  test("lose nothing when the page is reloaded before the server had answered", async () => {
    const id = await newSession();
    const kept = new Map<string, string>();
    const storage: KeyValues = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    };
    const before = connect("ann", storage);
    const session = before.session(id);
    await joined(session);
    const old = Array.from({ length: 5 }, (_, n) => session.edit([{ op: "add", path: `/notes/r${n}`, value: n }]));
    before.close();
    await Promise.allSettled(old);
    const after = connect("ann", storage);
    expect(after.unsettled).toBe(5);
    const again = after.session(id);
    expect((await again.say("back")).result.kind).toBe("ack");
    expect([0, 1, 2, 3, 4].map((n) => lookup(again.replica.state, ["notes", `r${n}`]))).toEqual([0, 1, 2, 3, 4]);
    expect(after.unsettled).toBe(0);
    expect(kept.size).toBe(0);
    await same(["ann", again]);
  });

  test("come back to a server that drained", async () => {
    const id = await newSession();
    const ann = connect("ann");
    const session = ann.session(id);
    await joined(session);
    const codes: (number | null)[] = [];
    ann.subscribe(({ status, closeCode }) => void (status === "waiting" && codes.push(closeCode)));
    await server.end("SIGTERM");
    await until(session, ({ status }) => status === "offline");
    expect(codes[0]).toBe(4001);
    await server.start();
    await joined(session);
    await same(["ann", session]);
  });

  test("are told of a session that is not theirs or not there", async () => {
    const session = connect("bob").session("nowhere");
    await until(session, ({ status }) => status === "refused");
    expect(session.refusal).toMatchObject({ kind: "error", code: "no_session" });
  });
});

test("every frame that came is one that the models know", () => {
  const program = [
    "import json, sys",
    "from novel_jupyter.core.outgoing import SERVER",
    "for frame in json.load(sys.stdin): SERVER.validate_json(frame)",
  ].join("\n");
  expect(frames.size).toBeGreaterThan(10);
  expect(runPython(program, JSON.stringify([...frames.values()]))).toBe("");
});
