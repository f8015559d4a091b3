/**
 * Avatars, and going along with somebody.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Present } from "../../src/protocol";
import { Avatars } from "../../src/ui/presence/Avatars";
import { FollowChip, followingOf, placeOf } from "../../src/ui/presence/follow";
import { Desk, act, hide, show } from "./edit-support";

const present = (user_id: string, connections = 1): Present => ({ user_id, name: user_id, kind: "person", connections });

let desk: Desk;
let page: HTMLElement;
let scrolled: string[];
let asked: string[];

function at(target: string | null, more: object = {}): void {
  const cursors = [{ user_id: "ben", connection_id: "k", target, position: 0, selection: null, typing: false, ...more }];
  desk.take({ type: "user_cursor", session_id: "s1", data: { cursors } });
}

const avatar = (id: string): HTMLElement => page.querySelector(`[data-user="${id}"]`) as HTMLElement;
const chip = (): string => page.querySelector(".jp-Novel-following")?.textContent ?? "";

beforeEach(() => {
  [scrolled, asked] = [[], []];
  vi.spyOn(HTMLElement.prototype, "scrollIntoView").mockImplementation(function (this: HTMLElement) {
    scrolled.push(this.dataset["novelTarget"] ?? "");
  });
  vi.stubGlobal("requestAnimationFrame", (frame: () => void) => {
    frame();
    return 0;
  });
  desk = new Desk();
  desk.join([present("ann"), present("ben", 2)]);
  page = show(
    desk,
    <div class="jp-Novel">
      <Avatars />
      <div data-novel-target="/scene">
        <div data-novel-target="/scene/mood" />
      </div>
      <div data-novel-target="/chronicle/18" />
      <FollowChip onShow={(target) => void asked.push(target)} />
    </div>,
  );
});

afterEach(() => {
  hide(page);
  vi.unstubAllGlobals();
});

test("everybody is an avatar that says who they are, in words and by keyboard", async () => {
  expect([...page.querySelectorAll("[data-user]")].map((each) => each.getAttribute("aria-label"))).toEqual(["Ann", "Ben", "Eve"]);
  await act(() => at("/scene/mood", { typing: true }));
  const tip = (id: string) => page.querySelector(`[id="${avatar(id).getAttribute("aria-describedby")}"]`)?.textContent;
  expect(tip("ben")).toContain("player · here · 2 tabs · plays Mara · types in: Scene: mood");
  expect(avatar("ben").tagName).toBe("BUTTON");
  expect(avatar("eve").className).toContain("jp-mod-gone");
  expect(tip("eve")).toContain("gone");
});

test("following shows where they are, and says so", async () => {
  await act(() => at("/scene/mood"));
  await act(() => avatar("ben").click());
  expect(chip()).toContain("Following Ben");
  expect(scrolled).toEqual(["/scene/mood"]);
  await act(() => at("/chronicle/18"));
  expect(scrolled.at(-1)).toBe("/chronicle/18");
  await act(() => at("/characters/mara/description"));
  expect(asked).toEqual(["/characters/mara/description"]);
  expect(avatar("ben").getAttribute("aria-pressed")).toBe("true");
});

test("it ends by Escape, typing, the wheel, the button, and when they leave", async () => {
  const following = followingOf(desk.session);
  const root = page.querySelector(".jp-Novel") as HTMLElement;
  const ways: (() => void)[] = [
    () => void root.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })),
    () => void root.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true })),
    () => void root.dispatchEvent(new Event("wheel")),
    () => page.querySelector<HTMLElement>(".jp-Novel-following button")?.click(),
    () => desk.take({ type: "leave_session", session_id: "s1", data: { kind: "left", user: present("ben") } }),
  ];
  for (const way of ways) {
    await act(() => following.set("ben"));
    expect(chip()).toContain("Following");
    await act(way);
    expect(following.who).toBeNull();
    expect(chip()).toBe("");
  }
  expect(desk.spoken.at(-1)).toBe("Ben has left; you follow nobody.");
});

test("moving by Tab does not end it, and nobody follows themselves or who is gone", async () => {
  const following = followingOf(desk.session);
  await act(() => following.set("ben"));
  await act(() => void avatar("ben").dispatchEvent(new KeyboardEvent("keydown", { key: "Tab", bubbles: true })));
  expect(following.who).toBe("ben");
  await act(() => following.set(null));
  for (const id of ["ann", "eve"]) await act(() => avatar(id).click());
  expect(following.who).toBeNull();
});

test("the nearest place that is shown is found, and no other that only begins alike", () => {
  expect(placeOf(page, "/scene/mood")?.dataset["novelTarget"]).toBe("/scene/mood");
  expect(placeOf(page, "/scene/text")?.dataset["novelTarget"]).toBe("/scene");
  expect(placeOf(page, "/chronicle/181")).toBeNull();
});
