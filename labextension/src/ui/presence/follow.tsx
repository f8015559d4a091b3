/**
 * Going along with somebody: one's own view shows what they are at.
 *
 * Law: it ends as soon as one scrolls, types or presses Escape, or when they are gone, and says that it is on. Where
 * somebody is, is a JSON pointer; what shows it carries that in `data-novel-target`. Who reads is at the turn in view.
 * Parts: `Following` (whom), `placeOf` (the element of a pointer), `FollowChip`, `useReading`.
 */
import type { JSX, RefObject } from "preact";
import { useEffect, useReducer, useRef } from "preact/hooks";

import { Listeners } from "../../listeners";
import type { Session } from "../../session";
import { Act } from "../Act";
import { useFace, useStory } from "../face";
import { isStill } from "../motion";
import { placeName } from "../edit/places";
import { usePeople } from "./usePeople";

export class Following {
  readonly #listeners = new Listeners<string | null>();
  who: string | null = null;

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Follow somebody, or nobody. */
  set(who: string | null): void {
    if (this.who === who) return;
    this.who = who;
    this.#listeners.tell(who);
  }

  toggle(who: string): void {
    this.set(this.who === who ? null : who);
  }
}

const known = new WeakMap<Session, Following>();

export function followingOf(session: Session): Following {
  const following = known.get(session) ?? new Following();
  known.set(session, following);
  return following;
}

/** Whom one follows. */
export function useFollowing(): Following {
  const { session } = useFace();
  const following = followingOf(session);
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  useEffect(() => following.subscribe(redraw), [following]);
  return following;
}

/** The element that shows a pointer, or else the nearest that shows what it is part of. */
export function placeOf(root: ParentNode, target: string): HTMLElement | null {
  let found: HTMLElement | null = null;
  let length = 0;
  for (const element of root.querySelectorAll<HTMLElement>("[data-novel-target]")) {
    const shown = element.dataset["novelTarget"] ?? "";
    if (shown.length > length && (target === shown || target.startsWith(`${shown}/`))) {
      [found, length] = [element, shown.length];
    }
  }
  return found;
}

export interface FollowChipProps {
  /** Bring a place onto the screen that is not on it, such as one behind a tab. */
  readonly onShow?: (target: string) => void;
}

const STILL = new Set(["Shift", "Control", "Alt", "Meta", "Tab", "CapsLock"]);

/** Says whom one follows and does it, in the face that it is part of. */
export function FollowChip({ onShow }: FollowChipProps): JSX.Element | null {
  const { trans, announce } = useFace();
  const following = useFollowing();
  const person = usePeople().find(({ id }) => id === following.who);
  const target = person?.target ?? null;
  const where = useStory((state) => (target === null ? null : placeName(trans, state, target)));
  const chip = useRef<HTMLDivElement>(null);
  const name = person?.name ?? "";
  const isGone = following.who !== null && (person === undefined || person.state === "gone");

  useEffect(() => {
    if (!isGone) return;
    following.set(null);
    announce(name === "" ? trans.__("Nobody is followed any more.") : trans.__("%1 has left; you follow nobody.", name));
  }, [isGone]);

  useEffect(() => {
    const root = chip.current?.closest(".jp-Novel");
    if (target === null || !root) return undefined;
    if (placeOf(root, target)?.dataset["novelTarget"] !== target) onShow?.(target);
    const frame = requestAnimationFrame(() => {
      placeOf(root, target)?.scrollIntoView({ block: "center", behavior: isStill() ? "auto" : "smooth" });
    });
    return () => cancelAnimationFrame(frame);
  }, [target, following.who]);

  useEffect(() => {
    const root = chip.current?.closest<HTMLElement>(".jp-Novel");
    if (following.who === null || !root) return undefined;
    const stop = (): void => following.set(null);
    const typed = (event: KeyboardEvent): void => {
      const onButton = event.target instanceof Element && event.target.closest("button") !== null;
      if (event.key === "Escape" || !(STILL.has(event.key) || (onButton && (event.key === "Enter" || event.key === " ")))) stop();
    };
    root.addEventListener("wheel", stop, { passive: true });
    root.addEventListener("touchmove", stop, { passive: true });
    root.addEventListener("keydown", typed);
    return () => {
      root.removeEventListener("wheel", stop);
      root.removeEventListener("touchmove", stop);
      root.removeEventListener("keydown", typed);
    };
  }, [following.who]);

  if (person === undefined) return null;
  return (
    <div class="jp-Novel-following" ref={chip} role="status" style={{ "--jp-Novel-person": person.color }}>
      <span>
        {trans.__("Following")} <bdi>{person.name}</bdi>
      </span>
      <span class="jp-Novel-dim">{where ?? trans.__("not at a place that is shown")}</span>
      <Act kind="quiet" name={trans.__("Stop following %1", person.name)} onDo={() => following.set(null)}>
        {trans.__("Stop")}
      </Act>
    </div>
  );
}

const READING_MS = 400;

/** Tell the others which turn one reads, while one is in no field: what is in the middle of a scrolling box. */
export function useReading(box: RefObject<HTMLElement | null>): void {
  const { session } = useFace();
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let last = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      timer = undefined;
      const active = element.ownerDocument.activeElement;
      if (active?.closest(".jp-Novel") === element.closest(".jp-Novel") && active?.matches("textarea, input")) return;
      const { top, bottom } = element.getBoundingClientRect();
      const middle = (top + bottom) / 2;
      const read = [...element.querySelectorAll<HTMLElement>('[data-novel-target^="/chronicle/"]')].find((turn) => {
        const shown = turn.getBoundingClientRect();
        return shown.top <= middle && shown.bottom >= middle;
      });
      const target = read?.dataset["novelTarget"] ?? "";
      if (target !== last) session.cursor({ target });
      last = target;
    };
    const scrolled = (): void => void (timer ??= setTimeout(look, READING_MS));
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      clearTimeout(timer);
      element.removeEventListener("scroll", scrolled);
    };
  }, [session]);
}
