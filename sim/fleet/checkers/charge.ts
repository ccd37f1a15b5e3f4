// One writer (ADR 8): what becomes of a host is written by the watcher that is in charge of its power, of all of it, at the
// moment that the store carries it out; and nobody takes or gives back a charge that somebody else holds. It is what makes of several watchers one, as far as a host is concerned.

import type { HostPolicy } from "../../../src/core/policy.ts";
import type { ChargeRecord, RecordKey } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { Carried, FleetWorld } from "../world.ts";
import { chargesOf } from "./facts.ts";

const OF_A_HOST = /^(?:op|host|incident)\//;

export function charge(world: FleetWorld): FleetChecker {
  const holders = new Map<string, FleetLife>();

  function hostOf(key: string, value: unknown): HostPolicy | undefined {
    if (key.startsWith("host/")) return world.policyOf(key.slice("host/".length));
    const record = (value ?? world.server.value(key as RecordKey)) as { readonly host?: string } | undefined;
    return record?.host === undefined ? undefined : world.policyOf(record.host);
  }

  function judge(carried: Carried): void {
    const { life, writes } = carried;
    for (const { key, value } of writes) {
      if (!OF_A_HOST.test(key)) continue;
      const policy = hostOf(key, value);
      if (policy === undefined) continue;
      for (const needed of chargesOf(policy)) {
        const own = writes.find((each) => each.key === needed)?.value as ChargeRecord | null | undefined;
        const holder = own !== undefined ? (own?.watcher ?? null) : (world.server.value<ChargeRecord>(needed)?.watcher ?? null);
        const mine = holder === life.site.name && (own !== undefined || holders.get(needed) === life);
        // Who gives a charge up writes that with the rest.
        const given = own === null && holders.get(needed) === life;
        if (mine || given) continue;
        // Who finds another store does not carry on what stands in there (§3.9).
        if (value === null && key.startsWith("op/") && life.foundAnotherStore) {
          world.counts.add("charge: an operation of another store is ended by who finds it");
          continue;
        }
        return world.fail("Charge", `${life.name} writes ${key}, and ${holder ?? "nobody"}${holder === life.site.name ? " of another life" : ""} is in charge of ${needed.slice("charge/".length)}`);
      }
    }
  }

  function took(carried: Carried): void {
    for (const { key, value } of carried.writes) {
      if (!key.startsWith("charge/")) continue;
      const holder = world.server.value<ChargeRecord>(key)?.watcher ?? null;
      if (holder !== null && holder !== carried.life.site.name) return world.fail("Charge", `${carried.life.name} ${value === null ? "gives back" : "takes"} ${key}, which ${holder} holds`);
      const before = holders.get(key);
      if (value === null) {
        holders.delete(key);
        continue;
      }
      holders.set(key, carried.life);
      if (before === carried.life) continue;
      const operation = world.open.find((each) => each.levels.flat().some((outlet) => `charge/${outlet.device}` === key));
      world.counts.add("charge: taken");
      if (operation !== undefined && before !== undefined) world.counts.add(`charge: taken over in ${operation.phase}`);
      if (operation !== undefined && before !== undefined && before.site === carried.life.site) world.counts.add("charge: taken over by another life of the same watcher");
    }
  }

  return {
    invariant: "Charge",
    commit(carried) {
      judge(carried);
      took(carried);
    },
  };
}
