/**
 * A player asks what their character would do.
 *
 * Law: the server is the model in support/server; the host's answer is an event that the test appends.
 */
import { expect, test } from "vitest";

import type { JsonValue, Session, Suggested } from "../src/index";
import type { ModelServer } from "./support/server";
import { served, settle } from "./support/served";

const ANSWER = { action: { kind: "search", target: "cellar" }, words: "search the cellar", why: ["it may be there"], agent: null };

function put(server: ModelServer, path: string, value: JsonValue): void {
  server.append([{ op: "add", path, value }]);
}

async function asking(): Promise<{ server: ModelServer; session: Session; asked: Promise<Suggested> }> {
  const { server, connection } = served();
  const session = connection.session("s1");
  await settle();
  put(server, "/turn", { number: 3, branch: "main", phase: "collect" });
  put(server, "/seat:mara", { advice: { turn: 3, asked: 2, answer: null } });
  const asked = session.suggest("mara");
  await settle();
  return { server, session, asked };
}

test("and is told, with reasons, when the host has answered", async () => {
  const { server, session, asked } = await asking();
  put(server, "/chat/x", { text: "meanwhile" });
  put(server, "/seat:mara/advice", { turn: 3, asked: 2, answer: ANSWER });
  const { result, suggestion } = await asked;
  expect(result.kind).toBe("ack");
  expect(suggestion).toEqual({ character: "mara", ...ANSWER });
  expect(session.status).toBe("joined");
});

test("and hears that nobody could say", async () => {
  const { server, asked } = await asking();
  put(server, "/seat:mara/advice", { turn: 3, asked: 2, answer: { action: null, why: [], agent: "Mine" } });
  expect((await asked).suggestion).toEqual({ character: "mara", action: null, words: "", why: [], agent: "Mine" });
});

test("and waits no longer when the turn goes on, or the session is left", async () => {
  const first = await asking();
  put(first.server, "/turn/phase", "locked");
  expect((await first.asked).suggestion).toBeNull();
  const second = await asking();
  second.session.leave();
  expect((await second.asked).suggestion).toBeNull();
});

test("and is told why it was refused", async () => {
  const { server, connection } = served();
  const session = connection.session("s1");
  await settle();
  server.refuse = ({ data }) => (data["kind"] === "advise" ? { code: "not_your_seat" } : null);
  const { result, suggestion } = await session.suggest("mara");
  expect(result).toMatchObject({ kind: "error", code: "not_your_seat" });
  expect(suggestion).toBeNull();
});
