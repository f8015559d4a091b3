/**
 * A box for one text of the story, with everybody who writes in it.
 *
 * Law: it always says how far the server is (an icon and words, never a colour alone), what the reader may not do and
 * why, and offers both texts where two people wrote the same words. Only text nodes; a long or right-to-left text
 * finds its own direction.
 * Parts: `TextField`, `FieldStatus`, `Choice`.
 */
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

import { Act } from "../Act";
import { useFace, useMe, useReplica, useSession, useStory } from "../face";
import { cursorsAt } from "../presence/people";
import { refusalText } from "../refusals";
import { barred } from "../rights";
import { Backdrop, typingHere } from "./Caret";
import { statusOf, type FieldState, type Status } from "./field";
import { moved } from "./merge";
import { strategyFor } from "./places";
import { useField } from "./useField";
import { Version } from "./Version";

export interface TextFieldProps {
  /** A JSON pointer into the story. */
  readonly path: string;
  readonly label: ComponentChildren;
  /** Lines of its own; else Enter ends the typing. */
  readonly multiline?: boolean;
  readonly placeholder?: string;
  /** Why it may not be changed, beside what roles forbid. */
  readonly reason?: string | null;
}

export function TextField({ path, label, multiline = false, placeholder, reason = null }: TextFieldProps): JSX.Element {
  const { trans, announce } = useFace();
  const me = useMe();
  const bound = useField(path);
  const { field, box } = bound;
  const { state } = field;
  const cursors = useReplica((replica) => cursorsAt(replica, path, me));
  const forbidden = useStory((story) => barred(trans, story, me, "edit"));
  const fixed = useStory((story) => strategyFor(story.session?.strategies ?? {}, path) === "append_only");
  const nameOf = useStory((story) => names(story.participants));
  const why = forbidden ?? reason ?? (fixed ? trans.__("What is told stays told; this can only be added to.") : null);
  const [id, told, excused] = [useId(), useId(), useId()];
  const nameFor = (user: string): string => nameOf[user] ?? trans.__("somebody");
  const company = typingHere(trans, cursors, nameFor);
  const undo = (): void => {
    if (!bound.undo()) announce(trans.__("Others changed the same words since."));
  };
  return (
    <div class={`jp-Novel-field jp-mod-${statusOf(state)}`} data-novel-target={path}>
      <div class="jp-Novel-fieldHead">
        <label class="jp-Novel-label" for={id}>
          {label}
        </label>
        <FieldStatus state={state} />
        {why === null && field.canUndo ? (
          <Act kind="quiet" name={trans.__("Undo my last change here")} onDo={undo}>
            <span aria-hidden="true">↶</span>
          </Act>
        ) : null}
      </div>
      <div class="jp-Novel-editBox">
        <Backdrop text={state.local} cursors={cursors} place={(at) => moved(at, state.base.text, state.local)} nameOf={nameFor} />
        <textarea
          id={id}
          ref={box}
          class="jp-Novel-input"
          dir="auto"
          rows={1}
          spellcheck={why === null}
          placeholder={placeholder}
          readOnly={why !== null}
          aria-describedby={`${told}${why === null ? "" : ` ${excused}`}`}
          aria-multiline={multiline}
          onInput={bound.onInput}
          onCompositionStart={bound.onCompositionStart}
          onCompositionEnd={bound.onCompositionEnd}
          onFocus={bound.onFocus}
          onBlur={bound.onBlur}
          onKeyDown={(event) => {
            bound.onKeyDown(event);
            if (event.key === "Enter" && !multiline && !event.isComposing) {
              event.preventDefault();
              field.flush();
            }
          }}
        />
      </div>
      <p class="jp-Novel-company" id={told} role="status" dir="auto">
        {company}
      </p>
      {why === null ? null : (
        <p class="jp-Novel-why" id={excused}>
          {why}
        </p>
      )}
      <Choice state={state} onChoose={(which) => field.choose(which)} />
    </div>
  );
}

function names(participants: { readonly [user: string]: { readonly name: string } }): { [user: string]: string } {
  return Object.fromEntries(Object.entries(participants).map(([user, { name }]) => [user, name]));
}

const ICONS: { readonly [status in Status]: string } = {
  clean: "",
  typing: "✎",
  pending: "↑",
  saved: "✓",
  merged: "⇄",
  conflicted: "⚠",
  refused: "✕",
};

/** How far the server is with one's own words. */
export function FieldStatus({ state }: { readonly state: FieldState }): JSX.Element {
  const { trans } = useFace();
  const offline = useSession(({ status }) => status !== "joined");
  const status = statusOf(state);
  const waits = offline && (status === "typing" || status === "pending");
  const words: { readonly [status in Status]: string } = {
    clean: "",
    typing: trans.__("Typing…"),
    pending: trans.__("On its way…"),
    saved: trans.__("Saved"),
    merged: trans.__("Saved, together with others’ changes"),
    conflicted: state.held ? trans.__("Others changed the same words") : trans.__("Others’ words stayed; yours are kept under Conflicts"),
    refused: trans.__("Not taken"),
  };
  return (
    <span class={`jp-Novel-status jp-mod-${status}`} role="status">
      <span aria-hidden="true">{waits ? "⏸" : ICONS[status]}</span>
      <span class="jp-Novel-statusText">{waits ? trans.__("Kept here; it goes when the server is back") : words[status]}</span>
    </span>
  );
}

interface ChoiceProps {
  readonly state: FieldState;
  readonly onChoose: (which: "mine" | "theirs") => void;
}

/** Both texts, where the person has to say which it shall be; and what was refused, with why. */
function Choice({ state, onChoose }: ChoiceProps): JSX.Element | null {
  const { trans } = useFace();
  const { held, refusal, base, local } = state;
  if (!held && refusal === null) return null;
  return (
    <div class="jp-Novel-choice" role="group" aria-label={trans.__("Two texts")}>
      {refusal === null ? null : <p class="jp-Novel-why">{refusalText(trans, refusal)}</p>}
      <div class="jp-Novel-versions">
        <Version title={trans.__("Yours")} text={local} other={base.text} />
        <Version title={trans.__("In the story now")} text={base.text} other={local} />
      </div>
      <Act kind="accept" onDo={() => onChoose("mine")}>
        {held ? trans.__("Use mine") : trans.__("Try again")}
      </Act>
      <Act onDo={() => onChoose("theirs")}>{held ? trans.__("Use theirs") : trans.__("Discard mine")}</Act>
    </div>
  );
}
