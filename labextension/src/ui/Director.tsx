/**
 * For who directs: the turn's levers, a word against a proposal, the session's settings, and the kernels that may run
 * the agents.
 *
 * Law: everybody sees it, so that nobody wonders why a turn was locked; who may not use it is told why.
 * Parts: `Director`, `Levers`, `SettingsForm`, `Hosts`.
 */
import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { Act } from "./Act";
import { useCommand, useFace, useMe, useReplica, useStory } from "./face";
import { Overrule } from "./Overrule";
import type { Direct } from "../protocol";
import { barred, outOfPhase } from "./rights";
import { personName, type Phase, type Settings, type StoryState } from "./state";
import type { Translation } from "./translate";

export function Director(): JSX.Element {
  const { trans } = useFace();
  return (
    <section class="jp-Novel-director" aria-label={trans.__("Directing")}>
      <Levers />
      <Overrule />
      <Hosts />
      <SettingsForm />
    </section>
  );
}

type Word = Direct["kind"];
const BETWEEN: readonly Phase[] = ["lobby", "collect"];
const UNDER_WAY: readonly Phase[] = ["locked", "resolving", "narrating"];

interface Lever {
  readonly word: Word;
  readonly label: string;
  readonly phases: readonly Phase[];
  readonly kind?: "warn" | "accept";
}

function levers(trans: Translation): readonly Lever[] {
  return [
    { word: "start", label: trans.__("Begin"), phases: ["lobby"], kind: "accept" },
    { word: "lock", label: trans.__("Lock and play the turn now"), phases: BETWEEN, kind: "accept" },
    { word: "accept", label: trans.__("Accept the turn"), phases: ["review"], kind: "accept" },
    { word: "pause", label: trans.__("Pause"), phases: [...BETWEEN, ...UNDER_WAY, "review"] },
    { word: "resume", label: trans.__("Go on"), phases: ["paused"], kind: "accept" },
    { word: "reroll", label: trans.__("Re-roll the last turn"), phases: [...BETWEEN, "review", "failed"] },
    { word: "cancel", label: trans.__("Cancel the turn"), phases: [...UNDER_WAY, "failed"], kind: "warn" },
  ];
}

function Levers(): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const state = useStory((all) => all);
  const phase = state.turn?.phase;
  return (
    <div class="jp-Novel-levers" role="group" aria-label={trans.__("The turn")}>
      {levers(trans).map(({ word, label, phases, kind }) => (
        <Act
          key={word}
          kind={kind ?? "plain"}
          reason={barred(trans, state, me, word) ?? outOfPhase(trans, phase, phases) ?? special(trans, state, word)}
          onDo={() => send(session.act({ kind: word }))}
        >
          {label}
        </Act>
      ))}
    </div>
  );
}

function special(trans: Translation, state: StoryState, word: Word): string | null {
  if (word === "reroll" && state.turn?.phase !== "failed" && tipless(state)) return trans.__("No turn was played yet.");
  if (word === "pause" && state.turn?.pause_next === true) return trans.__("The pause comes when the turn ends.");
  return null;
}

function tipless(state: StoryState): boolean {
  return (state.turn?.parent ?? 0) === 0 && (state.turn?.node ?? 0) === 0;
}

/** Who runs the agents, and who asks to. */
function Hosts(): JSX.Element {
  const { session, trans, rest, notify } = useFace();
  const me = useMe();
  const send = useCommand();
  const state = useStory((all) => all);
  const kernels = useReplica((replica) => replica.presence).filter(({ kind }) => kind === "kernel");
  const holder = state.host?.holder ?? null;
  const reason = barred(trans, state, me, "admit_host");
  const waiting = kernels.filter(({ user_id }) => state.host?.admitted[user_id] === undefined);
  const start = async (): Promise<void> => {
    try {
      await rest.ask(`sessions/${session.id}/host`, "POST", {});
    } catch (error) {
      notify(error instanceof Error ? error.message : String(error), "error");
    }
  };
  return (
    <div class="jp-Novel-hosts">
      <h2>{trans.__("Who runs the agents")}</h2>
      <p>{holder === null ? trans.__("Nobody: turns wait for a kernel.") : kernelName(trans, state, holder)}</p>
      {holder !== null ? null : (
        <Act kind="accept" reason={reason} onDo={start}>
          {trans.__("Start the agents here")}
        </Act>
      )}
      {waiting.map(({ user_id, name }) => (
        <p key={user_id}>
          {trans.__("%1 asks to run the agents.", name || kernelName(trans, state, user_id))}{" "}
          <Act reason={reason} onDo={() => send(session.manage({ kind: "admit_host", kernel: user_id }))}>
            {trans.__("Let it")}
          </Act>
        </p>
      ))}
    </div>
  );
}

function kernelName(trans: Translation, state: StoryState, id: string): string {
  const of = /^kernel:(.+):[^:]+$/.exec(id)?.[1];
  return of === undefined ? trans.__("A kernel (%1)", id.slice(-8)) : trans.__("A kernel of %1", personName(state, of));
}

function SettingsForm(): JSX.Element | null {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const state = useStory((all) => all);
  const settings = state.session?.settings;
  if (settings === undefined) return null;
  const reason = barred(trans, state, me, "set_settings");
  const change = (changes: Partial<Settings>): void => {
    if (reason === null) void send(session.manage({ kind: "set_settings", ...changes }));
  };
  return (
    <div class="jp-Novel-settings" role="group" aria-label={trans.__("Settings")}>
      <h2>{trans.__("Settings")}</h2>
      {reason === null ? null : <p class="jp-Novel-dim">{reason}</p>}
      <label>
        {trans.__("A turn is locked")}
        <select
          value={settings.turn_policy}
          disabled={reason !== null}
          onChange={(event) => change({ turn_policy: event.currentTarget.value as Settings["turn_policy"] })}
        >
          <option value="round">{trans.__("when everybody is ready")}</option>
          <option value="vote">{trans.__("by vote")}</option>
          <option value="immediate">{trans.__("at the first proposal")}</option>
        </select>
      </label>
      <Seconds
        label={trans.__("Seconds to decide (0: no limit)")}
        value={settings.collect_timeout ?? 0}
        off={reason !== null}
        onSet={(value) => change({ collect_timeout: value })}
      />
      <Seconds
        label={trans.__("Seconds until the agent plays for who is away")}
        value={settings.understudy_after}
        off={reason !== null}
        onSet={(value) => change({ understudy_after: value })}
      />
      <label class="jp-Novel-check">
        <input type="checkbox" checked={settings.review} disabled={reason !== null} onChange={(event) => change({ review: event.currentTarget.checked })} />
        {trans.__("A director accepts each turn")}
      </label>
      <label>
        {trans.__("Who joins by the link comes as")}
        <select
          value={settings.default_role}
          disabled={reason !== null}
          onChange={(event) => change({ default_role: event.currentTarget.value as Settings["default_role"] })}
        >
          <option value="player">{trans.__("player")}</option>
          <option value="spectator">{trans.__("spectator")}</option>
          <option value="none">{trans.__("nobody: only whom the owner lets in")}</option>
        </select>
      </label>
    </div>
  );
}

interface SecondsProps {
  readonly label: string;
  readonly value: number;
  readonly off: boolean;
  readonly onSet: (value: number) => void;
}

function Seconds({ label, value, off, onSet }: SecondsProps): JSX.Element {
  const [typed, setTyped] = useState<string | null>(null);
  const done = (): void => {
    const number = Number(typed);
    if (typed !== null && Number.isFinite(number) && number >= 0 && number !== value) onSet(number);
    setTyped(null);
  };
  return (
    <label>
      {label}
      <input
        type="number"
        min={0}
        max={86400}
        disabled={off}
        value={typed ?? String(value)}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onBlur={done}
        onKeyDown={(event) => {
          if (event.key === "Enter") done();
        }}
      />
    </label>
  );
}
