/**
 * Numbers and choices that several people change.
 *
 * Law: what may not be done is greyed and says why; how far the server is stands beside it in words.
 * Parts: `useValue`, `NumberField`, `SelectField`.
 */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useMemo, useReducer } from "preact/hooks";

import { Act } from "../Act";
import { useFace, useMe, useStory } from "../face";
import { refusalText } from "../refusals";
import { barred } from "../rights";
import { strategyFor } from "./places";
import { Value } from "./value";

function useValue(path: string): Value {
  const { session, connection } = useFace();
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  const counts = useStory((state) => strategyFor(state.session?.strategies ?? {}, path) === "add");
  const value = useMemo(() => new Value(session, connection.clientId, path, counts, redraw), [session, path, counts]);
  useEffect(() => session.subscribe((note) => value.take(note)), [value]);
  return value;
}

function ValueStatus({ value }: { readonly value: Value }): JSX.Element {
  const { trans } = useFace();
  const { refusal, status } = value;
  const words = {
    clean: "",
    pending: trans.__("↑ on its way"),
    saved: trans.__("✓ saved"),
    merged: trans.__("⇄ saved, together with others’"),
    conflicted: trans.__("⚠ kept under Conflicts"),
    refused: refusal === null ? "" : `✕ ${refusalText(trans, refusal)}`,
  };
  return (
    <span class={`jp-Novel-status jp-mod-${status}`} role="status">
      {words[status]}
    </span>
  );
}

interface NumberFieldProps {
  readonly path: string;
  readonly label: string;
  readonly least: number;
  readonly most: number;
}

/** A number that is stepped up and down. */
export function NumberField({ path, label, least, most }: NumberFieldProps): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const value = useValue(path);
  const forbidden = useStory((state) => barred(trans, state, me, "edit"));
  const shown = typeof value.shown === "number" ? value.shown : 0;
  return (
    <div class="jp-Novel-number" role="group" aria-label={label} data-novel-target={path}>
      <span class="jp-Novel-label" dir="auto">
        {label}
      </span>
      <Act
        name={trans.__("%1: one less", label)}
        reason={forbidden ?? (shown <= least ? trans.__("%1 is the least.", least) : null)}
        onDo={() => value.add(-1)}
      >
        −
      </Act>
      <output aria-live="polite">{shown > 0 && least < 0 ? `+${shown}` : String(shown).replace("-", "−")}</output>
      <Act
        name={trans.__("%1: one more", label)}
        reason={forbidden ?? (shown >= most ? trans.__("%1 is the most.", most) : null)}
        onDo={() => value.add(1)}
      >
        +
      </Act>
      <ValueStatus value={value} />
    </div>
  );
}

interface SelectFieldProps {
  readonly path: string;
  readonly label: ComponentChildren;
  /** Value → words. */
  readonly options: { readonly [value: string]: string };
}

/** One of some values. */
export function SelectField({ path, label, options }: SelectFieldProps): JSX.Element {
  const { trans } = useFace();
  const me = useMe();
  const value = useValue(path);
  const forbidden = useStory((state) => barred(trans, state, me, "edit"));
  const [id, why] = [useId(), useId()];
  const shown = String(value.shown ?? "");
  return (
    <div class="jp-Novel-select" data-novel-target={path}>
      <label class="jp-Novel-label" for={id}>
        {label}
      </label>
      <select
        id={id}
        value={shown}
        aria-disabled={forbidden !== null}
        aria-describedby={forbidden === null ? undefined : why}
        onChange={(event) => {
          if (forbidden === null) value.set(event.currentTarget.value);
          else event.currentTarget.value = shown;
        }}
      >
        {shown in options ? null : <option value={shown}>{shown}</option>}
        {Object.entries(options).map(([each, words]) => (
          <option key={each} value={each}>
            {words}
          </option>
        ))}
      </select>
      <ValueStatus value={value} />
      {forbidden === null ? null : (
        <p class="jp-Novel-why" id={why}>
          {forbidden}
        </p>
      )}
    </div>
  );
}
