/**
 * A story, or the list of stories, as a widget of JupyterLab's main area.
 *
 * Law: what is shown is mounted while the widget is on the page, and let go of with it.
 */
import { Widget } from "@lumino/widgets";
import type { Message } from "@lumino/messaging";
import { h, render } from "preact";

import { Lobby, mount, type Mounted } from "../ui";
import { storyIcon } from "./icon";
import type { IStories } from "./stories";

export class StoryPanel extends Widget {
  readonly sessionId: string;
  readonly #stories: IStories;
  #mounted: Mounted | null = null;

  constructor(stories: IStories, sessionId: string) {
    super();
    this.sessionId = sessionId;
    this.#stories = stories;
    this.addClass("jp-Novel-host");
    this.title.label = stories.trans.__("Story");
    this.title.icon = storyIcon;
  }

  protected override onAfterAttach(_: Message): void {
    const { trans } = this.#stories;
    this.#mounted ??= mount(this.node, {
      sessionId: this.sessionId,
      connected: this.#stories.connected(),
      trans,
      onTitle: (title) => {
        this.title.label = title;
        this.title.caption = trans.__("Story session: %1", title);
      },
    });
  }

  override dispose(): void {
    this.#mounted?.dispose();
    this.#mounted = null;
    super.dispose();
  }
}

export class LobbyPanel extends Widget {
  readonly #stories: IStories;
  readonly #open: (sessionId: string) => void;

  constructor(stories: IStories, open: (sessionId: string) => void) {
    super();
    this.#stories = stories;
    this.#open = open;
    this.addClass("jp-Novel-host");
    this.title.label = stories.trans.__("Story sessions");
    this.title.icon = storyIcon;
  }

  protected override onAfterAttach(_: Message): void {
    const { rest, trans } = this.#stories;
    render(h(Lobby, { rest, trans, onOpen: this.#open }), this.node);
  }

  protected override onBeforeDetach(_: Message): void {
    render(null, this.node);
  }
}
