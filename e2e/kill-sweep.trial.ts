// `kill -9` on the n-th line and on the n-th byte that the PDU sees, for every n of a whole cycle, and at random, again and
// again. The kill comes from outside, between two bytes: the device holds still until the watcher is gone, then acts on what
// it has got. Another watcher starts at once. Whatever n is, the host is cut exactly once and comes back.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Dialect, Outage } from "./bench.ts";
import { BUSY_MS, EVERY_MS, inParallel, MAX_ACT_MS, THRESHOLD, TIMEOUT_MS } from "./bench.ts";
import { distribution, recordsOf } from "./watching.ts";

type Unit = "line" | "byte";

/** After this many outages in a row that were over before the n-th line or byte, there are no more. */
const OVER = 2;

/** 1, 1 + stride, … until the cycle is known to be shorter. */
class Points implements Iterator<number> {
  #next: number;
  readonly #stride: number;
  #notReached = 0;
  reached: number[] = [];

  constructor(stride: number, first = 1) {
    this.#next = first;
    this.#stride = stride;
  }

  next(): IteratorResult<number> {
    if (this.#notReached >= OVER) return { done: true, value: undefined };
    const value = this.#next;
    this.#next += this.#stride;
    return { done: false, value };
  }

  note(point: number, hit: boolean): void {
    if (hit) this.reached.push(point);
    else this.#notReached += 1;
  }
}

/** Kills at the n-th line or byte after the host's death. Of a byte's line the rest is lost in the cable; of a line nothing. */
async function killAt(bench: Bench, unit: Unit, n: number): Promise<{ readonly outage: Outage; readonly hit: boolean; readonly killedMs: number }> {
  let hit = false;
  let killedMs = 0;
  const outage = await bench.outage((_, { lines, bytes }) => {
    const kill = async (): Promise<void | "cut"> => {
      hit = true;
      await bench.killAndRestart();
      killedMs = Date.now();
      if (unit === "byte") return "cut";
    };
    if (unit === "line") bench.pdu.hooks.onLine = (_n, total) => (total === lines + n && !hit ? kill() : undefined);
    else bench.pdu.hooks.onByte = (_n, total) => (total === bytes + n && !hit ? kill() : undefined);
  });
  return { outage, hit, killedMs };
}

async function sweep(t: TestContext, dialect: Dialect, unit: Unit, benches: number, stride = 1, first = 1): Promise<void> {
  const points = new Points(stride, first);
  const offAfter: number[] = [];
  let atOff = 0;
  await inParallel(benches, dialect, points, async (bench, n) => {
    const { outage, hit, killedMs } = await killAt(bench, unit, n);
    points.note(n, hit);
    assert.equal(outage.starts, hit ? 1 : 0, "a watcher started once for each kill");
    if (outage.offAfterMs !== null) offAfter.push(outage.offAfterMs);
    const [off, on] = recordsOf(outage.records, "edge");
    if (!hit || off === undefined || on === undefined || off.wallMs > killedMs || on.wallMs < killedMs) return;
    // Killed while the host had no power: taken up within maxAct + 5 s after the start (contracts.md).
    atOff += 1;
    const darkMs = on.wallMs - killedMs;
    assert.ok(darkMs <= MAX_ACT_MS + 5_000 + BUSY_MS, `without power for ${darkMs} ms after the kill`);
  });
  const { reached } = points;
  t.diagnostic(`${dialect}: killed at ${reached.length} ${unit}s up to the ${Math.max(...reached)}th, ${atOff} of them without power; death to off: ${distribution(offAfter)}`);
  assert.ok(stride > 1 || reached.length >= 8, `only ${reached.length} ${unit}s were reached`);
  assert.ok(stride > 1 || atOff > 0, "no kill came while the host had no power: this sweep missed what it is for");
}

describe("kill -9", { concurrency: true }, () => {
  test("at every byte, menu3", (t) => sweep(t, "menu3", "byte", 4));
  test("at every line, menu3", (t) => sweep(t, "menu3", "line", 1));
  test("at every line, menu2", (t) => sweep(t, "menu2", "line", 1));
  test("at every line and every sixteenth byte, shell", async (t) => {
    await sweep(t, "shell", "line", 1);
    await sweep(t, "shell", "byte", 1, 16, 4);
  });
  test("at every fifteenth byte, menu2; at random, again and again; never", async (t) => {
    await sweep(t, "menu2", "byte", 1, 15, 9);
    await again(t);
    await nobody(t);
  });
});

/** At random, again and again, in one outage. */
async function again(t: TestContext): Promise<void> {
  let kills = 0;
  await inParallel(1, "shell", [400, 800, 1_500].values(), async (bench, meanMs) => {
    const killer = { on: true, left: 3 };
    const kill = async (): Promise<void> => {
      while (killer.on && killer.left > 0) {
        await sleep(meanMs * (0.5 + Math.random()));
        if (!killer.on || bench.watching?.over !== null) continue;
        killer.left -= 1;
        kills += 1;
        await bench.killAndRestart();
      }
    };
    let killing: Promise<void> | null = null;
    await bench.outage(() => (killing = kill())).finally(() => (killer.on = false));
    await killing;
  });
  t.diagnostic(`${kills} kills in 3 outages`);
  assert.ok(kills >= 5, "hardly anybody was killed");
}

/** From death to the off byte, at any phase of the round. */
async function nobody(t: TestContext): Promise<void> {
  const offAfter: number[] = [];
  await inParallel(1, "menu3", Array.from({ length: 6 }, (_, n) => n).values(), async (bench) => {
    await sleep(Math.random() * EVERY_MS);
    offAfter.push((await bench.outage()).offAfterMs ?? NaN);
  });
  const boundMs = ((THRESHOLD - 1) * EVERY_MS + EVERY_MS + TIMEOUT_MS) * 1.02;
  t.diagnostic(`nobody killed: bound ${boundMs} ms; death to off: ${distribution(offAfter)}`);
  for (const ms of offAfter) assert.ok(ms <= boundMs + BUSY_MS, `${ms} ms from death to off, the bound is ${boundMs} ms`);
}
