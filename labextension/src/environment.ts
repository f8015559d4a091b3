/**
 * What a connection needs of the world, so that a test can be the world.
 *
 * Law: time, chance, sockets and storage come in through here and nowhere else.
 * Parts: `Socket`, `Environment`, `webSockets` (a socket from a WebSocket constructor), `browserEnvironment`.
 */

/** One socket that was opened. After `closed` nothing more is heard of it. */
export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  received(text: string): void;
  closed(code: number, reason: string): void;
}

/** Where a page keeps what must outlive a reload. `sessionStorage` is one. */
export interface KeyValues {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Environment {
  /** Open a socket with a subprotocol. Throws only for a URL that can never work. */
  open(url: string, protocol: string, events: SocketEvents): Socket;
  /** Milliseconds of a clock that is not set back. */
  now(): number;
  /** Call back once after `ms`; the result cancels it. */
  after(ms: number, action: () => void): () => void;
  /** From [0, 1). */
  random(): number;
  /** A text that no other page load has. */
  newId(): string;
  readonly storage: KeyValues | null;
  /** Call back when it looks worthwhile to try at once (the network or the page is back); the result ends that. */
  onWake(action: () => void): () => void;
}

/** Opens sockets with a constructor of the browser's kind. */
export function webSockets(
  make: (url: string, protocol: string) => WebSocket = (url, protocol) => new WebSocket(url, protocol),
): Environment["open"] {
  return (url, protocol, events) => {
    const socket = make(url, protocol);
    let over = false;
    const ended = (code: number, reason: string): void => {
      if (over) return;
      over = true;
      events.closed(code, reason);
    };
    socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (!over && typeof data === "string") events.received(data);
    });
    socket.addEventListener("close", ({ code, reason }) => ended(code, reason));
    return {
      send(text) {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      close() {
        over = true;
        socket.close();
      },
    };
  };
}

function storageOfPage(): KeyValues | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // a page may be forbidden to keep anything
  }
}

/** The world of a browser's page. Parts of it may be replaced. */
export function browserEnvironment(parts: Partial<Environment> = {}): Environment {
  return {
    open: webSockets(),
    now: () => performance.now(),
    after: (ms, action) => {
      const timer = setTimeout(action, ms);
      return () => clearTimeout(timer);
    },
    random: () => Math.random(),
    newId: () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join(""),
    storage: storageOfPage(),
    onWake: (action) => {
      const seen = (): void => {
        if (document.visibilityState === "visible") action();
      };
      globalThis.addEventListener("online", action);
      document.addEventListener("visibilitychange", seen);
      return () => {
        globalThis.removeEventListener("online", action);
        document.removeEventListener("visibilitychange", seen);
      };
    },
    ...parts,
  };
}
