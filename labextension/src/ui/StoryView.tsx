/**
 * The whole of one session on screen.
 *
 * Law: the story in the middle, what one does next below it, people and the rest beside it; on a narrow screen one
 * below the other.
 */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { useStory } from "./face";
import type { Notices } from "./notices";

export function StoryView({ onTitle }: { notices: Notices; onTitle?: ((title: string) => void) | undefined }): JSX.Element {
  const title = useStory((state) => state.session?.title ?? "");
  useEffect(() => {
    if (title !== "") onTitle?.(title);
  }, [title]);
  return (
    <div class="jp-Novel">
      <h1 class="jp-Novel-title">{title}</h1>
    </div>
  );
}
