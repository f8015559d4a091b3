/**
 * What a character may try now, as the server offers it.
 *
 * Law: the server says it from what the asker sees; where it cannot be asked, own words go through all the same.
 */
import { useEffect, useState } from "preact/hooks";

import { useFace } from "./face";
import type { Action, StoryState } from "./state";

export interface Offer {
  readonly action: Action;
  readonly words: string;
  readonly kind: string;
}

/** Asked while `wanted`, and again when the turn, or where anybody or anything is, changed. */
export function useOffers(character: string, state: StoryState, wanted: boolean): readonly Offer[] {
  const { rest, session } = useFace();
  const [offers, setOffers] = useState<{ readonly of: string; readonly list: readonly Offer[] }>({ of: character, list: [] });
  const turn = state.turn;
  useEffect(() => {
    if (!wanted) return;
    let over = false;
    rest
      .ask<{ actions: Offer[] }>(`sessions/${session.id}/actions?character=${encodeURIComponent(character)}`)
      .then(({ actions }) => {
        if (!over) setOffers({ of: character, list: actions });
      })
      .catch(() => undefined);
    return () => {
      over = true;
    };
  }, [character, wanted, turn?.number, turn?.branch, state.characters, state.items, state.locations]);
  return offers.of === character ? offers.list : [];
}
