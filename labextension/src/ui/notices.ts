/**
 * What passes: messages for the reader, and words for a screen reader.
 *
 * Law: the latest few are kept; an error stays until it is put away, the rest for some seconds.
 */
import { Listeners } from "../listeners";
import type { Level } from "./face";

export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly level: Level;
}

const MOST = 4;
const SHOWN_MS = 6_000;

export class Notices {
  readonly #listeners = new Listeners<Notices>();
  #count = 0;
  shown: readonly Notice[] = [];
  spoken = "";

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  add(text: string, level: Level): void {
    const key = (this.#count += 1);
    this.shown = [...this.shown.filter((notice) => notice.text !== text), { key, text, level }].slice(-MOST);
    if (level !== "error") setTimeout(() => this.drop(key), SHOWN_MS);
    this.#listeners.tell(this);
  }

  drop(key: number): void {
    this.shown = this.shown.filter((notice) => notice.key !== key);
    this.#listeners.tell(this);
  }

  say(text: string): void {
    this.spoken = text;
    this.#listeners.tell(this);
  }
}
