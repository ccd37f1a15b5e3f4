// Owed on (safety.md §5.7): an off edge of ours with wanted = on is followed by an on edge within B of enabled time: a
// watcher lives, holds the record, and the device does what it is told. Whatever brake there is. And the record of what is
// owed never vanishes while it is owed.

import type { HostRecord, RecordKey } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { Outlet } from "../devices.ts";
import type { World } from "../world.ts";

type Debt = { readonly outlet: Outlet; readonly host: string; readonly operation: number; enabledMs: number; excused: boolean; unrecordedMs: number };

const EVERY_MS = 5_000;

export function owed(world: World): Checker {
  const debts = new Map<string, Debt>();
  let lostMs = -Infinity;
  /** Hosts of which a person has said that they are off, or to be off. */
  const ended = new Set<string>();

  /** Log-in, action, offFor, reading back and the longest back-off, with room for the queue at the device. */
  function boundMs(outlet: Outlet): number {
    const policy = world.spec.policy.hosts.get(world.hostOf(outlet.key)?.name ?? "");
    const { maxActMs } = outlet.device.spec.policy;
    // A device that does not answer for the other feed is waited for as long.
    const slowestMs = Math.max(...[...world.devices.values()].map((device) => device.spec.policy.maxActMs));
    const offMs = Math.max(policy?.offConfirmMs ?? 30_000, slowestMs + 2_000);
    return maxActMs + 2 * slowestMs + (policy?.offForMs ?? 5_000) + offMs + 60_000 + 20_000;
  }

  function forgiveAll(why: string): void {
    for (const debt of debts.values()) {
      debt.excused = true;
      world.say(() => `${debt.outlet.key} is no longer owed: ${why}`);
    }
  }

  return {
    invariant: "Owed on",
    edge({ outlet, to, by }) {
      if (to === "on" || by === "others") {
        if (to === "on" && by !== "others" && debts.has(outlet.key)) world.counts.add("owed: restored");
        debts.delete(outlet.key);
        return;
      }
      const { operation } = by;
      if (operation === null || operation.kind !== "cycle") return;
      debts.set(outlet.key, { outlet, host: operation.host, operation: operation.id, enabledMs: 0, excused: false, unrecordedMs: 0 });
      if (!world.open.some((each) => each.id === operation.id)) {
        debts.delete(outlet.key);
        world.counts.add("edge: an off after its operation had ended");
        // Nobody waits for it any more. That is right only if the ledger was lost, or a person ended the operation.
        if (by.sentMs > lostMs && !ended.has(operation.host)) world.fail("Owed on", `${outlet.key} turns off ${world.timeline.nowMs - by.sentMs} ms after operation ${operation.id} had sent it, which has ended meanwhile`);
        return;
      }
      const current = world.open.find((each) => each.id === operation.id);
      if (current !== undefined && (current.phase === "booting" || current.phase === "on-sent")) world.counts.add("edge: late off after on");
    },
    strikes(fault) {
      if (fault !== "disk-wiped" && fault !== "disk-restored") return;
      forgiveAll("the ledger was lost");
      lostMs = world.timeline.nowMs;
    },
    answered(command, answer) {
      if (answer.exit === 0 && (command.kind === "confirm-off" || (command.kind === "power" && command.action === "off"))) ended.add(command.host);
      // A person who has looked and says that it is to be off, or who takes over.
      if (answer.exit === 0 && command.kind === "confirm-off") for (const debt of debts.values()) if (debt.host === command.host) debt.excused = true;
    },
    audit() {
      const { life } = world;
      for (const debt of debts.values()) {
        const { outlet } = debt;
        if (outlet.lie !== null || outlet.stuck || world.timeline.nowMs <= outlet.doubtfulMs) debt.excused ||= outlet.lie === "on" || outlet.stuck;
        if (debt.excused) continue;
        const record = world.disk.value<HostRecord>(`host/${debt.host}` as RecordKey);
        if (record?.wanted.state === "off") {
          debt.excused = true;
          continue;
        }
        const operation = world.open.find((each) => each.id === debt.operation);
        const recorded = operation !== undefined;
        if (!recorded) {
          debt.unrecordedMs += EVERY_MS;
          if (debt.unrecordedMs > 2 * EVERY_MS) return world.fail("Owed on", `${outlet.key} is off by operation ${debt.operation}, which is no longer recorded`);
        }
        const enabled = life !== null && life.frozenUntilMs < world.timeline.nowMs && outlet.device.usable && world.timeline.nowMs > outlet.device.ghostUntilMs && !outlet.refuses && outlet.lie === null && world.timeline.nowMs > outlet.doubtfulMs && world.disk.slow === 0
          && [...world.devices.values()].every((device) => device.usable) && world.timeline.nowMs - life.startedMs > outlet.device.spec.policy.maxActMs;
        if (!enabled) {
          debt.enabledMs = 0;
          continue;
        }
        debt.enabledMs += EVERY_MS;
        if (debt.enabledMs > boundMs(outlet)) return world.fail("Owed on", `${outlet.key} of ${debt.host} is owed its power for ${debt.enabledMs} ms in which nothing stood in the way`);
      }
    },
  };
}
