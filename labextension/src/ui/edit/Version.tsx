/**
 * One of two texts, with what differs from the other.
 *
 * Law: what differs is marked by shape, not by colour; a long text scrolls, also by keyboard.
 */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import { changes, tokenize } from "./words";

interface VersionProps {
  readonly title: string;
  readonly by?: string;
  readonly text: string;
  /** What differs from it is marked. */
  readonly other?: string;
}

/** One of two texts. */
export function Version({ title, by, text, other }: VersionProps): JSX.Element {
  return (
    <figure class="jp-Novel-version">
      <figcaption>
        {title}
        {by === undefined ? null : <bdi class="jp-Novel-by">{by}</bdi>}
      </figcaption>
      <blockquote dir="auto" tabIndex={0}>
        {other === undefined ? text : <Marked text={text} other={other} />}
      </blockquote>
    </figure>
  );
}

function Marked({ text, other }: { readonly text: string; readonly other: string }): JSX.Element {
  const parts = useMemo(() => {
    const [from, found]: [string[], { text: string; differs: boolean }[]] = [tokenize(text), []];
    let at = 0;
    for (const { start, end } of changes(from, tokenize(other))) {
      found.push({ text: from.slice(at, start).join(""), differs: false }, { text: from.slice(start, end).join(""), differs: true });
      at = end;
    }
    return [...found, { text: from.slice(at).join(""), differs: false }].filter((part) => part.text !== "");
  }, [text, other]);
  return <>{parts.map((part, index) => (part.differs ? <mark key={index}>{part.text}</mark> : <span key={index}>{part.text}</span>))}</>;
}
