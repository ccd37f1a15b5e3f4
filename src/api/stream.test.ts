// The stream without a socket: a real watcher on a small world, readers that keep what they are given and apply it as the page
// does. What a reader then holds must be what the status says, apart from what changes with every round.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatusReport } from "../core/report.ts";
import { statusReport } from "../core/report.ts";
import { difference } from "./difference.ts";
import { Feed } from "./feed.ts";
import type { LiveEvent } from "./live.ts";
import { STRIP_CELL_MS, STRIP_CELLS } from "./live.ts";
import { Live, STREAMS_MAX } from "./stream.ts";
import { cellAt } from "./strips.ts";
import { reading } from "./stream-for-tests.ts";
import type { World } from "./world-for-tests.ts";
import { openWorld, until } from "./world-for-tests.ts";

type Opened = { world: World; live: Live; feed: Feed; close(): Promise<void> };

async function opened(options: Parameters<typeof openWorld>[0] = {}): Promise<Opened> {
  const world = openWorld(options);
  const feed = new Feed((listener) => world.watcher.listen(listener), () => world.sources.now().wallMs, world.sources.history);
  const live = new Live(world.sources, feed);
  await until("the watcher has started", () => world.watcher.state.started);
  return { world, live, feed, close: async () => {
    live.close();
    feed.close();
    await world.close();
  } };
}

/** A reader with a line of a given width: `blocked` keeps everything on the way. */
function reader(live: Live) {
  const text = reading();
  const state = { ...text, blocked: false, backlog: 0, cut: false, bytes: 0, close: () => {} };
  state.close = live.open({
    write: (bytes) => {
      state.bytes += bytes.length;
      if (state.blocked) state.backlog += bytes.length;
      text.take(bytes.toString());
    },
    backlog: () => state.backlog,
    cut: () => {
      state.cut = true;
      state.close();
    },
  });
  return state;
}

const statusOf = ({ world }: Opened): StatusReport => statusReport(world.watcher.state, world.watcher.policy, world.sources.now());

test("what a reader holds is what the status says, through a wedge, a power cycle and the recovery", async () => {
  const all = await opened();
  try {
    await until("all guarded", () => statusOf(all).guarded === "3 of 3");
    const one = reader(all.live);
    assert.equal(one.held().status.guarded, "3 of 3");
    assert.deepEqual(one.events.map(({ event }) => event), ["snapshot"]);
    all.world.wedged.add("ethos");
    await until("the page sees it down", () => one.host("ethos").verdict === "down");
    await until("the page sees the operation", () => one.host("ethos").operation !== null || one.host("ethos").lastOperation !== null);
    const line = await until("the off is told", () => one.held().lines.find(({ kind }) => kind === "off-sent"));
    assert.equal(line.host, "ethos");
    all.world.wedged.clear();
    await until("the page sees it up and guarded", () => one.host("ethos").verdict === "up" && one.held().status.guarded === "3 of 3");
    await until("what is held is what is", () => {
      const now = statusOf(all);
      return difference({ ...one.held().status, at: "" }, { ...now, at: "" }) !== "moved";
    });
    const seqs = one.held().lines.map(({ seq }) => seq);
    assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), "every line once and in order");
    const told = all.feed.recent({ limit: 1_000 }).filter(({ seq }) => seq > (seqs[0] as number) && seq <= (seqs.at(-1) as number));
    assert.equal(told.length + 1, seqs.length, "and none is missing");
    // Somebody who comes now gets the same.
    const late = reader(all.live);
    await until("both hold the same", () => difference(late.held().status.hosts, one.held().status.hosts) === "same");
  } finally {
    await all.close();
  }
});

test("a quiet fleet costs ticks and cells, and nothing is done when nobody reads", async () => {
  const all = await opened({ everyMs: 200 });
  try {
    await until("all guarded", () => statusOf(all).guarded === "3 of 3");
    const one = reader(all.live);
    const two = reader(all.live);
    await until("cells and a tick", () => one.count("cells") >= 1 && one.count("tick") >= 1, 40_000);
    assert.equal(one.count("snapshot"), 1);
    // Rounds alone are no news: at most what the start left over.
    assert.ok(one.count("delta") <= 2, `${one.count("delta")} deltas`);
    assert.deepEqual(two.events, one.events, "one is given what the other is given");
    const cells = one.events.find(({ event }) => event === "cells") as Extract<LiveEvent, { event: "cells" }>;
    assert.equal(cells.data.cells["logos"]?.["ssh"]?.cell, ".");
    assert.equal(cells.data.cells["logos"]?.["ssh"]?.latencyMs, 2);
    one.close();
    two.close();
    assert.equal(all.live.readers, 0);
    const before = one.bytes;
    let looked = 0;
    const { policy } = all.world.watcher;
    const watched = new Live({ ...all.world.sources, watcher: { get state() { looked += 1; return all.world.watcher.state; }, policy } }, all.feed);
    const third = reader(watched);
    third.close();
    const after = looked;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.equal(looked, after, "nobody reads, nobody looks");
    assert.equal(one.bytes, before);
  } finally {
    await all.close();
  }
});

test("a reader that stands still misses deltas, gets one snapshot instead, and does not hold up the others", async () => {
  const all = await opened();
  try {
    await until("all guarded", () => statusOf(all).guarded === "3 of 3");
    const slow = reader(all.live);
    const quick = reader(all.live);
    slow.blocked = true;
    slow.backlog = 1 << 20;
    all.world.wedged.add("logos");
    await until("the quick one sees it", () => quick.host("logos").verdict !== "up");
    assert.equal(slow.host("logos").verdict, "up");
    assert.equal(slow.events.length, 1);
    slow.blocked = false;
    slow.backlog = 0;
    await until("the slow one has caught up", () => slow.count("snapshot") === 2);
    assert.notEqual(slow.host("logos").verdict, "up");
    all.world.wedged.clear();
    await until("and goes on by deltas", () => slow.host("logos").verdict === "up" && slow.count("delta") > 0, 40_000);
  } finally {
    await all.close();
  }
});

test("a reader that reads nothing for half a minute is cut off; one that reads slowly is not", async () => {
  const all = await opened();
  let aheadMs = 0;
  const live = new Live({ ...all.world.sources, now: () => {
    const now = all.world.sources.now();
    return { ...now, bootMs: now.bootMs + aheadMs, wallMs: now.wallMs + aheadMs };
  } }, all.feed);
  try {
    const stuck = reader(live);
    const slow = reader(live);
    stuck.backlog = slow.backlog = 1 << 20;
    stuck.blocked = slow.blocked = true;
    for (let each = 0; each < 2; each += 1) {
      aheadMs += 20_000;
      slow.backlog -= 1_000;
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
    await until("the stuck one is cut off", () => stuck.cut);
    assert.equal(slow.cut, false);
    assert.equal(live.readers, 1);
  } finally {
    live.close();
    await all.close();
  }
});

test("a reload makes a snapshot, without the host that went; names are whatever people write", async () => {
  const names = ["logos", "<img src=x onerror=alert(1)>", "пример", "__proto__", "a\u2028b\nc"];
  const all = await opened({ hosts: names });
  try {
    await until("all guarded", () => statusOf(all).guarded === "5 of 5");
    const one = reader(all.live);
    for (const name of names) assert.equal(one.host(name).host, name);
    const strips = one.held().strips;
    assert.deepEqual(Object.keys(strips).sort(), [...names].sort());
    const { policy } = all.world.watcher;
    all.world.watcher.reload({ ...policy, hosts: new Map([...policy.hosts].filter(([name]) => name !== "__proto__")) });
    await until("a second snapshot", () => one.count("snapshot") === 2);
    assert.deepEqual(one.held().status.hosts.map(({ host }) => host), names.filter((name) => name !== "__proto__"));
    assert.equal(Object.hasOwn(one.held().strips, "__proto__"), false);
  } finally {
    await all.close();
  }
});

test("a strip has the newest cell last, the worst of each, and blanks where no round was", async () => {
  const all = await opened();
  try {
    const { strips, now } = all.world.sources;
    const cell = cellAt(now()) + 1_000;
    const at = (each: number) => ({ ...now(), bootMs: each * STRIP_CELL_MS + 10 });
    const round = (each: number, outcome: "good" | "bad", references: "none" | "lost" = "none") => ({ kind: "round" as const, round: {
      host: "logos", hash: "hash-logos", startedAtMs: each * STRIP_CELL_MS, endedAtMs: each * STRIP_CELL_MS + 5, references,
      results: [{ probe: "ping", outcome: "good" as const, sign: "answer" as const, evidence: "", latencyMs: NaN }, { probe: "ssh", outcome, sign: "answer" as const, evidence: "", latencyMs: 7 }],
    } });
    for (const [each, outcome] of [[0, "good"], [1, "good"], [1, "bad"], [1, "good"], [3, "bad"]] as const) strips.take(round(cell + each, outcome), at(cell + each));
    strips.take({ kind: "late", host: "logos", hash: "hash-logos", startedAtMs: (cell + 3) * STRIP_CELL_MS, results: [{ probe: "ssh", outcome: "slow", sign: "answer", evidence: "", latencyMs: 2_000 }] }, at(cell + 4));
    assert.equal(strips.of("logos", cell + 4)["ssh"], `${" ".repeat(STRIP_CELLS - 5)}.b s `);
    strips.take(round(cell + 5, "bad", "lost"), at(cell + 5));
    assert.equal(strips.of("logos", cell + 5)["ssh"]?.slice(-6), ".b s u");
    assert.deepEqual(strips.cells(cell + 5)["logos"], { ping: { cell: "u", latencyMs: null }, ssh: { cell: "u", latencyMs: null } });
    strips.take(round(cell + 500, "good"), at(cell + 500));
    assert.equal(strips.of("logos", cell + 500)["ssh"], `${" ".repeat(STRIP_CELLS - 1)}.`, "five minutes later nothing of it is left");
    assert.equal(strips.of("logos", cell + 600)["ssh"], " ".repeat(STRIP_CELLS));
    assert.deepEqual(strips.of("nobody", cell), {});
  } finally {
    await all.close();
  }
});

test("what is news: a verdict at once, a number in a sentence later, a latency never", () => {
  const base = { verdict: "up", since: "2026-01-01T00:00:00.000Z", why: "debounce lasts another 32 s", round: { at: "2026-01-01T00:00:00.000Z", because: "load 0.1" }, probes: [{ latencyMs: 1, evidence: "220 ready" }], power: [{ at: "2026-01-01T00:00:00.000Z", state: "on" }] };
  const of = (change: Partial<Record<keyof typeof base, unknown>>) => difference(base, { ...base, ...change });
  assert.equal(of({}), "same");
  assert.equal(of({ probes: [{ latencyMs: 9, evidence: "220 ready" }] }), "same");
  assert.equal(of({ since: "2026-01-01T00:00:00.001Z" }), "same", "two clocks round differently");
  assert.equal(of({ round: { at: "2026-01-01T00:00:50.000Z", because: "load 0.1" } }), "same");
  assert.equal(of({ round: { at: "2026-01-01T00:00:50.000Z", because: "load 12" } }), "drifted");
  assert.equal(of({ why: "debounce lasts another 9 s" }), "drifted");
  assert.equal(of({ power: [{ at: "2026-01-01T00:05:00.000Z", state: "on" }] }), "drifted");
  assert.equal(of({ power: [{ at: "2026-01-01T00:05:00.000Z", state: "off" }] }), "moved");
  assert.equal(of({ why: "storm" }), "moved");
  assert.equal(of({ why: null }), "moved");
  assert.equal(of({ since: "2026-01-01T00:01:00.000Z" }), "moved");
  assert.equal(of({ probes: [] }), "moved");
  assert.equal(of({ verdict: "down" }), "moved");
  assert.equal(difference({ evidence: "echo reply in 0.4 ms" }, { evidence: "echo reply in 21.75 ms" }), "same", "cells bring it");
  assert.equal(difference({ evidence: "echo reply in 0.4 ms" }, { evidence: "no echo reply within 400 ms" }), "moved");
});

test("the limit is small enough for a watcher and large enough for an office", () => {
  assert.ok(STREAMS_MAX >= 32 && STREAMS_MAX < 500);
});

