/**
 * What everybody writes of the scene and the world.
 *
 * Law: every text is a field of its own, so that two people seldom meet in one; new notes are added, none is taken out.
 */
import type { JSX } from "preact";

import { formatPointer } from "../../patch";
import { useFace, useStory } from "../face";
import { TextField } from "./TextField";

export function Notes(): JSX.Element {
  const { trans } = useFace();
  const notes = useStory((state) => Object.keys(state.notes).filter((name) => typeof state.notes[name] === "string"));
  const facts = useStory((state) => Object.keys(state.facts));
  const hasMood = useStory((state) => state.scene.mood !== undefined);
  const others = notes.filter((name) => name !== "scene").sort();
  return (
    <section class="jp-Novel-notes" aria-label={trans.__("Notes")}>
      <TextField
        path="/notes/scene"
        label={trans.__("Notes on the scene")}
        placeholder={trans.__("Everybody can write here, at the same time")}
        multiline
      />
      {others.map((name) => (
        <TextField key={name} path={formatPointer(["notes", name])} label={trans.__("Note: %1", name)} multiline />
      ))}
      {hasMood ? <TextField path="/scene/mood" label={trans.__("Mood of the scene")} /> : null}
      {facts.length === 0 ? null : (
        <>
          <h3>{trans.__("Facts of the world")}</h3>
          {facts.map((fact, index) => (
            <TextField key={fact} path={formatPointer(["facts", fact, "text"])} label={trans.__("Fact %1", index + 1)} multiline />
          ))}
        </>
      )}
    </section>
  );
}
