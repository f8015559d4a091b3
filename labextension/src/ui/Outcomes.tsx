/**
 * What came of each action of a turn, and why; and what made the turn.
 *
 * Law: only what the reader's view shows, asked for when it is opened. Every turn says which engine made it, whether a
 * stand-in did, and what it cost.
 * Parts: `Outcomes`, `Opened`, `Overrulings`, `MadeByLine`.
 */
import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { actionText, overruledText } from "./actions";
import { useFace, useStory } from "./face";
import type { Overruled } from "./pictures/entries";
import { beforeLock, useLog } from "./pictures/log";
import type { MadeBy, Outcome } from "../protocol";
import type { Translation } from "./translate";

export function Outcomes({ node }: { node: number }): JSX.Element {
  const { trans } = useFace();
  const [open, setOpen] = useState(false);
  return (
    <details class="jp-Novel-outcomes" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{trans.__("What came of it, and why")}</summary>
      {open ? <Opened node={node} /> : null}
    </details>
  );
}

function Opened({ node }: { node: number }): JSX.Element {
  const { trans } = useFace();
  const state = useStory((all) => all);
  const log = useLog(beforeLock(node, state.turns[String(node)]?.parent ?? 0));
  const turn = log.digest.turns.get(node);
  if (turn === undefined) {
    return <p class="jp-Novel-dim">{log.loading ? trans.__("Reading the log…") : trans.__("The log of this turn cannot be read any more.")}</p>;
  }
  const shown = turn.outcomes.filter(({ character }) => state.seats[character] !== undefined);
  return (
    <>
      {shown.length === 0 ? <p class="jp-Novel-dim">{trans.__("Nothing that you could see.")}</p> : null}
      <ul>
        {shown.map((outcome) => (
          <li key={outcome.id} class={`jp-Novel-outcome jp-mod-${outcome.outcome}`}>
            <strong dir="auto">{state.seats[outcome.character]?.name ?? outcome.character}</strong>{" "}
            <span class="jp-Novel-dim">({byName(trans, outcome.by)})</span> <span dir="auto">{actionText(trans, state, outcome.action)}</span>
            {": "}
            <span class="jp-Novel-chip">{outcomeName(trans, outcome.outcome)}</span>
            <Dice outcome={outcome} />
            <p dir="auto">{outcome.reason}</p>
          </li>
        ))}
      </ul>
      <Overrulings of={turn.overruled} />
      <MadeByLine madeBy={turn.madeBy} />
    </>
  );
}

/** What a director had put in the place of players' proposals, each with its reason. */
export function Overrulings({ of }: { of: readonly Overruled[] | null }): JSX.Element | null {
  const { trans } = useFace();
  const state = useStory((all) => all);
  if (of === null || of.length === 0) return null;
  return (
    <ul class="jp-Novel-overrulings">
      {of.map(({ character, action, overruled }) => (
        <li key={character} class="jp-Novel-overruled" dir="auto">
          <strong>{state.seats[character]?.name ?? character}</strong> ({actionText(trans, state, action)}): {overruledText(trans, state, overruled)}
        </li>
      ))}
    </ul>
  );
}

function Dice({ outcome }: { outcome: Outcome }): JSX.Element | null {
  const { trans } = useFace();
  const { dice, modifier, total } = outcome.roll ?? {};
  if (!Array.isArray(dice) || typeof modifier !== "number" || typeof total !== "number") return null;
  const sum = `${dice.map(String).join(" + ")} ${modifier < 0 ? "−" : "+"} ${Math.abs(modifier)} = ${total}`;
  return (
    <span class="jp-Novel-dim" title={trans.__("two dice and what the character brings")}>
      {" "}
      [{sum}]
    </span>
  );
}

function MadeByLine({ madeBy }: { madeBy: MadeBy }): JSX.Element {
  const { trans } = useFace();
  const agents = Object.entries(madeBy.agents);
  const tokens = agents.reduce((sum, [, cost]) => sum + cost.tokens_in + cost.tokens_out, 0);
  const cost = agents.reduce((sum, [, one]) => sum + one.cost, 0);
  const own = [...new Set(agents.flatMap(([, one]) => one.agent ?? []))];
  return (
    <p class="jp-Novel-dim">
      {madeBy.model === null ? trans.__("Made by the offline storyteller.") : trans.__("Made by %1.", madeBy.model)}{" "}
      {madeBy.fallback ? trans.__("The offline storyteller stood in for a part.") : ""}{" "}
      {own.length === 0 ? "" : trans.__("Agents from a notebook: %1.", own.join(", "))}{" "}
      {tokens === 0 ? "" : trans.__("%1 tokens, $%2.", tokens, cost.toFixed(4))}
    </p>
  );
}

function byName(trans: Translation, by: Outcome["by"]): string {
  switch (by) {
    case "player":
      return trans.__("player");
    case "agent":
      return trans.__("agent");
    case "understudy":
      return trans.__("understudy");
    default:
      return trans.__("director");
  }
}

function outcomeName(trans: Translation, outcome: Outcome["outcome"]): string {
  switch (outcome) {
    case "success":
      return trans.__("success");
    case "cost":
      return trans.__("success at a cost");
    case "complication":
      return trans.__("complication");
    case "failure":
      return trans.__("failure");
    default:
      return trans.__("not possible");
  }
}
