// The figures of loads as a section of docs/performance.md and as pictures beside it. Ratios are computed from the samples of
// one run; what was measured under the load of other work says so in its own column.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Checks, Cost } from "../checks.ts";
import { DOCUMENT, median, writeSection } from "../figures.ts";
import { barPicture, linePicture } from "../picture.ts";
import type { Scheduled, Schedules } from "../scheduled.ts";
import type { LookKind } from "./peers.ts";
import { LOOK_KINDS } from "./peers.ts";
import type { Loads } from "./results.ts";

const FIGURES = join(DOCUMENT, "../figures");
const NAMES: Readonly<Record<LookKind, string>> = { ping: "ICMP echo", ssh: "TCP and SSH banner", http: "HTTP on a fresh connection", dns: "DNS over UDP" };
const AIMS_US: Readonly<Record<LookKind, number>> = { ping: 5, ssh: 70, http: 120, dns: 15 };

/** Our own work alone: who looks, and who is looked at. */
const QUIET_LOAD = 3;

const us = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));
const spread = (samples: readonly number[]): string => `${us(Math.min(...samples))} to ${us(Math.max(...samples))}`;
const times = (value: number): string => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));

function alone(costs: readonly Cost[], kind: LookKind): number {
  return median(costs.find((cost) => cost.kind === kind && cost.how === "probe alone")?.samplesUs ?? []);
}

function nameOf({ who, how }: Cost): string {
  return who === "monitoring plugins" ? how : who === "Upkeep" ? `Upkeep, ${how}` : who;
}

function ofChecks({ costs, versions }: Checks): readonly string[] {
  const rows = LOOK_KINDS.flatMap((kind) => costs.filter((cost) => cost.kind === kind).map((cost) => {
    const aim = cost.how === "probe alone" ? AIMS_US[kind] : cost.how === "whole watcher" ? 2 * AIMS_US[kind] : null;
    return `| ${NAMES[kind]} | ${nameOf(cost)} | ${us(median(cost.samplesUs))} | ${spread(cost.samplesUs)} | ${times(median(cost.samplesUs) / alone(costs, kind))} | ${aim === null ? "" : aim} | ${cost.samplesUs.length} × ${cost.looks.toLocaleString("en")} | ${cost.load.toFixed(1)} |`;
  }));
  const versionText = Object.entries(versions).map(([name, version]) => `${name} (${version})`).join("; ");
  return [
    `### One check

Microseconds of processor time, user and system, of the program and all that it starts, on one core of its own; who is looked at answers on the other. Loopback: what the kernel does to deliver a packet there counts for its sender. *Probe alone* is the probe with 64 looks under way; *whole watcher* is \`upkeep watch\` at 1,000 checks a second with rounds, decisions, ledger and history. Median, least and most; *×* is the ratio to Upkeep's probe alone.`,
    `![Microseconds of processor time per check, on a logarithmic scale](figures/checks.svg)`,
    `| check | program | µs | spread | × | aim | samples × checks | load |\n|---|---|---|---|---|---|---|---|\n${rows.join("\n")}`,
    versionText === "" ? "" : `Peers, as Debian has them: ${versionText}. Their configurations are in \`bench/peers/\`.`,
  ];
}

function row(each: Scheduled): string {
  const { who, what, hosts, everyMs, cpuPercent, residentMiB, lagMs, came, due, firstMs, load } = each;
  const first = typeof firstMs === "number" ? `${(firstMs / 1_000).toFixed(1)} s` : (firstMs ?? "");
  // Of one that leaves most of them out no place in an interval can be told.
  const lag = came < 0.9 * due ? "" : `${lagMs.p50.toFixed(1)} / ${lagMs.p99.toFixed(1)} / ${lagMs.most.toFixed(0)} ms`;
  return `| ${who} | ${hosts.toLocaleString("en")} × ${what}, every ${everyMs / 1_000} s | ${median(cpuPercent).toFixed(1)} % | ${Math.round(median(residentMiB))} MiB | ${lag} | ${((100 * came) / due).toFixed(1)} % | ${first} | ${load.toFixed(1)} |`;
}

function ofSchedules({ aims, growth }: Schedules): readonly string[] {
  const head = "| program | checks | of one core | resident | lag p50 / p99 / most | came, of those due | all first ones within | load |\n|---|---|---|---|---|---|---|---|";
  return [
    `### On schedule

Each on one core, after the start has settled; medians of ${aims[0]?.cpuPercent.length ?? 0} windows. *Lag* is what a call comes later than the host's own interval, as the servers saw it. *Came* may be a little off 100 % for the edges of the windows. The aim: 5,000 banner checks every 10 s in at most 15 % of a core and 150 MB, lag p99 at most 100 ms.`,
    `${head}\n${aims.map(row).join("\n")}`,
    `### From 100 to 10,000 hosts

SSH banners every 10 s.`,
    `![Processor time and memory over the number of hosts](figures/growth.svg)`,
    `${head}\n${growth.map(row).join("\n")}`,
  ];
}

/** Writes the section and its pictures from whatever there is. */
export function writeLoads({ checks, scheduled }: Loads, machine: string): void {
  mkdirSync(FIGURES, { recursive: true });
  if (checks !== undefined) {
    const groups = LOOK_KINDS.map((kind) => ({
      title: `${NAMES[kind]}, µs`,
      bars: checks.costs.filter((cost) => cost.kind === kind).map((cost) => ({ name: nameOf(cost), value: median(cost.samplesUs), shown: us(median(cost.samplesUs)), ours: cost.who === "Upkeep" })),
    }));
    writeFileSync(join(FIGURES, "checks.svg"), barPicture("Microseconds of processor time per check", groups));
  }
  if (scheduled !== undefined) {
    const over = (value: (each: Scheduled) => number) => scheduled.growth.map((each) => [each.hosts, value(each)] as const);
    writeFileSync(join(FIGURES, "growth.svg"), linePicture("Processor time and memory over the number of hosts", "hosts, SSH banner every 10 s", [
      { name: "Part of one core", unit: "%", points: over(({ cpuPercent }) => median(cpuPercent)) },
      { name: "Resident memory", unit: "MiB", points: over(({ residentMiB }) => median(residentMiB)) },
    ]));
  }
  const loads = [...(checks?.costs ?? []), ...(scheduled?.aims ?? []), ...(scheduled?.growth ?? [])].map(({ load }) => load);
  const busy = loads.filter((load) => load > QUIET_LOAD).length;
  writeSection("## Checks", [
    busy === 0 ? "" : `**Preliminary:** ${busy} of these ${loads.length} figures were taken while other work kept the machine busy.`,
    `Measured on ${machine}. \`bin/node24 bench/checks.ts\` and \`bin/node24 bench/scheduled.ts\` repeat these, alone, as root, with the peers installed (\`bench/peers/packages.txt\`); raw samples are in \`bench/results/checks.json\` and \`scheduled.json\`. *Load* is that of the whole machine at that moment, our own included: far above 2, others were at work, and the figure is too high.`,
    ...(checks === undefined ? [] : ofChecks(checks)),
    ...(scheduled === undefined ? [] : ofSchedules(scheduled)),
  ]);
}
