/**
 * The connection to the stories, in JupyterLab's status bar.
 *
 * Law: nothing is said while no story was opened; else what the connection is, how fast, and what waits.
 */
import { Widget } from "@lumino/widgets";
import { render } from "preact";

import type { Connection } from "../connection";
import type { Translation } from "../ui";
import type { IStories } from "./stories";

export function statusText(trans: Translation, connection: Pick<Connection, "status" | "latency" | "storeAvailable" | "unsettled">): string {
  const { status, latency, storeAvailable, unsettled } = connection;
  const waiting = unsettled === 0 ? "" : ` · ${trans._n("%1 waits", "%1 wait", unsettled)}`;
  if (status === "stopped") return trans.__("Story: not connected") + waiting;
  if (status !== "open") return trans.__("Story: offline") + waiting;
  if (!storeAvailable) return trans.__("Story: the store is away") + waiting;
  return (latency === null ? trans.__("Story: connected") : trans.__("Story: %1 ms", Math.round(latency))) + waiting;
}

export class Status extends Widget {
  readonly #stories: IStories;
  #end: (() => void) | null = null;
  #follows: Connection | null = null;

  constructor(stories: IStories) {
    super();
    this.#stories = stories;
    this.addClass("jp-Novel-status");
    stories.changed.connect(this.#follow, this);
    this.#follow();
  }

  override dispose(): void {
    this.#stories.changed.disconnect(this.#follow, this);
    this.#end?.();
    render(null, this.node);
    super.dispose();
  }

  #follow(): void {
    const { connection } = this.#stories;
    if (connection === this.#follows || connection === null) return;
    this.#end?.();
    this.#follows = connection;
    this.#end = connection.subscribe(() => this.#draw(connection));
    this.#draw(connection);
  }

  #draw(connection: Connection): void {
    const { trans } = this.#stories;
    const state = connection.status === "open" && connection.storeAvailable ? "jp-mod-here" : "jp-mod-away";
    render(
      <span class="jp-StatusBar-TextItem" title={trans.__("The connection to the story sessions")}>
        <span class={`jp-Novel-dot ${state}`} aria-hidden="true" />
        {statusText(trans, connection)}
      </span>,
      this.node,
    );
  }
}
