/**
 * The parts that JupyterLab shows: the status bar's words, outputs of notebooks, panels of the main area.
 */
// @vitest-environment happy-dom
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { beforeEach, describe, expect, it, vi } from "vitest";

vi.mock("@jupyterlab/ui-components", () => import("../support/jupyterlab"));
vi.mock("../../src/ui", async (original) => ({ ...(await original<object>()), mount: vi.fn() }));

import { elsewhere } from "../../src/lab/copy";
import { MIME, rendererFactory, sessionOf } from "../../src/lab/mime";
import { StoryPanel } from "../../src/lab/panel";
import { Status, statusText } from "../../src/lab/Status";
import type { IStories } from "../../src/lab/stories";
import { asWritten, mount } from "../../src/ui";

const ONE = "1".repeat(32);
const TWO = "2".repeat(32);
type Shown = Parameters<typeof statusText>[1];
const OPEN: Shown = { status: "open", latency: null, storeAvailable: true, unsettled: 0 };

/** A connection whose numbers a test changes. */
class Line {
  state: Shown = OPEN;
  readonly listeners = new Set<() => void>();
  get status(): Shown["status"] {
    return this.state.status;
  }
  get latency(): number | null {
    return this.state.latency;
  }
  get storeAvailable(): boolean {
    return this.state.storeAvailable;
  }
  get unsettled(): number {
    return this.state.unsettled;
  }
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  say(news: Partial<Shown>): void {
    this.state = { ...this.state, ...news };
    for (const listener of this.listeners) listener();
  }
}

const asked = vi.fn(async (_: string): Promise<unknown> => ({ service_urls: [] }));

function stories(): IStories & { line: Line | null } {
  const connected = {};
  const found = {
    trans: asWritten,
    rest: { baseUrl: "http://lab.test/base/", ask: asked },
    line: null as Line | null,
    connected: () => connected,
    get connection() {
      return found.line;
    },
  };
  return Object.assign(found, { changed: new Signal<typeof found, void>(found) }) as never;
}

const disposed: HTMLElement[] = [];
beforeEach(() => {
  disposed.length = 0;
  vi.mocked(mount)
    .mockReset()
    .mockImplementation((element) => ({ dispose: () => void disposed.push(element) }));
});

describe("the status bar", () => {
  it.each<[Partial<Shown>, string]>([
    [{}, "Story: connected"],
    [{ latency: 0 }, "Story: 0 ms"],
    [{ latency: 12.6 }, "Story: 13 ms"],
    [{ latency: 12.6, unsettled: 1 }, "Story: 13 ms · 1 waits"],
    [{ status: "waiting", latency: 5, unsettled: 3 }, "Story: offline · 3 wait"],
    [{ status: "connecting" }, "Story: offline"],
    [{ status: "stopped", unsettled: 2 }, "Story: not connected · 2 wait"],
    [{ storeAvailable: false, latency: 5 }, "Story: the store is away"],
    [{ status: "waiting", storeAvailable: false }, "Story: offline"],
  ])("says of %o: %s", (state, text) => {
    expect(statusText(asWritten, { ...OPEN, ...state })).toBe(text);
  });

  it("is empty until a story is opened, then follows the connection to its end", () => {
    const found = stories();
    const item = new Status(found);
    expect(item.node.textContent).toBe("");
    const line = new Line();
    found.line = line;
    (found.changed as Signal<IStories, void>).emit();
    expect(item.node.textContent).toBe("Story: connected");
    line.say({ latency: 7 });
    expect(item.node.textContent).toBe("Story: 7 ms");
    expect(item.node.querySelector(".jp-mod-here")).not.toBe(null);
    line.say({ status: "waiting", unsettled: 1 });
    expect(item.node.textContent).toBe("Story: offline · 1 waits");
    expect(item.node.querySelector(".jp-mod-away")).not.toBe(null);
    (found.changed as Signal<IStories, void>).emit();
    expect(line.listeners.size).toBe(1);
    item.dispose();
    expect(line.listeners.size).toBe(0);
  });
});

describe("an output", () => {
  it.each([null, undefined, "", ONE, [], {}, { session_id: 1 }, { session_id: ONE.slice(1) }, { session_id: `${ONE}\n` }, { session_id: `../${ONE}` }])(
    "of %o names no session",
    (data) => expect(sessionOf(data)).toBe(null),
  );

  it("names its session by an id alone", () => {
    expect(sessionOf({ session_id: ONE, mount: "evil", html: "<script>" })).toBe(ONE);
  });

  it("is drawn by us in notebooks that are not trusted, too", () => {
    const { safe, mimeTypes } = rendererFactory(stories());
    expect([safe, mimeTypes]).toEqual([true, [MIME]]);
    expect(MIME).toBe("application/vnd.novel-jupyter.session+json");
  });

  it("is mounted while it is on the page, and follows what the cell says", async () => {
    const found = stories();
    const output = rendererFactory(found).createRenderer({} as never);
    const show = (id: string): Promise<void> => output.renderModel({ data: { [MIME]: { session_id: id } } } as never);
    await show(ONE);
    expect(mount).not.toHaveBeenCalled();
    Widget.attach(output, document.body);
    expect(mount).toHaveBeenCalledExactlyOnceWith(output.node, { sessionId: ONE, connected: found.connected(), trans: found.trans });
    await show(ONE);
    expect(mount).toHaveBeenCalledOnce();
    await show(TWO);
    expect(disposed).toEqual([output.node]);
    expect(vi.mocked(mount).mock.lastCall?.[1].sessionId).toBe(TWO);
    Widget.detach(output);
    expect(disposed).toHaveLength(2);
    Widget.attach(output, document.body);
    expect(mount).toHaveBeenCalledTimes(3);
    output.dispose();
    expect(disposed).toHaveLength(3);
  });

  it("that names none says so, as text", async () => {
    const output = rendererFactory(stories()).createRenderer({} as never);
    await output.renderModel({ data: { [MIME]: { session_id: "<img src=x>" } } } as never);
    Widget.attach(output, document.body);
    expect(output.node.textContent).toBe("This output names no story session.");
    expect(output.node.children).toHaveLength(0);
    expect(mount).not.toHaveBeenCalled();
    output.dispose();
  });
});

describe("an output of a session that another server keeps", () => {
  const mirror = {
    title: "The <b>Log</b>",
    as_of: "2026-01-01T00:00:00.000Z",
    scene: { text: "Once." },
    turns: [{ number: 2, prose: "It rained.\n\n<img src=x onerror=alert(1)>" }],
  };
  const show = async (data: object): Promise<Widget> => {
    const output = rendererFactory(stories()).createRenderer({} as never);
    await output.renderModel({ data: { [MIME]: { session_id: ONE, ...data } } } as never);
    Widget.attach(output, document.body);
    return output;
  };

  it.each([
    [{ home: true, url: "http://other.test/novel/s/1" }, null],
    [{ url: "http://other.test/novel/s/1" }, null],
    [{ home: false, url: "http://lab.test/base/novel/s/1" }, null],
    [{ home: false, url: "http://lab.test/novel/s/1" }, "http://lab.test/novel/s/1"],
    [{ home: false, url: "http://lab.test.evil/base/novel/s/1" }, "http://lab.test.evil/base/novel/s/1"],
    [{ home: false, url: "javascript:alert(1)" }, ""],
    [{ home: false }, ""],
    [null, null],
  ])("%o is at %s", (data, url) => expect(elsewhere(data, "http://lab.test/base/")).toBe(url));

  it("is its copy, as text, with the way to its page", async () => {
    const output = await show({ home: false, url: "http://other.test/novel/s/1", mirror });
    expect(mount).not.toHaveBeenCalled();
    expect(output.node.textContent).toContain("copy to read, as of 2026-01-01T00:00:00.000Z");
    expect(output.node.querySelector("h3")?.textContent).toBe("The <b>Log</b>");
    expect([...output.node.querySelectorAll("p")].at(-1)?.textContent).toBe("<img src=x onerror=alert(1)>");
    expect(output.node.querySelector("img, b, script")).toBe(null);
    expect(output.node.querySelector("a")?.href).toBe("http://other.test/novel/s/1");
    output.dispose();
  });

  it("leads to the service that keeps this server's sessions, on the address that the browser is at", async () => {
    asked.mockResolvedValueOnce({ service_urls: ["/services/novel/"] });
    const output = await show({ home: false, url: "http://127.0.0.1:10101/services/novel/novel/s/1", mirror });
    await vi.waitFor(() => expect(output.node.querySelector("a")?.href).toBe(`http://lab.test/services/novel/novel/s/${ONE}`));
    expect(asked).toHaveBeenLastCalledWith("service");
    output.dispose();
  });

  it.each([{ mirror: null }, { mirror: { turns: [null, 3, { prose: 7 }], title: {}, scene: [] } }, {}])("bears with %o", async (wrong) => {
    asked.mockRejectedValueOnce(new TypeError("no network"));
    const output = await show({ home: false, ...wrong });
    expect(output.node.querySelector("h3")?.textContent).toBe("A story");
    expect(output.node.querySelector("a")?.hidden).toBe(true);
    output.dispose();
  });
});

describe("a panel", () => {
  it("takes the story's title, and stays mounted while it is moved about", () => {
    const panel = new StoryPanel(stories(), ONE);
    expect(panel.title.label).toBe("Story");
    Widget.attach(panel, document.body);
    vi.mocked(mount).mock.lastCall?.[1].onTitle?.("The <b>Log</b>");
    expect([panel.title.label, panel.title.caption]).toEqual(["The <b>Log</b>", "Story session: The <b>Log</b>"]);
    Widget.detach(panel);
    Widget.attach(panel, document.body);
    expect(mount).toHaveBeenCalledOnce();
    expect(disposed).toEqual([]);
    panel.dispose();
    expect(disposed).toHaveLength(1);
  });
});
