// What agents cost a watcher: a real `upkeep watch` with a door and so many agents, played by this process over real TLS
// connections: 20 findings each, a change of one now and then, and the heartbeat. Its roster is written into the ledger before it
// starts, because who enrols a thousand hosts does not do it in a minute.
// Run: bin/node24 bench/agents-link.ts [--quick] → bench/results/agents-link.json and a section of docs/performance.md

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PIN_VALID_MS } from "../src/core/agents.ts";
import type { AgentRecord, RecordKey } from "../src/core/records.ts";
import { deadlineIn, stamp } from "../src/core/time.ts";
import { Connection } from "../src/link/connection.ts";
import { dial } from "../src/link/dial.ts";
import type { Identity } from "../src/link/identity.ts";
import { ownIdentity } from "../src/link/identity.ts";
import type { FromAgent, FromWatcher } from "../src/link/messages.ts";
import { FROM_WATCHER } from "../src/link/messages.ts";
import { systemClock } from "../src/process/system-clock.ts";
import { openLedger } from "../src/stores/embedded.ts";
import { median, writeSection } from "./figures.ts";

const QUICK = process.argv.includes("--quick");
const COUNTS = QUICK ? [0, 20] : [0, 30, 1_000];
const SPAN_MS = QUICK ? 6_000 : 60_000;
const PORT = 27_443;
const FINDINGS = 20;
/** A change of each host's findings in so long. */
const CHANGE_EVERY_MS = 60_000;
const AT_ONCE = 32;
const UPKEEP = join(import.meta.dirname, "../bin/upkeep");
const RESULTS = join(import.meta.dirname, "results/agents-link.json");

type Sample = { readonly agents: number; readonly cpuShare: number; readonly rssKiB: number; readonly connectedMs: number };

async function measure(agents: number): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-bench-agents-"));
  const names = Array.from({ length: agents }, (_, n) => `host-${n + 1}`);
  const identities = names.map((name): Identity => ownIdentity(join(folder, "hosts", name), name, Date.now()));
  const now = systemClock().now();
  const { store } = openLedger({ dataDir: join(folder, "data"), watcherName: "bench", now });
  const writes = names.map((host, n) => ({ key: `agent/${host}` as RecordKey, value: { v: 1, host, pins: [{ pin: identities[n]?.pin ?? "", until: deadlineIn(PIN_VALID_MS, now) }], enrolled: stamp(now), revoked: null, code: null } satisfies AgentRecord }));
  for (let from = 0; from < writes.length; from += 100) {
    const done = await store.commit([], writes.slice(from, from + 100));
    if (done.kind !== "committed") throw new Error(done.evidence);
  }
  await store.close();
  const config = join(folder, "upkeep.yaml");
  writeFileSync(config, `data: ./data\nwatcher: { name: bench }\napi: { listen: null }\nagents: { listen: "127.0.0.1:${PORT}" }\nhosts: { here: { address: 127.0.0.1, probes: [ping] } }\n`);
  const watcher = spawn(UPKEEP, ["watch", "-c", config], { stdio: ["ignore", "pipe", "ignore"] });
  const pid = watcher.pid ?? 0;
  const connections: Connection<FromWatcher, FromAgent>[] = [];
  const timers: NodeJS.Timeout[] = [];
  try {
    await new Promise<void>((resolve) => watcher.stdout.once("data", () => resolve()));
    const beganMs = performance.now();
    const queue = names.map((name, n) => ({ name, identity: identities[n] }));
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) if (next.identity !== undefined) connections.push(await begin(next.name, next.identity));
    }));
    const connectedMs = performance.now() - beganMs;
    for (const connection of connections) {
      timers.push(setInterval(() => connection.look(), 2_000));
      timers.push(setInterval(() => connection.send({ kind: "findings", whole: false, more: false, gone: [], set: [finding(Math.floor(Math.random() * FINDINGS), Math.random())] }), CHANGE_EVERY_MS * (0.5 + Math.random())));
    }
    await sleep(QUICK ? 1_000 : 10_000);
    const before = cpuMs(pid);
    const rss: number[] = [];
    const fromMs = performance.now();
    while (performance.now() - fromMs < SPAN_MS) {
      await sleep(1_000);
      rss.push(rssKiB(pid));
    }
    const spanMs = performance.now() - fromMs;
    if (connections.some((connection) => !connection.open)) throw new Error("an agent was cut");
    return { agents, cpuShare: (cpuMs(pid) - before) / spanMs, rssKiB: median(rss), connectedMs };
  } finally {
    for (const timer of timers) clearInterval(timer);
    for (const connection of connections) connection.cut("the end");
    watcher.kill("SIGTERM");
    await new Promise((resolve) => watcher.once("exit", resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function begin(name: string, identity: Identity): Promise<Connection<FromWatcher, FromAgent>> {
  const dialled = await dial({ host: "127.0.0.1", port: PORT }, identity, 30_000, () => null).done;
  if (!dialled.ok) throw new Error(`${name}: ${dialled.because}`);
  return new Promise((resolve, reject) => {
    const connection = new Connection<FromWatcher, FromAgent>({
      socket: dialled.socket, rows: FROM_WATCHER, nowMs: () => performance.now(),
      message: (message) => {
        if (message.kind !== "welcome") return message.kind === "bye" ? reject(new Error(message.because)) : undefined;
        connection.send({ kind: "findings", whole: true, more: false, gone: [], set: Array.from({ length: FINDINGS }, (_, n) => finding(n, 0)) });
        resolve(connection);
      },
      closed: (because) => reject(new Error(because)),
    });
    connection.send({ kind: "hello", protocol: [1, 1], version: "bench", host: name, boot: "bench", uptimeMs: 1, life: name });
  });
}

function finding(n: number, value: number) {
  return { subject: `storage:/srv/volume-${n}`, verdict: "good", because: `a write and its fsync took ${(value * 10).toFixed(1)} ms`, mayCut: false } as const;
}

/** Processor time of a process, user and system. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

const samples: Sample[] = [];
for (const agents of COUNTS) {
  const sample = await measure(agents);
  samples.push(sample);
  process.stdout.write(`${sample.agents} agents: ${(sample.cpuShare * 100).toFixed(2)} % of a core, ${Math.round(sample.rssKiB / 1_024)} MiB, all there after ${(sample.connectedMs / 1_000).toFixed(1)} s\n`);
}
if (!QUICK) {
  writeFileSync(RESULTS, `${JSON.stringify({ findings: FINDINGS, spanMs: SPAN_MS, samples }, null, 2)}\n`);
  writeSection("## Agents", [
    "`bin/node24 bench/agents-link.ts`: a watcher in a checkout with so many agents on TLS 1.3 connections, each with 20 findings, a change a minute and the heartbeat every 10 s; one process plays them all.",
    ["| agents | of a core | resident memory | all connected after |", "|---|---|---|---|", ...samples.map(({ agents, cpuShare, rssKiB: kib, connectedMs }) => `| ${agents} | ${(cpuShare * 100).toFixed(1)} % | ${Math.round(kib / 1_024)} MiB | ${agents === 0 ? "" : `${(connectedMs / 1_000).toFixed(1)} s`} |`)].join("\n"),
  ]);
}
