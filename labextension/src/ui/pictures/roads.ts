/**
 * The lines of a map, between the frames of its places.
 *
 * Law: pure. A line ends at frames; it goes round a place that lies in its way; a way that leads only one way has a
 * head, and one that is shut has a lock in its middle.
 * Parts: `Box`, `Road`, `roads`.
 */
import { round } from "./curve";
import type { Way } from "./grid";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly wide: number;
  readonly tall: number;
}

export interface Road {
  readonly key: string;
  readonly line: string;
  readonly shut: boolean;
  readonly lock: Point | null;
  readonly heads: readonly string[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

export function roads(ways: readonly Way[], boxes: ReadonlyMap<string, Box>): readonly Road[] {
  return ways.flatMap(({ a, b, there, back }) => {
    const [from, to] = [boxes.get(a), boxes.get(b)];
    if (from === undefined || to === undefined) return [];
    const others = [...boxes.values()].filter((box) => box !== from && box !== to);
    const bend = around(from, to, others);
    const [start, end] = [leave(from, bend), leave(to, bend)];
    const shut = [there, back].some((passage) => passage !== null && !passage.open);
    const heads = [
      ...(back === null || (!back.open && (there?.open ?? false)) ? [head(bend, end)] : []),
      ...(there === null || (!there.open && (back?.open ?? false)) ? [head(bend, start)] : []),
    ];
    const middle = { x: round((start.x + 2 * bend.x + end.x) / 4), y: round((start.y + 2 * bend.y + end.y) / 4) };
    const line = `M${start.x},${start.y} Q${round(bend.x)},${round(bend.y)} ${end.x},${end.y}`;
    return [{ key: `${a} ${b}`, line, shut, lock: shut ? middle : null, heads }];
  });
}

function middleOf({ x, y, wide, tall }: Box): Point {
  return { x: x + wide / 2, y: y + tall / 2 };
}

/** The point towards which a line bends: halfway, or beside what lies in its way. */
function around(from: Box, to: Box, others: readonly Box[]): Point {
  const [a, b] = [middleOf(from), middleOf(to)];
  const straight = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  const far = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const side = { x: -(b.y - a.y) / far, y: (b.x - a.x) / far };
  const most = Math.max(from.wide, from.tall);
  for (const off of [0, 0.6, -0.6, 1.1, -1.1, 1.6, -1.6]) {
    const bend = { x: straight.x + side.x * off * most, y: straight.y + side.y * off * most };
    if (!others.some((box) => meets(a, bend, b, box))) return bend;
  }
  return straight;
}

function meets(a: Point, bend: Point, b: Point, box: Box): boolean {
  for (let t = 0.05; t < 1; t += 0.05) {
    const x = (1 - t) ** 2 * a.x + 2 * t * (1 - t) * bend.x + t * t * b.x;
    const y = (1 - t) ** 2 * a.y + 2 * t * (1 - t) * bend.y + t * t * b.y;
    if (x > box.x - 3 && x < box.x + box.wide + 3 && y > box.y - 3 && y < box.y + box.tall + 3) return true;
  }
  return false;
}

/** Where a line from the middle of a box towards a point leaves it. */
function leave(box: Box, towards: Point): Point {
  const { x, y } = middleOf(box);
  const [dx, dy] = [towards.x - x, towards.y - y];
  const part = Math.min(box.wide / 2 / Math.max(Math.abs(dx), 0.01), box.tall / 2 / Math.max(Math.abs(dy), 0.01), 1);
  return { x: round(x + dx * part), y: round(y + dy * part) };
}

function head(from: Point, tip: Point): string {
  const far = Math.hypot(tip.x - from.x, tip.y - from.y) || 1;
  const [ux, uy] = [(tip.x - from.x) / far, (tip.y - from.y) / far];
  const at = (along: number, aside: number): string =>
    `${round(tip.x - ux * along - uy * aside)},${round(tip.y - uy * along + ux * aside)}`;
  return `M${at(0, 0)} L${at(8, 4)} L${at(8, -4)} Z`;
}
