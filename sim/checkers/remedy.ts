// Remedy: what is softer than power is recorded before, tried once an incident, and held back by the brakes (field.md §1.5,
// safety.md §3). And it is tried before power is cut: one that was recorded and turned back is still to be tried. The rules stand in ../remedies.ts.

import type { HostRecord, Operation, RecordKey } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import { remedyKey, wrongRemedy } from "../remedies.ts";
import type { World } from "../world.ts";

export function remedy(world: World): Checker {
  const done = new Set<string>();
  /** In which life a remedy first went on record. After a kill nobody knows whether it was tried. */
  const recorded = new Map<string, number>();

  function untried(operation: Operation, record: HostRecord | undefined, life: World["life"]): string | null {
    const policy = life?.policy.hosts.get(operation.host);
    const said = record?.remedied;
    if (life === null || policy?.remedies === undefined || (said?.times.length ?? 0) >= policy.budget.cycles) return null;
    const left = policy.remedies.find(({ name }) => {
      const key = remedyKey(operation.host, operation.incident ?? "", name);
      return !done.has(key) && (recorded.get(key) ?? life.number) === life.number;
    });
    return left?.name ?? null;
  }

  return {
    invariant: "Remedy",
    strikes(fault) {
      if (fault !== "disk-wiped" && fault !== "disk-restored") return;
      done.clear();
      recorded.clear();
    },
    remedy(host, name) {
      world.counts.add("remedy: tried");
      const wrong = wrongRemedy(host, name, { value: (key) => world.disk.value(key) as never, operations: world.open, last: world.observed.last(host)?.outcome }, done);
      if (wrong !== null) world.fail("Remedy", `${name} is tried at ${host}: ${wrong}`);
    },
    told({ kind, because }) {
      if (kind === "refused" && because.includes(": not done: ")) world.counts.add("remedy: turned back");
    },
    commit({ life, writes }, before) {
      for (const { key, value } of writes) {
        const said = key.startsWith("host/") ? (value as HostRecord | null)?.remedied : undefined;
        for (const name of said?.names ?? []) if (said !== undefined && !recorded.has(remedyKey(key.slice("host/".length), said.incident, name))) recorded.set(remedyKey(key.slice("host/".length), said.incident, name), life.number);
      }
      for (const { key, value } of writes) {
        const operation = key.startsWith("op/") ? (value as Operation | null) : null;
        if (operation === null || before.has(key) || operation.origin.kind !== "auto" || operation.kind !== "cycle") continue;
        const record = (writes.find((each) => each.key === `host/${operation.host}`)?.value ?? before.get(`host/${operation.host}` as RecordKey)?.value) as HostRecord | undefined;
        const left = untried(operation, record, life);
        if (left !== null) world.fail("Remedy", `the power of ${operation.host} is to be cut, and ${left} has not been tried`);
      }
    },
  };
}
