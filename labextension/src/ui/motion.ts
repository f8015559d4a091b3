/** Whether things may move. */

/** Whether the reader asked for less motion. */
export function isStill(): boolean {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? true;
}
