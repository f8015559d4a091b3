/**
 * Panels of which one is shown: the ARIA tabs pattern, by arrow keys, Home and End.
 */
import type { ComponentChildren, JSX } from "preact";
import { useId, useRef } from "preact/hooks";

export interface Tab {
  readonly id: string;
  readonly label: string;
  /** Something new is in there. */
  readonly mark?: boolean;
  /** What is in its panel; the id of an element elsewhere that is its panel. */
  readonly panel: string | (() => ComponentChildren);
}

export interface TabsProps {
  readonly label: string;
  readonly tabs: readonly Tab[];
  readonly at: string;
  readonly onMove: (id: string) => void;
}

export function Tabs({ label, tabs, at, onMove }: TabsProps): JSX.Element {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const index = Math.max(0, tabs.findIndex((tab) => tab.id === at));
  const shown = tabs[index];
  const go = (to: number): void => {
    const next = tabs[(to + tabs.length) % tabs.length];
    if (next === undefined) return;
    onMove(next.id);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  const steps: { [key: string]: number } = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 };
  return (
    <div class="jp-Novel-tabs">
      <div
        role="tablist"
        aria-label={label}
        ref={list}
        onKeyDown={(event) => {
          const to = steps[event.key];
          if (to === undefined) return;
          event.preventDefault();
          go(to);
        }}
      >
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            data-tab={tab.id}
            id={`${id}-tab-${tab.id}`}
            aria-controls={typeof tab.panel === "string" ? tab.panel : `${id}-panel`}
            aria-selected={tab === shown}
            tabIndex={tab === shown ? 0 : -1}
            onClick={() => onMove(tab.id)}
          >
            {tab.label}
            {tab.mark === true ? <span class="jp-Novel-mark" /> : null}
          </button>
        ))}
      </div>
      {typeof shown?.panel === "function" ? (
        <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${shown.id}`} tabIndex={0} class="jp-Novel-panel">
          {shown.panel()}
        </div>
      ) : null}
    </div>
  );
}
