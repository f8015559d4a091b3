/**
 * The whole of one session on screen.
 *
 * Law: the story in the middle with what one does next below it, people and the rest beside it; on a narrow screen one
 * below the other. Parts of the screen talk to each other here and nowhere else: a jump to a turn, a comment on a
 * passage.
 * Parts: `StoryView`, `Head`, `NoticeList`.
 */
import type { JSX } from "preact";
import { useCallback, useEffect, useReducer, useRef, useState } from "preact/hooks";

import { Act } from "./Act";
import { Banners } from "./Banners";
import { Cast } from "./Cast";
import { Chat } from "./Chat";
import { Director } from "./Director";
import { useConnection, useFace, useMe, useStory } from "./face";
import { Narrative, type Passage } from "./Narrative";
import type { Notices } from "./notices";
import { People } from "./People";
import { Places } from "./pictures/Places";
import { Relations } from "./pictures/Relations";
import { Tension } from "./pictures/Tension";
import { Proposals } from "./Proposals";
import { roleName, standing } from "./rights";
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
  const [tab, setTab] = useState("cast");
  const [about, setAbout] = useState<Passage | null>(null);
  const read = useRef(talk);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (title !== "") onTitle?.(title);
  }, [title]);
  if (tab === "talk") read.current = talk;

  const onComment = useCallback((passage: Passage) => {
    setAbout(passage);
    setTab("talk");
  }, []);
  const onJump = useCallback((node: number) => {
    const turn = root.current?.querySelector<HTMLElement>(`[data-node="${node}"]`);
    turn?.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
    turn?.focus({ preventScroll: true });
  }, []);

  const tabs: Tab[] = [
    { id: "cast", label: trans.__("Characters"), render: () => <Cast /> },
    {
      id: "talk",
      label: trans.__("Talk"),
      mark: talk > read.current,
      render: () => <Chat about={about} onAbout={setAbout} onJump={onJump} />,
    },
    {
      id: "map",
      label: trans.__("Map"),
      render: () => (
        <>
          <Places />
          <Tension onTurn={onJump} />
          <Relations />
        </>
      ),
    },
    { id: "people", label: trans.__("People"), render: () => <People /> },
    { id: "direct", label: trans.__("Direct"), render: () => <Director /> },
  ];

  return (
    <div class="jp-Novel" ref={root}>
      <Head title={title} />
      <Banners onJump={onJump} />
      <div class="jp-Novel-body">
        <main class="jp-Novel-main">
          <div class="jp-Novel-scroll" tabIndex={0} role="region" aria-label={trans.__("The story so far")}>
            <SceneHead />
            <Narrative until={null} onComment={onComment} />
          </div>
          <TurnBar />
          <Proposals />
        </main>
        <aside class="jp-Novel-side" aria-label={trans.__("Beside the story")}>
          <Tabs label={trans.__("Beside the story")} tabs={tabs} at={tab} onMove={setTab} />
        </aside>
      </div>
      <NoticeList notices={notices} />
    </div>
  );
}

/** Whether the reader wants little motion. */
export function calm(): boolean {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
}

function Head({ title }: { title: string }): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const state = useStory((all) => all);
  const { status, latency } = useConnection((from) => ({ status: from.status, latency: from.latency }));
  const role = standing(state, me);
  const spent = state.session?.spent;
  return (
    <header class="jp-Novel-head">
      <h1 dir="auto">{title || trans.__("A story")}</h1>
      {role === null ? null : <span class="jp-Novel-chip">{trans.__("you are: %1", roleName(trans, role))}</span>}
      {spent === undefined || spent.tokens_in + spent.tokens_out === 0 ? null : (
        <span class="jp-Novel-dim">{trans.__("models so far: %1 tokens, $%2", spent.tokens_in + spent.tokens_out, spent.cost.toFixed(4))}</span>
      )}
      <span class={`jp-Novel-connection jp-mod-${status}`} title={latency === null ? "" : trans.__("%1 ms there and back", Math.round(latency))}>
        <span class={`jp-Novel-dot ${status === "open" ? "jp-mod-here" : "jp-mod-away"}`} aria-hidden="true" />
        {status === "open" ? trans.__("connected") : status === "stopped" ? trans.__("not connected") : trans.__("connecting")}
      </span>
    </header>
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
      <ul class="jp-Novel-notices" aria-live="polite" aria-label={trans.__("Messages")}>
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
