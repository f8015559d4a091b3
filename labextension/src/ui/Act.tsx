/**
 * A button that is never dead.
 *
 * Law: what cannot be done now can still be reached and says why: `aria-disabled` with the reason as its description,
 * also shown on hover and focus. While a command is on its way the button says so and takes no second click.
 */
import type { ComponentChildren, JSX } from "preact";
import { useId, useState } from "preact/hooks";

export interface ActProps {
  /** Why it cannot be done; null or absent: it can. */
  readonly reason?: string | null | undefined;
  readonly onDo: () => unknown;
  readonly children: ComponentChildren;
  /** Its name for those who do not see it, where the children do not say it. */
  readonly name?: string;
  readonly kind?: "plain" | "accept" | "warn" | "quiet";
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly class?: string;
}

export function Act(props: ActProps): JSX.Element {
  const { reason = null, onDo, children, name, kind = "plain", pressed, expanded } = props;
  const [busy, setBusy] = useState(false);
  const why = useId();
  const off = reason !== null || busy;
  const act = async (): Promise<void> => {
    if (off) return;
    const done = onDo();
    if (!(done instanceof Promise)) return;
    setBusy(true);
    try {
      await done;
    } finally {
      setBusy(false);
    }
  };
  return (
    <span class={`jp-Novel-act ${props.class ?? ""}`}>
      <button
        type="button"
        class={`jp-Novel-button jp-mod-${kind}`}
        aria-disabled={off}
        aria-busy={busy}
        aria-pressed={pressed}
        aria-expanded={expanded}
        aria-label={name}
        aria-describedby={reason === null ? undefined : why}
        onClick={() => void act()}
      >
        {children}
      </button>
      {reason === null ? null : (
        <span class="jp-Novel-reason" id={why} role="tooltip">
          {reason}
        </span>
      )}
    </span>
  );
}
