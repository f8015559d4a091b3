/**
 * A story in a notebook's output, live for everybody who looks at the notebook.
 *
 * Law: the output says which session is meant and what it looked like when the cell ran, and nothing else is believed
 * of it. It is shown with the viewer's own login, so it is safe in notebooks that are not trusted. A session that this
 * server does not keep is shown as the output's own copy, as text.
 */
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { Widget } from "@lumino/widgets";
import type { Message } from "@lumino/messaging";

import type { JsonValue } from "../protocol";
import { mount, type Mounted } from "../ui";
import { copyOf, elsewhere } from "./copy";
import type { IStories } from "./stories";

export const MIME = "application/vnd.novel-jupyter.session+json";

/** The session's id, or null for what is none. */
export function sessionOf(data: unknown): string | null {
  const id = typeof data === "object" && data !== null ? (data as { session_id?: unknown }).session_id : null;
  return typeof id === "string" && /^[0-9a-f]{32}$/.test(id) ? id : null;
}

class StoryOutput extends Widget implements IRenderMime.IRenderer {
  readonly #stories: IStories;
  #sessionId: string | null = null;
  #mounted: Mounted | null = null;

  constructor(stories: IStories) {
    super();
    this.#stories = stories;
    this.addClass("jp-Novel-host");
    this.addClass("jp-Novel-output");
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { rest, trans } = this.#stories;
    const data = model.data[MIME] as JsonValue | undefined;
    const named = sessionOf(data);
    const other = named === null ? null : elsewhere(data, rest.baseUrl);
    const found = other === null ? named : null;
    if (found !== this.#sessionId) {
      this.#release();
      this.#sessionId = found;
    }
    if (named !== null && other !== null) this.node.replaceChildren(copyOf(trans, rest, named, data, other));
    else if (found === null) this.node.textContent = trans.__("This output names no story session.");
    else if (this.isAttached) this.#mount();
    return Promise.resolve();
  }

  protected override onAfterAttach(_: Message): void {
    this.#mount();
  }

  protected override onBeforeDetach(_: Message): void {
    this.#release();
  }

  override dispose(): void {
    this.#release();
    super.dispose();
  }

  #mount(): void {
    if (this.#sessionId === null || this.#mounted !== null) return;
    this.#mounted = mount(this.node, {
      sessionId: this.#sessionId,
      connected: this.#stories.connected(),
      trans: this.#stories.trans,
    });
  }

  #release(): void {
    this.#mounted?.dispose();
    this.#mounted = null;
  }
}

export function rendererFactory(stories: IStories): IRenderMime.IRendererFactory {
  return { safe: true, mimeTypes: [MIME], createRenderer: () => new StoryOutput(stories) };
}
