// An agent and its leases, one case at a time; everything at once is sim/leases.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { FenceEffect, FenceInput, FencePolicy, FenceState, Kept, ServiceIs } from "../self-fence.ts";
import { beginFencing, fenceStep } from "../self-fence.ts";

const POLICY: FencePolicy = { services: ["db"], ttlMs: 30_000, stopWithinMs: 20_000, resetWithinMs: 30_000 };

/** An agent in the hands of a test: its files and its watchdog answer at once as long as they work. */
class Agent {
  nowMs = 100_000;
  state: FenceState;
  disk = true;
  dog: string | null = null;
  written: readonly Kept[] = [];
  effects: FenceEffect[] = [];

  constructor(kept: readonly Kept[] = [], nowMs = 100_000) {
    this.nowMs = nowMs;
    this.state = beginFencing(POLICY, kept, nowMs);
  }

  input(input: FenceInput): void {
    const { state, effects } = fenceStep(this.state, input, this.nowMs, POLICY);
    this.state = state;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind === "keep" && this.disk) {
        this.written = effect.kept;
        this.input({ kind: "kept", kept: effect.kept });
      }
      if (effect.kind === "open-dog") this.input({ kind: "dog", refused: this.dog });
    }
  }

  /** Ticks on, a second each; what has been emitted meanwhile. */
  pass(ms: number): readonly string[] {
    this.effects = [];
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 1_000;
      this.input({ kind: "tick" });
    }
    return this.effects.flatMap((effect) => (effect.kind === "run" ? [effect.command] : effect.kind === "open-dog" || effect.kind === "close-dog" ? [effect.kind] : []));
  }

  get pets(): number {
    return this.effects.filter(({ kind }) => kind === "pet").length;
  }

  /** The last request is granted, after so long. */
  grant(epoch = 1, afterMs = 0): void {
    const n = this.state.asked.at(-1)?.n ?? 0;
    this.nowMs += afterMs;
    this.input({ kind: "answer", n, granted: [{ service: "db", epoch }], giveBack: [] });
  }

  act(ok: boolean, is?: ServiceIs): void {
    const act = this.state.services[0]?.act;
    assert.ok(act !== null && act !== undefined, "something runs");
    this.input({ kind: "acted", act: act.id, ok, ...(is === undefined ? {} : { is }), evidence: "said so" });
  }

  get lease() {
    return this.state.services[0]?.lease ?? null;
  }

  get said() {
    return this.effects.flatMap((effect) => (effect.kind === "renew" ? effect.request.services.map(({ givenBack }) => givenBack) : []));
  }
}

/** It has a lease and the service runs. */
function running(): Agent {
  const agent = new Agent();
  assert.deepEqual(agent.pass(1_000), ["status"]);
  agent.act(true, "stopped");
  agent.effects = [];
  agent.grant();
  assert.deepEqual(agent.effects.map(({ kind }) => kind).filter((kind) => kind !== "say"), ["keep", "open-dog", "run"]);
  agent.act(true);
  agent.act(true, "running");
  return agent;
}

test("a lease ends from when it was asked for, however late the answer", () => {
  const agent = new Agent();
  agent.pass(1_000);
  agent.act(true, "stopped");
  const sentMs = agent.nowMs;
  agent.grant(1, 25_000);
  assert.equal(agent.lease?.untilMs, sentMs + 30_000);
  // An answer to what another process has asked is none.
  agent.input({ kind: "answer", n: 7, granted: [{ service: "db", epoch: 9 }], giveBack: [] });
  assert.equal(agent.lease?.epoch, 1);
});

test("lost: stopped at its end, proved stopped, and the watchdog is closed", () => {
  const agent = running();
  assert.deepEqual(agent.pass(25_000).filter((each) => each !== "status"), []);
  assert.equal(agent.pets, 25);
  assert.deepEqual(agent.pass(6_000), ["stop"]);
  agent.act(true);
  agent.effects = [];
  agent.act(true, "stopped");
  assert.deepEqual(agent.effects.map(({ kind }) => kind), ["close-dog"]);
  agent.pass(60_000);
  assert.equal(agent.pets, 0);
});

test("a stop that fails: let go after stopWithin, not before, and petted again when it works after all", () => {
  const agent = running();
  agent.pass(31_000);
  agent.act(false);
  // What its status says then proves nothing.
  agent.pass(18_000);
  assert.equal(agent.pets, 18);
  agent.act(false);
  agent.pass(5_000);
  assert.notEqual(agent.state.lettingGo, null);
  assert.equal(agent.pets < 3, true);
  agent.act(true);
  agent.effects = [];
  agent.act(true, "stopped");
  agent.pass(1_000);
  assert.equal(agent.state.lettingGo, null);
});

test("found stopped under a lease is started, and is not proved stopped when the lease ends in that moment", () => {
  const agent = running();
  agent.dog = "busy";
  agent.pass(11_000);
  agent.input({ kind: "dog", refused: "gone" });
  // Without the watchdog it may not run: it is stopped, whatever it is.
  assert.equal(agent.state.services[0]?.act?.command, "stop");
});

test("given back: said when it is stopped and written down, and not before either", () => {
  const agent = running();
  agent.disk = false;
  agent.input({ kind: "answer", n: agent.state.asked.at(-1)?.n ?? 0, granted: [], giveBack: [{ service: "db", epoch: 1 }] });
  agent.pass(1_000);
  agent.act(true);
  agent.act(true, "stopped");
  agent.pass(30_000);
  assert.ok(agent.said.length > 0 && agent.said.every((epoch) => epoch === 0), "a process after this one would not know");
  agent.disk = true;
  agent.pass(2_000);
  assert.deepEqual(agent.said, [1]);
  // Who comes after does not start it either.
  const next = new Agent(agent.written, agent.nowMs);
  next.pass(1_000);
  next.grant();
  assert.ok(!next.pass(5_000).includes("start"));
});

test("nothing starts before the lease is written down, nor without the watchdog", () => {
  for (const breakIt of [(agent: Agent) => (agent.disk = false), (agent: Agent) => (agent.dog = "another process has it open")]) {
    const agent = new Agent();
    agent.pass(1_000);
    agent.act(true, "stopped");
    breakIt(agent);
    agent.effects = [];
    agent.grant();
    agent.pass(20_000);
    assert.ok(!agent.effects.some((effect) => effect.kind === "run" && effect.command === "start"));
  }
});

test("killed and started again in the same boot: it goes on, and opens the watchdog before anything else", () => {
  const before = running();
  const agent = new Agent(before.written, before.nowMs + 3_000);
  assert.deepEqual(agent.pass(1_000), ["open-dog", "status"]);
  agent.act(true, "running");
  agent.grant();
  assert.deepEqual(agent.pass(20_000).filter((each) => each !== "status"), []);
  // With a lease that has ended meanwhile it is stopped at once.
  const late = new Agent(before.written, before.nowMs + 60_000);
  assert.deepEqual(late.pass(1_000), ["open-dog", "stop"]);
});

test("a start that took most of the lease: it is asked for as soon as there is a watcher to ask, and goes on", () => {
  const before = running();
  const endsMs = before.lease?.untilMs ?? 0;
  const agent = new Agent(before.written, endsMs - 3_000);
  agent.pass(1_000);
  const asked = agent.state.asked.length;
  agent.input({ kind: "linked" });
  assert.equal(agent.state.asked.length, asked + 1, "not a third of the lease later");
  agent.grant();
  agent.act(true, "running");
  assert.ok(!agent.pass(20_000).includes("stop"));
  agent.input({ kind: "end" });
  agent.effects = [];
  agent.input({ kind: "linked" });
  assert.ok(!agent.effects.some(({ kind }) => kind === "renew"), "it ends");
});

test("what ends soon after each start is started ever more slowly, and that is said once a change", () => {
  const agent = running();
  const service = () => agent.state.services[0];
  /** A second in which the watchers renew it. */
  const second = (): void => {
    agent.nowMs += 1_000;
    agent.input({ kind: "tick" });
    if (agent.state.asked.at(-1)?.sentMs === agent.nowMs) agent.grant();
  };
  const until = (command: string): void => {
    for (let seconds = 0; service()?.act?.command !== command; seconds += 1) {
      assert.ok(seconds < 100, `no ${command}: ${JSON.stringify(service())}`);
      second();
    }
  };
  const pauses: number[] = [];
  const said: string[] = [];
  for (let fall = 0; fall < 10; fall += 1) {
    until("status");
    const fellMs = agent.nowMs;
    agent.effects = [];
    agent.act(true, "stopped");
    until("start");
    said.push(...agent.effects.flatMap((effect) => (effect.kind === "say" ? [effect.because] : [])));
    pauses.push((agent.nowMs - fellMs) / 1_000);
    agent.act(true);
    agent.act(true, "running");
  }
  assert.deepEqual(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
  assert.deepEqual(said, ["at once", ...[1, 2, 4, 8, 16, 32, 60].map((seconds) => `in ${seconds} s`)].map((when) => `db has ended by itself under lease 1, and is started again ${when}`));
  // One that has lasted begins again at once.
  for (let seconds = 0; seconds < 80; seconds += 1) {
    second();
    if (service()?.act?.command === "status") agent.act(true, "running");
  }
  assert.equal(service()?.row, 0);
});

test("a stop that is tried every second is said once for each reason, and again when it has stopped meanwhile", () => {
  const agent = running();
  const said = (): readonly string[] => agent.effects.flatMap((effect) => (effect.kind === "say" && effect.because.startsWith("db is stopped") ? [effect.because] : []));
  agent.pass(31_000);
  const all = [...said()];
  for (let tries = 0; tries < 10; tries += 1) {
    if (agent.state.services[0]?.act === null) agent.pass(1_000);
    agent.effects = [];
    agent.act(false);
    agent.pass(1_000);
    all.push(...said());
  }
  assert.deepEqual(all, ["db is stopped: lease 1 ended 0 s ago and no watcher has renewed it"]);
  agent.effects = [];
  agent.act(true);
  agent.act(true, "stopped");
  agent.grant(2);
  agent.act(true);
  agent.act(true, "running");
  agent.pass(31_000);
  assert.match(agent.effects.flatMap((effect) => (effect.kind === "say" && effect.because.startsWith("db is stopped") ? [effect.because] : [])).join(), /^db is stopped: lease 2 ended \d+ s ago and no watcher has renewed it$/);
});

test("what was never leased here is stopped, and never takes the host with it", () => {
  const agent = new Agent();
  agent.pass(1_000);
  agent.act(true, "running");
  assert.deepEqual(agent.pass(2_000), ["stop"]);
  agent.act(false);
  assert.ok(!agent.pass(300_000).includes("open-dog"));
  assert.equal(agent.state.lettingGo, null);
});

test("asked to end: stopped in order, and nothing is asked for any more", () => {
  const agent = running();
  agent.effects = [];
  agent.input({ kind: "end" });
  assert.equal(agent.state.services[0]?.act?.command, "stop");
  agent.act(true);
  agent.act(true, "stopped");
  assert.equal(agent.effects.at(-1)?.kind, "close-dog");
  assert.deepEqual(agent.pass(60_000), []);
  assert.deepEqual(agent.said, []);
});
