/**
 * Two people in one text, on a real server.
 *
 * Law: nothing is simulated; each step waits for what it needs to see.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { Connection, browserEnvironment, webSockets, type KeyValues, type Session } from "../../src/index";
import { Fields, type Field } from "../../src/ui/edit/fields";
import { isUnsaved } from "../../src/ui/edit/field";
import { story } from "../../src/ui/state";
import { JupyterServer } from "../support/jupyter";
import { kept } from "./edit-support";

const NOTE = "/notes/scene";
let server: JupyterServer;
let open: Connection[] = [];

/** Node's constructor can set headers; there a token stands in for a login's cookie. */
const Headed = WebSocket as unknown as new (
  url: string,
  init: { protocols: string[]; headers: { [name: string]: string } },
) => WebSocket;

interface Page {
  readonly connection: Connection;
  readonly session: Session;
  readonly field: Field;
}

function page(name: string, id: string, storage: KeyValues = kept()): Page {
  const environment = browserEnvironment({
    open: webSockets((url, protocol) => new Headed(url, { protocols: [protocol], headers: server.headers(name) })),
    storage,
    onWake: () => () => {},
  });
  const connection = new Connection({ url: server.socketUrl, environment });
  open.push(connection);
  const session = connection.session(id);
  const fields = new Fields({
    session,
    clientId: connection.clientId,
    unsettled: () => connection.unsettled,
    storage,
    now: () => Date.now(),
    after: (ms, action) => {
      const timer = setTimeout(action, ms);
      return () => clearTimeout(timer);
    },
  });
  connection.start();
  return { connection, session, field: fields.at(NOTE) };
}

async function until({ session, field }: Page, wanted: () => boolean): Promise<void> {
  if (wanted()) return;
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (!wanted()) return;
      for (const end of ends) end();
      resolve();
    };
    const ends = [session.subscribe(look), field.subscribe(look)];
  });
}

async function newSession(): Promise<string> {
  const { stories } = (await server.rest("ann", "stories")) as { stories: { name: string }[] };
  const made = await server.rest("ann", "sessions", { story: stories[0]?.name, settings: {}, seed: "7" });
  return (made as { session_id: string }).session_id;
}

async function together(): Promise<[Page, Page, string]> {
  const id = await newSession();
  const pages = [page("ann", id), page("ben", id)] as const;
  for (const each of pages) await until(each, () => each.session.status === "joined");
  return [...pages, id];
}

/** One letter after the other at the pace of a quick typist, where the caret is carried by what arrives. */
async function typeOut(field: Field, text: string, place: (before: string) => number): Promise<void> {
  let last = place(field.state.local);
  for (const letter of text) {
    const { local } = field.state;
    field.type(`${local.slice(0, last)}${letter}${local.slice(last)}`);
    last += 1;
    const end = field.subscribe(({ move }) => void (last = move(last)));
    await new Promise((resolve) => setTimeout(resolve, 12));
    end();
  }
}

async function settled(...pages: Page[]): Promise<void> {
  for (const each of pages) await until(each, () => !isUnsaved(each.field.state) || each.field.state.held);
  const heads = pages.map(({ session }) => session.replica.head?.sequence_id ?? 0);
  const last = Math.max(...heads);
  for (const each of pages) await until(each, () => (each.session.replica.head?.sequence_id ?? 0) >= last);
}

beforeAll(async () => {
  server = await JupyterServer.start(["ann", "ben"]);
});

afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(`the server said:\n${server.log}`);
  for (const connection of open) connection.close();
  open = [];
});

afterAll(async () => {
  await server?.dispose();
});

test("two people type into one note at the same time, and both find both", async () => {
  const [hers, his] = await together();
  hers.field.type("First line.\nLast line.");
  hers.field.flush();
  await until(his, () => his.field.state.local.includes("Last"));
  await Promise.all([
    typeOut(hers.field, " The lamp went out at nine and nobody said a word.", (text) => text.indexOf("\n")),
    typeOut(his.field, " The sea was loud, and the boat knocked at the stones.", (text) => text.length),
  ]);
  await settled(hers, his);
  const wanted =
    "First line. The lamp went out at nine and nobody said a word.\nLast line. The sea was loud, and the boat knocked at the stones.";
  expect(hers.field.state.local).toBe(wanted);
  expect(his.field.state.local).toBe(wanted);
  expect(story(his.session.replica).notes["scene"]).toBe(wanted);
  expect(story(his.session.replica).conflicts).toEqual({});
});

test("two people type at the same place of an empty note: no letter is lost", async () => {
  const [hers, his] = await together();
  await Promise.all([
    typeOut(hers.field, "The lamp went out.", () => 0),
    typeOut(his.field, "Somebody is on the stair.", () => 0),
  ]);
  for (const { field } of [hers, his]) {
    if (field.state.held) field.choose("mine");
    field.flush();
  }
  await settled(hers, his);
  expect(hers.field.state.local).toBe(his.field.state.local);
  const { conflicts } = story(hers.session.replica);
  const somewhere = [hers.field.state.local, ...Object.values(conflicts).map(({ lost }) => String(lost))];
  const letters = (text: string): string => [...text].sort().join("");
  if (Object.keys(conflicts).length === 0) {
    expect(letters(hers.field.state.local)).toBe(letters("The lamp went out.Somebody is on the stair."));
  }
  for (const word of ["lamp", "out.", "Somebody", "stair."]) expect(somewhere.join("\n")).toContain(word);
});

test("two people change the same words before they heard of each other: one stays, the other is kept, both see both", async () => {
  const [hers, his] = await together();
  hers.field.type("the cat");
  hers.field.flush();
  await until(his, () => his.field.state.local === "the cat");
  await settled(hers, his);
  hers.field.type("the dog");
  his.field.type("the bird");
  hers.field.flush();
  his.field.flush();
  await settled(hers, his);
  expect(hers.field.state.local).toBe(his.field.state.local);
  const { text: stays } = hers.field.state.base;
  for (const { session } of [hers, his]) {
    await until(hers, () => Object.keys(story(session.replica).conflicts).length === 1);
    const record = Object.values(story(session.replica).conflicts)[0];
    expect([record?.kept, record?.lost].sort()).toEqual(["the bird", "the dog"]);
    expect(record?.kept).toBe(stays);
  }
  const [pointer] = Object.keys(story(his.session.replica).conflicts);
  const late = stays === "the dog" ? his : hers;
  expect(late.field.state.outcome).toBe("conflicted");
  const { result } = await late.session.send({ type: "story_update", data: { kind: "settle", record: `/conflicts/${pointer}`, take: true } });
  expect(result.kind).toBe("ack");
  await settled(hers, his);
  expect(hers.field.state.local).toBe(stays === "the dog" ? "the bird" : "the dog");
});

test("a reload in mid-typing loses nothing, sent or not", async () => {
  const [, his, id] = await together();
  const storage = kept();
  const before = page("ann", id, storage);
  await until(before, () => before.session.status === "joined");
  before.field.type("It was sent");
  before.field.flush();
  before.field.type("It was sent and this was not");
  before.connection.close();
  expect(storage.all.size).toBe(2);
  his.field.type("Ben wrote this.");
  his.field.flush();
  await settled(his);
  const after = page("ann", id, storage);
  expect(after.field.state.local).toBe("It was sent and this was not");
  await until(after, () => after.session.status === "joined");
  await settled(after, his);
  const found = after.field.state.local;
  for (const words of ["It was sent and this was not", "Ben wrote this."]) expect(found).toContain(words);
  expect(his.field.state.local).toBe(found);
  expect(storage.all.size).toBe(0);
  expect(story(after.session.replica).conflicts).toEqual({});
});

test("what is typed while the server is gone arrives when it is back", async () => {
  const [hers, his] = await together();
  await server.end("SIGKILL");
  await until(hers, () => hers.session.status === "offline");
  hers.field.type("Written in the dark.");
  hers.field.flush();
  hers.field.type("Written in the dark. And on.");
  await server.start();
  for (const each of [hers, his]) await until(each, () => each.session.status === "joined");
  await settled(hers);
  await until(his, () => his.field.state.local === "Written in the dark. And on.");
}, 60_000);
