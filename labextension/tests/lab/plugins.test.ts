/**
 * The plugins in a JupyterLab: what they add to it, what their commands do, and what they do without.
 */
// @vitest-environment happy-dom
import { Widget } from "@lumino/widgets";
import { beforeEach, describe, expect, it, vi } from "vitest";

vi.mock("@jupyterlab/application", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/apputils", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/launcher", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/rendermime", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/services", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/statusbar", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/translation", () => import("../support/jupyterlab"));
vi.mock("@jupyterlab/ui-components", () => import("../support/jupyterlab"));
vi.mock("../../src/ui", async (original) => ({ ...(await original<object>()), connect: vi.fn(), mount: vi.fn() }));

import plugins, { COMMANDS } from "../../src/lab";
import { StoryPanel } from "../../src/lab/panel";
import { IStories, type Stories } from "../../src/lab/stories";
import { connect, mount, type Server } from "../../src/ui";
import { VERSION } from "../../src/version";
import { Clipboard, IStatusBar, InputDialog, Lab, ServerConnection, showDialog } from "../support/jupyterlab";

const ONE = "1".repeat(32);
const TWO = "2".repeat(32);
const FACE = Symbol.for("novel_jupyter");
const plugin = (name: string): { activate: (...services: unknown[]) => unknown; provides?: unknown; requires?: unknown[] } =>
  plugins.find(({ id }) => id === `novel_jupyter:${name}`) as never;

/** The plugin of the commands, in a JupyterLab that has everything. */
function started(): { lab: Lab; found: Stories } {
  const lab = new Lab();
  const found = plugin("stories").activate(lab.app, null, lab.launcher, lab.palette, lab.restorer, lab.shell) as Stories;
  return { lab, found };
}

const shown = (lab: Lab): string[] => lab.main.map(({ content }) => (content instanceof StoryPanel ? content.sessionId : "lobby"));

beforeEach(() => {
  vi.mocked(connect).mockReset().mockImplementation(() => ({ connection: { subscribe: () => () => undefined } }) as never);
  vi.mocked(mount).mockReset().mockImplementation(() => ({ dispose: vi.fn() }));
  vi.mocked(ServerConnection.makeRequest).mockReset();
  ServerConnection.token = "first";
});

describe("the plugins", () => {
  it("are five, of which four need the first", () => {
    expect(plugins.map(({ id }) => id)).toEqual(["stories", "sidebar", "status", "output", "face"].map((name) => `novel_jupyter:${name}`));
    expect(plugins.every(({ autoStart }) => autoStart === true)).toBe(true);
    expect(plugin("stories").provides).toBe(IStories);
    expect(plugin("status").requires).toEqual([IStories, IStatusBar]);
  });

  it("do without a launcher, a palette, a restorer and JupyterLab's shell, as in Notebook", async () => {
    const lab = new Lab();
    plugin("stories").activate(lab.app, null, null, null, null, null);
    await lab.commands.execute(COMMANDS.open, { id: ONE });
    expect(shown(lab)).toEqual([ONE]);
  });
});

describe("the commands", () => {
  it("are in the launcher and the palette", () => {
    const { lab } = started();
    expect(lab.launched).toEqual([COMMANDS.new]);
    expect(lab.offered).toEqual([COMMANDS.new, COMMANDS.join, COMMANDS.invite]);
    expect(lab.commands.label(COMMANDS.new)).toBe("Story session");
    expect(lab.commands.label(COMMANDS.new, { isPalette: true })).toBe("New Story Session");
  });

  it("open each session once", async () => {
    const { lab } = started();
    for (const id of [ONE, TWO, ONE]) await lab.commands.execute(COMMANDS.open, { id });
    expect(shown(lab)).toEqual([ONE, TWO]);
    expect(lab.activated).toEqual([ONE, TWO, ONE].map((id) => `novel-jupyter-${id}`));
    lab.main[0]?.dispose();
    await lab.commands.execute(COMMANDS.open, { id: ONE });
    expect(shown(lab)).toEqual([TWO, ONE]);
  });

  it.each(["", "x", ONE.slice(1), `${ONE}0`, `../${ONE}`, ONE.replaceAll("1", "G"), undefined])("open nothing for %s", async (id) => {
    const { lab } = started();
    await lab.commands.execute(COMMANDS.open, id === undefined ? {} : { id });
    expect(lab.added).toEqual([]);
  });

  it.each([
    [ONE, [ONE]],
    [`http://lab.test/base/novel/s/${ONE}`, [ONE]],
    [`  /novel/s/${ONE}?x#y `, [ONE]],
    ["nothing of the kind", []],
    [null, []],
  ])("join by %s", async (value, opened) => {
    const { lab } = started();
    InputDialog.getText.mockResolvedValueOnce({ value });
    await lab.commands.execute(COMMANDS.join);
    expect(shown(lab)).toEqual(opened);
  });

  it("put a story in the place of the list that it was chosen from", async () => {
    const { lab } = started();
    const listed = { session_id: ONE, title: "The Log", story: "x", status: "open", last_activity: "2026-01-01T00:00:00Z", members: 2 };
    ServerConnection.makeRequest.mockImplementation(async () => Response.json({ sessions: [listed], cursor: null, stories: [] }));
    await lab.commands.execute(COMMANDS.new);
    expect(shown(lab)).toEqual(["lobby"]);
    const [lobby] = lab.main;
    Widget.attach(lobby!.content, document.body);
    const item = await vi.waitFor(() => lobby!.content.node.querySelector<HTMLElement>("li button") ?? expect.fail("no session is listed"));
    expect(item.textContent).toContain("2 people");
    item.click();
    await vi.waitFor(() => expect(shown(lab)).toEqual([ONE]));
    expect(lobby!.isDisposed).toBe(true);
  });
});

describe("what is restored after a reload", () => {
  it("is each story, by its id, with the command that opens it", async () => {
    const { lab } = started();
    await lab.commands.execute(COMMANDS.open, { id: ONE });
    const [widget] = lab.main;
    expect(lab.restoring?.command).toBe(COMMANDS.open);
    expect(lab.restoring?.name(widget!)).toBe(ONE);
    const args = lab.restoring?.args(widget!) as { id: string };
    expect(args).toEqual({ id: ONE });
    const after = started();
    await after.lab.commands.execute(lab.restoring!.command, JSON.parse(JSON.stringify(args)));
    expect(shown(after.lab)).toEqual([ONE]);
  });

  it("is the sidebar, too", () => {
    const { lab, found } = started();
    plugin("sidebar").activate(lab.app, found, lab.shell, lab.restorer);
    expect(lab.added.map(([widget, area]) => [widget.id, area])).toEqual([["novel-jupyter-sidebar", "left"]]);
    expect(lab.restored).toEqual(["novel-jupyter-sidebar"]);
  });
});

describe("an invite", () => {
  it("is for the story in front, and can be asked for while there is one", async () => {
    const { lab, found } = started();
    expect(lab.commands.isEnabled(COMMANDS.invite)).toBe(false);
    await lab.commands.execute(COMMANDS.open, { id: ONE });
    await lab.commands.execute(COMMANDS.open, { id: TWO });
    expect(found.current).toBe(TWO);
    lab.tracker?.focus(lab.main[0]!);
    expect(found.current).toBe(ONE);
    expect(lab.commands.isEnabled(COMMANDS.invite)).toBe(true);
    lab.tracker?.focus(null);
    expect(lab.commands.isEnabled(COMMANDS.invite)).toBe(false);
  });

  it("is a link that is shown, and copied if one wants", async () => {
    const { lab } = started();
    await lab.commands.execute(COMMANDS.open, { id: ONE });
    const path = `/base/novel/s/${ONE}#invite=a.b.c`;
    ServerConnection.makeRequest.mockResolvedValue(Response.json({ path }, { status: 201 }));
    await lab.commands.execute(COMMANDS.invite);
    const [url, init] = ServerConnection.makeRequest.mock.lastCall ?? [];
    expect(url).toBe(`http://lab.test/base/novel/api/sessions/${ONE}/invites`);
    expect(JSON.parse(String(init?.body))).toEqual({ role: "player", uses: 5, seconds: 86_400 });
    expect(showDialog.mock.lastCall?.[0].body).toBe(`http://lab.test${path}`);
    expect(Clipboard.copyToSystem).toHaveBeenLastCalledWith(`http://lab.test${path}`);
  });

  it("that is refused says so", async () => {
    const { lab } = started();
    await lab.commands.execute(COMMANDS.open, { id: ONE });
    ServerConnection.makeRequest.mockResolvedValue(Response.json({ code: "forbidden", message: "this is for: owner" }, { status: 403 }));
    await lab.commands.execute(COMMANDS.invite);
    expect(showDialog.mock.lastCall?.[0]).toMatchObject({ title: "No invite was made", body: "this is for: owner" });
  });
});

describe("the connection", () => {
  it("is made with the first story that is shown, once, with the token of each moment", () => {
    const { found } = started();
    let changed = 0;
    found.changed.connect(() => (changed += 1));
    expect(found.connection).toBe(null);
    expect(connect).not.toHaveBeenCalled();
    expect(found.connected()).toBe(found.connected());
    expect(connect).toHaveBeenCalledOnce();
    expect(changed).toBe(1);
    const server = vi.mocked(connect).mock.lastCall?.[0] as Server;
    expect([server.baseUrl, server.wsUrl, server.token?.()]).toEqual(["http://lab.test/base/", "ws://lab.test/base/", "first"]);
    ServerConnection.token = "second";
    expect(server.token?.()).toBe("second");
  });
});

describe("what a notebook's widget finds", () => {
  it("is a version, and a mount that shares JupyterLab's connection", () => {
    const { lab, found } = started();
    plugin("face").activate(lab.app, found);
    const face = (globalThis as { [FACE]?: { version: string; mount: typeof mount } })[FACE];
    expect(face?.version).toBe(VERSION);
    const element = document.createElement("div");
    const mounted = face?.mount(element, { sessionId: ONE, baseUrl: "http://elsewhere.test/" });
    expect(mount).toHaveBeenCalledExactlyOnceWith(element, { sessionId: ONE, connected: found.connected(), trans: found.trans });
    expect(mounted?.dispose).toBeTypeOf("function");
  });
});
