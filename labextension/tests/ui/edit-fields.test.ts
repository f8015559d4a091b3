/**
 * The fields of a page: when they send, and what a reload, a lost connection and a refusal leave of what was typed.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { LONGEST_MS, MS_PER_UNIT, QUIET_MS, fieldsOf, type Field } from "../../src/ui/edit/fields";
import { statusOf } from "../../src/ui/edit/field";
import { Desk, kept } from "./edit-support";

const NOTE = "/notes/scene";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function made(options: ConstructorParameters<typeof Desk>[0] = {}): { desk: Desk; field: Field } {
  const desk = new Desk(options);
  const fields = fieldsOf(desk.face);
  desk.join();
  return { desk, field: fields.at(NOTE) };
}

describe("sending", () => {
  test("waits for a short quiet, and not for ever", async () => {
    const { desk, field } = made();
    field.type("lamp o");
    vi.advanceTimersByTime(QUIET_MS - 1);
    expect(desk.sent).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(desk.wanted()).toBe("lamp o");
    await desk.accept();
    expect(statusOf(field.state)).toBe("saved");
    let typed = "lamp o";
    for (let ms = 0; ms < LONGEST_MS; ms += QUIET_MS - 1) {
      field.type((typed += "x"));
      expect(desk.sent).toHaveLength(0);
      vi.advanceTimersByTime(QUIET_MS - 1);
    }
    expect(desk.wanted()).toBe(typed);
  });

  test("waits longer with a long text, which every edit carries whole", () => {
    const { desk, field } = made();
    field.type("x".repeat(10_000));
    vi.advanceTimersByTime(QUIET_MS + 10_000 * MS_PER_UNIT - 2);
    expect(desk.sent).toHaveLength(0);
    vi.advanceTimersByTime(2);
    expect(desk.sent).toHaveLength(1);
  });

  test("has one edit on its way, and sends the rest after it", async () => {
    const { desk, field } = made();
    field.type("a");
    field.flush();
    field.type("a b");
    vi.advanceTimersByTime(5_000);
    expect(desk.sent).toHaveLength(1);
    await desk.accept();
    vi.advanceTimersByTime(QUIET_MS);
    expect(desk.wanted()).toBe("a b");
    expect(desk.sent[0]?.body.data).toMatchObject({ base: 2 });
  });

  test("the event may come before its answer, or after it", async () => {
    for (const eventFirst of [true, false]) {
      const { desk, field } = made();
      field.type("lamp out");
      field.flush();
      const patch = [{ op: "add" as const, path: NOTE, value: "The lamp out" }];
      if (eventFirst) desk.commit(patch, "ann", desk.sent[0]?.id, { kind: "edit", outcome: "merged", base: 1 });
      await desk.settle({ kind: "ack", outcome: "merged" }, 2);
      if (!eventFirst) {
        expect(statusOf(field.state)).toBe("pending");
        desk.commit(patch, "ann", "page1:1", { kind: "edit", outcome: "merged", base: 1 });
      }
      expect(field.state).toMatchObject({ local: "The lamp out", flight: null, outcome: "merged" });
    }
  });

  test("follows what others write while nothing is typed", () => {
    const { desk, field } = made();
    desk.commit([{ op: "replace", path: NOTE, value: "sea" }]);
    expect(field.state).toMatchObject({ local: "sea", base: { text: "sea", at: 2 } });
  });

  test("an old base is not kept while nothing happens here", () => {
    const { desk, field } = made();
    for (let n = 0; n < 5; n += 1) desk.commit([{ op: "replace", path: "/scene/mood", value: `m${n}` }]);
    field.type("lamp!");
    field.flush();
    expect(desk.sent[0]?.body.data).toMatchObject({ base: 6 });
  });
});

describe("what was typed", () => {
  test("is there after a reload, with its base, and is sent", () => {
    const storage = kept();
    const first = made({ storage });
    first.field.type("lamp is out");
    expect([...storage.all.keys()]).toEqual(["novel_jupyter:drafts:s1"]);
    const { desk, field } = made({ storage, clientId: "page2" });
    expect(field.state.local).toBe("lamp is out");
    vi.advanceTimersByTime(QUIET_MS);
    expect(desk.wanted()).toBe("lamp is out");
  });

  test("after a reload meets what others wrote meanwhile", () => {
    const storage = kept();
    made({ storage }).field.type("lamp is out");
    const state = { ...new Desk().state, notes: { scene: "The lamp" } };
    const { desk, field } = made({ storage, clientId: "page2", state, head: 7 });
    expect(field.state.local).toBe("The lamp is out");
    vi.advanceTimersByTime(QUIET_MS);
    expect(desk.sent[0]?.body.data).toMatchObject({ base: 7 });
  });

  test("was on its way when the page was reloaded: the old page's answer counts", async () => {
    const storage = kept();
    const first = made({ storage });
    first.field.type("lamp is");
    first.field.flush();
    first.field.type("lamp is out");
    const desk = new Desk({ storage, clientId: "page2" });
    // The connection's queue outlives the page, too.
    desk.sent.push(...first.desk.sent);
    const field = fieldsOf(desk.face).at(NOTE);
    desk.join();
    vi.advanceTimersByTime(QUIET_MS);
    expect(desk.sent).toHaveLength(1);
    await desk.accept();
    expect(field.state).toMatchObject({ base: { text: "lamp is" }, local: "lamp is out" });
    vi.advanceTimersByTime(QUIET_MS);
    expect(desk.wanted()).toBe("lamp is out");
    await desk.accept();
    expect(storage.all.size).toBe(0);
  });

  test("was answered just before the reload: nobody waits for ever", () => {
    const storage = kept();
    const first = made({ storage });
    first.field.type("lamp is out");
    first.field.flush();
    const state = { ...new Desk().state, notes: { scene: "lamp is out" } };
    const { field } = made({ storage, clientId: "page2", state, head: 2 });
    expect(field.state).toMatchObject({ flight: null, local: "lamp is out" });
    expect(storage.all.size).toBe(0);
  });

  test("stays when it is refused, with the reason, and can be tried again", async () => {
    const { desk, field } = made();
    field.type("too much");
    field.flush();
    await desk.settle({ kind: "error", level: "error", code: "state_full", message: "full" });
    expect(statusOf(field.state)).toBe("refused");
    expect(field.state.local).toBe("too much");
    vi.advanceTimersByTime(60_000);
    expect(desk.sent).toHaveLength(0);
    field.choose("mine");
    expect(desk.wanted()).toBe("too much");
  });

  test("is sent again in a new history of the session", async () => {
    const { desk, field } = made();
    field.type("lamp out");
    field.flush();
    desk.epoch = "e2";
    desk.head = 1;
    desk.full();
    await desk.settle({ kind: "error", level: "error", code: "stale_epoch", message: "" });
    expect(field.state.local).toBe("lamp out");
    vi.advanceTimersByTime(1_000);
    expect(desk.wanted()).toBe("lamp out");
  });

  test("is offered when the server took it and then lost it", async () => {
    const { desk, field } = made();
    field.type("lamp out");
    field.flush();
    const id = desk.sent[0]?.id ?? "";
    await desk.accept();
    desk.session.lostCommand(id, { kind: "error", level: "error", code: "lost", message: "lost" });
    expect(statusOf(field.state)).toBe("saved");
    desk.epoch = "e2";
    desk.state = { ...desk.state, notes: { scene: "lamp" } };
    desk.full();
    expect(field.state).toMatchObject({ local: "lamp out", base: { text: "lamp" } });
    expect(statusOf(field.state)).toBe("refused");
  });

  test("a queue that is full delays it", async () => {
    const { desk, field } = made();
    const edit = vi.spyOn(desk.session, "edit").mockImplementationOnce(() => {
      throw new Error("full");
    });
    field.type("lamp out");
    vi.advanceTimersByTime(QUIET_MS);
    expect(edit).toHaveBeenCalledTimes(1);
    expect(field.state).toMatchObject({ flight: null, local: "lamp out" });
    vi.advanceTimersByTime(1_000);
    expect(desk.wanted()).toBe("lamp out");
  });

  test("a storage with rubbish, or none, hinders nothing", () => {
    const storage = kept();
    storage.all.set("novel_jupyter:drafts:s1", '[["/notes/scene",{"state":{"local":1}}],7]');
    expect(made({ storage }).field.state.local).toBe("lamp");
    storage.all.set("novel_jupyter:drafts:s1", "{");
    expect(made({ storage }).field.state.local).toBe("lamp");
  });
});

test("a part of the story that is not shown any more leaves the draft alone", () => {
  const desk = new Desk({ state: { ...new Desk().state, "seat:mara": { notes: "n" } } });
  const field = fieldsOf(desk.face).at("/seat:mara/notes");
  desk.join();
  field.type("n more");
  const { "seat:mara": _, ...rest } = desk.state;
  desk.state = rest;
  desk.full();
  expect(field.state.local).toBe("n more");
});
