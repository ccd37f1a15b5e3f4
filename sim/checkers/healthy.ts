// Healthy (safety.md §5.2) and Freshness (§5.3): an automatic off rests on rounds that truly were bad, lately enough, often
// enough, and on none that was good after the decision. Judged by what the world answered to the probes (observed.ts).

import type { HostPolicy } from "../../src/core/policy.ts";
import type { Operation } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { Transaction } from "../disk.ts";
import type { Seen } from "../observed.ts";
import type { World } from "../world.ts";

/** Rounds that earn an off anew, after a restart or after one that got lost. */
const REEARN = 2;

export function healthy(world: World): Checker {
  /** When each operation's decision fell, and in which life. */
  const decided = new Map<number, { order: number; life: number; earned: boolean }>();
  /** The last swap that was asked for, by operation. */
  const calls = new Map<number, number>();
  const lastByte = new Map<string, number>();
  /** Operations of which an off got lost. */
  const lost = new Set<number>();

  function swapped(operation: Operation, transaction: Transaction, known: Operation | undefined): void {
    const { life } = transaction;
    calls.set(operation.id, transaction.order);
    const policy = life.policy.hosts.get(operation.host);
    if (policy === undefined) return world.fail("Healthy", `an automatic off for ${operation.host}, which is not configured`);
    const nowMs = transaction.calledMs;
    const seen = world.observed.of(operation.host).filter((each) => each.order < transaction.order);
    const counted = seen.filter((each) => each.outcome !== "unknown" && each.outcome !== "slow");
    const last = seen[seen.length - 1];
    const name = `off for ${operation.host} (operation ${operation.id})`;
    if (last === undefined || last.outcome !== "bad") return world.fail("Healthy", `${name}: the last round was ${last?.outcome ?? "none"}`);
    if (nowMs - last.atMs > 2 * policy.everyMs + policy.timeoutMs) return world.fail("Healthy", `${name}: the last round was ${nowMs - last.atMs} ms old`);
    const windowMs = Math.max(0, (policy.threshold - 1) * policy.everyMs);
    const within = counted.filter((each) => each.startedMs >= nowMs - windowMs - policy.everyMs);
    if (within.length > 0 && within.every((each) => each.outcome === "good")) return world.fail("Healthy", `${name}: it was serving`);
    // The second feed of a cut rests on the same decision; a second off for the same outlet does not.
    const first = operation.sent.length > (known?.sent.length ?? 0) && !lost.has(operation.id);
    const decision = decided.get(operation.id);
    const lastGood = counted.findLast((each) => each.outcome === "good");
    const badsSinceGood = counted.length - 1 - (lastGood === undefined ? -1 : counted.lastIndexOf(lastGood));
    if (decision !== undefined && decision.life === life.number && first) {
      if (!decision.earned) return world.fail("Healthy", `${name}: ${policy.threshold} bad rounds did not outweigh the good ones before the decision`);
      if (lastGood !== undefined && lastGood.order > decision.order) return world.fail("Freshness", `${name}: a good round came after the decision`);
    } else if (badsSinceGood < REEARN) {
      return world.fail("Freshness", `${name}: ${badsSinceGood} bad rounds since the last good one, and it must be earned again`);
    }
  }

  /**
   * At the moment of the decision: an answer that comes later does not change what was known. Rounds from before the last
   * byte do not count; good ones during an operation are recorded only, except for the one that withdrew it.
   */
  function earned(operation: Operation, { life, order }: Transaction): boolean {
    const policy = life.policy.hosts.get(operation.host);
    const since = lastByte.get(operation.host) ?? 0;
    const counted = world.observed.of(operation.host).filter((each) => each.order < order && each.order > since && each.outcome !== "unknown" && each.outcome !== "slow");
    return policy !== undefined && outweighed(counted.filter((each) => each.outcome === "bad" || !each.recordedOnly), policy);
  }

  return {
    invariant: "Healthy",
    calling(transaction, before) {
      for (const { key, value } of transaction.writes) {
        if (value === null || !key.startsWith("op/")) continue;
        const operation = value as Operation;
        const known = before.get(key)?.value as Operation | undefined;
        if (known === undefined) world.observed.operationBegins(operation);
        if (operation.origin.kind !== "auto") continue;
        // The decision is as old as the call that records it; a next level is a decision of its own.
        if (known === undefined) {
          if (operation.phase === "intended") decided.set(operation.id, { order: transaction.order, life: transaction.life.number, earned: earned(operation, transaction) });
        } else if (known.level !== operation.level) {
          decided.delete(operation.id);
          lost.delete(operation.id);
        }
        if (transaction.writes.some((each) => each.key.startsWith("lock/") && each.value !== null) && operation.phase === "off-sent") {
          if (known !== undefined && operation.sent.length === known.sent.length) lost.add(operation.id);
          swapped(operation, transaction, known);
        }
      }
    },
    bytes({ action, operation, life }) {
      if (operation !== null) lastByte.set(operation.host, world.order());
      if (action === "on" || operation === null || operation.origin.kind !== "auto") return;
      const decision = decided.get(operation.id);
      const seen = world.observed.of(operation.host);
      const lastGood = seen.findLast((each) => each.outcome === "good");
      if (lastGood === undefined) return;
      const since = decision !== undefined && decision.life === life.number && !lost.has(operation.id) ? decision.order : (calls.get(operation.id) ?? 0);
      if (lastGood.order > since) world.fail("Freshness", `a good round of ${operation.host} came before the byte of operation ${operation.id}`);
    },
  };
}

/** The naive counter: some run of rounds in which the bad ones outweigh the good ones by the threshold. */
function outweighed(counted: readonly Seen[], policy: HostPolicy): boolean {
  let counter = 0;
  let most = 0;
  for (const { outcome } of counted) {
    if (outcome === "bad") counter += 1;
    else counter = policy.retryMs.length > 0 ? 0 : Math.max(0, counter - 1);
    counter = Math.min(counter, policy.threshold);
    most = counter;
  }
  return most >= policy.threshold;
}
