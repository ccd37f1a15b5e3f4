// Foreign (safety.md §5.14): no on for an outlet whose last off edge is not ours. An outlet that others switch off while an
// off of ours for it is open cannot be told from ours; an off of ours for which the device had just said "on" makes it ours.

import type { Operation } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

export function foreign(world: World): Checker {
  /** Operations that let an off go for an outlet. */
  const cut = new Map<string, Set<number>>();
  const asked = new Set<string>();

  return {
    invariant: "Foreign",
    answered(command, answer) {
      if (command.kind === "power" && command.action !== "off" && answer.exit === 0) asked.add(command.host);
      if (command.kind === "fence" && answer.exit === 0) asked.add(command.host);
    },
    commit({ writes }) {
      // A swap is enough: whether its byte left cannot be told when the connection went at that moment.
      for (const { key, value } of writes) {
        if (!key.startsWith("op/") || value === null) continue;
        const operation = value as Operation;
        for (const outlet of operation.touched) cut.set(outlet, (cut.get(outlet) ?? new Set()).add(operation.id));
      }
    },
    bytes({ action, outlet, operation, reading }) {
      if (operation === null) return;
      if (action === "off") {
        if (reading.state === "off" && (operation.origin.kind === "auto" || operation.origin.event !== undefined) && operation.sends <= 1) return world.fail("Foreign", `off to ${outlet.key}, which read off already`);
        return;
      }
      const last = outlet.edges.at(-1);
      if (last === undefined || last.to === "on" || last.by !== "others") return;
      if (cut.get(outlet.key)?.has(operation.id) || (operation.origin.kind === "manual" && operation.origin.event === undefined)) return;
      world.fail("Foreign", `on to ${outlet.key}, which others switched off, and operation ${operation.id} never cut it`);
    },
  };
}
