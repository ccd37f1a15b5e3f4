// Intent (safety.md §5.1): every command at a device has a record in the store from before it, with operation, step, outlet
// and token; an owed on is the sole exception, while the store does not answer its watcher.
//
// Token (§5.5): an off leaves within checkWindow of its swap by the watcher's own clock and before the end of its own lease,
// and carries the token that is current at that moment. Only where the process was stopped in between may it be late, and
// that is counted; never at a device that serves one session at a time.

import type { DeviceLock, RecordKey } from "../../../src/core/records.ts";
import type { Sent } from "../../devices.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { isAnotherStore, stoppedSince, swapOf } from "./facts.ts";

type Taken = { readonly life: FleetLife; readonly token: number; readonly calledMs: number; readonly outlets: readonly string[] };

const DRIFT = 1.02;
/** What the store could not take is tried again for a while after it can. */
const TROUBLE_MS = 60_000;

export function intent(world: FleetWorld): FleetChecker {
  /** The last token that was taken for each device. */
  const taken = new Map<string, Taken>();
  const used = new Set<number>();
  const troubledMs = new Map<string, number>();
  let anotherMs = -Infinity;

  function off({ outlet, life: process, operation }: Sent): void {
    const life = process as FleetLife;
    const { device } = outlet;
    const mine = taken.get(`${device.name} ${life.number}`);
    const nowMs = world.timeline.nowMs;
    if (mine === undefined || !mine.outlets.includes(outlet.key)) return world.fail("Intent", `${life.name} sends off to ${outlet.key} without a swap on record`);
    const stopped = stoppedSince(life, mine.calledMs);
    if (used.has(mine.token)) return world.fail("Token", `token ${mine.token} lets a second byte go, from ${life.name}`);
    used.add(mine.token);
    const windowMs = DRIFT * world.spec.policy.limits.checkWindowMs;
    if (life.sawMs - mine.calledMs > windowMs) return world.fail("Token", `${life.name} sends off to ${outlet.key} although it had seen ${Math.round(life.sawMs - mine.calledMs)} ms pass since its swap`);
    if (life.heldUntilMs === null || life.sawMs > life.heldUntilMs) return world.fail("Token", `${life.name} sends off to ${outlet.key} after its own lease had ended`);
    const lock = world.server.value<DeviceLock>(`lock/${device.name}` as RecordKey);
    const current = operation !== null && operation.phase === "off-sent" && operation.sent.includes(outlet.key) && lock?.token === mine.token && operation.token === mine.token;
    if (nowMs - mine.calledMs > windowMs) {
      world.counts.add("byte: off after a pause that nobody could see");
      if (!stopped) return world.fail("Token", `${life.name} sends off to ${outlet.key} ${Math.round(nowMs - mine.calledMs)} ms after its swap and was not stopped in between`);
    }
    if (current || anotherMs >= mine.calledMs) return;
    if (!stopped || device.spec.policy.exclusiveSession) {
      return world.fail("Token", `${life.name} sends off to ${outlet.key} under token ${mine.token}, which is not current${stopped ? ", at a device that serves one session" : ""}: lock ${lock?.token ?? "free"}, operation ${operation === null ? "none" : `${operation.id} ${operation.phase} token ${operation.token}`}`);
    }
    world.counts.add("byte: a stale off after a pause");
  }

  function on({ outlet, life: process, operation }: Sent): void {
    const life = process as FleetLife;
    const mine = taken.get(`${outlet.device.name} ${life.number}`);
    const lock = world.server.value<DeviceLock>(`lock/${outlet.device.name}` as RecordKey);
    if (operation !== null && operation.phase === "on-sent" && lock?.token === operation.token && mine?.token === lock.token && !used.has(lock.token)) {
      used.add(lock.token);
      return;
    }
    if (life.heldUntilMs === null || world.timeline.nowMs - (troubledMs.get(life.site.name) ?? -Infinity) < TROUBLE_MS || anotherMs > life.startedMs) return world.counts.add("byte: an owed on without a fresh record");
    if (mine !== undefined && stoppedSince(life, mine.calledMs)) return world.counts.add("byte: a stale on after a pause");
    world.fail("Intent", `${life.name} sends on to ${outlet.key} while operation ${operation?.id ?? "none"} is recorded as ${operation?.phase ?? "nothing"} under token ${operation?.token ?? "none"}, lock ${lock?.token ?? "free"}`);
  }

  function noteTrouble(): void {
    for (const site of world.sites.values()) if (!site.link.reaches || !world.server.available || site.link.slow > 0 || site.link.loss > 0) troubledMs.set(site.name, world.timeline.nowMs);
  }

  return {
    invariant: "Intent",
    audit: noteTrouble,
    strikes(fault) {
      noteTrouble();
      if (!isAnotherStore(fault)) return;
      anotherMs = world.timeline.nowMs;
      // What was taken before that was on record when it was taken.
      used.clear();
    },
    told({ kind }, life) {
      if (kind === "store-failed" || kind === "store-ok") troubledMs.set(life.site.name, world.timeline.nowMs);
    },
    commit(carried) {
      for (const { key, value } of carried.writes) {
        if (!key.startsWith("lock/") || value === null) continue;
        const { device, token } = value as DeviceLock;
        const swap = swapOf(world, carried);
        taken.set(`${device} ${carried.life.number}`, { life: carried.life, token, calledMs: carried.calledMs, outlets: swap?.operation.sent ?? [] });
        if (swap !== null) world.faults.swapped(carried.life);
      }
    },
    bytes(sent) {
      world.faults.byteLeft();
      world.counts.add(`byte: ${sent.action}`);
      if (sent.action === "off") off(sent);
      else on(sent);
    },
  };
}
