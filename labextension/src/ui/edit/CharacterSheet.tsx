/**
 * One character: what everybody may write of them, and what only their player sees.
 *
 * Law: fields are what the reader's view shows; a private part says that it is private. Numbers keep to the bounds that
 * a story may declare.
 * Parts: `CharacterSheet`, `SeatSheet`.
 */
import type { JSX } from "preact";
import { useId } from "preact/hooks";

import { formatPointer } from "../../patch";
import { useFace, useStory } from "../face";
import { NumberField, SelectField } from "./ValueField";
import { TextField } from "./TextField";

const TRAIT = 2;
const TRUST = 3;

export function CharacterSheet({ character }: { readonly character: string }): JSX.Element {
  const { trans } = useFace();
  const id = useId();
  const sheet = useStory((state) => state.characters[character]);
  const name = sheet?.name ?? character;
  const at = (...tokens: string[]): string => formatPointer(["characters", character, ...tokens]);
  if (sheet === undefined) return <p class="jp-Novel-dim">{trans.__("There is no such character for you.")}</p>;
  return (
    <section key={character} class="jp-Novel-sheet" aria-labelledby={id} data-novel-target={at()}>
      <h2 id={id} dir="auto">
        {name}
      </h2>
      {sheet.role === undefined ? null : <p class="jp-Novel-dim" dir="auto">{sheet.role}</p>}
      <TextField path={at("description")} label={trans.__("Description")} multiline />
      {sheet.pronouns === undefined ? null : (
        <SelectField
          path={at("pronouns")}
          label={trans.__("Pronouns")}
          options={{ she: trans.__("she"), he: trans.__("he"), they: trans.__("they"), it: trans.__("it") }}
        />
      )}
      {Object.keys(sheet.traits ?? {}).length === 0 ? null : (
        <fieldset class="jp-Novel-traits">
          <legend>{trans.__("Traits")}</legend>
          {Object.keys(sheet.traits ?? {}).map((trait) => (
            <NumberField key={trait} path={at("traits", trait)} label={traitName(trans, trait)} least={-TRAIT} most={TRAIT} />
          ))}
        </fieldset>
      )}
      <SeatSheet character={character} />
    </section>
  );
}

function traitName(trans: ReturnType<typeof useFace>["trans"], trait: string): string {
  switch (trait) {
    case "bold":
      return trans.__("bold");
    case "sharp":
      return trans.__("sharp");
    case "steady":
      return trans.__("steady");
    case "warm":
      return trans.__("warm");
    case "sly":
      return trans.__("sly");
    default:
      return trait;
  }
}

/** What only who plays the character sees, and who sees everything. */
function SeatSheet({ character }: { readonly character: string }): JSX.Element | null {
  const { trans } = useFace();
  const seat = useStory((state) => state.seat(character));
  const nameOf = useStory((state) => Object.fromEntries(Object.entries(state.characters).map(([id, { name }]) => [id, name])));
  const at = (...tokens: string[]): string => formatPointer([`seat:${character}`, ...tokens]);
  if (seat === undefined) return null;
  const goals = Object.entries(seat.goals ?? {});
  const secrets = Object.entries(seat.secrets ?? {});
  const relations = Object.keys(seat.relations ?? {});
  return (
    <section class="jp-Novel-private" aria-label={trans.__("Private")}>
      <h3>{trans.__("Only who plays this character sees this")}</h3>
      {seat.notes === undefined ? null : (
        <TextField path={at("notes")} label={trans.__("Private notes")} placeholder={trans.__("What you want to remember")} multiline />
      )}
      {goals.length === 0 ? null : (
        <>
          <h4>{trans.__("Goals")}</h4>
          <ul>
            {goals.map(([id, goal]) => (
              <li key={id} dir="auto">
                {goal.status === "open" ? goal.text : trans.__("%1 (%2)", goal.text, statusName(trans, goal.status))}
              </li>
            ))}
          </ul>
        </>
      )}
      {secrets.length === 0 ? null : (
        <>
          <h4>{trans.__("Secrets")}</h4>
          <ul>
            {secrets.map(([id, secret]) => (
              <li key={id} dir="auto">
                {secret}
              </li>
            ))}
          </ul>
        </>
      )}
      {relations.length === 0 ? null : (
        <fieldset class="jp-Novel-traits">
          <legend>{trans.__("Trust in")}</legend>
          {relations.map((other) => (
            <NumberField key={other} path={at("relations", other)} label={nameOf[other] ?? other} least={-TRUST} most={TRUST} />
          ))}
        </fieldset>
      )}
    </section>
  );
}

function statusName(trans: ReturnType<typeof useFace>["trans"], status: string): string {
  switch (status) {
    case "met":
      return trans.__("reached");
    case "lost":
      return trans.__("lost");
    default:
      return status;
  }
}
