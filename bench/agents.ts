// What careful shutdown costs a rack: the pings that a power node gets from thirty real agents, with and without jitter, and the
// memory and processor time of an agent that only looks. `bin/node24 bench/agents.ts [--quick] [rack]`; samples go to
// bench/results/agents.json and figures into docs/performance.md, unless it is quick.
//
//   rack      the core alone at the defaults, a look a minute, an hour: looks a second over all hosts
//   agents    real agents in namespaces, a look every ten seconds; all are stopped and let go at one moment, as after a pause
//             of their hypervisor, so that without jitter they are in step; echo requests counted by the power node's kernel

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { networkRefusal, startNetwork } from "../lab/netns.ts";
import type { LabNode } from "../lab/netns.ts";
import { beginCareful, freshRecord } from "../src/core/careful-record.ts";
import type { Careful, CarefulInput, CarefulPolicy } from "../src/core/careful-record.ts";
import { careful } from "../src/core/careful.ts";
import { median, writeSection } from "./figures.ts";

const RESULTS = join(import.meta.dirname, "results");
const ROOT = join(import.meta.dirname, "..");
const quick = process.argv.includes("--quick");
const AGENTS = quick ? 4 : 30;
const EVERY_S = 10;
const MEASURED_MS = quick ? 10_000 : 60_000;
const SLICE_MS = 100;

type Rack = { readonly jitter: number; readonly perSecond: readonly number[] };
type Measured = { readonly jitter: number; readonly slices: readonly number[]; readonly residentMiB: readonly number[]; readonly privateMiB: readonly number[]; readonly cpuPercent: readonly number[]; readonly load: number };

/** The core at the defaults: how many look in each second of an hour, all begun in one moment. */
function rack(jitter: number): Rack {
  const hourMs = 3_600_000;
  const perSecond = Array.from({ length: hourMs / 1_000 }, () => 0);
  for (let host = 0; host < 30; host += 1) {
    const policy: CarefulPolicy = { host: hostName(host), lookEveryMs: 60_000, waitMs: 300_000, jitter, unknownAfterMs: null, afterMs: 0, steadyMs: 60_000, stages: [], stuckMs: 180_000, haltMs: 300_000, observes: null };
    let nowMs = 0;
    const now = (): Parameters<typeof careful>[2] => ({ bootMs: nowMs, wallMs: nowMs, bootId: "b", synced: true });
    let state: Careful = beginCareful(freshRecord(now()));
    let input: CarefulInput = { kind: "start" };
    while (nowMs < hourMs) {
      const step = careful(state, input, now(), policy);
      state = step.state;
      if (step.effects.some(({ kind }) => kind === "look")) {
        perSecond[Math.floor(nowMs / 1_000)] = (perSecond[Math.floor(nowMs / 1_000)] ?? 0) + 1;
        input = { kind: "looked", sensed: { verdict: "good", because: "", charge: null, urgent: false } };
        continue;
      }
      const wake = step.effects.find((effect) => effect.kind === "wake");
      nowMs = wake?.atMs ?? hourMs;
      input = { kind: "wake" };
    }
  }
  return { jitter, perSecond };
}

function hostName(at: number): string {
  return `web${String(at + 1).padStart(2, "0")}`;
}

async function agents(jitter: number): Promise<Measured> {
  const network = await startNetwork();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-bench-agents-"));
  try {
    const [power, reference] = await Promise.all([network.node("power"), network.node("reference")]);
    const started: { readonly node: LabNode; readonly process: ReturnType<LabNode["spawn"]> }[] = [];
    let looking = 0;
    for (let at = 0; at < AGENTS; at += 1) {
      const node = await network.node(hostName(at), { pingSockets: true });
      const file = join(folder, `${node.name}.yaml`);
      writeFileSync(file, `agent:\n  name: ${node.name}\n  data: ${node.name}\n  careful:\n    signal: { powerNodes: { nodes: [${power.address}], references: [${reference.address}] } }\n    every: ${EVERY_S}s\n    jitter: ${jitter * 100}%\n    observe: never\n`);
      const child = node.spawn([join(ROOT, "bin/upkeep"), "agent", "-c", file], { stdio: ["ignore", "ignore", "pipe"] });
      let seen = false;
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        if (!seen && text.includes("power good")) {
          seen = true;
          looking += 1;
        }
      });
      started.push({ node, process: child });
    }
    for (let tries = 0; looking < AGENTS; tries += 1) {
      if (tries > 3_000) throw new Error(`only ${looking} of ${AGENTS} agents look`);
      await sleep(100);
    }
    for (const { process: each } of started) each.kill("SIGSTOP");
    await sleep((EVERY_S + 1) * 1_000);
    for (const { process: each } of started) each.kill("SIGCONT");
    await sleep(EVERY_S * 1_500);
    const cpuBefore = started.map(({ process: each }) => cpuTicks(each.pid ?? 0));
    const counter = power.spawn([process.execPath, "-e", COUNTER, String(SLICE_MS), String(MEASURED_MS)], { stdio: ["ignore", "pipe", "ignore"] });
    let counted = "";
    counter.stdout?.setEncoding("utf8").on("data", (text: string) => (counted += text));
    await new Promise((resolve) => counter.once("close", resolve));
    const cpuPercent = started.map(({ process: each }, at) => (cpuTicks(each.pid ?? 0) - (cpuBefore[at] ?? 0)) / 100 / (MEASURED_MS / 1_000) * 100);
    const residentMiB = started.map(({ process: each }) => memory(each.pid ?? 0, "Rss"));
    const privateMiB = started.map(({ process: each }) => memory(each.pid ?? 0, "Private_Clean") + memory(each.pid ?? 0, "Private_Dirty"));
    for (const { process: each } of started) each.kill("SIGKILL");
    return { jitter, slices: JSON.parse(counted) as number[], residentMiB, privateMiB, cpuPercent, load: loadavg()[0] ?? 0 };
  } finally {
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Echo requests that this namespace's kernel has taken (RFC 2011, icmpInEchos), a number a slice. */
const COUNTER = `
const { readFileSync } = require("node:fs");
const echos = () => { const [names, values] = readFileSync("/proc/net/snmp", "latin1").split("\\n").filter((line) => line.startsWith("Icmp:")).map((line) => line.split(" ")); return Number(values[names.indexOf("InEchos")]); };
const [slice, all] = process.argv.slice(1).map(Number); const found = []; let last = echos(); const began = performance.now();
const timer = setInterval(() => { const now = echos(); found.push(now - last); last = now; if (performance.now() - began >= all) { clearInterval(timer); console.log(JSON.stringify(found)); } }, slice);`;

/** proc_pid_stat(5): user and system time in hundredths of a second. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function memory(pid: number, what: string): number {
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? NaN) / 1_024;
}

function histogram(counts: readonly number[]): string {
  const most = Math.max(...counts);
  const edges = most <= 6 ? Array.from({ length: most + 1 }, (_, at) => at) : [0, 1, 2, 4, 8, 16, 30].filter((edge) => edge <= most);
  return edges.map((edge, at) => {
    const to = edges[at + 1] ?? Infinity;
    const times = counts.filter((count) => count >= edge && count < to).length;
    return `${to === edge + 1 || to === Infinity ? edge : `${edge} to ${to - 1}`}: ${times}`;
  }).join(", ");
}

const refusal = networkRefusal();
if (refusal !== null) throw new Error(refusal);
const racks = [rack(0), rack(0.2)];
const measured = process.argv.includes("rack") ? [] : [await agents(0), await agents(0.2)];
const whole = (slices: readonly number[]): number[] => Array.from({ length: Math.floor(slices.length / 10) }, (_, at) => slices.slice(at * 10, at * 10 + 10).reduce((sum, count) => sum + count, 0));
const percent = (jitter: number): string => `${jitter * 100} %`;
const lines = [
  ...(measured.length === 0 ? [] : [`${AGENTS} agents and one power node, ${cpus()[0]?.model ?? "?"}, load ${measured.map(({ load }) => load.toFixed(1)).join(" and ")}. \`bin/node24 bench/agents.ts\`.`]),
  `The core at the defaults (30 hosts, a look a minute, begun in one moment, an hour):`,
  ["| jitter | looks a second at most | on average | seconds by looks in them |", "|---|---|---|---|", ...racks.map(({ jitter, perSecond }) => `| ${percent(jitter)} | ${Math.max(...perSecond)} | ${(perSecond.reduce((sum, count) => sum + count, 0) / perSecond.length).toFixed(2)} | ${histogram(perSecond)} |`)].join("\n"),
  ...(measured.length === 0 ? [] : [`Real agents, a look every ${EVERY_S} s, let go at one moment; echo requests at the power node in ${MEASURED_MS / 1_000} s:`,
  ["| jitter | requests | a second at most | in 100 ms at most | seconds by requests in them |", "|---|---|---|---|---|", ...measured.map(({ jitter, slices }) => `| ${percent(jitter)} | ${slices.reduce((sum, count) => sum + count, 0)} | ${Math.max(...whole(slices))} | ${Math.max(...slices)} | ${histogram(whole(slices))} |`)].join("\n"),
  `An agent with careful shutdown and nothing else, looking every ${EVERY_S} s: RSS ${median(measured.flatMap(({ residentMiB }) => residentMiB)).toFixed(0)} MiB (private ${median(measured.flatMap(({ privateMiB }) => privateMiB)).toFixed(0)} MiB), ${median(measured.flatMap(({ cpuPercent }) => cpuPercent)).toFixed(2)} % of a core (medians).`]),
];
for (const line of lines) process.stdout.write(`${line}\n\n`);
if (!quick && measured.length > 0) {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, "agents.json"), `${JSON.stringify({ everyS: EVERY_S, agents: AGENTS, sliceMs: SLICE_MS, racks: racks.map(({ jitter, perSecond }) => ({ jitter, max: Math.max(...perSecond) })), measured }, null, 1)}\n`);
  writeSection("## A rack of agents", lines);
}
