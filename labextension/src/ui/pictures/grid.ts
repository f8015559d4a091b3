/**
 * Places on a grid, so that no two can overlap and ways between them are short.
 *
 * Law: pure and without chance: the same places, ways and columns give the same grid, whatever the order in which they
 * are named. Who is where plays no part, so a map stands still while people move.
 * Parts: `Way`, `waysOf`, `Cell`, `gridOf`, `keyOf`.
 */
import type { Place } from "../state";

/** A way between two places, `a` < `b`; what is not there one way is null. */
export interface Way {
  readonly a: string;
  readonly b: string;
  readonly there: Passage | null;
  readonly back: Passage | null;
}

export interface Passage {
  readonly open: boolean;
  readonly lockedBy: string | null;
  readonly description: string | null;
}

export interface Cell {
  readonly column: number;
  readonly row: number;
}

type Places = { readonly [id: string]: Place };

export function waysOf(places: Places): readonly Way[] {
  const ways = new Map<string, Way>();
  for (const from of Object.keys(places).sort()) {
    for (const [to, exit] of Object.entries(places[from]?.exits ?? {})) {
      if (!Object.hasOwn(places, to) || to === from) continue;
      const [a, b] = from < to ? [from, to] : [to, from];
      const passage = { open: exit.open, lockedBy: exit.locked_by, description: exit.description };
      const way = ways.get(`${a} ${b}`) ?? { a, b, there: null, back: null };
      ways.set(`${a} ${b}`, from === a ? { ...way, there: passage } : { ...way, back: passage });
    }
  }
  return [...ways.values()].sort((one, other) => (one.a + one.b < other.a + other.b ? -1 : 1));
}

/** Equal for equal maps: what a layout is kept under. */
export function keyOf(places: Places): string {
  return JSON.stringify([Object.keys(places).sort(), waysOf(places).map(({ a, b }) => [a, b])]);
}

const ROUNDS = 40;

/** A cell for each place, in `columns` columns. */
export function gridOf(places: Places, columns: number): ReadonlyMap<string, Cell> {
  const ids = Object.keys(places).sort();
  const rows = Math.max(1, Math.ceil(ids.length / columns) + (ids.length > 2 && columns > 1 ? 1 : 0));
  const ways = waysOf(places).map(({ a, b }) => [ids.indexOf(a), ids.indexOf(b)] as const);
  const cells = Array.from({ length: rows * columns }, (_, at) => ({ column: at % columns, row: Math.floor(at / columns) }));
  let best: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const start of starts(ids, ways, cells)) {
    const found = settle(start, cells, ways);
    const cost = costOf(found, cells, ways);
    if (cost < least) [best, least] = [found, cost];
  }
  return new Map(squeezed(ids.map((id, n) => [id, cells[best[n] ?? 0] ?? { column: 0, row: 0 }])));
}

/** Ways to begin: in the order in which one walks from each of the best connected places. */
function* starts(ids: readonly string[], ways: readonly (readonly [number, number])[], cells: readonly Cell[]): Iterable<number[]> {
  const next = ids.map((_, n) => ways.flatMap(([a, b]) => (a === n ? [b] : b === n ? [a] : [])));
  const roots = ids.map((_, n) => n).sort((a, b) => (next[b]?.length ?? 0) - (next[a]?.length ?? 0) || a - b);
  // A big map costs much for each beginning, and one is about as good as another.
  for (const root of roots.slice(0, ids.length > 16 ? 1 : 4)) {
    const order: number[] = [];
    const queue = [root, ...roots];
    for (let at = 0; at < queue.length; at += 1) {
      const place = queue[at] ?? 0;
      if (order.includes(place)) continue;
      order.push(place);
      queue.splice(at + 1, 0, ...(next[place] ?? []));
    }
    for (const first of [0, Math.floor(cells.length / 3)]) {
      const where = ids.map(() => 0);
      for (const [at, place] of order.entries()) where[place] = (first + at) % cells.length;
      yield where;
    }
  }
}

/** Change places, two at a time, as long as it helps. An empty cell changes too. */
function settle(start: readonly number[], cells: readonly Cell[], ways: readonly (readonly [number, number])[]): number[] {
  let where = [...start];
  let cost = costOf(where, cells, ways);
  // The more places, the dearer a round.
  const rounds = Math.max(1, Math.min(ROUNDS, Math.floor(4000 / (where.length * cells.length))));
  for (let round = 0; round < rounds; round += 1) {
    const before = cost;
    for (let place = 0; place < where.length; place += 1) {
      for (let cell = 0; cell < cells.length; cell += 1) {
        const here = where[place] ?? 0;
        if (cell === here) continue;
        const other = where.indexOf(cell);
        const tried = [...where];
        tried[place] = cell;
        if (other >= 0) tried[other] = here;
        const now = costOf(tried, cells, ways);
        if (now < cost - 1e-9) [where, cost] = [tried, now];
      }
    }
    if (cost === before) break;
  }
  return where;
}

function costOf(where: readonly number[], cells: readonly Cell[], ways: readonly (readonly [number, number])[]): number {
  const taken = new Set(where);
  let cost = 0;
  // Read from the top, the left first: what is not tied lies there.
  for (const cell of where) cost += 0.01 * ((cells[cell]?.row ?? 0) * 2 + (cells[cell]?.column ?? 0));
  for (const [n, [a, b]] of ways.entries()) {
    const [from, to] = [cells[where[a] ?? 0], cells[where[b] ?? 0]];
    if (from === undefined || to === undefined) continue;
    const [dx, dy] = [to.column - from.column, to.row - from.row];
    // A slanting way is harder to follow than a straight one.
    cost += dx * dx + dy * dy + (dx !== 0 && dy !== 0 ? 0.4 : 0);
    for (const cell of taken) {
      const between = cells[cell];
      if (between !== undefined && between !== from && between !== to && passes(from, to, between)) cost += 6;
    }
    for (const [c, d] of ways.slice(n + 1)) {
      const [start, end] = [cells[where[c] ?? 0], cells[where[d] ?? 0]];
      if (start !== undefined && end !== undefined && crosses(from, to, start, end)) cost += 3;
    }
  }
  return cost;
}

/** Whether the straight way between two cells leads over a third. */
export function passes(from: Cell, to: Cell, between: Cell): boolean {
  const [dx, dy] = [to.column - from.column, to.row - from.row];
  const [px, py] = [between.column - from.column, between.row - from.row];
  const along = (px * dx + py * dy) / (dx * dx + dy * dy || 1);
  if (along <= 0 || along >= 1) return false;
  return Math.hypot(px - along * dx, py - along * dy) < 0.45;
}

export function crosses(a: Cell, b: Cell, c: Cell, d: Cell): boolean {
  if (a === c || a === d || b === c || b === d) return false;
  const side = (p: Cell, q: Cell, r: Cell): number =>
    Math.sign((q.column - p.column) * (r.row - p.row) - (q.row - p.row) * (r.column - p.column));
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}

/** Without the rows and columns that stayed empty. */
function squeezed(placed: readonly (readonly [string, Cell])[]): [string, Cell][] {
  const rows = [...new Set(placed.map(([, { row }]) => row))].sort((a, b) => a - b);
  const columns = [...new Set(placed.map(([, { column }]) => column))].sort((a, b) => a - b);
  return placed.map(([id, { column, row }]) => [id, { column: columns.indexOf(column), row: rows.indexOf(row) }]);
}
