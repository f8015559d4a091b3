/** A page's way to the server: tickets before sockets, and what REST carries. */
// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from "vitest";

import type { Socket, SocketEvents } from "../../src/environment";
import { ticketed } from "../../src/ui/connect";
import { Rest, RestError } from "../../src/ui/rest";

interface Opened {
  readonly url: string;
  readonly events: SocketEvents;
}

function world(): { opened: Opened[]; open: (url: string, protocol: string, events: SocketEvents) => Socket; closed: number } {
  const found = {
    opened: [] as Opened[],
    closed: 0,
    open: (url: string, _: string, events: SocketEvents): Socket => {
      found.opened.push({ url, events });
      return { send: () => undefined, close: () => void (found.closed += 1) };
    },
  };
  return found;
}

const quiet: SocketEvents = { received: () => undefined, closed: () => undefined };

describe("a ticket", () => {
  it("is asked for anew for each socket, and stands in its address alone", async () => {
    const { opened, open } = world();
    let count = 0;
    const withTicket = ticketed(open, async () => `t${(count += 1)}`);
    withTicket("ws://host/novel/api/ws", "p", quiet);
    withTicket("ws://host/novel/api/ws", "p", quiet);
    await vi.waitFor(() => expect(opened.map(({ url }) => url)).toEqual(["ws://host/novel/api/ws?ticket=t1", "ws://host/novel/api/ws?ticket=t2"]));
  });

  it.each([
    [new RestError(403, "forbidden", "log in first"), 4501],
    [new RestError(410, "no_invite", "over"), 4503],
    [new RestError(503, "unavailable", "away"), 1006],
    [new TypeError("no network"), 1006],
  ])("that is refused closes as %s", async (error, code) => {
    const { opened, open } = world();
    const codes: number[] = [];
    ticketed(open, () => Promise.reject(error))("ws://host/", "p", { ...quiet, closed: (said) => codes.push(said) });
    await vi.waitFor(() => expect(codes).toEqual([code]));
    expect(opened).toEqual([]);
  });

  it("opens nothing after a close", async () => {
    const { opened, open } = world();
    let give: (ticket: string) => void = () => undefined;
    const socket = ticketed(open, () => new Promise((resolve) => (give = resolve)))("ws://host/", "p", quiet);
    socket.close();
    give("late");
    await Promise.resolve();
    await Promise.resolve();
    expect(opened).toEqual([]);
  });
});

describe("REST", () => {
  afterEach(() => {
    document.cookie = "_xsrf=; expires=Thu, 01 Jan 1970 00:00:00 GMT";
  });

  it("carries the XSRF token with what writes, and tells refusals by their code", async () => {
    document.cookie = "_xsrf=abc";
    const asked: { url: string; init: RequestInit }[] = [];
    const rest = new Rest("http://host/base/", async (url, init) => {
      asked.push({ url, init });
      return init.method === "GET"
        ? new Response(JSON.stringify({ stories: [] }))
        : new Response(JSON.stringify({ code: "no_invite", message: "over" }), { status: 410 });
    });
    await rest.ask("stories");
    expect(asked[0]?.url).toBe("http://host/base/novel/api/stories");
    expect(asked[0]?.init.headers).toEqual({});
    const refused = rest.ask("guests", "POST", { name: "Zoe" });
    await expect(refused).rejects.toMatchObject({ code: "no_invite", status: 410, message: "over" });
    expect(asked[1]?.init.headers).toEqual({ "Content-Type": "application/json", "X-XSRFToken": "abc" });
  });

  it("does not take a page of somebody else for an answer", async () => {
    const rest = new Rest("http://host/", async () => new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
    await expect(rest.ask("stories")).rejects.toMatchObject({ code: "internal", status: 502 });
    const login = new Rest("http://host/", async () => new Response("<html>Log in", { status: 200 }));
    await expect(login.ask("stories")).rejects.toBeInstanceOf(RestError);
  });
});
