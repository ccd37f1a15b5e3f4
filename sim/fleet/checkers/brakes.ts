// Brakes (safety.md §5.11): at each automatic off a second, naive reading of what is committed at that moment, whoever
// committed it, finds every brake clear. It shares no line with src/core: ages are the world's own, budgets are counted from
// what was confirmed by any watcher, and slots from the operations that are open.

import type { HostPolicy } from "../../../src/core/policy.ts";
import type { BrakeRecord, HostRecord, Operation, RecordKey, StormRecord } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { Carried, FleetWorld } from "../world.ts";
import { automatic, isAnotherStore, swapOf } from "./facts.ts";

const SLOT = new Set(["intended", "off-sent", "off-confirmed", "on-sent"]);
const HOUR_MS = 3_600_000;
const DRIFT = 0.98;
/** How long a change is on its way to a watcher, and to one whose watch of the store is late. */
const HEARD_MS = 400;
const LATE_MS = 4_400;

export function brakes(world: FleetWorld): FleetChecker {
  const cycles = new Map<string, number[]>();
  const allCycles: number[] = [];
  /** The last off byte of each host, and the cut that it belonged to. */
  const lastCut = new Map<string, { atMs: number; cut: string }>();
  const healthy = new Set<string>();
  let lost = false;
  const unanswered = new Map<string, FleetLife>();
  /** Records of hosts over which a later version has written something behind everybody's back, as they were, and since when. */
  const covered = new Map<string, { readonly record: HostRecord; readonly sinceMs: number }>();
  const readable = new Map<string, HostRecord>();

  function release(host: string): void {
    cycles.delete(host);
  }

  /** The record of a host; what was written over it without a charge, and so moved no guard, counts from when it can have been heard of. */
  function recordOf(host: string, { life, calledMs }: Carried): HostRecord | undefined {
    const under = covered.get(host);
    return under !== undefined && calledMs - under.sinceMs <= (life.site.watchLate > 0 ? LATE_MS : HEARD_MS) ? under.record : world.server.value<HostRecord>(`host/${host}` as RecordKey);
  }

  function braked(operation: Operation, host: HostPolicy, carried: Carried): string | null {
    const { life, atMs } = carried;
    const { server } = world;
    // What nobody can have seen yet nobody can heed.
    const seenWithinMs = (name: string): number => 2 * ((life.policy.hosts.get(name)?.everyMs ?? 0) + (life.policy.hosts.get(name)?.timeoutMs ?? 0));
    const record = recordOf(host.name, carried);
    const brakeOf = (kind: string) => [`brake/${kind}/${host.name}`, `brake/${kind}/*`].map((key) => server.value<BrakeRecord>(key as RecordKey)).find((brake) => brake !== undefined && brake.endedBy === undefined);
    if (!life.policy.armed || !host.armed) return "disarmed in the configuration";
    if (host.self) return "it carries the watcher that acts";
    for (const kind of ["disarmed", "maintenance", "inhibit", "kdump"]) if (brakeOf(kind) !== undefined) return `under ${kind}`;
    if (record === undefined) return "no record of the host";
    if (record.wanted.state === "off") return "wanted off";
    if (record.hold !== null) return `held: ${record.hold.because}`;
    if (record.offByOthers.length > 0) return "off by others";
    if (record.learned.hash !== host.hash || record.learned.seenHealthyAt === null) return "never seen healthy, says the record";
    if (!lost && !healthy.has(host.name)) return "never seen healthy, in truth";
    const members = world.spec.members.filter((name) => name !== null && (name === host.name || (world.dark(name) && world.timeline.nowMs - (world.hosts.get(name)?.sinceMs ?? 0) > seenWithinMs(name)))).length;
    if (host.storeMembers > 0 && world.spec.members.length - members < Math.floor(world.spec.members.length / 2) + 1) return "it would take the store's quorum with it";
    const bootMs = Math.max(host.bootMs, 2 * Math.max(0, ...record.bootsMs));
    const cut = lastCut.get(host.name);
    if (cut !== undefined && cut.cut !== `${operation.id}/${operation.level}` && atMs - cut.atMs < DRIFT * Math.max(host.debounceMs, bootMs)) return `its power was cut ${Math.round(atMs - cut.atMs)} ms ago`;
    const spent = (cycles.get(host.name) ?? []).filter((each) => atMs - each < host.budget.withinMs).length;
    if (spent >= host.budget.cycles) return `${spent} cycles are spent`;
    const slots = world.open.filter((other) => other.id !== operation.id && other.kind !== "on" && SLOT.has(other.phase)).length;
    if (slots >= life.policy.brakes.concurrent) return `${slots} other operations are under way`;
    if ((server.value<StormRecord>("storm/fleet")?.proceedBy ?? null) !== null) return null;
    const sets = ["fleet", `group:${host.group}`, ...new Set(host.levels.flat().map(({ device }) => `device:${device}`)), ...(host.behind === null ? [] : [`behind:${host.behind}`])];
    for (const set of sets) if (server.value<StormRecord>(`storm/${set}` as RecordKey)?.proceedBy === null) return `a storm in ${set}`;
    const hourly = allCycles.filter((each) => atMs - each < HOUR_MS).length;
    const perHour = life.policy.brakes.perHour ?? Math.max(3, Math.floor(0.02 * life.policy.hosts.size));
    if (life.policy.brakes.maxUnhealthy < 1 && hourly > perHour && !lost && server.value("storm/fleet") === undefined) return `${hourly} cycles in the last hour`;
    return null;
  }

  return {
    invariant: "Brakes",
    strikes(fault) {
      if (!isAnotherStore(fault)) return;
      lost = true;
      cycles.clear();
      allCycles.length = 0;
      lastCut.clear();
      covered.clear();
      readable.clear();
      for (const [key, value] of world.recorded()) if (key.startsWith("host/")) readable.set(key.slice("host/".length), value as HostRecord);
    },
    changed(changes) {
      for (const { key, version } of changes) {
        if (!key.startsWith("host/")) continue;
        const host = key.slice("host/".length);
        const record = readable.get(host);
        covered.delete(host);
        if (version?.read.ok === true) readable.set(host, version.read.value as HostRecord);
        else if (version !== null && record !== undefined) covered.set(host, { record, sinceMs: world.timeline.nowMs });
      }
    },
    look({ host, outcome, round }, life) {
      if (round.references === "lost" || outcome === "unknown") return;
      // In favour of the watchers: one answer of a probe that counts.
      if (round.results.some((result) => result.outcome === "good" && life.policy.hosts.get(host)?.probes.some((probe) => probe.id === result.probe && probe.counts))) healthy.add(host);
    },
    asked({ command, life }) {
      if (command.kind === "release") unanswered.set(command.host, life);
    },
    answered({ command }, answer) {
      if (command.kind !== "release") return;
      unanswered.delete(command.host);
      // 5: perhaps done.
      if (answer.exit === 0 || answer.exit === 5) release(command.host);
    },
    lifeEnds(life) {
      for (const [host, by] of unanswered) if (by === life) release(host);
    },
    bytes({ action, operation, sentMs }) {
      if (action === "off" && operation !== null) lastCut.set(operation.host, { atMs: sentMs, cut: `${operation.id}/${operation.level}` });
    },
    commit(carried) {
      for (const { key, value } of carried.writes) {
        if (!key.startsWith("op/") || value === null) continue;
        const operation = value as Operation;
        // A start after a careful shutdown is no cycle in any budget (ADR 28).
        if (operation.kind !== "cycle" || (operation.origin.kind === "manual" && operation.origin.event !== undefined) || operation.phase !== "off-confirmed" || world.server.value<Operation>(key)?.phase === "off-confirmed") continue;
        cycles.set(operation.host, [...(cycles.get(operation.host) ?? []), carried.atMs]);
        allCycles.push(carried.atMs);
      }
      const swap = swapOf(world, carried);
      if (!automatic(swap)) return;
      // Asked for under the configuration before: what the new one forbids stops the byte.
      if (carried.life.reloadedMs >= carried.calledMs) return;
      world.counts.add("brake: naive evaluation at an off");
      const { operation } = swap;
      const policy = carried.life.policy.hosts.get(operation.host);
      const why = policy === undefined ? "no longer configured" : braked(operation, policy, carried);
      if (why !== null) world.fail("Brakes", `${carried.life.name} lets an automatic off go for ${operation.host} (operation ${operation.id}): ${why}`);
    },
  };
}
