/**
 * The turns of a story from its opening to now, to look at and to go back to.
 *
 * Law: to scrub changes nothing for anybody else: it only says which turn the reader looks at. What does change the
 * story is a button below, with its reason where it cannot be done. One stop of the Tab key; arrows walk along the
 * turns and between branches, Home is the opening, End is now.
 */
import type { JSX } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";

import { Act } from "../Act";
import { useFace, useStory } from "../face";
import { isStill } from "../motion";
import { Overrulings } from "../Outcomes";
import { firstWords } from "../pictures/entries";
import { beforeLock, useLog } from "../pictures/log";
import { phaseName } from "../rights";
import type { StoryState } from "../state";
import type { Translation } from "../translate";
import { Doings } from "./Doings";
import { step, treeOf, type Direction, type Place, type Placed, type Tree } from "./tree";

const COLUMN = 32;
const ROW = 30;
const EDGE = 18;
const MARGIN = 4;

export interface TimelineProps {
  /** The turn that is looked at: its node, 0 for the opening, null for now. */
  readonly place: Place;
  readonly onScrub: (place: Place) => void;
}

const KEYS: { readonly [key: string]: Direction } = {
  ArrowLeft: "back",
  ArrowRight: "on",
  ArrowUp: "up",
  ArrowDown: "down",
  Home: "first",
  End: "last",
};

export function Timeline({ place, onScrub }: TimelineProps): JSX.Element {
  const { trans } = useFace();
  const state = useStory((whole) => whole);
  const log = useLog();
  const tree = useMemo(() => treeOf(state.turns, state.branches, state.turn?.parent ?? 0), [state.turns, state.branches, state.turn?.parent]);
  const [pointed, setPointed] = useState<Place | undefined>(undefined);
  const track = useRef<HTMLDivElement>(null);
  const id = useId();
  // What somebody looked at may be gone: an old turn is forgotten when new ones come.
  const at = place !== null && !tree.nodes.has(place) ? null : place;
  useEffect(() => {
    if (at !== place) onScrub(at);
  }, [at, place]);
  useEffect(() => show(track.current, tree, at), [at, tree]);
  useEffect(() => {
    if (at === null || at === 0) return;
    const read = log.digest.turns.get(at);
    const lock = beforeLock(at, state.turns[String(at)]?.parent ?? 0);
    if (wordsOf(state, read?.words, at) === "") void log.reach(at);
    else if (read?.overruled == null && log.canReach(lock)) void log.reach(lock);
  }, [at]);

  const shown = pointed === undefined ? at : pointed;
  const told = (one: Place): string => nameOf(trans, state, tree, one);
  const words = (one: Place): string => (one === null ? "" : wordsOf(state, log.digest.turns.get(one)?.words, one));
  const onKey = (event: KeyboardEvent): void => {
    const direction = KEYS[event.key];
    if (direction === undefined && event.key !== "Escape") return;
    event.preventDefault();
    setPointed(undefined);
    onScrub(direction === undefined ? null : step(tree, at, direction));
  };
  const scrubTo = (found: Place | undefined): void => {
    if (found !== undefined && found !== at) onScrub(found);
  };
  const onPoint = (event: PointerEvent): void => {
    // A finger that moves scrolls; where it taps is told by the click.
    if (event.pointerType === "touch") return;
    const found = underneath(event, tree);
    setPointed(found);
    if (event.type === "pointerdown" || event.buttons === 1) scrubTo(found);
  };
  const name = (one: Place): string => `${id}-${one ?? "now"}`;
  return (
    <section class="jp-Novel-timeline" aria-label={trans.__("Timeline")}>
      <div class="jp-Novel-timeline-scroll" ref={track} dir="ltr">
        <div
          class="jp-Novel-timeline-track"
          role="listbox"
          tabIndex={0}
          aria-orientation="horizontal"
          aria-label={trans.__("Turns: arrows go along them and between branches")}
          aria-activedescendant={name(at)}
          style={{ width: `${tree.columns * COLUMN + 2 * EDGE - COLUMN}px`, height: `${tree.rows * ROW + 2 * MARGIN}px` }}
          onKeyDown={onKey}
          onPointerDown={onPoint}
          onPointerMove={onPoint}
          onPointerLeave={() => setPointed(undefined)}
          onClick={(event) => scrubTo(underneath(event, tree))}
        >
          <Lines tree={tree} />
          {[...tree.nodes.values()].map((one) => (
            <Dot key={one.node} id={name(one.node)} one={one} isAt={at === one.node} isPointed={pointed === one.node} label={labelled(told(one.node), words(one.node))} />
          ))}
          <div
            id={name(null)}
            class="jp-Novel-timeline-dot jp-mod-now"
            role="option"
            aria-selected={at === null}
            aria-label={told(null)}
            data-pointed={pointed === null}
            style={spot(tree.now)}
          />
        </div>
      </div>
      <p class="jp-Novel-timeline-told" dir="auto">
        <strong>{told(shown)}</strong> {words(shown)}
      </p>
      <Overrulings of={shown === null ? null : (log.digest.turns.get(shown)?.overruled ?? null)} />
      {tree.hasGap ? <p class="jp-Novel-picture-note">{trans.__("The turns before these are too long ago to go back to.")}</p> : null}
      <Doings place={at} tree={tree} onScrub={onScrub} />
      {at === null ? null : (
        <Act kind="plain" onDo={() => onScrub(null)}>
          {trans.__("Back to now")}
        </Act>
      )}
    </section>
  );
}

function labelled(told: string, words: string): string {
  return words === "" ? told : `${told}: ${words}`;
}

function x(column: number): number {
  return EDGE + column * COLUMN;
}

function y(row: number): number {
  return MARGIN + ROW / 2 + row * ROW;
}

function spot({ column, row }: { column: number; row: number }): { left: string; top: string } {
  return { left: `${x(column)}px`, top: `${y(row)}px` };
}

function Dot(props: { id: string; one: Placed; isAt: boolean; isPointed: boolean; label: string }): JSX.Element {
  const { id, one, isAt, isPointed, label } = props;
  const { turn, isOnPath, branches } = one;
  const kind = isOnPath ? "jp-mod-path" : branches.length > 0 ? "jp-mod-branch" : "jp-mod-left";
  return (
    <div
      id={id}
      class={`jp-Novel-timeline-dot ${kind}`}
      role="option"
      aria-selected={isAt}
      aria-label={label}
      data-pointed={isPointed}
      data-untold={turn !== null && turn.narration !== "told"}
      style={spot(one)}
    >
      {turn === null ? "•" : turn.number}
    </div>
  );
}

function Lines({ tree }: { tree: Tree }): JSX.Element {
  const line = (from: { column: number; row: number }, to: { column: number; row: number }): string => {
    const [x1, y1, x2, y2] = [x(from.column), y(from.row), x(to.column), y(to.row)];
    if (y1 === y2) return `M${x1},${y1} H${x2}`;
    return `M${x1},${y1} C${x1 + COLUMN / 2},${y1} ${x2 - COLUMN / 2},${y2} ${x2},${y2}`;
  };
  const tip = tree.nodes.get(tree.path.at(-1) ?? 0);
  return (
    <svg class="jp-Novel-timeline-lines" width="100%" height="100%" aria-hidden="true">
      {[...tree.nodes.values()].map((one) => {
        if (one.turn === null) return null;
        const before = tree.nodes.get(one.turn.parent);
        const from = before ?? tree.nodes.get(0);
        if (from === undefined) return null;
        return <path key={one.node} d={line(from, one)} class={one.isOnPath ? "jp-mod-path" : ""} data-gap={before === undefined} />;
      })}
      {tip === undefined ? null : <path class="jp-mod-path jp-mod-next" d={line(tip, tree.now)} />}
    </svg>
  );
}

/** The place under the pointer, or undefined where there is none near. */
function underneath(event: MouseEvent, tree: Tree): Place | undefined {
  const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
  const [px, py] = [event.clientX - left, event.clientY - top];
  let found: Place | undefined;
  let least = COLUMN * 0.8;
  const all: { node: Place; column: number; row: number }[] = [...tree.nodes.values(), { node: null, ...tree.now }];
  for (const { node, column, row } of all) {
    const far = Math.hypot(px - x(column), py - y(row));
    if (far < least) [found, least] = [node, far];
  }
  return found;
}

/** Scroll the track to a place that it does not show; the page stays where it is. */
function show(track: HTMLElement | null, tree: Tree, place: Place): void {
  const one = place === null ? tree.now : tree.nodes.get(place);
  if (track === null || one === undefined) return;
  const at = x(one.column) - track.scrollLeft;
  // A track that moved under the pointer would scrub on by itself.
  if (at >= EDGE && at <= track.clientWidth - EDGE) return;
  track.scrollTo?.({ left: x(one.column) - track.clientWidth / 2, behavior: isStill() ? "auto" : "smooth" });
}

function nameOf(trans: Translation, state: StoryState, tree: Tree, place: Place): string {
  if (place === null) {
    const { turn } = state;
    return trans.__("Now: turn %1, %2", turn?.number ?? 1, phaseName(trans, turn?.phase));
  }
  const one = tree.nodes.get(place);
  if (place === 0 || one === undefined || one.turn === null) return trans.__("The opening");
  const { number, attempt, narration } = one.turn;
  const said = [trans.__("Turn %1", number)];
  if (attempt > 1) said.push(trans.__("attempt %1", attempt));
  if (!one.isOnPath) said.push(one.branches.length > 0 ? trans.__("branch %1", one.branches.join(", ")) : trans.__("left behind"));
  if (narration !== "told") said.push(trans.__("not told"));
  return said.join(", ");
}

/** How a turn begins, as this view was told it. */
function wordsOf(state: StoryState, read: string | undefined, node: number): string {
  const id = String(node);
  const own = Object.keys(state.seats).map((seat) => state.seat(seat)?.chronicle?.[id]);
  const told = state.chronicle?.[id] ?? own.find((one) => one !== undefined);
  return told === undefined ? (read ?? "") : firstWords(told.narrative);
}
