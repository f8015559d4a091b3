/**
 * The people of a session, for a part of the screen.
 *
 * Law: drawn again only when something that is shown of a person changed, not with every word that streams.
 */
import { useMemo } from "preact/hooks";

import { useFace, useMe, useReplica } from "../face";
import { people, type Person } from "./people";

export function usePeople(): readonly Person[] {
  const { session } = useFace();
  const me = useMe();
  const parts = useReplica(({ presence, cursors, state }) => [presence, cursors, state["participants"], state["seats"], state["host"]]);
  return useMemo(() => people(session.replica, me), [session, me, ...parts]);
}
