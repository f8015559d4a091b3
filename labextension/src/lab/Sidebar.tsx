/**
 * One's sessions and the people of the one in front, in JupyterLab's sidebar.
 *
 * Law: asked again when it is shown, when something was opened or made, and now and then while it is visible.
 * Parts: `Sidebar` (the widget), `Sessions`, `InFront`.
 */
import { Poll } from "@lumino/polling";
import { Widget } from "@lumino/widgets";
import type { Message } from "@lumino/messaging";
import { render, type JSX } from "preact";
import { useEffect, useReducer } from "preact/hooks";

import { Act, Elsewhere, pageElsewhere, type Listed } from "../ui";
import { story } from "../ui/state";
import { storyIcon } from "./icon";
import type { IStories } from "./stories";

const EVERY_MS = 20_000;
const MOST_MS = 120_000;

export class Sidebar extends Widget {
  readonly #stories: IStories;
  readonly #open: (sessionId: string) => void;
  readonly #new: () => void;
  readonly #poll: Poll;
  #listed: readonly Listed[] | null = null;
  #trouble: string | null = null;
  #elsewhere: string | null = null;

  constructor(stories: IStories, open: (sessionId: string) => void, begin: () => void) {
    super();
    this.id = "novel-jupyter-sidebar";
    this.#stories = stories;
    this.#open = open;
    this.#new = begin;
    this.addClass("jp-Novel-host");
    this.title.icon = storyIcon;
    this.title.caption = stories.trans.__("Story sessions");
    this.#poll = new Poll({
      name: "novel_jupyter:sessions",
      factory: () => this.#load(),
      frequency: { interval: EVERY_MS, backoff: true, max: MOST_MS },
      standby: () => (this.isVisible ? "when-hidden" : true),
      auto: false,
    });
    stories.changed.connect(this.#stirred, this);
  }

  override dispose(): void {
    this.#stories.changed.disconnect(this.#stirred, this);
    this.#poll.dispose();
    render(null, this.node);
    super.dispose();
  }

  protected override onAfterShow(_: Message): void {
    this.#draw();
    void this.#poll.start();
    void this.#poll.refresh();
  }

  #stirred(): void {
    if (this.isVisible) void this.#poll.refresh();
  }

  async #load(): Promise<void> {
    try {
      const page = await this.#stories.rest.ask<{ sessions: Listed[] }>("sessions?limit=100");
      this.#listed = page.sessions;
      [this.#trouble, this.#elsewhere] = [null, null];
    } catch (error) {
      this.#elsewhere = await pageElsewhere(this.#stories.rest, error);
      this.#trouble = this.#elsewhere !== null ? null : error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      this.#draw();
    }
  }

  #draw(): void {
    if (this.isDisposed) return;
    const { trans, current } = this.#stories;
    render(
      <div class="jp-Novel jp-Novel-sidebar">
        <div class="jp-Novel-sidebar-head">
          <h2>{trans.__("Story sessions")}</h2>
          <Act kind="accept" onDo={this.#new}>
            {trans.__("New story")}
          </Act>
        </div>
        {this.#trouble === null ? null : <p role="alert">{this.#trouble}</p>}
        {this.#elsewhere === null ? null : <Elsewhere page={this.#elsewhere} trans={trans} />}
        {this.#listed?.length === 0 ? <p class="jp-Novel-dim">{trans.__("You are in no session yet.")}</p> : null}
        <ul aria-label={trans.__("Your sessions")}>
          {(this.#listed ?? []).map((listed) => (
            <li key={listed.session_id}>
              <button
                type="button"
                class="jp-Novel-sidebar-item"
                aria-current={listed.session_id === current}
                onClick={() => this.#open(listed.session_id)}
              >
                <strong dir="auto">{listed.title}</strong>
                <span class="jp-Novel-dim">
                  {trans._n("%1 person", "%1 people", listed.members)} · {new Date(listed.last_activity).toLocaleString()}
                </span>
              </button>
            </li>
          ))}
        </ul>
        <InFront stories={this.#stories} />
      </div>,
      this.node,
    );
  }
}

/** Who is in the session in front. */
function InFront({ stories }: { stories: IStories }): JSX.Element | null {
  const { trans, current, connection } = stories;
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  const session = current === null || connection === null ? null : connection.session(current);
  useEffect(() => {
    const changed = (): void => redraw();
    stories.changed.connect(changed);
    const end = session?.subscribe((note) => {
      if (note.kind === "replica" || note.kind === "status") redraw();
    });
    return () => {
      stories.changed.disconnect(changed);
      end?.();
    };
  }, [stories, session]);
  if (session === null) return null;
  const { participants } = story(session.replica);
  const here = new Map(session.replica.presence.map(({ user_id, connections }) => [user_id, connections]));
  return (
    <section aria-label={trans.__("People of the story in front")}>
      <h2>{trans.__("People")}</h2>
      <ul>
        {Object.entries(participants).map(([id, person]) => (
          <li key={id} class="jp-Novel-person">
            <span class={`jp-Novel-dot ${(here.get(id) ?? -1) > 0 ? "jp-mod-here" : here.has(id) ? "jp-mod-away" : "jp-mod-gone"}`} aria-hidden="true" />
            <strong dir="auto">{person.name}</strong>
            <span class="jp-Novel-dim">
              {(here.get(id) ?? -1) > 0 ? trans.__("here") : here.has(id) ? trans.__("away") : trans.__("gone")}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
