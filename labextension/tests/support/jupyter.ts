/**
 * A real Jupyter server with the extension, as a process of this test.
 *
 * Law: it lives in temporary folders on a free loopback port, is known to be up by what it says and not by waiting, and
 * only processes that were started here are ended here. Its named tokens are for such servers alone.
 * Parts: `python`, `JupyterServer`.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const READY = "novel_jupyter event=started";
const FAILED = /novel_jupyter.*(?:extension failed|error adding extension)/;
const START_MS = 45_000;

/** The interpreter that has the server: $NOVEL_PYTHON, or the one of the repository's environment. */
export function python(): string {
  const found = process.env["NOVEL_PYTHON"] ?? join(ROOT, ".venv", "bin", "python");
  if (!existsSync(found)) throw new Error(`no Python at ${found}: run \`make test\`, or set NOVEL_PYTHON`);
  return found;
}

/** What a Python program prints. */
export function runPython(program: string, input: string): string {
  return execFileSync(python(), ["-c", program], { cwd: ROOT, input, encoding: "utf8" });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export class JupyterServer {
  readonly port: number;
  readonly #folder: string;
  readonly #tokens: ReadonlyMap<string, string>;
  #child: ChildProcess | null = null;
  #said: string[] = [];

  private constructor(port: number, people: readonly string[]) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "novel-jupyter-"));
    this.#tokens = new Map(people.map((name) => [name, crypto.randomUUID()]));
    for (const name of ["config", "data", "runtime", "work"]) mkdirSync(join(this.#folder, name));
    const config = join(this.#folder, "config", "jupyter_server_config.json");
    writeFileSync(config, "");
    chmodSync(config, 0o600);
    writeFileSync(config, JSON.stringify(this.#settings()));
  }

  /** A server that runs. */
  static async start(people: readonly string[]): Promise<JupyterServer> {
    const server = new JupyterServer(await freePort(), people);
    try {
      await server.start();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}/novel/api/ws`;
  }

  /** The latest lines that the server wrote. */
  get log(): string {
    return this.#said.join("\n");
  }

  headers(name: string): { Authorization: string } {
    return { Authorization: `token ${this.#tokens.get(name) ?? ""}` };
  }

  /** Ask as somebody. @throws Error with the server's words for anything but success. */
  async rest(name: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.url}novel/api/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...this.headers(name), "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Start (again, on the same port and data); done when the extension says that it is up. */
  async start(): Promise<void> {
    const child = spawn(python(), ["-m", "jupyter_server"], {
      cwd: this.#folder,
      env: this.#environment(),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    // A run that is broken off must not leave a server behind.
    const orphan = (): void => void child.kill("SIGKILL");
    process.once("exit", orphan);
    child.once("exit", () => process.off("exit", orphan));
    this.#said = [];
    const lines = createInterface({ input: child.stderr });
    await new Promise<void>((resolve, reject) => {
      const failed = (): void => reject(new Error(`the server did not start:\n${this.log}`));
      const timer = setTimeout(failed, START_MS);
      child.once("exit", failed);
      child.once("error", failed);
      lines.on("line", (line) => {
        this.#said = [...this.#said.slice(-200), line];
        if (FAILED.test(line)) failed();
        if (!line.includes(READY)) return;
        clearTimeout(timer);
        child.off("exit", failed);
        resolve();
      });
    });
  }

  /** SIGKILL: no goodbye. SIGTERM: the server drains. Done when the process is gone. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await gone;
    clearTimeout(timer);
  }

  /** End the process and remove its folders. */
  async dispose(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #settings(): unknown {
    const without = ["jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim", "notebook"];
    return {
      ServerApp: {
        ip: "127.0.0.1",
        port: this.port,
        port_retries: 0,
        open_browser: false,
        allow_root: true,
        allow_unauthenticated_access: false,
        identity_provider_class: "novel_jupyter.testing.NamedIdentities",
        root_dir: join(this.#folder, "work"),
        jpserver_extensions: { novel_jupyter: true, ...Object.fromEntries(without.map((name) => [name, false])) },
      },
      NamedIdentities: {
        token: crypto.randomUUID(),
        people: Object.fromEntries([...this.#tokens].map(([name, token]) => [token, name])),
      },
    };
  }

  #environment(): { [key: string]: string | undefined } {
    const hidden = /^(JUPYTER|JPY_|NOVEL_)/;
    const kept = Object.fromEntries(Object.entries(process.env).filter(([key]) => !hidden.test(key)));
    return {
      ...kept,
      JUPYTER_CONFIG_DIR: join(this.#folder, "config"),
      JUPYTER_DATA_DIR: join(this.#folder, "data"),
      JUPYTER_RUNTIME_DIR: join(this.#folder, "runtime"),
      JUPYTER_PLATFORM_DIRS: "0",
    };
  }
}
