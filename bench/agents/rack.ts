// Thirty hosts and one power node. The core alone at the defaults, an hour of it; then real agents, each in a namespace of its
// own, all stopped and let go at one moment, as after a pause of their hypervisor, so that without jitter they are in step. What
// the power node is asked its kernel counts. At the end the power node dies, and each agent says when it would go off.
//
// Every agent here runs dry, whatever else happens to it: it shares this machine's init.

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNetwork } from "../../lab/netns.ts";
import type { LabNode } from "../../lab/netns.ts";
import { UPKEEP } from "../../lab/rig.ts";
import { median } from "../figures.ts";
import { hourOfLooks } from "./hour.ts";

const DEFAULT_JITTER = 0.2;
type Pace = { readonly everyS: number; readonly waitS: number };
const PACE: Pace = { everyS: 10, waitS: 10 };
const QUICK: Pace = { everyS: 2, waitS: 2 };
/** Two looks at nodes that are silent, each asked twice for a second (src/careful/sensors.ts). */
const LOOKS_MS = 4_000;
const SLICE_MS = 100;
/** Of any wait: a busy machine is slow. */
const LIMIT_MS = 300_000;

export type Measured = { readonly jitter: number; readonly measuredMs: number; /** Echo requests at the power node, each tenth of a second. */ readonly slices: readonly number[]; readonly residentMiB: readonly number[]; readonly privateMiB: readonly number[]; readonly cpuPercent: readonly number[]; /** From the power node's death to the decision to go off, an agent each. */ readonly deathMs: readonly number[]; readonly load: number };
export type Rack = { readonly agents: number; readonly pace: Pace; readonly real: readonly Measured[] };

type Agent = { readonly process: ChildProcess; looked: boolean; offMs: number | null };

export async function rack(quick: boolean, say: (text: string) => void): Promise<Rack> {
  const [agents, pace] = quick ? [4, QUICK] : [30, PACE];
  const real: Measured[] = [];
  for (const [jitter, measuredMs] of quick ? [[DEFAULT_JITTER, 6_000] as const] : [[0, 30_000] as const, [DEFAULT_JITTER, 40_000] as const]) {
    const found = await measure(agents, pace, jitter, measuredMs);
    real.push(found);
    const deaths = found.deathMs.length === 0 ? "" : `; off ${(Math.min(...found.deathMs) / 1_000).toFixed(1)} to ${(Math.max(...found.deathMs) / 1_000).toFixed(1)} s after its death`;
    say(`${agents} agents, jitter ${jitter * 100} %: ${sum(found.slices)} echo requests, ${Math.max(...found.slices)} in 100 ms at most; ${median(found.residentMiB).toFixed(0)} MiB and ${median(found.cpuPercent).toFixed(2)} % of a core each${deaths}; load ${found.load.toFixed(1)}`);
  }
  return { agents, pace, real };
}

async function measure(count: number, pace: Pace, jitter: number, measuredMs: number): Promise<Measured> {
  const network = await startNetwork();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-bench-rack-"));
  const agents: Agent[] = [];
  try {
    const [power, reference] = await Promise.all([network.node("power"), network.node("reference")]);
    for (let at = 0; at < count; at += 1) agents.push(start(await network.node(`web${String(at + 1).padStart(2, "0")}`, { pingSockets: true }), folder, pace, jitter, power, reference));
    await until(() => agents.every(({ looked }) => looked), "all agents look");
    for (const { process: each } of agents) each.kill("SIGSTOP");
    await sleep((pace.everyS + 1) * 1_000);
    for (const { process: each } of agents) each.kill("SIGCONT");
    await sleep(pace.everyS * 1_500);
    const before = agents.map(({ process: each }) => cpuMs(each));
    const slices = await echoes(power, measuredMs);
    const cpuPercent = agents.map(({ process: each }, at) => ((cpuMs(each) - (before[at] ?? 0)) / measuredMs) * 100);
    const residentMiB = agents.map(({ process: each }) => memoryMiB(each, ["Rss"]));
    const privateMiB = agents.map(({ process: each }) => memoryMiB(each, ["Private_Clean", "Private_Dirty"]));
    const deathMs = jitter > 0 ? await death(power, agents) : [];
    return { jitter, measuredMs, slices, residentMiB, privateMiB, cpuPercent, deathMs, load: loadavg()[0] ?? 0 };
  } finally {
    // Before the network: agents whose power node is gone have something to decide.
    for (const { process: each } of agents) each.kill("SIGKILL");
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(node: LabNode, folder: string, { everyS, waitS }: Pace, jitter: number, power: LabNode, reference: LabNode): Agent {
  const file = join(folder, `${node.name}.yaml`);
  writeFileSync(file, `agent:\n  name: ${node.name}\n  data: ${node.name}\n  careful:\n    signal: { powerNodes: { nodes: [${power.address}], references: [${reference.address}] } }\n    every: ${everyS}s\n    wait: ${waitS}s\n    jitter: ${jitter * 100}%\n    observe: always\n    powerOff: ["true"]\n`);
  const agent: Agent = { process: node.spawn([UPKEEP, "agent", "--dry-run", "--log", "json", "-c", file], { stdio: ["ignore", "ignore", "pipe"] }), looked: false, offMs: null };
  let rest = "";
  agent.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.includes("power good")) agent.looked = true;
      if (line.includes("would shut down")) agent.offMs ??= Date.parse((JSON.parse(line) as { readonly at: string }).at);
    }
  });
  return agent;
}

/** Resolves with milliseconds from the end of the power node's network to each agent's decision. */
async function death(power: LabNode, agents: readonly Agent[]): Promise<readonly number[]> {
  const diedMs = Date.now();
  const down = await power.exec(["ip", "link", "set", "dev", "eth0", "down"]);
  if (down.code !== 0) throw new Error(`the power node does not die: ${down.stderr}`);
  await until(() => agents.every(({ offMs }) => offMs !== null), "all agents would go off");
  return agents.map(({ offMs }) => (offMs ?? NaN) - diedMs);
}

async function echoes(power: LabNode, measuredMs: number): Promise<readonly number[]> {
  const counter = power.spawn([process.execPath, "-e", COUNTER, String(SLICE_MS), String(measuredMs)], { stdio: ["ignore", "pipe", "ignore"] });
  let counted = "";
  counter.stdout?.setEncoding("utf8").on("data", (text: string) => (counted += text));
  await new Promise((resolve) => counter.once("close", resolve));
  return JSON.parse(counted) as number[];
}

/** Echo requests that this namespace's kernel has taken (RFC 2011, icmpInEchos), a number a slice. */
const COUNTER = `
const { readFileSync } = require("node:fs");
const echos = () => { const [names, values] = readFileSync("/proc/net/snmp", "latin1").split("\\n").filter((line) => line.startsWith("Icmp:")).map((line) => line.split(" ")); return Number(values[names.indexOf("InEchos")]); };
const [slice, all] = process.argv.slice(1).map(Number); const found = []; let last = echos(); const began = performance.now();
const timer = setInterval(() => { const now = echos(); found.push(now - last); last = now; if (performance.now() - began >= all) { clearInterval(timer); console.log(JSON.stringify(found)); } }, slice);`;

async function until(wanted: () => boolean, what: string): Promise<void> {
  const endsMs = performance.now() + LIMIT_MS;
  while (!wanted()) {
    if (performance.now() > endsMs) throw new Error(`${what}: not within ${LIMIT_MS / 1_000} s`);
    await sleep(50);
  }
}

/** On a core, of all its threads (sched-stats.rst, /proc/<pid>/schedstat: nanoseconds); a tick of stat would be more than an idle agent uses. */
function cpuMs({ pid }: ChildProcess): number {
  return sum(readdirSync(`/proc/${pid}/task`).map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]))) / 1e6;
}

function memoryMiB({ pid }: ChildProcess, rows: readonly string[]): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return sum(rows.map((row) => Number(new RegExp(`^${row}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? NaN))) / 1_024;
}

function sum(all: readonly number[]): number {
  return all.reduce((before, each) => before + each, 0);
}

export function rackLines({ agents, pace: { everyS, waitS }, real }: Rack): readonly string[] {
  const percent = (jitter: number): string => `${jitter * 100} %`;
  const whole = (slices: readonly number[]): number[] => Array.from({ length: Math.floor(slices.length / 10) }, (_, at) => sum(slices.slice(at * 10, at * 10 + 10)));
  const deaths = real.flatMap(({ deathMs }) => deathMs);
  const boundMs = everyS * 1_000 + waitS * 1_000 * (1 + DEFAULT_JITTER) + LOOKS_MS;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  return [
    "### A rack and its power node",
    "The core at the defaults: 30 hosts, a look a minute, all begun in one moment, an hour.",
    ["| jitter | looks a second at most | on average | seconds by looks in them |", "|---|---|---|---|", ...[0, DEFAULT_JITTER].map((jitter) => hourOfLooks(30, jitter)).map(({ jitter, perSecond }) => `| ${percent(jitter)} | ${Math.max(...perSecond)} | ${(sum(perSecond) / perSecond.length).toFixed(2)} | ${histogram(perSecond)} |`)].join("\n"),
    `${agents} real agents, each in a namespace of its own, a look every ${everyS} s, all let go at one moment as after a pause of their hypervisor; echo requests as the power node's kernel counts them, from the second look on.`,
    ["| jitter | requests | over | a second at most | in 100 ms at most | seconds by requests in them | of a core, each | load |", "|---|---|---|---|---|---|---|---|", ...real.map(({ jitter, measuredMs, slices, cpuPercent, load }) => `| ${percent(jitter)} | ${sum(slices)} | ${measuredMs / 1_000} s | ${Math.max(...whole(slices))} | ${Math.max(...slices)} | ${histogram(whole(slices))} | ${median(cpuPercent).toFixed(2)} % | ${load.toFixed(1)} |`)].join("\n"),
    deaths.length === 0 ? "" : `From that power node's death to the decision to go off, in ${deaths.length} agents with a look every ${everyS} s and a wait of ${waitS} s, jitter ${percent(DEFAULT_JITTER)}: ${seconds(Math.min(...deaths))} to ${seconds(Math.max(...deaths))}, median ${seconds(median(deaths))}. Configured are at most ${everyS} s to the look, ${waitS * (1 + DEFAULT_JITTER)} s of waiting, and ${LOOKS_MS / 1_000} s for two looks at silence: ${seconds(boundMs)}.`,
  ];
}

function histogram(counts: readonly number[]): string {
  const most = Math.max(...counts);
  const edges = most <= 6 ? Array.from({ length: most + 1 }, (_, at) => at) : [0, 1, 2, 4, 8, 16, 30].filter((edge) => edge <= most);
  return edges.flatMap((edge, at) => {
    const to = edges[at + 1] ?? most + 1;
    const times = counts.filter((count) => count >= edge && count < to).length;
    return times === 0 ? [] : [`${to === edge + 1 ? edge : `${edge} to ${to - 1}`}: ${times}`];
  }).join(", ");
}
