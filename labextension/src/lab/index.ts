/**
 * The story lab in JupyterLab and Notebook.
 *
 * Law: small plugins, each useful without the others; what a host does not have (a launcher, a status bar) is done
 * without.
 * Parts: the plugins: stories (commands, panels), sidebar, status, output, and what a notebook's widget finds.
 */
import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { Clipboard, Dialog, ICommandPalette, InputDialog, MainAreaWidget, WidgetTracker, showDialog } from "@jupyterlab/apputils";
import { ILauncher } from "@jupyterlab/launcher";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";

import { mount, type MountOptions, type Mounted } from "../ui";
import { VERSION } from "../version";
import { storyIcon } from "./icon";
import { rendererFactory } from "./mime";
import { LobbyPanel, StoryPanel } from "./panel";
import { Sidebar } from "./Sidebar";
import { Status } from "./Status";
import { IStories, Stories } from "./stories";

export const COMMANDS = { new: "novel:new", open: "novel:open", join: "novel:join", invite: "novel:invite" } as const;

const stories: JupyterFrontEndPlugin<IStories> = {
  id: "novel_jupyter:stories",
  description: "Commands that begin, open and join story sessions.",
  autoStart: true,
  provides: IStories,
  optional: [ITranslator, ILauncher, ICommandPalette, ILayoutRestorer, ILabShell],
  activate(
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    shell: ILabShell | null,
  ): IStories {
    const trans = (translator ?? nullTranslator).load("novel_jupyter");
    const found = new Stories(trans);
    const tracker = new WidgetTracker<MainAreaWidget<StoryPanel>>({ namespace: "novel_jupyter" });
    const { commands } = app;
    const inFront = (): void => {
      found.current = tracker.currentWidget?.content.sessionId ?? null;
    };
    tracker.currentChanged.connect(inFront);

    const open = (sessionId: string): void => {
      const known = tracker.find(({ content }) => content.sessionId === sessionId);
      if (known !== undefined) return app.shell.activateById(known.id);
      const widget = new MainAreaWidget({ content: new StoryPanel(found, sessionId) });
      widget.id = `novel-jupyter-${sessionId}`;
      void tracker.add(widget);
      app.shell.add(widget, "main");
      app.shell.activateById(widget.id);
      inFront();
      found.stir();
    };

    commands.addCommand(COMMANDS.new, {
      label: (args) => (args["isPalette"] === true ? trans.__("New Story Session") : trans.__("Story session")),
      caption: trans.__("Begin a story, or open one of yours"),
      icon: storyIcon,
      execute: () => {
        const lobby = new LobbyPanel(found, (sessionId) => {
          open(sessionId);
          widget.dispose();
        });
        const widget = new MainAreaWidget({ content: lobby });
        app.shell.add(widget, "main");
        app.shell.activateById(widget.id);
        return widget;
      },
    });
    commands.addCommand(COMMANDS.open, {
      label: trans.__("Open a Story Session"),
      execute: (args) => {
        const id = String(args["id"] ?? "");
        if (/^[0-9a-f]{32}$/.test(id)) open(id);
      },
    });
    commands.addCommand(COMMANDS.join, {
      label: trans.__("Join a Story Session…"),
      execute: async () => {
        const { value } = await InputDialog.getText({
          title: trans.__("Join a story session"),
          label: trans.__("Its id, or a link to it"),
        });
        const id = /[0-9a-f]{32}/.exec(value ?? "")?.[0];
        if (id !== undefined) open(id);
      },
    });
    commands.addCommand(COMMANDS.invite, {
      label: trans.__("Invite Somebody to This Story…"),
      isEnabled: () => found.current !== null,
      execute: () => invite(found),
    });
    for (const command of [COMMANDS.new, COMMANDS.join, COMMANDS.invite]) {
      palette?.addItem({ command, category: trans.__("Story"), args: { isPalette: true } });
    }
    launcher?.add({ command: COMMANDS.new, category: trans.__("Other"), rank: 1 });
    void restorer?.restore(tracker, {
      command: COMMANDS.open,
      args: ({ content }) => ({ id: content.sessionId }),
      name: ({ content }) => content.sessionId,
    });
    shell?.currentChanged.connect(() => commands.notifyCommandChanged(COMMANDS.invite));
    return found;
  },
};

/** Make a link for guests, and show it. */
async function invite(found: IStories): Promise<void> {
  const { trans, rest, current } = found;
  try {
    const made = await rest.ask<{ path: string }>(`sessions/${current}/invites`, "POST", { role: "player", uses: 5, seconds: 86_400 });
    const link = new URL(made.path, rest.baseUrl).href;
    const { button } = await showDialog({
      title: trans.__("A link for up to five guests, for one day"),
      body: link,
      buttons: [Dialog.cancelButton({ label: trans.__("Close") }), Dialog.okButton({ label: trans.__("Copy") })],
    });
    if (button.accept) Clipboard.copyToSystem(link);
  } catch (error) {
    await showDialog({
      title: trans.__("No invite was made"),
      body: error instanceof Error ? error.message : String(error),
      buttons: [Dialog.okButton()],
    });
  }
}

const sidebar: JupyterFrontEndPlugin<void> = {
  id: "novel_jupyter:sidebar",
  description: "One's story sessions, and the people of the one in front.",
  autoStart: true,
  requires: [IStories, ILabShell],
  optional: [ILayoutRestorer],
  activate(app: JupyterFrontEnd, found: IStories, shell: ILabShell, restorer: ILayoutRestorer | null): void {
    const widget = new Sidebar(
      found,
      (id) => void app.commands.execute(COMMANDS.open, { id }),
      () => void app.commands.execute(COMMANDS.new),
    );
    shell.add(widget, "left", { rank: 600 });
    restorer?.add(widget, widget.id);
  },
};

const status: JupyterFrontEndPlugin<void> = {
  id: "novel_jupyter:status",
  description: "The connection to the story sessions, in the status bar.",
  autoStart: true,
  requires: [IStories, IStatusBar],
  activate(_: JupyterFrontEnd, found: IStories, bar: IStatusBar): void {
    bar.registerStatusItem("novel_jupyter:status", { item: new Status(found), align: "right", rank: 200, isActive: () => found.connection !== null, activeStateChanged: found.changed as never });
  },
};

const output: JupyterFrontEndPlugin<void> = {
  id: "novel_jupyter:output",
  description: "A story session in a notebook's output.",
  autoStart: true,
  requires: [IStories, IRenderMimeRegistry],
  activate(_: JupyterFrontEnd, found: IStories, registry: IRenderMimeRegistry): void {
    registry.addFactory(rendererFactory(found), 0);
  },
};

/** Where a notebook's widget finds the face. */
const FACE = Symbol.for("novel_jupyter");

const face: JupyterFrontEndPlugin<void> = {
  id: "novel_jupyter:face",
  description: "The face of story sessions, for widgets in notebooks.",
  autoStart: true,
  requires: [IStories],
  activate(_: JupyterFrontEnd, found: IStories): void {
    (globalThis as { [FACE]?: unknown })[FACE] = {
      version: VERSION,
      mount: (element: HTMLElement, options: MountOptions): Mounted =>
        mount(element, { sessionId: options.sessionId, connected: found.connected(), trans: found.trans }),
    };
  },
};

export default [stories, sidebar, status, output, face];
