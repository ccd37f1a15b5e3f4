// Takes the recorded steps again, from the last start of a watcher, and compares what the core says now with what it said
// then (safety.md §5.18). A difference means that a decision depended on something that is not an input, or that the core
// has changed; with a core that was changed on purpose it shows what that would have altered.

import { join } from "node:path";
import type { Told } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { State } from "../core/state.ts";
import { emptyState } from "../core/state.ts";
import { step } from "../core/step.ts";
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
    return replayLines(file.linesFromLastStart(), (seq) => file.event(seq));
  } finally {
    file.close();
  }
}

/** `recorded` gives the line of the journal with this number, if it is on record. */
export function replayLines(lines: Iterable<string>, recorded: (seq: number) => Told | undefined): Replayed {
  let state: State | null = null;
  let policy: Policy | null = null;
  let inputs = 0;
  let told = 0;
  let unrecorded = 0;
  for (const text of lines) {
    const line = readLine(text);
    if (line.kind === "policy") policy = line.policy;
    else if (line.kind === "gap") {
      if (state !== null) return { kind: "incomplete", because: `${line.lost} inputs were lost`, inputs, lines: told };
    } else {
      // A later start is another process: what came before it is another replay.
      if (line.starts) [state, inputs, told, unrecorded] = [emptyState(), 0, 0, 0];
      if (state === null) continue;
      if (policy === null) return { kind: "incomplete", because: "there is no policy on record", inputs, lines: told };
      const next = step(state, line.input, line.now, policy);
      state = next.state;
      inputs += 1;
      for (const effect of next.effects) {
        if (effect.kind !== "tell") continue;
        const was = recorded(effect.told.seq);
        if (was === undefined) unrecorded += 1;
        // After a line that is missing none may follow: the end was lost, not the middle.
        else if (unrecorded > 0 || !same(was, effect.told)) return { kind: "different", input: inputs, recorded: was, replayed: effect.told };
        else told += 1;
      }
    }
  }
  if (state === null) return { kind: "incomplete", because: "there is no start on record", inputs, lines: told };
  return { kind: "same", inputs, lines: told, unrecorded };
}

function same(one: Told, other: Told): boolean {
  return (["seq", "kind", "host", "incident", "because", "cause"] as const).every((field) => one[field] === other[field]);
}
