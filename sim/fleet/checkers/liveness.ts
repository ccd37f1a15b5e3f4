// Liveness (safety.md §5.15) with several watchers: a host that dies and stays dead in an otherwise untouched world, in which
// every watcher reaches everything, is cut within (threshold − 1) · every + phase + timeout + agreement + 2 %. Whether it is
// guarded is judged here; anything that disturbs the world lifts the obligation.

import type { HostPolicy } from "../../../src/core/policy.ts";
import type { BrakeRecord, HostRecord, WatcherRecord } from "../../../src/core/records.ts";
import type { Host } from "../../hosts.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetWorld } from "../world.ts";
import { remediesMs } from "../../remedies.ts";
import { chargesOf, holderOf } from "./facts.ts";

const DEAD = new Set(["frozen", "banner-silent", "refused", "link", "dead", "names-fail"]);
/** Nothing has happened for so long. */
const STILL_MS = 75_000;
/** Rounds of different watchers are spread over an interval of their own clocks, and answers to a ballot come with them. */
const AGREEMENT_MS = 2_000;
const HARMLESS = new Set(["wedge", "wall-clock-jumps", "person-acknowledges"]);

type Obligation = { readonly host: Host; readonly sinceMs: number; readonly dueMs: number };

export function liveness(world: FleetWorld): FleetChecker {
  let obligations: Obligation[] = [];
  let disturbedMs = 0;
  let cycles = 0;

  function disturbed(): void {
    disturbedMs = world.timeline.nowMs;
    obligations = [];
  }

  function stillServed(policy: HostPolicy, condition: string): boolean {
    const counting = policy.probes.filter((probe) => probe.counts);
    const broken = counting.filter(({ id }) => condition === "dead" || condition === "link" || (condition === "names-fail" ? id === "dns" : condition === "banner-silent" ? id === "ssh" : id !== "ping")).length;
    return counting.length - broken >= (policy.goodNeeded ?? counting.length);
  }

  function guarded(host: Host): HostPolicy | null {
    const nowMs = world.timeline.nowMs;
    const policy = world.policyOf(host.name);
    const record = world.server.value<HostRecord>(`host/${host.name}`);
    if (policy === undefined || record === undefined || policy.levels.length === 0 || !policy.armed || nowMs - disturbedMs < Math.max(STILL_MS, 2 * policy.bootMs) || !world.server.available) return null;
    const roster = world.server.all<WatcherRecord>("watcher");
    for (const site of world.sites.values()) {
      if (!site.present) continue;
      if (!site.awake(nowMs) || site.life?.began !== true || !site.whole || site.spec.on !== null || site.life.policy.hosts.get(host.name)?.hash !== policy.hash) return null;
      if (nowMs - site.life.startedMs < STILL_MS || site.life.heldUntilMs === null || roster.find(({ watcher }) => watcher === site.name)?.ready !== true) return null;
      for (const other of world.hosts.values()) if (site.life.sight.last(other.name)?.outcome === "bad" || site.life.sight.last(other.name)?.outcome === "unknown") return null;
    }
    // Nobody on the roster who does not run.
    if (roster.some(({ watcher }) => (world.sites.get(watcher)?.life ?? null) === null) || world.spec.loss > 0) return null;
    if (chargesOf(policy).some((key) => holderOf(world, key) === null)) return null;
    if (record.hold !== null || record.wanted.state === "off" || record.offByOthers.length > 0 || record.learned.seenHealthyAt === null || record.learned.hash !== policy.hash) return null;
    if (record.bootsMs.some((bootMs) => 2 * bootMs > policy.bootMs) || record.cycles.length >= policy.budget.cycles || record.unconfirmed.length > 0 || world.open.length > 0) return null;
    for (const [key, { read }] of world.server.records) {
      if (!read.ok || key.startsWith("storm/") || (key.startsWith("host/") && (read.value as HostRecord).hold !== null)) return null;
      if (key.startsWith("brake/") && ["*", host.name].includes((read.value as BrakeRecord).scope)) return null;
    }
    for (const other of world.hosts.values()) if (other !== host && (!other.healthy || nowMs - other.sinceMs < STILL_MS)) return null;
    for (const device of world.devices.values()) {
      if (!device.usable || device.stale > 0 || nowMs < device.ghostUntilMs || device.acknowledgementsToLose > 0 || device.commandsToDelay > 0) return null;
      for (const outlet of device.outlets.values()) if (outlet.refuses || !outlet.closed || (outlet.label !== null && outlet.label !== world.hostOf(outlet.key)?.name)) return null;
    }
    if (policy.storeMembers > 0 || policy.behind !== null || cycles >= (world.spec.policy.brakes.perHour ?? 3)) return null;
    return policy;
  }

  function boundMs(policy: HostPolicy): number {
    const deviceMs = Math.max(...policy.levels.flat().map(({ device }) => {
      const spec = world.devices.get(device)?.spec;
      return spec === undefined ? 0 : 2 * spec.loginMs + 8 * spec.turnMs + 1_000;
    }));
    const farthestMs = Math.max(...world.spec.watchers.map(({ latencyMs }) => latencyMs));
    // Every observer looks at a phase of its own; the answers to a ballot, and then to the swap, go to and fro.
    return remediesMs(policy) + 1.02 * (2 * policy.everyMs + (policy.threshold - 1) * policy.everyMs + policy.timeoutMs + deviceMs + AGREEMENT_MS + 24 * farthestMs);
  }

  return {
    invariant: "Liveness",
    condition(host) {
      const policy = DEAD.has(host.condition) ? guarded(host) : null;
      disturbed();
      if (policy === null || stillServed(policy, host.condition)) return;
      world.counts.add("obligation: a host is to be cut in time");
      obligations.push({ host, sinceMs: world.timeline.nowMs, dueMs: world.timeline.nowMs + boundMs(policy) });
    },
    strikes(fault) {
      if (!HARMLESS.has(fault)) disturbed();
    },
    lifeEnds: disturbed,
    lifeBegins: disturbed,
    answered: disturbed,
    edge({ by, to }) {
      if (by === "others") disturbed();
      else if (to === "off") cycles += 1;
    },
    bytes({ action, operation, sentMs }) {
      if (action !== "off" || operation === null) return;
      for (const each of obligations) if (each.host.name === operation.host) {
        world.counts.add("obligation: a dead host was cut in time");
        world.counts.add("death to off: milliseconds", sentMs - each.sinceMs);
      }
      obligations = obligations.filter((each) => each.host.name !== operation.host);
    },
    audit() {
      if ([...world.sites.values()].some((site) => site.present && !site.awake(world.timeline.nowMs))) disturbed();
      for (const { host, dueMs, sinceMs } of obligations) {
        if (world.timeline.nowMs > dueMs) return world.fail("Liveness", `${host.name} is ${host.condition} since ${Math.round(sinceMs)} ms, was guarded by all, and was not cut by ${Math.round(dueMs)} ms`);
      }
    },
  };
}
