/**
 * A row of who is here.
 *
 * Law: here, away and gone differ in shape and in words, never by colour alone; a person is one avatar however many tabs
 * they have. Each is reached by keyboard, says the whole of it, and is followed by a click.
 * Parts: `Avatars`, `personLine` (all of it in words).
 */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

import { placeName } from "../edit/places";
import { useFace, useStory } from "../face";
import { roleName } from "../rights";
import type { StoryState } from "../state";
import type { Translation } from "../translate";
import { useFollowing } from "./follow";
import type { Person } from "./people";
import { usePeople } from "./usePeople";

export interface AvatarsProps {
  /** So many are shown before the rest is counted. */
  readonly most?: number;
}

export function Avatars({ most = 8 }: AvatarsProps): JSX.Element {
  const { trans } = useFace();
  const everybody = usePeople();
  const [all, setAll] = useState(false);
  const shown = all ? everybody : everybody.slice(0, most);
  const more = everybody.length - shown.length;
  return (
    <ul class="jp-Novel-avatars" aria-label={trans.__("Who is here")}>
      {shown.map((person) => (
        <li key={person.id}>
          <Avatar person={person} />
        </li>
      ))}
      {more > 0 || all ? (
        <li>
          <button type="button" class="jp-Novel-avatarMore" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? trans.__("fewer") : trans._n("%1 more", "%1 more", more)}
          </button>
        </li>
      ) : null}
    </ul>
  );
}

function Avatar({ person }: { readonly person: Person }): JSX.Element {
  const { trans } = useFace();
  const following = useFollowing();
  const id = useId();
  const words = useStory((state) => personLine(trans, state, person));
  const why = person.me
    ? trans.__("This is you.")
    : person.kind === "kernel"
      ? trans.__("A kernel is at no place of the story.")
      : person.state === "gone"
        ? trans.__("Who is gone cannot be followed.")
        : null;
  const followed = following.who === person.id;
  return (
    <>
      <button
        type="button"
        class={`jp-Novel-avatar jp-mod-${person.state} jp-mod-${person.kind}${person.typing ? " jp-mod-typing" : ""}`}
        style={{ "--jp-Novel-person": person.color }}
        data-user={person.id}
        aria-label={person.name}
        aria-describedby={id}
        aria-pressed={person.me ? undefined : followed}
        aria-disabled={why !== null}
        onClick={() => {
          if (why === null) following.toggle(person.id);
        }}
      >
        {/* Drawn by the style sheet: letters and marks are pictures here, the name says who it is. */}
        <span data-letters={person.kind === "kernel" ? "⚙" : person.initials} />
        <span class="jp-Novel-avatarMark" data-letters={person.typing ? "…" : person.state === "away" ? "z" : person.state === "gone" ? "–" : ""} />
      </button>
      <span class="jp-Novel-tip" id={id} role="tooltip">
        <bdi>{person.name}</bdi>
        <span>{words}</span>
        <span>{why ?? (followed ? trans.__("Click to stop following.") : trans.__("Click to follow."))}</span>
      </span>
    </>
  );
}

/** What is known of a person, in one line. */
export function personLine(trans: Translation, state: StoryState, person: Person): string {
  const parts = [
    person.kind === "kernel" ? (person.hosts ? trans.__("kernel, runs the agents") : trans.__("kernel")) : roleName(trans, person.role),
    person.guest ? trans.__("guest") : "",
    person.state === "here" ? trans.__("here") : person.state === "away" ? trans.__("away: the connection was lost") : trans.__("gone"),
    person.tabs > 1 ? trans._n("%1 tab", "%1 tabs", person.tabs) : "",
    person.seats.length > 0 ? trans.__("plays %1", person.seats.join(", ")) : "",
    person.understudied ? trans.__("an understudy plays meanwhile") : "",
    person.doing ?? "",
    person.target === null
      ? ""
      : person.typing
        ? trans.__("types in: %1", placeName(trans, state, person.target))
        : trans.__("at: %1", placeName(trans, state, person.target)),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}
