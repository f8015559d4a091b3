/** Buttons that say why not, tabs by keyboard, drafts that outlive a reload. */
// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it } from "vitest";

import { Act } from "../../src/ui/Act";
import { useDraft } from "../../src/ui/drafts";
import { FaceContext, same, type Face } from "../../src/ui/face";
import { Tabs } from "../../src/ui/Tabs";
import { asWritten } from "../../src/ui/translate";

const box = document.createElement("div");
document.body.append(box);
afterEach(() => render(null, box));

describe("a button", () => {
  it("that may not be used can be reached, says why, and does nothing", () => {
    let done = 0;
    act(() => render(<Act reason="Only for: owner." onDo={() => (done += 1)}>Pause</Act>, box));
    const button = box.querySelector("button");
    button?.click();
    expect(done).toBe(0);
    expect(button?.disabled).toBe(false);
    expect(button?.getAttribute("aria-disabled")).toBe("true");
    const why = document.getElementById(button?.getAttribute("aria-describedby") ?? "");
    expect(why?.textContent).toBe("Only for: owner.");
  });

  it("takes no second click while the first is on its way", async () => {
    let done = 0;
    let finish: () => void = () => undefined;
    const doing = (): Promise<void> => {
      done += 1;
      return new Promise((resolve) => (finish = resolve));
    };
    act(() => render(<Act onDo={doing}>Go</Act>, box));
    const button = box.querySelector("button");
    act(() => button?.click());
    act(() => button?.click());
    expect(done).toBe(1);
    await act(async () => finish());
    act(() => button?.click());
    expect(done).toBe(2);
  });
});

describe("tabs", () => {
  it("move by arrow keys, round about, and name their panel", () => {
    let at = "a";
    const draw = (): void =>
      void act(() =>
        render(
          <Tabs label="Beside" at={at} onMove={(to) => (at = to)} tabs={["a", "b", "c"].map((id) => ({ id, label: id, panel: () => `panel ${id}` }))} />,
          box,
        ),
      );
    draw();
    const press = (key: string): void => {
      act(() => void box.querySelector('[role="tablist"]')?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })));
      draw();
    };
    press("ArrowLeft");
    expect(at).toBe("c");
    press("ArrowRight");
    press("ArrowRight");
    expect(at).toBe("b");
    const panel = box.querySelector('[role="tabpanel"]');
    expect(panel?.textContent).toBe("panel b");
    const label = document.getElementById(panel?.getAttribute("aria-labelledby") ?? "");
    expect(label?.getAttribute("aria-selected")).toBe("true");
  });
});

describe("a draft", () => {
  it("is there again after a reload, and gone once it is sent", () => {
    const storage = new Map<string, string>();
    const face = {
      session: { id: "s1" },
      trans: asWritten,
      storage: {
        getItem: (key: string) => storage.get(key) ?? null,
        setItem: (key: string, value: string) => void storage.set(key, value),
        removeItem: (key: string) => void storage.delete(key),
      },
    } as unknown as Face;
    let set: (text: string) => void = () => undefined;
    let text = "";
    function Probe(): null {
      [text, set] = useDraft("chat");
      return null;
    }
    const load = (): void => {
      act(() => render(null, box));
      act(() =>
        render(
          <FaceContext.Provider value={face}>
            <Probe />
          </FaceContext.Provider>,
          box,
        ),
      );
    };
    load();
    act(() => set("half a sen"));
    load();
    expect(text).toBe("half a sen");
    act(() => set(""));
    expect(storage.size).toBe(0);
  });
});

describe("same", () => {
  it("compares flat things by what is in them", () => {
    expect(same({ a: 1, b: box }, { a: 1, b: box })).toBe(true);
    expect(same([1, 2], [1, 2, 3])).toBe(false);
    expect(same({ a: 1 }, { b: 1 })).toBe(false);
    expect(same({ a: {} }, { a: {} })).toBe(false);
    expect(same(Number.NaN, Number.NaN)).toBe(true);
  });
});
