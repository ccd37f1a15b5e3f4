// `/v1/kernel/…` and what `why` says of a kernel: by host, by incident, followed, in short; and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { recognise } from "../core/kernel-words.ts";
import type { KernelRow } from "../journal/kernel-table.ts";
import type { KernelLine, WhyReport } from "./contract.ts";

import { ask, errorOf, follow, opened } from "./doors-for-tests.ts";
import { inShort } from "./last-words.ts";
import { kernelLine, whyReport } from "./schema/past.ts";
import { differences } from "./schema/schema.ts";
import { openWorld, until } from "./world-for-tests.ts";

const row = (text: string, id: number): KernelRow => ({ id, host: "logos", atMs: 1_000 * id, text, level: 4, byKernel: true, uptimeUs: null, sign: recognise(text, true)?.sign ?? null, torn: false });
const rows = (...texts: readonly string[]): readonly KernelRow[] => texts.map((text, at) => row(text, at + 1));

test("lines of a host, and those around an incident, in why and by themselves", async () => {
  const world = openWorld();
  const it = await opened({ world });
  try {
    const lines = async (path: string): Promise<readonly KernelLine[]> => {
      const got = await ask(it.tcp, "GET", path);
      assert.equal(got.status, 200, got.text);
      const all = got.text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as KernelLine);
      for (const line of all) assert.equal(differences(kernelLine, line), null);
      return all;
    };
    await until("all guarded", () => [...world.watcher.state.hosts.values()].every((host) => host.unguarded === null));
    assert.deepEqual(await lines("/v1/kernel/logos"), []);
    world.says("ethos", "another host");
    world.says("logos", "sysrq: Trigger a crash");
    world.says("logos", "Kernel panic - not syncing: sysrq triggered crash");
    world.says("logos", "Rebooting in 10 seconds..");
    assert.deepEqual((await lines("/v1/kernel/logos")).map(({ text, sign }) => [text, sign]), [["sysrq: Trigger a crash", null], ["Kernel panic - not syncing: sysrq triggered crash", "panic"], ["Rebooting in 10 seconds..", "rebooting"]]);
    assert.deepEqual((await lines("/v1/kernel/logos?limit=1")).map(({ text }) => text), ["Rebooting in 10 seconds.."]);
    assert.deepEqual(await lines(`/v1/kernel/logos?since=${new Date(Date.now() + 60_000).toISOString()}`), []);
    world.wedged.add("logos");
    const incident = await until("an incident", () => world.watcher.state.hosts.get("logos")?.incident?.incident);
    assert.equal((await lines(`/v1/kernel/${incident}`)).length, 3, "what came before the first bad sign belongs to it");
    const why = async (name: string): Promise<Exclude<WhyReport, { kind: "event" }>> => {
      const got = await ask(it.tcp, "GET", `/v1/why/${name}`);
      assert.equal(differences(whyReport, got.json), null);
      return got.json as Exclude<WhyReport, { kind: "event" }>;
    };
    for (const name of ["logos", incident]) {
      const { kernel } = await why(name);
      assert.equal(kernel?.said, "its kernel panicked: sysrq triggered crash; its kernel boots anew in 10 s", name);
      assert.deepEqual([kernel?.sign, kernel?.lines.length, kernel?.more], ["panic", 3, 0]);
    }
    assert.equal((await why("ethos")).kernel, null, "it has no incident");
    world.wedged.delete("logos");
    await until("it is over", () => world.watcher.state.hosts.get("logos")?.incident === null);
    world.says("logos", "after it was over");
    world.says("logos", "Kernel panic - not syncing: another one");
    world.wedged.add("logos");
    const next = await until("the next incident", () => world.watcher.state.hosts.get("logos")?.incident?.incident);
    assert.equal((await why(next)).kernel?.said, "its kernel panicked: another one", "what was said in the incident before is that one's");
    world.wedged.delete("logos");
    assert.ok(!(await lines(`/v1/kernel/${incident}`)).some(({ text }) => text === "after it was over"));
  } finally {
    await it.close();
  }
});

test("who follows gets what was and what comes, each once", async () => {
  const world = openWorld();
  const it = await opened({ world });
  try {
    world.says("logos", "one");
    world.says("logos", "two");
    const following = await follow(it.tcp, "/v1/kernel/logos?follow=1&limit=1");
    await until("what was", () => following.lines.length === 1);
    world.says("ethos", "another's");
    world.says("logos", "three");
    await until("what comes", () => following.lines.length === 2);
    assert.deepEqual(following.lines.map((line) => (line as unknown as KernelLine).text), ["two", "three"]);
    following.close();
    await until("the follower is gone", () => world.sources.kernels.followers === 0);
  } finally {
    await it.close();
  }
});

test("what is refused", async () => {
  const it = await opened();
  try {
    for (const [path, status, error] of [["/v1/kernel/nobody", 404, "no host nobody"], ["/v1/kernel/logos?limit=6000", 400, "limit"], ["/v1/kernel/logos?follow=2", 400, "follow is 0 or 1"], ["/v1/kernel/logos?since=yesterday", 400, "since"], ["/v1/kernel/logos?kind=panic", 400, "no parameter kind"], ["/v1/kernel", 404, ""]] as const) {
      const got = await ask(it.tcp, "GET", path);
      assert.equal(got.status, status, path);
      assert.ok(errorOf(got).includes(error), `${path}: ${errorOf(got)}`);
    }
  } finally {
    await it.close();
  }
});

test("in short: what led to the word that weighs most, and that word, however long its stacks are", () => {
  const calm = Array.from({ length: 30 }, (_, at) => `usb 1-${at}: new device`);
  const stack = Array.from({ length: 100 }, (_, at) => ` ? frame${at}+0x1/0x2`);
  const words = inShort(rows(...calm, "BUG: kernel NULL pointer dereference, address: 0000000000000000", ...stack, "Kernel panic - not syncing: Fatal exception", "Kernel Offset: disabled", "Rebooting in 5 seconds.."));
  assert.equal(words.said, "its kernel panicked: Fatal exception; its kernel boots anew in 5 s");
  const texts = words.lines.map(({ text }) => text);
  assert.ok(texts.includes("BUG: kernel NULL pointer dereference, address: 0000000000000000") && texts.includes("Kernel panic - not syncing: Fatal exception") && texts.includes("Rebooting in 5 seconds.."));
  assert.ok(texts.length <= 60 && texts.indexOf("usb 1-26: new device") === 0, "four lines before the first");
  assert.equal(words.more, 30 + 1 + 100 + 3 - texts.length);
  assert.equal(new Set(texts).size, texts.length);
  const nothing = inShort(rows(...calm, ...calm));
  assert.deepEqual([nothing.said, nothing.lines.length, nothing.lines.at(-1)?.text], [null, 40, "usb 1-29: new device"], "without anything that is known, the last lines");
});
