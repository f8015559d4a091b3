/**
 * The tension curve as numbers: its points, its acts, where they lie.
 *
 * Law: pure. Where a view does not show the tension, the curve is that of the clocks, which everybody sees; it never
 * passes for tension.
 * Parts: `Curve`, `curveOf`, `Plot`, `plot`.
 */
import type { Clock } from "../state";
import type { TurnLog } from "./digest";

export interface Point {
  /** 0 for what stands now. */
  readonly node: number;
  readonly turn: number;
  readonly value: number;
  readonly act: string | null;
}

export interface Curve {
  readonly shows: "tension" | "clocks";
  readonly points: readonly Point[];
}

export interface Now {
  readonly turn: number;
  readonly tension: number | null;
  readonly act: string | null;
}

/** `turns`: those that count, in order. `now`: what stands after the last of them, if it may differ from it. */
export function curveOf(
  turns: readonly TurnLog[],
  clocks: { readonly [id: string]: Clock },
  now: Now | null,
): Curve {
  const tense = turns.flatMap(({ node, number, tension, act }) =>
    tension === null ? [] : [{ node, turn: number, value: tension, act }],
  );
  if (tense.length > 0 || (now?.tension ?? null) !== null) {
    const last = now === null || now.tension === null ? [] : [{ node: 0, turn: now.turn, value: now.tension, act: now.act }];
    return { shows: "tension", points: [...tense, ...last] };
  }
  const ran = turns.flatMap((turn) => {
    const value = furthest(turn.clocks, clocks);
    return value === null ? [] : [{ node: turn.node, turn: turn.number, value, act: turn.act }];
  });
  const standing = Object.fromEntries(Object.entries(clocks).map(([id, { value }]) => [id, value]));
  const value = now === null ? null : furthest(standing, clocks);
  const last = now === null || value === null ? [] : [{ node: 0, turn: now.turn, value, act: now.act }];
  return { shows: "clocks", points: [...ran, ...last] };
}

/** How far the clock that is furthest has run, in percent. */
function furthest(values: { readonly [id: string]: number }, clocks: { readonly [id: string]: Clock }): number | null {
  const parts = Object.entries(values).flatMap(([id, value]) => {
    const segments = clocks[id]?.segments ?? 0;
    return segments > 0 ? [Math.min(100, Math.round((100 * value) / segments))] : [];
  });
  return parts.length === 0 ? null : Math.max(...parts);
}

export interface Plot {
  readonly height: number;
  readonly spots: readonly { readonly x: number; readonly y: number }[];
  readonly line: string;
  readonly area: string;
  readonly levels: readonly { readonly value: number; readonly y: number }[];
  /** The numbers of turns below the curve, as many as have room. */
  readonly ticks: readonly { readonly x: number; readonly turn: number }[];
  readonly acts: readonly { readonly x: number; readonly until: number; readonly name: string }[];
}

const LEFT = 34;
const RIGHT = 14;
const TOP = 30;
const TALL = 120;
const BELOW = 22;

/** Where everything of a curve lies in a picture `width` pixels wide. */
export function plot(points: readonly Point[], width: number): Plot {
  const first = points[0]?.turn ?? 1;
  const last = points.at(-1)?.turn ?? 1;
  const step = (width - LEFT - RIGHT) / Math.max(1, last - first);
  const y = (value: number): number => round(TOP + ((100 - value) / 100) * TALL);
  const spots = points.map(({ turn, value }) => ({ x: round(LEFT + (turn - first) * step), y: y(value) }));
  const line = spots.map(({ x, y }, at) => `${at === 0 ? "M" : "L"}${x},${y}`).join(" ");
  const floor = y(0);
  const area = spots.length < 2 ? "" : `${line} L${spots.at(-1)?.x},${floor} L${spots[0]?.x},${floor} Z`;
  const every = Math.max(1, Math.ceil(26 / step));
  const ticks = points.flatMap(({ turn }, at) =>
    (turn - first) % every === 0 ? [{ x: spots[at]?.x ?? 0, turn }] : [],
  );
  const begins = points.flatMap(({ act }, at) =>
    act !== null && act !== points[at - 1]?.act ? [{ x: spots[at]?.x ?? 0, name: act }] : [],
  );
  const acts = begins.map((act, at) => ({ ...act, until: begins[at + 1]?.x ?? width - RIGHT }));
  return { height: TOP + TALL + BELOW, spots, line, area, levels: [0, 50, 100].map((value) => ({ value, y: y(value) })), ticks, acts };
}

/** The point nearest to `x`. */
export function nearest(spots: Plot["spots"], x: number): number {
  let best = 0;
  for (const [at, spot] of spots.entries()) {
    if (Math.abs(spot.x - x) < Math.abs((spots[best]?.x ?? 0) - x)) best = at;
  }
  return best;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
