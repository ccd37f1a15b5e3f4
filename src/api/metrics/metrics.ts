// `/metrics`: the table of all metrics, and the text made of it. Loaded with the first scrape. What is scraped is the state of
// this moment; nothing is kept up to date for it but a few counters (counts.ts).

import type { HostReport } from "../../core/report.ts";
import { hostReport, siteReport } from "../../core/report.ts";
import { HOST_METRICS } from "./host-metrics.ts";
import type { Look, Metric } from "./metric.ts";
export { METRICS_TYPE } from "./metric.ts";
import { render } from "./metric.ts";
import { PROCESS_METRICS } from "./process-metrics.ts";
import { SITE_METRICS } from "./site-metrics.ts";

export const METRICS: readonly Metric[] = [...SITE_METRICS, ...HOST_METRICS, ...PROCESS_METRICS];

/** So many hosts are reported in one turn of the loop: decisions must not wait for a scrape. */
const HOSTS_AT_ONCE = 100;

/** The text of a scrape, made in slices. What it shows is one state: that of the moment at which it was asked for. */
export async function metricsText(given: Omit<Look, "hosts" | "site">): Promise<string> {
  const { state, policy, now } = given;
  const hosts: HostReport[] = [];
  for (const each of policy.hosts.values()) {
    const host = state.hosts.get(each.name);
    if (host === undefined) continue;
    if (hosts.length > 0 && hosts.length % HOSTS_AT_ONCE === 0) await turn();
    hosts.push(hostReport(host, each, state, policy, now));
  }
  const look: Look = { ...given, hosts, site: siteReport(state, policy, now) };
  const written = new Map<string, string>();
  const parts: string[] = [];
  for (const metric of METRICS) {
    parts.push(render(metric, look, written));
    if (hosts.length > HOSTS_AT_ONCE) await turn();
  }
  return parts.join("");
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
