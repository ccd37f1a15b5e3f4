// One story (safety.md §5.18, ADR 8): whichever watcher is asked for its incidents tells the same. Once everything is healed and
// quiet, an incident is open at a watcher if and only if it is open in the store, and the last end of each host that stands in the
// store has been told by every watcher that runs.

import type { HostRecord, IncidentRecord } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { FleetWorld } from "../world.ts";
import { isOfAnotherStore } from "./facts.ts";

export function story(world: FleetWorld): FleetChecker {
  /** What each process has told last, by incident. */
  const told = new Map<FleetLife, Map<string, IncidentRecord>>();

  return {
    invariant: "One story",
    incident(record, life) {
      const known = told.get(life) ?? new Map<string, IncidentRecord>();
      told.set(life, known.set(record.incident, record));
    },
    end(quiet) {
      if (!quiet) return;
      const ends = world.server.all<HostRecord>("host").flatMap(({ lastIncident }) => lastIncident ?? []);
      const stored = [...world.server.all<IncidentRecord>("incident"), ...ends];
      for (const life of [...world.sites.values()].map((site) => site.life)) {
        if (life?.began !== true || isOfAnotherStore(world, life)) continue;
        const known = told.get(life) ?? new Map<string, IncidentRecord>();
        for (const record of stored.filter(({ host }) => life.policy.hosts.has(host))) {
          const outcome = known.get(record.incident)?.outcome;
          if (outcome !== record.outcome) world.fail("One story", `${record.incident} of ${record.host} is ${record.outcome} in the store, and ${outcome ?? "not known"} at ${life.name}`);
        }
        const open = new Set(stored.filter(({ outcome }) => outcome === "open").map(({ incident }) => incident));
        for (const host of life.watcher.state.hosts.values()) {
          if (host.incident !== null && !open.has(host.incident.incident)) world.fail("One story", `${host.incident.incident} of ${host.name} is open at ${life.name}, and not in the store`);
        }
      }
    },
  };
}
