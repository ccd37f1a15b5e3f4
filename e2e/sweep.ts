// `kill -9` on the n-th line or byte that the PDU sees, n counted from a host's death: the log-in, the reads while the host
// is suspect, the off, the reads after it, the on, and all until the session is left, so no n of an outage is left out. The
// kill comes from outside, between two bytes: the device holds still until the watcher is gone, then acts on what it has
// got. Another watcher starts at once. Whatever n is, the host is cut exactly once and comes back.
//
// A byte and a line are two cuts: of a byte's line the rest is lost in the cable, of a line nothing.
//
// As a program it sweeps every line and every byte of every dialect from the death on, where the tests leave bytes out to
// end in time: `bin/node24 e2e/sweep.ts [menu2|menu3|shell …]`, about five minutes on two quiet cores.

import assert from "node:assert/strict";
import type { Dialect, Outage } from "./bench.ts";
import { Bench, BUSY_MS, inParallel, MAX_ACT_MS, PATIENT } from "./bench.ts";
import { distribution, recordsOf } from "./watching.ts";

export type Unit = "line" | "byte";

/** After this many outages in a row that were over before the n-th line or byte, there are no more. */
const OVER = 2;
/** Fewer is not a whole outage, in any dialect. */
const LEAST: Readonly<Record<Unit, number>> = { line: 10, byte: 40 };
/** One outage has a read more than the next: that much of the end is there or not. */
const LAST_READ: Readonly<Record<Unit, number>> = { line: 3, byte: 9 };
/** Lines that an act consists of: the outlet, its control, the command, YES; or one. */
const ACT_LINES: Readonly<Record<Dialect, number>> = { menu2: 4, menu3: 4, shell: 1 };

/** The first, the next, … until the outage is known to be shorter. */
class Points implements Iterator<number> {
  #next: number;
  #notReached = 0;
  readonly reached: number[] = [];

  constructor(first: number) {
    this.#next = first;
  }

  next(): IteratorResult<number> {
    if (this.#notReached >= OVER) return { done: true, value: undefined };
    const value = this.#next;
    this.#next += 1;
    return { done: false, value };
  }

  note(point: number, hit: boolean): void {
    if (hit) this.reached.push(point);
    else this.#notReached += 1;
  }
}

type Killed = { readonly outage: Outage; readonly hit: boolean; readonly killedMs: number };

async function killAt(bench: Bench, unit: Unit, n: number): Promise<Killed> {
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

/** The n of the first byte of the off act, a little before it rather than after; from an outage in which nobody is killed. */
async function firstByteOfAct(dialect: Dialect): Promise<number> {
  const bench = await Bench.start(dialect);
  try {
    let before = 0;
    const { records } = await bench.outage((_, { bytes }) => (before = bytes));
    const off = recordsOf(records, "edge").find((edge) => edge.state === "off");
    const act = recordsOf(records, "line").filter((line) => line.seq < (off?.seq ?? 0)).at(-ACT_LINES[dialect]);
    const read = recordsOf(records, "bytes").filter((bytes) => bytes.seq < (act?.seq ?? 0)).at(-1);
    assert.ok(read !== undefined, "the act is not the first that the device sees");
    // One outage has a read more before the act than the next.
    return Math.max(1, read.total - before + 1 - LAST_READ.byte);
  } finally {
    await bench.stop();
  }
}

/** Every line or byte of one dialect, or from the off act on, with so many watchers side by side, each with its own PDU and hosts. In words what was swept. */
export async function sweep(dialect: Dialect, unit: Unit, benches: number, from: "death" | "act" = "death"): Promise<string> {
  const first = from === "death" ? 1 : await firstByteOfAct(dialect);
  const points = new Points(first);
  const offAfter: number[] = [];
  let beforeOff = 0;
  let dark = 0;
  await inParallel(benches, dialect, points, async (bench, n) => {
    const { outage, hit, killedMs } = await killAt(bench, unit, n);
    points.note(n, hit);
    assert.equal(outage.starts, hit ? 1 : 0, "a watcher started once for each kill");
    if (outage.offAfterMs !== null) offAfter.push(outage.offAfterMs);
    const [off, on] = recordsOf(outage.records, "edge");
    if (!hit || off === undefined || on === undefined) return;
    if (off.wallMs > killedMs) beforeOff += 1;
    if (off.wallMs > killedMs || on.wallMs < killedMs) return;
    // Killed while the host had no power: taken up within maxAct + 5 s after the start (contracts.md).
    dark += 1;
    const darkMs = on.wallMs - bench.readyMs;
    assert.ok(darkMs <= MAX_ACT_MS + 5_000 + BUSY_MS, `without power for ${darkMs} ms after the start`);
  }, (bench) => bench.assertOneSession(), PATIENT);
  const reached = points.reached.toSorted((a, b) => a - b);
  assert.ok(reached.length >= LEAST[unit], `only ${reached.length} ${unit}s were reached`);
  const last = reached.at(-1) as number;
  for (let n = first; n <= last - LAST_READ[unit]; n += 1) assert.ok(reached.includes(n), `${unit} ${n} was left out`);
  assert.ok(beforeOff > 0 && dark > 0 && beforeOff + dark < reached.length, "kills came before the off, while the host had no power, and after the on");
  return `${dialect}: killed at each of ${reached.length} ${unit}s from the ${first}th to the ${last}th, ${beforeOff} before the off, ${dark} without power, ${reached.length - beforeOff - dark} after the on; death to off: ${distribution(offAfter)}`;
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  for (const dialect of ["menu3", "menu2", "shell"] as const) {
    if (asked.length > 0 && !asked.includes(dialect)) continue;
    for (const unit of ["line", "byte"] as const) process.stdout.write(`${await sweep(dialect, unit, 6)}\n`);
  }
}
