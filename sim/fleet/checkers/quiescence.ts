// Quiescence and Termination (safety.md §5.8, §5.16) across watchers: once everything is healed, every operation comes to its
// end, no outlet stays off but those that somebody wants off or that others switched off, no lock stays, every unit of hosts
// has exactly one watcher in charge of it that runs, every hold has its alarm there, and every host is guarded or it is said
// why not.

import type { ChargeRecord, GuardRecord, HostRecord, RecordKey } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { chargesOf, isAnotherStore, isOfAnotherStore } from "./facts.ts";

const TAKEN_UP_MS = 15_000;

export function quiescence(world: FleetWorld): FleetChecker {
  /** When a charge changed hands last: who has just taken one has to read the device first. */
  let handedMs = -Infinity;
  /** Off because the store that knew of them was lost, or because their state was a lie, or long stale, at the wrong moment. */
  const excused = new Set<string>();

  function excuseAll(): void {
    for (const device of world.devices.values()) for (const outlet of device.outlets.values()) if (!outlet.closed) excused.add(outlet.key);
  }

  function outlets(): string | null {
    for (const device of world.devices.values()) {
      for (const outlet of device.outlets.values()) {
        if (outlet.closed || excused.has(outlet.key)) continue;
        const host = world.hostOf(outlet.key);
        if (host !== undefined && world.server.value<HostRecord>(`host/${host.name}`)?.wanted.state === "off") continue;
        return `${outlet.key} is still off, and nobody wants it off`;
      }
    }
    return null;
  }

  function charges(): string | null {
    for (const host of world.spec.policy.hosts.values()) {
      const holders = new Set(chargesOf(host).map((key) => world.server.value<ChargeRecord>(key)?.watcher ?? null));
      const [holder] = holders;
      if (holders.size !== 1 || holder === null || holder === undefined) return `nobody, or more than one, is in charge of ${host.name}: ${[...holders].join(" ")}`;
      const life = world.sites.get(holder)?.life;
      if (life === null || life === undefined) return `${holder} is in charge of ${host.name}, and does not run`;
      const hold = world.server.value<HostRecord>(`host/${host.name}`)?.hold ?? null;
      if (hold !== null && !world.server.records.has(`alarm/held:${host.name}`) && !world.server.records.has(`ack/held:${host.name}`)) return `${host.name} is held without an alarm: ${hold.because}`;
      if (world.timeline.nowMs - handedMs < TAKEN_UP_MS) continue;
      const guard = world.server.value<GuardRecord>(`guard/${host.name}` as RecordKey);
      if (guard === undefined || guard.watcher !== holder) return `nobody says whether ${host.name} is guarded`;
    }
    return null;
  }

  return {
    invariant: "Quiescence",
    strikes(fault) {
      if (isAnotherStore(fault)) excuseAll();
    },
    changed(changes) {
      if (changes.some(({ key }) => key.startsWith("charge/"))) handedMs = world.timeline.nowMs;
    },
    edge({ outlet, to, by }) {
      if (to === "on") return void excused.delete(outlet.key);
      if (by === "others" || by.operation === null || isOfAnotherStore(world, by.life as FleetLife) || !world.open.some((each) => each.id === by.operation?.id)) excused.add(outlet.key);
    },
    audit() {
      for (const device of world.devices.values()) for (const outlet of device.outlets.values()) if (!outlet.closed && (outlet.lie === "on" || outlet.stuck || device.stale > 0)) excused.add(outlet.key);
    },
    end(quiet) {
      const open = world.open[0];
      if (open !== undefined) return world.fail("Termination", `operation ${open.id} of ${open.host} is still ${open.phase}, ${open.withdrawing ?? open.contradiction ?? "on its way"}`);
      for (const site of world.sites.values()) if (site.present && site.life?.began !== true && !(site.spec.on !== null && world.dark(site.spec.on))) return world.fail("Quiescence", `${site.name} does not run`);
      const wrong = outlets() ?? charges();
      if (wrong !== null) return world.fail("Quiescence", wrong);
      for (const key of world.server.records.keys()) if (key.startsWith("lock/")) return world.fail("Quiescence", `${key} is still held`);
      for (const key of world.server.records.keys()) if (key.startsWith("ask/")) return world.fail("Quiescence", `${key} is still there`);
      if (!quiet) {
        const restless = [...world.hosts.values()].find((host) => host.powered && host.condition !== "up");
        world.fail("Quiescence", restless === undefined ? "it does not become quiet" : `${restless.name} is ${restless.condition}`);
      }
    },
  };
}
