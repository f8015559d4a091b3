/**
 * What lost and is offered back.
 *
 * Law: both texts side by side, with who wrote them; what differs is marked, and not by colour alone. Nothing goes away
 * before somebody decided.
 * Parts: `Conflicts` (records and undone edits), `useConflictCount`, `RecordCard`, `Undone`.
 */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import type { JsonValue, WireEvent } from "../../protocol";
import { Act } from "../Act";
import { useCommand, useFace, useMe, useReplica, useStory } from "../face";
import { barred } from "../rights";
import { personName } from "../state";
import { placeName } from "./places";
import { recordsOf, undoneEdits, wordsOf, type KeptAside, type UndoneEdit } from "./records";
import { Version } from "./Version";

/** How many records wait for somebody, for a mark on a tab. */
export function useConflictCount(): number {
  return useReplica(({ state }) => recordsOf(state).length);
}

export function Conflicts(): JSX.Element {
  const { trans } = useFace();
  const state = useReplica((replica) => replica.state);
  const records = useMemo(() => recordsOf(state), [state]);
  return (
    <section class="jp-Novel-conflicts" aria-label={trans.__("Conflicts")}>
      {records.length === 0 ? <p class="jp-Novel-dim">{trans.__("Nothing waits for a decision.")}</p> : null}
      <ul>
        {records.map((record) => (
          <li key={record.pointer}>
            <RecordCard record={record} />
          </li>
        ))}
      </ul>
      <Undone />
    </section>
  );
}

function RecordCard({ record }: { readonly record: KeptAside }): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const reason = useStory((state) => barred(trans, state, me, "settle"));
  const place = useStory((state) => placeName(trans, state, record.path));
  const nameOf = useStory((state) => ({ kept: name(state, record.keptBy), lost: name(state, record.lostBy) }));
  const settle = (take: boolean): unknown =>
    send(session.send({ type: "story_update", data: { kind: "settle", record: record.pointer, take } }));
  const kept = wordsOf(trans, record.kept, record.removal === "kept");
  const lost = wordsOf(trans, record.lost, record.removal === "lost");
  const suggested = record.kind === "suggestion";
  const unknown = trans.__("somebody");
  const take = suggested ? trans.__("Take the suggestion") : trans.__("Take this instead");
  return (
    <article class={`jp-Novel-record jp-mod-${record.kind}`} aria-label={place} data-novel-target={record.path}>
      <h3 dir="auto">
        <span aria-hidden="true">{suggested ? "✦ " : "⚠ "}</span>
        {suggested ? trans.__("Suggested by an agent: %1", place) : place}
      </h3>
      {record.audience === null ? null : <p class="jp-Novel-dim">{trans.__("Only for those who see this part.")}</p>}
      <div class="jp-Novel-versions">
        <Version title={trans.__("Stands")} by={nameOf.kept || unknown} text={kept} other={lost} />
        <Version title={suggested ? trans.__("Suggested") : trans.__("Kept aside")} by={nameOf.lost || unknown} text={lost} other={kept} />
      </div>
      <div class="jp-Novel-row">
        <Act kind="accept" reason={reason} name={`${take}: ${place}`} onDo={() => settle(true)}>
          {take}
        </Act>
        <Act reason={reason} name={trans.__("Keep as it is: %1", place)} onDo={() => settle(false)}>
          {trans.__("Keep as it is")}
        </Act>
      </div>
    </article>
  );
}

function name(state: Parameters<typeof personName>[0], user: string | null): string {
  return personName(state, user);
}

const PAGE = 300;

/** Edits that went with a turn that was undone. */
function Undone(): JSX.Element | null {
  const { session, rest, trans } = useFace();
  const [events, setEvents] = useState<readonly WireEvent[]>([]);
  const [asked, ask] = useState(0);
  useEffect(
    () =>
      session.subscribe((note) => {
        if (note.kind !== "replica") return;
        const changed = note.reset || note.applied.some(({ data }) => data.kind === "undone" || data.kind === "branched" || (data.kind === "edit" && data.restores !== undefined));
        if (changed) ask((count) => count + 1);
      }),
    [session],
  );
  useEffect(() => {
    let over = false;
    const after = Math.max(0, (session.replica.head?.sequence_id ?? 0) - PAGE);
    const load = async (): Promise<void> => {
      try {
        const page = await rest.ask<{ events: WireEvent[] }>(`sessions/${session.id}/events?after=${after}&limit=${PAGE}`);
        if (!over) setEvents(page.events);
      } catch {
        // Without the log there is nothing to offer; the next undo asks again.
      }
    };
    void load();
    return () => {
      over = true;
    };
  }, [session, asked]);
  const edits = useMemo(() => undoneEdits(events), [events]);
  if (edits.length === 0) return null;
  return (
    <section aria-label={trans.__("Undone edits")}>
      <h3>{trans.__("Edits that went with an undone turn")}</h3>
      <ul>
        {edits.map((edit) => (
          <li key={edit.sequence}>
            <UndoneCard edit={edit} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function UndoneCard({ edit }: { readonly edit: UndoneEdit }): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const reason = useStory((state) => barred(trans, state, me, "restore_edit"));
  const by = useStory((state) => name(state, edit.by));
  const places = useStory((state) => [...new Set(edit.patch.map(({ path }) => placeName(trans, state, path)))].join(", "));
  const title = places === "" ? trans.__("Edit %1", edit.sequence) : places;
  const restore = (): unknown =>
    send(session.send({ type: "story_update", data: { kind: "restore_edit", sequence_id: edit.sequence } }));
  return (
    <article class="jp-Novel-record" aria-label={title}>
      {edit.patch.map((op: { op: string; path: string; value?: JsonValue }) => (
        <Version key={op.path} title={title} by={by} text={wordsOf(trans, op.value, op.op === "remove")} />
      ))}
      <Act reason={reason} name={trans.__("Bring back: %1", title)} onDo={restore}>
        {trans.__("Bring back")}
      </Act>
    </article>
  );
}
