/**
 * Trouble, said where it cannot be overlooked.
 *
 * Law: each trouble has one line that says what it is, what happens to what one did, and what one can do. Nothing here
 * blocks the story: it can be read, and what is done waits.
 * Parts: `Banners`, `Missed` (what one was not there for), `news` (events that concern the reader).
 */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { Act } from "./Act";
import { useConnection, useFace, useMe, useReplica, useSession, useStory, type Face } from "./face";
import type { WireEvent } from "../protocol";
import { refusalText } from "./refusals";
import { roleName } from "./rights";
import { personName, story } from "./state";

export function Banners({ onJump }: { onJump: (node: number) => void }): JSX.Element {
  const { connection, session, trans, notify } = useFace();
  const me = useMe();
  const { status, code, store, unsettled } = useConnection((from) => ({
    status: from.status,
    code: from.closeCode,
    store: from.storeAvailable,
    unsettled: from.unsettled,
  }));
  const joined = useSession(({ status: at, refusal }) => ({ at, refusal }));
  const state = useStory((all) => all);
  const first = useReplica((replica) => replica.head === null);
  const face = useFace();
  useEffect(
    () =>
      session.subscribe((note) => {
        if (note.kind === "lost") notify(refusalText(trans, note.refusal), "error");
        if (note.kind === "replica" && !note.reset) for (const event of note.applied) news(face, me, event);
      }),
    [session, me],
  );
  const waiting = unsettled === 0 ? "" : ` ${trans._n("%1 thing you did waits and is not lost.", "%1 things you did wait and are not lost.", unsettled)}`;

  return (
    <div class="jp-Novel-banners">
      {status === "stopped" ? (
        <Banner level="error">
          {code === 4501
            ? trans.__("You are not logged in any more, or your invite has ended.")
            : code === 4503
              ? trans.__("You were removed from the session, or your right to it has ended.")
              : code === 4508
                ? trans.__("This connection was taken over by a newer one of the same page.")
                : trans.__("The connection was ended by the server (%1).", code ?? 0)}
          {waiting}
          <Act onDo={() => connection.start()}>{trans.__("Try again")}</Act>
        </Banner>
      ) : joined.at === "refused" && joined.refusal !== null ? (
        <Banner level="error">{refusalText(trans, joined.refusal)}</Banner>
      ) : status !== "open" && status !== "idle" ? (
        <Banner level="warning">
          {first ? trans.__("Connecting…") : trans.__("Offline: connecting again.")}
          {waiting}
          {status === "waiting" ? <Act onDo={() => connection.start()}>{trans.__("Now")}</Act> : null}
        </Banner>
      ) : !store ? (
        <Banner level="warning">
          {trans.__("The server cannot reach its store. You can read and write; it is saved when the store is back.")}
          {waiting}
        </Banner>
      ) : joined.at === "joining" || joined.at === "offline" ? (
        <Banner level="warning">{trans.__("Joining the session…")}{waiting}</Banner>
      ) : null}
      {state.session?.status === "archived" ? <Banner level="info">{trans.__("This session is archived: it can be read, not changed.")}</Banner> : null}
      {state.turn?.phase === "ended" ? <Ending /> : null}
      {state.turn?.phase === "failed" ? (
        <Banner level="error">
          {trans.__("The agents could not decide this turn (%1). Whoever directs can re-roll or cancel it; what was proposed is kept.", state.turn.error ?? "?")}
        </Banner>
      ) : null}
      {state.turn?.phase === "paused" ? <Banner level="info">{trans.__("The director has paused the story.")}</Banner> : null}
      <Missed onJump={onJump} />
    </div>
  );
}

function Banner({ level, children }: { level: "info" | "warning" | "error"; children: preact.ComponentChildren }): JSX.Element {
  return (
    <div class={`jp-Novel-banner jp-mod-${level}`} role={level === "error" ? "alert" : "status"}>
      <span class="jp-Novel-banner-mark" aria-hidden="true">
        {level === "info" ? "i" : "!"}
      </span>
      <span class="jp-Novel-banner-text">{children}</span>
    </div>
  );
}

function Ending(): JSX.Element {
  const { trans } = useFace();
  const ending = useStory((state) => state.session?.ending);
  const title = typeof ending?.["title"] === "string" ? ending["title"] : typeof ending?.["text"] === "string" ? ending["text"] : "";
  return (
    <Banner level="info">
      {trans.__("The story has ended.")} <span dir="auto">{title}</span>
    </Banner>
  );
}

/** After a time offline: how much happened, and a way to its beginning. */
function Missed({ onJump }: { onJump: (node: number) => void }): JSX.Element | null {
  const { session, trans } = useFace();
  const left = useRef<{ epoch: string; at: number } | null>(null);
  const [missed, setMissed] = useState<{ count: number; node: number | null } | null>(null);
  useEffect(
    () =>
      session.subscribe((note) => {
        const { head } = session.replica;
        if (note.kind === "status" && note.status === "offline" && head !== null && left.current === null) {
          left.current = { epoch: head.epoch, at: head.sequence_id };
        }
        if (note.kind !== "status" || note.status !== "joined" || left.current === null || head === null) return;
        const { epoch, at } = left.current;
        left.current = null;
        const count = head.epoch === epoch ? head.sequence_id - at : 0;
        const nodes = Object.keys(story(session.replica).turns).map(Number);
        const node = nodes.filter((one) => one > at).sort((a, b) => a - b)[0] ?? null;
        if (count > 0) setMissed({ count, node });
      }),
    [session],
  );
  if (missed === null) return null;
  const { count, node } = missed;
  return (
    <Banner level="info">
      {trans._n("You missed %1 event.", "You missed %1 events.", count)}
      {node === null ? null : (
        <Act
          onDo={() => {
            onJump(node);
            setMissed(null);
          }}
        >
          {trans.__("Go to the first")}
        </Act>
      )}
      <Act kind="quiet" onDo={() => setMissed(null)}>
        {trans.__("Close")}
      </Act>
    </Banner>
  );
}

/** Tell the reader what concerns them. */
function news({ trans, notify, session }: Face, me: string, event: WireEvent): void {
  const { data } = event;
  const state = story(session.replica);
  switch (data.kind) {
    case "lease_lost":
      return notify(trans.__("The kernel that ran the agents is gone; another can take over."), "warning");
    case "lease_granted":
      return notify(trans.__("A kernel runs the agents now."));
    case "role":
      if (data.target === me) notify(trans.__("You are now: %1.", roleName(trans, data.role)), "warning");
      return;
    case "understudy":
      if (data.user === me) notify(trans.__("The agent plays %1 while you are away.", state.seats[data.character]?.name ?? data.character), "warning");
      return;
    case "overruled": {
      const seat = state.seats[data.character];
      if (seat === undefined || seat.owner !== me || event.user_id === me) return;
      return notify(trans.__("%1 overruled what %2 does: %3", personName(state, event.user_id), seat.name, data.reason), "warning");
    }
    case "cancelled":
      return notify(trans.__("The turn was cancelled; what was proposed is open again."));
    case "undone":
      return notify(trans.__("The story went back to the end of an earlier turn."), "warning");
    case "branched":
      return notify(trans.__("The story goes on in branch “%1”.", data.branch), "warning");
    case "narration_failed":
      return notify(trans.__("The turn was decided, but could not be told; it can be told again."), "warning");
    default:
      return;
  }
}
