// Session (safety.md §5.6): one session at a device across the fleet. Who logs in is in charge of the device at that moment;
// who is no longer, and runs, has hung up a moment later. One that was stopped, or cannot be heard, is beyond anybody's
// power until it runs again: at a device that serves one session the others wait for it, elsewhere it is counted.

import type { Operation, RecordKey } from "../../../src/core/records.ts";
import type { Device } from "../../devices.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { holderOf, stoppedSince } from "./facts.ts";

/** A log-out, and a change that is on its way: less than an idle session is kept for, or a missing hang-up would never show. */
const HANG_UP_MS = 1_500;

export function session(world: FleetWorld): FleetChecker {
  /** Who has written the charge of a device last, and when it was seen to be his at the latest. */
  const heldMs = new Map<string, number>();
  const charges = new Map<RecordKey, string>();

  /** Who has carried each operation on; who was cut off since then cannot know that another does now. */
  const writers = new Map<number, Set<FleetLife>>();

  function note(): void {
    for (const held of charges.values()) heldMs.set(held, world.timeline.nowMs);
  }

  function look(keys: Iterable<string>): void {
    for (const key of keys) {
      if (!key.startsWith("charge/")) continue;
      if (world.server.records.has(key)) charges.set(key as RecordKey, `${key} ${holderOf(world, key as RecordKey) ?? ""}`);
      else charges.delete(key as RecordKey);
    }
  }

  function overlaps(device: Device, life: FleetLife): FleetLife[] {
    return [...device.sessions].filter((each) => each.life !== life && !each.broken && each.life.alive).map((each) => each.life as FleetLife);
  }

  return {
    invariant: "Session",
    changed(changes) {
      // Whoever had it had it until this moment.
      note();
      // None: it is another store.
      if (changes.length === 0) charges.clear();
      look(changes.length === 0 ? world.server.records.keys() : changes.map(({ key }) => key));
    },
    audit: note,
    commit({ writes, life }) {
      for (const { key, value } of writes) if (key.startsWith("op/") && value !== null) writers.set((value as Operation).id, (writers.get((value as Operation).id) ?? new Set()).add(life));
    },
    opening(device, process) {
      const life = process as FleetLife;
      const mine = [...device.sessions].some((each) => each.life === life && !each.broken);
      if (mine) return world.fail("Session", `${life.name} opens a second session at ${device.name} while it holds one`);
      const nowMs = world.timeline.nowMs;
      const lastMs = heldMs.get(`charge/${device.name} ${life.site.name}`) ?? -Infinity;
      const holds = holderOf(world, `charge/${device.name}`) === life.site.name;
      if (!holds && nowMs - lastMs > HANG_UP_MS && !stoppedSince(life, nowMs - HANG_UP_MS)) {
        // Without the store, or before it has come back into its charge, it may only restore what it has cut itself.
        const owes = world.open.some((operation) => (operation.sent.length > 0 || operation.cut.length > 0) && operation.levels.flat().some((outlet) => outlet.device === device.name) && writers.get(operation.id)?.has(life));
        const apart = owes || life.heldUntilMs === null || life.heldUntilMs <= nowMs || !world.server.available || !life.site.link.reaches || life.site.link.loss > 0 || life.site.link.slow > 0 || life.site.watchLate > 0;
        if (!apart) return world.fail("Session", `${life.name} logs in at ${device.name}, of which ${holderOf(world, `charge/${device.name}`) ?? "nobody"} is in charge`);
        world.counts.add("session: without a charge, for what is owed");
      }
      for (const other of overlaps(device, life)) {
        world.counts.add("session: a successor logs in while another session stands");
        // An act whose byte has gone out is heard to its end, which is bounded; the successor reads meanwhile, and does not act.
        const heardMs = other.policy.devices.get(device.name)?.maxActMs ?? device.spec.policy.maxActMs;
        for (const afterMs of [HANG_UP_MS, heardMs + HANG_UP_MS]) world.after(afterMs, () => {
          const stands = (whose: FleetLife, idle: boolean): boolean => [...device.sessions].some((each) => each.life === whose && !each.broken && !(idle && each.busy));
          const still = stands(other, afterMs < heardMs) && stands(life, false);
          if (!still || !other.alive || !life.alive || stoppedSince(other, nowMs) || !device.hears(other)) return;
          if (other.heldUntilMs === null || life.heldUntilMs === null) return world.counts.add("session: two, one of them for what is owed without the store");
          // Whom the store does not reach cannot know that he has a successor.
          if (Math.max(other.site.troubledMs, life.site.troubledMs) > nowMs - world.spec.ttlMs) return world.counts.add("session: two, one of them cut off");
          world.fail("Session", `${other.name} and ${life.name} both have a session at ${device.name}, for ${afterMs} ms`);
        });
      }
    },
  };
}
