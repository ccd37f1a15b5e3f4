// What agents cost a watcher: one real `upkeep watch` with a door, to which first thirty and then a thousand agents come, played by
// this process over real TLS connections: 20 findings each, a change of one a minute, the heartbeat. Its roster is written into
// the ledger before it starts, because who enrols a thousand hosts does not do it in a minute.

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnBound } from "../../lab/netns.ts";
import { UPKEEP } from "../../lab/rig.ts";
import { PIN_VALID_MS } from "../../src/core/agents.ts";
import type { AgentRecord, RecordKey } from "../../src/core/records.ts";
import { deadlineIn, stamp } from "../../src/core/time.ts";
import { Connection } from "../../src/link/connection.ts";
import { dial } from "../../src/link/dial.ts";
import type { Identity } from "../../src/link/identity.ts";
import { ownIdentity } from "../../src/link/identity.ts";
import type { FromAgent, FromWatcher } from "../../src/link/messages.ts";
import { FROM_WATCHER } from "../../src/link/messages.ts";
import { systemClock } from "../../src/process/system-clock.ts";
import { openLedger } from "../../src/stores/embedded.ts";
import { median } from "../figures.ts";
import type { Account } from "../load/cpu.ts";
import { openAccount } from "../load/cpu.ts";
import { CORES } from "../load/ground.ts";

const PORT = 27_443;
const FINDINGS = 20;
/** A change of each host's findings in so long. */
const CHANGE_EVERY_MS = 60_000;
const LOOK_EVERY_MS = 2_000;
const AT_ONCE = 32;
/** Of a start: a busy machine is slow. */
const LIMIT_MS = 120_000;

export type Sample = { readonly agents: number; readonly cpuPercent: number; readonly residentMiB: number; /** From the first connection to the last welcome. */ readonly connectedMs: number; /** Processor time of the watcher meanwhile. */ readonly cameCpuMs: number; readonly came: number; readonly spanMs: number; readonly load: number };

type Played = { readonly connection: Connection<FromWatcher, FromAgent>; readonly timers: readonly NodeJS.Timeout[] };

export async function link(quick: boolean, say: (text: string) => void): Promise<readonly Sample[]> {
  const counts = quick ? [0, 20] : [0, 30, 1_000];
  const folder = mkdtempSync(join(tmpdir(), "upkeep-bench-agents-"));
  const identities = Array.from({ length: Math.max(...counts) }, (_, n): Identity => ownIdentity(join(folder, "hosts", nameOf(n)), nameOf(n), Date.now()));
  const account = openAccount(`upkeep-agents-${process.pid}`, CORES.looker);
  const played: Played[] = [];
  const samples: Sample[] = [];
  try {
    await enrol(join(folder, "data"), identities);
    const config = join(folder, "upkeep.yaml");
    writeFileSync(config, `data: ./data\nwatcher: { name: bench }\napi: { listen: null }\nagents: { listen: "127.0.0.1:${PORT}" }\nhosts: { here: { address: 127.0.0.1, probes: [ping] } }\n`);
    // The first start ever compiles; what is measured is every later one.
    await (await watch(account, config)).stop();
    const watcher = await watch(account, config);
    try {
      for (const count of counts) {
        const sample = await withAgents(account, identities, played, count, quick);
        samples.push(sample);
        say(`${count} agents: ${sample.cpuPercent.toFixed(2)} % of a core, ${sample.residentMiB.toFixed(0)} MiB; ${sample.came} came within ${(sample.connectedMs / 1_000).toFixed(1)} s; load ${sample.load.toFixed(1)}`);
      }
    } finally {
      for (const { connection, timers } of played) {
        for (const timer of timers) clearInterval(timer);
        connection.cut("the end");
      }
      await watcher.stop();
    }
    return samples;
  } finally {
    account.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withAgents(account: Account, identities: readonly Identity[], played: Played[], count: number, quick: boolean): Promise<Sample> {
  const queue = identities.slice(played.length, count).map((identity, n) => ({ identity, name: nameOf(played.length + n) }));
  const came = queue.length;
  const [beganMs, beganUs] = [performance.now(), account.usedUs()];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) played.push(await begin(next.name, next.identity));
  }));
  const [connectedMs, cameCpuMs] = [performance.now() - beganMs, (account.usedUs() - beganUs) / 1_000];
  // At the first, too: what the start took is given back after twenty seconds.
  await sleep(quick ? 1_000 : count === 0 ? 30_000 : 12_000);
  const spanMs = quick ? 4_000 : count === 0 ? 20_000 : 30_000;
  const [fromMs, fromUs] = [performance.now(), account.usedUs()];
  const resident: number[] = [];
  while (performance.now() - fromMs < spanMs) {
    await sleep(1_000);
    resident.push(account.residentMiB());
  }
  const tookMs = performance.now() - fromMs;
  if (played.some(({ connection }) => !connection.open)) throw new Error("an agent was cut");
  return { agents: count, cpuPercent: (account.usedUs() - fromUs) / 10 / tookMs, residentMiB: median(resident), connectedMs, cameCpuMs, came, spanMs, load: loadavg()[0] ?? 0 };
}

async function enrol(dataDir: string, identities: readonly Identity[]): Promise<void> {
  const now = systemClock().now();
  const { store } = openLedger({ dataDir, watcherName: "bench", now });
  const writes = identities.map(({ pin }, n) => ({ key: `agent/${nameOf(n)}` as RecordKey, value: { v: 1, host: nameOf(n), pins: [{ pin, until: deadlineIn(PIN_VALID_MS, now) }], enrolled: stamp(now), revoked: null, code: null } satisfies AgentRecord }));
  for (let from = 0; from < writes.length; from += 100) {
    const done = await store.commit([], writes.slice(from, from + 100));
    if (done.kind !== "committed") throw new Error(done.evidence);
  }
  await store.close();
}

async function watch(account: Account, config: string): Promise<{ stop(): Promise<void> }> {
  const watcher = spawnBound([...account.words, UPKEEP, "watch", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  watcher.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-100_000)));
  const ended = once(watcher, "exit");
  for (const endsMs = performance.now() + LIMIT_MS; !said.includes("agents are taken in"); await sleep(20)) {
    if (watcher.exitCode !== null || performance.now() > endsMs) throw new Error(`no door: ${said}`);
  }
  return {
    async stop() {
      watcher.kill("SIGTERM");
      await ended;
    },
  };
}

async function begin(name: string, identity: Identity): Promise<Played> {
  const dialled = await dial({ host: "127.0.0.1", port: PORT }, identity, 60_000, () => null).done;
  if (!dialled.ok) throw new Error(`${name}: ${dialled.because}`);
  const connection = await new Promise<Connection<FromWatcher, FromAgent>>((resolve, reject) => {
    const made = new Connection<FromWatcher, FromAgent>({
      socket: dialled.socket, rows: FROM_WATCHER, nowMs: () => performance.now(),
      message: (message) => {
        if (message.kind !== "welcome") return message.kind === "bye" ? reject(new Error(message.because)) : undefined;
        made.send({ kind: "findings", whole: true, more: false, gone: [], set: Array.from({ length: FINDINGS }, (_, n) => finding(n, 0)) });
        resolve(made);
      },
      closed: (because) => reject(new Error(because)),
    });
    made.send({ kind: "hello", protocol: [1, 1], version: "bench", host: name, boot: "bench", uptimeMs: 1, life: name });
  });
  return {
    connection,
    timers: [
      setInterval(() => connection.look(), LOOK_EVERY_MS),
      setInterval(() => connection.send({ kind: "findings", whole: false, more: false, gone: [], set: [finding(Math.floor(Math.random() * FINDINGS), Math.random())] }), CHANGE_EVERY_MS * (0.5 + Math.random())),
    ],
  };
}

function nameOf(n: number): string {
  return `host-${n + 1}`;
}

function finding(n: number, value: number) {
  return { subject: `storage:/srv/volume-${n}`, verdict: "good", because: `a write and its fsync took ${(value * 10).toFixed(1)} ms`, mayCut: false } as const;
}

export function linkLines(samples: readonly Sample[]): readonly string[] {
  return [
    "### A watcher and its agents",
    `One \`upkeep watch\` on a core of its own, one host to look at, ${(samples.at(-1)?.agents ?? 0).toLocaleString("en")} in its roster; so many agents on TLS 1.3 connections, each with ${FINDINGS} findings, a change a minute and the heartbeat every 10 s. One process on the other core plays them all, so *all there after* is what both ends need.`,
    ["| agents | of a core | resident | all there after | of the watcher's processor time, each | load |", "|---|---|---|---|---|---|", ...samples.map(({ agents, cpuPercent, residentMiB, connectedMs, cameCpuMs, came, load }) => `| ${agents.toLocaleString("en")} | ${cpuPercent.toFixed(2)} % | ${residentMiB.toFixed(0)} MiB | ${came === 0 ? "" : `${came.toLocaleString("en")} in ${(connectedMs / 1_000).toFixed(1)} s`} | ${came === 0 ? "" : `${(cameCpuMs / came).toFixed(1)} ms`} | ${load.toFixed(1)} |`)].join("\n"),
  ];
}
