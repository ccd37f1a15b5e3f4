// What the history's thread makes of the frames that come in: their rounds go into the open quarters, their bytes to the
// disk, cut where segments begin. Bytes that are lost on the way there make those after them useless to a replay until the
// next segment begins; whoever writes frames is told, and begins one.

import type { FramedRound } from "./frames.ts";
import { FrameReader, FrameWriter } from "./frames.ts";
import { hasResults, isStart, readLine } from "./lines.ts";
import type { OpenQuarters } from "./open-quarters.ts";

/** Some frames of one segment, in order. */
export type Part = {
  readonly body: Uint8Array;
  /** A segment begins with it. */
  readonly begins: boolean;
  /** A watcher starts in it. */
  readonly starts: boolean;
  /** The wall clock at its end, Unix milliseconds; 0 where nothing says it. */
  readonly atMs: number;
};

export type Taken = {
  readonly parts: readonly Part[];
  /** There is more in it than rounds and ticks of the clock. */
  readonly urgent: boolean;
  /** Nothing of it can be read. */
  readonly broken: boolean;
};

export class Intake {
  readonly #open: OpenQuarters;
  readonly #reader = new FrameReader(false);
  #skipping = true;
  #atMs = 0;
  /** The wall clock of the newest frame that was made while it was synchronised; 0 before there was one. */
  syncedMs = 0;

  constructor(open: OpenQuarters) {
    this.#open = open;
  }

  take(frames: Uint8Array): Taken {
    const starts: number[] = [];
    let urgent = false;
    const now = (round: FramedRound["now"]): void => {
      this.#atMs = round.wallMs;
      // A clock that is not synchronised may say any year: nothing is swept by it.
      if (round.synced) this.syncedMs = round.wallMs;
    };
    let resets: readonly number[];
    try {
      resets = this.#reader.read(frames, {
        round: (round) => {
          this.#open.add(round);
          now(round.now);
        },
        clock: now,
        text: (line, at) => {
          urgent = true;
          if (isStart(line)) starts.push(at);
          if (hasResults(line)) this.#results(line);
        },
      });
    } catch {
      this.skip();
      return { parts: [], urgent: false, broken: true };
    }
    const cuts = resets[0] === 0 ? resets : [0, ...resets];
    const parts: Part[] = [];
    cuts.forEach((from, index) => {
      const to = cuts[index + 1] ?? frames.length;
      const begins = resets.includes(from);
      if (begins) this.#skipping = false;
      if (to === from || this.#skipping) return;
      parts.push({ body: frames.subarray(from, to), begins, starts: starts.some((at) => at >= from && at < to), atMs: this.#atMs });
    });
    return { parts, urgent, broken: false };
  }

  /** Bytes were lost: what comes is of no use until a segment begins. */
  skip(): void {
    this.#skipping = true;
  }

  #results(line: string): void {
    const read = readLine(line);
    if (read.kind !== "input") return;
    const { now, input } = read;
    if (input.kind === "round") this.#open.add({ ...input.round, now, results: input.round.results.map((result) => ({ ...result, perfdata: result.perfdata ?? null })) });
    if (input.kind === "late") this.#open.correct(input.host, now.wallMs - (now.bootMs - input.startedAtMs), input.results);
  }
}

/** Says, in a segment of its own, that inputs are missing. */
export function gap(inputs: number): Part {
  const writer = new FrameWriter();
  writer.lost(inputs);
  return { body: writer.take().frames, begins: true, starts: false, atMs: 0 };
}
