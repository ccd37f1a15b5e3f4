// A process with a history, for tests that kill it or fill its disk. Arguments: MODE DATA-FOLDER.

import { writeSync } from "node:fs";
import type { Now } from "../core/time.ts";
import { openHistory } from "./history.ts";

const [mode, dataDir = ""] = process.argv.slice(2);
const notes: string[] = [];
const history = await openHistory({ dataDir, onProblem: (text) => notes.push(text) });
let seq = history.lastSeq();

function tell(): void {
  seq += 1;
  const now: Now = { bootMs: seq, wallMs: seq, bootId: "boot", synced: true };
  history.told({ seq, kind: "suspect", host: "logos", incident: null, because: "x".repeat(2_000), cause: null }, now);
  history.input({ kind: "command", id: seq, by: "test", command: { kind: "ack", alarm: `${seq} ${"y".repeat(3_000)}` } }, now);
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
  // `t` tells and says what is lost; `c` counts what is on record; `q` ends it.
  say("ready");
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    for (const command of chunk.toString()) {
      if (command === "t") {
        tell();
        await history.flush();
        say(`events ${seq}, lost ${history.dropped().rows} rows ${history.dropped().lines} lines, ${notes.at(-1) ?? ""}`);
      } else if (command === "c") {
        const events = await history.events({ limit: 10_000 });
        say(`events ${events.length} of ${seq}, ${notes.at(-1) ?? ""}`);
      } else {
        await history.close();
        process.exit(0);
      }
    }
  }
}
