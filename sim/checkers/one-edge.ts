// One edge (safety.md §5.4): at most one automatic off edge an incident and outlet, and none two of one host within
// max(debounce, boot). The feeds of one cut are one cut. A person who releases a host or asks for something begins anew.

import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

export function oneEdge(world: World): Checker {
  /** How often its host had been without power when an outlet was switched off, by incident and outlet. */
  const edges = new Map<string, number>();
  const darkened = new Map<string, number>();
  const last = new Map<string, { atMs: number; operation: number; level: number; releases: number }>();
  const releases = new Map<string, number>();
  const unanswered = new Set<string>();
  const foreignOnMs = new Map<string, number>();
  /** Outlets that read off to the watcher since their last off edge by us. */
  const seenOff = new Set<string>();

  return {
    invariant: "One edge",
    strikes(fault) {
      // Another ledger gives its incidents the same names.
      if (fault === "disk-wiped" || fault === "disk-restored") {
        edges.clear();
        last.clear();
      }
    },
    lifeEnds() {
      // Nobody remembers a reading, and what was asked may have been done before it could be answered.
      seenOff.clear();
      for (const host of unanswered) releases.set(host, (releases.get(host) ?? 0) + 1);
      unanswered.clear();
    },
    energy(host, powered) {
      if (!powered) darkened.set(host.name, (darkened.get(host.name) ?? 0) + 1);
    },
    asked(command) {
      if (command.kind === "release") unanswered.add(command.host);
    },
    answered(command, answer) {
      if (command.kind === "release") unanswered.delete(command.host);
      if (answer.exit !== 0 && answer.exit !== 5) return;
      if (command.kind === "release" || command.kind === "fence" || command.kind === "power" || command.kind === "confirm-off") releases.set(command.host, (releases.get(command.host) ?? 0) + 1);
    },
    bytes({ action, operation }) {
      // An owed on that could not be recorded (§4.7): after a restart nobody knows of it, and an off that seems never to have
      // arrived may be earned again.
      if (action === "on" && operation !== null && operation.phase !== "on-sent") releases.set(operation.host, (releases.get(operation.host) ?? 0) + 1);
    },
    readings(device, readings) {
      for (const reading of readings) if (reading.state === "off") seenOff.add(`${device.name}/${reading.outlet}`);
    },
    edge({ outlet, to, by }) {
      if (by === "others") {
        if (to === "on") foreignOnMs.set(outlet.key, world.timeline.nowMs);
        // Somebody switched on what we had just cut, unseen: it cannot be told from an off that never arrived.
        const host = world.hostOf(outlet.key);
        if (host !== undefined && to === "on" && !seenOff.has(outlet.key)) releases.set(host.name, (releases.get(host.name) ?? 0) + 1);
        // Or seen by a process that dies before it has recorded it.
        else if (host !== undefined && to === "on") unanswered.add(host.name);
        return world.counts.add(`edge: ${to} by others`);
      }
      if (to === "off") seenOff.delete(outlet.key);
      world.counts.add(`edge: ${to} by us`);
      const { operation } = by;
      if (to === "on" || operation === null || operation.origin.kind !== "auto") return;
      const policy = world.spec.policy.hosts.get(operation.host);
      if (policy === undefined) return;
      if (operation.level > 0) world.counts.add("edge: off at a second level");
      const released = releases.get(operation.host) ?? 0;
      const key = `${operation.incident} ${outlet.key} ${released}`;
      const before = last.get(operation.host);
      // A feed that was cut and given back while the other one fed the host on was no cut of the host.
      const second = (edges.get(key) ?? -1) >= 0 && (edges.get(key) ?? 0) < (darkened.get(operation.host) ?? 0);
      edges.set(key, darkened.get(operation.host) ?? 0);
      // Sent while the device lied about the first one, and under way when somebody switched on.
      const overtaken = second && by.sentMs < (foreignOnMs.get(outlet.key) ?? -Infinity);
      if (overtaken) return world.counts.add("edge: an off under way when others switched on");
      if (second) return world.fail("One edge", `a second automatic off edge at ${outlet.key} in incident ${operation.incident}`);
      const sameCut = before !== undefined && before.operation === operation.id && before.level === operation.level;
      if (sameCut) world.counts.add("edge: two feeds cut together");
      const leastMs = Math.max(policy.debounceMs, policy.bootMs);
      if (before !== undefined && !sameCut && before.releases === released && world.timeline.nowMs - before.atMs < leastMs) {
        return world.fail("One edge", `${operation.host} was cut twice within ${world.timeline.nowMs - before.atMs} ms, and ${leastMs} ms are the least`);
      }
      last.set(operation.host, { atMs: world.timeline.nowMs, operation: operation.id, level: operation.level, releases: released });
    },
  };
}
