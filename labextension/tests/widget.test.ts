/**
 * The notebook's widget: live where the page has the face or its server serves it, else a copy that says what it is.
 *
 * Law: the module under test is the very file that travels in the notebook; happy-dom is the page.
 * Parts: how it mounts, the copy, its end.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Window } from "happy-dom";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import widget from "../../novel_jupyter/kernel/widget.js";

const FACE = Symbol.for("novel_jupyter");
const EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
const MIRROR = {
  as_of: "2026-01-01T00:00:00.000Z",
  title: "The Log",
  phase: "collect",
  turn: 3,
  branch: "main",
  scene: { text: "Once.\n\nTwice.", place: "kitchen", mood: "wary", act: "opening" },
  people: [{ name: "Ana", role: "owner", here: true }],
  people_more: 0,
  seats: [{ character: "mara", name: "Mara", owner: null, understudy: false }],
  seats_more: 0,
  turns: [{ number: 2, narration: "told", prose: "It rained.\n\nIt stopped." }],
};

class Model {
  readonly listeners = new Map<string, Set<() => void>>();
  readonly traits: Record<string, unknown>;
  constructor(traits: Record<string, unknown> = {}) {
    this.traits = { session_id: "s1", url: "http://kernel.test/novel/s/s1", home: true, mirror: MIRROR, ...traits };
  }
  get(name: string): unknown {
    return this.traits[name];
  }
  on(name: string, listener: () => void): void {
    this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listener));
  }
  off(name: string, listener: () => void): void {
    this.listeners.get(name)?.delete(listener);
  }
  /** What the kernel sends. */
  update(mirror: object): void {
    this.traits["mirror"] = mirror;
    for (const listener of this.listeners.get("change:mirror") ?? []) listener();
  }
  get heard(): number {
    return [...this.listeners.values()].reduce((sum, found) => sum + found.size, 0);
  }
}

let page: Window;

beforeEach(() => {
  page = new Window({ url: "http://lab.test/user/ana/lab/tree/n.ipynb" });
  vi.stubGlobal("document", page.document);
  vi.stubGlobal("location", page.location);
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(async () => {
  vi.unstubAllGlobals();
  delete (globalThis as Record<symbol, unknown>)[FACE];
  delete (globalThis as Record<symbol, unknown>)[Symbol.for("mounted")];
  await page.happyDOM.close();
});

function config(found: object): void {
  const script = page.document.createElement("script");
  script.id = "jupyter-config-data";
  script.setAttribute("type", "application/json");
  script.textContent = JSON.stringify(found);
  page.document.head.append(script);
}

/** A base address whose `novel/static/novel.js` Node can import. */
function served(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), "novel-widget-"));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  const file = join(folder, "novel.js");
  writeFileSync(file, source);
  return pathToFileURL(file).href;
}

function show(model: Model): { el: HTMLElement; end: () => void } {
  const el = page.document.createElement("div") as unknown as HTMLElement;
  page.document.body.append(el as never);
  return { el, end: widget.render({ model, el }) };
}

function publish(mount: (el: HTMLElement, options: object) => { dispose(): void }): void {
  (globalThis as Record<symbol, unknown>)[FACE] = { version: "1", mount };
}

test("the lab extension's face is used where it is", async () => {
  const dispose = vi.fn();
  const mount = vi.fn((el: HTMLElement) => {
    el.append("live");
    return { dispose };
  });
  publish(mount);
  const model = new Model();
  const { el, end } = show(model);
  await vi.waitFor(() => expect(el.textContent).toBe("live"));
  expect(mount.mock.calls[0]).toEqual([expect.anything(), { sessionId: "s1" }]);
  expect(model.heard).toBe(0);
  end();
  expect(dispose).toHaveBeenCalledOnce();
  expect(el.childNodes.length).toBe(0);
});

test("without it the server's bundle is loaded, with what the page says of its server", async () => {
  // Node imports no http: a page whose base is a folder stands for one.
  const at = served(`
    globalThis[Symbol.for("mounted")] = [];
    export function mount(el, options) {
      globalThis[Symbol.for("mounted")].push(options);
      el.append("live");
      return { dispose() { el.append("gone"); } };
    }`);
  const base = new URL("./", at);
  const real = globalThis.URL;
  vi.stubGlobal(
    "URL",
    class extends real {
      constructor(url: string | URL, origin?: string | URL) {
        super(String(url) === "novel/static/novel.js" ? at : String(url), origin);
      }
    },
  );
  config({ baseUrl: "/user/ana", wsUrl: "ws://lab.test/user/ana/", token: "t0ken" });
  const one = show(new Model());
  await vi.waitFor(() => expect(one.el.textContent).toBe("live"));
  const two = show(new Model({ session_id: "s2" }));
  await vi.waitFor(() => expect(two.el.textContent).toBe("live"));
  const calls = (globalThis as Record<symbol, unknown>)[Symbol.for("mounted")] as Record<string, unknown>[];
  expect(calls.map(({ sessionId, baseUrl, wsUrl }) => [sessionId, baseUrl, wsUrl])).toEqual([
    ["s1", "http://lab.test/user/ana/", "ws://lab.test/user/ana/"],
    ["s2", "http://lab.test/user/ana/", "ws://lab.test/user/ana/"],
  ]);
  expect((calls[0]?.["token"] as () => string)()).toBe("t0ken");
  const links = [...page.document.querySelectorAll("link")].map((link) => link.getAttribute("href"));
  expect(links).toEqual(["http://lab.test/user/ana/novel/static/novel.css"]);
  expect(base.protocol).toBe("file:");
  one.end();
  two.end();
});

test("where nothing can be loaded there is a copy, which says so and follows the kernel", async () => {
  const model = new Model();
  const { el, end } = show(model);
  await vi.waitFor(() => expect(el.textContent).toContain("Read-only copy, as of"));
  expect(el.querySelector("time")?.getAttribute("datetime")).toBe(MIRROR.as_of);
  expect(el.querySelector("a")?.getAttribute("href")).toBe("http://kernel.test/novel/s/s1");
  for (const text of ["The Log", "Turn 3 · ", "It rained.", "It stopped.", "Mara: the storyteller", "Ana (owner, here)"]) {
    expect(el.textContent).toContain(text.replace("Turn 3 · ", "Turn 3, collect · kitchen · wary"));
  }
  model.update({ ...MIRROR, turns: [], title: "Another" });
  expect(el.textContent).toContain("Another");
  expect(el.textContent).toContain("Once.");
  expect(el.textContent).not.toContain("It rained.");
  end();
  expect(model.heard).toBe(0);
  expect(el.childNodes.length).toBe(0);
});

test("a server without the bundle, and a face that breaks, leave a copy", async () => {
  config({ baseUrl: "/user/ana/" });
  const first = show(new Model());
  await vi.waitFor(() => expect(first.el.textContent).toContain("Read-only copy"));
  // This page's server has the session: its own address of it, not the kernel's, is what a browser can open.
  expect(first.el.querySelector("a")?.getAttribute("href")).toBe("http://lab.test/user/ana/novel/s/s1");
  expect(page.document.querySelector("link")).toBeNull();
  publish(() => {
    throw new Error("broken");
  });
  const second = show(new Model());
  await vi.waitFor(() => expect(second.el.textContent).toContain("Read-only copy"));
});

test("a session of another server is not looked for on this one", async () => {
  const mount = vi.fn(() => ({ dispose: () => undefined }));
  publish(mount);
  config({ baseUrl: "/user/ana/" });
  const away = show(new Model({ home: false }));
  await vi.waitFor(() => expect(away.el.textContent).toContain("Read-only copy"));
  expect(away.el.querySelector("a")?.getAttribute("href")).toBe("http://kernel.test/novel/s/s1");
  expect(mount).not.toHaveBeenCalled();
  show(new Model({ home: false, url: "http://lab.test/user/ana/novel/s/s1" }));
  await vi.waitFor(() => expect(mount).toHaveBeenCalledOnce());
});

test("nothing that somebody wrote becomes markup", async () => {
  const { el } = show(
    new Model({
      url: `javascript:alert(1)//${EVIL}`,
      mirror: {
        ...MIRROR,
        as_of: EVIL,
        title: EVIL,
        phase: EVIL,
        scene: { text: EVIL, place: EVIL, mood: EVIL, act: EVIL },
        people: [{ name: EVIL, role: EVIL, here: true }],
        seats: [{ character: EVIL, name: EVIL, owner: EVIL, understudy: true }],
        turns: [
          { number: 1, narration: EVIL, prose: "" },
          { number: 2, narration: "told", prose: EVIL },
        ],
      },
    }),
  );
  await vi.waitFor(() => expect(el.textContent).toContain("Read-only copy"));
  const tags = new Set([...el.querySelectorAll("*")].map((found) => found.tagName));
  expect([...tags].sort()).toEqual(["B", "DIV", "EM", "H3", "H4", "LI", "P", "SECTION", "UL"]);
  expect(el.textContent?.split(EVIL).length).toBe(13);
});

test("one that is taken away before it could mount mounts nothing", async () => {
  const mount = vi.fn(() => ({ dispose: () => undefined }));
  const model = new Model();
  const { el, end } = show(model);
  end();
  publish(mount);
  await new Promise((resolve) => setImmediate(resolve));
  expect(mount).not.toHaveBeenCalled();
  expect(model.heard).toBe(0);
  expect(el.childNodes.length).toBe(0);
});
