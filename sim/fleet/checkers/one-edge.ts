// One edge (safety.md §5.4) whoever sends it: at most one automatic off edge an incident and outlet, and none two of one host
// within max(debounce, boot). The feeds of one cut are one cut; a person who releases a host or asks for something begins
// anew. A stale off of a process that was stopped at its byte is the window that is left at a device without sessions of its
// own (ADR 8), and is counted.

import type { DeviceLock } from "../../../src/core/records.ts";
import type { Sent } from "../../devices.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { isAnotherStore, stoppedSince } from "./facts.ts";

export function oneEdge(world: FleetWorld): FleetChecker {
  /** How often its host had been without power when an outlet was switched off, by incident and outlet. */
  const edges = new Map<string, number>();
  const darkened = new Map<string, number>();
  const last = new Map<string, { atMs: number; operation: number; level: number; releases: number }>();
  const releases = new Map<string, number>();
  const unanswered = new Map<string, FleetLife>();
  const swappedMs = new Map<number, number>();
  const foreignOnMs = new Map<string, number>();

  const anew = (host: string): void => void releases.set(host, (releases.get(host) ?? 0) + 1);

  /** It left long after its swap, from a process that was stopped in between. */
  function stale({ life, sentMs, operation }: Sent): boolean {
    const swapMs = operation === null ? sentMs : (swappedMs.get(operation.token) ?? sentMs);
    return stoppedSince(life as FleetLife, Math.min(swapMs, sentMs - 1_000));
  }

  return {
    invariant: "One edge",
    strikes(fault) {
      if (!isAnotherStore(fault)) return;
      edges.clear();
      last.clear();
      swappedMs.clear();
    },
    lifeEnds(life) {
      for (const [host, by] of unanswered) if (by === life) anew(host);
      for (const [host, by] of [...unanswered]) if (by === life) unanswered.delete(host);
    },
    energy(host, powered) {
      if (!powered) darkened.set(host.name, (darkened.get(host.name) ?? 0) + 1);
    },
    asked({ command, life }) {
      if (command.kind === "release") unanswered.set(command.host, life);
    },
    answered({ command }, answer) {
      if (command.kind === "release") unanswered.delete(command.host);
      if (answer.exit !== 0 && answer.exit !== 5) return;
      if (command.kind === "release" || command.kind === "fence" || command.kind === "power" || command.kind === "confirm-off") anew(command.host);
    },
    commit({ writes, calledMs }) {
      for (const { key, value } of writes) if (key.startsWith("lock/") && value !== null) swappedMs.set((value as DeviceLock).token, calledMs);
    },
    bytes({ action, operation }) {
      // An owed on that could not be recorded (§4.7): nobody else knows of it, and an off that seems never to have arrived may be earned again.
      if (action === "on" && operation !== null && operation.phase !== "on-sent") anew(operation.host);
    },
    edge({ outlet, to, by }) {
      if (by === "others") {
        if (to === "on") foreignOnMs.set(outlet.key, world.timeline.nowMs);
        // Somebody switched on what was cut: it cannot be told from an off that never arrived, unless that was seen and recorded.
        const host = world.hostOf(outlet.key);
        if (host !== undefined && to === "on") anew(host.name);
        return world.counts.add(`edge: ${to} by others`);
      }
      world.counts.add(`edge: ${to} by us`);
      const { operation } = by;
      if (to === "on" || operation === null || operation.origin.kind !== "auto") return;
      const policy = world.policyOf(operation.host);
      if (policy === undefined) return;
      if (operation.level > 0) world.counts.add("edge: off at a second level");
      if (world.bornIn(operation) !== by.life) world.counts.add("edge: off by a watcher that did not intend it");
      const released = releases.get(operation.host) ?? 0;
      const key = `${operation.incident} ${outlet.key} ${released}`;
      const second = (edges.get(key) ?? -1) >= 0 && (edges.get(key) ?? 0) < (darkened.get(operation.host) ?? 0);
      edges.set(key, darkened.get(operation.host) ?? 0);
      if (second && by.sentMs < (foreignOnMs.get(outlet.key) ?? -Infinity)) return world.counts.add("edge: an off under way when others switched on");
      const before = last.get(operation.host);
      last.set(operation.host, { atMs: world.timeline.nowMs, operation: operation.id, level: operation.level, releases: released });
      const sameCut = before !== undefined && before.operation === operation.id && before.level === operation.level;
      if (sameCut) world.counts.add("edge: two feeds cut together");
      const leastMs = Math.max(policy.debounceMs, policy.bootMs);
      const tooSoon = before !== undefined && !sameCut && before.releases === released && world.timeline.nowMs - before.atMs < 0.98 * leastMs;
      if (!second && !tooSoon) return;
      if (stale(by) && !outlet.device.spec.policy.exclusiveSession) return world.counts.add("edge: a second one, by a stale off of a stopped process");
      if (second) return world.fail("One edge", `a second automatic off edge at ${outlet.key} in incident ${operation.incident}, by ${(by.life as FleetLife).name}`);
      world.fail("One edge", `${operation.host} was cut twice within ${Math.round(world.timeline.nowMs - (before?.atMs ?? 0))} ms, and ${leastMs} ms are the least`);
    },
  };
}
