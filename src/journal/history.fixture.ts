// A process with a history, for tests that kill it or hurt its disk. Arguments: MODE DATA-FOLDER [SILENT-MS WELL-MS].

import { writeSync } from "node:fs";
import type { Now } from "../core/time.ts";
import { openHistory } from "./history.ts";

const [mode, dataDir = "", silentMs, wellMs] = process.argv.slice(2);
const notes: string[] = [];
/** What a person would have been told, in order. */
const health: string[] = [];
const patience = silentMs === undefined ? {} : { patience: { silentMs: Number(silentMs), wellMs: Number(wellMs) } };
const history = await openHistory({ dataDir, onProblem: (text) => notes.push(text), onHealth: (failure) => health.push(failure ?? "well"), ...patience });
let seq = history.lastSeq();

function tell(): void {
  seq += 1;
  const now: Now = { bootMs: seq, wallMs: seq, bootId: "boot", synced: true };
  history.told({ seq, kind: "suspect", host: "logos", incident: null, because: "x".repeat(2_000), cause: null }, now);
  history.input({ kind: "command", id: seq, by: "test", command: { kind: "ack", alarm: `${seq} ${"y".repeat(3_000)}` } }, now);
}

function look(): void {
  seq += 1;
  const now: Now = { bootMs: seq * 1_000, wallMs: Date.UTC(2026, 10, 28) + seq * 1_000, bootId: "boot", synced: true };
  history.input({ kind: "round", round: { host: "logos", hash: "h", startedAtMs: now.bootMs - 10, endedAtMs: now.bootMs, references: "none", results: [{ probe: "ssh", outcome: "good", sign: "answer", evidence: "SSH-2.0", latencyMs: 8 }] } }, now);
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

if (mode === "tell") {
  for (;;) {
    for (let n = 0; n < 5; n += 1) {
      tell();
      say(`told ${seq}`);
    }
    await history.flush();
    say(`flushed ${seq}`);
  }
}

if (mode === "asked") {
  // `t` tells and says what is lost; `n` tells and does not wait;
  // `r` makes a round; `c` counts what is on record, `d` the results; `h` says what a person was told; `q` ends it.
  say("ready");
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    for (const command of chunk.toString()) {
      if (command === "t") {
        tell();
        await history.flush();
        say(`events ${seq}, lost ${history.dropped().rows} rows ${history.dropped().lines} lines, ${notes.at(-1) ?? ""}`);
      } else if (command === "n") {
        tell();
        say(`events ${seq}`);
      } else if (command === "r") {
        look();
        say(`round ${seq}`);
      } else if (command === "d") {
        const { text } = await history.results({ host: "logos", probe: null, sinceMs: 0, untilMs: 8e15, step: "raw" }).catch(() => ({ text: "" }));
        say(`results ${text.split("\n").length - 1}`);
      } else if (command === "h") {
        say(health.join("; "));
      } else if (command === "c") {
        const events = await history.events({ limit: 10_000 }).catch(() => []);
        say(`events ${events.length} of ${seq}, ${notes.at(-1) ?? ""}`);
      } else {
        await history.close();
        process.exit(0);
      }
    }
  }
}
