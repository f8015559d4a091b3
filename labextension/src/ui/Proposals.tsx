/**
 * What one's character does next: legal actions to choose from, or own words.
 *
 * Law: the server says what may be tried, from what the character knows; words that are no such action are told as free
 * text, and what they may have meant is offered, never done. A draft survives a reload, and a refusal loses nothing.
 * Parts: `Proposals` (one box for each own seat), `Box`, `Meant` (a reading), `Advice`.
 */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useId, useState } from "preact/hooks";

import { Act } from "./Act";
import { actionText, overruledText } from "./actions";
import { useDraft } from "./drafts";
import { useCommand, useFace, useMe, useSession, useStory } from "./face";
import { useOffers, type Offer } from "./offers";
import { barred } from "./rights";
import type { Action, Candidate, StoryState } from "./state";
import type { Suggestion } from "../advice";
import { useTyping } from "./presence/typing";
import { mySeats } from "./turns";

const SHOWN = 8;

export function Proposals(): JSX.Element | null {
  const { trans } = useFace();
  const me = useMe();
  const state = useStory((all) => all);
  const mine = mySeats(state, me);
  const status = useSession((session) => session.status);
  if (state.turn === undefined || state.turn.phase === "ended") return null;
  if (mine.length === 0) {
    const role = barred(trans, state, me, "claim");
    return (
      <section class="jp-Novel-propose" aria-label={trans.__("Your move")}>
        <p class="jp-Novel-dim">
          {role === null
            ? trans.__("You play nobody yet: choose a character under “Cast”.")
            : trans.__("You watch. %1", role)}
        </p>
      </section>
    );
  }
  return (
    <section class="jp-Novel-propose" aria-label={trans.__("Your move")}>
      {mine.map((character) => (
        <Box key={character} character={character} state={state} joined={status === "joined"} />
      ))}
    </section>
  );
}

function Box({ character, state, joined }: { character: string; state: StoryState; joined: boolean }): JSX.Element {
  const { session, trans } = useFace();
  const send = useCommand();
  const id = useId();
  const me = useMe();
  const [text, setText] = useDraft(`propose:${character}`);
  const [at, setAt] = useState(-1);
  const [open, setOpen] = useState(false);
  const turn = state.turn;
  const offers = useOffers(character, state, joined && (turn?.phase === "lobby" || turn?.phase === "collect"));
  const proposal = turn?.proposals[character];
  const name = state.seats[character]?.name ?? character;
  const target = `/turn/proposals/${character}`;
  const typing = useTyping(target);
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/).filter(Boolean);
  const fitting = offers.filter((offer) => words.every((word) => offer.words.toLowerCase().includes(word)));
  const exact = offers.find((offer) => offer.words.toLowerCase() === wanted);
  const waits = turn?.phase !== "lobby" && turn?.phase !== "collect";
  const stuck = proposal?.overruled === undefined ? null : trans.__("This stands for the turn, unless whoever directs takes it back.");

  const propose = async (action: Action): Promise<void> => {
    if (stuck !== null) return;
    const kept = text;
    setText("");
    setOpen(false);
    setAt(-1);
    typing.here();
    const settled = await send(session.act({ kind: "propose", character, action: { ...action } }));
    if (settled === null || settled.result.kind === "error") setText(kept);
  };
  const chosen = at >= 0 ? fitting[at] : exact;
  const go = (): Promise<void> | undefined => {
    if (chosen !== undefined) return propose(chosen.action);
    if (text.trim() !== "") return propose({ kind: "free", text: text.trim() });
    return undefined;
  };
  const keys = (event: TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (event.isComposing) return;
    const most = Math.min(fitting.length, 200);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt(most === 0 ? -1 : (at + step + most + (at < 0 && step < 0 ? 1 : 0)) % most);
    } else if (event.key === "Enter") {
      event.preventDefault();
      void go();
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      setOpen(false);
      setAt(-1);
    }
  };
  const empty = chosen === undefined && text.trim() === "" ? trans.__("Choose an action or write what %1 does.", name) : null;
  const shown = open ? fitting.slice(0, 200) : [];

  return (
    <div class="jp-Novel-box" data-novel-target={target}>
      <label for={id}>{proposal === undefined ? trans.__("What does %1 do?", name) : trans.__("Change what %1 does", name)}</label>
      {proposal === undefined ? null : (
        <p class="jp-Novel-proposed jp-mod-own" dir="auto">
          <strong>{actionText(trans, state, proposal.action)}</strong>
          <Act
            kind="accept"
            pressed={proposal.ready}
            onDo={() => send(session.act({ kind: "ready", character, ready: !proposal.ready }))}
          >
            {proposal.ready ? trans.__("Ready ✓") : trans.__("Ready")}
          </Act>
          <Act
            kind="quiet"
            reason={stuck === null || barred(trans, state, me, "overrule") === null ? null : stuck}
            onDo={() => send(session.act({ kind: "withdraw", character }))}
          >
            {trans.__("Withdraw")}
          </Act>
        </p>
      )}
      {proposal?.overruled === undefined ? null : (
        <p class="jp-Novel-overruled" dir="auto">
          {overruledText(trans, state, proposal.overruled)}
        </p>
      )}
      <div class="jp-Novel-combo">
        <input
          id={id}
          type="text"
          dir="auto"
          role="combobox"
          autocomplete="off"
          maxLength={500}
          aria-expanded={open && shown.length > 0}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
          placeholder={waits ? trans.__("For the next turn…") : trans.__("Choose, or in your words")}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setOpen(true);
            setAt(-1);
            typing.typed(event.currentTarget.selectionStart);
          }}
          onFocus={() => {
            setOpen(true);
            typing.here();
          }}
          onBlur={() => {
            setOpen(false);
            typing.left();
          }}
          onKeyDown={keys}
        />
        <Act kind="accept" reason={stuck ?? empty} onDo={go}>
          {chosen === undefined && text.trim() !== "" ? trans.__("Say it so") : trans.__("Propose")}
        </Act>
        {shown.length === 0 ? null : (
          <ul class="jp-Novel-offers" id={`${id}-list`} role="listbox" aria-label={trans.__("What %1 may try", name)}>
            {shown.map((offer, index) => (
              <li
                key={offer.words}
                id={`${id}-${index}`}
                role="option"
                aria-selected={index === at}
                ref={(element) => {
                  if (index === at) element?.scrollIntoView({ block: "nearest" });
                }}
                onPointerDown={(event) => event.preventDefault()}
                aria-disabled={stuck !== null}
                onClick={() => void propose(offer.action)}
              >
                <span dir="auto">{offer.words}</span>
                <span class="jp-Novel-dim">{offer.kind}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
      {!open && proposal === undefined && offers.length > 0 ? (
        <div class="jp-Novel-row jp-Novel-quick">
          {spread(offers, SHOWN).map((offer) => (
            <Act key={offer.words} kind="quiet" onDo={() => propose(offer.action)}>
              {offer.words}
            </Act>
          ))}
        </div>
      ) : null}
      <Meant character={character} state={state} stuck={stuck} propose={propose} />
      <Advice character={character} state={state} stuck={stuck} propose={propose} />
    </div>
  );
}

/** Some of each kind, so that a few show what there is. */
function spread(offers: readonly Offer[], count: number): readonly Offer[] {
  const kinds = new Map<string, Offer[]>();
  for (const offer of offers) kinds.set(offer.kind, [...(kinds.get(offer.kind) ?? []), offer]);
  const chosen: Offer[] = [];
  for (let round = 0; chosen.length < count; round += 1) {
    const next = [...kinds.values()].flatMap((list) => list[round] ?? []);
    if (next.length === 0) break;
    chosen.push(...next);
  }
  return chosen.slice(0, count);
}

interface WithProposal {
  readonly character: string;
  readonly state: StoryState;
  /** Why nothing can be proposed now. */
  readonly stuck: string | null;
  readonly propose: (action: Action) => Promise<void>;
}

/** What the words that were proposed may have meant. */
function Meant({ character, state, stuck, propose }: WithProposal): JSX.Element | null {
  const { trans } = useFace();
  const reading = state.seat(character)?.reading;
  const action = state.turn?.proposals[character]?.action;
  if (reading == null || stuck !== null || action?.["kind"] !== "free" || action["text"] !== reading.text) return null;
  return (
    <div class="jp-Novel-meant" role="status">
      <p>
        {reading.candidates.length > 0
          ? trans.__("These words may mean an action. As they stand they are only told, and change nothing.")
          : trans.__("These words will be told as they stand, and change nothing.")}{" "}
        {reading.instead ?? ""}
      </p>
      <div class="jp-Novel-row">
        {reading.candidates.map((candidate: Candidate) => (
          <Act key={candidate.phrase} onDo={() => propose(candidate.action)}>
            {candidate.phrase}
          </Act>
        ))}
      </div>
    </div>
  );
}

/** What would they do? Asked and answered in private. */
function Advice({ character, state, stuck, propose }: WithProposal): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const [said, setSaid] = useState<{ turn: number; suggestion: Suggestion } | null>(null);
  const turn = state.turn?.number ?? 0;
  const name = state.seats[character]?.name ?? character;
  const phase = state.turn?.phase;
  const reason =
    barred(trans, state, me, "advise") ??
    (phase === "lobby" || phase === "collect" ? null : trans.__("Ask before the turn is locked.")) ??
    (state.host?.holder == null ? trans.__("No kernel runs the agents now.") : null);
  const ask = async (): Promise<void> => {
    const answer = session.suggest(character);
    const { suggestion } = await answer.catch(() => ({ suggestion: null }));
    await send(answer.then(({ result }) => ({ id: "", result, sequenceId: null })));
    if (suggestion !== null) setSaid({ turn, suggestion });
  };
  return (
    <div class="jp-Novel-advice">
      {said === null || said.turn !== turn ? null : (
        <p role="status">
          <strong dir="auto">{said.suggestion.words || trans.__("Nobody could say.")}</strong>{" "}
          <span class="jp-Novel-dim">{said.suggestion.why.join("; ")}</span>
          {said.suggestion.action === null ? null : (
            <Act reason={stuck} onDo={() => propose(said.suggestion.action ?? {})}>{trans.__("Do that")}</Act>
          )}
        </p>
      )}
      <Act kind="quiet" reason={reason} onDo={ask}>
        {trans.__("What would %1 do?", name)}
      </Act>
    </div>
  );
}
