// `npm run bench`: the figures of docs/performance.md, measured on this machine, raw samples kept in bench/results/. A
// benchmark is never a test: nothing here passes or fails. `--quick` takes fewer samples.
//
//   detection   from a host's death to the off byte at the PDU, against the bound of safety.md §5.15
//   memory      resident memory of an idle watcher with 10 hosts
//   status      wall time of `upkeep status`
//   simulator   simulated watcher-hours a second; false cuts in a day of 2 % packet loss with 1,000 hosts

import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { LogRecord } from "../lab/apc-pdu.ts";
import { startRig, UPKEEP } from "../lab/rig.ts";

const quick = process.argv.includes("--quick");
const RESULTS = join(import.meta.dirname, "results");
const EVERY_MS = 1_000;
const TIMEOUT_MS = 500;
const THRESHOLD = 5;

function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function detection(): Promise<{ samplesMs: number[]; boundMs: number }> {
  const rounds = quick ? 1 : 4;
  const hosts = Array.from({ length: 5 }, (_, index) => `h${index + 1}`);
  const settings = `brakes: { startup: 0s, maxUnhealthy: 100%, concurrent: 10, perHour: 1000, perHost: { cycles: 1000, within: 1h } }
defaults: { every: ${EVERY_MS}ms, timeout: ${TIMEOUT_MS}ms, threshold: ${THRESHOLD}, debounce: 1s, boot: 5s, offFor: 1s, healthyFor: 1s, settle: 1s }
`;
  const rig = await startRig({ hosts, kind: "processes", bootMs: 200, settings });
  const samplesMs: number[] = [];
  try {
    const watcher = rig.watch();
    await sleep(6_000);
    for (let round = 0; round < rounds; round += 1) {
      const died = new Map<number, number>();
      for (const name of hosts) {
        await sleep(Math.random() * EVERY_MS);
        const atMs = Number(process.hrtime.bigint()) / 1e6;
        await rig.host(name).wedge("frozen");
        died.set(rig.outlet(name), atMs);
        const cut = await until(rig.pdu?.log.records ?? [], rig.outlet(name), atMs, 30_000);
        if (cut !== null) samplesMs.push(cut - atMs);
      }
      await sleep(9_000);
    }
    watcher.kill("SIGTERM");
    await sleep(500);
  } finally {
    await rig.stop();
  }
  // (threshold−1)·every + phase (at most every) + timeout + agreement (none) + 2 %, plus log-in and navigation at the device.
  return { samplesMs, boundMs: ((THRESHOLD - 1) * EVERY_MS + EVERY_MS + TIMEOUT_MS) * 1.02 };
}

async function until(records: readonly LogRecord[], outlet: number, afterMs: number, limitMs: number): Promise<number | null> {
  const endMs = Date.now() + limitMs;
  while (Date.now() < endMs) {
    for (const record of records) if (record.kind === "command" && record.action === "off" && record.outlets.includes(outlet) && record.monoMs > afterMs) return record.monoMs;
    await sleep(5);
  }
  return null;
}

async function memoryAndStatus(): Promise<{ rssMiB: number; statusMs: number[] }> {
  const hosts = Array.from({ length: 10 }, (_, index) => `h${index + 1}`);
  const rig = await startRig({ hosts, kind: "processes" });
  try {
    const watcher = rig.watch();
    await sleep(quick ? 10_000 : 45_000);
    const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${watcher.pid}/status`, "utf8"))?.[1]) / 1024;
    const statusMs: number[] = [];
    for (let each = 0; each < (quick ? 5 : 15); each += 1) {
      const began = performance.now();
      await new Promise((resolve) => execFile(UPKEEP, ["status", "-c", rig.config], resolve));
      statusMs.push(performance.now() - began);
    }
    watcher.kill("SIGTERM");
    await sleep(500);
    return { rssMiB, statusMs };
  } finally {
    await rig.stop();
  }
}

function simulator(): { hoursPerSecond: string; loss: string } {
  const seeds = spawnSync(UPKEEP, ["sim", "--seeds", quick ? "200" : "2000", "--json"], { encoding: "utf8", maxBuffer: 64 << 20 });
  const loss = quick ? "left out by --quick" : spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "../sim/bench-loss.ts")], { encoding: "utf8", maxBuffer: 64 << 20 }).stdout;
  return { hoursPerSecond: seeds.stdout.trim().split("\n").at(-1) ?? "", loss: loss.trim() };
}

const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release(), node: process.version };
process.stdout.write("detection …\n");
const found = await detection();
process.stdout.write("memory and status …\n");
const idle = await memoryAndStatus();
process.stdout.write("simulator …\n");
const simulated = simulator();
const result = { at: new Date().toISOString(), machine, detection: found, idle, simulated };
mkdirSync(RESULTS, { recursive: true });
writeFileSync(join(RESULTS, quick ? "quick.json" : "latest.json"), `${JSON.stringify(result, null, 1)}\n`);
const ms = (value: number) => `${Math.round(value)} ms`;
process.stdout.write(`
From a host's death to the off byte (${found.samplesMs.length} samples; every ${EVERY_MS} ms, timeout ${TIMEOUT_MS} ms, threshold ${THRESHOLD}):
  min ${ms(Math.min(...found.samplesMs))}, median ${ms(quantile(found.samplesMs, 0.5))}, p95 ${ms(quantile(found.samplesMs, 0.95))}, max ${ms(Math.max(...found.samplesMs))}; bound ${ms(found.boundMs)}
Resident memory, idle, 10 hosts: ${idle.rssMiB.toFixed(1)} MiB
upkeep status: median ${ms(quantile(idle.statusMs, 0.5))}, max ${ms(Math.max(...idle.statusMs))}
Simulator: ${simulated.hoursPerSecond}
Packet loss: ${simulated.loss}
`);
