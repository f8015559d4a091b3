/**
 * A connection for a page, to the server that it came from or another.
 *
 * Law: what authenticates travels as Jupyter's own pages do it (cookie, or `?token=`), or as a single-use ticket, which
 * is asked for anew before each attempt.
 * Parts: `Server` (where, and as whom), `connect`, `ticketed`.
 */
import { Connection } from "../connection";
import { browserEnvironment, type Environment, type Socket } from "../environment";
import { Rest, RestError, type Request } from "./rest";

export interface Server {
  /** Of the Jupyter server, with a slash at the end; absolute, or a path of the page's own origin. */
  readonly baseUrl?: string;
  /** Where its sockets are, if elsewhere: with a slash at the end. */
  readonly wsUrl?: string;
  /** Read for each attempt: tokens change. */
  readonly token?: () => string;
  readonly request?: Request;
  /** The session for which each socket needs a ticket. */
  readonly ticketFor?: string;
}

export interface Connected {
  readonly connection: Connection;
  readonly rest: Rest;
}

/** A connection that is started. */
export function connect(server: Server = {}): Connected {
  const base = new URL(server.baseUrl ?? "/", globalThis.location.href);
  const rest = new Rest(base.href, server.request ?? withToken(server.token));
  const sockets = new URL(server.wsUrl ?? base.href, base.href);
  sockets.protocol = sockets.protocol.replace("http", "ws");
  const url = (): string => {
    const at = new URL("novel/api/ws", sockets);
    const token = server.token?.() ?? "";
    if (token !== "") at.searchParams.set("token", token);
    return at.href;
  };
  const plain = browserEnvironment();
  const { ticketFor } = server;
  const environment =
    ticketFor === undefined
      ? plain
      : {
          ...plain,
          open: ticketed(plain.open, async () => {
            const { ticket } = await rest.ask<{ ticket: string }>("ticket", "POST", { session_id: ticketFor });
            return ticket;
          }),
        };
  const storageKey = `novel_jupyter:outbound:${base.pathname}`;
  const connection = new Connection({ url, environment, storageKey });
  connection.start();
  return { connection, rest };
}

function withToken(token: (() => string) | undefined): Request {
  return (url, init) => {
    const said = token?.() ?? "";
    const headers = said === "" ? init.headers : { ...init.headers, Authorization: `token ${said}` };
    return fetch(url, headers === undefined ? init : { ...init, headers });
  };
}

const ABNORMAL = 1006;
/** A ticket that is refused for good is a socket that is: who is not known (any more), and who has no right. */
const REFUSED: { readonly [status: number]: number } = { 401: 4501, 403: 4501, 404: 4503, 410: 4503 };

/** Opens each socket with a ticket of its own. */
export function ticketed(open: Environment["open"], ask: () => Promise<string>): Environment["open"] {
  return (url, protocol, events) => {
    let socket: Socket | null = null;
    let over = false;
    const begin = async (): Promise<void> => {
      const at = new URL(url);
      try {
        at.searchParams.set("ticket", await ask());
      } catch (error) {
        if (!over) events.closed(error instanceof RestError ? (REFUSED[error.status] ?? ABNORMAL) : ABNORMAL, "no ticket");
        return;
      }
      if (!over) socket = open(at.href, protocol, events);
    };
    void begin();
    return {
      send: (text) => socket?.send(text),
      close: () => {
        over = true;
        socket?.close();
      },
    };
  };
}
