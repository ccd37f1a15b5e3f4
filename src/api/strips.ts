// The last five minutes of every probe, for the page: a byte a cell in a ring, kept whether somebody looks or not, because
// a round costs it less than a microsecond and a host 60 bytes a probe (bench/api.ts). The history has the same and more, but
// would have to be asked for minutes of a thousand hosts whenever a page is opened. What was before this process is not here:
// a cell without a round is blank, and never drawn as good.

import type { Input } from "../core/io.ts";
import type { ProbeResult } from "../core/round.ts";
import type { Now } from "../core/time.ts";
import type { LiveEvents, Strip, Strips } from "./live.ts";
import { STRIP_CELL_MS, STRIP_CELLS } from "./live.ts";

/** By rank: of several rounds in one cell the worst is shown. */
const CELLS = " .sub";
const RANK = { good: 1, slow: 2, unknown: 3, bad: 4 } as const;

type HostRing = {
  readonly probes: readonly string[];
  /** STRIP_CELLS bytes a probe, at cell number modulo STRIP_CELLS. */
  readonly ranks: Uint8Array;
  /** Of the last round; NaN where it was not answered. */
  readonly latencyMs: Float64Array;
  /** The newest cell that has a round. */
  cell: number;
  /** The last round, and what its cell held before it: a right answer that comes late takes its mark back. */
  startedAtMs: number;
  readonly before: Uint8Array;
};

export class RoundStrips {
  readonly #hosts = new Map<string, HostRing>();
  readonly #configured: () => ReadonlyMap<string, unknown>;

  /** `configured`: the hosts of now, so that the strips of others are forgotten. */
  constructor(configured: () => ReadonlyMap<string, unknown>) {
    this.#configured = configured;
  }

  /** Takes every input of the watcher, and keeps what rounds found. */
  take(input: Input, now: Now): void {
    if (input.kind === "round") this.#round(input.round, cellAt(now));
    else if (input.kind === "late") this.#late(input);
    else if (input.kind === "policy") this.#forget();
  }

  /** The strips of one host; the newest cell is `cell`. */
  of(host: string, cell: number): Readonly<Record<string, Strip>> {
    const ring = this.#hosts.get(host);
    if (ring === undefined) return {};
    return byName(ring.probes.map((probe, index) => {
      let strip = "";
      for (let each = cell - STRIP_CELLS + 1; each <= cell; each += 1) strip += CELLS[rankAt(ring, index, each)];
      return [probe, strip] as const;
    }));
  }

  all(cell: number): Strips {
    return byName([...this.#configured().keys()].map((host) => [host, this.of(host, cell)]));
  }

  /** That cell of every host that had a round in it. */
  cells(cell: number): LiveEvents["cells"]["cells"] {
    const found: [string, Record<string, { cell: string; latencyMs: number | null }>][] = [];
    for (const [host, ring] of this.#hosts) {
      const marks: [string, { cell: string; latencyMs: number | null }][] = [];
      ring.probes.forEach((probe, index) => {
        const rank = rankAt(ring, index, cell);
        const latencyMs = ring.latencyMs[index] ?? NaN;
        if (rank > 0) marks.push([probe, { cell: CELLS[rank] ?? " ", latencyMs: Number.isFinite(latencyMs) ? latencyMs : null }]);
      });
      if (marks.length > 0) found.push([host, byName(marks)]);
    }
    return byName(found);
  }

  #round({ host, startedAtMs, references, results }: Extract<Input, { kind: "round" }>["round"], cell: number): void {
    let ring = this.#hosts.get(host);
    if (ring === undefined || !sameProbes(ring, results)) {
      if (ring === undefined && !this.#configured().has(host)) return;
      ring = {
        probes: results.map((result) => result.probe), ranks: new Uint8Array(results.length * STRIP_CELLS), latencyMs: new Float64Array(results.length).fill(NaN),
        cell, startedAtMs, before: new Uint8Array(results.length),
      };
      this.#hosts.set(host, ring);
    }
    for (let each = Math.max(ring.cell + 1, cell - STRIP_CELLS + 1); each <= cell; each += 1) {
      for (let index = 0; index < results.length; index += 1) ring.ranks[at(index, each)] = 0;
    }
    ring.cell = Math.max(ring.cell, cell);
    ring.startedAtMs = startedAtMs;
    for (let index = 0; index < results.length; index += 1) {
      const { outcome, latencyMs } = results[index] as ProbeResult;
      const place = at(index, ring.cell);
      const before = ring.ranks[place] ?? 0;
      ring.before[index] = before;
      // Without its references this watcher knows nothing of the host, whatever the probe says.
      ring.ranks[place] = Math.max(before, references === "lost" ? RANK.unknown : RANK[outcome]);
      ring.latencyMs[index] = outcome === "good" || outcome === "slow" ? latencyMs : NaN;
    }
  }

  /** Rightly answered after the time-out: slow, not bad. */
  #late({ host, startedAtMs, results }: Extract<Input, { kind: "late" }>): void {
    const ring = this.#hosts.get(host);
    if (ring === undefined || ring.startedAtMs !== startedAtMs) return;
    for (const { probe, latencyMs } of results) {
      const index = ring.probes.indexOf(probe);
      if (index < 0) continue;
      ring.ranks[at(index, ring.cell)] = Math.max(ring.before[index] ?? 0, RANK.slow);
      ring.latencyMs[index] = latencyMs;
    }
  }

  #forget(): void {
    const configured = this.#configured();
    for (const host of this.#hosts.keys()) if (!configured.has(host)) this.#hosts.delete(host);
  }
}

/** Names are whatever people write: `__proto__` is one like any other. */
export function byName<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  return Object.fromEntries(entries);
}

/** Cells are counted on the boot-time clock, so that no jump of the wall clock tears a strip. */
export function cellAt({ bootMs }: Pick<Now, "bootMs">): number {
  return Math.floor(bootMs / STRIP_CELL_MS);
}

/** When a cell ends, by the wall clock of now; Unix milliseconds. */
export function endOf(cell: number, now: Now): number {
  return now.wallMs - (now.bootMs - (cell + 1) * STRIP_CELL_MS);
}

function at(index: number, cell: number): number {
  return index * STRIP_CELLS + (cell % STRIP_CELLS);
}

function rankAt(ring: HostRing, index: number, cell: number): number {
  return cell > ring.cell || cell <= ring.cell - STRIP_CELLS ? 0 : (ring.ranks[at(index, cell)] ?? 0);
}

function sameProbes({ probes }: HostRing, results: readonly ProbeResult[]): boolean {
  return probes.length === results.length && probes.every((probe, index) => probe === results[index]?.probe);
}
