// Expiry (safety.md §3.5): a maintenance, a disarm or an inhibit that ends by time does not free the off of a host that is not
// healthy at that moment: there is none before it is seen healthy, or somebody releases it.

import type { DeviceLock, HostRecord, Operation } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

type Word = { readonly kind: string; readonly scope: string; readonly untilMs: number };

const HOLDING = new Set(["disarmed", "maintenance", "inhibit"]);

export function expiry(world: World): Checker {
  let words: Word[] = [];
  /** Hosts that were ill when a brake ran out, and which one. */
  const ill = new Map<string, string>();

  function forget(kind: string, scope: string): void {
    words = words.filter((word) => word.kind !== kind || word.scope !== scope);
  }

  /** Bad when the time was over, or at the first looks after a start, and nothing better since. */
  function isIll(host: string, untilMs: number): boolean {
    const seen = world.observed.of(host);
    const before = seen.findLastIndex((each) => each.atMs <= untilMs);
    const since = before < 0 ? seen : seen.slice(before);
    return (before >= 0 || (world.life?.startedMs ?? 0) > untilMs) && since.length > 0 && since.every((each) => each.outcome === "bad");
  }

  return {
    invariant: "Expiry",
    strikes(fault) {
      // Of another ledger, or of a host that nobody watched for a while, nothing is known.
      if (fault !== "disk-wiped" && fault !== "disk-restored" && fault !== "deconfigured") return;
      words = [];
      ill.clear();
    },
    asked(command) {
      if (command.kind === "unbrake" || command.kind === "brake") forget(command.brake, command.scope);
      if (command.kind === "release" || command.kind === "confirm-off") ill.delete(command.host);
    },
    answered(command, answer, askedMs) {
      if (answer.exit !== 0 || command.kind !== "brake" || !HOLDING.has(command.brake)) return;
      forget(command.brake, command.scope);
      if (command.forMs !== null) words.push({ kind: command.brake, scope: command.scope, untilMs: askedMs + command.forMs });
    },
    round({ host, outcome }) {
      if (outcome === "good") ill.delete(host);
    },
    calling({ writes, life }, before) {
      // Who has shut itself down in order is silent as it should be, and ill of nothing that a person should look at (ADR 28).
      const isDown = (host: string): boolean => ((before.get(`host/${host}`)?.value as HostRecord | undefined)?.careful ?? null) !== null;
      const nowMs = world.timeline.nowMs;
      for (const word of words) {
        if (nowMs < word.untilMs || !writes.some(({ key, value }) => key === `brake/${word.kind}/${word.scope}` && value === null)) continue;
        forget(word.kind, word.scope);
        for (const host of life.policy.hosts.keys()) if ((word.scope === "*" || word.scope === host) && !isDown(host) && isIll(host, word.untilMs)) ill.set(host, word.kind);
      }
      const lock = writes.find((each) => each.key.startsWith("lock/") && each.value !== null)?.value as DeviceLock | undefined;
      const operation = writes.find((each) => each.key.startsWith("op/"))?.value as Operation | null | undefined;
      if (lock === undefined || operation === null || operation === undefined || operation.phase !== "off-sent" || operation.origin.kind !== "auto") return;
      const kind = ill.get(operation.host);
      if (kind !== undefined) world.fail("Expiry", `an automatic off for ${operation.host}, which was not healthy when ${kind} ran out and has not been since`);
    },
  };
}
