// The watcher killed with `kill -9` at each line and each byte that the PDU sees in an outage (sweep.ts says how), at random,
// again and again; and nobody killed, against the bound of invariant 15.
//
// Swept: each line of all three dialects from the host's death on, and each byte of the third menus from the first of the off
// act to the end of the operation. Not swept here, to end in time: bytes of the log-in and of the reads before the act, where
// every line is swept and nothing has been recorded yet; bytes of the second menus, whose dialogue differs in the screens
// and not in what is sent; and of the shell, where an act is one line that the device has or has not. `bin/node24
// e2e/sweep.ts` sweeps every byte of every dialect.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BUSY_MS, EVERY_MS, inParallel, PATIENT, THRESHOLD, TIMEOUT_MS } from "./bench.ts";
import { sweep } from "./sweep.ts";
import { distribution } from "./watching.ts";

describe("kill -9", { concurrency: true }, () => {
  test("at every byte from the off act on, menu3", async (t) => t.diagnostic(await sweep("menu3", "byte", 2, "act")));
  test("at every line, menu3", async (t) => t.diagnostic(await sweep("menu3", "line", 1)));
  test("at every line, menu2", async (t) => t.diagnostic(await sweep("menu2", "line", 1)));
  test("at every line, shell", async (t) => t.diagnostic(await sweep("shell", "line", 1)));
  test("at random, again and again; never", async (t) => {
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
  }, (bench) => bench.assertOneSession(), PATIENT);
  t.diagnostic(`${kills} kills in 3 outages`);
  assert.ok(kills >= 5, "hardly anybody was killed");
}

/** From death to the off byte, at any phase of the round. */
async function nobody(t: TestContext): Promise<void> {
  const offAfter: number[] = [];
  await inParallel(1, "menu3", Array.from({ length: 4 }, (_, n) => n).values(), async (bench) => {
    await sleep(Math.random() * EVERY_MS);
    offAfter.push((await bench.outage()).offAfterMs ?? NaN);
  });
  const boundMs = ((THRESHOLD - 1) * EVERY_MS + EVERY_MS + TIMEOUT_MS) * 1.02;
  t.diagnostic(`nobody killed: bound ${boundMs} ms; death to off: ${distribution(offAfter)}`);
  for (const ms of offAfter) assert.ok(ms <= boundMs + BUSY_MS, `${ms} ms from death to off, the bound is ${boundMs} ms`);
}
