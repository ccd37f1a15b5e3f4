// A process with a ledger, for tests that kill it, trace it or fill its disk. It writes one line to standard output for each
// thing done, synchronously, after it was done. Arguments: MODE DATA-FOLDER NUMBER.

import { writeSync } from "node:fs";
import type { Write } from "../core/io.ts";
import type { RecordKey } from "../core/records.ts";
import type { EmbeddedStore } from "../stores/embedded.ts";
import { openLedger } from "../stores/embedded.ts";

const [mode, dataDir = "", count = "0"] = process.argv.slice(2);

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function record(key: RecordKey, n: number, padding = 0): Write {
  return { key, value: { v: 1, alarm: String(n), by: "x".repeat(padding), at: { bootMs: n, wallMs: n, bootId: "boot" } } };
}

function open(): EmbeddedStore {
  const { store, wentBack, records } = openLedger({ dataDir, watcherName: "rikis", now: { bootMs: 1, wallMs: 1_700_000_000_000, bootId: "boot", synced: true }, onReserve: (state) => say(`reserve ${state.kind}`), reserve: { bytes: 1 << 20, retryMs: 20 } });
  say(`open ${records.length} ${wentBack ?? "-"}`);
  return store;
}

let store = open();

if (mode === "numbers") {
  // Every record again and again under new keys, in transactions of several records, deletes too.
  for (let n = Number(count); ; n += 1) {
    const result = await store.commit([{ key: `ack/${n}`, revision: null }], [record(`ack/${n}`, n, n % 3_000), record("ack/last", n), { key: `ack/${n - 50}`, value: null }]);
    say(result.kind === "committed" ? `committed ${n}` : `${result.kind} ${n} ${result.evidence}`);
  }
}

if (mode === "few") {
  for (let n = 1; n <= Number(count); n += 1) {
    const result = await store.commit([], [record("ack/last", n), record(`ack/${n}`, n, 900)]);
    say(result.kind === "committed" ? `committed ${n}` : `${result.kind} ${n} ${result.evidence}`);
  }
  await store.close();
  say("closed");
}

if (mode === "asked") {
  // One commit for every byte on standard input; `r` closes and opens the ledger, `q` ends it.
  let n = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    for (const byte of chunk) {
      if (byte === "q".charCodeAt(0)) {
        await store.close();
        process.exit(0);
      }
      if (byte === "r".charCodeAt(0)) {
        await store.close();
        store = open();
        continue;
      }
      n += 1;
      const result = await store.commit([], [record("ack/last", n), record(`ack/${n}`, n, 3_000)]);
      say(result.kind === "committed" ? `committed ${n}` : `${result.kind} ${n} ${result.evidence}`);
    }
  }
}
