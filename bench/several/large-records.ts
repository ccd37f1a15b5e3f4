// What the store holds of 100,000 hosts on 20 watchers while one of them is away: written as lines of JSON, so that the process
// that is measured reads it as it would read the answers of a store, and keeps nothing of its making.

import { closeSync, openSync, writeSync } from "node:fs";
import type { AnyRecord, RecordKey } from "../../src/core/records.ts";
import type { Policy } from "../../src/core/policy.ts";
import { outletKey } from "../../src/core/policy.ts";
import type { Stamp } from "../../src/core/time.ts";
import { ranked, unitsOf } from "../../src/core/units.ts";

export type StoreSize = { readonly keys: number; readonly bytes: number; readonly byKind: Readonly<Record<string, number>> };

const FLUSH_CHARS = 4 << 20;

/** `away`: of whom only what is durable is there. */
export function writeRecords(file: string, policy: Policy, watchers: readonly string[], away: string): StoreSize {
  const fd = openSync(file, "w");
  const byKind: Record<string, number> = {};
  let [keys, bytes, text] = [0, 0, ""];
  const put = (key: RecordKey, by: string, value: AnyRecord): void => {
    keys += 1;
    const record = JSON.stringify({ ...value, written: { by, life: `${by}-1`, at: stampOf(by) } });
    bytes += key.length + record.length;
    const kind = key.slice(0, key.indexOf("/"));
    byKind[kind] = (byKind[kind] ?? 0) + 1;
    text += `{"key":${JSON.stringify(key)},"revision":${keys},"value":${record}}\n`;
    if (text.length < FLUSH_CHARS) return;
    writeSync(fd, text);
    text = "";
  };
  for (const watcher of watchers) {
    put(`watcher/${watcher}`, watcher, { v: 1, watcher, joined: stampOf(watcher), ready: true, self: [], version: "0.1.0" });
    if (watcher !== away) put(`alive/${watcher}`, watcher, { v: 1, watcher, folder: `folder-${watcher}`, since: stampOf(watcher), cannot: [], blind: false });
  }
  put("meta/ledger", watchers[0] as string, { v: 1, ledger: "bench", created: stampOf(watchers[0] as string), nextIncident: 1_000, nextToken: 5_000 });
  for (const unit of unitsOf(policy).all) {
    const order = ranked(unit.name, watchers);
    const observers = order.slice(0, policy.observers);
    const holder = order.find((watcher) => watcher !== away) as string;
    for (const charge of unit.charges) put(`charge/${charge}`, holder, { v: 1, of: charge, watcher: holder, since: stampOf(holder) });
    for (const name of unit.hosts) {
      const host = policy.hosts.get(name);
      if (host === undefined) continue;
      const passed = host.probes.map(({ id }) => id);
      put(`host/${name}`, holder, {
        v: 1, learned: { hash: host.hash, seenHealthyAt: stampOf(holder), passed, proved: [], passedFrom: Object.fromEntries(observers.map((watcher) => [watcher, passed])) },
        wanted: { state: "on" }, hold: null, cycles: [], unconfirmed: [], forgiven: [], cutIn: null, lastEdge: null, lastOperation: null, offByOthers: [], lastKdump: null, bootsMs: [],
      });
      put(`guard/${name}`, holder, { v: 1, host: name, watcher: holder, why: null, power: host.levels.flat().map((outlet) => ({ outlet: outletKey(outlet), state: "on", label: null })) });
      for (const watcher of observers) {
        if (watcher !== away) put(`vote/${name}/${watcher}`, watcher, { v: 1, host: name, watcher, says: "up", hash: host.hash, because: "ssh answers", able: true, ballot: null, ageMs: 0, passed });
      }
    }
  }
  writeSync(fd, text);
  closeSync(fd);
  return { keys, bytes, byKind };
}

export function stampOf(watcher: string): Stamp {
  return { bootMs: 3_600_000, wallMs: Date.UTC(2026, 11, 31, 12), bootId: `boot-${watcher}` };
}
