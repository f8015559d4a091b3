/**
 * Where the turn stands: its phase, its timer, who is waited for, which agents are at work.
 *
 * Law: it says in words what the colours show; the clock counts here, the deadline is the server's.
 * Parts: `TurnBar`, `Waiting`, `AtWork`, `Countdown`.
 */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Act } from "./Act";
import { useCommand, useFace, useMe, useReplica, useStory } from "./face";
import { barred, outOfPhase, phaseName } from "./rights";
import { personName, type Phase } from "./state";

const STEPS: readonly Phase[] = ["collect", "locked", "resolving", "narrating"];
const UNDER_WAY: readonly Phase[] = ["locked", "resolving", "narrating"];

export function TurnBar(): JSX.Element | null {
  const { trans } = useFace();
  const turn = useStory((state) => state.turn);
  if (turn === undefined) return null;
  const at = STEPS.indexOf(turn.phase === "lobby" || turn.phase === "paused" ? "collect" : turn.phase);
  return (
    <section class="jp-Novel-turnbar" aria-label={trans.__("The turn")}>
      <p class="jp-Novel-turnbar-what">
        <strong>{trans.__("Turn %1", turn.number)}</strong>
        <span class={`jp-Novel-phase jp-mod-${turn.phase}`}>{phaseName(trans, turn.phase)}</span>
        {turn.attempt > 1 ? <span class="jp-Novel-dim">{trans.__("attempt %1", turn.attempt)}</span> : null}
        {turn.branch === "main" ? null : <span class="jp-Novel-chip">{turn.branch}</span>}
        {turn.deadline === null ? null : <Countdown until={turn.deadline} />}
      </p>
      <ol class="jp-Novel-steps" aria-hidden="true">
        {STEPS.map((step, index) => (
          <li key={step} class={index < at ? "jp-mod-done" : index === at ? "jp-mod-now" : ""} />
        ))}
      </ol>
      <Waiting />
      <AtWork />
    </section>
  );
}

function Countdown({ until }: { until: string }): JSX.Element {
  const { trans } = useFace();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const left = Math.max(0, Math.ceil((Date.parse(until) - now) / 1000));
  const text = left >= 60 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : trans.__("%1 s", left);
  return (
    <span class={`jp-Novel-timer ${left <= 10 ? "jp-mod-soon" : ""}`} role="timer" aria-label={trans.__("time left: %1", text)}>
      {text}
    </span>
  );
}

/** Who has, and who has not. */
function Waiting(): JSX.Element | null {
  const { trans } = useFace();
  const { turn, seats, participants, policy } = useStory((state) => ({
    turn: state.turn,
    seats: state.seats,
    participants: state.participants,
    policy: state.session?.settings.turn_policy ?? "round",
  }));
  const here = useReplica((replica) => replica.presence);
  if (turn === undefined || turn.phase !== "collect") return null;
  const present = new Set(here.filter(({ connections }) => connections > 0).map(({ user_id }) => user_id));
  const name = (id: string): string => participants[id]?.name ?? id;
  if (policy === "vote") {
    const voters = Object.keys(participants).filter((id) => participants[id]?.role !== "spectator" && present.has(id));
    const missing = voters.filter((id) => turn.votes[id] === undefined);
    return (
      <p class="jp-Novel-waiting">
        {trans.__("%1 of %2 have voted.", voters.length - missing.length, voters.length)}{" "}
        {missing.length === 0 ? "" : trans.__("Waiting for %1.", missing.map(name).join(", "))}
      </p>
    );
  }
  if (policy === "immediate") return null;
  const players = Object.entries(seats).filter(([, seat]) => seat.owner !== null && !seat.understudy && present.has(seat.owner));
  const missing = players.filter(([character]) => turn.proposals[character]?.ready !== true);
  if (players.length === 0) return <p class="jp-Novel-waiting">{trans.__("Nobody has a seat: the agents play everybody.")}</p>;
  return (
    <p class="jp-Novel-waiting">
      {trans.__("%1 of %2 are ready.", players.length - missing.length, players.length)}{" "}
      {missing.length === 0
        ? ""
        : trans.__("Waiting for %1.", missing.map(([, seat]) => `${seat.name} (${name(seat.owner ?? "")})`).join(", "))}
    </p>
  );
}

/** Agents that are at work on the turn, what it cost so far, and the way to stop them. */
function AtWork(): JSX.Element | null {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const { state, turn } = useStory((all) => ({ state: all, turn: all.turn }));
  const progress = useReplica((replica) => replica.progress);
  if (turn === undefined || !UNDER_WAY.includes(turn.phase)) return null;
  const now = [...progress.values()].filter((said) => said.turn === turn.number && said.attempt === turn.attempt);
  const spent = now.map((said) => said.spent?.turn).findLast((cost) => cost !== undefined);
  const reason = barred(trans, state, me, "cancel") ?? outOfPhase(trans, turn.phase, UNDER_WAY);
  return (
    <div class="jp-Novel-atwork">
      <ul aria-label={trans.__("Agents at work")}>
        {now.map((said) => (
          <li key={said.agent}>
            <span class="jp-Novel-spinner" aria-hidden="true" />
            <strong>{state.seats[said.agent]?.name ?? said.agent}</strong> {said.text}
          </li>
        ))}
        {now.length === 0 ? (
          <li>
            <span class="jp-Novel-spinner" aria-hidden="true" />
            {state.host?.holder == null
              ? trans.__("Waiting for a kernel that runs the agents.")
              : trans.__("%1 is at work.", personName(state, state.host.holder, trans.__("The kernel")))}
          </li>
        ) : null}
      </ul>
      {spent === undefined || spent.tokens_in + spent.tokens_out === 0 ? null : (
        <span class="jp-Novel-dim">
          {trans.__("%1 tokens, $%2", spent.tokens_in + spent.tokens_out, spent.cost.toFixed(4))}
        </span>
      )}
      <Act kind="warn" reason={reason} onDo={() => send(session.act({ kind: "cancel" }))}>
        {trans.__("Cancel the turn")}
      </Act>
    </div>
  );
}
