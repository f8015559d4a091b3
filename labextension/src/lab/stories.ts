/**
 * What the plugins share: one connection for the whole of JupyterLab, and the stories that are open in it.
 *
 * Law: the connection is made when the first story is opened, and not before; addresses and tokens are JupyterLab's own
 * and are read when they are needed.
 * Parts: `IStories`, `Stories`.
 */
import { ServerConnection } from "@jupyterlab/services";
import type { TranslationBundle } from "@jupyterlab/translation";
import { Token } from "@lumino/coreutils";
import { Signal, type ISignal } from "@lumino/signaling";

import { Rest, connect, type Connected } from "../ui";

export interface IStories {
  readonly trans: TranslationBundle;
  readonly rest: Rest;
  /** The connection that all share; made now if it is not there. */
  connected(): Connected;
  /** The connection, if somebody opened a story. */
  readonly connection: Connected["connection"] | null;
  /** The session in front, or null. */
  current: string | null;
  readonly changed: ISignal<IStories, void>;
  /** Somebody made or opened a session: lists are old. */
  stir(): void;
}

export const IStories = new Token<IStories>("novel_jupyter:IStories", "The story sessions of this JupyterLab.");

export class Stories implements IStories {
  readonly trans: TranslationBundle;
  readonly rest: Rest;
  readonly changed = new Signal<this, void>(this);
  #connected: Connected | null = null;
  #current: string | null = null;

  constructor(trans: TranslationBundle) {
    this.trans = trans;
    this.rest = new Rest(ServerConnection.makeSettings().baseUrl, ask);
  }

  connected(): Connected {
    if (this.#connected !== null) return this.#connected;
    const { baseUrl, wsUrl } = ServerConnection.makeSettings();
    this.#connected = connect({ baseUrl, wsUrl, token: () => ServerConnection.makeSettings().token, request: ask });
    this.changed.emit();
    return this.#connected;
  }

  get connection(): Connected["connection"] | null {
    return this.#connected?.connection ?? null;
  }

  get current(): string | null {
    return this.#current;
  }

  set current(sessionId: string | null) {
    if (this.#current === sessionId) return;
    this.#current = sessionId;
    this.changed.emit();
  }

  stir(): void {
    this.changed.emit();
  }
}

function ask(url: string, init: RequestInit): Promise<Response> {
  return ServerConnection.makeRequest(url, init, ServerConnection.makeSettings());
}
