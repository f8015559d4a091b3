/**
 * A map: the places, the ways between them, and who and what is where.
 *
 * Law: a place has its cell for as long as places and ways stay the same; people move between them, visibly, unless the
 * reader asked for less motion. The map is a list that reads well by itself: each place names its people, things and
 * ways; the lines are for the eyes only.
 */
import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { useFace, useMe, useStory } from "../face";
import { isStill } from "../motion";
import type { Seat } from "../state";
import type { Translation } from "../translate";
import { gridOf, keyOf, waysOf, type Passage, type Way } from "./grid";
import { roads, type Box } from "./roads";
import { useWidth } from "./size";
import { whereaboutsOf, type Stage } from "./whereabouts";
import { initials } from "./words";

const MOVE_MS = 600;
/** What a place needs, in pixels. */
const PLACE_WIDE = 148;

export interface PlacesProps {
  /** The stage as of an earlier turn; absent: now. */
  readonly stage?: Stage;
  /** What it is of, where it is not of now. */
  readonly asOf?: string;
  /** A place was picked, as to propose going there. */
  readonly onPlace?: (place: string) => void;
  /** The colour of a person, as the host shows them elsewhere. */
  readonly colour?: (userId: string) => string | undefined;
}

export function Places({ stage, asOf, onPlace, colour }: PlacesProps): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const live = useStory((state) => ({
    locations: state.locations,
    characters: state.characters,
    items: state.items,
    scene: state.scene,
  }));
  const seats = useStory((state) => state.seats);
  const people = useStory((state) => state.participants);
  const { locations, characters, items, scene } = stage ?? live;
  const where = whereaboutsOf(stage ?? live);
  const [box, width] = useWidth<HTMLDivElement>();
  const most = Math.min(Math.max(2, Math.min(5, Math.floor(width / PLACE_WIDE))), Object.keys(locations).length);
  const topology = keyOf(locations);
  const cells = useMemo(() => gridOf(locations, Math.max(1, most)), [topology, most]);
  const columns = Math.max(0, ...[...cells.values()].map(({ column }) => column)) + 1;
  const ways = waysOf(locations);
  const list = useRef<HTMLUListElement>(null);
  const boxes = useBoxes(list, [topology, columns, width, stage ?? live]);
  useMoves(list, width);

  const order = [...cells].sort(([, a], [, b]) => a.row - b.row || a.column - b.column).map(([id]) => id);
  const name = (id: string): string => characters[id]?.name ?? id;
  const played = (id: string): string => {
    const owner = seats[id]?.owner ?? null;
    if (owner === null) return name(id);
    return trans.__("%1, played by %2", name(id), owner === me ? trans.__("you") : (people[owner]?.name ?? owner));
  };
  return (
    <section class="jp-Novel-picture" aria-label={trans.__("Places")}>
      <h3 class="jp-Novel-picture-title">
        {trans.__("Places")}
        {asOf === undefined ? null : <span class="jp-Novel-picture-asof">{asOf}</span>}
      </h3>
      {order.length === 0 ? <p class="jp-Novel-picture-note">{trans.__("No places are shown to you yet.")}</p> : null}
      <div ref={box} class="jp-Novel-map">
        <Roads ways={ways} boxes={boxes} />
        <ul ref={list} style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}>
          {order.map((id) => {
            const place = locations[id];
            const cell = cells.get(id);
            if (place === undefined || cell === undefined) return null;
            const here = where.people.get(id) ?? [];
            const lying = where.items.get(id) ?? [];
            const isScene = scene.location === id;
            return (
              <li
                key={id}
                data-place={id}
                class={isScene ? "jp-Novel-place jp-mod-scene" : "jp-Novel-place"}
                style={{ gridColumn: `${cell.column + 1}`, gridRow: `${cell.row + 1}` }}
                title={place.description}
              >
                {onPlace === undefined ? (
                  <span class="jp-Novel-place-name" dir="auto">
                    {place.name}
                  </span>
                ) : (
                  <button type="button" class="jp-Novel-place-name" dir="auto" onClick={() => onPlace(id)}>
                    {place.name}
                  </button>
                )}
                {isScene ? <span class="jp-Novel-place-scene">{trans.__("the scene")}</span> : null}
                {here.length === 0 ? null : (
                  <span class="jp-Novel-place-people">
                    {here.map((who) => (
                      <Token
                        key={who}
                        id={who}
                        name={name(who)}
                        told={carrying(trans, played(who), (where.carried.get(who) ?? []).map((item) => items[item]?.name ?? item))}
                        seat={seats[who]}
                        isMine={seats[who]?.owner === me && me !== ""}
                        isDead={characters[who]?.status === "dead"}
                        colour={colour}
                      />
                    ))}
                  </span>
                )}
                {lying.length === 0 ? null : (
                  <span class="jp-Novel-place-items" dir="auto">
                    <span class="jp-Novel-unseen">{trans.__("Here lies: ")}</span>
                    {lying.map((item) => items[item]?.name ?? item).join(", ")}
                  </span>
                )}
                <span class="jp-Novel-unseen">{waysWords(trans, id, ways, (to) => locations[to]?.name ?? to, (item) => items[item]?.name ?? item)}</span>
              </li>
            );
          })}
        </ul>
      </div>
      {where.nowhere.length === 0 ? null : (
        <p class="jp-Novel-picture-note">
          {trans.__("In no place that is shown: %1", where.nowhere.map((who) => stateOf(trans, name(who), characters[who]?.status)).join(", "))}
        </p>
      )}
      {ways.some(({ there, back }) => isShut(there) || isShut(back)) ? (
        <p class="jp-Novel-picture-note jp-Novel-map-key">{trans.__("Dashed: locked.")}</p>
      ) : null}
    </section>
  );
}

function Token(props: {
  id: string;
  name: string;
  told: string;
  seat: Seat | undefined;
  isMine: boolean;
  isDead: boolean;
  colour: PlacesProps["colour"];
}): JSX.Element {
  const { id, name, told, seat, isMine, isDead, colour } = props;
  const owner = seat?.owner ?? null;
  const kind = owner === null ? "jp-mod-agent" : isMine ? "jp-mod-mine" : "jp-mod-player";
  const background = owner === null ? undefined : colour?.(owner);
  return (
    <span class={`jp-Novel-token ${kind}`} data-token={id} data-dead={isDead} title={told}>
      <span class="jp-Novel-token-face" aria-hidden="true" style={{ backgroundColor: background }}>
        {initials(name)}
      </span>
      <span class="jp-Novel-token-name" dir="auto" aria-hidden="true">
        {name}
      </span>
      <span class="jp-Novel-unseen">{`${told}. `}</span>
    </span>
  );
}

function carrying(trans: Translation, who: string, what: readonly string[]): string {
  return what.length === 0 ? who : trans.__("%1, has: %2", who, what.join(", "));
}

function stateOf(trans: Translation, name: string, status: string | undefined): string {
  return status === "gone" ? trans.__("%1 (gone)", name) : status === "dead" ? trans.__("%1 (dead)", name) : name;
}

function isShut(passage: Passage | null): boolean {
  return passage !== null && !passage.open;
}

function waysWords(
  trans: Translation,
  place: string,
  ways: readonly Way[],
  placeName: (id: string) => string,
  itemName: (id: string) => string,
): string {
  const said = ways.flatMap(({ a, b, there, back }) => {
    const [to, passage] = a === place ? [b, there] : b === place ? [a, back] : ["", null];
    if (passage === null) return [];
    if (passage.open) return [placeName(to)];
    return [
      passage.lockedBy === null
        ? trans.__("%1 (shut)", placeName(to))
        : trans.__("%1 (locked, opens with: %2)", placeName(to), itemName(passage.lockedBy)),
    ];
  });
  return said.length === 0 ? trans.__("No way leads from here.") : trans.__("Ways to: %1.", said.join(", "));
}

function Roads({ ways, boxes }: { ways: readonly Way[]; boxes: ReadonlyMap<string, Box> }): JSX.Element | null {
  if (boxes.size === 0) return null;
  return (
    <svg class="jp-Novel-roads" width="100%" height="100%" aria-hidden="true">
      {roads(ways, boxes).map(({ key, line, shut, lock, heads }) => (
        <g key={key} class={shut ? "jp-Novel-road jp-mod-shut" : "jp-Novel-road"}>
          <path d={line} />
          {heads.map((head) => (
            <path key={head} class="jp-Novel-head" d={head} />
          ))}
          {lock === null ? null : (
            <g class="jp-Novel-lock" transform={`translate(${lock.x} ${lock.y})`}>
              <circle r={9} />
              <rect x={-4} y={-1} width={8} height={6} rx={1} />
              <path d="M-2.5,-1 V-3 A2.5,2.5 0 0 1 2.5,-3 V-1" />
            </g>
          )}
        </g>
      ))}
    </svg>
  );
}

/** Where each place came to lie; measured, because names wrap as they need. */
function useBoxes(list: RefObject<HTMLUListElement | null>, when: readonly unknown[]): ReadonlyMap<string, Box> {
  const [boxes, setBoxes] = useState<ReadonlyMap<string, Box>>(new Map());
  useLayoutEffect(() => {
    const found = new Map<string, Box>();
    for (const child of list.current?.children ?? []) {
      const { offsetLeft: x, offsetTop: y, offsetWidth: wide, offsetHeight: tall, dataset } = child as HTMLElement;
      if (wide > 0) found.set(dataset["place"] ?? "", { x, y, wide, tall });
    }
    setBoxes((before) => (JSON.stringify([...before]) === JSON.stringify([...found]) ? before : found));
  }, when);
  return boxes;
}

/** Whoever stands elsewhere than before is seen to go there. */
function useMoves(list: RefObject<HTMLUListElement | null>, width: number): void {
  const before = useRef<{ width: number; spots: Map<string, { place: string; x: number; y: number }> }>({ width, spots: new Map() });
  useLayoutEffect(() => {
    const spots = new Map<string, { place: string; x: number; y: number }>();
    const origin = list.current?.getBoundingClientRect();
    for (const token of list.current?.querySelectorAll<HTMLElement>("[data-token]") ?? []) {
      const { left, top } = token.getBoundingClientRect();
      const spot = { place: token.closest<HTMLElement>("[data-place]")?.dataset["place"] ?? "", x: left - (origin?.left ?? 0), y: top - (origin?.top ?? 0) };
      const id = token.dataset["token"] ?? "";
      spots.set(id, spot);
      const old = before.current.spots.get(id);
      if (old === undefined || old.place === spot.place || before.current.width !== width || isStill()) continue;
      token.animate?.(
        [{ transform: `translate(${old.x - spot.x}px, ${old.y - spot.y}px)`, zIndex: 1 }, { transform: "none", zIndex: 1 }],
        { duration: MOVE_MS, easing: "ease-in-out" },
      );
    }
    before.current = { width, spots };
  });
}
