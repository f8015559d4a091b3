/**
 * People in a ring, with arrows between them.
 *
 * Law: pure; the same people at the same width stand where they stood. The two arrows of a pair bend apart, and an
 * arrow ends at the frame of a name.
 * Parts: `ring`, `arrow`.
 */
import { round } from "./curve";
import { short } from "./words";

export interface Spot {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly name: string;
  /** Half of its frame. */
  readonly half: number;
}

export const HALF_TALL = 15;
const LETTER = 3.9;
const ROW = 52;

/** Where each stands in a picture `width` pixels wide, and how tall it is. Frames neither meet nor leave it. */
export function ring(people: readonly (readonly [id: string, name: string])[], width: number): { spots: readonly Spot[]; height: number } {
  const count = people.length;
  // Two may stand at the same height, so each has less than half of the width.
  const most = Math.max(4, Math.min(20, Math.floor((width / 2 - 44) / (2 * LETTER))));
  const named = people.map(([id, name]) => {
    const shown = short(name, most);
    return { id, name: shown, half: 18 + LETTER * Array.from(shown).length };
  });
  // Neighbours on a side differ least in height near the top and the bottom.
  const ry = count < 3 ? 50 : Math.max(90, (ROW * count) / 3.2);
  const height = round(2 * ry + 2 * HALF_TALL + 24);
  const spots = named.map((one, n) => {
    if (count === 1) return { ...one, x: round(width / 2), y: round(height / 2) };
    const [sine, cosine] = place(n, count);
    const rx = Math.max(0, Math.min(width / 2 - one.half - 6, 240));
    // Near the top two share a height close to the middle: each keeps to its side.
    const dx = Math.abs(sine) < 1e-6 ? 0 : Math.sign(sine) * Math.max(rx * Math.abs(sine), one.half + 4);
    return { ...one, x: round(width / 2 + dx), y: round(height / 2 - ry * cosine) };
  });
  return { spots, height };
}

/** Spread so that heights are even: names are wide and low. */
function place(n: number, count: number): [number, number] {
  const turn = (2 * n) / count;
  // From 1 at the top to -1 at the bottom and back, in even steps.
  const cosine = 1 - 2 * Math.min(turn, 2 - turn);
  const sine = Math.sqrt(Math.max(0, 1 - cosine * cosine));
  return [turn <= 1 ? sine : -sine, cosine];
}

export interface Arrow {
  readonly line: string;
  readonly head: string;
  readonly label: { readonly x: number; readonly y: number };
}

export function arrow(from: Spot, to: Spot): Arrow {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const bend = { x: (from.x + to.x) / 2 - dy * 0.16, y: (from.y + to.y) / 2 + dx * 0.16 };
  const start = edge(from, bend, 0);
  const tip = edge(to, bend, 3);
  const far = Math.hypot(to.x - bend.x, to.y - bend.y) || 1;
  const [ux, uy] = [(to.x - bend.x) / far, (to.y - bend.y) / far];
  const back = { x: tip.x - ux * 8, y: tip.y - uy * 8 };
  const line = `M${round(start.x)},${round(start.y)} Q${round(bend.x)},${round(bend.y)} ${round(back.x)},${round(back.y)}`;
  const left = `${round(back.x - uy * 4)},${round(back.y + ux * 4)}`;
  const right = `${round(back.x + uy * 4)},${round(back.y - ux * 4)}`;
  const head = `M${round(tip.x)},${round(tip.y)} L${left} L${right} Z`;
  // A point of the curve, nearer to whose arrow it is.
  const t = 0.4;
  const on = (a: number, b: number, c: number): number => round((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c);
  return { line, head, label: { x: on(start.x, bend.x, tip.x), y: on(start.y, bend.y, tip.y) } };
}

/** Where the line from a name towards `at` leaves its frame, `off` pixels further. */
function edge(spot: Spot, at: { x: number; y: number }, off: number): { x: number; y: number } {
  const [dx, dy] = [at.x - spot.x, at.y - spot.y];
  const far = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / far, dy / far];
  const out = Math.min((spot.half + off) / Math.max(Math.abs(ux), 0.01), (HALF_TALL + off) / Math.max(Math.abs(uy), 0.01));
  return { x: spot.x + ux * out, y: spot.y + uy * out };
}
