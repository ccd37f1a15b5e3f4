// Reboots (docs/adr/0035): recorded before, told once, one host at a time, in the window, never after a failure, never fenced while the
// host may be away; and a run comes to its end. The rules stand in ../reboots.ts.

import type { HostPolicy } from "../../src/core/policy.ts";
import type { HostRecord, RecordKey } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import { knowsHealthy, RebootRules } from "../reboots.ts";
import type { World } from "../world.ts";

export function reboots(world: World): Checker {
  const rules = new RebootRules(world.spec.policy.reboots ?? null);
  const known = () => ({ value: <Kind>(key: RecordKey) => world.disk.value(key) as Kind | undefined, seenHealthy: (host: string) => knowsHealthy(world.life, host), nowMs: world.timeline.nowMs, wallMs: world.life?.wallMs ?? 0 });
  const judge = (wrong: string | null) => wrong !== null && world.fail("Reboots", wrong);
  return {
    invariant: "Reboots",
    strikes(fault) {
      if (fault === "disk-wiped" || fault === "disk-restored") rules.forget();
    },
    asked: (command) => rules.asked(command, known()),
    order(host, order, id, again) {
      world.counts.add(`reboots: ${order} ordered${again ? " again" : ""}`);
      judge(rules.order(host, order, id, again, known(), (name) => world.hosts.get(name)?.condition === "up"));
    },
    obeys: (host, id) => void judge(rules.obeys(host, id)),
    condition(host) {
      rules.condition(host, world.timeline.nowMs);
    },
    bytes({ action, operation }) {
      if (action === "off" && operation !== null) judge(rules.off(operation, known()));
    },
    told({ kind, because }) {
      if (kind !== "reboots") return;
      if (because.startsWith("held at")) world.counts.add("reboots: held");
      else if (because.includes("has ended")) world.counts.add("reboots: ended");
      else if (because.includes("is back after")) world.counts.add("reboots: back");
    },
    end(quiet) {
      if (quiet) judge(rules.end(known(), heldBack(world)));
    },
  };
}

/** What may hold a run back for as long as nobody does anything about it. */
function heldBack(world: World): string | null {
  if (!world.policy.armed || world.spec.references || world.disk.failing) return "the world";
  for (const policy of world.policy.hosts.values()) if (!policy.armed || policy.self || inGrace(world, policy)) return policy.name;
  for (const [key, { value }] of world.disk.records) {
    if (key.startsWith("brake/") || key.startsWith("storm/") || key.startsWith("incident/") || key.startsWith("op/")) return key;
    if (!key.startsWith("host/")) continue;
    const record = value as { hold: unknown; wanted: { state: string }; offByOthers: readonly string[]; cycles: readonly unknown[]; unconfirmed: readonly unknown[]; learned: { seenHealthyAt: unknown } };
    if (record.hold !== null || record.wanted.state === "off" || record.offByOthers.length > 0 || record.cycles.length > 0 || record.unconfirmed.length > 0 || record.learned.seenHealthyAt === null) return key;
  }
  for (const host of world.hosts.values()) if (!host.healthy || !world.network.reaches(host.name)) return host.name;
  for (const outlet of [...world.devices.values()].flatMap((device) => [...device.outlets.values()])) if (outlet.label !== null && outlet.label !== world.hostOf(outlet.key)?.name) return outlet.key;
  return null;
}

/** The watcher has just begun, or the host's power has just changed: what holds an off back then holds a reboot back (safety.md §3.1). */
function inGrace({ life, policy, disk, timeline }: World, host: HostPolicy): boolean {
  const { startupMs } = policy.brakes;
  if (life === null) return true;
  const { bootsMs: boots = [], lastEdge = null } = disk.value<HostRecord>(`host/${host.name}` as RecordKey) ?? {};
  const bootMs = host.bootMs === 0 ? 0 : Math.max(host.bootMs, 2 * Math.max(0, ...boots));
  const graceMs = startupMs === 0 ? 0 : life.uptimeAtStartMs < bootMs ? Math.max(startupMs, bootMs) : startupMs;
  // What waits looks again within a second or two.
  if (lastEdge !== null && life.bootMs(timeline.nowMs) - lastEdge.bootMs < Math.max(host.debounceMs, bootMs) + 5_000) return true;
  return timeline.nowMs - life.startedMs < graceMs + 5_000;
}
