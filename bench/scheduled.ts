// Thousands of checks on their own schedule, on one core: how much of it they take, how much memory, and whether each is made
// when it is due. `bin/node24 bench/scheduled.ts [--quick] [part …]`, or with `npm run bench`; the samples
// go to bench/results/scheduled.json and the figures into docs/performance.md, unless only some parts were asked for.
//
//   upkeep   what was aimed for: 5,000 banners every 10 s, and 1,000 hosts by three probes every 5 s
//   peers    the same banners by Prometheus with the blackbox exporter, and by Monit
//   growth   Upkeep from 100 to 10,000 hosts
//
// Lateness is told by who is called, not by who calls: the servers note each call, a host's calls are due at whole intervals
// from the one that came earliest for its place, and what another comes later is its lag. So it holds for every peer alike,
// and includes what the servers' own core needs to notice.

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { median, partsNamed, quantile } from "./figures.ts";
import type { Account } from "./load/cpu.ts";
import type { Ground } from "./load/ground.ts";
import { groundRefusal, openGround } from "./load/ground.ts";
import { missingPeers, startExporter, startMonit, startPrometheus } from "./load/peers.ts";
import { documentLoads, keep } from "./load/results.ts";
import type { Who } from "./load/results.ts";
import type { Calls, Kind } from "./load/servers.ts";
import { startWatcher } from "./load/upkeep.ts";

export type Scheduled = {
  readonly who: Who;
  readonly what: string;
  readonly hosts: number;
  readonly everyMs: number;
  /** Checks a second that were asked for. */
  readonly perSecond: number;
  /** Part of one core, in per cent, of each window. */
  readonly cpuPercent: readonly number[];
  readonly residentMiB: readonly number[];
  readonly lagMs: { readonly p50: number; readonly p99: number; readonly most: number };
  /** Calls that came, of those that were due while it was looked at. */
  readonly came: number;
  readonly due: number;
  /** From "watching" to the last host's first call; null: not measured. */
  readonly firstMs: number | "not all" | null;
  readonly load: number;
};

export type Schedules = { readonly aims: readonly Scheduled[]; readonly growth: readonly Scheduled[] };

type Plan = { readonly who: Who; readonly what: string; readonly kinds: readonly ("ping" | Kind)[]; readonly hosts: number; readonly everyMs: number; readonly warmMs: number; readonly windows: number; readonly windowMs: number };

export const PARTS = ["upkeep", "peers", "growth"] as const;
export type Part = (typeof PARTS)[number];

const SIZES = [100, 300, 1_000, 3_000, 10_000] as const;

export async function scheduled(parts: readonly Part[], quick: boolean, say: (text: string) => void): Promise<void> {
  const refusal = groundRefusal();
  if (refusal !== null) return say(`scheduled is left out: ${refusal}`);
  const missing = parts.includes("peers") ? missingPeers() : [];
  if (missing.length > 0) say(`the peers are left out, since not all are installed (bench/peers/packages.txt): ${missing.join(", ")}`);
  const lengths = quick ? { warmMs: 2_000, windows: 1, windowMs: 2_000 } : { warmMs: 25_000, windows: 5, windowMs: 8_000 };
  const scale = quick ? 0.01 : 1;
  const plan = (who: Who, what: string, kinds: Plan["kinds"], hosts: number, everyMs: number): Plan => ({ who, what, kinds, hosts: Math.ceil(hosts * scale), everyMs: quick ? 1_000 : everyMs, ...lengths });
  const aims: Scheduled[] = [];
  const growth: Scheduled[] = [];
  const run = async (list: Scheduled[], each: Plan): Promise<void> => {
    list.push(await measure(each));
    say(inWords(list.at(-1) as Scheduled));
  };
  if (parts.includes("upkeep")) {
    await run(aims, plan("Upkeep", "SSH banner", ["ssh"], 5_000, 10_000));
    await run(aims, plan("Upkeep", "ping, SSH and DNS", ["ping", "ssh", "dns"], 1_000, 5_000));
  }
  if (parts.includes("peers") && missing.length === 0) {
    await run(aims, plan("Prometheus and blackbox exporter", "SSH banner", ["ssh"], 5_000, 10_000));
    await run(aims, plan("Monit", "SSH banner", ["ssh"], 5_000, 10_000));
  }
  for (const hosts of parts.includes("growth") ? SIZES : []) await run(growth, { ...plan("Upkeep", "SSH banner", ["ssh"], hosts, 10_000), ...(quick ? {} : { warmMs: 15_000, windows: 5, windowMs: 4_000 }) });
  if (quick || parts.length < PARTS.length) return;
  keep({ scheduled: { aims, growth } });
  documentLoads();
}

function inWords({ who, what, hosts, everyMs, cpuPercent, residentMiB, lagMs, came, due, firstMs, load }: Scheduled): string {
  return `${who}, ${hosts} hosts by ${what} every ${everyMs / 1_000} s: ${median(cpuPercent).toFixed(1)} % of a core, ${median(residentMiB).toFixed(0)} MiB; lag p50 ${lagMs.p50.toFixed(1)}, p99 ${lagMs.p99.toFixed(1)}, most ${lagMs.most.toFixed(1)} ms; ${came} of ${due} calls; first calls within ${typeof firstMs === "number" ? `${(firstMs / 1_000).toFixed(1)} s` : (firstMs ?? "?")}; load ${load.toFixed(1)}`;
}

async function measure(plan: Plan): Promise<Scheduled> {
  const { who, what, kinds, hosts, everyMs, warmMs, windows, windowMs } = plan;
  const called = kinds.filter((kind) => kind !== "ping");
  const ground = await openGround(hosts, called);
  try {
    await ground.forget();
    const account = await start(ground, plan);
    const startedMs = nowMs();
    // A first interval for the first calls, and what it takes until nothing new is compiled.
    await sleep(Math.max(everyMs, warmMs));
    const firstMs = who === "Upkeep" ? firstCalls(await ground.calls(called[0] as Kind), hosts, startedMs) : null;
    await ground.forget();
    const [cpuPercent, residentMiB]: [number[], number[]] = [[], []];
    const beganMs = nowMs();
    for (let window = 0; window < windows; window += 1) {
      const [usedUs, atMs] = [account.usedUs(), nowMs()];
      await sleep(windowMs);
      cpuPercent.push((account.usedUs() - usedUs) / 10 / (nowMs() - atMs));
      residentMiB.push(account.residentMiB());
    }
    const endedMs = nowMs();
    const calls = await Promise.all(called.map((kind) => ground.calls(kind)));
    const found = calls.map((each) => lateness(each, everyMs, beganMs, endedMs));
    const lags = found.flatMap((each) => each.lags);
    return {
      who, what, hosts, everyMs, cpuPercent, residentMiB, firstMs,
      perSecond: (hosts * kinds.length * 1_000) / everyMs,
      lagMs: { p50: quantile(lags, 0.5), p99: quantile(lags, 0.99), most: quantile(lags, 1) },
      came: found.reduce((sum, { came }) => sum + came, 0),
      // What is due in a window that is no whole number of intervals differs by one from host to host.
      due: Math.round((hosts * called.length * (endedMs - beganMs)) / everyMs),
      load: loadavg()[0] as number,
    };
  } finally {
    ground.stop();
  }
}

async function start(ground: Ground, { who, kinds, hosts, everyMs }: Plan): Promise<Account> {
  if (who === "Upkeep") return (await startWatcher(ground, "scheduled", { hosts, everyMs, probes: () => kinds })).account;
  if (who === "Monit") return startMonit(ground, "ssh", hosts, everyMs / 1_000);
  const account = await startExporter(ground);
  startPrometheus(ground, account, hosts, everyMs / 1_000);
  return account;
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** When the last of the hosts was called for the first time, after the start. */
function firstCalls(calls: Calls, hosts: number, startedMs: number): number | "not all" {
  const all = Object.values(calls);
  if (all.length < hosts) return "not all";
  return all.reduce((latest, [first = 0]) => Math.max(latest, first - startedMs), 0);
}

function lateness(calls: Calls, everyMs: number, beganMs: number, endedMs: number): { readonly lags: readonly number[]; readonly came: number } {
  const lags: number[] = [];
  let came = 0;
  for (const times of Object.values(calls)) {
    const within = times.filter((at) => at >= beganMs && at < endedMs);
    came += within.length;
    const [first] = within;
    if (first === undefined) continue;
    // Counted in intervals and not in calls: one that was left out is missing, and makes the others no later.
    const from = within.map((at) => at - Math.round((at - first) / everyMs) * everyMs);
    const earliest = from.reduce((least, each) => Math.min(least, each));
    for (const each of from) lags.push(each - earliest);
  }
  return { lags, came };
}

if (import.meta.main) {
  await scheduled(partsNamed(PARTS), process.argv.includes("--quick"), (text) => void process.stdout.write(`${text}\n`));
  process.exit(0);
}
