// One of 20 watchers, alone in this process: it loads the records of 100,000 hosts, joins, speaks of its 15,000, takes its units
// over, and lives through what befalls such a fleet. It says what each of that cost, as lines of JSON on its standard output.
// Started by large.ts, with the flags of a watcher.

import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Input, StoredRecord, Write } from "../../src/core/io.ts";
import type { Policy } from "../../src/core/policy.ts";
import type { AnyRecord, RecordKey } from "../../src/core/records.ts";
import { ranked, unitsOf } from "../../src/core/units.ts";
import type { CommitResult } from "../../src/stores/store.ts";
import { Watcher } from "../../src/watcher/watcher.ts";
import type { FleetShape } from "./fleet-policy.ts";
import { fleetPolicy } from "./fleet-policy.ts";
import { stampOf } from "./large-records.ts";
import { inMacrotask, UPTIME_MS, virtualPorts, VirtualTime } from "./virtual-ports.ts";

const CALL_MS = 5;
const WATCH_MS = 2;
const SETTLED_MS = 31_000;

const [file = "", me = "", names = "[]", shapeText = "{}"] = process.argv.slice(2);
const watchers = JSON.parse(names) as readonly string[];
const shape = JSON.parse(shapeText) as FleetShape;

const time = new VirtualTime(true);
const silent = new Set<string>();
const store = { transactions: 0, keys: 0, bytes: 0, revision: 2_000_000 };
let watcher: Watcher | null = null;

function memory(): { readonly rssMiB: number; readonly mostMiB: number; readonly heapMiB: number } {
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (name: string) => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) / 1_024);
  return { rssMiB: of("VmRSS"), mostMiB: of("VmHWM"), heapMiB: Math.round(process.memoryUsage().heapUsed / 2 ** 20) };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Runs a phase, and tells what it took of time, processor and store. */
function phase(name: string, work: () => void): void {
  const before = { ...store, cpu: cpuMs(), ms: time.nowMs, wall: performance.now(), events: time.events };
  time.longestMs = 0;
  work();
  const seconds = (time.nowMs - before.ms) / 1_000;
  process.stdout.write(`${JSON.stringify({
    phase: name, seconds, cpuMs: cpuMs() - before.cpu, cpuMsPerSecond: (cpuMs() - before.cpu) / seconds, longestStepMs: time.longestMs, events: time.events - before.events,
    transactions: store.transactions - before.transactions, keys: store.keys - before.keys, kilobytes: Math.round((store.bytes - before.bytes) / 1_000), wallMs: performance.now() - before.wall, ...memory(),
  })}\n`);
}

function commit(writes: readonly Write[]): Promise<CommitResult> {
  const text = JSON.stringify(writes);
  store.transactions += 1;
  store.keys += writes.length;
  store.bytes += text.length;
  return time.wait(CALL_MS).then(() => {
    const revision = (store.revision += 1);
    // The watch brings one's own writes back, too.
    time.after(WATCH_MS, () => post({ kind: "changes", changes: (JSON.parse(text) as Write[]).map(({ key, value }) => ({ key, value, revision })) }));
    return { kind: "committed" as const, revision };
  });
}

function post(input: Input): void {
  watcher?.post(input);
}

function othersWrite(by: string, writes: readonly (readonly [RecordKey, AnyRecord | null])[]): void {
  const revision = (store.revision += 1);
  post({ kind: "changes", changes: writes.map(([key, value]) => ({ key, revision, value: value === null ? null : (JSON.parse(JSON.stringify({ ...value, written: { by, life: `${by}-1`, at: stampOf(by) } })) as AnyRecord) })) });
}

function calm(): boolean {
  const state = watcher?.state;
  return state !== undefined && state.fleet?.observed !== null && state.outbox.size === 0 && state.underWay === null && state.queue.length === 0;
}

async function load(): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) records.push(JSON.parse(line) as StoredRecord);
  return records;
}

function run(policy: Policy, records: readonly StoredRecord[]): void {
  const { all } = unitsOf(policy);
  const made = (watcher = new Watcher(virtualPorts({ time, policy, silent, store: { commit: (_guards, writes) => commit(writes) } }), policy));
  // Within an event, so that its time counts.
  const soon = (then: () => void): void => {
    time.after(0, then);
    time.pass(0);
  };
  const held = (): void => post({ kind: "session", session: { kind: "held", untilMs: time.bootMs - CALL_MS + shape.ttlMs } });
  phase("start", () => soon(() => made.start({ kind: "start", records, uptimeMs: UPTIME_MS, wentBack: null, seq: 0, ledger: "bench", fleet: { folder: `folder-${me}`, life: `${me}-2`, version: "0.1.0" } })));
  // It joins once it has started: from here on there is a lease to keep.
  phase("session", () => soon(held));
  time.every(shape.ttlMs / 3, held);
  phase("first words", () => {
    // All that it looks at, and all on record.
    const spoken = (): boolean => calm() && [...made.state.hosts.values()].every((host) => !host.observed || host.said?.says === "up");
    for (let seconds = 0; seconds < 300 && !spoken(); seconds += 1) time.pass(1_000);
  });
  const observed = [...(made.state.fleet?.observed ?? [])];
  phase("settled", () => {
    time.pass(Math.max(0, SETTLED_MS - time.nowMs));
    time.pass(300_000, calm);
  });
  const mine = all.filter((unit) => ranked(unit.name, watchers)[0] === me);
  phase("charges handed over", () => {
    for (const unit of mine) time.after(1, () => othersWrite(ranked(unit.name, watchers)[1] as string, unit.charges.map((charge) => [`charge/${charge}`, null] as const)));
    time.pass(1_000);
    time.pass(300_000, calm);
  });
  time.pass(60_000);
  process.stdout.write(`${JSON.stringify({ observed: observed.length, units: made.state.fleet?.held.size, hostsInCharge: mine.reduce((sum, unit) => sum + unit.hosts.length, 0), guarded: [...made.state.hosts.values()].filter((host) => host.guardRecord?.watcher === me && host.guardRecord.why === null).length })}\n`);
  globalThis.gc?.();
  phase("steady", () => time.pass(60_000));

  const faltering = (now: string) => {
    for (let second = 0; second < 20; second += 1) {
      for (let nth = 0; nth < 100; nth += 1) {
        const unit = all[(second * 100 + nth) % all.length] as (typeof all)[number];
        const host = policy.hosts.get(unit.hosts[nth % unit.hosts.length] as string);
        const by = ranked(unit.name, watchers).find((each) => each !== me) as string;
        if (host !== undefined) time.after(second * 1_000 + nth * 10, () => othersWrite(by, [[`vote/${host.name}/${by}`, { v: 1, host: host.name, watcher: by, says: now === "up" ? "up" : "abstain", hash: host.hash, because: now, able: true, ballot: null, ageMs: 0, passed: ["ping", "ssh"] }]]));
      }
    }
    time.pass(20_000);
  };
  phase("100 words of others a second", () => {
    faltering("1 of 3: no banner");
    faltering("up");
  });

  const dead = watchers.find((each) => each !== me) as string;
  phase("another watcher dies", () => {
    const gone: (readonly [RecordKey, null])[] = [[`alive/${dead}`, null]];
    for (const unit of all) {
      const order = ranked(unit.name, watchers);
      if (order[0] === dead) {
        gone.push(...unit.charges.map((charge) => [`charge/${charge}` as RecordKey, null] as const));
        gone.push(...unit.hosts.map((name) => [`guard/${name}` as RecordKey, null] as const));
      }
      if (order.slice(0, policy.observers).includes(dead)) gone.push(...unit.hosts.map((name) => [`vote/${name}/${dead}` as RecordKey, null] as const));
    }
    process.stdout.write(`${JSON.stringify({ keysGone: gone.length })}\n`);
    time.after(1, () => othersWrite(dead, gone));
    time.pass(60_000);
    time.pass(300_000, calm);
  });

  phase("20 hosts down", () => {
    for (const name of observed.filter((_, index) => index % Math.ceil(observed.length / 20) === 0)) silent.add(name);
    time.pass(60_000);
  });
  silent.clear();
  time.pass(30_000);
  phase("30 % silent", () => {
    for (const name of observed.filter((_, index) => index % 10 < 3)) silent.add(name);
    time.pass(60_000);
  });
  phase("and back", () => {
    silent.clear();
    time.pass(120_000);
  });
}

const policy = fleetPolicy(shape, me);
const empty = { cpu: cpuMs(), wall: performance.now(), ...memory() };
let records: StoredRecord[] | null = await load();
process.stdout.write(`${JSON.stringify({ phase: "read", cpuMs: cpuMs() - empty.cpu, wallMs: performance.now() - empty.wall, before: empty.rssMiB, ...memory() })}\n`);
await inMacrotask(() => {
  const all = records as StoredRecord[];
  records = null;
  run(policy, all);
});
process.exit(0);
