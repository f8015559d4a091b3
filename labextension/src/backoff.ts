/**
 * When to connect again.
 *
 * Law: for ever, with full jitter, so that many clients that lost a server together do not come back together. A close
 * code of 45xx says that coming back is of no use; a draining server says itself when.
 * Parts: `mayReconnect`, `backoff`, `afterDrain`.
 */

export const BASE_MS = 200;
export const CAP_MS = 15_000;

/** Whether a client reconnects by itself after this close code. */
export function mayReconnect(code: number): boolean {
  return code < 4500 || code >= 4600;
}

/** Milliseconds before attempt number `attempt` (from 0): anywhere below a bound that doubles up to the cap. */
export function backoff(attempt: number, random: number): number {
  return random * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 30));
}

/** Milliseconds before coming back to a server that drains: not before it said, and spread a little. */
export function afterDrain(reconnectAfterSeconds: number, random: number): number {
  const wait = reconnectAfterSeconds * 1000;
  return wait + random * Math.max(BASE_MS, wait / 2);
}
