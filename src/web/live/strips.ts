// The last minutes of a probe as the page keeps them: as they came, with the moment at which they end. They are moved along
// when they are drawn and not before, because a thousand hosts have theirs and thirty are looked at.

import { STRIP_CELL_MS, STRIP_CELLS } from "../../api/live.ts";
import type { Strip } from "../../api/live.ts";

export type KeptStrips = {
  readonly endMs: number;
  readonly byProbe: Readonly<Record<string, Strip>>;
  /** Of the newest round. */
  readonly latencyMs: Readonly<Record<string, number | null>>;
};

export const NO_STRIPS: KeptStrips = { endMs: 0, byProbe: {}, latencyMs: {} };

/** The strip as it ends at `endMs`: what has gone by without a round is blank. */
export function movedTo(strip: Strip, fromMs: number, endMs: number): Strip {
  const cells = Math.round((endMs - fromMs) / STRIP_CELL_MS);
  if (cells <= 0) return strip;
  return cells >= STRIP_CELLS ? " ".repeat(STRIP_CELLS) : strip.slice(cells) + " ".repeat(cells);
}

/** The end of the cell in which this moment lies, counted from an end that is known. */
export function cellEnd(knownMs: number, atMs: number): number {
  return atMs <= knownMs ? knownMs : knownMs + Math.ceil((atMs - knownMs) / STRIP_CELL_MS) * STRIP_CELL_MS;
}

type Cells = Readonly<Record<string, { readonly cell: string; readonly latencyMs: number | null }>>;

/** With the newest cell of each probe that had a round in it. */
export function withCells(kept: KeptStrips, endMs: number, cells: Cells): KeptStrips {
  const byProbe: Record<string, Strip> = {};
  for (const [probe, strip] of Object.entries(kept.byProbe)) byProbe[probe] = movedTo(strip, kept.endMs, endMs);
  const latencyMs = { ...kept.latencyMs };
  for (const [probe, { cell, latencyMs: latency }] of Object.entries(cells)) {
    byProbe[probe] = (byProbe[probe] ?? " ".repeat(STRIP_CELLS)).slice(0, -1) + cell;
    latencyMs[probe] = latency;
  }
  return { endMs, byProbe, latencyMs };
}

/** `60 of 60 good`, for who cannot see it. */
export function stripInWords(strip: Strip): string {
  const count = (cell: string) => strip.split(cell).length - 1;
  const parts = [[count("b"), "bad"], [count("s"), "slow"], [count("u"), "unknown"], [count("."), "good"]] as const;
  const told = parts.filter(([cells]) => cells > 0).map(([cells, word]) => `${cells} ${word}`);
  return told.length === 0 ? "no round" : told.join(", ");
}
