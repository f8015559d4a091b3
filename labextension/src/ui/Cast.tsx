/**
 * The characters and their seats: who plays whom, who is ready, what each has proposed.
 *
 * Law: a seat says in words whose it is (yours, somebody's, the agent's, an understudy's) and offers what one may do.
 */
import type { JSX } from "preact";

import { Act } from "./Act";
import { actionText, overruledText } from "./actions";
import { useCommand, useFace, useMe, useReplica, useStory } from "./face";
import { TypingAt } from "./presence/typing";
import { barred } from "./rights";
import { personName, type Seat, type StoryState } from "./state";

export function Cast({ onOpen }: { onOpen?: (character: string) => void }): JSX.Element {
  const { trans } = useFace();
  const state = useStory((all) => all);
  return (
    <section class="jp-Novel-cast" aria-label={trans.__("Characters")}>
      <ul>
        {Object.entries(state.seats).map(([id, seat]) => (
          <SeatCard key={id} id={id} seat={seat} state={state} onOpen={onOpen} />
        ))}
      </ul>
    </section>
  );
}

interface SeatCardProps {
  readonly id: string;
  readonly seat: Seat;
  readonly state: StoryState;
  readonly onOpen: ((character: string) => void) | undefined;
}

function SeatCard({ id, seat, state, onOpen }: SeatCardProps): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const mine = seat.owner === me && me !== "";
  const character = state.characters[id];
  const proposal = state.turn?.proposals[id] ?? state.turn?.locked?.proposals[id];
  const votes = Object.entries(state.turn?.votes ?? {}).filter(([, who]) => who === id);
  const voting = state.session?.settings.turn_policy === "vote" && state.turn?.phase === "collect";
  const place = state.locations[character?.location ?? ""]?.name;
  return (
    <li class={`jp-Novel-seat ${mine ? "jp-mod-mine" : ""}`} data-character={id} data-novel-target={`/characters/${id}`}>
      <div class="jp-Novel-seat-head">
        <strong dir="auto">{seat.name}</strong>
        <Who seat={seat} mine={mine} state={state} />
      </div>
      <p class="jp-Novel-dim" dir="auto">
        {[character?.role, place, character?.status === "present" ? undefined : character?.status].filter(Boolean).join(" · ")}
        {character?.health === undefined ? null : <Health value={character.health} />}
      </p>
      {proposal === undefined ? null : (
        <p class="jp-Novel-proposed" dir="auto">
          <span aria-hidden="true">{proposal.ready ? "✓ " : "… "}</span>
          {actionText(trans, state, proposal.action)}
          <span class="jp-Novel-dim"> — {proposal.ready ? trans.__("ready") : trans.__("not ready yet")}</span>
        </p>
      )}
      {proposal?.overruled === undefined ? null : (
        <p class="jp-Novel-overruled" dir="auto">
          {overruledText(trans, state, proposal.overruled)}
        </p>
      )}
      {mine || seat.owner === null ? null : <TypingAt target={`/turn/proposals/${id}`} />}
      {voting && proposal !== undefined ? (
        <p>
          <Act
            pressed={state.turn?.votes[me] === id}
            reason={barred(trans, state, me, "vote") ?? (proposal.action === null ? trans.__("It was struck out.") : null)}
            onDo={() => send(session.act({ kind: "vote", character: id }))}
          >
            {trans._n("Vote for this (%1 vote)", "Vote for this (%1 votes)", votes.length)}
          </Act>
        </p>
      ) : null}
      <div class="jp-Novel-row">
        {seat.owner === null && seat.playable ? (
          <Act reason={claimBar(trans, state, me)} onDo={() => send(session.act({ kind: "claim", character: id }))}>
            {trans.__("Play %1", seat.name)}
          </Act>
        ) : null}
        {mine ? (
          <Act kind="quiet" onDo={() => send(session.act({ kind: "release", character: id }))}>
            {trans.__("Give the seat back")}
          </Act>
        ) : null}
        {onOpen === undefined ? null : (
          <Act kind="quiet" name={trans.__("Character sheet of %1", seat.name)} onDo={() => onOpen(id)}>
            {trans.__("Sheet")}
          </Act>
        )}
      </div>
    </li>
  );
}

function claimBar(trans: ReturnType<typeof useFace>["trans"], state: StoryState, me: string): string | null {
  const role = barred(trans, state, me, "claim");
  if (role !== null) return role;
  const mine = state.participants[me];
  if (mine?.role === "director") return trans.__("Who directs plays no character.");
  if (mine?.sees_all === true) return trans.__("Who sees more than a player may not have a seat.");
  return null;
}

function Who({ seat, mine, state }: { seat: Seat; mine: boolean; state: StoryState }): JSX.Element {
  const { trans } = useFace();
  const here = useReplica((replica) => replica.presence.find(({ user_id }) => user_id === seat.owner)?.connections ?? null);
  if (seat.owner === null) {
    return <span class="jp-Novel-chip jp-mod-agent">{seat.playable ? trans.__("free: the agent plays") : trans.__("agent")}</span>;
  }
  if (seat.understudy) {
    return <span class="jp-Novel-chip jp-mod-agent">{trans.__("understudy for %1", personName(state, seat.owner))}</span>;
  }
  if (mine) return <span class="jp-Novel-chip jp-mod-mine">{trans.__("you")}</span>;
  return (
    <span class="jp-Novel-chip" dir="auto">
      {personName(state, seat.owner)}
      {here === null ? ` (${trans.__("gone")})` : here === 0 || seat.away_until !== undefined ? ` (${trans.__("away")})` : ""}
    </span>
  );
}

function Health({ value }: { value: number }): JSX.Element {
  const { trans } = useFace();
  return (
    <span class="jp-Novel-health" role="img" aria-label={trans.__("health %1 of 3", value)}>
      {" "}
      {"♥".repeat(Math.max(0, Math.min(9, value)))}
      <span class="jp-Novel-faint">{"♥".repeat(Math.max(0, 3 - value))}</span>
    </span>
  );
}
