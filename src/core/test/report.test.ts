// What is told of the state: the shape that outside programs rely on, and sentences that say what the brakes say.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { explain } from "../explain.ts";
import type { Effect, Input } from "../io.ts";
import type { HostPolicy, Policy } from "../policy.ts";
import { LIMITS } from "../policy.ts";
import { hostReport, incidentReport, iso, statusReport } from "../report.ts";
import type { State } from "../state.ts";
import { emptyState } from "../state.ts";
import { step } from "../step.ts";
import type { Now } from "../time.ts";

const WALL_MS = Date.UTC(2026, 0, 31, 12, 0, 0);
const at = (sinceMs: number): Now => ({ bootMs: 1_000_000 + sinceMs, wallMs: WALL_MS + sinceMs, bootId: "boot", synced: true });

function policyWith(change: Partial<HostPolicy> = {}, fleet: Partial<Policy> = {}): Policy {
  const host: HostPolicy = {
    name: "logos", hash: "h", address: "10.0.0.11", group: "default", behind: null, armed: true, everyMs: 5_000, timeoutMs: 1_000, threshold: 5, retryMs: [],
    debounceMs: 40_000, bootMs: 300_000, offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
    probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }, { id: "dns", counts: true }], goodNeeded: null, levels: [[{ device: "sucker", outlet: "2" }]],
    budget: { cycles: 3, withinMs: 21_600_000 }, self: false, storeMembers: 0, ...change,
  };
  return {
    site: "homelab", watcher: "rikis-hopuuj", armed: true, hosts: new Map([["logos", host]]),
    devices: new Map([["sucker", { name: "sucker", driver: "apc", address: "10.0.0.9:23", maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true }]]),
    brakes: { startupMs: 0, maxUnhealthy: 1, coolDownMs: 0, concurrent: 1, perHour: null }, observers: 3, lone: "hold", shared: null, limits: LIMITS, ...fleet,
  };
}

/** The core with a store that answers at once; everything else is given by the test. */
class Core {
  state: State = emptyState();
  readonly policy: Policy;
  #revision = 0;
  effects: Effect[] = [];

  constructor(policy: Policy) {
    this.policy = policy;
    this.take({ kind: "start", records: [], uptimeMs: 10_000_000, wentBack: null, seq: 0, ledger: "x" }, 0);
  }

  take(input: Input, sinceMs: number): void {
    const { state, effects } = step(this.state, input, at(sinceMs), this.policy);
    this.state = state;
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind !== "store") continue;
      this.#revision += 1;
      this.take({ kind: "stored", txn: effect.txn, result: "committed", revision: this.#revision, sentMs: at(sinceMs).bootMs }, sinceMs);
    }
  }

  round(sinceMs: number, ssh: "good" | "bad"): void {
    const sign = ssh === "good" ? "answer" as const : "silent" as const;
    this.take({ kind: "round", round: { host: "logos", hash: "h", startedAtMs: at(sinceMs).bootMs, endedAtMs: at(sinceMs).bootMs, references: "none", results: [
      { probe: "ping", outcome: "good", sign: "answer", evidence: "echo reply", latencyMs: 0.4 },
      { probe: "ssh", outcome: ssh, sign, evidence: ssh === "good" ? "SSH-2.0-OpenSSH_9.2" : "accepted, no banner within 1000 ms", latencyMs: 1_000 },
      { probe: "dns", outcome: "bad", sign: "refused", evidence: "refused", latencyMs: 1 },
    ] } }, sinceMs);
  }

  read(sinceMs: number, state: "on" | "off" | "unknown"): void {
    const asked = this.effects.filter((effect) => effect.kind === "read").at(-1);
    assert.ok(asked?.kind === "read", "the device was asked");
    this.take({ kind: "readings", read: asked.read, device: "sucker", startedAtMs: at(sinceMs).bootMs, result: { ok: true, readings: [{ outlet: "2", state, label: "logos" }] } }, sinceMs);
  }

  status(sinceMs: number) {
    return statusReport(this.state, this.policy, at(sinceMs));
  }

  why(sinceMs: number) {
    const told = explain(this.state, this.policy, at(sinceMs), "logos");
    assert.ok(told !== undefined);
    return told;
  }
}

test("times are those of Date, for every millisecond between the years 0 and 9999", () => {
  fc.assert(fc.property(fc.integer({ min: Date.UTC(0, 0, 1) - 60 * 31_557_600_000, max: Date.UTC(9999, 11, 31) }), (ms) => assert.equal(iso(ms), new Date(ms).toISOString())), { numRuns: 3_000 });
  for (const text of ["1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2000-12-31T00:00:00.000Z", "2100-03-01T00:00:00.001Z"]) assert.equal(iso(Date.parse(text)), text);
});

test("status has the fields of the contract, and nothing is guarded before it was looked at", () => {
  const core = new Core(policyWith());
  const first = core.status(1_000);
  assert.deepEqual(Object.keys(first).slice(0, 6), ["site", "at", "guarded", "hosts", "watchers", "devices"]);
  assert.equal(first.site, "homelab");
  assert.equal(first.at, "2026-01-31T12:00:01.000Z");
  assert.equal(first.guarded, "0 of 1");
  const [host] = first.hosts;
  assert.deepEqual(Object.keys(host ?? {}).slice(0, 11), ["host", "verdict", "counter", "threshold", "since", "guarded", "why", "wanted", "brakes", "power", "incident"]);
  assert.deepEqual([host?.verdict, host?.guarded, host?.why, host?.wanted, host?.incident], ["unknown", false, "no round yet", "on", null]);
  assert.deepEqual(host?.power, [{ outlet: "sucker/2", state: "unknown", at: null, label: null, level: 1, proved: false }]);
  core.round(2_000, "good");
  assert.equal(core.status(2_000).hosts[0]?.why, "sucker/2 has not been read yet");
  core.read(2_500, "on");
  const now = core.status(3_000);
  assert.deepEqual([now.guarded, now.hosts[0]?.guarded, now.hosts[0]?.why, now.hosts[0]?.verdict], ["1 of 1", true, null, "up"]);
  assert.deepEqual(now.hosts[0]?.power, [{ outlet: "sucker/2", state: "on", at: "2026-01-31T12:00:02.500Z", label: "logos", level: 1, proved: false }]);
  assert.deepEqual(now.devices, [{ device: "sucker", driver: "apc", address: "10.0.0.9:23", readable: true, why: null, at: "2026-01-31T12:00:02.500Z" }]);
  // Sixteen minutes later the reading is too old to vouch for anything.
  assert.match(core.status(960_000).hosts[0]?.why ?? "", /sucker\/2 was last read 15 min \d+ s ago/);
});

test("status asks the brakes anew, and names whoever put them on", () => {
  const core = new Core(policyWith());
  core.round(1_000, "good");
  core.read(1_000, "on");
  core.take({ kind: "command", id: 1, by: "riki@pts/3", command: { kind: "brake", brake: "maintenance", scope: "logos", forMs: 7_200_000, reason: "kernel" } }, 2_000);
  core.take({ kind: "command", id: 2, by: "riki@pts/3", command: { kind: "brake", brake: "inhibit", scope: "*", forMs: null, reason: "" } }, 2_000);
  const status = core.status(3_600_000 + 2_000);
  assert.equal(status.guarded, "0 of 1");
  assert.deepEqual(status.hosts[0]?.brakes.map((brake) => brake.brake), ["maintenance", "inhibit"]);
  assert.match(status.hosts[0]?.why ?? "", /^maintenance by riki@pts\/3 for another 1 h: kernel$/);
  assert.deepEqual(status.brakes[0], { brake: "maintenance", scope: "logos", by: "riki@pts/3", reason: "kernel", since: "2026-01-31T12:00:02.000Z", until: "2026-01-31T14:00:02.000Z", leftMs: 3_600_000 });
});

test("a suspect host: how many more bad rounds, and what then", () => {
  const core = new Core(policyWith());
  core.round(0, "good");
  core.read(0, "on");
  assert.match(core.why(1_000).next.join("\n"), /^After 5 bad rounds \(no sooner than 20 s after the first\) its power at sucker\/2 is cut, read back as off, and restored after 5 s\.$/);
  for (let n = 1; n <= 3; n += 1) core.round(n * 5_000, "bad");
  const { host, seen, next } = core.why(16_000);
  assert.deepEqual([host.verdict, host.counter, host.since], ["suspect", 3, "2026-01-31T12:00:05.000Z"]);
  assert.ok(seen.includes("The last round, 1 s ago, was bad: ssh: accepted, no banner within 1000 ms."), seen.join("\n"));
  assert.ok(seen.includes("dns has never passed here, and does not count until then."), seen.join("\n"));
  assert.ok(seen.some((line) => line.startsWith("That sucker/2 feeds it is what the configuration says")));
  assert.deepEqual(next, ["After 2 more bad rounds its power at sucker/2 is cut, read back as off, and restored after 5 s."]);
});

test("a host that is down and braked: each brake is said", () => {
  const core = new Core(policyWith({}, { armed: false }));
  core.round(0, "good");
  core.read(0, "on");
  for (let n = 1; n <= 5; n += 1) core.round(n * 5_000, "bad");
  const { host, next } = core.why(26_000);
  assert.deepEqual([host.verdict, host.counter], ["down", 5]);
  assert.match(host.incident ?? "", /^[a-z]{5}-[a-z]{5}$/);
  assert.equal(host.since, "2026-01-31T12:00:25.000Z");
  assert.deepEqual(next, ["It is down and is not cut, because: disarmed in the configuration."]);
});

test("an operation under way: its phase in words, and who asked", () => {
  const core = new Core(policyWith());
  core.round(0, "good");
  core.read(0, "on");
  for (let n = 1; n <= 5; n += 1) core.round(n * 5_000, "bad");
  const { host, seen, next } = core.why(27_000);
  assert.deepEqual([host.operation?.phase, host.operation?.kind, host.operation?.by, host.operation?.level], ["intended", "cycle", "auto", 1]);
  assert.ok(seen.includes("Rounds during an operation are recorded and not counted."));
  assert.match(next.join("\n"), /^Operation \d+ \(cycle\) has been under way for 2 s, because .*5 bad rounds.*\nIt is about to cut sucker\/2: it logs in and reads first/s);
});

test("held, wanted off, without power: what is asked is said with the command to type", () => {
  const off = new Core(policyWith());
  off.round(0, "good");
  off.take({ kind: "command", id: 1, by: "riki", command: { kind: "confirm-off", host: "logos", confirm: "logos", reason: "unplugged" } }, 1_000);
  assert.equal(off.status(2_000).hosts[0]?.wanted, "off");
  assert.match(off.why(2_000).next[0] ?? "", /^It is wanted off by riki \(unplugged\)\. To have it back: upkeep power logos on$/);

  const held = new Core(policyWith());
  held.round(0, "good");
  held.read(0, "on");
  const host = held.state.hosts.get("logos");
  assert.ok(host !== undefined);
  const hold = { kind: "budget" as const, because: "3 power cycles within 6 h did not cure it", since: { bootMs: at(0).bootMs, wallMs: WALL_MS, bootId: "boot" }, sticky: true };
  held.state = { ...held.state, hosts: held.state.hosts.with("logos", { ...host, record: { ...host.record, hold } }) };
  assert.match(held.why(600_000).next[0] ?? "", /^It has been held for 10 min, because 3 power cycles .* until it is released: upkeep release logos$/);

  const bare = new Core(policyWith({ levels: [] }));
  bare.round(0, "good");
  assert.equal(bare.status(1_000).hosts[0]?.why, "no power outlet is configured");
  assert.match(bare.why(1_000).next[0] ?? "", /nothing would be cut as things stand: no power outlet is configured/);
});

test("a stamp of this boot is told by the wall clock of now, one of another boot as it was written", () => {
  const core = new Core(policyWith());
  core.round(0, "good");
  const host = core.state.hosts.get("logos");
  const policy = core.policy.hosts.get("logos");
  assert.ok(host !== undefined && policy !== undefined);
  const last = (bootId: string) => {
    const record = { ...host.record, lastOperation: { id: 7, kind: "cycle" as const, outcome: "recovered" as const, at: { bootMs: 1_000_000, wallMs: 5, bootId } } };
    return hostReport({ ...host, record }, policy, core.state, core.policy, at(60_000)).lastOperation?.at;
  };
  assert.equal(last("boot"), "2026-01-31T12:00:00.000Z");
  assert.equal(last("another"), "1970-01-01T00:00:00.005Z");
});

test("an incident: its phases in milliseconds, null where one was not reached", () => {
  const moment = (ms: number) => ({ bootMs: ms, wallMs: WALL_MS + ms, bootId: "boot" });
  const report = incidentReport({ v: 1, incident: "lusab-babad", host: "logos", began: moment(0), firstSign: "ssh: silent", downAt: moment(20_000), intendedAt: moment(20_010), offSentAt: moment(21_000), offConfirmedAt: moment(23_000), onConfirmedAt: null, endedAt: null, outcome: "open" });
  assert.deepEqual(report.phases, { detectMs: 20_000, decideMs: 1_000, cutMs: 2_000, offMs: null, bootMs: null, totalMs: null });
  assert.deepEqual([report.incident, report.began, report.ended, report.outcome], ["lusab-babad", "2026-01-31T12:00:00.000Z", null, "open"]);
});

test("an unknown host is not explained", () => {
  assert.equal(explain(new Core(policyWith()).state, policyWith(), at(0), "nobody"), undefined);
});
