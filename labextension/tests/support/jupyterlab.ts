/**
 * What the plugins see of JupyterLab, without JupyterLab: its packages are for bundlers, and do not load in Node.js.
 *
 * Law: commands, widgets and signals are Lumino's own; dialogs answer what a test says; what is added to the shell is
 * noted. `vi.mock("@jupyterlab/…", () => import("../support/jupyterlab"))` puts it in the packages' place.
 * Parts: tokens, classes of the packages, `Lab` (an application with all or some of its services).
 */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { CommandRegistry } from "@lumino/commands";
import { Token } from "@lumino/coreutils";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { vi } from "vitest";

import { asWritten } from "../../src/ui/translate";

export const ILabShell = new Token("ILabShell");
export const ILayoutRestorer = new Token("ILayoutRestorer");
export const ICommandPalette = new Token("ICommandPalette");
export const ILauncher = new Token("ILauncher");
export const IRenderMimeRegistry = new Token("IRenderMimeRegistry");
export const IStatusBar = new Token("IStatusBar");
export const ITranslator = new Token("ITranslator");
export const nullTranslator = { load: () => asWritten };

export class LabIcon {
  readonly name: string;
  constructor({ name }: { name: string }) {
    this.name = name;
  }
}

export class MainAreaWidget<T extends Widget = Widget> extends Widget {
  readonly content: T;
  constructor({ content }: { content: T }) {
    super();
    this.content = content;
    content.disposed.connect(() => this.dispose());
  }
  override dispose(): void {
    super.dispose();
    if (!this.content.isDisposed) this.content.dispose();
  }
}

export class WidgetTracker<T extends Widget> {
  readonly currentChanged = new Signal<this, T | null>(this);
  currentWidget: T | null = null;
  readonly #known = new Set<T>();
  add(widget: T): Promise<void> {
    this.#known.add(widget);
    widget.disposed.connect(() => this.#known.delete(widget));
    this.focus(widget);
    return Promise.resolve();
  }
  find(wanted: (widget: T) => boolean): T | undefined {
    return [...this.#known].find(wanted);
  }
  focus(widget: T | null): void {
    this.currentWidget = widget;
    this.currentChanged.emit(widget);
  }
}

export const InputDialog = { getText: vi.fn(async () => ({ value: null as string | null })) };
export const showDialog = vi.fn(async (_: { title: string; body: string }) => ({ button: { accept: true } }));
export const Dialog = { cancelButton: (options?: object) => options ?? {}, okButton: (options?: object) => options ?? {} };
export const Clipboard = { copyToSystem: vi.fn() };

export const ServerConnection = {
  token: "first",
  makeSettings: () => ({ baseUrl: "http://lab.test/base/", wsUrl: "ws://lab.test/base/", token: ServerConnection.token }),
  makeRequest: vi.fn(async (_url: string, _init: RequestInit): Promise<Response> => Response.json({})),
};

interface Restoring {
  readonly command: string;
  readonly args: (widget: Widget) => unknown;
  readonly name: (widget: Widget) => string;
}

/** An application, with what a test looks at. */
export class Lab {
  readonly commands = new CommandRegistry();
  readonly added: [widget: Widget, area: string][] = [];
  readonly activated: string[] = [];
  readonly offered: string[] = [];
  readonly launched: string[] = [];
  readonly restored: string[] = [];
  tracker: WidgetTracker<Widget> | null = null;
  restoring: Restoring | null = null;
  readonly shell = {
    currentChanged: new Signal<object, void>({}),
    add: (widget: Widget, area: string) => void this.added.push([widget, area]),
    activateById: (id: string) => void this.activated.push(id),
  };
  readonly palette = { addItem: ({ command }: { command: string }) => void this.offered.push(command) };
  readonly launcher = { add: ({ command }: { command: string }) => void this.launched.push(command) };
  readonly restorer = {
    add: (_: Widget, name: string) => void this.restored.push(name),
    restore: (tracker: WidgetTracker<Widget>, restoring: Restoring) => {
      this.tracker = tracker;
      this.restoring = restoring;
      return Promise.resolve();
    },
  };

  get app(): JupyterFrontEnd {
    return this as unknown as JupyterFrontEnd;
  }

  /** The widgets of the main area that were not closed. */
  get main(): MainAreaWidget[] {
    return this.added.filter(([widget, area]) => area === "main" && !widget.isDisposed).map(([widget]) => widget as MainAreaWidget);
  }
}
