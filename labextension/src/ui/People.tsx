/**
 * Who belongs to the session, with roles; and invites for those who have no account.
 *
 * Law: only the owner changes who may what; an invite's link is shown to the owner alone and kept nowhere here.
 * Parts: `People`, `PersonRow`, `Invites`.
 */
import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";

import { Act } from "./Act";
import { useCommand, useFace, useMe, useReplica, useStory } from "./face";
import { barred, roleName } from "./rights";
import type { Participant, Role, StoryState } from "./state";

export function People(): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const state = useStory((all) => all);
  const people = Object.entries(state.participants).sort(([, a], [, b]) => a.name.localeCompare(b.name));
  const unowned = state.session !== undefined && state.session.owner === null;
  return (
    <section class="jp-Novel-people" aria-label={trans.__("People")}>
      {unowned ? (
        <p>
          {trans.__("This session was made in a notebook and belongs to nobody yet.")}{" "}
          <Act
            reason={state.session?.reserved_for === undefined || state.session.reserved_for === me ? barred(trans, state, me, "claim_session") : trans.__("It is kept for the person whose notebook made it.")}
            onDo={() => send(session.manage({ kind: "claim_session" }))}
          >
            {trans.__("It is mine")}
          </Act>
        </p>
      ) : null}
      <ul>
        {people.map(([id, person]) => (
          <PersonRow key={id} id={id} person={person} state={state} />
        ))}
      </ul>
      <Invites />
    </section>
  );
}

function PersonRow({ id, person, state }: { id: string; person: Participant; state: StoryState }): JSX.Element {
  const { session, trans, rest, notify } = useFace();
  const me = useMe();
  const send = useCommand();
  const here = useReplica((replica) => replica.presence.find(({ user_id }) => user_id === id)?.connections ?? null);
  const reason = barred(trans, state, me, "set_role");
  const [naming, setNaming] = useState<string | null>(null);
  const setRole = (role: Role | null): unknown => send(session.manage({ kind: "set_role", target: id, role }));
  const rename = async (): Promise<void> => {
    const name = (naming ?? "").trim();
    setNaming(null);
    if (name === "" || name === person.name) return;
    await rest.ask(`sessions/${session.id}/guests/${id}`, "PATCH", { name }).catch((error: Error) => notify(error.message, "error"));
  };
  const where = here === null ? trans.__("gone") : here === 0 ? trans.__("away") : trans.__("here");
  return (
    <li class="jp-Novel-person" data-user={id}>
      <span class={`jp-Novel-dot ${here === null ? "jp-mod-gone" : here === 0 ? "jp-mod-away" : "jp-mod-here"}`} aria-hidden="true" />
      {naming === null ? (
        <strong dir="auto">{person.name}</strong>
      ) : (
        <input
          dir="auto"
          value={naming}
          maxLength={60}
          aria-label={trans.__("New name of %1", person.name)}
          onInput={(event) => setNaming(event.currentTarget.value)}
          onBlur={() => void rename()}
          onKeyDown={(event) => {
            if (event.key === "Enter") void rename();
            if (event.key === "Escape") setNaming(null);
          }}
        />
      )}
      <span class="jp-Novel-dim">
        {where}
        {id === me ? ` · ${trans.__("you")}` : ""}
        {person.guest === undefined ? "" : ` · ${trans.__("guest")}`}
      </span>
      {reason === null && id !== me ? (
        <select
          value={person.role}
          aria-label={trans.__("Role of %1", person.name)}
          onChange={(event) => void setRole(event.currentTarget.value as Role)}
        >
          {(person.guest === undefined ? (["owner", "director", "player", "spectator"] as const) : (["player", "spectator"] as const)).map((role) => (
            <option key={role} value={role}>
              {roleName(trans, role)}
            </option>
          ))}
        </select>
      ) : (
        <span class="jp-Novel-chip">{roleName(trans, person.role)}</span>
      )}
      {person.guest !== undefined && reason === null && naming === null ? (
        <Act kind="quiet" name={trans.__("Rename %1", person.name)} onDo={() => setNaming(person.name)}>
          ✎
        </Act>
      ) : null}
      {id === me ? null : (
        <Act kind="quiet" reason={reason} name={trans.__("Remove %1", person.name)} onDo={() => setRole(null)}>
          ✕
        </Act>
      )}
    </li>
  );
}

interface Invite {
  readonly invite: number;
  readonly role: "player" | "spectator";
  readonly left: number;
  readonly until: string;
  readonly path: string;
  readonly guests: readonly { readonly user_id: string; readonly name: string }[];
}

function Invites(): JSX.Element {
  const { session, trans, rest, notify } = useFace();
  const me = useMe();
  const state = useStory((all) => all);
  const [invites, setInvites] = useState<readonly Invite[]>([]);
  const [role, setRole] = useState<"player" | "spectator">("player");
  const [uses, setUses] = useState(5);
  const [hours, setHours] = useState(24);
  const reason = barred(trans, state, me, "invite");
  const standing = (state.session as { invites?: unknown } | undefined)?.invites;
  const path = `sessions/${session.id}/invites`;
  const failed = useCallback((error: unknown) => notify(error instanceof Error ? error.message : String(error), "error"), [notify]);

  useEffect(() => {
    if (reason !== null) return;
    let over = false;
    rest
      .ask<{ invites: Invite[] }>(path)
      .then((found) => {
        if (!over) setInvites(found.invites);
      })
      .catch(failed);
    return () => {
      over = true;
    };
  }, [reason, standing, state.participants]);

  const make = async (): Promise<void> => {
    try {
      const made = await rest.ask<Invite>(path, "POST", { role, uses, seconds: hours * 3600 });
      setInvites((others) => [...others.filter(({ invite }) => invite !== made.invite), made]);
      await copy(made);
    } catch (error) {
      failed(error);
    }
  };
  const link = (invite: Invite): string => new URL(invite.path, rest.baseUrl).href;
  const copy = async (invite: Invite): Promise<void> => {
    try {
      await navigator.clipboard.writeText(link(invite));
      notify(trans.__("The link is in the clipboard."));
    } catch {
      notify(trans.__("Copy the link by hand: it stands in the list."));
    }
  };
  const revoke = async (invite: Invite): Promise<void> => {
    await rest.ask(`${path}/${invite.invite}`, "DELETE").catch(failed);
    setInvites((others) => others.filter((other) => other.invite !== invite.invite));
  };

  return (
    <div class="jp-Novel-invites">
      <h2>{trans.__("Invite somebody without an account")}</h2>
      <p class="jp-Novel-dim">{trans.__("The link opens this one session, in this role, and nothing else.")}</p>
      <div class="jp-Novel-row">
        <select value={role} disabled={reason !== null} aria-label={trans.__("Role of who comes")} onChange={(event) => setRole(event.currentTarget.value as "player" | "spectator")}>
          <option value="player">{roleName(trans, "player")}</option>
          <option value="spectator">{roleName(trans, "spectator")}</option>
        </select>
        <label>
          {trans.__("uses")}
          <input type="number" min={1} max={200} value={uses} disabled={reason !== null} onInput={(event) => setUses(event.currentTarget.valueAsNumber || 1)} />
        </label>
        <label>
          {trans.__("hours")}
          <input type="number" min={1} max={720} value={hours} disabled={reason !== null} onInput={(event) => setHours(event.currentTarget.valueAsNumber || 1)} />
        </label>
        <Act kind="accept" reason={reason} onDo={make}>
          {trans.__("Make a link")}
        </Act>
      </div>
      <ul>
        {invites.map((invite) => (
          <li key={invite.invite}>
            <input readOnly value={link(invite)} aria-label={trans.__("Invite link")} onFocus={(event) => event.currentTarget.select()} />
            <p class="jp-Novel-dim">
              {trans._n("%2, one more may come, until %3", "%2, %1 more may come, until %3", invite.left, roleName(trans, invite.role), new Date(invite.until).toLocaleString())}
              {invite.guests.length === 0 ? "" : ` · ${invite.guests.map(({ name }) => name).join(", ")}`}
            </p>
            <Act kind="quiet" onDo={() => copy(invite)}>
              {trans.__("Copy")}
            </Act>
            <Act kind="warn" onDo={() => revoke(invite)}>
              {trans.__("Revoke; who came by it is removed")}
            </Act>
          </li>
        ))}
      </ul>
    </div>
  );
}
