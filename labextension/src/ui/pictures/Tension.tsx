/**
 * How tense the story was after each turn, and now.
 *
 * Law: one stop of the Tab key; arrows walk along the curve, the pointer picks what is nearest, and what is picked is
 * told in words. A table says the same to those who would rather read it.
 */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { isObject } from "../../json";
import { Act } from "../Act";
import { useFace, useReplica, useStory } from "../face";
import { curveOf, nearest, plot, type Curve, type Point } from "./curve";
import { lineOf, type TurnLog } from "./digest";
import { useLog } from "./log";
import { useWidth } from "./size";
import { actName } from "./words";

/** So many turns are read without being asked for. */
const READ_FIRST = 40;

export interface TensionProps {
  /** A turn was picked, by its node: Enter on the curve, or a click. */
  readonly onTurn?: (node: number) => void;
  /** The turn that is looked at elsewhere; null: now. */
  readonly at?: number | null;
}

function maybe(turn: TurnLog | undefined): readonly TurnLog[] {
  return turn === undefined ? [] : [turn];
}

/** The curve of the turns that count, live. `earlier` reads the turns before it, where there are some. */
export function useCurve(): { curve: Curve; earlier: (() => Promise<void>) | null } {
  const [all, setAll] = useState(false);
  const turns = useStory((state) => state.turns);
  const clocks = useStory((state) => state.clocks);
  const turn = useStory((state) => state.turn);
  const act = useStory((state) => state.scene.act ?? null);
  const tension = useReplica(({ state }) => {
    const { director } = state;
    return isObject(director) && typeof director["tension"] === "number" ? director["tension"] : null;
  });
  const known = lineOf(turn?.parent ?? 0, turns);
  const wanted = known.at(all ? 0 : -Math.min(known.length, READ_FIRST)) ?? null;
  const log = useLog(wanted);
  const curve = useMemo(() => {
    const line = lineOf(turn?.parent ?? 0, turns, log.digest);
    const past = line.flatMap((node) => maybe(log.digest.turns.get(node)));
    const running = turn === undefined || turn.phase === "ended" || turn.number <= (past.at(-1)?.number ?? 0);
    return curveOf(past, clocks, running ? null : { turn: turn.number, tension, act });
  }, [turn, turns, clocks, act, tension, log.digest]);
  const hasEarlier = known.length > READ_FIRST && !all && !log.isWhole && (known[0] ?? log.from) <= log.from;
  return {
    curve,
    earlier: hasEarlier
      ? () => {
          setAll(true);
          return log.reach(known[0] ?? 0);
        }
      : null,
  };
}

export function Tension({ onTurn, at = null }: TensionProps): JSX.Element {
  const { trans } = useFace();
  const { curve, earlier } = useCurve();
  const { shows, points } = curve;
  const title = shows === "tension" ? trans.__("Tension") : trans.__("How far the clocks have run");
  return (
    <section class="jp-Novel-picture" aria-label={title}>
      <h3 class="jp-Novel-picture-title">{title}</h3>
      {points.length === 0 ? (
        <p class="jp-Novel-picture-note">{trans.__("There is nothing to draw before the first turn is resolved.")}</p>
      ) : (
        <CurveOf curve={curve} title={title} onTurn={onTurn} looked={at} />
      )}
      {shows === "clocks" && points.length > 0 ? (
        <p class="jp-Novel-picture-note">
          {trans.__("The tension is the director's to see; this is what everybody sees of it: the story's clock, in percent.")}
        </p>
      ) : null}
      {earlier === null ? null : (
        <Act kind="quiet" onDo={earlier}>
          {trans.__("Show earlier turns")}
        </Act>
      )}
    </section>
  );
}

interface CurveProps {
  readonly curve: Curve;
  readonly title: string;
  readonly onTurn: TensionProps["onTurn"];
  readonly looked: number | null;
}

function CurveOf({ curve, title, onTurn, looked }: CurveProps): JSX.Element {
  const { trans } = useFace();
  const live = useStory((state) => (state.turn?.phase ?? "ended") !== "ended");
  const [box, width] = useWidth<HTMLDivElement>();
  const [picked, setPicked] = useState<number | null>(null);
  const { points } = curve;
  const drawn = useMemo(() => plot(points, width), [points, width]);
  const resting = looked === null ? -1 : points.findIndex(({ node }) => node === looked);
  const at = Math.min(picked ?? (resting < 0 ? points.length - 1 : resting), points.length - 1);
  const told = (point: Point): string => {
    const value = curve.shows === "tension" ? point.value : trans.__("%1 %", point.value);
    const when = point.node === 0 ? trans.__("turn %1, now", point.turn) : trans.__("turn %1", point.turn);
    return point.act === null ? `${when}: ${value}` : `${when}: ${value}, ${actName(trans, point.act)}`;
  };
  const point = points[at];
  const spot = drawn.spots[at];
  const choose = (): void => {
    if (point !== undefined && point.node > 0) onTurn?.(point.node);
  };
  const onKey = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: points.length - 1 }[event.key];
    if (event.key === "Enter") choose();
    else if (event.key === "Escape") setPicked(null);
    else if (to === undefined) return;
    else setPicked(Math.max(0, Math.min(points.length - 1, to)));
    event.preventDefault();
  };
  const onMove = (event: MouseEvent): void => {
    const { left } = (event.currentTarget as Element).getBoundingClientRect();
    setPicked(nearest(drawn.spots, event.clientX - left));
  };
  return (
    <>
      <div
        ref={box}
        class="jp-Novel-curve"
        role="slider"
        tabIndex={0}
        aria-label={title}
        aria-orientation="horizontal"
        aria-valuemin={points[0]?.turn ?? 0}
        aria-valuemax={points.at(-1)?.turn ?? 0}
        aria-valuenow={point?.turn ?? 0}
        aria-valuetext={point === undefined ? "" : told(point)}
        onKeyDown={onKey}
        onMouseMove={onMove}
        onMouseLeave={() => setPicked(null)}
        onClick={choose}
      >
        <svg width={width} height={drawn.height} viewBox={`0 0 ${width} ${drawn.height}`} direction="ltr" aria-hidden="true">
          {drawn.acts.map(({ x, until, name }, index) => (
            <g key={`${x}`} class="jp-Novel-curve-act">
              {index % 2 === 1 ? <rect x={x} y={24} width={Math.max(0, until - x)} height={126} /> : null}
              <line x1={x} y1={24} x2={x} y2={150} />
              {until - x >= 40 ? (
                <text x={x + 4} y={18}>
                  {actName(trans, name)}
                </text>
              ) : null}
            </g>
          ))}
          {drawn.levels.map(({ value, y }) => (
            <g key={value} class="jp-Novel-curve-level">
              <line x1={34} y1={y} x2={width - 14} y2={y} />
              <text x={28} y={y + 4} text-anchor="end">
                {value}
              </text>
            </g>
          ))}
          <path class="jp-Novel-curve-area" d={drawn.area} />
          <path class="jp-Novel-curve-line" d={drawn.line} />
          {drawn.ticks.map(({ x, turn }) => (
            <text key={turn} class="jp-Novel-curve-tick" x={x} y={168} text-anchor="middle">
              {turn}
            </text>
          ))}
          {drawn.spots.map(({ x, y }, index) => (
            <circle
              key={index}
              class={points[index]?.node === 0 && live ? "jp-Novel-curve-now" : "jp-Novel-curve-spot"}
              cx={x}
              cy={y}
              r={points.length > 60 ? 2 : points[index]?.node === 0 ? 5 : 3.5}
            />
          ))}
          {spot === undefined || (picked === null && resting < 0) ? null : <circle class="jp-Novel-curve-picked" cx={spot.x} cy={spot.y} r={8} />}
        </svg>
      </div>
      <p class="jp-Novel-picture-told">{point === undefined ? "" : told(point)}</p>
      <details class="jp-Novel-picture-words">
        <summary>{trans.__("In numbers")}</summary>
        <div class="jp-Novel-picture-scroll" role="region" aria-label={title} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{trans.__("Turn")}</th>
                <th scope="col">{curve.shows === "tension" ? trans.__("Tension") : trans.__("Clock, %")}</th>
                <th scope="col">{trans.__("Act")}</th>
              </tr>
            </thead>
            <tbody>
              {points.map(({ turn, value, act, node }) => (
                <tr key={`${node}.${turn}`}>
                  <th scope="row">{node === 0 ? trans.__("%1 (now)", turn) : turn}</th>
                  <td>{value}</td>
                  <td>{act === null ? "" : actName(trans, act)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}
