// Owed on (safety.md §5.7) across watchers: an off edge of ours with wanted = on is followed by an on edge within B of enabled
// time, whatever brake there is, and also while the store is lost: then by the one who has let it go off, after the time to
// live and maxAct. Enabled: somebody who is in charge or could be runs, hears the device and reaches the store; or the store
// is lost and the one who saw it off runs and hears the device.

import type { HostRecord, Operation, RecordKey } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { Outlet } from "../../devices.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { holderOf, isAnotherStore, isOfAnotherStore } from "./facts.ts";

type Debt = { readonly outlet: Outlet; readonly host: string; operation: number; seenOffBy: FleetLife | null; enabledMs: number; holder: string | null; excused: boolean };

const EVERY_MS = 5_000;
const STALE_FOR_MS = 60_000;

export function owed(world: FleetWorld): FleetChecker {
  const debts = new Map<string, Debt>();
  const ended = new Set<string>();
  /** When a device's status was stale last: it read on, and nobody had a reason to switch on. */
  const staleMs = new Map<string, number>();

  function boundMs(debt: Debt): number {
    const policy = world.policyOf(debt.host);
    const slowestMs = Math.max(...[...world.devices.values()].map((device) => device.spec.policy.maxActMs));
    const offMs = Math.max(policy?.offConfirmMs ?? 30_000, slowestMs + 2_000);
    // A session that is lost, a charge that is taken, the recorded bound, two acts, the read-back and the longest back-off.
    return 2 * world.spec.ttlMs + 4 * slowestMs + (policy?.offForMs ?? 5_000) + offMs + 60_000 + 30_000;
  }

  function usable(debt: Debt): boolean {
    const { device, lie, stuck, refuses, doubtfulMs } = debt.outlet;
    const nowMs = world.timeline.nowMs;
    return device.usable && nowMs > device.ghostUntilMs && lie === null && !stuck && !refuses && nowMs > doubtfulMs && [...world.devices.values()].every((each) => each.usable);
  }

  /** Somebody stands in the way whom nobody can move: it was stopped with a session open. */
  function blocked(debt: Debt): boolean {
    const nowMs = world.timeline.nowMs;
    return [...debt.outlet.device.sessions].some(({ life }) => !life.alive || life.frozenUntilMs > nowMs || !debt.outlet.device.hears(life));
  }

  function able(debt: Debt): boolean {
    if (!usable(debt) || blocked(debt)) return false;
    const nowMs = world.timeline.nowMs;
    const { maxActMs, name } = debt.outlet.device.spec.policy;
    const holder = holderOf(world, `charge/${name}`);
    if (holder !== debt.holder) {
      debt.holder = holder;
      return false;
    }
    const whole = [...world.sites.values()].filter((site) => site.present && site.life !== null && site.awake(nowMs) && site.life.began && site.whole && nowMs - site.life.startedMs > maxActMs);
    // All that run have to be whole: a poor one that is in charge hands over when it notices.
    const everybody = [...world.sites.values()].filter((site) => site.present && site.life !== null);
    if (world.server.available) return whole.length > 0 && whole.length === everybody.length && (holder === null || whole.some((site) => site.name === holder));
    const by = debt.seenOffBy;
    return by !== null && by.alive && by.frozenUntilMs <= nowMs && [...by.site.paths.keys()].every((device) => by.site.hears(device)) && [...by.pauses].every(({ toMs }) => nowMs - toMs > 60_000);
  }

  function forgive(why: string): void {
    for (const debt of debts.values()) {
      debt.excused = true;
      world.say(() => `${debt.outlet.key} is no longer owed: ${why}`);
    }
  }

  return {
    invariant: "Owed on",
    edge({ outlet, to, by }) {
      if (to === "on" || by === "others") {
        const debt = debts.get(outlet.key);
        if (to === "on" && by !== "others" && debt !== undefined) {
          world.counts.add("owed: restored");
          if (!world.server.available) world.counts.add("owed: restored without the store");
        }
        debts.delete(outlet.key);
        return;
      }
      const { operation } = by;
      if (operation === null || operation.kind !== "cycle") return;
      const open = world.open.some((each) => each.id === operation.id);
      if (open) debts.set(outlet.key, { outlet, host: operation.host, operation: operation.id, seenOffBy: null, enabledMs: 0, holder: null, excused: isOfAnotherStore(world, by.life as FleetLife) });
      else world.counts.add("edge: an off after its operation had ended");
    },
    strikes(fault) {
      if (isAnotherStore(fault)) forgive("the store is another one");
    },
    answered({ command }, answer) {
      if (answer.exit !== 0) return;
      if (command.kind === "confirm-off" || (command.kind === "power" && command.action === "off")) ended.add(command.host);
      if (command.kind === "confirm-off") for (const debt of debts.values()) if (debt.host === command.host) debt.excused = true;
    },
    commit({ writes, life }) {
      for (const { key, value } of writes) {
        if (!key.startsWith("op/") || value === null) continue;
        const operation = value as Operation;
        for (const debt of debts.values()) if (debt.operation === operation.id && (operation.phase === "off-confirmed" || operation.phase === "on-sent")) debt.seenOffBy = life;
      }
    },
    audit() {
      for (const device of world.devices.values()) if (device.stale > 0) staleMs.set(device.name, world.timeline.nowMs);
      for (const debt of debts.values()) {
        if (debt.outlet.stuck || debt.outlet.lie !== null) debt.excused = true;
        if (debt.excused || world.server.value<HostRecord>(`host/${debt.host}` as RecordKey)?.wanted.state === "off") {
          debt.excused = true;
          continue;
        }
        // One operation may take over what another owes: somebody has looked, and then asked for power.
        const owes = world.open.find((each) => each.id === debt.operation) ?? world.open.find((each) => each.host === debt.host && each.cut.includes(debt.outlet.key));
        if (owes !== undefined) debt.operation = owes.id;
        else {
          if (ended.has(debt.host) || world.timeline.nowMs - (staleMs.get(debt.outlet.device.name) ?? -Infinity) < STALE_FOR_MS) debt.excused = true;
          else return world.fail("Owed on", `${debt.outlet.key} is off by operation ${debt.operation}, which is no longer recorded`);
          continue;
        }
        if (!able(debt)) {
          debt.enabledMs = 0;
          continue;
        }
        debt.enabledMs += EVERY_MS;
        if (debt.enabledMs > boundMs(debt)) return world.fail("Owed on", `${debt.outlet.key} of ${debt.host} is owed its power for ${debt.enabledMs} ms in which nothing stood in the way${world.server.available ? "" : ", without the store"}`);
      }
    },
  };
}
