/**
 * What differs between two texts, word by word.
 *
 * Law: the same units and the same changes as the server's merge (`core/text.py`), so that a screen foretells what the
 * server will make of an edit; a test compares both. The work is bounded: beyond it, what is left counts as one change.
 * Parts: `tokenize`, `changes`.
 */

/** `old[start:end]` (tokens) became `tokens`; an insertion has `start === end`. */
export interface Change {
  readonly start: number;
  readonly end: number;
  readonly tokens: readonly string[];
}

const MAX_STEPS = 300_000;
const SPACELESS = "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uac00-\\ud7af"; // kana, Han, Hangul
const TOKEN = new RegExp(`[${SPACELESS}]|(?:(?![${SPACELESS}])[\\p{L}\\p{N}_])+|\\s+|[^]`, "gu");
const WORD = /^[\p{L}\p{N}_]/u;

/** The text in words, runs of white space and single marks; joined, they are the text. */
export function tokenize(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

/** Few changes that lead from `old` to `made`, in order, with something unchanged between any two. */
export function changes(old: readonly string[], made: readonly string[]): Change[] {
  const found: Change[] = [];
  let [x, y] = [0, 0];
  for (const [atX, atY] of [...matches(old, made), [old.length, made.length] as Pair]) {
    if (x !== atX || y !== atY) found.push({ start: x, end: atX, tokens: made.slice(y, atY) });
    [x, y] = [atX + 1, atY + 1];
  }
  return slide(old, found);
}

type Pair = readonly [number, number];

/** Each pure insertion or deletion as far to the end as the text allows: both sides must mean the same place. */
function slide(old: readonly string[], found: readonly Change[]): Change[] {
  const slid: Change[] = [];
  let barrier = old.length + 1;
  for (let { start, end, tokens } of [...found].reverse()) {
    const last = Math.min(old.length, barrier - 1);
    if (start === end) {
      for (; end < last && old[end] === tokens[0]; end += 1) tokens = [...tokens.slice(1), old[end] ?? ""];
      start = end;
    } else if (tokens.length === 0) {
      for (; end < last && old[end] === old[start]; end += 1) start += 1;
    }
    slid.push({ start, end, tokens });
    barrier = start;
  }
  return slid.reverse();
}

/** Places (in old, in made) of what both share, in order: of the words, then of the marks between them. */
function matches(old: readonly string[], made: readonly string[]): Pair[] {
  const work = { left: MAX_STEPS };
  const wordsAt = (tokens: readonly string[]): number[] => [...tokens.keys()].filter((at) => WORD.test(tokens[at] ?? ""));
  const [oldWords, madeWords] = [wordsAt(old), wordsAt(made)];
  const taken = (tokens: readonly string[], places: readonly number[]): string[] => places.map((at) => tokens[at] ?? "");
  const shared = common(taken(old, oldWords), taken(made, madeWords), work).map(
    ([i, j]): Pair => [oldWords[i] ?? 0, madeWords[j] ?? 0],
  );
  const found: Pair[] = [];
  let [x, y] = [0, 0];
  for (const [endX, endY] of [...shared, [old.length, made.length] as Pair]) {
    for (const [i, j] of common(old.slice(x, endX), made.slice(y, endY), work)) found.push([x + i, y + j]);
    found.push([endX, endY]);
    [x, y] = [endX + 1, endY + 1];
  }
  return found.slice(0, -1);
}

interface Work {
  left: number;
}

/** Places of a longest common subsequence; when the work is used up, of what both share at their ends. */
function common(a: readonly string[], b: readonly string[], work: Work): Pair[] {
  const limit = Math.min(a.length, b.length);
  let head = 0;
  while (head < limit && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < limit - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const inner = myers(a.slice(head, a.length - tail), b.slice(head, b.length - tail), work);
  return [
    ...Array.from({ length: head }, (_, at): Pair => [at, at]),
    ...inner.map(([i, j]): Pair => [head + i, head + j]),
    ...Array.from({ length: tail }, (_, at): Pair => [a.length - tail + at, b.length - tail + at]),
  ];
}

/** Myers' greedy difference, as far as the work goes. */
function myers(a: readonly string[], b: readonly string[], work: Work): Pair[] {
  const known = new Set(a);
  if (!b.some((token) => known.has(token))) return [];
  const reach = new Map<number, number>([[1, 0]]); // diagonal x - y → furthest x reached on it
  const history: Map<number, number>[] = [];
  for (let distance = 0; distance <= a.length + b.length; distance += 1) {
    history.push(new Map(reach));
    work.left -= distance;
    if (work.left < 0) break;
    for (let diagonal = -distance; diagonal <= distance; diagonal += 2) {
      const start = isDown(reach, diagonal, distance) ? at(reach, diagonal + 1) : at(reach, diagonal - 1) + 1;
      let x = start;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      work.left -= 1 + x - start;
      reach.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return walkBack(history, a.length, b.length);
    }
  }
  return [];
}

function at(reach: ReadonlyMap<number, number>, diagonal: number): number {
  return reach.get(diagonal) ?? 0;
}

/** Whether the way to `diagonal` leads furthest by an insertion (from above), not by a deletion. */
function isDown(reach: ReadonlyMap<number, number>, diagonal: number, distance: number): boolean {
  return diagonal === -distance || (diagonal !== distance && at(reach, diagonal - 1) < at(reach, diagonal + 1));
}

function walkBack(history: readonly ReadonlyMap<number, number>[], x: number, y: number): Pair[] {
  const found: Pair[] = [];
  for (let distance = history.length - 1; distance >= 0; distance -= 1) {
    const reach = history[distance] ?? new Map<number, number>();
    const diagonal = x - y;
    const down = isDown(reach, diagonal, distance);
    const landed = down ? at(reach, diagonal + 1) : at(reach, diagonal - 1) + 1;
    for (let i = x - 1; i >= landed; i -= 1) found.push([i, i - diagonal]);
    [x, y] = down ? [landed, landed - diagonal - 1] : [landed - 1, landed - diagonal];
  }
  return found.reverse();
}
