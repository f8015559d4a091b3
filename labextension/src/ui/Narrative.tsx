/**
 * The story as it was told, turn by turn, and as it is being told.
 *
 * Law: prose is text; a turn that is off screen costs the browser no layout (`content-visibility`), so thousands of
 * turns scroll. The reader stays where they read unless they are at the end. What streams is marked as not yet
 * final; a screen reader hears of a turn once, when it is told.
 * Parts: `Narrative`, `TurnText`, `Prose`.
 */
import { Fragment, type JSX } from "preact";
import { memo } from "preact/compat";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Act } from "./Act";
import { useEarlier } from "./earlier";
import { useFace, useMe, useReplica, useStory } from "./face";
import { Outcomes } from "./Outcomes";
import type { ChatEntry, StoryState, Told } from "./state";
import { mySeats, pathOf, tipOf, toldOf, type TurnShown } from "./turns";

/** How near (px) to the end counts as being there. */
const AT_END = 80;

export interface Passage {
  /** The pointer of the text, and from where to where (UTF-16 units). */
  readonly target: string;
  readonly selection: readonly [number, number];
  readonly words: string;
}

export interface NarrativeProps {
  /** Show the story up to this node; null: to the present. */
  readonly until: number | null;
  readonly onComment: (passage: Passage) => void;
}

export function Narrative({ until, onComment }: NarrativeProps): JSX.Element {
  const { trans, announce } = useFace();
  const me = useMe();
  const state = useStory((all) => all);
  const provisional = useReplica((replica) => replica.provisional);
  const earlier = useEarlier();
  const path = pathOf(state.turns, until ?? tipOf(state));
  const bottom = useRef<HTMLDivElement>(null);
  const [behind, setBehind] = useState(false);
  const pinned = useRef(true);
  pinned.current = !behind && until === null;
  const text = provisional?.text ?? "";
  const last = path.at(-1);
  const told = last === undefined ? 0 : toldOf(state, last.node).length;

  useLayoutEffect(() => {
    if (pinned.current) bottom.current?.scrollIntoView({ block: "end" });
  }, [last?.node, text, told]);

  useEffect(() => {
    const end = bottom.current;
    const box = end === null ? null : scroller(end);
    if (box === null) return;
    const seen = (): void => setBehind(box.scrollHeight - box.scrollTop - box.clientHeight > AT_END);
    box.addEventListener("scroll", seen, { passive: true });
    // What is above may turn out higher than was guessed, and the box may shrink: the end stays in sight.
    const observer = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(() => {
      if (pinned.current) box.scrollTop = box.scrollHeight;
    });
    observer?.observe(box);
    if (end?.parentElement != null) observer?.observe(end.parentElement);
    return () => {
      box.removeEventListener("scroll", seen);
      observer?.disconnect();
    };
  }, []);

  const before = useRef(last?.node);
  useEffect(() => {
    if (until === null && last !== undefined && told > 0 && before.current !== last.node) {
      before.current = last.node;
      announce(trans.__("Turn %1 was told.", last.entry.number));
    }
  }, [last?.node, told]);

  return (
    <section class="jp-Novel-narrative" aria-label={trans.__("The story")}>
      {earlier.load === null ? null : <ShowEarlier load={earlier.load} />}
      {path.length === 0 && text === "" ? <Opening /> : null}
      {earlier.turns.map(({ shown, told: entries }) => (
        <TurnText key={shown.node} shown={shown} told={entries} names={state.seats} anchors={NONE} onComment={onComment} />
      ))}
      {path.map((shown) => (
        <TurnText
          key={shown.node}
          shown={shown}
          told={toldOf(state, shown.node)}
          names={state.seats}
          anchors={anchorsOf(state, shown.node)}
          onComment={onComment}
        />
      ))}
      {until === null && text !== "" ? (
        <article class="jp-Novel-turn jp-mod-streaming" aria-busy="true" data-turn={provisional?.turn}>
          <h2>{trans.__("Turn %1", provisional?.turn ?? 0)}</h2>
          <Prose text={text} />
        </article>
      ) : null}
      {until === null && last !== undefined && told === 0 && text === "" && last.entry.narration !== "pending" ? (
        <p class="jp-Novel-dim">
          {mySeats(state, me).length > 0
            ? trans.__("Your character witnessed nothing of this turn.")
            : trans.__("This turn was not told.")}
        </p>
      ) : null}
      <div ref={bottom} />
      {behind && until === null ? (
        <p class="jp-Novel-toend">
          <Act onDo={() => bottom.current?.scrollIntoView({ block: "end", behavior: "smooth" })}>{trans.__("To the present ↓")}</Act>
        </p>
      ) : null}
    </section>
  );
}

/** How near (px) to the beginning more of it is read. */
const AHEAD = 800;

/** Reads what is older when one comes near it, or on demand; what one looks at stays where it is. */
function ShowEarlier({ load }: { load: () => Promise<void> }): JSX.Element {
  const { trans } = useFace();
  const line = useRef<HTMLParagraphElement>(null);
  const [busy, setBusy] = useState(false);
  const latest = useRef(load);
  latest.current = load;
  const go = async (): Promise<void> => {
    const box = line.current === null ? null : scroller(line.current);
    const below = box === null ? 0 : box.scrollHeight - box.scrollTop;
    setBusy(true);
    await latest.current();
    requestAnimationFrame(() => {
      if (box !== null) box.scrollTop = box.scrollHeight - below;
      setBusy(false);
    });
  };
  useEffect(() => {
    if (busy || line.current === null || typeof IntersectionObserver === "undefined") return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting === true) void go();
      },
      { root: scroller(line.current), rootMargin: `${AHEAD}px 0px` },
    );
    observer.observe(line.current);
    return () => observer.disconnect();
  }, [busy]);
  return (
    <p class="jp-Novel-center" ref={line}>
      <Act kind="quiet" onDo={go}>
        {trans.__("Show earlier turns")}
      </Act>
    </p>
  );
}

const NONE: readonly Anchor[] = [];

interface Anchor {
  readonly id: string;
  readonly target: string;
  readonly from: number;
  readonly to: number;
}

function anchorsOf(state: StoryState, node: number): readonly Anchor[] {
  const found = Object.entries(state.chat).flatMap(([id, entry]) => anchorOf(id, entry, node));
  return found.length === 0 ? NONE : found;
}

function anchorOf(id: string, { anchor }: ChatEntry, node: number): Anchor[] {
  const { target, selection } = anchor ?? {};
  if (typeof target !== "string" || selection == null || !target.includes(`/chronicle/${node}/`)) return [];
  return [{ id, target, from: selection[0], to: selection[1] }];
}

function Opening(): JSX.Element {
  const { trans } = useFace();
  const text = useStory((state) => state.scene.text ?? "");
  return (
    <article class="jp-Novel-turn jp-mod-opening">
      <Prose text={text || trans.__("The story has not begun.")} />
    </article>
  );
}

interface TurnTextProps {
  readonly shown: TurnShown;
  readonly told: readonly { readonly seat: string | null; readonly told: Told }[];
  readonly names: StoryState["seats"];
  readonly anchors: readonly Anchor[];
  readonly onComment: (passage: Passage) => void;
}

const TurnText = memo(
  function TurnText({ shown, told, names, anchors, onComment }: TurnTextProps): JSX.Element {
    const { trans } = useFace();
    const { node, entry } = shown;
    const seats = told.filter(({ seat }) => seat !== null).length;
    return (
      <article class="jp-Novel-turn" id={`jp-Novel-turn-${node}`} data-node={node} data-novel-target={`/chronicle/${node}`} tabIndex={-1}>
        <h2>
          {trans.__("Turn %1", entry.number)}
          {entry.attempt > 1 ? <span class="jp-Novel-dim"> {trans.__("attempt %1", entry.attempt)}</span> : null}
        </h2>
        {told.map(({ seat, told: one }) => {
          const target = seat === null ? `/chronicle/${node}/narrative` : `/seat:${seat}/chronicle/${node}/narrative`;
          return (
            <Fragment key={seat}>
              {seats > 1 ? <h3 dir="auto">{trans.__("As %1 saw it", names[seat ?? ""]?.name ?? seat ?? "")}</h3> : null}
              <Prose text={one.narrative} target={target} anchors={anchors} onComment={onComment} />
            </Fragment>
          );
        })}
        <Outcomes node={node} />
      </article>
    );
  },
  (a, b) =>
    a.shown.node === b.shown.node &&
    a.shown.entry === b.shown.entry &&
    a.onComment === b.onComment &&
    a.names === b.names &&
    a.told.length === b.told.length &&
    a.told.every(({ told }, index) => told === b.told[index]?.told) &&
    a.anchors.length === b.anchors.length &&
    a.anchors.every(({ id }, index) => id === b.anchors[index]?.id),
);

interface ProseProps {
  readonly text: string;
  readonly target?: string;
  readonly anchors?: readonly Anchor[];
  readonly onComment?: (passage: Passage) => void;
}

/** Paragraphs, with the passages marked that somebody spoke of. Choosing words offers to speak of them. */
function Prose({ text, target, anchors = NONE, onComment }: ProseProps): JSX.Element {
  const { trans } = useFace();
  const box = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState<Passage | null>(null);
  const marks = anchors.filter((anchor) => anchor.target === target);
  let at = 0;
  const paragraphs = text.split("\n\n").map((words) => {
    const start = at;
    at += words.length + 2;
    return { words, start };
  });
  const choose = (): void => {
    const selection = globalThis.getSelection();
    const range = selection !== null && selection.rangeCount > 0 ? selection.getRangeAt(0) : null;
    if (range === null || range.collapsed || box.current === null || target === undefined) return setChosen(null);
    const from = offsetOf(box.current, range.startContainer, range.startOffset);
    const to = offsetOf(box.current, range.endContainer, range.endOffset);
    if (from === null || to === null || to <= from) return setChosen(null);
    setChosen({ target, selection: [from, to], words: text.slice(from, to) });
  };
  return (
    <div class="jp-Novel-prose" dir="auto" ref={box} onMouseUp={choose} onKeyUp={choose}>
      {paragraphs.map(({ words, start }) => (
        <p key={start} data-from={start} dir="auto">
          {marked(words, start, marks)}
        </p>
      ))}
      {chosen !== null && onComment !== undefined ? (
        <Act
          class="jp-Novel-comment-on"
          onDo={() => {
            onComment(chosen);
            setChosen(null);
          }}
        >
          {trans.__("Comment on this")}
        </Act>
      ) : null}
    </div>
  );
}

function marked(words: string, start: number, marks: readonly Anchor[]): (string | JSX.Element)[] {
  const cuts = new Set([0, words.length]);
  for (const { from, to } of marks) {
    for (const cut of [from - start, to - start]) if (cut > 0 && cut < words.length) cuts.add(cut);
  }
  const ordered = [...cuts].sort((a, b) => a - b);
  return ordered.slice(0, -1).map((from, index) => {
    const to = ordered[index + 1] ?? words.length;
    const piece = words.slice(from, to);
    const mark = marks.find((one) => one.from - start <= from && one.to - start >= to);
    return mark === undefined ? piece : <mark key={from} data-chat={mark.id}>{piece}</mark>;
  });
}

/** UTF-16 units from the beginning of the prose to a point of the document; null outside of it. */
function offsetOf(box: HTMLElement, container: Node, offset: number): number | null {
  const element = container instanceof HTMLElement ? container : container.parentElement;
  const paragraph = element?.closest<HTMLElement>("p[data-from]");
  if (paragraph == null || !box.contains(paragraph)) return null;
  const range = document.createRange();
  range.setStart(paragraph, 0);
  range.setEnd(container, offset);
  return Number(paragraph.dataset["from"]) + range.toString().length;
}

/** The element that scrolls what lies in it. */
export function scroller(element: HTMLElement): HTMLElement | null {
  for (let at: HTMLElement | null = element; at !== null; at = at.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
  }
  return document.scrollingElement as HTMLElement | null;
}
