// `bin/node24 bench/history.ts [--quick] [part …]`: what the history costs, measured with the very code that keeps it. Virtual time, real
// files: rounds as a watcher makes them, with latencies that scatter as real ones do, go through frames, intake and SQLite as in
// the history's thread; only the two threads are one here, so that the processor time of each part is its own.
//
//   results   bytes a million results, and processor time of the watcher's and of the history's thread for each
//   year      a hundred hosts (--hosts N: so many) for a year, kept as the defaults say: bytes on disk, and how long questions take
//   writes    bytes handed to the disk in a day by ten and by a hundred hosts
//
// Figures go to bench/results/history.json and docs/performance.md. `--quick` takes a tenth, and leaves the document alone.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import type { Input } from "../src/core/io.ts";
import type { Round } from "../src/core/round.ts";
import { FrameWriter } from "../src/journal/frames.ts";
import type { HistoryFile } from "../src/journal/history-file.ts";
import { HISTORY_LIMITS, openHistoryFile } from "../src/journal/history-file.ts";
import { Intake } from "../src/journal/intake.ts";
import { OpenQuarters } from "../src/journal/open-quarters.ts";
import type { Step } from "../src/journal/results-page.ts";
import { pageOf } from "../src/journal/results-page.ts";
import { median, writeSection } from "./figures.ts";

const RESULTS = join(import.meta.dirname, "results");
const DAY_MS = 86_400_000;
const WALL_MS = Date.UTC(2026, 0, 1);
const PROBES = 3;
/** As often as the history's thread writes what is not urgent. */
const BATCH_MS = 10_000;
const BOOT = "8f14e45f-ceea-467f-a8e3-0b7f1c6d2a11";

type Costs = { readonly results: number; readonly watcherNs: number; readonly threadNs: number };
type History = {
  readonly figures: Costs & { readonly jsonNs: number; readonly resultBytes: number; readonly rollupBytes: number; readonly inputBytes: number; readonly loads: number };
  readonly year: { readonly hosts: number; readonly resultsTaken: number; readonly fileBytes: number; readonly tables: Readonly<Record<string, number>>; readonly questions: readonly { readonly what: string; readonly lines: number; readonly samplesMs: readonly number[] }[] };
  readonly writes: readonly { readonly hosts: number; readonly everyMs: number; readonly hours: number; readonly bytesADay: number }[];
};

/** A generator that gives the same every time (Park and Miller 1988). */
let seed = 1;
function random(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed / 2_147_483_647;
}

/** Around this, skewed, with a long answer now and then and a drift over the day; to a hundredth of a millisecond, as it is measured. */
function latency(aroundMs: number, atMs: number): number {
  const drift = 1 + 0.1 * Math.sin((atMs / DAY_MS) * 2 * Math.PI);
  return Math.round(100 * aroundMs * drift * (0.85 + 0.15 * random() - 0.1 * Math.log(1 - random()) + (random() < 0.003 ? 10 * random() : 0))) / 100;
}

function roundOf(host: string, startedAtMs: number, atMs: number): Round {
  // A service is down for a few minutes every ten days or so.
  const bad = Math.floor(atMs / 300_000 + host.length * 997 + Number(host.slice(1)) * 613) % 2_880 === 0;
  const ping = latency(0.3, atMs);
  return {
    host, hash: "3f2a9c81d04b77e6", startedAtMs, endedAtMs: startedAtMs + 12, references: "reached",
    results: [
      { probe: "ping", outcome: "good", sign: "answer", evidence: `echo reply in ${ping.toFixed(2)} ms`, latencyMs: ping },
      bad ? { probe: "ssh", outcome: "bad", sign: "silent", evidence: "no banner within 1000 ms (connected)", latencyMs: 1_000 } : { probe: "ssh", outcome: "good", sign: "answer", evidence: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", latencyMs: latency(9, atMs) },
      { probe: "http", outcome: "good", sign: "answer", evidence: "HTTP/1.1 200 OK", latencyMs: latency(2.2, atMs), perfdata: [{ label: "status", value: 200 }] },
    ],
  };
}

/** The history without its threads: frames are written, taken and kept as there. */
class Kept {
  readonly open = new OpenQuarters();
  readonly intake = new Intake(this.open);
  readonly file: HistoryFile;
  readonly writer = new FrameWriter();
  readonly path: string;
  results = 0;
  watcherUs = 0;
  threadUs = 0;

  constructor(folder: string, limits = HISTORY_LIMITS) {
    this.path = join(folder, "history.sqlite");
    this.file = openHistoryFile(this.path, WALL_MS, limits, this.open).file;
  }

  /** Rounds of these hosts in a span of time, with their phases spread over the pace, and the ticks of the clock. */
  live(hosts: readonly string[], fromMs: number, toMs: number, everyMs: number, batchMs = BATCH_MS, thin = false): void {
    for (let atMs = fromMs; atMs < toMs; atMs += batchMs) {
      while (this.open.due(false).length > 0) this.file.write({ told: [], incidents: [], parts: [], memory: null });
      const inputs: (readonly [Input, number])[] = [];
      hosts.forEach((host, index) => {
        const phaseMs = Math.floor((index * everyMs) / hosts.length);
        for (let dueMs = Math.ceil((atMs - phaseMs) / everyMs) * everyMs + phaseMs; dueMs < atMs + batchMs; dueMs += everyMs) {
          if (thin && dueMs % 3_600_000 > 240_000) continue;
          const startedMs = dueMs + Math.floor(2.5 * random() ** 3);
          inputs.push([{ kind: "round", round: roundOf(host, startedMs, dueMs) }, startedMs + 12]);
        }
      });
      for (let dueMs = atMs; batchMs <= 60_000 && dueMs < atMs + batchMs; dueMs += 1_000) inputs.push([{ kind: "clock" }, dueMs]);
      inputs.sort(([, one], [, other]) => one - other);
      this.#batch(inputs);
    }
  }

  #batch(inputs: readonly (readonly [Input, number])[]): void {
    const before = process.cpuUsage();
    for (const [input, bootMs] of inputs) this.writer.input(input, { bootMs, wallMs: WALL_MS + bootMs, bootId: BOOT, synced: true });
    const { frames } = this.writer.take();
    const between = process.cpuUsage();
    const { parts } = this.intake.take(frames);
    this.file.write({ told: [], incidents: [], parts, memory: null });
    const after = process.cpuUsage();
    this.watcherUs += between.user + between.system - before.user - before.system;
    this.threadUs += after.user + after.system - between.user - between.system;
    for (const [input] of inputs) if (input.kind === "round") this.results += input.round.results.length;
  }

  sweep(): void {
    while (this.file.sweep(this.intake.syncedMs)) continue;
  }

  close(): void {
    this.file.write({ told: [], incidents: [], parts: [], memory: null }, true);
    this.file.sync();
    this.file.close();
  }
}

function bytesOf(path: string): Record<string, number> {
  const database = new DatabaseSync(path, { readOnly: true });
  const total = (table: string, column = "length(body)"): number => Number(database.prepare(`SELECT total(${column}) AS bytes FROM ${table}`).get()?.["bytes"]);
  const found = { result: total("result"), minute: total("minute"), hour: total("hour"), inputs: total("inputs") };
  database.close();
  return found;
}

function inFolder<Found>(body: (folder: string) => Found): Found {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-bench-history-"));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const named = (count: number): string[] => Array.from({ length: count }, (_, index) => `h${index + 1}`);

function results(quick: boolean): History["figures"] {
  return inFolder((folder) => {
    const kept = new Kept(folder, { ...HISTORY_LIMITS, inputsBytes: 1e12 });
    const million = quick ? 100_000 : 1_000_000;
    // A hundred hosts every 5 s: 60 results a second.
    kept.live(named(100), 0, Math.ceil(million / (100 * PROBES)) * 5_000, 5_000);
    const costs: Costs = { results: kept.results, watcherNs: (kept.watcherUs * 1_000) / kept.results, threadNs: (kept.threadUs * 1_000) / kept.results };
    kept.close();
    const bytes = bytesOf(kept.path);
    // What a round cost the watcher's thread before: one line of JSON.
    const rounds = Array.from({ length: 20_000 }, (_, n) => roundOf("h1", n * 5_000, n * 5_000));
    const before = process.cpuUsage();
    let length = 0;
    for (const round of rounds) length += JSON.stringify([1, 2, BOOT, true, { kind: "round", round }]).length;
    const spent = process.cpuUsage(before);
    if (length === 0) throw new Error("nothing was written");
    const each = (table: string): number => ((bytes[table] as number) * 1e6) / kept.results;
    return { ...costs, jsonNs: ((spent.user + spent.system) * 1_000) / (rounds.length * PROBES), resultBytes: each("result"), rollupBytes: each("minute") + each("hour"), inputBytes: each("inputs"), loads: loadavg()[0] as number };
  });
}

function ask(file: HistoryFile, host: string, sinceMs: number, untilMs: number, step: Step): { lines: number; ms: number } {
  const began = performance.now();
  let lines = 0;
  for (let fromMs: number | null = WALL_MS + sinceMs; fromMs !== null;) {
    const { text, nextMs } = pageOf(file.results, { host, probe: null, sinceMs: fromMs, untilMs: WALL_MS + untilMs, step });
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines += 1;
    fromMs = nextMs;
  }
  return { lines, ms: performance.now() - began };
}

/** Thinner where only roll-ups by hour remain of it: six results in each hour of a host and probe, not 720. */
function year(count: number, say: (text: string) => void): History["year"] {
  return inFolder((folder) => {
    const hosts = named(count);
    const kept = new Kept(folder);
    const endMs = 365 * DAY_MS;
    const spans: readonly (readonly [number, number, number, number])[] = [[0, endMs - 31 * DAY_MS, 40_000, DAY_MS], [endMs - 31 * DAY_MS, endMs, 5_000, 60_000]];
    for (const [fromMs, toMs, everyMs, batchMs] of spans) {
      for (let atMs = fromMs; atMs < toMs; atMs += DAY_MS) {
        kept.live(hosts, atMs, Math.min(toMs, atMs + DAY_MS), everyMs, batchMs, fromMs === 0);
        kept.sweep();
        if (everyMs === 5_000) say(`  a day of it in full, ${(kept.results / 1e6).toFixed(1)} million results`);
      }
      say(`  ${Math.round(toMs / DAY_MS)} days, ${(kept.results / 1e6).toFixed(1)} million results written`);
    }
    kept.file.sync();
    const questions = ([["a day of a host, single results", 1, "raw"], ["a day of a host by minute", 1, "minute"], ["a week of a host by minute", 7, "minute"], ["a year of a host by hour", 365, "hour"]] as const).map(([what, days, step]) => {
      const samples = [1, 2, 3, 4, 5].map((n) => ask(kept.file, `h${n}`, endMs - days * DAY_MS, endMs, step));
      return { what, lines: samples[0]?.lines ?? 0, samplesMs: samples.map(({ ms }) => ms) };
    });
    kept.close();
    return { hosts: hosts.length, resultsTaken: kept.results, fileBytes: statSync(kept.path).size, tables: bytesOf(kept.path), questions };
  });
}

function writes(hosts: number, hours: number): History["writes"][number] {
  return inFolder((folder) => {
    const kept = new Kept(folder);
    const everyMs = 5_000;
    const handed = (): number => Number(/^wchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
    kept.live(named(hosts), 0, 900_000, everyMs);
    const before = handed();
    kept.live(named(hosts), 900_000, 900_000 + hours * 3_600_000, everyMs);
    const bytes = handed() - before;
    kept.close();
    return { hosts, everyMs, hours, bytesADay: (bytes * 24) / hours };
  });
}

const count = (value: number): string => Math.round(value).toLocaleString("en");
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** Everything but the inputs, which have a bound, grows with the hosts. */
function ofHundred({ hosts, fileBytes, tables }: History["year"]): number {
  const inputs = tables["inputs"] ?? 0;
  return ((fileBytes - inputs) * 100) / hosts + Math.max(inputs, HISTORY_LIMITS.inputsBytes);
}

function document({ figures, year: kept, writes: written }: History, machine: string): void {
  const day = (hosts: number): string => mb(written.find((each) => each.hosts === hosts)?.bytesADay ?? 0);
  writeSection("## History", [
    `${machine} \`bin/node24 bench/history.ts\` repeats these; raw samples are in \`bench/results/history.json\`. Three probes a host (ping, SSH, HTTP) every 5 s, with latencies that scatter as real ones do. Time is virtual, the file and the code that writes it are the watcher's.`,
    `| | |
|---|---|
| a million results, each one kept | ${mb(figures.resultBytes)} |
| and their roll-ups by minute and hour | ${mb(figures.rollupBytes)} |
| and the inputs from which every decision can be replayed, while they are kept (64 MB) | ${mb(figures.inputBytes)} |
| the watcher's thread, a result | ${figures.watcherNs.toFixed(0)} ns (one line of JSON, as it was: ${figures.jsonNs.toFixed(0)} ns) |
| the history's thread, a result, with packing, roll-ups and SQLite | ${count(figures.threadNs)} ns |
| written to the disk in a day, 10 hosts | ${day(10)} |
| written to the disk in a day, 100 hosts | ${day(100)} |`,
    `### A year of ${kept.hosts} hosts

Kept as the defaults say: results for 7 days, minutes for 30, hours for 2 years. ${count(kept.resultsTaken / 1e6)} million results were really written for this: every 5 s in the last month, of which single results or minutes are kept, and six an hour before, where only hours remain (their entries are a little smaller for it).

| | |
|---|---|
| the file after a year | ${mb(kept.fileBytes)} |
${kept.hosts === 100 ? "" : `| so of 100 hosts, whose rows share nothing but the file | ${mb(ofHundred(kept))} |
`}| of it results, minutes, hours, inputs | ${["result", "minute", "hour", "inputs"].map((table) => mb(kept.tables[table] ?? 0)).join(", ")} |
${kept.questions.map(({ what, lines, samplesMs }) => `| ${what}: ${count(lines)} lines | ${median(samplesMs).toFixed(0)} ms (${Math.min(...samplesMs).toFixed(0)} to ${Math.max(...samplesMs).toFixed(0)}) |`).join("\n")}`,
  ]);
}

const PARTS = ["results", "writes", "year"] as const;

/** What is measured replaces its part of what is known. */
export function history(quick: boolean, parts: readonly string[] = PARTS, hosts = quick ? 10 : 100): void {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const path = join(RESULTS, quick ? "quick-history.json" : "history.json");
  const machine = `Measured on ${availableParallelism()} shared cores of a virtual machine, Linux ${release()}, Node ${process.version}, busy with other work (load ${(loadavg()[0] as number).toFixed(0)}).`;
  const keep = (more: Partial<History>): void => {
    // Parts may be measured by several processes at once.
    const known = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Partial<History>) : {};
    const found = { ...known, ...more, at: new Date().toISOString(), machine };
    say(JSON.stringify(more));
    mkdirSync(RESULTS, { recursive: true });
    writeFileSync(path, `${JSON.stringify(found, null, 1)}\n`);
    if (!quick && found.figures !== undefined && found.year !== undefined && found.writes !== undefined) document({ figures: found.figures, year: found.year, writes: found.writes }, machine);
  };
  if (parts.includes("results")) keep({ figures: results(quick) });
  if (parts.includes("writes")) keep({ writes: [writes(10, quick ? 1 : 6), writes(100, quick ? 0.5 : 2)] });
  if (parts.includes("year")) keep({ year: year(hosts, say) });
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean", default: false }, hosts: { type: "string" } } });
  history(values.quick, positionals.length === 0 ? PARTS : positionals, values.hosts === undefined ? undefined : Number(values.hosts));
}
