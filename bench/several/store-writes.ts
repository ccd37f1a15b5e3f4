// How much several watchers write: three production watchers with the simulated store in virtual time, all of them looking at
// every host every 10 s. Counted at the store: transactions, and the keys that they wrote or deleted.

import type { Input } from "../../src/core/io.ts";
import { LEASED } from "../../src/core/records.ts";
import { kindOf } from "../../src/core/transaction.ts";
import { Watcher } from "../../src/watcher/watcher.ts";
import { Random } from "../../sim/random.ts";
import { openSimulated } from "../../sim/store/client.ts";
import { StoreLink } from "../../sim/store/link.ts";
import { StoreServer } from "../../sim/store/server.ts";
import { fleetPolicy, watcherNames } from "./fleet-policy.ts";
import { inMacrotask, UPTIME_MS, virtualPorts, VirtualTime } from "./virtual-ports.ts";

const TTL_MS = 10_000;
const CALL_MS = 5_000;
const LATENCY_MS = 2;
const EVERY_MS = 10_000;
const THRESHOLD = 5;
const SILENT_SHARE = 0.3;

export type Writes = { readonly phase: string; readonly seconds: number; readonly transactions: number; readonly keys: number; readonly byKind: Readonly<Record<string, number>>; readonly mostInASecond: number; readonly conflicts: number };
export type StoreWrites = { readonly hosts: number; readonly watchers: number; readonly everyMs: number; readonly threshold: number; readonly storeKeys: number; readonly silent: number; readonly cutsBegun: number; readonly phases: readonly Writes[] };

/** `steadyMs`: how long the steady state is looked at. */
export function storeWrites(hosts: number, steadyMs: number): Promise<StoreWrites> {
  return inMacrotask(() => measured(hosts, steadyMs));
}

function measured(hosts: number, steadyMs: number): StoreWrites {
  const time = new VirtualTime();
  const names = watcherNames(3);
  const silent = new Set<string>();
  const count = { transactions: 0, conflicts: 0, keys: 0, byKind: new Map<string, number>(), bySecond: new Map<number, number>() };
  const timers = { nowMs: () => time.nowMs, after: (ms: number, then: () => void) => time.after(ms, then) };
  const server = new StoreServer({
    timers, random: new Random(1, "store"), leased: LEASED, rate: 1,
    onCommit: ({ writes }) => {
      count.transactions += 1;
      count.keys += writes.length;
      const second = Math.floor(time.nowMs / 1_000);
      count.bySecond.set(second, (count.bySecond.get(second) ?? 0) + writes.length);
      for (const { key } of writes) count.byKind.set(kindOf(key), (count.byKind.get(kindOf(key)) ?? 0) + 1);
    },
  });
  let cutsBegun = 0;
  const watchers = names.map((name, index) => {
    const policy = fleetPolicy({ hosts, everyMs: EVERY_MS, threshold: THRESHOLD, bmcs: false, ttlMs: TTL_MS }, name);
    const early: Input[] = [];
    let began = false;
    const store = openSimulated({
      server, name, leased: LEASED, ttlMs: TTL_MS, callMs: CALL_MS, link: new StoreLink(timers, new Random(index, "link"), LATENCY_MS),
      nowMs: () => time.bootMs, after: timers.after, hand: (then) => void time.after(0, then),
    });
    const watcher: Watcher = new Watcher(virtualPorts({
      time, policy, silent, told: (told) => void (told.kind === "intended" ? (cutsBegun += 1) : 0),
      store: {
        commit: (guards, writes) => store.commit(guards, writes).then((result) => {
          if (result.kind === "conflict") count.conflicts += 1;
          return result;
        }),
      },
    }), policy);
    const post = (input: Input): void => void (began ? watcher.post(input) : early.push(input));
    const open = async (): Promise<void> => {
      const records = await store.load();
      store.watch({
        changes: (changes) => post({ kind: "changes", changes }),
        snapshot: (all) => post({ kind: "snapshot", records: all }),
        blind: (because) => post({ kind: "blind", because }),
      });
      await store.join((session) => post({ kind: "session", session }));
      began = true;
      watcher.start({ kind: "start", records, uptimeMs: UPTIME_MS, wentBack: null, seq: 0, ledger: store.identity, fleet: { folder: `folder-${name}`, life: `${name}-1`, version: "0.1.0" } });
      for (const input of early) watcher.post(input);
    };
    time.after(1_000 * index, () => void open());
    return watcher;
  });
  const phases: Writes[] = [];
  const phase = (name: string, ms: number): void => {
    Object.assign(count, { transactions: 0, conflicts: 0, keys: 0, byKind: new Map(), bySecond: new Map() });
    time.pass(ms);
    phases.push({ phase: name, seconds: ms / 1_000, transactions: count.transactions, conflicts: count.conflicts, keys: count.keys, byKind: Object.fromEntries(count.byKind), mostInASecond: Math.max(0, ...count.bySecond.values()) });
  };
  phase("start of all three, on an empty store", 150_000);
  phase("steady", steadyMs);
  const storeKeys = server.records.size;
  const all = [...(watchers[0] as Watcher).policy.hosts.keys()];
  for (const [index, name] of all.entries()) if (index % 10 < SILENT_SHARE * 10) silent.add(name);
  const silentCount = silent.size;
  phase("30 % fall silent: the first minute", 60_000);
  phase("they stay silent: one minute of it", 60_000);
  silent.clear();
  phase("they come back: the first minute", 60_000);
  phase("after that: two minutes", 120_000);
  return { hosts, watchers: names.length, everyMs: EVERY_MS, threshold: THRESHOLD, storeKeys, silent: silentCount, cutsBegun, phases };
}
