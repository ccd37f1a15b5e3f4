// `npm run bench`: the figures of docs/performance.md, measured on this machine, raw samples kept in bench/results/. A
// benchmark is never a test: nothing here passes or fails. `--quick` takes fewer samples; a name or two of these measures
// only that (`bin/node24 bench/main.ts --quick memory`), and `latest.json` is then left as it was. `--program=PATH` takes
// memory and status of another installation, such as an unpacked package (with NODE_COMPILE_CACHE, as its unit has it).
//
//   detection   from a host's death to the off byte at the PDU, against the bound of safety.md §5.15
//   memory      resident memory of an idle watcher with 10 hosts, and wall time of `upkeep status`
//   simulator   simulated watcher-hours a second; false cuts in a day of 2 % packet loss with 1,000 hosts
//   checks      processor time of one check beside the peers: bench/checks.ts, into the document itself, like all that follow
//   scheduled   thousands of checks on schedule, and how that grows: bench/scheduled.ts
//   several     several watchers: bench/several.ts
//   history     what the history costs: bench/history.ts
//   api         requests, the live stream and its readers: bench/api.ts
//   page        how soon it is there, from event to pixel, what it costs: bench/page.ts
//   agents      what agents cost their hosts, a power node and a watcher: bench/agents.ts

import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { LogRecord } from "../lab/apc-pdu.ts";
import { startRig, UPKEEP } from "../lab/rig.ts";
import { agents, PARTS as OF_AGENTS } from "./agents.ts";
import { api, PARTS as OF_API } from "./api.ts";
import { checks, PARTS as OF_CHECKS } from "./checks.ts";
import { quantile } from "./figures.ts";
import { history } from "./history.ts";
import { page, PARTS as OF_PAGE } from "./page.ts";
import { PARTS as OF_SCHEDULED, scheduled } from "./scheduled.ts";
import { PARTS as OF_SEVERAL, several } from "./several.ts";

const quick = process.argv.includes("--quick");
const PARTS = ["detection", "memory", "simulator", "checks", "scheduled", "several", "history", "api", "page", "agents"];
const named = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const program = process.argv.find((word) => word.startsWith("--program="))?.slice("--program=".length) ?? UPKEEP;
for (const word of named) {
  if (!PARTS.includes(word)) throw new Error(`${word} is not measured here, but ${PARTS.join(", ")}`);
}
const wanted = (part: string): boolean => named.length === 0 || named.includes(part);
const RESULTS = join(import.meta.dirname, "results");
const EVERY_MS = 1_000;
const TIMEOUT_MS = 500;
const THRESHOLD = 5;

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

type Memory = { readonly rss: number; readonly anon: number; readonly file: number; readonly pss: number };

/** MiB. Resident is `anon`, its own, and `file`, most of which is Node's program, shared with every other Node; `pss` counts shares. */
function memoryOf(pid: number | undefined): Memory {
  const [status, rollup] = ["status", "smaps_rollup"].map((name) => readFileSync(`/proc/${pid}/${name}`, "utf8"));
  const line = (text: string | undefined, key: string) => Math.round((Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text ?? "")?.[1]) / 1024) * 10) / 10;
  return { rss: line(status, "VmRSS"), anon: line(status, "RssAnon"), file: line(status, "RssFile"), pss: line(rollup, "Pss") };
}

async function memoryAndStatus(): Promise<{ memoryMiB: Memory[]; statusMs: number[] }> {
  const hosts = Array.from({ length: 10 }, (_, index) => `h${index + 1}`);
  const rig = await startRig({ hosts, kind: "processes", program });
  try {
    // The first start ever writes the compile cache (src/compile-cache.mjs); what is measured is every later one.
    const first = rig.watch();
    await sleep(70_000);
    first.kill("SIGTERM");
    await once(first, "exit");
    const watcher = rig.watch();
    const memoryMiB: Memory[] = [];
    for (let each = 0; each < (quick ? 4 : 30); each += 1) {
      await sleep(10_000);
      memoryMiB.push(memoryOf(watcher.pid));
    }
    const statusMs: number[] = [];
    for (let each = 0; each < (quick ? 5 : 15); each += 1) {
      const began = performance.now();
      await new Promise((resolve) => execFile(program, ["status", "-c", rig.config], resolve));
      statusMs.push(performance.now() - began);
    }
    watcher.kill("SIGTERM");
    await sleep(500);
    return { memoryMiB, statusMs };
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
const say = (text: string) => void process.stdout.write(`${text}\n`);
const ms = (value: number) => `${Math.round(value)} ms`;
const result: Record<string, unknown> = { at: new Date().toISOString(), machine };
if (wanted("detection")) {
  say("detection …");
  const { samplesMs, boundMs } = (result["detection"] = await detection());
  say(`From a host's death to the off byte (${samplesMs.length} samples; every ${EVERY_MS} ms, timeout ${TIMEOUT_MS} ms, threshold ${THRESHOLD}):
  min ${ms(Math.min(...samplesMs))}, median ${ms(quantile(samplesMs, 0.5))}, p95 ${ms(quantile(samplesMs, 0.95))}, max ${ms(Math.max(...samplesMs))}; bound ${ms(boundMs)}`);
}
if (wanted("memory")) {
  say("memory and status …");
  const { memoryMiB, statusMs } = (result["idle"] = await memoryAndStatus());
  const last = memoryMiB.at(-1);
  say(`Resident memory, idle, 10 hosts, after ${memoryMiB.length * 10} s: ${last?.rss} MiB (anonymous ${last?.anon}, of files ${last?.file}; proportional ${last?.pss}); most ${Math.max(...memoryMiB.map(({ rss }) => rss))} MiB
upkeep status: min ${ms(Math.min(...statusMs))}, median ${ms(quantile(statusMs, 0.5))}, max ${ms(Math.max(...statusMs))}`);
}
if (wanted("simulator")) {
  say("simulator …");
  const { hoursPerSecond, loss } = (result["simulator"] = simulator());
  say(`Simulator: ${hoursPerSecond}\nPacket loss: ${loss}`);
}
if (wanted("checks")) {
  say("checks …");
  await checks(OF_CHECKS, quick, say);
}
if (wanted("scheduled")) {
  say("scheduled …");
  await scheduled(OF_SCHEDULED, quick, say);
}
if (wanted("several")) {
  say("several watchers …");
  await several(OF_SEVERAL, quick);
}
if (wanted("history")) history(quick);
if (wanted("api")) {
  say("the interface …");
  await api(OF_API, quick, say);
}
if (wanted("page")) {
  say("the page …");
  await page(OF_PAGE, quick, say);
}
if (wanted("agents")) {
  say("agents …");
  await agents(OF_AGENTS, quick, say);
}
mkdirSync(RESULTS, { recursive: true });
writeFileSync(join(RESULTS, quick ? "quick.json" : named.length > 0 ? `${named.join("-")}.json` : "latest.json"), `${JSON.stringify(result, null, 1)}\n`);
