/** What came of each action of a turn, and why; and what made the turn. Filled in by the log. */
import type { JSX } from "preact";

export function Outcomes(_: { node: number; engine?: string | undefined }): JSX.Element | null {
  return null;
}
