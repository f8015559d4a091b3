/**
 * The tree of turns, laid out: turns from left to right, branches as lanes.
 *
 * Law: pure. The path to where the next turn goes on is the first lane; each other branch has a lane from where it
 * forks; what no branch leads to any more (undone, or played again) comes last. Lanes share a row where they do not meet.
 * Parts: `Tree`, `treeOf`, `Direction`, `step` (where a key leads).
 */
import type { TurnNode } from "../state";

/** 0 is the opening; null is now: after the last turn of the current path. */
export type Place = number | null;

export interface Placed {
  readonly node: number;
  /** Null: the opening. */
  readonly turn: TurnNode | null;
  readonly column: number;
  readonly row: number;
  /** The branches that lead here. */
  readonly branches: readonly string[];
  /** The branches that end here. */
  readonly tips: readonly string[];
  readonly isOnPath: boolean;
}

export interface Tree {
  /** By node, in the order of the log. */
  readonly nodes: ReadonlyMap<number, Placed>;
  /** From the opening, or the oldest turn that is known, to the one that the next follows. */
  readonly path: readonly number[];
  /** Turns between the opening and the oldest one here are no longer known. */
  readonly hasGap: boolean;
  readonly now: { readonly column: number; readonly row: number };
  readonly columns: number;
  readonly rows: number;
  /** Turns that no branch leads to. */
  readonly left: number;
}

type Turns = { readonly [node: string]: TurnNode };

export function treeOf(turns: Turns, branches: { readonly [name: string]: number }, parent: number): Tree {
  const ids = Object.keys(turns)
    .map(Number)
    .sort((a, b) => a - b);
  const first = ids.length === 0 ? 1 : Math.min(...ids.map((id) => turns[id]?.number ?? 1));
  const hasGap = ids.length > 0 && !ids.some((id) => turns[id]?.parent === 0);
  const columnOf = (node: number): number => (node === 0 ? 0 : (turns[node]?.number ?? first) - first + (hasGap ? 2 : 1));
  const up = (node: number): number[] => {
    const line: number[] = [];
    for (let at = node, last = Number.MAX_SAFE_INTEGER; at < last; ) {
      const turn = turns[at];
      if (turn === undefined) return at === 0 ? [...line, 0] : line;
      line.push(at);
      [last, at] = [at, turn.parent];
    }
    return line;
  };

  const leading = new Map<number, string[]>();
  const tips = new Map<number, string[]>();
  for (const [name, tip] of Object.entries(branches).sort(([a], [b]) => (a < b ? -1 : 1))) {
    tips.set(tip, [...(tips.get(tip) ?? []), name]);
    for (const node of up(tip)) leading.set(node, [...(leading.get(node) ?? []), name]);
  }
  const path = up(parent);
  const isParent = new Set(ids.map((id) => turns[id]?.parent));
  const leaves = ids.filter((id) => !isParent.has(id)).reverse();
  const named = Object.values(branches).sort((a, b) => a - b);

  const rowOf = new Map<number, number>([[0, 0]]);
  const taken: { from: number; to: number }[][] = [];
  const lay = (tip: number): void => {
    const own = up(tip).filter((node) => !rowOf.has(node));
    const oldest = own.at(-1);
    if (oldest === undefined) return;
    // The fork's column belongs to it: the line comes down there.
    const span = { from: columnOf(oldest) - 1, to: columnOf(tip) + (tip === parent ? 1 : 0) };
    let row = rowOf.size === 1 || tip === parent ? 0 : 1;
    while (taken[row]?.some(({ from, to }) => from <= span.to && span.from <= to)) row += 1;
    taken[row] = [...(taken[row] ?? []), span];
    for (const node of own) rowOf.set(node, row);
  };
  for (const tip of [parent, ...named, ...leaves]) lay(tip);

  const onPath = new Set(path);
  const nodes = new Map<number, Placed>();
  for (const node of [0, ...ids]) {
    nodes.set(node, {
      node,
      turn: turns[node] ?? null,
      column: columnOf(node),
      row: rowOf.get(node) ?? 0,
      branches: leading.get(node) ?? [],
      tips: tips.get(node) ?? [],
      isOnPath: onPath.has(node) || node === 0,
    });
  }
  const rows = Math.max(0, ...[...nodes.values()].map(({ row }) => row)) + 1;
  const now = { column: columnOf(parent) + 1, row: nodes.get(parent)?.row ?? 0 };
  const columns = Math.max(now.column, ...[...nodes.values()].map(({ column }) => column)) + 1;
  const left = ids.filter((id) => !leading.has(id) && !onPath.has(id)).length;
  return { nodes, path: path.reverse(), hasGap, now, columns, rows, left };
}

export type Direction = "back" | "on" | "up" | "down" | "first" | "last";

/** Where one comes from a place, or the same place where nothing lies that way. */
export function step(tree: Tree, from: Place, direction: Direction): Place {
  const tip = tree.path.at(-1) ?? 0;
  const here = from === null ? { ...tree.now, node: null } : tree.nodes.get(from);
  if (here === undefined) return null;
  switch (direction) {
    case "first":
      return 0;
    case "last":
      return null;
    case "back": {
      if (from === null) return tip;
      const parent = from === 0 ? 0 : (tree.nodes.get(from)?.turn?.parent ?? 0);
      return tree.nodes.has(parent) ? parent : 0;
    }
    case "on": {
      if (from === null || from === tip) return null;
      const next = [...tree.nodes.values()].filter(({ turn, node }) => node !== 0 && follows(tree, turn, from));
      next.sort((a, b) => Math.abs(a.row - here.row) - Math.abs(b.row - here.row));
      return next[0]?.node ?? from;
    }
    case "up":
    case "down": {
      const sign = direction === "up" ? -1 : 1;
      const other = [...tree.nodes.values()].filter(({ row }) => (row - here.row) * sign > 0);
      other.sort((a, b) => far(a, here) - far(b, here));
      return other[0]?.node ?? from;
    }
  }
}

function far(one: { column: number; row: number }, other: { column: number; row: number }): number {
  return Math.abs(one.row - other.row) * 3 + Math.abs(one.column - other.column);
}

function follows(tree: Tree, turn: TurnNode | null, from: number): boolean {
  if (turn === null) return false;
  // Beyond a gap the oldest known turns follow the opening.
  return turn.parent === from || (from === 0 && !tree.nodes.has(turn.parent));
}
