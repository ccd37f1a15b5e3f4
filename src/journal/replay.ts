// Takes the recorded steps again, from the last start of a watcher, and compares what the core says now with what it said
// then (safety.md §5.18). A difference means that a decision depended on something that is not an input, or that the core
// has changed; with a core that was changed on purpose it shows what that would have altered.

import { join } from "node:path";
import type { Input, Told } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { State } from "../core/state.ts";
import { emptyState } from "../core/state.ts";
import { step } from "../core/step.ts";
import type { Now } from "../core/time.ts";
import { FrameReader, roundOf } from "./frames.ts";
import { openHistoryFile } from "./history-file.ts";
import { HISTORY_NAME } from "./history.ts";
import { readLine } from "./lines.ts";

export type Replayed =
  /** So many inputs led to so many lines, all as recorded. `unrecorded`: lines at the end that a kill kept from being written. */
  | { readonly kind: "same"; readonly inputs: number; readonly lines: number; readonly unrecorded: number }
  | { readonly kind: "different"; readonly input: number; readonly recorded: Told | null; readonly replayed: Told }
  /** There is no start on record, no policy, or inputs were lost: so far it was the same. */
  | { readonly kind: "incomplete"; readonly because: string; readonly inputs: number; readonly lines: number };

/** Replays the history of a data folder that no watcher holds. */
export function replay(dataDir: string): Replayed {
  const { file } = openHistoryFile(join(dataDir, HISTORY_NAME), 0);
  try {
    return replayFrames(file.framesFromLastStart(), (seq) => file.event(seq));
  } finally {
    file.close();
  }
}

/** `recorded` gives the line of the journal with this number, if it is on record. */
export function replayFrames(all: Iterable<Uint8Array>, recorded: (seq: number) => Told | undefined): Replayed {
  const replay = new Replay(recorded);
  const reader = new FrameReader(true);
  for (const frames of all) {
    try {
      reader.read(frames, {
        round: (framed) => replay.input({ kind: "round", round: roundOf(framed) }, framed.now),
        clock: (now) => replay.input({ kind: "clock" }, now),
        held: (now, untilMs) => replay.input({ kind: "session", session: { kind: "held", untilMs } }, now),
        text: (text) => {
          const line = readLine(text);
          if (line.kind === "policy") replay.policy = line.policy;
          else replay.input(line.input, line.now);
        },
        lost: (inputs) => replay.gap(`${inputs} inputs were lost`),
      });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      replay.gap(`they cannot be read: ${error.message}`);
    }
    if (replay.ended !== null) return replay.ended;
  }
  return replay.outcome();
}

class Replay {
  readonly #recorded: (seq: number) => Told | undefined;
  policy: Policy | null = null;
  ended: Replayed | null = null;
  #state: State | null = null;
  #inputs = 0;
  #told = 0;
  #unrecorded = 0;

  constructor(recorded: (seq: number) => Told | undefined) {
    this.#recorded = recorded;
  }

  gap(because: string): void {
    if (this.#state !== null) this.#end(because);
  }

  input(input: Input, now: Now): void {
    if (this.ended !== null) return;
    // A later start is another process: what came before it is another replay.
    if (input.kind === "start") [this.#state, this.#inputs, this.#told, this.#unrecorded] = [emptyState(), 0, 0, 0];
    if (this.#state === null) return;
    if (this.policy === null) return this.#end("there is no policy on record");
    const next = step(this.#state, input, now, this.policy);
    this.#state = next.state;
    this.#inputs += 1;
    for (const effect of next.effects) if (effect.kind === "tell" && this.ended === null) this.#compare(effect.told);
  }

  outcome(): Replayed {
    if (this.#state === null) return { kind: "incomplete", because: "there is no start on record", inputs: this.#inputs, lines: this.#told };
    return { kind: "same", inputs: this.#inputs, lines: this.#told, unrecorded: this.#unrecorded };
  }

  #compare(told: Told): void {
    const was = this.#recorded(told.seq);
    if (was === undefined) this.#unrecorded += 1;
    // After a line that is missing none may follow: the end was lost, not the middle.
    else if (this.#unrecorded > 0 || !same(was, told)) this.ended = { kind: "different", input: this.#inputs, recorded: was, replayed: told };
    else this.#told += 1;
  }

  #end(because: string): void {
    this.ended = { kind: "incomplete", because, inputs: this.#inputs, lines: this.#told };
  }
}

function same(one: Told, other: Told): boolean {
  return (["seq", "kind", "host", "incident", "because", "cause"] as const).every((field) => one[field] === other[field]);
}
