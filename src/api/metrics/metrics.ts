// `/metrics`: the table of all metrics, and the text made of it. Loaded with the first scrape. What is scraped is the state of
// this moment; nothing is kept up to date for it but a few counters (counts.ts).

import { hostReport, siteReport } from "../../core/report.ts";
import { HOST_METRICS } from "./host-metrics.ts";
import type { Look, Metric } from "./metric.ts";
export { METRICS_TYPE } from "./metric.ts";
import { render } from "./metric.ts";
import { PROCESS_METRICS } from "./process-metrics.ts";
import { SITE_METRICS } from "./site-metrics.ts";

export const METRICS: readonly Metric[] = [...SITE_METRICS, ...HOST_METRICS, ...PROCESS_METRICS];

export function metricsText(given: Omit<Look, "hosts" | "site">): string {
  const { state, policy, now } = given;
  const hosts = [...policy.hosts.values()].flatMap((each) => {
    const host = state.hosts.get(each.name);
    return host === undefined ? [] : [hostReport(host, each, state, policy, now)];
  });
  return render(METRICS, { ...given, hosts, site: siteReport(state, policy, now) });
}
