/**
 * The whole of one session on screen.
 *
 * Law: the story in the middle with what one does next below it, people and the rest beside it; on a narrow screen the
 * story is one more of the tabs, which are at the lower edge. Parts of the screen talk to each other here and nowhere else: a jump to a turn, a comment on a
 * passage, the turn that one looks back at, the place where somebody is whom one follows.
 * Parts: `StoryView`, `LookingBack`, `NoticeList`, `tabOf`.
 */
import type { JSX, RefObject } from "preact";
import { useCallback, useEffect, useId, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

import { Act } from "./Act";
import { Banners } from "./Banners";
import { Cast } from "./Cast";
import { Chat } from "./Chat";
import { Director } from "./Director";
import { Conflicts, useConflictCount } from "./edit/Conflicts";
import { CharacterSheet } from "./edit/CharacterSheet";
import { Notes } from "./edit/Notes";
import { tokensOf } from "./edit/places";
import { useFace, useStory } from "./face";
import { Head } from "./Head";
import { useAsOf } from "./history/asOf";
import { Timeline } from "./history/Timeline";
import type { Place } from "./history/tree";
import { isStill } from "./motion";
import { Narrative, type Passage } from "./Narrative";
import type { Notices } from "./notices";
import { People } from "./People";
import { Places } from "./pictures/Places";
import { Relations } from "./pictures/Relations";
import { Tension } from "./pictures/Tension";
import { FollowChip, useReading } from "./presence/follow";
import { colorOf } from "./presence/people";
import { Proposals } from "./Proposals";
import { SceneHead } from "./Scene";
import { Tabs, type Tab } from "./Tabs";
import { TurnBar } from "./TurnBar";

export interface StoryViewProps {
  readonly notices: Notices;
  readonly onTitle?: ((title: string) => void) | undefined;
}

export function StoryView({ notices, onTitle }: StoryViewProps): JSX.Element {
  const { trans } = useFace();
  const title = useStory((state) => state.session?.title ?? "");
  const talk = useStory((state) => Object.keys(state.chat).length);
  const conflicts = useConflictCount();
  const [chosen, setTab] = useState(STORY);
  const [sheet, setSheet] = useState<string | null>(null);
  const [place, setPlace] = useState<Place>(null);
  const [about, setAbout] = useState<Passage | null>(null);
  const read = useRef(talk);
  const [root, narrow] = useNarrow();
  const main = useId();
  const scroll = useRef<HTMLDivElement>(null);
  useReading(scroll);
  useEffect(() => {
    if (title !== "") onTitle?.(title);
  }, [title]);
  const tab = chosen === STORY && !narrow ? "cast" : chosen;
  if (tab === "talk") read.current = talk;

  const onComment = useCallback((passage: Passage) => {
    setAbout(passage);
    setTab("talk");
  }, []);
  const goal = useRef<number | null>(null);
  const arrive = useCallback(() => {
    const turn = root.current?.querySelector<HTMLElement>(`[data-node="${goal.current}"]`);
    goal.current = null;
    turn?.scrollIntoView({ block: "start", behavior: isStill() ? "auto" : "smooth" });
    turn?.focus({ preventScroll: true });
  }, []);
  const onJump = useCallback(
    (node: number) => {
      goal.current = node;
      if (narrow && tab !== STORY) setTab(STORY);
      else arrive();
    },
    [narrow, tab],
  );
  useEffect(() => {
    if (goal.current !== null) arrive();
  }, [tab]);
  const onShow = useCallback((target: string) => {
    const found = tabOf(target);
    if (found === null) return setTab(STORY);
    setTab(found.tab);
    setSheet(found.sheet ?? null);
  }, []);

  // The tab that is shown leads back to its beginning.
  const onMove = (to: string): void => {
    if (to === "cast" && tab === "cast") setSheet(null);
    setTab(to);
  };

  const tabs: Tab[] = [
    ...(narrow ? [{ id: STORY, label: trans.__("Story"), panel: main }] : []),
    {
      id: "cast",
      label: trans.__("Cast"),
      panel: () => (sheet === null ? <Cast onOpen={setSheet} /> : <Sheet character={sheet} onClose={() => setSheet(null)} />),
    },
    {
      id: "notes",
      label: trans.__("Notes"),
      mark: conflicts > 0,
      panel: () => (
        <>
          <Notes />
          <Conflicts />
        </>
      ),
    },
    {
      id: "talk",
      label: trans.__("Talk"),
      mark: talk > read.current,
      panel: () => <Chat about={about} onAbout={setAbout} onJump={onJump} />,
    },
    { id: "map", label: trans.__("Map"), panel: () => <Pictures place={place} onTurn={onJump} /> },
    { id: "turns", label: trans.__("Turns"), panel: () => <Timeline place={place} onScrub={setPlace} /> },
    { id: "people", label: trans.__("People"), panel: () => <People /> },
    { id: "direct", label: trans.__("Direct"), panel: () => <Director /> },
  ];

  return (
    <div class={`jp-Novel ${narrow ? "jp-mod-narrow" : ""}`} ref={root}>
      <Head title={title} />
      <Banners onJump={onJump} />
      <div class="jp-Novel-body">
        <main class="jp-Novel-main" id={main} hidden={narrow && tab !== STORY}>
          <div class="jp-Novel-scroll" ref={scroll} tabIndex={0} role="region" aria-label={trans.__("The story so far")}>
            {place === null ? <SceneHead /> : null}
            <Narrative until={place} onComment={onComment} />
          </div>
          {place === null ? null : <LookingBack place={place} onEnd={() => setPlace(null)} />}
          <FollowChip onShow={onShow} />
          <TurnBar />
          <Proposals />
        </main>
        <aside class="jp-Novel-side" aria-label={trans.__("Beside the story")}>
          <Tabs label={trans.__("Beside the story")} tabs={tabs} at={tab} onMove={onMove} />
        </aside>
      </div>
      <NoticeList notices={notices} />
    </div>
  );
}

const STORY = "story";
/** Below this width (px) the story has the screen for itself. */
const NARROW = 720;

function useNarrow(): [RefObject<HTMLDivElement | null>, boolean] {
  const root = useRef<HTMLDivElement>(null);
  const [narrow, setNarrow] = useState(false);
  useLayoutEffect(() => {
    const { current } = root;
    if (current === null || typeof ResizeObserver === "undefined") return;
    const measure = (): void => {
      if (current.clientWidth > 0) setNarrow(current.clientWidth < NARROW);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  return [root, narrow];
}

/** Which tab shows a place of the story, and whose sheet; null: it is on the screen anyway, or nowhere. */
export function tabOf(target: string): { readonly tab: string; readonly sheet?: string } | null {
  const [root = "", id, part] = tokensOf(target);
  if (root.startsWith("seat:")) return { tab: "cast", sheet: root.slice("seat:".length) };
  switch (root) {
    case "characters":
      return id === undefined || part === undefined ? { tab: "cast" } : { tab: "cast", sheet: id };
    case "notes":
    case "facts":
      return { tab: "notes" };
    case "scene":
      return id === undefined ? null : { tab: "notes" };
    case "chat":
      return { tab: "talk" };
    default:
      return null;
  }
}

function Sheet({ character, onClose }: { character: string; onClose: () => void }): JSX.Element {
  const { trans } = useFace();
  return (
    <>
      <Act kind="quiet" onDo={onClose}>
        {trans.__("← All characters")}
      </Act>
      <CharacterSheet character={character} />
    </>
  );
}

/** The map, the curve and the ties; the map as of the turn that one looks back at. */
function Pictures({ place, onTurn }: { place: Place; onTurn: (node: number) => void }): JSX.Element {
  const { trans } = useFace();
  const asOf = useAsOf(place);
  const when = useWhen(place);
  const known = asOf.kind === "known" ? { stage: asOf.stage, asOf: when } : {};
  const note =
    asOf.kind === "reading"
      ? trans.__("Reading what was then…")
      : asOf.kind === "far"
        ? trans.__("That turn is too long ago: this is the map of now.")
        : asOf.kind === "failed"
          ? trans.__("What was then could not be read: this is the map of now.")
          : null;
  return (
    <>
      {note === null ? null : <p class="jp-Novel-picture-note">{note}</p>}
      <Places {...known} colour={colorOf} />
      <Tension onTurn={onTurn} at={place} />
      <Relations colour={colorOf} />
    </>
  );
}

function useWhen(place: Place): string {
  const { trans } = useFace();
  const number = useStory((state) => (place === null ? 0 : (state.turns[String(place)]?.number ?? 0)));
  return number === 0 ? trans.__("the opening") : trans.__("the end of turn %1", number);
}

/** Says that the reader does not look at now. */
function LookingBack({ place, onEnd }: { place: Place; onEnd: () => void }): JSX.Element {
  const { trans } = useFace();
  const when = useWhen(place);
  return (
    <div class="jp-Novel-banner jp-mod-info jp-Novel-lookingBack" role="status">
      <span class="jp-Novel-banner-text">
        {trans.__("You look back at %1. The story goes on meanwhile.", when)}
        <Act onDo={onEnd}>{trans.__("Back to now")}</Act>
      </span>
    </div>
  );
}

function NoticeList({ notices }: { notices: Notices }): JSX.Element {
  const { trans } = useFace();
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  useEffect(() => notices.subscribe(redraw), [notices]);
  return (
    <>
      <div class="jp-Novel-sr" aria-live="polite">
        {notices.spoken}
      </div>
      <ul class="jp-Novel-notices" aria-live="polite" aria-label={trans.__("Notices")}>
        {notices.shown.map(({ key, text, level }) => (
          <li key={key} class={`jp-mod-${level}`}>
            <span dir="auto">{text}</span>
            <Act kind="quiet" name={trans.__("Close")} onDo={() => notices.drop(key)}>
              ✕
            </Act>
          </li>
        ))}
      </ul>
    </>
  );
}
