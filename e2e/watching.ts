// What the end-to-end tests share: a real `bin/upkeep watch` as a child process, with all that it writes kept, and ways to
// judge it from outside: the PDU's own log, the hosts' power edges, the documented exit codes and JSON. Nothing of the
// watcher's code is imported here; what it logs is used to say what went wrong, and never to pass a test.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import http from "node:http";
import { setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogRecord, RecordOf } from "../lab/apc-pdu.ts";
import type { Rig } from "../lab/rig.ts";

const PRIORITY = -10;

// Half of a start of Node is compiling, and some of these tests start hundreds of watchers and hosts: they share what was
// compiled once. It changes nothing else.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../node_modules/.cache/upkeep-e2e");

// Times are on trial in these tests: what else runs on the machine is not (a watcher that gets no processor is, in
// wounds.test.ts, where it is stopped). Children inherit it. Without root it stays as it is.
try {
  setPriority(PRIORITY);
} catch {
  // not allowed
}

/** Brakes that count past outages are off, times are as short as they may be: a host is cut 1.5 s after its death. */
export const QUICK = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000, perHost: { cycles: 100, within: 0s } }
defaults: { every: 400ms, timeout: 300ms, threshold: 3, debounce: 4s, boot: 8s, offFor: 0s, healthyFor: 200ms, settle: 1s, offConfirm: 3s, onConfirm: 3s }
`;

const READY_WITHIN_MS = 30_000;
const END_WITHIN_MS = 40_000;

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** One `upkeep watch`. */
export class Watching {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;
  #over: Ended | null = null;

  constructor(child: ChildProcess) {
    this.child = child;
    this.pid = child.pid ?? 0;
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (this.stdout += chunk));
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.stderr += chunk));
    this.ended = new Promise((resolve) => child.once("close", (code, signal) => resolve((this.#over = { code, signal }))));
  }

  get over(): Ended | null {
    return this.#over;
  }

  /** The line on standard output, or an error with what it said instead. */
  async ready(): Promise<string> {
    await until("the watcher says that it is ready", () => this.stdout.includes("\n") || this.#over !== null, READY_WITHIN_MS);
    assert.ok(this.stdout.includes("\n"), `it ended (${JSON.stringify(this.#over)}) before it was ready: ${this.stderr}`);
    return this.stdout.split("\n")[0] ?? "";
  }

  /** Its end, however it comes. */
  async end(withinMs = END_WITHIN_MS): Promise<Ended> {
    await until("the watcher ends", () => this.#over !== null, withinMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; last lines:\n${this.tail()}`);
    });
    return this.#over as Ended;
  }

  /** `kill -9`, also of a stopped one; resolves when nothing is left of it. */
  async kill(): Promise<void> {
    if (this.#over !== null) return;
    const gone = new Promise<void>((resolve) => this.child.once("exit", () => resolve()));
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await gone;
  }

  tail(lines = 25): string {
    return this.stderr.split("\n").slice(-lines).join("\n");
  }
}

/** Starts `upkeep watch` of a rig and waits for its line. */
export async function startWatching(rig: Rig, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Watching> {
  const watching = new Watching(rig.watch(args, env));
  await watching.ready();
  return watching;
}

/** Waits until `holds` gives something that is neither false, null nor undefined. */
export async function until<Value>(what: string, holds: () => Value | Promise<Value>, limitMs = 30_000, everyMs = 20): Promise<Exclude<NonNullable<Value>, false>> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const value = await holds();
    if (value !== false && value !== null && value !== undefined) return value as Exclude<NonNullable<Value>, false>;
    if (performance.now() > deadlineMs) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await sleep(everyMs);
  }
}

export type HostStatus = {
  readonly host: string; readonly verdict: string; readonly counter: number; readonly threshold: number; readonly since: string; readonly guarded: boolean; readonly why: string | null; readonly wanted: string;
  readonly brakes: readonly { readonly brake: string; readonly because: string }[]; readonly power: readonly { readonly outlet: string; readonly state: string; readonly at: string | null }[]; readonly incident: string | null;
  readonly held: { readonly kind: string; readonly because: string; readonly since: string } | null;
  readonly operation: { readonly phase: string; readonly kind: string; readonly level: number } | null;
  readonly inCharge: string | null; readonly observers: readonly { readonly watcher: string; readonly says: string | null; readonly because: string }[]; readonly need: number;
};
export type WatcherStatus = { readonly watcher: string; readonly self: boolean; readonly alive: boolean; readonly ready: boolean; readonly inCharge: number; readonly observes: number; readonly cannot: readonly string[]; readonly blind: boolean };
export type Status = {
  readonly site: string; readonly at: string; readonly guarded: string; readonly hosts: readonly HostStatus[]; readonly watchers: readonly WatcherStatus[]; readonly devices: readonly { readonly device: string; readonly readable: boolean | null }[];
  readonly alarms: readonly { readonly alarm: string; readonly kind: string; readonly happened: string; readonly done: string; readonly asked: string; readonly acknowledged: boolean }[];
  readonly storms: readonly { readonly set: string }[];
  readonly brakes: readonly { readonly brake: string; readonly scope: string; readonly by: string; readonly reason: string }[];
  readonly store: { readonly ok: boolean; readonly why: string | null; readonly heldUntil: string | null } | null;
};
export type Incident = { readonly incident: string; readonly host: string; readonly began: string; readonly ended: string | null; readonly phases: Readonly<Record<string, number | null>>; readonly outcome: string };
export type EventLine = { readonly seq: number; readonly at: string; readonly kind: string; readonly host: string | null; readonly because: string; readonly incident: string | null };

/** One question to the control socket, without the cost of a process; null while nobody answers there. */
export function ask<Value>(rig: Pick<Rig, "socket">, path: string): Promise<Value | null> {
  return new Promise((resolve) => {
    const request = http.get({ socketPath: rig.socket, path, agent: false, timeout: 5_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.on("error", () => resolve(null));
      response.on("end", () => resolve(response.statusCode === 200 ? (JSON.parse(body) as Value) : null));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(null));
  });
}

export function statusOf(rig: Rig): Promise<Status | null> {
  return ask<Status>(rig, "/v1/status");
}

export async function hostStatus(rig: Rig, host: string): Promise<HostStatus | undefined> {
  return (await statusOf(rig))?.hosts.find((each) => each.host === host);
}

export async function incidentsOf(rig: Rig, host?: string): Promise<readonly Incident[]> {
  return ((await ask<readonly Incident[]>(rig, "/v1/incidents")) ?? []).filter((each) => host === undefined || each.host === host);
}

export async function eventsOf(rig: Rig): Promise<readonly EventLine[]> {
  const { stdout } = await rig.upkeep("events", "--json", "--limit", "10000");
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as EventLine);
}

/** Waits until all hosts, or these, are guarded. */
export async function guarded(rig: Rig, hosts: readonly string[] = [...rig.hosts.keys()], limitMs = 30_000): Promise<void> {
  let seen: readonly HostStatus[] = [];
  await until(`guarded: ${hosts.join(", ")}`, async () => {
    seen = (await statusOf(rig))?.hosts ?? [];
    return hosts.every((name) => seen.find((each) => each.host === name)?.guarded === true);
  }, limitMs, 200).catch((error: unknown) => {
    throw new Error(`${String(error)}; ${seen.map((each) => `${each.host}: ${each.why}`).join("; ")}`);
  });
}

export function recordsOf<K extends LogRecord["kind"]>(records: readonly LogRecord[], kind: K): readonly RecordOf<K>[] {
  return records.filter((record): record is RecordOf<K> => record.kind === kind);
}

/** `3 off, 3 on`: the edges at the PDU in order, hands included. */
export function edgesOf(records: readonly LogRecord[]): readonly string[] {
  return recordsOf(records, "edge").map((edge) => `${edge.outlet} ${edge.state}`);
}

/** Commands that reached the PDU: `off 2 accepted`. */
export function commandsOf(records: readonly LogRecord[]): readonly string[] {
  return recordsOf(records, "command").map((command) => `${command.action} ${command.outlets.join("+")} ${command.outcome}`);
}

/** What the rules say of every device, whatever the test was about (safety.md §5.6, contracts.md "At the device"). */
export function assertPolite(records: readonly LogRecord[]): void {
  for (const command of recordsOf(records, "command")) {
    assert.ok(command.action === "on" || command.action === "off", `${command.action} is never sent`);
    assert.equal(command.outlets.length, 1, "one outlet at a time");
    assert.equal(command.master, false);
  }
  assert.deepEqual(recordsOf(records, "problem"), []);
}

/** The device tells a connection that has left before the next one (apc-pdu.ts); its clock is read a moment apart for the two. */
const OVERLAP_MS = 20;

/** Connections that were open at the device at the same time, in words; none when it is as it must be (safety.md §5.6). */
export function overlapsOf(records: readonly LogRecord[]): readonly string[] {
  const closed = new Map(recordsOf(records, "close").map((each) => [each.connection, each.monoMs]));
  const opened = recordsOf(records, "open");
  return opened.flatMap((later) => opened
    .filter((earlier) => earlier.connection < later.connection && (closed.get(earlier.connection) ?? Infinity) > later.monoMs + OVERLAP_MS)
    .map((earlier) => `connection ${later.connection} was opened while ${earlier.connection} was there: ${Math.round((closed.get(earlier.connection) ?? Infinity) - later.monoMs)} ms long`));
}

/** Prints a distribution, for the report of figures. */
export function distribution(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN)}`;
  return `n ${sorted.length}, min ${at(0)}, median ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, max ${at(1)} ms`;
}
