// Brakes (safety.md §5.11): at each automatic off a second, naive reading of the committed records and of what has reached
// the watcher finds every brake clear. It shares no line with src/core: ages are the world's own, budgets are counted from
// what was confirmed, storms from the rounds that were delivered.

import type { HostPolicy, Policy } from "../../src/core/policy.ts";
import { outletKey } from "../../src/core/policy.ts";
import type { BrakeRecord, DeviceLock, HostRecord, Operation, RecordKey, StormRecord } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { Records } from "../disk.ts";
import type { Life } from "../life.ts";
import { HOUR_MS } from "../spec.ts";
import type { World } from "../world.ts";

const SLOT = new Set(["intended", "off-sent", "off-confirmed", "on-sent"]);

export function brakes(world: World): Checker {
  /** What was confirmed or given up, by host, since the last release. */
  const cycles = new Map<string, number[]>();
  const unconfirmed = new Map<string, number[]>();
  const allCycles: number[] = [];
  const healthyUnder = new Map<string, Set<string>>();
  /** The last off byte of each host and the cut that it belonged to. */
  const lastCut = new Map<string, { atMs: number; cut: string }>();
  const released = new Map<string, number>();
  let lost = false;
  const unanswered = new Set<string>();
  /** What the devices last said to the watcher. */
  const labels = new Map<string, string | null>();

  function release(host: string): void {
    released.set(host, world.timeline.nowMs);
    cycles.delete(host);
    unconfirmed.delete(host);
  }

  const value = <Kind>(records: Records, key: string): Kind | undefined => records.get(key as RecordKey)?.value as Kind | undefined;
  const brakeOf = (records: Records, host: string, kind: string) => value<BrakeRecord>(records, `brake/${kind}/${host}`) ?? value<BrakeRecord>(records, `brake/${kind}/*`);

  function inTheSum(host: HostPolicy, policy: Policy, records: Records): boolean {
    const record = value<HostRecord>(records, `host/${host.name}`);
    if (!policy.armed || !host.armed || record === undefined || record.hold !== null || record.wanted.state === "off" || (record.careful ?? null) !== null || record.learned.seenHealthyAt === null) return false;
    return (["disarmed", "maintenance", "inhibit"] as const).every((kind) => brakeOf(records, host.name, kind) === undefined);
  }

  function storm(set: string, members: readonly HostPolicy[], policy: Policy, records: Records): string | null {
    let armed = 0;
    let sick = 0;
    for (const member of members) {
      if (!inTheSum(member, policy, records)) continue;
      armed += 1;
      const last = world.observed.last(member.name);
      if (last !== undefined && (last.outcome === "bad" || last.outcome === "unknown")) sick += 1;
    }
    const limit = Math.max(1, Math.floor(policy.brakes.maxUnhealthy * armed + 1e-9));
    return policy.brakes.maxUnhealthy < 1 && sick > limit ? `${sick} of ${armed} hosts of ${set} are unhealthy` : null;
  }

  function braked(operation: Operation, host: HostPolicy, life: Life, records: Records, resumed: boolean): string | null {
    const nowMs = world.timeline.nowMs;
    const { policy } = life;
    const record = value<HostRecord>(records, `host/${host.name}`);
    const bootMs = host.bootMs === 0 ? 0 : Math.max(host.bootMs, 2 * Math.max(0, ...(record?.bootsMs ?? [])));
    const cutName = `${operation.id}/${operation.level}`;
    if (!policy.armed || !host.armed) return "disarmed in the configuration";
    if (host.self) return "it carries the watcher";
    for (const kind of ["disarmed", "maintenance", "inhibit", "kdump"] as const) if (brakeOf(records, host.name, kind) !== undefined) return `under ${kind}`;
    if (record === undefined) return "no record of the host";
    if (record.wanted.state === "off") return "wanted off";
    if (record.hold !== null) return `held: ${record.hold.because}`;
    if (record.offByOthers.length > 0) return "off by others";
    if (record.learned.hash !== host.hash || record.learned.seenHealthyAt === null) return "never seen healthy, says the record";
    if (!lost && healthyUnder.get(host.name)?.has(host.hash) !== true) return "never seen healthy, in truth";
    const graceMs = policy.brakes.startupMs === 0 ? 0 : life.uptimeAtStartMs < host.bootMs ? Math.max(policy.brakes.startupMs, host.bootMs) : policy.brakes.startupMs;
    if (!resumed && nowMs - life.startedMs < graceMs) return "start-up grace";
    const cut = lastCut.get(host.name);
    const leastMs = Math.max(host.debounceMs, bootMs);
    if (cut !== undefined && cut.cut !== cutName && nowMs - cut.atMs < leastMs) return `its power was cut ${nowMs - cut.atMs} ms ago`;
    const seen = world.observed.of(host.name);
    const last = seen.at(-1);
    const lastGoodAt = seen.findLastIndex((each) => each.outcome === "good");
    const sinceGood = seen.slice(lastGoodAt + 1);
    if (brakeOf(records, host.name, "going-down") !== undefined && lastGoodAt >= 0 && nowMs - (seen[lastGoodAt]?.atMs ?? 0) < bootMs) return "going down";
    if (last?.silent === true && sinceGood.some((each) => each.outcome === "bad" && each.refused && nowMs - each.atMs < bootMs && each.atMs > (released.get(host.name) ?? -Infinity))) return "an orderly silence";
    const spent = (list: Map<string, number[]>) => (list.get(host.name) ?? []).filter((atMs) => nowMs - atMs < host.budget.withinMs).length;
    if (spent(cycles) >= host.budget.cycles) return `${spent(cycles)} cycles are spent`;
    if (spent(unconfirmed) >= host.budget.cycles) return `${spent(unconfirmed)} offs were never confirmed`;
    if (host.behind !== null && policy.hosts.has(host.behind)) {
      const patient = world.observed.last(host.behind)?.outcome;
      if (patient !== "good" && patient !== "slow") return `behind ${host.behind}, which is ${patient ?? "not seen"}`;
    }
    for (const outlet of host.levels[operation.level] ?? []) {
      const label = labels.get(outletKey(outlet)) ?? null;
      if (label !== null && label !== host.name && policy.hosts.has(label)) return `${outletKey(outlet)} is labelled ${label}`;
    }
    let slots = 0;
    for (const [key, each] of records) {
      if (!key.startsWith("op/")) continue;
      const other = each.value as Operation;
      if (other.id !== operation.id && other.kind !== "on" && SLOT.has(other.phase)) slots += 1;
    }
    if (slots >= policy.brakes.concurrent) return `${slots} other operations are under way`;
    const hourly = allCycles.filter((atMs) => nowMs - atMs < HOUR_MS).length;
    const perHour = policy.brakes.perHour ?? Math.max(3, Math.floor(0.02 * policy.hosts.size));
    const sets = new Map<string, HostPolicy[]>();
    for (const member of policy.hosts.values()) for (const set of setsOf(member)) sets.set(set, [...(sets.get(set) ?? []), member]);
    // A person who lets the storm of the fleet through has looked at its parts as well.
    const letThrough = value<StormRecord>(records, "storm/fleet")?.proceedBy ?? null;
    for (const set of letThrough === null ? setsOf(host) : []) {
      const stormed = value<StormRecord>(records, `storm/${set}`);
      if (stormed?.proceedBy === null) return `a storm in ${set}`;
      if (stormed !== undefined) continue;
      const now = storm(set, sets.get(set) ?? [], policy, records);
      if (now !== null) return now;
      if (set === "fleet" && hourly > perHour && !lost) return `${hourly} cycles in the last hour`;
    }
    return null;
  }

  return {
    invariant: "Brakes",
    strikes(fault) {
      if (fault !== "disk-wiped" && fault !== "disk-restored") return;
      // The ledger starts again; what it no longer knows cannot be asked of it.
      lost = true;
      for (const each of [cycles, unconfirmed]) each.clear();
      allCycles.length = 0;
      lastCut.clear();
    },
    round(seen) {
      // In favour of the watcher: one answer of a probe that counts, whatever was to be expected of the others.
      const policy = world.life?.policy.hosts.get(seen.host);
      if (seen.round.references === "lost" || !seen.round.results.some((result) => result.outcome === "good" && policy?.probes.some((probe) => probe.id === result.probe && probe.counts))) return;
      healthyUnder.set(seen.host, (healthyUnder.get(seen.host) ?? new Set()).add(seen.round.hash));
    },
    answered(command, answer) {
      if (command.kind === "release") unanswered.delete(command.host);
      // 5: in force, and recorded as soon as the disk takes it.
      if (answer.exit !== 0 && !(command.kind === "release" && answer.exit === 5)) return;
      if (command.kind === "unbrake") for (const host of world.hosts.keys()) if (command.scope === "*" || command.scope === host) released.set(host, world.timeline.nowMs);
      if (command.kind === "release") release(command.host);
    },
    asked(command) {
      if (command.kind === "release") unanswered.add(command.host);
    },
    lifeEnds() {
      // It may have been done before it could be answered.
      for (const host of unanswered) release(host);
      unanswered.clear();
      // What was told on a full disk and never reached the ledger died with the process: the next one cannot count it.
      for (const [host, told] of unconfirmed) unconfirmed.set(host, told.slice(0, value<HostRecord>(world.disk.records, `host/${host}`)?.unconfirmed.length ?? 0));
    },
    readings(device, readings) {
      for (const reading of readings) labels.set(`${device.name}/${reading.outlet}`, reading.label);
    },
    told({ kind, host }) {
      if (host === null) return;
      if (kind === "off-unconfirmed") unconfirmed.set(host, [...(unconfirmed.get(host) ?? []), world.timeline.nowMs]);
    },
    bytes(sent) {
      const { operation } = sent;
      if (sent.action === "off" && operation !== null) lastCut.set(operation.host, { atMs: sent.sentMs, cut: `${operation.id}/${operation.level}` });
    },
    commit({ writes }, before) {
      for (const { key, value: written } of writes) {
        const operation = key.startsWith("op/") ? (written as Operation | null) : null;
        const known = before.get(key)?.value as Operation | undefined;
        if (operation === null || operation.kind !== "cycle" || (operation.origin.kind === "manual" && operation.origin.event !== undefined) || operation.phase !== "off-confirmed" || known?.phase === "off-confirmed") continue;
        cycles.set(operation.host, [...(cycles.get(operation.host) ?? []), world.timeline.nowMs]);
        allCycles.push(world.timeline.nowMs);
      }
    },
    calling({ writes, life }, before) {
      const lock = writes.find((each) => each.key.startsWith("lock/") && each.value !== null)?.value as DeviceLock | undefined;
      const operation = writes.find((each) => each.key.startsWith("op/"))?.value as Operation | null | undefined;
      if (lock === undefined || operation === null || operation === undefined || operation.phase !== "off-sent" || operation.origin.kind !== "auto") return;
      world.counts.add("brake: naive evaluation at an off");
      const policy = life.policy.hosts.get(operation.host);
      const why = policy === undefined ? "no longer configured" : braked(operation, policy, life, before, !world.begunIn(operation, life));
      if (why !== null) world.fail("Brakes", `an automatic off for ${operation.host} (operation ${operation.id}): ${why}`);
    },
  };
}

function setsOf(host: HostPolicy): string[] {
  return ["fleet", `group:${host.group}`, ...new Set(host.levels.flat().map((outlet) => `device:${outlet.device}`)), ...(host.behind === null ? [] : [`behind:${host.behind}`])];
}
