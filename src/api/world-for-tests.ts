// For tests: a real Watcher and the real core on a small world in memory (hosts that serve or not, one power device whose
// outlets feed them, a store and a history that forget with the process), with every interval shortened. It imports nothing
// that a real watcher does not, and is imported by tests only.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Told } from "../core/io.ts";
import { recognise } from "../core/kernel-words.ts";
import type { HostPolicy, Policy } from "../core/policy.ts";
import { LIMITS } from "../core/policy.ts";
import type { AnyRecord, IncidentRecord, RecordKey } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { availabilityOf } from "../journal/availability-query.ts";
import type { KernelRow } from "../journal/kernel-table.ts";
import { STANDINGS_SCHEMA, StandingTable } from "../journal/standing-table.ts";
import type { CommitResult, Store } from "../stores/store.ts";
import type { Ports } from "../watcher/ports.ts";
import { Standings } from "../watcher/standings.ts";
import { Watcher } from "../watcher/watcher.ts";
import type { ApiSources } from "./server.ts";
import type { History, HistoryEvent } from "./history.ts";
import type { AgentsSource } from "./route.ts";
import { Notices } from "./status-page/notices.ts";
import type { StatusPageConfig } from "./status-page/serve.ts";
import { Counts } from "./metrics/counts.ts";
import { RoundStrips } from "./strips.ts";

export type World = {
  readonly watcher: Watcher;
  readonly sources: ApiSources;
  /** Hosts that do not serve although they have power. */
  readonly wedged: Set<string>;
  /** Outlets of the device `sucker`, and what they are. */
  readonly outlets: Map<string, "on" | "off">;
  /** Commands at the device: `off 2`. */
  readonly commands: string[];
  /** Outlets that do not obey `off`. */
  readonly stuck: Set<string>;
  /** What the next reload answers. */
  reloads: { accepted: boolean; problems: readonly string[] };
  /** The store fails while this is not null. */
  storeFailure: string | null;
  /** What hosts' kernels have said; `says` adds to it. */
  readonly kernelLines: KernelRow[];
  says(host: string, text: string): void;
  /** What the public is told. */
  statusPage: StatusPageConfig | null;
  /** The agents that are taken in. */
  agents: AgentsSource | null;
  /** The device cannot be opened or read while this is not null. */
  deviceFailure: string | null;
  /** Numbers of the lines that called somebody. */
  readonly called: number[];
  close(): Promise<void>;
};

export type WorldOptions = {
  readonly hosts?: readonly string[];
  readonly change?: (host: HostPolicy) => HostPolicy;
  /** The history lags behind by this many lines, as one that writes in batches does. */
  readonly historyLag?: number;
  readonly armed?: boolean;
  /** Between two rounds of a host. */
  readonly everyMs?: number;
};

const EVERY_MS = 40;
const FIRST_OUTLET = 2;

export function openWorld(options: WorldOptions = {}): World {
  const names = options.hosts ?? ["logos", "ethos", "pathos"];
  const outletOf = (host: string) => String(names.indexOf(host) + FIRST_OUTLET);
  const outlets = new Map<string, "on" | "off">(names.map((name) => [outletOf(name), "on"]));
  const wedged = new Set<string>();
  const stuck = new Set<string>();
  const commands: string[] = [];
  const startedMs = performance.now();
  const startedWallMs = Date.now();
  const now = (): Now => {
    const sinceMs = Math.floor(performance.now() - startedMs);
    return { bootMs: 1_000_000 + sinceMs, wallMs: startedWallMs + sinceMs, bootId: "this-boot", synced: true };
  };
  const timers = new Set<NodeJS.Timeout>();
  const at = (bootMs: number, then: () => void) => {
    let timer: NodeJS.Timeout;
    const arm = () => {
      timer = setTimeout(() => {
        timers.delete(timer);
        // Never early: Node's timers round.
        if (now().bootMs < bootMs) arm();
        else then();
      }, Math.max(0, bootMs - now().bootMs));
      timers.add(timer);
    };
    arm();
    return () => clearTimeout(timer);
  };
  const serves = (host: string) => outlets.get(outletOf(host)) === "on" && !wedged.has(host);
  const policy = policyOf(names, outletOf, options);
  const strips = new RoundStrips(() => watcher.policy.hosts);
  const counts = new Counts();
  const past = historyOf(options.historyLag ?? 0, {
    told: (told) => counts.told(told),
    input: (input, at) => {
      strips.take(input, at);
      counts.input(input, watcher.state);
    },
    incident: (record) => counts.incident(record),
  });
  const ports: Ports = {
    clock: { now, at },
    store: storeOf(() => world.storeFailure),
    journal: past.journal,
    alerts: { raise: (_alarm, _again, event) => void (event === undefined ? undefined : world.called.push(event)), over: () => {} },
    rounds: {
      start: (host, _limitMs, onRound) => {
        const began = now().bootMs;
        return at(began + 1, () => {
          const good = serves(host);
          const up = outlets.get(outletOf(host)) === "on";
          onRound({
            host, hash: `hash-${host}`, startedAtMs: began, endedAtMs: now().bootMs, references: "none",
            results: [
              { probe: "ping", outcome: up ? "good" : "bad", sign: up ? "answer" : "silent", evidence: up ? "echo reply" : "no echo reply", latencyMs: 1 },
              { probe: "ssh", outcome: good ? "good" : "bad", sign: good ? "answer" : "silent", evidence: good ? "SSH-2.0-Virtual" : "accepted, no banner within 20 ms", latencyMs: 2 },
            ],
          });
        });
      },
    },
    power: () => ({
      open: async () => {
        const reach = () => {
          if (world.deviceFailure !== null) throw new Error(world.deviceFailure);
        };
        reach();
        const read = (outlet: string) => ({ outlet, state: outlets.get(outlet) ?? ("unknown" as const), label: null });
        return {
          read: async (asked) => {
            reach();
            return asked.map(read);
          },
          set: async (outlet, action, fire) => {
            const went = await fire(read(outlet), () => {
              commands.push(`${action} ${outlet}`);
              if (action === "on" || !stuck.has(outlet)) outlets.set(outlet, action);
            });
            return went ? { kind: "accepted" as const, evidence: "Success" } : { kind: "refused" as const, by: "gate" as const, evidence: "not let go" };
          },
          close: async () => {},
        };
      },
    }),
    touch: async (host) => ({ answered: outlets.get(outletOf(host)) === "on" ? "yes" as const : "no" as const, evidence: "a probe of the virtual host" }),
    exit: () => {},
  };
  const watcher = new Watcher(ports, policy);
  const kernelFollowers = new Set<(line: KernelRow) => void>();
  const follows = (host: string, onLine: (line: KernelRow) => void): (() => void) => {
    const follower = (line: KernelRow): void => {
      if (line.host === host) onLine(line);
    };
    kernelFollowers.add(follower);
    return () => void kernelFollowers.delete(follower);
  };
  const folder = mkdtempSync(join(tmpdir(), "upkeep-world-"));
  const notices = new Notices(folder, () => {});
  const standings = new Standings(past.looks);
  const world: World = {
    watcher, wedged, outlets, commands, stuck, storeFailure: null, deviceFailure: null, called: [], kernelLines: [], statusPage: null, agents: null,
    says: (host, text) => {
      const line: KernelRow = { id: world.kernelLines.length + 1, host, atMs: now().wallMs, text, level: 0, byKernel: true, uptimeUs: 1_500_000, sign: recognise(text, true)?.sign ?? null, torn: false };
      world.kernelLines.push(line);
      for (const follower of kernelFollowers) follower(line);
    },
    reloads: { accepted: true, problems: [] },
    sources: { watcher, history: past.history, kernels: { lines: async ({ host, fromMs = -Infinity, toMs = Infinity, limit }) => world.kernelLines.filter((line) => line.host === host && line.atMs >= fromMs && line.atMs < toMs).slice(-limit), follow: (host, onLine) => follows(host, onLine), get followers() { return kernelFollowers.size; }, figures: { datagrams: 0, dropped: { strangers: 0, shared: 0, lines: 0, words: 0 } } }, strips, counts, now,
      processFigures: async () => ({ dropped: { rows: 0, lines: 0, rounds: 0 }, historyBytes: 4_096, alertsWaiting: 0, stalledMs: 0 }),
      statusPage: () => world.statusPage, notices, agents: () => world.agents, look: () => standings.look(watcher.state, watcher.policy, now()), reload: async () => world.reloads, record: async (device) => (device === "sucker" ? { text: "upkeep recording 1\n" } : null), alerts: { report: () => ({ alarms: [], channels: [] }), test: async (channel) => (channel === null || channel === "mail" ? [{ channel: "mail", delivered: false, evidence: "450 not now" }] : null) }, version: "0.0.0-test" },
    close: async () => {
      await watcher.kill();
      rmSync(folder, { recursive: true, force: true });
      for (const timer of timers) clearTimeout(timer);
    },
  };
  watcher.start({ kind: "start", records: [], uptimeMs: 10_000_000, wentBack: null, seq: 0, ledger: "virtual" });
  return world;
}

function policyOf(names: readonly string[], outletOf: (host: string) => string, options: WorldOptions): Policy {
  const host = (name: string): HostPolicy => ({
    name, hash: `hash-${name}`, address: "192.0.2.1", group: "default", behind: null, armed: true,
    everyMs: options.everyMs ?? EVERY_MS, timeoutMs: 20, threshold: 3, retryMs: [], debounceMs: 0, bootMs: 2_000, offForMs: 60, healthyForMs: 80, offConfirmMs: 500, onConfirmMs: 500, settleMs: 50,
    probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null,
    levels: [[{ device: "sucker", outlet: outletOf(name) }]], budget: { cycles: 3, withinMs: 21_600_000 }, self: false, storeMembers: 0,
  });
  const change = options.change ?? ((each: HostPolicy) => each);
  return {
    site: "homelab", watcher: "rikis-hopuuj", armed: options.armed ?? true,
    hosts: new Map(names.map((name) => [name, change(host(name))])),
    devices: new Map([["sucker", { name: "sucker", driver: "virtual", address: "192.0.2.9", maxActMs: 500, checkEveryMs: 200, exclusiveSession: true }]]),
    brakes: { startupMs: 0, maxUnhealthy: 1, coolDownMs: 100, concurrent: 1, perHour: 100 }, observers: 3, lone: "hold", shared: null,
    limits: { ...LIMITS, checkWindowMs: 2_000, readBackEveryMs: 30 },
  };
}

function storeOf(failure: () => string | null): Store {
  const records = new Map<RecordKey, { value: AnyRecord; revision: number }>();
  let revision = 0;
  return {
    capabilities: { shared: false },
    identity: "virtual",
    load: async () => [...records].map(([key, record]) => ({ key, ...record })),
    commit: async (guards, writes): Promise<CommitResult> => {
      const evidence = failure();
      if (evidence !== null) return { kind: "failed", evidence };
      for (const guard of guards) if ((records.get(guard.key)?.revision ?? null) !== guard.revision) return { kind: "conflict", evidence: `${guard.key} is another` };
      revision += 1;
      for (const write of writes) {
        if (write.value === null) records.delete(write.key);
        else records.set(write.key, { value: write.value, revision });
      }
      return { kind: "committed", revision };
    },
    close: async () => {},
  };
}

function historyOf(lag: number, witness: Ports["journal"]): { journal: Ports["journal"]; history: History; looks: ConstructorParameters<typeof Standings>[0] } {
  const lines: HistoryEvent[] = [];
  const incidents = new Map<string, IncidentRecord>();
  const database = new DatabaseSync(":memory:");
  database.exec(`CREATE TABLE incident (host TEXT, began_ms REAL); ${STANDINGS_SCHEMA}`);
  const standings = new StandingTable(database);
  const written = () => (lag === 0 ? lines : lines.slice(0, -lag));
  return {
    looks: { look: (look) => standings.write([look], true), looksFrom: 1 },
    journal: {
      told: (told: Told, now: Now) => {
        lines.push({ ...told, atMs: now.wallMs });
        witness.told(told, now);
      },
      input: (input, now) => witness.input(input, now),
      incident: (record) => {
        incidents.set(record.incident, record);
        witness.incident(record);
      },
    },
    history: {
      events: async ({ sinceMs = -Infinity, afterSeq = -1, host, limit }) => written().filter((line) => line.atMs >= sinceMs && line.seq > afterSeq && (host === undefined || line.host === host)).slice(-limit),
      incidents: async (query) => (typeof query === "number" ? [...incidents.values()].slice(-query) : [...incidents.values()].filter(({ host, began }) => host === query.host && began.wallMs < query.untilMs).slice(-query.limit)),
      incident: async (name) => incidents.get(name),
      availability: async (query) => availabilityOf({ standings, incidents: ({ host }) => [...incidents.values()].filter((record) => record.host === host) }, query),
      results: async () => ({ text: "", nextMs: null }),
      hosts: async () => [],
      chain: async (seq, limit) => {
        const chain: HistoryEvent[] = [];
        for (let line = written().find((each) => each.seq === seq); line !== undefined && chain.length < limit;) {
          chain.unshift(line);
          const { cause } = line;
          line = written().find((each) => each.seq === cause);
        }
        return chain;
      },
      eventsOf: async (name) => written().filter((line) => line.incident === name),
    },
  };
}

/** Waits until `holds` gives something other than false, null or undefined; fails with `what` after `limitMs`. */
export async function until<Value>(what: string, holds: () => Value | Promise<Value>, limitMs = 20_000): Promise<NonNullable<Value>> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const value = await holds();
    if (value !== false && value !== null && value !== undefined) return value;
    if (performance.now() > deadlineMs) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
