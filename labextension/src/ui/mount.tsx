/**
 * Puts one session on a page: the same face in JupyterLab, in a notebook and on a page of its own.
 *
 * Law: a face owns nothing but its element; several on one page share a connection, and the last one to go leaves the
 * session. What a host knows better (words, requests) it hands in.
 * Parts: `MountOptions`, `mount`.
 */
import { render } from "preact";

import type { Connection } from "../connection";
import { connect, type Connected, type Server } from "./connect";
import { fieldsOf } from "./edit/fields";
import { FaceContext, type Face } from "./face";
import { Notices } from "./notices";
import type { Rest } from "./rest";
import { StoryView } from "./StoryView";
import { asWritten, type Translation } from "./translate";

export interface MountOptions extends Server {
  readonly sessionId: string;
  /** Share the host's connection. */
  readonly connected?: { readonly connection: Connection; readonly rest: Rest };
  readonly trans?: Translation;
  /** Called with the story's title once it is known, and when it changes. */
  readonly onTitle?: (title: string) => void;
}

export interface Mounted {
  dispose(): void;
}

const shared = new Map<string, Connected>();
const faces = new WeakMap<Connection, Map<string, number>>();

/** Show a session in an element until the result is disposed of. */
export function mount(element: HTMLElement, options: MountOptions): Mounted {
  const { sessionId, trans = asWritten } = options;
  const { connection, rest } = options.connected ?? sharedWith(options);
  const session = connection.session(sessionId);
  const counts = faces.get(connection) ?? new Map<string, number>();
  faces.set(connection, counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1));
  const notices = new Notices();
  const face: Face = {
    session,
    connection,
    rest,
    trans,
    storage: storageOf(),
    notify: (text, level = "info") => notices.add(text, level),
    announce: (text) => notices.say(text),
  };
  fieldsOf(face); // before any answer to what an earlier load of this page sent
  render(
    <FaceContext.Provider value={face}>
      <StoryView notices={notices} onTitle={options.onTitle} />
    </FaceContext.Provider>,
    element,
  );
  let over = false;
  return {
    dispose() {
      if (over) return;
      over = true;
      render(null, element);
      const left = (counts.get(sessionId) ?? 1) - 1;
      counts.set(sessionId, left);
      if (left === 0) session.leave();
    },
  };
}

function sharedWith(options: MountOptions): Connected {
  const key = JSON.stringify([options.baseUrl, options.wsUrl, options.ticketFor]);
  const known = shared.get(key) ?? connect(options);
  shared.set(key, known);
  return known;
}

function storageOf(): Storage | null {
  try {
    return globalThis.sessionStorage;
  } catch {
    return null;
  }
}
