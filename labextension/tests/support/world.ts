/**
 * A world for connections: its time stands still until it is moved, its chance repeats, its sockets are in memory.
 *
 * Law: nothing happens by itself. `run` moves the time on and fires what is due, in order.
 * Parts: `random` (a seeded generator), `World`, `Line` (one socket and what was sent on it).
 */
import type { Environment, KeyValues, Socket, SocketEvents } from "../../src/index";

/** Numbers from [0, 1), the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Frame {
  type: string;
  session_id?: string;
  id?: string;
  epoch?: string;
  data: { [key: string]: unknown };
}

/** One socket that a connection opened. */
export class Line {
  readonly sent: Frame[] = [];
  open = true;
  onFrame: (frame: Frame) => void = () => {};
  readonly url: string;
  readonly #events: SocketEvents;

  constructor(url: string, events: SocketEvents) {
    this.url = url;
    this.#events = events;
  }

  receive(message: unknown): void {
    if (this.open) this.#events.received(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The server, or the network, ends it. */
  end(code = 1006): void {
    if (!this.open) return;
    this.open = false;
    this.#events.closed(code, "");
  }

  socket(): Socket {
    return {
      send: (text) => {
        if (!this.open) return;
        const frame = JSON.parse(text) as Frame;
        this.sent.push(frame);
        this.onFrame(frame);
      },
      close: () => {
        this.open = false;
      },
    };
  }
}

interface Timer {
  at: number;
  action: () => void;
}

export class World {
  time = 0;
  readonly lines: Line[] = [];
  readonly kept = new Map<string, string>();
  onOpen: (line: Line) => void = () => {};
  readonly #chance: () => number;
  readonly #wakers = new Set<() => void>();
  #timers: Timer[] = [];
  #ids = 0;

  constructor(seed = 1) {
    this.#chance = random(seed);
  }

  get line(): Line {
    const last = this.lines.at(-1);
    if (last === undefined) throw new Error("no socket was opened");
    return last;
  }

  /** What one page sees of this world. Pages with the same `storage` are reloads of each other. */
  environment(storage: KeyValues | null = this.storage()): Environment {
    return {
      open: (url, _protocol, events) => {
        const line = new Line(url, events);
        this.lines.push(line);
        this.onOpen(line);
        return line.socket();
      },
      now: () => this.time,
      after: (ms, action) => {
        const timer: Timer = { at: this.time + ms, action };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
        };
      },
      random: this.#chance,
      newId: () => `page${(this.#ids += 1)}`,
      storage,
      onWake: (action) => {
        this.#wakers.add(action);
        return () => this.#wakers.delete(action);
      },
    };
  }

  storage(): KeyValues {
    return {
      getItem: (key) => this.kept.get(key) ?? null,
      setItem: (key, value) => void this.kept.set(key, value),
      removeItem: (key) => void this.kept.delete(key),
    };
  }

  wake(): void {
    for (const action of [...this.#wakers]) action();
  }

  /** Let `ms` go by. */
  run(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const due = this.#timers.reduce<Timer | null>((first, timer) => {
        return timer.at <= until && (first === null || timer.at < first.at) ? timer : first;
      }, null);
      if (due === null) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.time = Math.max(this.time, due.at);
      due.action();
    }
    this.time = until;
  }

  get timers(): number {
    return this.#timers.length;
  }
}
