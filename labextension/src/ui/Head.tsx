/**
 * The line above the story: its title, who is here, who one is, what it has cost, and the connection.
 */
import type { JSX } from "preact";

import { useConnection, useFace, useMe, useStory } from "./face";
import { Avatars } from "./presence/Avatars";
import { roleName, standing } from "./rights";

export function Head({ title }: { title: string }): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const state = useStory((all) => all);
  const { status, latency } = useConnection((from) => ({ status: from.status, latency: from.latency }));
  const role = standing(state, me);
  const spent = state.session?.spent;
  return (
    <header class="jp-Novel-head">
      <h1 dir="auto">{title || trans.__("A story")}</h1>
      <Avatars />
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
