/**
 * Numbers and choices that several people change.
 */
import { expect, test } from "vitest";

import { Value } from "../../src/ui/edit/value";
import { Desk } from "./edit-support";

const STORM = "/clocks/storm/value";
const MOOD = "/scene/mood";

function made(path: string, counts: boolean): { desk: Desk; value: Value } {
  const desk = new Desk();
  desk.join();
  const value = new Value(desk.session, desk.clientId, path, counts, () => {});
  desk.session.subscribe((note) => value.take(note));
  return { desk, value };
}

test("a counter sends its step against what it saw, one edit at a time", async () => {
  const { desk, value } = made(STORM, true);
  value.add(1);
  value.add(1);
  expect(value.shown).toBe(5);
  expect(desk.sent).toHaveLength(1);
  expect(desk.sent[0]?.body.data).toMatchObject({ base: 1, patch: [{ value: 4 }] });
  // Somebody else's step comes in between; the server adds ours to it.
  desk.commit([{ op: "replace", path: STORM, value: 10 }]);
  expect(value.shown).toBe(12);
  await desk.accept(11 as unknown as string, "merged");
  expect(desk.sent[0]?.body.data).toMatchObject({ base: 3, patch: [{ value: 12 }] });
  await desk.accept();
  expect(value.shown).toBe(12);
  expect(value.status).toBe("saved");
});

test("steps count once, whether the event or the answer comes first", async () => {
  const { desk, value } = made(STORM, true);
  value.add(2);
  desk.commit([{ op: "replace", path: STORM, value: 5 }], "ann", desk.sent[0]?.id, { kind: "edit", outcome: "applied", base: 1 });
  expect(value.shown).toBe(5);
  await desk.settle({ kind: "ack", outcome: "applied" }, 2);
  expect(value.shown).toBe(5);
  value.add(1);
  await desk.settle({ kind: "ack", outcome: "applied" }, 3);
  expect(value.shown).toBe(6);
  desk.commit([{ op: "replace", path: STORM, value: 6 }], "ann", "page1:2", { kind: "edit", outcome: "applied", base: 2 });
  expect([value.shown, value.status]).toEqual([6, "saved"]);
});

test("of several choices the last one is sent when the first was answered", async () => {
  const { desk, value } = made(MOOD, false);
  for (const mood of ["calm", "tense", "merry"]) value.set(mood);
  expect([value.shown, value.status, desk.wanted()]).toEqual(["merry", "pending", "calm"]);
  await desk.accept();
  expect(desk.wanted()).toBe("merry");
  await desk.accept();
  expect([value.shown, value.status, desk.sent.length]).toEqual(["merry", "saved", 0]);
});

test("a refusal shows the server's value again, and why", async () => {
  const { desk, value } = made(MOOD, false);
  value.set("calm");
  value.set("tense");
  await desk.settle({ kind: "error", level: "error", code: "stale_base", message: "changed" });
  expect([value.shown, value.status, desk.sent.length]).toEqual(["wary", "refused", 0]);
  value.set("calm");
  expect(value.status).toBe("pending");
});
