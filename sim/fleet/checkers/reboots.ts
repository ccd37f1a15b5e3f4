// Reboots with several watchers (docs/adr/0035): as with one, by the store's records, and only by whoever is in charge of the host.

import type { RecordKey } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import { knowsHealthy, RebootRules } from "../../reboots.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { chargesOf, holderOf, isAnotherStore, isOfAnotherStore } from "./facts.ts";

export function reboots(world: FleetWorld): FleetChecker {
  const rules = new RebootRules(world.spec.policy.reboots ?? null);
  const known = (life: FleetLife | null) => ({ value: <Kind>(key: RecordKey) => world.server.value(key) as Kind | undefined, seenHealthy: (host: string) => knowsHealthy(life, host), nowMs: world.timeline.nowMs, wallMs: life?.wallMs ?? 0 });
  const judge = (wrong: string | null, who: string) => wrong !== null && world.fail("Reboots", `${who}: ${wrong}`);
  return {
    invariant: "Reboots",
    strikes(fault) {
      if (isAnotherStore(fault)) rules.forget();
    },
    asked: ({ command }) => rules.asked(command, known(null)),
    order(host, order, id, again, life) {
      world.counts.add(`reboots: ${order} ordered${again ? " again" : ""}`);
      if (isOfAnotherStore(world, life)) return;
      judge(rules.order(host, order, id, again, known(life), (name) => world.hosts.get(name)?.condition === "up"), life.name);
      const policy = life.policy.hosts.get(host);
      const stranger = policy === undefined ? undefined : chargesOf(policy).map((key) => holderOf(world, key)).find((holder) => holder !== life.site.name);
      if (stranger !== undefined) world.fail("Reboots", `${life.name} gives ${order} to ${host}, and ${stranger ?? "nobody"} is in charge`);
    },
    obeys(host, id, life) {
      if (!isOfAnotherStore(world, life)) judge(rules.obeys(host, id), life.name);
    },
    condition(host) {
      rules.condition(host, world.timeline.nowMs);
    },
    bytes({ action, operation }) {
      if (action === "off" && operation !== null) judge(rules.off(operation, known(null)), "an off");
    },
    told({ kind, because }) {
      if (kind === "reboots" && because.includes("is back after")) world.counts.add("reboots: back");
    },
    end(quiet) {
      if (quiet) judge(rules.end(known(null), "others may be in charge, or gone"), "at the end");
    },
  };
}
