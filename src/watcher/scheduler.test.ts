// Whom to look at and when: the pace of each host, and only the hosts that the core observes. Time stands still until it is
// moved.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Input } from "../core/io.ts";
import type { HostPolicy, Policy } from "../core/policy.ts";
import type { Ports } from "./ports.ts";
import { Scheduler } from "./scheduler.ts";
import { VirtualClock } from "../process/virtual-clock.ts";
import { staleBecause } from "./watcher.ts";

type Rig = { readonly clock: VirtualClock; readonly scheduler: Scheduler; readonly rounds: string[]; readonly cancelled: string[]; readonly posted: Input[]; slow: boolean };

function rig(): Rig {
  const clock = new VirtualClock();
  const [rounds, cancelled, posted]: [string[], string[], Input[]] = [[], [], []];
  const ports = {
    clock: { now: () => ({ bootMs: clock.nowMs(), wallMs: 0, bootId: "b", synced: true }), at: (atMs: number, then: () => void) => clock.at(atMs, then) },
    rounds: {
      start: (host, _limitMs, onRound) => {
        rounds.push(host);
        if (!made.slow) queueMicrotask(() => onRound({ host, hash: "h", startedAtMs: clock.nowMs(), endedAtMs: clock.nowMs(), references: "none", results: [] }));
        return () => cancelled.push(host);
      },
    },
  } satisfies Pick<Ports, "clock" | "rounds">;
  const made: Rig = { clock, scheduler: new Scheduler(ports as unknown as Ports, (input) => posted.push(input)), rounds, cancelled, posted, slow: false };
  return made;
}

function policyOf(names: readonly string[], everyMs = 5_000): Policy {
  return { hosts: new Map(names.map((name) => [name, { name, everyMs } as HostPolicy])) } as unknown as Policy;
}

test("every host is looked at at its own pace until the core says which ones", async () => {
  const { clock, scheduler, rounds } = rig();
  const policy = policyOf(["a", "b", "c"]);
  scheduler.follow(policy);
  await clock.advance(15_000);
  assert.deepEqual(["a", "b", "c"].map((host) => rounds.filter((each) => each === host).length), [3, 3, 3]);
  scheduler.close();
  assert.equal(clock.pending, 0);
});

test("hosts whose names differ in their last digits alone are spread over the interval", async () => {
  const { clock, scheduler, rounds } = rig();
  scheduler.follow(policyOf(Array.from({ length: 100 }, (_, at) => `web${String(at).padStart(2, "0")}`), 10_000));
  const looks: number[] = [];
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const before = rounds.length;
    await clock.advance(1_000);
    looks.push(rounds.length - before);
  }
  assert.ok(looks.every((each) => each >= 2 && each <= 25), looks.join(" "));
  scheduler.close();
});

test("only observed hosts are looked at; one that is observed again comes within its pace", async () => {
  const { clock, scheduler, rounds } = rig();
  const policy = policyOf(["a", "b", "c"]);
  scheduler.follow(policy);
  scheduler.observe(new Set(["b", "nobody"]), policy);
  await clock.advance(10_000);
  assert.deepEqual(new Set(rounds), new Set(["b"]));
  assert.equal(rounds.length, 2);
  scheduler.observe(new Set(["a", "b"]), policy);
  await clock.advance(5_000);
  assert.deepEqual(rounds.slice(2).sort(), ["a", "b"]);
  // A reload brings hosts that nobody has assigned yet.
  scheduler.follow(policyOf(["a", "b", "c", "d"]));
  await clock.advance(5_000);
  assert.deepEqual(rounds.slice(4).sort(), ["a", "b"]);
  scheduler.observe(new Set(), policy);
  const before = rounds.length;
  scheduler.pace("a", clock.nowMs() + 10);
  await clock.advance(20_000);
  assert.equal(rounds.length, before);
  assert.equal(clock.pending, 0);
});

test("a round that is under way ends when its host is not observed any more, and nothing of it is told", async () => {
  const at = rig();
  at.slow = true;
  const policy = policyOf(["a"]);
  at.scheduler.follow(policy);
  await at.clock.advance(5_000);
  assert.deepEqual([at.rounds, at.cancelled], [["a"], []]);
  at.scheduler.observe(new Set(), policy);
  assert.deepEqual([at.cancelled, at.posted], [["a"], []]);
  at.slow = false;
  at.scheduler.observe(new Set(["a"]), policy);
  await at.clock.advance(5_000);
  assert.deepEqual([at.rounds, at.posted.length], [["a", "a"], 1]);
});

test("the byte is let go within the window and before the lease ends, and never after", () => {
  const fire = { sinceMs: 1_000, withinMs: 500, beforeMs: 1_400 };
  assert.equal(staleBecause(fire, 1_399), null);
  assert.match(staleBecause(fire, 1_400) ?? "", /lease .* ended 0 ms before/);
  assert.match(staleBecause({ ...fire, beforeMs: null }, 1_501) ?? "", /501 ms had passed since the swap, more than 500 ms/);
  assert.equal(staleBecause({ ...fire, beforeMs: null }, 1_500), null);
  assert.equal(staleBecause({ sinceMs: 0, withinMs: null, beforeMs: null }, 1e9), null, "an owed on has no bound");
});
