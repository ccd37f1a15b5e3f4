// What the interface costs: requests a second, the scrape of the metrics, and the live stream with its readers, at a real watcher
// that looks at real hosts meanwhile. `bin/node24 bench/api.ts [--quick] [part …]`, or with `npm run bench`; samples go to
// bench/results/api.json and figures into docs/performance.md, unless only some parts were asked for.
//
//   requests   by path, ten hosts and a thousand: a second, milliseconds each, processor time each
//   events     from a line of the journal to its bytes at ten readers
//   readers    processor time and memory of the watcher with no, one and ten readers, bytes a second for each
//
// Who asks runs beside who is looked at, on the other core than the watcher, and asks over the control socket: the answer is
// made in the same way for both doors, and nothing of TLS is in these figures.

import type { IncomingMessage } from "node:http";
import http from "node:http";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median, partsNamed, quantile, writeSection } from "./figures.ts";
import { nameOf } from "./load/addresses.ts";
import { groundRefusal, openGround } from "./load/ground.ts";
import type { Running } from "./load/upkeep.ts";
import { startWatcher } from "./load/upkeep.ts";

export const PARTS = ["requests", "events", "readers"] as const;
export type Part = (typeof PARTS)[number];

type Requests = { readonly path: string; readonly hosts: number; readonly perSecond: number; readonly ms: { readonly p50: number; readonly p95: number }; readonly cpuMs: number; readonly bytes: number; readonly load: number };
type Events = { readonly how: string; readonly readers: number; readonly samplesMs: readonly number[]; readonly load: number };
type Readers = { readonly readers: number; readonly cpuPercent: readonly number[]; readonly residentMiB: number; readonly bytesPerSecond: number; readonly load: number };
export type Api = { readonly requests?: readonly Requests[]; readonly events?: readonly Events[]; readonly readers?: readonly Readers[] };

const RESULTS = join(import.meta.dirname, "results");
const EVERY_MS = 5_000;
const AT_ONCE = 4;

export async function api(parts: readonly Part[], quick: boolean, say: (text: string) => void): Promise<void> {
  const refusal = groundRefusal();
  if (refusal !== null) return say(`api is left out: ${refusal}`);
  const many = quick ? 50 : 1_000;
  const found: { requests: Requests[]; events: Events[]; readers: Readers[] } = { requests: [], events: [], readers: [] };
  for (const hosts of [10, many]) {
    const ground = await openGround(hosts, ["ssh"]);
    try {
      const watcher = await startWatcher(ground, `api-${hosts}`, { hosts, everyMs: EVERY_MS, probes: () => ["ping", "ssh"] });
      const socketPath = join(ground.folder, `api-${hosts}`, "upkeep.sock");
      try {
        await sleep(quick ? 1_500 : 20_000);
        for (const path of parts.includes("requests") ? (hosts === 10 ? ["/v1/health", "/v1/status"] : ["/v1/health", "/v1/status", `/v1/hosts/${nameOf(1)}`, "/metrics"]) : []) {
          const measured = await requests(watcher, socketPath, path, hosts, quick ? 500 : 5_000);
          found.requests.push(measured);
          say(`${path} of ${hosts} hosts: ${measured.perSecond.toFixed(0)} a second, p50 ${measured.ms.p50.toFixed(2)} ms, ${measured.cpuMs.toFixed(2)} ms of processor time, ${measured.bytes} bytes; load ${measured.load.toFixed(1)}`);
        }
        if (hosts !== many) continue;
        for (const readers of parts.includes("readers") ? [0, 1, 10] : []) {
          const measured = await withReaders(watcher, socketPath, readers, quick ? 1 : 5, quick ? 1_000 : 10_000);
          found.readers.push(measured);
          say(`${readers} readers: ${median(measured.cpuPercent).toFixed(1)} % of a core, ${measured.residentMiB.toFixed(0)} MiB, ${measured.bytesPerSecond.toFixed(0)} bytes a second each; load ${measured.load.toFixed(1)}`);
        }
        if (parts.includes("events")) {
          for (const [how, pauseMs] of [["one now and then", 1_700], ["one after the other", 120]] as const) {
            const measured = await events(socketPath, how, 10, quick ? 3 : 40, pauseMs);
            found.events.push(measured);
            say(`events, ${how}: p50 ${quantile(measured.samplesMs, 0.5).toFixed(0)} ms, p95 ${quantile(measured.samplesMs, 0.95).toFixed(0)} ms, most ${Math.max(...measured.samplesMs)} ms (${measured.samplesMs.length}); load ${measured.load.toFixed(1)}`);
          }
        }
      } finally {
        await watcher.stop();
      }
    } finally {
      ground.stop();
    }
  }
  if (quick || parts.length < PARTS.length) return;
  mkdirSync(RESULTS, { recursive: true });
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), Linux ${release()}, Node ${process.version}`;
  writeFileSync(join(RESULTS, "api.json"), `${JSON.stringify({ at: new Date().toISOString(), machine, ...found }, null, 1)}\n`);
  document(found, machine);
}

async function requests(watcher: Running, socketPath: string, path: string, hosts: number, forMs: number): Promise<Requests> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const tookMs: number[] = [];
  let bytes = 0;
  const [beforeUs, beganMs] = [watcher.account.usedUs(), performance.now()];
  const one = async (): Promise<void> => {
    while (performance.now() - beganMs < forMs) {
      const askedMs = performance.now();
      bytes = await get(socketPath, path, agent);
      tookMs.push(performance.now() - askedMs);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  const [usedUs, lastedMs] = [watcher.account.usedUs() - beforeUs, performance.now() - beganMs];
  agent.destroy();
  return { path, hosts, perSecond: (tookMs.length * 1_000) / lastedMs, ms: { p50: quantile(tookMs, 0.5), p95: quantile(tookMs, 0.95) }, cpuMs: usedUs / 1_000 / tookMs.length, bytes, load: loadavg()[0] as number };
}

function get(socketPath: string, path: string, agent: http.Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    http.get({ socketPath, path, agent }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length)).on("error", reject);
      response.on("end", () => (response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${path}: ${response.statusCode}`))));
    }).on("error", reject);
  });
}

type Reader = { bytes: number; readonly response: IncomingMessage; onText: (text: string) => void };

function read(socketPath: string): Promise<Reader> {
  return new Promise((resolve, reject) => {
    http.get({ socketPath, path: "/v1/stream", agent: false }, (response) => {
      const reader: Reader = { bytes: 0, response, onText: () => {} };
      response.on("error", () => {}).setEncoding("utf8").on("data", (text: string) => {
        reader.bytes += Buffer.byteLength(text);
        reader.onText(text);
      });
      if (response.statusCode === 200) resolve(reader);
      else reject(new Error(`the stream is refused: ${response.statusCode}`));
    }).on("error", reject);
  });
}

async function withReaders(watcher: Running, socketPath: string, count: number, windows: number, windowMs: number): Promise<Readers> {
  const readers = await Promise.all(Array.from({ length: count }, () => read(socketPath)));
  // Not the snapshot: that comes once.
  await sleep(windowMs / 2);
  const bytesBefore = readers.reduce((sum, { bytes }) => sum + bytes, 0);
  const cpuPercent: number[] = [];
  for (let each = 0; each < windows; each += 1) {
    const beforeUs = watcher.account.usedUs();
    await sleep(windowMs);
    cpuPercent.push((watcher.account.usedUs() - beforeUs) / (windowMs * 10));
  }
  const bytes = readers.reduce((sum, reader) => sum + reader.bytes, 0) - bytesBefore;
  const residentMiB = watcher.account.residentMiB();
  for (const { response } of readers) response.destroy();
  return { readers: count, cpuPercent, residentMiB, bytesPerSecond: count === 0 ? 0 : (bytes * 1_000) / (count * windows * windowMs), load: loadavg()[0] as number };
}

/** Somebody puts hosts into maintenance: a line is told at once, and changes the host. */
async function events(socketPath: string, how: string, count: number, times: number, pauseMs: number): Promise<Events> {
  const samplesMs: number[] = [];
  const readers = await Promise.all(Array.from({ length: count }, () => read(socketPath)));
  for (const reader of readers) {
    let rest = "";
    reader.onText = (text) => {
      const atMs = Date.now();
      const parts = (rest + text).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts.filter((each) => each.startsWith("event: lines\n"))) {
        for (const line of JSON.parse(part.slice(part.indexOf("data: ") + 6)) as { at: string; because: string }[]) if (line.because.includes("bench")) samplesMs.push(atMs - Date.parse(line.at));
      }
    };
  }
  await sleep(3_000);
  for (let each = 0; each < times; each += 1) {
    await command(socketPath, { kind: "brake", brake: "maintenance", scope: nameOf(each % 10), forMs: 600_000 + each, reason: "bench" });
    await sleep(pauseMs);
  }
  await sleep(2_000);
  for (const { response } of readers) response.destroy();
  return { how, readers: count, samplesMs, load: loadavg()[0] as number };
}

function command(socketPath: string, asked: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method: "POST", path: "/v1/commands", agent: false, headers: { "content-type": "application/json" } }, (response) => {
      response.resume().on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`refused: ${response.statusCode}`))));
    });
    request.on("error", reject).end(JSON.stringify({ by: "bench", command: asked }));
  });
}

function document({ requests: asked, events: told, readers }: { readonly requests: readonly Requests[]; readonly events: readonly Events[]; readonly readers: readonly Readers[] }, machine: string): void {
  const round = (value: number) => (value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en"));
  writeSection("## The interface", [
    `Measured on ${machine}. \`bin/node24 bench/api.ts\` repeats these, alone, as root; raw samples are in \`bench/results/api.json\`. A real watcher on one core looks at 10 or 1,000 hosts by ping and SSH every ${EVERY_MS / 1_000} s meanwhile; who asks is on the other, over the control socket. *Load* is that of the whole machine at that moment.`,
    `### Requests

${AT_ONCE} at once on kept connections.

| path | hosts | a second | ms, p50 / p95 | processor time each | bytes | load |
|---|---|---|---|---|---|---|
${asked.map((each) => `| \`${each.path}\` | ${each.hosts.toLocaleString("en")} | ${round(each.perSecond)} | ${round(each.ms.p50)} / ${round(each.ms.p95)} | ${round(each.cpuMs)} ms | ${each.bytes.toLocaleString("en")} | ${each.load.toFixed(1)} |`).join("\n")}`,
    `### The live stream

From the moment of a line of the journal to its bytes at ten readers, 1,000 hosts. The stream tells a line 20 ms later together with what it changed, and is made once a second at most: of lines that follow each other closely most wait for the next second.

| lines | p50 | p95 | most | samples | load |
|---|---|---|---|---|---|
${told.map(({ how, samplesMs, load }) => `| ${how} | ${Math.round(quantile(samplesMs, 0.5))} ms | ${Math.round(quantile(samplesMs, 0.95))} ms | ${Math.round(Math.max(...samplesMs))} ms | ${samplesMs.length} | ${load.toFixed(1)} |`).join("\n")}

The watcher of 1,000 healthy hosts, every ${EVERY_MS / 1_000} s:

| readers | of one core | resident | bytes a second for each reader | load |
|---|---|---|---|---|
${readers.map((each) => `| ${each.readers} | ${median(each.cpuPercent).toFixed(1)} % (${Math.min(...each.cpuPercent).toFixed(1)} to ${Math.max(...each.cpuPercent).toFixed(1)}) | ${Math.round(each.residentMiB)} MiB | ${each.readers === 0 ? "" : Math.round(each.bytesPerSecond).toLocaleString("en")} | ${each.load.toFixed(1)} |`).join("\n")}`,
  ]);
}

if (import.meta.main) {
  const quick = process.argv.includes("--quick");
  await api(partsNamed(PARTS), quick, (text) => void process.stdout.write(`${text}\n`));
  process.exit(0);
}
