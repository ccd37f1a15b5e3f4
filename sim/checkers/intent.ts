// Intent (safety.md §5.1): every command at a device has a record from before it, with operation, step, outlet and token, on
// what a restart would find. Sole exception: an owed on, while the ledger cannot be written.
//
// Token (§5.5): an off carries the token of its swap, a token lets one byte go, and between the swap and the byte there is
// no more than checkWindow by the clock that the watcher has seen; a pause after its last look at the clock is beyond it.

import type { Checker } from "../checker.ts";
import type { DeviceLock, Operation, RecordKey } from "../../src/core/records.ts";
import type { Sent } from "../devices.ts";
import type { World } from "../world.ts";

export function intent(world: World): Checker {
  /** When the transaction that took a token was sent. */
  const takenMs = new Map<number, number>();
  const used = new Set<number>();

  function off(sent: Sent): string | null {
    const { operation, outlet } = sent;
    const lock = world.disk.value<DeviceLock>(`lock/${outlet.device.name}` as RecordKey);
    if (operation === null) return `off to ${outlet.key} without a record of an operation`;
    if (operation.phase !== "off-sent" || !operation.sent.includes(outlet.key)) return `off to ${outlet.key} while operation ${operation.id} is recorded as ${operation.phase}, sent to ${operation.sent.join(" ") || "none"}`;
    if (lock === undefined || lock.operation !== operation.id || lock.token !== operation.token) return `off to ${outlet.key} under token ${operation.token}, and the device's lock is ${lock === undefined ? "free" : `operation ${lock.operation}, token ${lock.token}`}`;
    if (used.has(lock.token)) return `token ${lock.token} lets a second byte go`;
    used.add(lock.token);
    const taken = takenMs.get(lock.token);
    if (taken === undefined) return `off to ${outlet.key} under a token of another ledger`;
    const seenMs = sent.life.sawMs - taken;
    if (seenMs > world.policy.limits.checkWindowMs) return `off to ${outlet.key} although the watcher had seen ${seenMs} ms pass since its swap`;
    const ageMs = world.timeline.nowMs - taken;
    if (ageMs > world.policy.limits.checkWindowMs) world.counts.add("byte: off after a pause that nobody could see");
    return null;
  }

  function on(sent: Sent): string | null {
    const { operation, outlet } = sent;
    if (operation === null) return `on to ${outlet.key} without a record of an operation`;
    const lock = world.disk.value<DeviceLock>(`lock/${outlet.device.name}` as RecordKey);
    const recorded = operation.phase === "on-sent" && lock !== undefined && lock.operation === operation.id && lock.token === operation.token && !used.has(lock.token);
    if (recorded) {
      used.add(lock.token);
      return null;
    }
    const owed = operation.cut.includes(outlet.key) || operation.sent.includes(outlet.key);
    // As of the watcher's last look at the clock: a pause between that and the byte is none of its own.
    if (owed && storeFailedLately(sent.life.sawMs)) {
      world.counts.add("byte: an owed on without a fresh record");
      return null;
    }
    return `on to ${outlet.key} while operation ${operation.id} is recorded as ${operation.phase} under token ${operation.token}, lock ${lock?.token ?? "none"}`;
  }

  let failedMs = -Infinity;
  function storeFailedLately(seenMs = world.timeline.nowMs): boolean {
    if (world.disk.failing) failedMs = world.timeline.nowMs;
    return seenMs - failedMs < 30_000;
  }

  return {
    invariant: "Intent",
    audit() {
      storeFailedLately();
    },
    told({ kind }) {
      // What failed may work again by the time of the byte, after a pause.
      if (kind === "store-failed") failedMs = world.timeline.nowMs;
    },
    strikes(fault) {
      // Another ledger counts its tokens anew.
      if (fault === "disk-wiped" || fault === "disk-restored") {
        used.clear();
        takenMs.clear();
      }
    },
    commit({ writes, calledMs }) {
      for (const { key, value } of writes) {
        if (key.startsWith("lock/") && value !== null) {
          const { token } = value as DeviceLock;
          takenMs.set(token, calledMs);
          const operation = writes.find((each) => each.key.startsWith("op/"))?.value as Operation | undefined;
          if (operation?.phase === "off-sent") world.faults.swapPending = true;
        }
      }
    },
    bytes(sent) {
      world.faults.swapPending = false;
      const wrong = sent.action === "off" ? off(sent) : on(sent);
      world.counts.add(`byte: ${sent.action}`);
      if (wrong !== null) world.fail("Intent", wrong);
    },
  };
}
