// The quarters of an hour that are not over yet, in memory: probe results go in as they come and leave when they are on disk.
// It stands apart from the file, so that a file which cannot be opened, or is made anew, costs nothing that is still here;
// and it has a bound, so that a disk which takes nothing for days costs the oldest results and not the watcher.

import type { FramedRound } from "./frames.ts";
import { ABSENT, QUARTER_MS, Quarter } from "./quarter.ts";

/** A round may end, and come, some time after its quarter. */
const GRACE_MS = 60_000;
/** Whatever the clocks say, nothing is kept open longer than this. */
const OPEN_MAX_MS = 20 * 60_000;
/** Quarters written in one transaction, so that no question waits long. */
const ROWS_AT_ONCE = 200;
const BUCKETS_MAX = 2 ** 32;
/** Results in memory. A hundred hosts with three probes every 5 s fill it in 14 hours, in some 30 MB. */
export const RESULTS_MAX = 3_000_000;

type Open = { readonly quarter: Quarter; readonly openedMs: number };
export type Due = { readonly host: string; readonly bucket: number; readonly quarter: Quarter };

export class OpenQuarters {
  readonly #max: number;
  readonly #hosts = new Map<string, Map<number, Open>>();
  #results = 0;
  #newestMs = 0;
  #oldest = Infinity;
  #dropped = 0;

  constructor(max = RESULTS_MAX) {
    this.#max = max;
  }

  /** Takes a round in. `lastOf`: the offset of the last round of its quarter that is on disk already; up to that it is not taken again. */
  add(round: FramedRound, lastOf: ((host: string, bucket: number) => number) | null = null): void {
    const startedWallMs = round.now.wallMs - (round.now.bootMs - round.startedAtMs);
    const bucket = Math.floor(startedWallMs / QUARTER_MS);
    if (!(bucket >= 0 && bucket < BUCKETS_MAX)) return;
    const offsetMs = Math.round(startedWallMs - bucket * QUARTER_MS);
    if (lastOf !== null && offsetMs <= lastOf(round.host, bucket)) return;
    this.#newestMs = startedWallMs;
    if (!this.#opened(round.host, bucket).quarter.add(offsetMs, round.references, round.results)) {
      this.#dropped += 1;
      return;
    }
    this.#results += round.results.length;
    if (this.#results > this.#max) this.#dropOldest();
  }

  /** A time-out that was rightly answered after its round; of a quarter that is written already it is not known any more. */
  correct(host: string, startedWallMs: number, results: Parameters<Quarter["correct"]>[1]): void {
    const bucket = Math.floor(startedWallMs / QUARTER_MS);
    this.of(host, bucket)?.correct(startedWallMs - bucket * QUARTER_MS, results);
  }

  of(host: string, bucket: number): Quarter | null {
    return this.#hosts.get(host)?.get(bucket)?.quarter ?? null;
  }

  buckets(host: string): readonly number[] {
    return [...(this.#hosts.get(host)?.keys() ?? [])];
  }

  hosts(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  /** Quarters that are over, some of them at a time, or all there are. */
  due(all: boolean): readonly Due[] {
    if (!all && !this.#over(this.#oldest) && !this.#overdue()) return [];
    const due: Due[] = [];
    const nowMs = performance.now();
    for (const [host, quarters] of this.#hosts) {
      for (const [bucket, { quarter, openedMs }] of quarters) if (all || this.#over(bucket) || nowMs - openedMs > OPEN_MAX_MS) due.push({ host, bucket, quarter });
      if (!all && due.length >= ROWS_AT_ONCE) break;
    }
    return due;
  }

  /** These are on disk. */
  written(due: readonly Due[]): void {
    if (due.length === 0) return;
    for (const { host, bucket } of due) this.#close(host, bucket);
    this.#findOldest();
  }

  /** Rounds that were given up since the last time this was asked. */
  dropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #over(bucket: number): boolean {
    return this.#newestMs >= (bucket + 1) * QUARTER_MS + GRACE_MS;
  }

  #overdue(): boolean {
    const first = this.#hosts.values().next().value?.values().next().value;
    return first !== undefined && performance.now() - first.openedMs > OPEN_MAX_MS;
  }

  #opened(host: string, bucket: number): Open {
    let quarters = this.#hosts.get(host);
    if (quarters === undefined) this.#hosts.set(host, (quarters = new Map()));
    let open = quarters.get(bucket);
    if (open === undefined) {
      quarters.set(bucket, (open = { quarter: new Quarter(), openedMs: performance.now() }));
      this.#oldest = Math.min(this.#oldest, bucket);
    }
    return open;
  }

  #close(host: string, bucket: number): void {
    const quarters = this.#hosts.get(host);
    const open = quarters?.get(bucket);
    if (quarters === undefined || open === undefined) return;
    quarters.delete(bucket);
    if (quarters.size === 0) this.#hosts.delete(host);
    this.#results -= resultsIn(open.quarter);
  }

  #dropOldest(): void {
    const oldest = this.#oldest;
    for (const host of this.hosts()) {
      this.#dropped += this.of(host, oldest)?.count ?? 0;
      this.#close(host, oldest);
    }
    this.#findOldest();
  }

  #findOldest(): void {
    this.#oldest = Infinity;
    for (const quarters of this.#hosts.values()) for (const bucket of quarters.keys()) this.#oldest = Math.min(this.#oldest, bucket);
  }
}

function resultsIn(quarter: Quarter): number {
  let results = 0;
  for (const { outcomes } of quarter.series.values()) for (let at = 0; at < quarter.count; at += 1) if (outcomes[at] !== ABSENT) results += 1;
  return results;
}
