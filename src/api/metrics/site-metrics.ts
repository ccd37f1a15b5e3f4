// What /metrics says of the whole: hosts by verdict, brakes, storms, alarms, operations, devices, the store, the watchers.

import { OPERATION_PHASES } from "../../core/phases.ts";
import type { HostReport } from "../../core/report.ts";
import type { Look, Metric, Sample } from "./metric.ts";

const VERDICTS = ["up", "suspect", "down", "unknown"] as const;

/** How many of each; those of `known` also where there is none. */
function* tally(values: Iterable<string>, known: readonly string[] = []): Iterable<Sample> {
  const counts = new Map<string, number>(known.map((each) => [each, 0]));
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const [value, count] of counts) yield [count, value];
}

const one = (value: (look: Look) => number | null): Metric["samples"] => (look) => [[value(look)]];
const flag = (value: boolean): number => (value ? 1 : 0);
const seconds = (iso: string | null): number | null => (iso === null ? null : Math.round(Date.parse(iso) / 1_000));
const here = (hosts: readonly HostReport[], which: (host: HostReport) => boolean): number => hosts.filter(which).length;

export const SITE_METRICS: readonly Metric[] = [
  { name: "upkeep_hosts", type: "gauge", help: "Hosts by verdict.", labels: ["verdict"], samples: ({ hosts }) => tally(hosts.map(({ verdict }) => verdict), VERDICTS) },
  { name: "upkeep_hosts_guarded", type: "gauge", help: "Hosts whose power would be cut if they went down now.", labels: [], samples: one(({ hosts }) => here(hosts, ({ guarded }) => guarded)) },
  { name: "upkeep_hosts_held", type: "gauge", help: "Hosts that are held for a person.", labels: [], samples: one(({ hosts }) => here(hosts, ({ held }) => held !== null)) },
  { name: "upkeep_hosts_off_by_others", type: "gauge", help: "Hosts with an outlet that somebody else has switched off.", labels: [], samples: one(({ hosts }) => here(hosts, ({ offByOthers }) => offByOthers.length > 0)) },
  { name: "upkeep_hosts_owed_power", type: "gauge", help: "Hosts that we have switched off and that are not confirmed on yet.", labels: [], samples: one(({ hosts }) => here(hosts, ({ operation }) => (operation?.cut.length ?? 0) > 0)) },
  { name: "upkeep_armed", type: "gauge", help: "Whether anything is cut by itself at all: `armed` in the configuration, and not disarmed for all hosts.", labels: [], samples: one(({ site }) => flag(site.armed && !site.brakes.some(({ brake, scope }) => brake === "disarmed" && scope === "*"))) },
  { name: "upkeep_brakes_in_force", type: "gauge", help: "Hosts of which this brake would hold an automatic off back now.", labels: ["brake"], samples: ({ hosts }) => tally(hosts.flatMap(({ brakes }) => brakes.map(({ brake }) => brake))) },
  { name: "upkeep_storms", type: "gauge", help: "Sets of hosts in which so many are unhealthy that nothing new is cut.", labels: [], samples: one(({ site }) => site.storms.length) },
  { name: "upkeep_storm", type: "gauge", help: "A set of hosts with a storm.", labels: ["set"], samples: ({ site }) => site.storms.map(({ set }): Sample => [1, set]) },
  { name: "upkeep_alarms", type: "gauge", help: "Calls to a person that are not over, by kind and severity.", labels: ["kind", "severity"], *samples({ site }) {
    for (const [count, key] of tally(site.alarms.map(({ kind, severity }) => `${kind}\n${severity}`))) yield [count, ...(key ?? "").split("\n")];
  } },
  { name: "upkeep_alarms_unacknowledged", type: "gauge", help: "Calls to a person that nobody has acknowledged.", labels: [], samples: one(({ site }) => site.alarms.filter(({ acknowledged }) => !acknowledged).length) },
  { name: "upkeep_operations_open", type: "gauge", help: "Power operations under way, by phase.", labels: ["phase"], samples: ({ state }) => tally([...state.operations.values()].map(({ phase }) => phase), OPERATION_PHASES) },
  { name: "upkeep_device_readable", type: "gauge", help: "Whether the power device could be read last; absent: it was not asked yet.", labels: ["device", "driver"], samples: ({ site }) => site.devices.map(({ device, driver, readable }): Sample => [readable === null ? null : flag(readable), device, driver]) },
  { name: "upkeep_device_last_read_timestamp_seconds", type: "gauge", help: "When the power device was last read.", labels: ["device", "driver"], samples: ({ site }) => site.devices.map(({ device, driver, at }): Sample => [seconds(at), device, driver]) },
  { name: "upkeep_ledger_up", type: "gauge", help: "Whether decisions can be recorded; without that nothing new is cut.", labels: [], samples: one(({ site }) => flag(site.ledger.ok)) },
  { name: "upkeep_store_up", type: "gauge", help: "Whether the store that the watchers share can be used; absent: this watcher is alone.", labels: [], samples: one(({ site }) => (site.store === null ? null : flag(site.store.ok))) },
  { name: "upkeep_store_lease_seconds", type: "gauge", help: "What is left of this watcher's lease; absent: this watcher is alone.", labels: [], samples: one(({ state, now }) => (state.fleet === null ? null : Math.max(0, (state.fleet.heldUntilMs ?? 0) - now.bootMs) / 1_000)) },
  { name: "upkeep_store_transactions_waiting", type: "gauge", help: "Transactions that wait for the store, with the one under way.", labels: [], samples: one(({ state }) => state.queue.length + state.pending.size) },
  { name: "upkeep_store_records_unwritten", type: "gauge", help: "Records that are to be written and are not on their way yet.", labels: [], samples: one(({ state }) => state.outbox.size) },
  { name: "upkeep_watcher_alive", type: "gauge", help: "Whether a watcher of the roster is there.", labels: ["watcher"], samples: ({ site }) => site.watchers.map(({ watcher, alive }): Sample => [flag(alive), watcher]) },
  { name: "upkeep_watcher_blind", type: "gauge", help: "Whether a watcher's own rounds prove nothing at present.", labels: ["watcher"], samples: ({ site }) => site.watchers.map(({ watcher, blind }): Sample => [flag(blind), watcher]) },
  { name: "upkeep_watcher_hosts_in_charge", type: "gauge", help: "Hosts that a watcher decides and acts for.", labels: ["watcher"], samples: ({ site }) => site.watchers.map(({ watcher, inCharge }): Sample => [inCharge, watcher]) },
];
