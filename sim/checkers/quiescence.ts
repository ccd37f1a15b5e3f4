// Quiescence and Termination (safety.md §5.8, §5.16): once everything is healed, every operation comes to its end, no outlet
// stays off but those that somebody wants off or that others switched off, no lock stays, and every hold has its alarm.

import type { HostRecord } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

export function quiescence(world: World): Checker {
  /** Off because the ledger that knew of them was lost, or because their state was a lie at the wrong moment. */
  const excused = new Set<string>();

  return {
    invariant: "Quiescence",
    strikes(fault) {
      if (fault !== "disk-wiped" && fault !== "disk-restored") return;
      for (const device of world.devices.values()) for (const outlet of device.outlets.values()) if (!outlet.closed) excused.add(outlet.key);
    },
    edge({ outlet, to, by }) {
      if (to === "on") return void excused.delete(outlet.key);
      if (by === "others") excused.add(outlet.key);
      else if (by.operation === null || !world.open.some((each) => each.id === by.operation?.id)) excused.add(outlet.key);
    },
    audit() {
      for (const device of world.devices.values()) {
        for (const outlet of device.outlets.values()) if (!outlet.closed && (outlet.lie === "on" || outlet.stuck)) excused.add(outlet.key);
      }
    },
    end(quiet) {
      const open = world.open[0];
      if (open !== undefined) return world.fail("Termination", `operation ${open.id} of ${open.host} is still ${open.phase}, ${open.withdrawing ?? open.contradiction ?? "on its way"}`);
      if (world.life === null) return world.fail("Quiescence", "no watcher runs");
      for (const device of world.devices.values()) {
        for (const outlet of device.outlets.values()) {
          if (outlet.closed || excused.has(outlet.key)) continue;
          const host = world.hostOf(outlet.key);
          const record = host === undefined ? undefined : world.disk.value<HostRecord>(`host/${host.name}`);
          if (record?.wanted.state === "off") continue;
          return world.fail("Quiescence", `${outlet.key} is still off, and nobody wants it off`);
        }
      }
      for (const [key, { value }] of world.disk.records) {
        if (key.startsWith("lock/")) return world.fail("Quiescence", `${key} is still held`);
        if (key.startsWith("host/") && (value as HostRecord).hold !== null) {
          const name = key.slice("host/".length);
          if (world.policy.hosts.has(name) && !world.life.alarms.has(`held:${name}`) && !world.disk.records.has(`ack/held:${name}`)) return world.fail("Quiescence", `${name} is held without an alarm: ${(value as HostRecord).hold?.because ?? ""}`);
        }
      }
      if (!quiet) {
        const restless = [...world.hosts.values()].find((host) => host.powered && host.condition !== "up");
        if (restless !== undefined) world.fail("Quiescence", `${restless.name} is ${restless.condition}`);
      }
    },
  };
}
