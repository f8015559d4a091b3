/**
 * How the characters stand to each other: an arrow from each to those they trust or mistrust.
 *
 * Law: only feelings that this view shows are drawn, and it is said whose they are; beside them, thin, who dealt with
 * whom, which everybody saw. To pick a person leaves only their arrows. A list says the same in words.
 */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { useFace, useMe, useStory } from "../face";
import { personName } from "../state";
import type { Translation } from "../translate";
import { lineOf, type TurnLog } from "./digest";
import { useLog } from "./log";
import { arrow, HALF_TALL, ring } from "./ring";
import { useWidth } from "./size";
import { dealingsOf, tiesOf, type Dealing, type Tie } from "./ties";
import { signed } from "./words";

/** So many turns back it is looked for who dealt with whom. */
const TURNS_BACK = 12;

export interface RelationsProps {
  /** The colour of a person, as the host shows them elsewhere. */
  readonly colour?: (userId: string) => string | undefined;
}

export function Relations({ colour }: RelationsProps): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const state = useStory((whole) => whole);
  const line = lineOf(state.turn?.parent ?? 0, state.turns).slice(-TURNS_BACK);
  const log = useLog(line[0] ?? null);
  const turns = useMemo(() => {
    const read = (node: number): readonly TurnLog[] => {
      const turn = log.digest.turns.get(node);
      return turn === undefined ? [] : [turn];
    };
    return line.flatMap(read);
  }, [line.join(), log.digest]);
  const [box, width] = useWidth<HTMLDivElement>();
  const [picked, setPicked] = useState<string | null>(null);

  const { characters, seats } = state;
  const { ties, shown } = tiesOf(state, turns);
  const felt = ties.filter(({ trust }) => trust !== 0);
  const dealings = dealingsOf(characters, turns);
  const names = Object.entries(characters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { name }]) => [id, name] as const);
  const name = (id: string): string => characters[id]?.name ?? id;
  const { spots, height } = useMemo(() => ring(names, width), [names.join("\n"), width]);
  const at = new Map(spots.map((spot) => [spot.id, spot]));
  const near = (from: string, to: string): boolean => picked === null || picked === from || picked === to;
  const drawn = (from: string, to: string): ReturnType<typeof arrow> | null => {
    const [start, end] = [at.get(from), at.get(to)];
    return start === undefined || end === undefined ? null : arrow(start, end);
  };
  const tieWords = (tie: Tie): string => wordsOf(trans, tie, name);
  const dealWords = (dealing: Dealing): string => dealt(trans, dealing, name);
  const about = (who: string): string => {
    const said = ties.filter(({ from }) => from === who).map(tieWords);
    const owner = seats[who]?.owner ?? null;
    const whose = owner === null ? [] : [trans.__("played by %1", owner === me ? trans.__("you") : personName(state, owner))];
    return [name(who), ...whose, ...said].join(". ");
  };
  const whose =
    shown.length === 0
      ? trans.__("Nobody's feelings are shown to you; thin arrows tell who dealt with whom.")
      : shown.length === names.length
        ? trans.__("Everybody's feelings are shown to you.")
        : trans.__("Shown to you: what %1 feels. What others feel is theirs; thin arrows tell who dealt with whom.", shown.map(name).join(", "));
  const covered = new Set(felt.map(({ from, to }) => `${from} ${to}`));

  return (
    <section class="jp-Novel-picture" aria-label={trans.__("Relations")}>
      <h3 class="jp-Novel-picture-title">{trans.__("Relations")}</h3>
      <div ref={box} class="jp-Novel-relations" role="group" aria-label={trans.__("Relations")}>
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} direction="ltr">
          {dealings
            .filter(({ from, to }) => !covered.has(`${from} ${to}`))
            .map((dealing) => {
              const made = drawn(dealing.from, dealing.to);
              return made === null ? null : (
                <g key={`${dealing.from} ${dealing.to}`} class={`jp-Novel-dealing jp-mod-${dealing.tone}`} data-faint={!near(dealing.from, dealing.to)}>
                  <path d={made.line} />
                  <path class="jp-Novel-head" d={made.head} />
                  <title>{dealWords(dealing)}</title>
                </g>
              );
            })}
          {felt.map((tie) => {
            const made = drawn(tie.from, tie.to);
            return made === null ? null : (
              <g key={`${tie.from} ${tie.to}`} class={`jp-Novel-tie ${tie.trust > 0 ? "jp-mod-trust" : "jp-mod-mistrust"}`} data-faint={!near(tie.from, tie.to)}>
                <path d={made.line} stroke-width={Math.min(1 + Math.abs(tie.trust), 4)} />
                <path class="jp-Novel-head" d={made.head} />
                <circle cx={made.label.x} cy={made.label.y} r={10} />
                <text x={made.label.x} y={made.label.y + 4} text-anchor="middle">
                  {signed(tie.trust)}
                </text>
                <title>{tieWords(tie)}</title>
              </g>
            );
          })}
          {spots.map(({ id, x, y, name: label, half }) => {
            const owner = seats[id]?.owner ?? null;
            const toggle = (): void => setPicked(picked === id ? null : id);
            return (
              <g
                key={id}
                class="jp-Novel-person"
                role="button"
                tabIndex={0}
                aria-pressed={picked === id}
                aria-label={about(id)}
                data-faint={picked !== null && picked !== id}
                onClick={toggle}
                onKeyDown={(event) => {
                  if (event.key === "Escape") setPicked(null);
                  if (event.key !== "Enter" && event.key !== " ") return;
                  event.preventDefault();
                  toggle();
                }}
              >
                <rect x={x - half} y={y - HALF_TALL} width={2 * half} height={2 * HALF_TALL} rx={HALF_TALL} />
                {owner === null ? null : (
                  <circle class="jp-Novel-owner" cx={x - half + 11} cy={y} r={5} style={{ fill: colour?.(owner) }} data-mine={owner === me} />
                )}
                <text x={owner === null ? x : x + 6} y={y + 4.5} text-anchor="middle">
                  {label}
                </text>
                <title>{name(id)}</title>
              </g>
            );
          })}
        </svg>
      </div>
      <p class="jp-Novel-picture-note">{felt.length === 0 ? whose : `${whose} ${trans.__("Whole: trust. Dashed: mistrust. The number: how much.")}`}</p>
      <details class="jp-Novel-picture-words">
        <summary>{trans.__("In words")}</summary>
        <ul>
          {ties.map((tie) => (
            <li key={`${tie.from} ${tie.to}`}>{tieWords(tie)}</li>
          ))}
          {dealings.map((dealing) => (
            <li key={`${dealing.from} ${dealing.to}.`}>{dealWords(dealing)}</li>
          ))}
          {ties.length + dealings.length === 0 ? <li>{trans.__("Nobody has had to do with anybody yet.")}</li> : null}
        </ul>
      </details>
    </section>
  );
}

function wordsOf(trans: Translation, { from, to, trust, moved }: Tie, name: (id: string) => string): string {
  const stands =
    trust > 0
      ? trans.__("%1 trusts %2 (%3)", name(from), name(to), signed(trust))
      : trust < 0
        ? trans.__("%1 mistrusts %2 (%3)", name(from), name(to), signed(trust))
        : trans.__("%1 neither trusts nor mistrusts %2", name(from), name(to));
  return moved === null ? stands : trans.__("%1, %2 in turn %3", stands, signed(moved.by), moved.turn);
}

function dealt(trans: Translation, { from, to, times, last, turn }: Dealing, name: (id: string) => string): string {
  return trans._n(
    "%2 turned to %3 once lately: %4 (turn %5)",
    "%2 turned to %3 %1 times lately, last: %4 (turn %5)",
    times,
    name(from),
    name(to),
    last,
    turn,
  );
}
