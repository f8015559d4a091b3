/**
 * Where the story is: place, mood, act, clocks, and who is there.
 */
import type { JSX } from "preact";

import { useFace, useStory } from "./face";

export function SceneHead(): JSX.Element | null {
  const { trans } = useFace();
  const { scene, locations, characters, clocks, seats } = useStory((state) => ({
    scene: state.scene,
    locations: state.locations,
    characters: state.characters,
    clocks: state.clocks,
    seats: state.seats,
  }));
  const place = locations[scene.location ?? ""];
  const there = Object.entries(characters).filter(([, who]) => who.location === scene.location);
  if (place === undefined && scene.text === undefined) return null;
  return (
    <section class="jp-Novel-scene" aria-label={trans.__("The scene")} data-novel-target="/scene">
      <p class="jp-Novel-scene-where">
        <strong dir="auto">{place?.name ?? ""}</strong>
        {scene.mood ? <span class="jp-Novel-chip" dir="auto">{scene.mood}</span> : null}
        {scene.act ? <span class="jp-Novel-chip jp-mod-act">{trans.__("act: %1", scene.act)}</span> : null}
        {Object.entries(clocks).map(([id, clock]) => (
          <Clock key={id} name={clock.name} value={clock.value} of={clock.segments} />
        ))}
      </p>
      {place?.description ? <p class="jp-Novel-dim" dir="auto">{place.description}</p> : null}
      {there.length === 0 ? null : (
        <p class="jp-Novel-scene-who">
          {trans.__("Here: %1", there.map(([id, who]) => seats[id]?.name ?? who.name).join(", "))}
        </p>
      )}
    </section>
  );
}

function Clock({ name, value, of }: { name: string; value: number; of: number }): JSX.Element {
  const { trans } = useFace();
  const part = of > 0 ? Math.min(1, value / of) : 0;
  const around = 2 * Math.PI * 7;
  return (
    <span class="jp-Novel-clock" role="img" aria-label={trans.__("clock %1: %2 of %3", name, value, of)}>
      <svg viewBox="0 0 18 18" width="18" height="18" aria-hidden="true">
        <circle cx="9" cy="9" r="7" class="jp-Novel-clock-track" />
        <circle cx="9" cy="9" r="7" class="jp-Novel-clock-hand" stroke-dasharray={`${part * around} ${around}`} transform="rotate(-90 9 9)" />
      </svg>
      <span aria-hidden="true">
        {name} {value}/{of}
      </span>
    </span>
  );
}
