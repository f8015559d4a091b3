/**
 * A connection in a made-up world with the model of a server: what most tests of it begin with.
 *
 * Parts: `made`, `served`, `settle` and `pass` (what was set off has happened), `types` (of what was sent).
 */
import { Connection } from "../../src/index";
import { ModelServer } from "./server";
import { World, type Line } from "./world";

export function made(world: World, more: object = {}): Connection {
  const connection = new Connection({ url: "ws://here/novel/api/ws", environment: world.environment(), ...more });
  connection.start();
  return connection;
}

export function served(seed = 1): { world: World; server: ModelServer; connection: Connection } {
  const world = new World(seed);
  const server = new ModelServer();
  world.onOpen = (line) => void queueMicrotask(() => server.connect(line));
  return { world, server, connection: made(world) };
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await Promise.resolve();
}

/** Let time go by in small steps, and what it set off. */
export async function pass(world: World, ms: number, steps = 20): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    world.run(ms / steps);
    await settle();
  }
}

export function types(line: Line): string[] {
  return line.sent.map(({ type, data }) => (typeof data["kind"] === "string" ? data["kind"] : type));
}
