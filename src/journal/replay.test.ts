// The real watcher, on a clock of its own, with a real ledger and a real history, cuts a wedged host and brings it back; then
// every decision is taken again from the record alone.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Told } from "../core/io.ts";
import type { HostPolicy, Policy } from "../core/policy.ts";
import { LIMITS } from "../core/policy.ts";
import type { Round } from "../core/round.ts";
import type { Now } from "../core/time.ts";
import type { PowerDevice } from "../power/power.ts";
import { openLedger } from "../stores/embedded.ts";
import { Watcher } from "../watcher/watcher.ts";
import { FrameWriter } from "./frames.ts";
import { openHistoryFile } from "./history-file.ts";
import { openHistory } from "./history.ts";
import { gap } from "./intake.ts";
import { replay, replayFrames } from "./replay.ts";

const WALL_MS = Date.UTC(2026, 10, 21, 10, 0, 0);
const HOST: HostPolicy = {
  name: "logos", hash: "h1", address: "10.0.0.11", group: "", behind: null, armed: true, everyMs: 5_000, timeoutMs: 1_000, threshold: 5, retryMs: [],
  debounceMs: 40_000, bootMs: 300_000, offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
  probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null, levels: [[{ device: "sucker", outlet: "2" }]], budget: { cycles: 3, withinMs: 21_600_000 }, self: false, storeMembers: 0,
};
const POLICY: Policy = {
  site: "homelab", watcher: "rikis", armed: true, hosts: new Map([["logos", HOST]]),
  devices: new Map([["sucker", { name: "sucker", driver: "apc", address: "10.0.0.9", maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true }]]),
  brakes: { startupMs: 60_000, maxUnhealthy: 1, coolDownMs: 120_000, concurrent: 1, perHour: null }, observers: 1, lone: "hold", shared: null, limits: LIMITS,
};

/** Time that passes when the test says so. */
class VirtualClock {
  #nowMs: number;
  #order = 0;
  #timers: { atMs: number; order: number; run: () => void }[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  now(): Now {
    return { bootMs: this.#nowMs, wallMs: WALL_MS + this.#nowMs, bootId: "boot", synced: true };
  }

  at(atMs: number, then: () => void): () => void {
    const timer = { atMs: Math.max(atMs, this.#nowMs), order: (this.#order += 1), run: then };
    this.#timers.push(timer);
    return () => { this.#timers = this.#timers.filter((each) => each !== timer); };
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter((each) => each.atMs <= untilMs).toSorted((one, other) => one.atMs - other.atMs || one.order - other.order);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#nowMs = next.atMs;
      next.run();
      // What a session of the device does is a chain of promises; none of it takes time here.
      for (let n = 0; n < 4; n += 1) await turn();
    }
    this.#nowMs = untilMs;
  }
}

/** Watches a host that freezes after five minutes and comes back a minute after its power did. Everything is recorded in `dataDir`. */
async function live(dataDir: string, policy: Policy, startMs: number): Promise<readonly Told[]> {
  const clock = new VirtualClock(startMs);
  const ledger = openLedger({ dataDir, watcherName: policy.watcher, now: clock.now(), reserve: { bytes: 4_096, retryMs: 60_000 } });
  const history = await openHistory({ dataDir, onProblem: assert.fail });
  ledger.store.onDurable((memory) => history.remember(memory));
  let outlet: "on" | "off" = "on";
  let frozen = false;
  // Times with a fraction are written otherwise than whole ones.
  const tookMs = 20 + (startMs % 1) / 2;
  const device: PowerDevice = {
    open: async () => ({
      read: async (outlets) => outlets.map((each) => ({ outlet: each, state: outlet, label: "logos" })),
      set: async (each, action, fire) => {
        const fired = await fire({ outlet: each, state: outlet, label: "logos" }, () => { outlet = action; });
        return fired ? { kind: "accepted", evidence: "E000: Success" } : { kind: "refused", by: "gate", evidence: "not let go" };
      },
      close: async () => undefined,
    }),
  };
  const told: Told[] = [];
  const watcher = new Watcher({
    clock, store: ledger.store, power: () => device, exit: () => undefined,
    journal: { told: (line, now) => { told.push(line); history.told(line, now); }, input: (input, now) => history.input(input, now), incident: (record) => history.incident(record) },
    alerts: { raise: () => undefined, over: () => undefined },
    touch: async () => ({ answered: "no", evidence: "no echo, no TCP" }),
    rounds: {
      start: (host, limitMs, onRound) => clock.at(clock.now().bootMs + tookMs, () => {
        const endedAtMs = clock.now().bootMs;
        const serves = outlet === "on" && !frozen;
        const round: Round = { host, hash: HOST.hash, startedAtMs: endedAtMs - tookMs, endedAtMs, references: "none", results: [
          { probe: "ping", outcome: outlet === "on" ? "good" : "bad", sign: outlet === "on" ? "answer" : "silent", evidence: "echo", latencyMs: 0.3 },
          { probe: "ssh", outcome: serves ? "good" : "bad", sign: serves ? "answer" : "silent", evidence: serves ? "SSH-2.0-OpenSSH" : `no banner within ${limitMs} ms`, latencyMs: 12.5 },
        ] };
        onRound(round);
      }),
    },
  }, policy);
  history.policy(policy);
  watcher.start({ kind: "start", records: ledger.records, uptimeMs: 1_000_000, wentBack: ledger.wentBack, seq: history.lastSeq(), ledger: ledger.store.identity });
  await clock.pass(300_000);
  frozen = true;
  await clock.pass(60_000);
  frozen = false;
  await clock.pass(120_000);
  await watcher.command("root", { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "new disk" });
  const slower = { ...policy, hosts: new Map([["logos", { ...HOST, threshold: 3 }]]) };
  history.policy(slower);
  watcher.reload(slower);
  await clock.pass(90_000);
  await watcher.kill();
  await history.close();
  await ledger.store.close();
  return told;
}

test("every line that the watcher told is told again from its record", { timeout: 30_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "upkeep-replay-"));
  try {
    const told = await live(dataDir, POLICY, 1_000_000.25);
    for (const kind of ["started", "suspect", "down", "intended", "off-sent", "off-confirmed", "on-sent", "on-confirmed", "recovered", "brake", "policy"]) {
      assert.ok(told.some((line) => line.kind === kind), `the story lacks ${kind}:\n${told.map((line) => `${line.kind} ${line.because}`).join("\n")}`);
    }
    const result = replay(dataDir);
    assert.deepEqual(result, { kind: "same", inputs: result.kind === "same" ? result.inputs : 0, lines: told.length, unrecorded: 0 });
    assert.ok(result.kind === "same" && result.inputs > 500);

    // A second life of the same watcher is replayed from its own start, on top of the first one's ledger.
    const again = await live(dataDir, POLICY, 10_000_000);
    const second = replay(dataDir);
    assert.ok(second.kind === "same" && second.lines === again.length, JSON.stringify(second));
    const [first] = again;
    assert.ok(first !== undefined && first.seq === told.length + 1);

    // It can also say no: another policy leads to other lines, and so does a record that was changed.
    const { file } = openHistoryFile(join(dataDir, "history.sqlite"), 0);
    const frames = [...file.framesFromLastStart()];
    const stricter = (bytes: Uint8Array): Uint8Array => Buffer.from(Buffer.from(bytes).toString("latin1").replaceAll('"threshold":5', '"threshold":4'), "latin1");
    const strict = replayFrames(frames.map(stricter), (seq) => file.event(seq));
    assert.equal(strict.kind, "different");
    const changed = replayFrames(frames, (seq) => {
      const event = file.event(seq);
      return event?.kind === "off-sent" ? { ...event, because: `${event.because}!` } : event;
    });
    assert.ok(changed.kind === "different" && changed.replayed.kind === "off-sent");
    const torn = replayFrames(frames, (seq) => (seq > first.seq + 10 ? undefined : file.event(seq)));
    assert.ok(torn.kind === "same" && torn.unrecorded === again.length - 11, JSON.stringify(torn));
    const hole = replayFrames([...frames, gap(7).body], (seq) => file.event(seq));
    assert.ok(hole.kind === "incomplete" && /7 inputs were lost/.test(hole.because));
    const bytes = Buffer.concat(frames);
    const damaged = replayFrames([bytes.subarray(0, bytes.length - 5)], (seq) => file.event(seq));
    assert.ok(damaged.kind === "incomplete" && /cannot be read/.test(damaged.because), JSON.stringify(damaged));
    const idle = new FrameWriter();
    idle.input({ kind: "clock" }, { bootMs: 1, wallMs: 2, bootId: "b", synced: true });
    assert.equal(replayFrames([idle.take().frames], () => undefined).kind, "incomplete");
    file.close();
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
