// Rounds of one host, packed: some thirty of them in one row, so that 5,000 checks every 10 s are a few rows a second and
// some 5 bytes a probe. Evidence is not kept here; what mattered of it is in the events.

import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Outcome, References, Round } from "../core/round.ts";

export type RoundRow = {
  /** Unix time in milliseconds. */
  readonly startedAtMs: number;
  readonly tookMs: number;
  readonly references: References;
  /** The worst of its probes, unknown where the references were lost; what the core made of it is in the events. */
  readonly outcome: Outcome;
  readonly probes: readonly { readonly probe: string; readonly outcome: Outcome; readonly latencyMs: number }[];
};

/** A code is an index into these: they may grow at the end, and never change. */
const OUTCOMES: readonly Outcome[] = ["good", "slow", "bad", "unknown"];
const REFERENCES: readonly References[] = ["reached", "lost", "none"];
const WORST_FIRST: readonly Outcome[] = ["bad", "unknown", "slow", "good"];
const UNPACKED_MAX_BYTES = 16 << 20;

/** Start, duration, references, then three numbers a probe: name, outcome, latency in hundredths of a millisecond. */
type Packed = { readonly p: readonly string[]; readonly r: readonly (readonly number[])[] };

export class RoundChunk {
  readonly #names = new Map<string, number>();
  readonly #rows: number[][] = [];
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#rows.length;
  }

  add(round: Round, startedWallMs: number): void {
    const startedMs = Math.round(startedWallMs);
    const row = [startedMs, Math.max(0, Math.round(round.endedAtMs - round.startedAtMs)), REFERENCES.indexOf(round.references)];
    for (const { probe, outcome, latencyMs } of round.results) {
      const index = this.#names.get(probe) ?? this.#names.size;
      this.#names.set(probe, index);
      row.push(index, OUTCOMES.indexOf(outcome), Math.round(latencyMs * 100));
    }
    this.#rows.push(row);
    this.fromMs = Math.min(this.fromMs, startedMs);
    this.toMs = Math.max(this.toMs, startedMs);
  }

  rows(): RoundRow[] {
    return unfold({ p: [...this.#names.keys()], r: this.#rows });
  }

  pack(): Uint8Array {
    const packed: Packed = { p: [...this.#names.keys()], r: this.#rows };
    return deflateRawSync(JSON.stringify(packed), { level: 6 });
  }
}

/** The rounds of a packed chunk; none where it cannot be read, because probe results may be lost. */
export function unpackRounds(body: Uint8Array): RoundRow[] {
  try {
    return unfold(JSON.parse(inflateRawSync(body, { maxOutputLength: UNPACKED_MAX_BYTES }).toString()) as Packed);
  } catch {
    return [];
  }
}

function unfold({ p, r }: Packed): RoundRow[] {
  return r.map(([startedAtMs = 0, tookMs = 0, reference = 2, ...rest]) => {
    const references = REFERENCES[reference] ?? "none";
    const probes: RoundRow["probes"][number][] = [];
    for (let at = 0; at + 2 < rest.length; at += 3) probes.push({ probe: p[rest[at] ?? -1] ?? "?", outcome: OUTCOMES[rest[at + 1] ?? 3] ?? "unknown", latencyMs: (rest[at + 2] ?? 0) / 100 });
    const outcome = references === "lost" ? "unknown" : WORST_FIRST.find((each) => probes.some((probe) => probe.outcome === each)) ?? "unknown";
    return { startedAtMs, tookMs, references, outcome, probes };
  });
}
