/**
 * What can be done from a place on the timeline.
 *
 * Law: each is one command of the session; nothing is ever deleted by it, which is said. What cannot be done is there,
 * with its reason. After a step that moved the story the reader looks at now.
 * Parts: `Doings`, `NewBranch`, `Branches`.
 */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

import type { ActionCommand } from "../../protocol";
import { Act } from "../Act";
import { useCommand, useFace, useMe, useStory } from "../face";
import { branchNameFault, nodeAt, whyNotBranch, whyNotReroll, whyNotRetell, whyNotSwitch, whyNotUndo } from "./reasons";
import type { Place, Tree } from "./tree";

export interface DoingsProps {
  readonly place: Place;
  readonly tree: Tree;
  readonly onScrub: (place: Place) => void;
}

export function Doings({ place, tree, onScrub }: DoingsProps): JSX.Element {
  const { trans, session } = useFace();
  const me = useMe();
  const state = useStory((whole) => whole);
  const command = useCommand();
  const [naming, setNaming] = useState(false);
  const asked = { trans, state, me };
  const act = async (data: ActionCommand): Promise<boolean> => {
    const settled = await command(session.act(data));
    const isTaken = settled !== null && settled.result.kind !== "error";
    if (isTaken && data.kind !== "retell") onScrub(null);
    return isTaken;
  };
  const whyNot = whyNotBranch(asked, place);
  return (
    <>
      <div class="jp-Novel-timeline-acts" role="group" aria-label={trans.__("With this turn")}>
        <Act reason={whyNotRetell(asked, place)} onDo={() => act({ kind: "retell", node: nodeAt(state, place) })}>
          {place === null ? trans.__("Retell the last turn") : trans.__("Retell")}
        </Act>
        <Act reason={whyNotReroll(asked, place)} onDo={() => act({ kind: "reroll" })}>
          {trans.__("Re-roll")}
        </Act>
        <Act kind="warn" reason={whyNotUndo(asked, place, tree.path)} onDo={() => act({ kind: "undo", to: place })}>
          {place === null ? trans.__("Undo the last turn") : trans.__("Undo to here")}
        </Act>
        <Act reason={whyNot} expanded={naming} onDo={() => setNaming(!naming)}>
          {trans.__("Branch from here")}
        </Act>
      </div>
      {naming && whyNot === null ? (
        <NewBranch
          onClose={() => setNaming(false)}
          onName={async (name) => {
            if (await act({ kind: "branch", name, at: nodeAt(state, place) })) setNaming(false);
          }}
        />
      ) : null}
      <Branches onGo={(name) => act({ kind: "branch", name })} />
    </>
  );
}

function NewBranch({ onName, onClose }: { onName: (name: string) => Promise<void>; onClose: () => void }): JSX.Element {
  const { trans } = useFace();
  const state = useStory((whole) => whole);
  const [name, setName] = useState("");
  const id = useId();
  const fault = branchNameFault(trans, state, name);
  const isWrong = fault !== null && name !== "";
  return (
    <form
      class="jp-Novel-timeline-naming"
      onSubmit={(event) => {
        event.preventDefault();
        if (fault === null) void onName(name);
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <label for={id}>{trans.__("Name of the branch")}</label>
      <input
        id={id}
        type="text"
        autocomplete="off"
        spellcheck={false}
        maxLength={32}
        value={name}
        aria-invalid={isWrong}
        aria-describedby={isWrong ? `${id}-fault` : undefined}
        ref={(input) => {
          if (input !== null && name === "" && document.activeElement !== input) input.focus();
        }}
        onInput={(event) => setName(event.currentTarget.value.toLowerCase().replace(/\s/g, "-"))}
      />
      <Act kind="accept" reason={fault} onDo={() => onName(name)}>
        {trans.__("Branch")}
      </Act>
      {isWrong ? (
        <span id={`${id}-fault`} class="jp-Novel-timeline-fault" role="alert">
          {fault}
        </span>
      ) : null}
    </form>
  );
}

/** The branches there are, if more than one; to pick another goes on from its last turn. */
function Branches({ onGo }: { onGo: (name: string) => Promise<boolean> }): JSX.Element | null {
  const { trans } = useFace();
  const me = useMe();
  const state = useStory((whole) => whole);
  const names = Object.keys(state.branches).sort();
  if (names.length < 2) return null;
  const current = state.turn?.branch;
  return (
    <div class="jp-Novel-timeline-branches" role="group" aria-label={trans.__("Branches")}>
      <span>{trans.__("Branches:")}</span>
      {names.map((name) => {
        const number = state.turns[String(state.branches[name])]?.number ?? 0;
        const isHere = name === current;
        const label = trans.__("%1 (%2)", name, trans._n("one turn", "%1 turns", number));
        return (
          <Act
            key={name}
            kind="quiet"
            pressed={isHere}
            name={isHere ? trans.__("%1: the story goes on here", label) : trans.__("Go on with branch %1", label)}
            reason={isHere ? trans.__("The story goes on here.") : whyNotSwitch({ trans, state, me }, name)}
            onDo={() => onGo(name)}
          >
            {label}
          </Act>
        );
      })}
    </div>
  );
}
