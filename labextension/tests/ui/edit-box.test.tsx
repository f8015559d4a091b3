/**
 * The box of one text: what a person sees and hears of their own words and of the others'.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { stretches, typingHere } from "../../src/ui/edit/Caret";
import { TextField } from "../../src/ui/edit/TextField";
import { QUIET_MS } from "../../src/ui/edit/fields";
import { asWritten } from "../../src/ui/translate";
import { Desk, act, hide, show } from "./edit-support";

const NOTE = "/notes/scene";
const everyone = ["ann", "ben", "eve"].map((id) => ({ user_id: id, name: id, kind: "person" as const, connections: 1 }));

let desk: Desk;
let page: HTMLElement;

function open(me = "ann", path = NOTE): HTMLTextAreaElement {
  desk = new Desk({ me });
  desk.join(everyone);
  page = show(desk, <TextField path={path} label="Notes" multiline />);
  return box();
}

const box = (): HTMLTextAreaElement => page.querySelector("textarea") as HTMLTextAreaElement;
const words = (selector: string): string => page.querySelector(selector)?.textContent ?? "";

async function type(text: string, caret = text.length): Promise<void> {
  await act(() => {
    box().focus();
    box().value = text;
    box().setSelectionRange(caret, caret);
    box().dispatchEvent(new Event("input", { bubbles: true }));
  });
}

function cursor(user: string, position: number, more: object = {}): void {
  const cursors = [{ user_id: user, connection_id: `k-${user}`, target: NOTE, position, selection: null, typing: true, ...more }];
  desk.take({ type: "user_cursor", session_id: "s1", data: { cursors } });
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  hide(page);
  vi.useRealTimers();
});

describe("a box", () => {
  test("shows what is typed at once, and then how far the server is", async () => {
    open();
    await type("lamp out");
    expect(words(".jp-Novel-status")).toContain("Typing");
    await act(() => void vi.advanceTimersByTime(QUIET_MS));
    expect(words(".jp-Novel-status")).toContain("On its way");
    await act(() => desk.accept());
    expect(words(".jp-Novel-status")).toContain("Saved");
    expect(page.querySelector("label")?.getAttribute("for")).toBe(box().id);
    expect(page.querySelector("[data-novel-target]")?.getAttribute("data-novel-target")).toBe(NOTE);
  });

  test("takes in what others write without moving the caret away from its words", async () => {
    open();
    await type("lamp out", 8);
    await act(() => void desk.commit([{ op: "replace", path: NOTE, value: "The lamp" }]));
    expect(box().value).toBe("The lamp out");
    expect([box().selectionStart, box().selectionEnd]).toEqual([12, 12]);
  });

  test("leaves the text alone while an input method composes", async () => {
    open();
    await act(() => {
      box().focus();
      box().dispatchEvent(new Event("compositionstart", { bubbles: true }));
      box().value = "lamp に";
    });
    await act(() => void desk.commit([{ op: "replace", path: NOTE, value: "The lamp" }]));
    expect(box().value).toBe("lamp に");
    await act(() => {
      box().value = "lamp 日";
      box().dispatchEvent(new Event("compositionend", { bubbles: true }));
    });
    expect(box().value).toBe("The lamp 日");
    await act(() => void vi.advanceTimersByTime(QUIET_MS));
    expect(desk.wanted()).toBe("The lamp 日");
  });

  test("tells the others where one is and that one types, and when one left", async () => {
    open();
    await type("lamp o", 6);
    const cursors = (): unknown[] => desk.frames.filter(({ type }) => type === "user_cursor").map(({ data }) => data);
    // Of the server's text: what was not sent is nowhere for the others.
    expect(cursors().at(-1)).toEqual({ target: NOTE, position: 4, selection: null, typing: true });
    await act(() => void vi.advanceTimersByTime(10_000));
    expect(cursors().at(-1)).toMatchObject({ typing: false });
    await act(() => box().blur());
    expect(cursors().at(-1)).toMatchObject({ target: "" });
  });

  test("sends what is left when one leaves, and when it goes from the page", async () => {
    open();
    await type("lamp o");
    await act(() => box().blur());
    expect(desk.wanted()).toBe("lamp o");
  });

  test("is read only for who may not, and says why", () => {
    expect(open("eve").readOnly).toBe(true);
    expect(words(".jp-Novel-why")).toContain("You are a spectator");
    const described = box().getAttribute("aria-describedby")?.split(" ") ?? [];
    expect(described.map((id) => page.querySelector(`[id="${id}"]`)?.textContent).join()).toContain("spectator");
  });

  test("shows what was refused, why, and both texts", async () => {
    open();
    await type("lamp!");
    await act(() => void vi.advanceTimersByTime(QUIET_MS));
    await act(() => desk.settle({ kind: "error", level: "error", code: "state_full", message: "" }));
    expect(words(".jp-Novel-choice")).toContain("The session is full");
    expect([...page.querySelectorAll("blockquote")].map((each) => each.textContent)).toEqual(["lamp!", "lamp"]);
    await act(() => [...page.querySelectorAll("button")].find((each) => each.textContent === "Discard mine")?.click());
    expect(box().value).toBe("lamp");
    expect(page.querySelector(".jp-Novel-choice")).toBeNull();
  });

  test("asks who goes on typing in words that lost", async () => {
    open();
    await type("bird");
    await act(() => void vi.advanceTimersByTime(QUIET_MS));
    await type("birds");
    await act(() => desk.accept("dog", "conflicted"));
    expect(box().value).toBe("birds");
    expect([...page.querySelectorAll("blockquote")].map((each) => each.textContent)).toEqual(["birds", "dog"]);
    await act(() => [...page.querySelectorAll("button")].find((each) => each.textContent === "Use mine")?.click());
    expect(desk.wanted()).toBe("birds");
  });

  test("takes back one's own last change and nobody else's", async () => {
    open();
    await type("lamp out");
    await act(() => void vi.advanceTimersByTime(QUIET_MS));
    await act(() => desk.accept());
    await act(() => void desk.commit([{ op: "replace", path: NOTE, value: "The lamp out" }]));
    await act(() => page.querySelector<HTMLElement>("[aria-label='Undo my last change here']")?.click());
    expect(box().value).toBe("The lamp");
    expect(desk.wanted()).toBe("The lamp");
  });

  test("the keys for undo are the browser's own until others' words came in between", async () => {
    open();
    await type("lamp out");
    const press = (): boolean =>
      box().dispatchEvent(new KeyboardEvent("keydown", { key: "z", ctrlKey: true, bubbles: true, cancelable: true }));
    expect(press()).toBe(true);
    await act(() => void desk.commit([{ op: "replace", path: NOTE, value: "The lamp" }]));
    await act(() => void expect(press()).toBe(false));
    expect(box().value).toBe("The lamp");
  });

  test("what is told stays told", () => {
    expect(open("ann", "/chronicle/3/narrative").readOnly).toBe(true);
  });
});

describe("others in a text", () => {
  test("are drawn where they are, with their names, and told in words", async () => {
    open();
    await act(() => cursor("ben", 2));
    expect(words(".jp-Novel-company")).toBe("Ben is typing here");
    expect(words(".jp-Novel-flag")).toBe("Ben");
    expect(page.querySelector(".jp-Novel-backdrop")?.getAttribute("aria-hidden")).toBe("true");
    const caret = page.querySelector(".jp-Novel-caret")?.parentElement;
    expect(caret?.lastChild?.textContent).toBe("mp");
    expect((page.querySelector(".jp-Novel-caret") as HTMLElement).style.getPropertyValue("--jp-Novel-person")).toMatch(/^var\(--jp-Novel-person[1-7]\)$/);
    await act(() => cursor("ben", 2, { target: null }));
    expect(page.querySelector(".jp-Novel-caret")).toBeNull();
    expect(words(".jp-Novel-company")).toBe("");
  });

  test("one's own other tab is nobody else", async () => {
    open();
    await act(() => cursor("ann", 2));
    expect(page.querySelector(".jp-Novel-caret")).toBeNull();
  });

  test("a place is that of the server's text, shown in one's own", async () => {
    open();
    await type("the lamp");
    await act(() => cursor("ben", 4));
    const text = page.querySelector(".jp-Novel-caret")?.parentElement?.previousElementSibling?.textContent;
    expect(text).toBe("the lamp");
  });

  test("text is cut at carets and selections, never within a character", () => {
    const at = { user_id: "ben", connection_id: "k", target: NOTE };
    const cut = stretches("a😀b", [{ ...at, position: 2, selection: [0, 3] }], (position) => position);
    expect(cut.map(({ text }) => text).join("")).toBe("a😀b");
    expect(cut.find(({ carets }) => carets.length > 0)?.text).toBe("😀");
    expect(cut.filter(({ users }) => users.length > 0).map(({ text }) => text)).toEqual(["a", "😀"]);
    const beyond = stretches("ab", [{ ...at, position: 99 }], (position) => position);
    expect(beyond.at(-1)).toMatchObject({ text: "" });
    expect(beyond.at(-1)?.carets).toHaveLength(1);
  });

  test("several are counted", () => {
    const typing = ["a", "b", "c"].map((user_id) => ({ user_id, connection_id: user_id, target: NOTE, typing: true }));
    const say = (count: number): string => typingHere(asWritten, typing.slice(0, count), (user) => user.toUpperCase());
    expect([0, 1, 2, 3].map(say)).toEqual(["", "A is typing here", "A and B are typing here", "3 people are typing here"]);
  });
});

test("what somebody wrote is never markup", async () => {
  open();
  await act(() => void desk.commit([{ op: "replace", path: NOTE, value: "<img src=x onerror=alert(1)><b>x</b>" }]));
  expect(page.querySelector("img, b")).toBeNull();
  expect(box().value).toContain("<img");
});
