// What /metrics says of each host. Ten series and two a probe: what a rule or a picture needs, and no text.

import type { HostReport, OutletReport } from "../../core/report.ts";
import type { Look, Metric, Sample } from "./metric.ts";

const VERDICTS = ["up", "suspect", "down", "unknown"] as const;

function of(value: (host: HostReport, look: Look) => number | null): Metric["samples"] {
  return function* (look) {
    for (const host of look.hosts) yield [value(host, look), host.host];
  };
}

function* verdicts({ hosts }: Look): Iterable<Sample> {
  for (const host of hosts) for (const verdict of VERDICTS) yield [host.verdict === verdict ? 1 : 0, host.host, verdict];
}

function ofProbes(value: (probe: HostReport["probes"][number]) => number | null): Metric["samples"] {
  return function* ({ hosts }) {
    for (const { host, probes } of hosts) for (const probe of probes) yield [value(probe), host, probe.probe];
  };
}

const STATES: Readonly<Record<OutletReport["state"], number>> = { on: 1, off: 0, unknown: NaN };

export const HOST_METRICS: readonly Metric[] = [
  { name: "upkeep_host_info", type: "gauge", help: "A host that is watched, by its address and group.", labels: ["host", "group", "address"], *samples({ hosts }) {
    for (const { host, group, address } of hosts) yield [1, host, group, address];
  } },
  { name: "upkeep_host_up", type: "gauge", help: "Whether the verdict is up.", labels: ["host"], samples: of(({ verdict }) => (verdict === "up" ? 1 : 0)) },
  { name: "upkeep_host_verdict", type: "gauge", help: "The verdict: 1 at the one that holds.", labels: ["host", "verdict"], samples: verdicts },
  { name: "upkeep_host_bad_rounds", type: "gauge", help: "Where the leaky counter stands: bad rounds, less the good ones since.", labels: ["host"], samples: of(({ counter }) => counter) },
  { name: "upkeep_host_threshold", type: "gauge", help: "Bad rounds at which the host is down.", labels: ["host"], samples: of(({ threshold }) => threshold) },
  { name: "upkeep_host_guarded", type: "gauge", help: "Whether its power would be cut if it went down now.", labels: ["host"], samples: of(({ guarded }) => (guarded ? 1 : 0)) },
  { name: "upkeep_host_wanted_on", type: "gauge", help: "Whether it is wanted on; 0: somebody wants it off.", labels: ["host"], samples: of(({ wanted }) => (wanted === "on" ? 1 : 0)) },
  { name: "upkeep_host_held", type: "gauge", help: "Whether it is held for a person.", labels: ["host"], samples: of(({ held }) => (held === null ? 0 : 1)) },
  { name: "upkeep_host_brakes", type: "gauge", help: "Brakes that would hold an automatic off back now.", labels: ["host"], samples: of(({ brakes }) => brakes.length) },
  { name: "upkeep_host_in_charge", type: "gauge", help: "Whether this watcher is in charge of it; of several watchers one is.", labels: ["host"], samples: of(({ inCharge }, { policy }) => (inCharge === policy.watcher ? 1 : 0)) },
  { name: "upkeep_host_budget_used", type: "gauge", help: "Confirmed power cycles that count against its budget.", labels: ["host"], samples: of(({ budget }) => budget.cycles) },
  { name: "upkeep_host_outlet_on", type: "gauge", help: "Whether an outlet of the host read on; NaN: not known.", labels: ["host", "outlet"], *samples({ hosts }) {
    for (const { host, power } of hosts) for (const { outlet, state } of power) yield [STATES[state], host, outlet];
  } },
  { name: "upkeep_probe_success", type: "gauge", help: "Whether the probe's last result was good or slow; absent before the first, and where it proves nothing.", labels: ["host", "probe"], samples: ofProbes(({ outcome }) => (outcome === null || outcome === "unknown" ? null : outcome === "bad" ? 0 : 1)) },
  { name: "upkeep_probe_latency_seconds", type: "gauge", help: "How long the probe's last answer took; absent where there was none.", labels: ["host", "probe"], samples: ofProbes(({ outcome, latencyMs }) => (latencyMs !== null && Number.isFinite(latencyMs) && (outcome === "good" || outcome === "slow") ? latencyMs / 1_000 : null)) },
];
