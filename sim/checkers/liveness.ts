// Liveness (safety.md §5.15): a host that dies and stays dead while it is truly guarded and nothing else happens is cut
// within (threshold − 1) · every + phase + timeout + agreement + 2 %. Whether it is guarded is judged here, not asked of the
// core; anything that disturbs the world lifts the obligation. This is what kills a watcher that does nothing.

import type { BrakeRecord, HostRecord, RecordKey } from "../../src/core/records.ts";
import type { HostPolicy } from "../../src/core/policy.ts";
import type { Checker } from "../checker.ts";
import type { Host } from "../hosts.ts";
import { remediesMs } from "../remedies.ts";
import { HOUR_MS } from "../spec.ts";
import type { World } from "../world.ts";

const DEAD = new Set(["frozen", "banner-silent", "refused", "link", "dead", "names-fail", "cannot-persist"]);
/** Everything has been still for so long before the host dies: debounces, boots, storms and graces are over. */
const STILL_MS = 240_000;

type Obligation = { readonly host: Host; readonly condition: string; readonly policy: HostPolicy; readonly sinceMs: number; readonly dueMs: number };

export function liveness(world: World): Checker {
  let obligations: Obligation[] = [];
  let disturbedMs = 0;
  const cycles: { host: string; atMs: number }[] = [];

  function disturbed(): void {
    disturbedMs = world.timeline.nowMs;
    obligations = [];
  }

  function truthfullyServed(policy: HostPolicy, condition: string): boolean {
    const broken = policy.probes.filter((probe) => probe.counts).filter((probe) => {
      // Its agent may be silent, or well: nothing is owed where that would make the difference.
      if (probe.id === "agent" || condition === "cannot-persist") return probe.id === "agent" && condition === "cannot-persist";
      if (condition === "dead" || condition === "link") return true;
      if (condition === "names-fail") return probe.id === "dns";
      if (condition === "banner-silent") return probe.id === "ssh";
      return probe.id !== "ping";
    }).length;
    const counting = policy.probes.filter((probe) => probe.counts).length;
    return counting - broken >= (policy.goodNeeded ?? counting);
  }

  function guarded(host: Host): HostPolicy | null {
    const { life } = world;
    const policy = world.policy.hosts.get(host.name);
    const nowMs = world.timeline.nowMs;
    const record = world.disk.value<HostRecord>(`host/${host.name}` as RecordKey);
    if (life === null || policy === undefined || record === undefined || policy.self || !policy.armed || !world.policy.armed || policy.levels.length === 0) return null;
    if (nowMs - Math.max(disturbedMs, life.startedMs) < Math.max(STILL_MS, 2 * policy.bootMs) || life.policy !== world.policy) return null;
    if (record.hold !== null || record.wanted.state === "off" || record.offByOthers.length > 0 || record.learned.seenHealthyAt === null || record.learned.hash !== policy.hash) return null;
    if (record.bootsMs.some((bootMs) => 2 * bootMs > policy.bootMs)) return null;
    if (record.cycles.length >= policy.budget.cycles || record.unconfirmed.length > 0 || world.open.length > 0 || world.disk.failing || world.disk.slow > 0 || world.network.loss > 0) return null;
    for (const [key, { value }] of world.disk.records) {
      if (key.startsWith("storm/")) return null;
      if (key.startsWith("brake/") && ["*", host.name].includes((value as BrakeRecord).scope)) return null;
      // Hosts that cannot be healthy for the watcher count against it in a storm.
      if (key.startsWith("host/") && (value as HostRecord).hold !== null) return null;
    }
    for (const other of world.hosts.values()) if (other !== host && (!other.healthy || nowMs - other.sinceMs < STILL_MS || !world.network.reaches(other.name) || world.observed.last(other.name)?.outcome !== "good")) return null;
    if (host.condition === "cannot-persist" && host.agent?.sure !== true) return null;
    if (!world.network.reaches(host.name) || world.network.referencesLost > 0 || world.spec.commitMs > 100) return null;
    for (const device of world.devices.values()) {
      if (!device.usable || device.stale > 0 || nowMs < device.ghostUntilMs || device.acknowledgementsToLose > 0 || device.commandsToDelay > 0) return null;
      for (const outlet of device.outlets.values()) if (outlet.lie !== null || outlet.stuck || outlet.refuses || !outlet.closed || (outlet.label !== null && outlet.label !== world.hostOf(outlet.key)?.name)) return null;
    }
    if (cycles.filter((each) => nowMs - each.atMs < HOUR_MS).length >= (world.policy.brakes.perHour ?? 3)) return null;
    return policy;
  }

  function boundMs(policy: HostPolicy): number {
    let looksMs = 0;
    for (let bad = 1; bad < policy.threshold; bad += 1) looksMs += Math.max(policy.everyMs, policy.retryMs[bad - 1] ?? 0);
    const deviceMs = Math.max(...policy.levels.flat().map((outlet) => {
      const spec = world.devices.get(outlet.device)?.spec;
      return spec === undefined ? 0 : 2 * spec.loginMs + 8 * spec.turnMs + 1_000;
    }));
    return remediesMs(policy) + 1.02 * (policy.everyMs + looksMs + policy.timeoutMs + deviceMs + 6 * world.spec.commitMs);
  }

  return {
    invariant: "Liveness",
    condition(host) {
      const policy = DEAD.has(host.condition) ? guarded(host) : null;
      const before = obligations;
      disturbed();
      if (policy === null || truthfullyServed(policy, host.condition)) return;
      void before;
      obligations.push({ host, condition: host.condition, policy, sinceMs: world.timeline.nowMs, dueMs: world.timeline.nowMs + boundMs(policy) });
    },
    strikes(fault) {
      // Harmless ones, and the death itself, which is announced after it has happened.
      if (fault === "wedge" || fault === "clock-jumps" || fault === "clock-unsynced" || fault === "person-acknowledges") return;
      disturbed();
    },
    // Only what may hold an off back lifts the obligation: whatever else is said in a host's name delays nothing.
    spoofed(_host, { sign }) {
      if (sign === "rebooting" || sign === "kdump") disturbed();
    },
    lifeEnds: disturbed,
    lifeBegins: disturbed,
    answered: disturbed,
    round(seen) {
      if (seen.outcome !== "good" && !obligations.some((each) => each.host.name === seen.host) && world.hosts.get(seen.host)?.healthy === true) disturbed();
    },
    bytes({ action, operation, sentMs }) {
      if (operation === null) return;
      if (action === "off") cycles.push({ host: operation.host, atMs: sentMs });
      for (const each of obligations) if (each.host.name === operation.host) {
        world.counts.add("obligation: a dead host was cut in time");
        if (each.condition === "cannot-persist") world.counts.add("obligation: a host of which only its agent knew was cut in time");
        world.counts.add("death to off: milliseconds", sentMs - each.sinceMs);
      }
      obligations = obligations.filter((each) => each.host.name !== operation.host);
    },
    audit() {
      if (world.life === null || world.life.frozenUntilMs >= world.timeline.nowMs) disturbed();
      for (const { host, dueMs, sinceMs } of obligations) {
        if (world.timeline.nowMs > dueMs) return world.fail("Liveness", `${host.name} is ${host.condition} since ${Math.round(sinceMs)} ms, was guarded, and was not cut by ${Math.round(dueMs)} ms`);
      }
    },
  };
}
