/**
 * Which of several servers is tried next, and when.
 *
 * Law: a lost, refused or draining connection goes on at the next server, one that says nothing against its server is
 * made there again. A server that drains is not gone back to before it said, unless it is the only one. Servers that
 * take the user for different people are not exchanged for each other: what is sent again there would be done twice.
 * Parts: `Address`, `Addresses`.
 */
import { afterDrain, backoff } from "./backoff";

/** A WebSocket's URL, or what gives it anew for each attempt. */
export type Address = string | (() => string);

const DRAINING = 4001;
/** Close codes that say nothing against the server: too slow, resync, an expired token, too fast. */
const STAYS: ReadonlySet<number> = new Set([4002, 4003, 4004, 4006]);

export class Addresses {
  readonly #urls: readonly (() => string)[];
  /** For each, the moment (ms) before which it asked not to be tried. */
  readonly #held: number[];
  #at = 0;
  #userId: string | null = null;

  constructor(given: Address | readonly Address[]) {
    const all = typeof given === "string" || typeof given === "function" ? [given] : given;
    if (all.length === 0) throw new Error("at least one server's address is needed");
    this.#urls = all.map((url) => (typeof url === "string" ? () => url : url));
    this.#held = all.map(() => 0);
  }

  /** Of the server that is tried now. */
  url(): string {
    return this.#urls[this.#at]?.() ?? "";
  }

  /** Whether the present server knows the user by the same name as the one before. */
  taken(userId: string): boolean {
    if (this.#urls.length > 1 && this.#userId !== null && this.#userId !== userId) return false;
    this.#userId = userId;
    return true;
  }

  /** The connection closed: choose a server. The result is the milliseconds before it is tried. */
  next(code: number, reconnectAfter: number | null, attempt: number, now: number, random: number): number {
    const drained = code === DRAINING || reconnectAfter !== null;
    const back = drained ? afterDrain(reconnectAfter ?? 1, random) : 0;
    this.#held[this.#at] = now + back;
    const count = this.#urls.length;
    if (!STAYS.has(code)) {
      const order = this.#urls.map((_, step) => (this.#at + 1 + step) % count);
      this.#at = order.reduce((best, other) => (this.#until(other, now) < this.#until(best, now) ? other : best));
    }
    const held = this.#until(this.#at, now) - now;
    return drained && count === 1 ? held : Math.max(held, backoff(attempt, random));
  }

  #until(at: number, now: number): number {
    return Math.max(now, this.#held[at] ?? 0);
  }
}
