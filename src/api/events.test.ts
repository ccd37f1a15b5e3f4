// The journal over the API: the past and what comes without a gap, incidents with their phases, and what happens when the
// history cannot be read or a reader does not read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import type { Told } from "../core/io.ts";
import type { Answer, AuditLine, EventLine, IncidentReport, StatusReport, WhyReport } from "./contract.ts";
import { ask, errorOf, follow, opened, post } from "./doors-for-tests.ts";
import type { ApiSources } from "./server.ts";
import { openWorld, until } from "./world-for-tests.ts";

test("following: the past and what comes, without a gap or a double, even when the history is written late", async () => {
  const it = await opened({ world: openWorld({ historyLag: 4 }) });
  try {
    await until("some lines", () => it.world.watcher.state.seq >= 7);
    const following = await follow(it.tcp, "/v1/events?follow=1");
    it.world.wedged.add("logos");
    await until("an operation was carried out", () => following.lines.some((line) => line.kind === "on-confirmed"));
    following.close();
    const seqs = following.lines.map((line) => line.seq);
    assert.deepEqual(seqs, Array.from({ length: seqs.length }, (_, n) => (seqs[0] ?? 0) + n));
    const [first = 0] = seqs;
    assert.ok(first <= 2, `begins with line ${first}`);
    const past = (await ask(it.tcp, "GET", `/v1/events?after=${first + 2}&limit=5`)).text.trim().split("\n").map((line) => (JSON.parse(line) as EventLine).seq);
    assert.equal(past.length, 5, "the newest five, and they are not in the history yet");
    assert.ok((past[4] ?? 0) >= (seqs.at(-1) ?? 0));
  } finally {
    await it.close();
  }
});

test("an incident from the first bad sign on: by its name, and in the list with its phases", async () => {
  const it = await opened();
  try {
    await until("guarded", async () => ((await ask(it.tcp, "GET", "/v1/status")).json as StatusReport).guarded === "3 of 3");
    it.world.wedged.add("ethos");
    const name = await until("cut", () => (it.world.commands.length > 0 ? it.world.watcher.state.hosts.get("ethos")?.incident?.incident : null));
    it.world.wedged.delete("ethos");
    const open = (await ask(it.control, "GET", "/v1/incidents")).json as readonly IncidentReport[];
    assert.deepEqual(open.map((each) => [each.incident, each.outcome, each.ended]), [[name, "open", null]], "an open one is listed once");
    const closed = await until("recovered", async () => {
      const got = (await ask(it.tcp, "GET", `/v1/incidents/${name}`)).json as IncidentReport;
      return got.outcome === "recovered" ? got : null;
    });
    for (const phase of ["detectMs", "decideMs", "cutMs", "offMs", "bootMs", "totalMs"] as const) assert.equal(typeof closed.phases[phase], "number", phase);
    const why = (await ask(it.tcp, "GET", `/v1/why/${name}`)).json as Extract<WhyReport, { kind: "incident" }>;
    const kinds = why.events.map((event) => event.kind);
    assert.deepEqual([why.kind, kinds[0], why.missing], ["incident", "suspect", null], "the signs before it had a name are part of it");
    const order = ["suspect", "down", "intended", "off-sent", "off-confirmed", "on-sent", "on-confirmed", "recovered"];
    assert.deepEqual(order.map((kind) => kinds.indexOf(kind)).toSorted((a, b) => a - b), order.map((kind) => kinds.indexOf(kind)), kinds.join(" "));
    assert.ok(!order.some((kind) => !kinds.includes(kind)), kinds.join(" "));
    assert.deepEqual(it.world.commands, ["off 3", "on 3"]);
  } finally {
    await it.close();
  }
});

test("a broken history: why still explains, with what this process remembers; the rest says what is broken", async () => {
  const world = openWorld();
  const broken = () => Promise.reject(new UpkeepError("LEDGER_IO", "the history cannot be read: disk I/O error"));
  const it = await opened({ world, sources: { ...world.sources, history: { events: broken, incidents: broken, incident: broken, eventsOf: broken, chain: broken, results: broken, hosts: broken, availability: broken } } });
  try {
    await until("a line", () => world.watcher.state.seq > 1);
    const why = (await ask(it.tcp, "GET", "/v1/why/logos")).json as WhyReport;
    assert.equal(why.missing, "the history cannot be read: disk I/O error");
    const events = await ask(it.tcp, "GET", "/v1/events");
    assert.deepEqual([events.status, errorOf(events)], [503, "the history cannot be read: disk I/O error"]);
    assert.equal((await ask(it.tcp, "GET", "/v1/status")).status, 200);
  } finally {
    await it.close();
  }
});

test("a follower that does not read is cut off, and there is room for 32", async () => {
  const world = openWorld();
  const listeners = new Set<(told: Told) => void>();
  const sources: ApiSources = { ...world.sources, watcher: { get state() { return world.watcher.state; }, get policy() { return world.watcher.policy; }, command: (by, command) => world.watcher.command(by, command), listen: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  } } };
  const it = await opened({ world, sources });
  const lazy = await follow(it.control, "/v1/events?follow=1&limit=0");
  lazy.response.pause();
  const many = await Promise.all(Array.from({ length: 31 }, () => follow(it.control, "/v1/events?follow=1&limit=0")));
  try {
    await assert.rejects(follow(it.control, "/v1/events?follow=1"), /status 503/);
    let seq = 0;
    // In steps, so that those who read can.
    await until("the lazy one is gone", async () => {
      for (let n = 0; n < 200; n += 1) for (const listener of listeners) listener({ seq: (seq += 1), kind: "healthy", host: null, incident: null, because: "x".repeat(400), cause: null });
      await new Promise((resolve) => setTimeout(resolve, 5));
      const again = await follow(it.control, "/v1/events?follow=1&limit=0").catch(() => null);
      again?.close();
      return again !== null;
    });
    await until("the others have it all", () => many.every((each) => each.lines.at(-1)?.seq === seq));
  } finally {
    lazy.close();
    for (const each of many) each.close();
    await it.close();
  }
});

test("one number everywhere: a command's answer, the stream, the events, who was called, and why", async () => {
  const it = await opened({ world: openWorld({ historyLag: 3 }) });
  try {
    await until("guarded", async () => ((await ask(it.tcp, "GET", "/v1/status")).json as StatusReport).guarded === "3 of 3");
    const answer = (await post(it.control, "/v1/commands", { by: "anna", command: { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "a new disk" } })).json as Answer;
    assert.ok(answer.event !== null);
    const told = (await ask(it.tcp, "GET", `/v1/why/${answer.event}`)).json as Extract<WhyReport, { kind: "event" }>;
    assert.equal(told.kind, "event");
    assert.match(told.event.because, /a new disk/);
    assert.equal(told.events.at(-1)?.seq, answer.event);
    const audited = (await ask(it.control, "GET", "/v1/audit")).text.trim().split("\n").map((each) => JSON.parse(each) as AuditLine);
    assert.ok(audited.at(-1)?.answer.endsWith(`(line ${answer.event})`), audited.at(-1)?.answer);
    it.world.wedged.add("ethos");
    const called = await until("somebody is called", () => it.world.called.find((seq) => seq > (answer.event ?? 0)));
    const why = (await ask(it.tcp, "GET", `/v1/why/${called}`)).json as Extract<WhyReport, { kind: "event" }>;
    assert.equal(why.event.kind, "alarm");
    assert.ok(why.events.length > 1 && why.events.every((line, index) => index === 0 || line.cause === why.events[index - 1]?.seq), "each led to the next");
    const refused = (await post(it.control, "/v1/commands", { by: "anna", command: { kind: "release", host: "logos" } })).json as Answer;
    assert.equal(((await ask(it.tcp, "GET", `/v1/why/${refused.event ?? 0}`)).json as Extract<WhyReport, { kind: "event" }>).event.kind, "command-refused");
    for (const path of ["/v1/why/999999", "/v1/why/0", "/v1/why/-1", "/v1/why/1e3"]) assert.equal((await ask(it.tcp, "GET", path)).status, 404, path);
  } finally {
    await it.close();
  }
});
