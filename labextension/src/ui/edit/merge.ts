/**
 * What one types, on top of what others wrote meanwhile.
 *
 * Law: changes of both sides that do not overlap both survive, and two equal changes are one, by the server's own rules
 * (`core/text.py`). Where they overlap, the words on one's own screen stay, and the result says so: what becomes of them
 * is the server's to decide. Two people who only add letters to the same word lose none. Positions are UTF-16 units.
 * Parts: `rebase`, `moved`.
 */
import { changes, tokenize, type Change } from "./words";

export interface Rebased {
  readonly text: string;
  /** Both changed the same words, and the local ones stand in `text`. */
  readonly clashed: boolean;
  /** Where a position of the local text is now. */
  move(position: number): number;
}

/** A stretch of the local text, what stands for it in the result, and where its inner positions went. */
interface Piece {
  readonly from: string;
  readonly to: string;
  move(position: number): number;
}

/** `local` was made of `base`, and so was `remote`: both together. */
export function rebase(base: string, local: string, remote: string): Rebased {
  if (local === remote || base === remote) return { text: local, clashed: false, move: (position) => within(position, local) };
  if (base === local) return { text: remote, clashed: false, move: (position) => moved(position, local, remote) };
  const tokens = tokenize(base);
  const pieces: Piece[] = [];
  let [at, clashed] = [0, false];
  for (const [theirs, mine] of clusters(changes(tokens, tokenize(remote)), changes(tokens, tokenize(local)))) {
    const both = [...theirs, ...mine];
    const start = Math.min(...both.map((change) => change.start));
    const end = Math.max(...both.map((change) => change.end));
    const same = tokens.slice(at, start).join("");
    pieces.push({ from: same, to: same, move: (position) => position });
    at = end;
    const before = tokens.slice(start, end).join("");
    const kept = rewrite(tokens, start, end, theirs);
    const offered = rewrite(tokens, start, end, mine);
    if (mine.length === 0 || kept === offered || continues(before, offered, kept)) {
      pieces.push({ from: offered, to: kept, move: (position) => between(position, offered, kept) });
    } else if (theirs.length === 0 || continues(before, kept, offered)) {
      pieces.push(own(offered));
    } else if (start === end) {
      pieces.push({ from: offered, to: kept + offered, move: (position) => kept.length + position });
    } else {
      const spelled = letters(before, kept, offered);
      clashed ||= spelled === null;
      pieces.push(spelled ?? own(offered));
    }
  }
  const rest = tokens.slice(at).join("");
  pieces.push({ from: rest, to: rest, move: (position) => position });
  return { text: pieces.map(({ to }) => to).join(""), clashed, move: (position) => through(pieces, position) };
}

/** Where a position of one text is in another that was made of it. */
export function moved(position: number, from: string, to: string): number {
  if (from === to) return within(position, to);
  const tokens = tokenize(from);
  const pieces: Piece[] = [];
  let at = 0;
  for (const { start, end, tokens: made } of changes(tokens, tokenize(to))) {
    const same = tokens.slice(at, start).join("");
    const [old, now] = [tokens.slice(start, end).join(""), made.join("")];
    pieces.push({ from: same, to: same, move: (inside) => inside });
    pieces.push({ from: old, to: now, move: (inside) => between(inside, old, now) });
    at = end;
  }
  const rest = tokens.slice(at).join("");
  pieces.push({ from: rest, to: rest, move: (inside) => inside });
  return through(pieces, position);
}

function own(text: string): Piece {
  return { from: text, to: text, move: (position) => position };
}

/** A position at the seam of two stretches belongs to the one before it. */
function through(pieces: readonly Piece[], position: number): number {
  let [read, written] = [0, 0];
  for (const { from, to, move } of pieces) {
    if (position - read <= from.length) return written + move(Math.max(0, position - read));
    read += from.length;
    written += to.length;
  }
  return written;
}

function within(position: number, text: string): number {
  return Math.max(0, Math.min(position, text.length));
}

/** Inside of something that changed: as far from its beginning, or from its end, as both texts are alike there. */
function between(position: number, from: string, to: string): number {
  const [head, tail] = ends(from, to);
  if (position <= head) return position;
  if (position >= from.length - tail) return to.length - (from.length - position);
  return to.length - tail;
}

/** How many characters two texts share at their beginning, and at their end beside that. */
function ends(a: string, b: string): [number, number] {
  const limit = Math.min(a.length, b.length);
  let head = 0;
  while (head < limit && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < limit - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  return [head, tail];
}

/** Letters that both only added to the same words, one's own first where they meet; null if anything was taken away. */
function letters(before: string, kept: string, offered: string): Piece | null {
  const [theirs, mine] = [added(before, kept), added(before, offered)];
  if (theirs === null || mine === null) return null;
  if (theirs.at < mine.at) {
    const shift = theirs.text.length;
    const to = before.slice(0, theirs.at) + theirs.text + offered.slice(theirs.at);
    return { from: offered, to, move: (position) => (position > theirs.at ? position + shift : position) };
  }
  const at = theirs.at + mine.text.length;
  const to = offered.slice(0, at) + theirs.text + offered.slice(at);
  return { from: offered, to, move: (position) => (position > at ? position + theirs.text.length : position) };
}

function added(before: string, after: string): { at: number; text: string } | null {
  const [head, tail] = ends(before, after);
  return head + tail === before.length ? { at: head, text: after.slice(head, after.length - tail) } : null;
}

type Sides = readonly [Change[], Change[]];

/** Both sides' changes in order, those together that overlap, directly or through one another. */
function clusters(left: readonly Change[], right: readonly Change[]): Sides[] {
  const ordered = [
    ...left.map((change) => ({ change, side: 0 as const })),
    ...right.map((change) => ({ change, side: 1 as const })),
  ].sort((a, b) => a.change.start - b.change.start || a.change.end - b.change.end || a.side - b.side);
  const found: Sides[] = [];
  for (const { change, side } of ordered) {
    const opposite = found.at(-1)?.[side === 0 ? 1 : 0].at(-1);
    if (opposite === undefined || !overlap(change, opposite)) found.push([[], []]);
    found.at(-1)?.[side].push(change);
  }
  return found;
}

function overlap(a: Change, b: Change): boolean {
  if (a.start === a.end && b.start === b.end) return a.start === b.start;
  return a.start < b.end && b.start < a.end;
}

function rewrite(tokens: readonly string[], start: number, end: number, cluster: readonly Change[]): string {
  let [text, at] = ["", start];
  for (const change of cluster) {
    text += tokens.slice(at, change.start).join("") + change.tokens.join("");
    at = change.end;
  }
  return text + tokens.slice(at, end).join("");
}

/** Whether all three grow out of one another at the end, so that `more` has everything that `less` has. */
function continues(before: string, less: string, more: string): boolean {
  return less.startsWith(before) && more.startsWith(less);
}
