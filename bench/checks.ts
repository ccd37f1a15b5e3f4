// What one check costs: microseconds of processor time, user and system, on one core, beside the peers that Debian packages,
// in one run on one machine. `bin/node24 bench/checks.ts [--quick] [part …]`, or with `npm run bench`; the samples go to
// bench/results/checks.json and the figures into docs/performance.md, unless only some parts were asked for.
//
//   alone   Upkeep's probe by itself
//   whole   a watcher with rounds, decisions, ledger and history, at a thousand checks a second
//   peers   the others
//
// The peers are measured as they are used: fping and the forked plugins to their end, the exporter while it
// is asked, Monit over its own cycles. All samples of a figure are kept, and the median is what is told.

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { FLAGS } from "../src/cli/commands/watch.ts";
import { median, partsNamed } from "./figures.ts";
import type { Ground } from "./load/ground.ts";
import { CORES, groundRefusal, openGround } from "./load/ground.ts";
import type { LookKind } from "./load/peers.ts";
import { batches, FORKED, forked, fping, LOOK_KINDS, missingPeers, peerVersions, startExporter, startMonit } from "./load/peers.ts";
import { startWatcher } from "./load/upkeep.ts";
import { documentLoads, keep } from "./load/results.ts";
import type { Who } from "./load/results.ts";

export type Cost = { readonly who: Who; readonly how: string; readonly kind: LookKind; readonly samplesUs: readonly number[]; /** Looks in one sample. */ readonly looks: number; readonly load: number };
export type Checks = { readonly versions: Readonly<Record<string, string>>; readonly costs: readonly Cost[] };

export const PARTS = ["alone", "whole", "peers"] as const;
export type Part = (typeof PARTS)[number];

const HOSTS = 1_000;
const AT_ONCE = 64;

export async function checks(parts: readonly Part[], quick: boolean, say: (text: string) => void): Promise<void> {
  const refusal = groundRefusal();
  if (refusal !== null) return say(`checks is left out: ${refusal}`);
  const missing = parts.includes("peers") ? missingPeers() : [];
  if (missing.length > 0) say(`the peers are left out, since not all are installed (bench/peers/packages.txt): ${missing.join(", ")}`);
  const samples = quick ? 1 : 5;
  const hosts = quick ? 50 : HOSTS;
  const costs: Cost[] = [];
  const add = (who: Who, how: string, kind: LookKind, looks: number, samplesUs: readonly number[]): void => {
    costs.push({ who, how, kind, samplesUs, looks, load: loadavg()[0] as number });
    say(`${who}, ${how}, ${kind}: ${median(samplesUs).toFixed(1)} µs (${samplesUs.map((each) => each.toFixed(1)).join(", ")}), load ${(loadavg()[0] as number).toFixed(1)}`);
  };
  const ground = await openGround(hosts, ["ssh", "http", "dns"]);
  try {
    for (const kind of parts.includes("alone") ? LOOK_KINDS : []) {
      const looks = quick ? 500 : kind === "ping" ? 100_000 : 20_000;
      add("Upkeep", "probe alone", kind, looks, await probeAlone(ground, kind, looks, hosts, samples));
    }
    for (const kind of parts.includes("whole") ? LOOK_KINDS : []) add("Upkeep", "whole watcher", kind, ...(await wholeWatcher(ground, kind, hosts, samples, quick)));
    if (parts.includes("peers") && missing.length === 0) {
      const times = quick ? 2 : 20;
      add("fping", "to its end", "ping", hosts * times, await several(samples, () => fping(ground, hosts, times)));
      for (const kind of LOOK_KINDS) add("blackbox exporter", "asked over HTTP", kind, quick ? 100 : 2_000, await exporter(ground, kind, quick ? 100 : 2_000, hosts, samples));
      for (const kind of LOOK_KINDS) add("Monit", "its own cycles", kind, hosts, await monit(ground, kind, hosts, samples));
      for (const each of FORKED) add("monitoring plugins", each.plugin, each.kind, quick ? 5 : 150, await several(samples, () => forked(ground, each, Math.min(hosts, quick ? 5 : 150))));
    }
  } finally {
    ground.stop();
  }
  if (quick || parts.length < PARTS.length) return;
  keep({ checks: { versions: missing.length === 0 ? peerVersions() : {}, costs } });
  documentLoads();
}

async function several(samples: number, one: () => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let each = 0; each < samples; each += 1) all.push(await one());
  return all;
}

async function probeAlone(ground: Ground, kind: LookKind, looks: number, hosts: number, samples: number): Promise<number[]> {
  const account = ground.account();
  const words = [...account.words, process.execPath, "--disable-warning=ExperimentalWarning", ...FLAGS, `${import.meta.dirname}/load/probe-loop.ts`];
  const loop = batches(ground.node.spawn([...words, kind, String(looks), String(AT_ONCE), String(hosts)], { stdio: ["pipe", "pipe", "inherit"] }));
  // The first two are for V8 to find out what is hot.
  await several(2, () => loop.one());
  const all = await several(samples, async () => {
    const before = account.usedUs();
    const good = await loop.one();
    if (good !== looks) throw new Error(`only ${good} of ${looks} looks by ${kind} were good`);
    return (account.usedUs() - before) / looks;
  });
  loop.stop();
  account.close();
  return all;
}

async function wholeWatcher(ground: Ground, kind: LookKind, hosts: number, samples: number, quick: boolean): Promise<[number, number[]]> {
  const watcher = await startWatcher(ground, `whole-${kind}`, { hosts, everyMs: 1_000, probes: (address) => [kind === "http" ? { http: { url: `http://${address}/` } } : kind] });
  await sleep(quick ? 1_000 : 15_000);
  let looks = 0;
  const all = await several(samples, async () => {
    const [beforeUs, before] = [watcher.account.usedUs(), await made(ground, kind)];
    await sleep(quick ? 1_000 : 4_000);
    const usedUs = watcher.account.usedUs() - beforeUs;
    looks = (await made(ground, kind)) - before;
    return usedUs / looks;
  });
  await watcher.stop();
  return [looks, all];
}

/** Looks that have reached somebody so far: on a machine that is too busy not every one that is due is made. */
async function made(ground: Ground, kind: LookKind): Promise<number> {
  if (kind !== "ping") return Object.values(await ground.calls(kind)).reduce((sum, times) => sum + times.length, 0);
  const lines = (await ground.node.exec(["cat", "/proc/net/snmp"])).stdout.split("\n").filter((line) => line.startsWith("Icmp:")).map((line) => line.split(" "));
  return Number(lines[1]?.[lines[0]?.indexOf("InEchoReps") ?? -1]);
}

async function exporter(ground: Ground, kind: LookKind, looks: number, hosts: number, samples: number): Promise<number[]> {
  const account = await startExporter(ground);
  const caller = batches(ground.node.spawn(["taskset", "-c", String(CORES.servers), process.execPath, "--disable-warning=ExperimentalWarning", `${import.meta.dirname}/load/caller.ts`, kind, String(looks), "8", String(hosts)], { stdio: ["pipe", "pipe", "inherit"] }));
  await caller.one();
  const all = await several(samples, async () => {
    const before = account.usedUs();
    const good = await caller.one();
    if (good !== looks) throw new Error(`only ${good} of ${looks} looks of the exporter by ${kind} were good`);
    return (account.usedUs() - before) / looks;
  });
  caller.stop();
  account.close();
  return all;
}

/** A cycle is begun when the first host is called; what was used between two such moments is one cycle's. */
async function monit(ground: Ground, kind: LookKind, hosts: number, samples: number): Promise<number[]> {
  await ground.forget();
  const account = startMonit(ground, kind, hosts, 1);
  const cycles = async (): Promise<number> => Math.max(0, ...Object.values(await ground.calls("ssh")).map((times) => times.length));
  const next = async (after: number): Promise<number> => {
    for (let tries = 0; tries < 3_000; tries += 1) {
      const now = await cycles();
      if (now > after) return now;
      await sleep(20);
    }
    throw new Error("Monit does not look any more");
  };
  let seen = await next(0);
  seen = await next(seen);
  let before = account.usedUs();
  const all = await several(samples, async () => {
    const now = await next(seen);
    const usedUs = account.usedUs();
    const each = (usedUs - before) / ((now - seen) * hosts);
    [seen, before] = [now, usedUs];
    return each;
  });
  account.close();
  return all;
}

if (import.meta.main) {
  await checks(partsNamed(PARTS), process.argv.includes("--quick"), (text) => void process.stdout.write(`${text}\n`));
  process.exit(0);
}
