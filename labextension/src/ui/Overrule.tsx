/**
 * A director's word in the place of a player's: whose, what instead, and why.
 *
 * Law: only what is proposed and not yet locked can be overruled; everybody reads the reason. What was typed or chosen
 * outlives a reload and a refusal.
 * Parts: `Overrule`, `Standing` (what was overruled already).
 */
import type { JSX } from "preact";
import { useId } from "preact/hooks";

import { Act } from "./Act";
import { actionText, overruledText } from "./actions";
import { useDraft } from "./drafts";
import { useCommand, useFace, useMe, useSession, useStory } from "./face";
import { useOffers } from "./offers";
import { barred, outOfPhase } from "./rights";
import type { Action, Phase, Proposal, StoryState } from "./state";

const OPEN: readonly Phase[] = ["collect", "locked", "resolving", "narrating", "review", "failed"];
const NOTHING = "nothing";
const FREE = "free";
/** Before the number of an offer's words: an offer may be called as the others are. */
const OFFER = "offer:";
const REASON_LENGTH = 500;

export function Overrule(): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const id = useId();
  const state = useStory((all) => all);
  const joined = useSession(({ status }) => status === "joined");
  const [wanted, setWanted] = useDraft("overrule:character");
  const [choice, setChoice] = useDraft("overrule:action");
  const [words, setWords] = useDraft("overrule:words");
  const [why, setWhy] = useDraft("overrule:reason");
  const proposals = state.turn?.proposals ?? {};
  const proposal = proposals[wanted];
  const bar = barred(trans, state, me, "overrule");
  const offers = useOffers(wanted, state, joined && bar === null && proposal !== undefined);
  const offered = offers.find((offer) => OFFER + offer.words === choice);
  const action = chosenAction(choice, words, offered?.action);
  const open =
    bar ??
    outOfPhase(trans, state.turn?.phase, OPEN) ??
    (Object.keys(proposals).length === 0 ? trans.__("Nothing is proposed that could be overruled.") : null);
  const reason =
    open ??
    (proposal === undefined ? trans.__("Choose whose proposal.") : null) ??
    (action === undefined ? trans.__("Choose what they do instead.") : null) ??
    (why.trim() === "" ? trans.__("Give a reason: everybody reads it.") : null);

  const overrule = async (): Promise<void> => {
    if (action === undefined) return;
    const settled = await send(
      session.act({ kind: "overrule", character: wanted, action: action === null ? null : { ...action }, reason: why.trim() }),
    );
    if (settled === null || settled.result.kind === "error") return;
    for (const empty of [setWanted, setChoice, setWords, setWhy]) empty("");
  };
  const off = open !== null;
  return (
    <div class="jp-Novel-settings jp-Novel-overrule" role="group" aria-labelledby={`${id}-head`}>
      <h2 id={`${id}-head`}>{trans.__("Overrule a proposal")}</h2>
      {off ? <p class="jp-Novel-dim">{open}</p> : null}
      <label>
        {trans.__("Whose")}
        <select value={proposal === undefined ? "" : wanted} disabled={off} onChange={(event) => setWanted(event.currentTarget.value)}>
          <option value="">{trans.__("choose…")}</option>
          {Object.entries(proposals).map(([character, one]) => (
            <option key={character} value={character}>
              {trans.__("%1: %2", nameIn(state, character), actionText(trans, state, one.action))}
            </option>
          ))}
        </select>
      </label>
      <label>
        {trans.__("Does instead")}
        <select value={offered === undefined && choice.startsWith(OFFER) ? "" : choice} disabled={off} onChange={(event) => setChoice(event.currentTarget.value)}>
          <option value="">{trans.__("choose…")}</option>
          <option value={NOTHING}>{trans.__("nothing in this turn")}</option>
          <option value={FREE}>{trans.__("in your words…")}</option>
          {offers.map((offer) => (
            <option key={offer.words} value={OFFER + offer.words}>
              {offer.words}
            </option>
          ))}
        </select>
      </label>
      {choice === FREE ? (
        <label>
          {trans.__("In your words")}
          <input type="text" dir="auto" autocomplete="off" maxLength={500} disabled={off} value={words} onInput={(event) => setWords(event.currentTarget.value)} />
        </label>
      ) : null}
      <label>
        {trans.__("Why")}
        <input type="text" dir="auto" autocomplete="off" maxLength={REASON_LENGTH} disabled={off} value={why} onInput={(event) => setWhy(event.currentTarget.value)} />
      </label>
      <Act kind="warn" reason={reason} onDo={overrule}>
        {trans.__("Overrule")}
      </Act>
      <Standing proposals={proposals} state={state} reason={bar ?? outOfPhase(trans, state.turn?.phase, OPEN)} />
    </div>
  );
}

interface StandingProps {
  readonly proposals: { readonly [character: string]: Proposal };
  readonly state: StoryState;
  readonly reason: string | null;
}

function Standing({ proposals, state, reason }: StandingProps): JSX.Element | null {
  const { session, trans } = useFace();
  const send = useCommand();
  return (
    <>
      {Object.entries(proposals).map(([character, { overruled }]) =>
        overruled === undefined ? null : (
          <p key={character} class="jp-Novel-overruled" dir="auto">
            <strong>{nameIn(state, character)}</strong> {overruledText(trans, state, overruled)}{" "}
            <Act
              kind="quiet"
              name={trans.__("Take back what overrules %1", nameIn(state, character))}
              reason={reason}
              onDo={() => send(session.act({ kind: "withdraw", character }))}
            >
              {trans.__("Take it back")}
            </Act>
          </p>
        ),
      )}
    </>
  );
}

/** Undefined: none is chosen yet; null: nothing is to be done. */
function chosenAction(choice: string, words: string, offered: Action | undefined): Action | null | undefined {
  if (choice === NOTHING) return null;
  if (choice === FREE) return words.trim() === "" ? undefined : { kind: "free", text: words.trim() };
  return offered;
}

function nameIn(state: StoryState, character: string): string {
  return state.seats[character]?.name ?? character;
}
