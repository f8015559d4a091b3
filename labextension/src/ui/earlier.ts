/**
 * Turns that are older than what the state keeps, read from the log when somebody scrolls back to them.
 *
 * Law: pages of the log in the reader's own view, backwards; only turns on the path to where the state begins count.
 * Parts: `Older` (what was read, pure), `olderFrom`, `useEarlier`.
 */
import { useEffect, useState } from "preact/hooks";

import { isObject } from "../json";
import { lookup } from "../patch";
import type { WireEvent } from "../protocol";
import { useFace, useStory } from "./face";
import type { Told, TurnNode } from "./state";
import { pathOf, tipOf, type TurnShown } from "./turns";

const PAGE = 500;
const WANTED = 20;

export interface OlderTurn {
  readonly shown: TurnShown;
  readonly told: readonly { readonly seat: string | null; readonly told: Told }[];
}

interface Found {
  readonly nodes: ReadonlyMap<number, TurnNode>;
  readonly told: ReadonlyMap<number, OlderTurn["told"]>;
}

const NOTHING: Found = { nodes: new Map(), told: new Map() };

/** What a page of the log adds; the page is older than all that was found before. */
export function olderFrom(found: Found, events: readonly WireEvent[]): Found {
  const nodes = new Map(found.nodes);
  const told = new Map(found.told);
  for (const event of events) {
    const { data } = event;
    if (data.kind === "resolved") {
      const id = String(event.sequence_id);
      const op = data.patch?.find(({ path }) => path === `/turns/${id}` || path === "/turns");
      const entry = op?.path === "/turns" ? isObject(op.value) ? lookup(op.value, [id]) : undefined : op?.value;
      if (entry !== undefined) nodes.set(event.sequence_id, entry as unknown as TurnNode);
    } else if ((data.kind === "turn" || data.kind === "dealt") && data.node !== undefined && data.narrative !== undefined) {
      const seat = data.kind === "turn" ? null : (Array.isArray(event.audience) ? (event.audience[0] ?? null) : null);
      const one = { turn: data.turn ?? 0, attempt: 1, branch: "", narrative: data.narrative };
      const others = (told.get(data.node) ?? []).filter((before) => before.seat !== seat);
      told.set(data.node, [...others, { seat, told: one }]);
    }
  }
  return { nodes, told };
}

export interface Earlier {
  readonly turns: readonly OlderTurn[];
  /** Null: there is nothing older. */
  readonly load: (() => Promise<void>) | null;
}

export function useEarlier(): Earlier {
  const { session, rest, notify } = useFace();
  const view = session.replica.view;
  const first = useStory((state) => pathOf(state.turns, tipOf(state))[0]);
  const [found, setFound] = useState(NOTHING);
  const [from, setFrom] = useState<number | null>(null);
  useEffect(() => {
    setFound(NOTHING);
    setFrom(null);
  }, [view, first?.node]);
  if (first === undefined || first.entry.parent === 0) return { turns: [], load: null };

  const path = pathOf(Object.fromEntries(found.nodes), first.entry.parent);
  const turns = path.map((shown) => ({ shown, told: found.told.get(shown.node) ?? [] }));
  const oldest = path[0]?.entry.parent ?? first.entry.parent;
  const load = async (): Promise<void> => {
    let at = from ?? first.node - 1;
    let all = found;
    try {
      while (at > 0 && pathOf(Object.fromEntries(all.nodes), first.entry.parent).length < path.length + WANTED) {
        const after = Math.max(0, at - PAGE);
        const { events } = await rest.ask<{ events: WireEvent[] }>(`sessions/${session.id}/events?after=${after}&limit=${at - after}`);
        all = olderFrom(all, events.filter((event) => event.sequence_id <= at));
        at = after;
      }
    } catch (error) {
      notify(error instanceof Error ? error.message : String(error), "error");
    }
    setFound(all);
    setFrom(at);
  };
  return { turns, load: oldest === 0 || from === 0 ? null : load };
}
