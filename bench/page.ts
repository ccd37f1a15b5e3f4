// What the page costs: how soon something can be read, how long an event takes from the watcher to the screen, and what a page
// and ten readers cost with a thousand hosts. `bin/node24 bench/page.ts [--quick] [part …]`, or with `npm run bench`; samples go
// to bench/results/page.json and figures into docs/performance.md, unless only some parts were asked for.
//
//   load     from the click to the first paint and to the sentence, with ten hosts and a thousand; a fresh browser each time
//   events   from a command at the watcher's socket to the pixels of the sentence that tells it
//   readers  processor time of the page and of the watcher, one page and nine other readers
//
// The watcher is a real one that looks at real hosts meanwhile; browser and watcher share the machine's two cores. The page is
// reached over the control socket, through a door of this process, so nothing of log-in and TLS is in these figures.

import http from "node:http";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { noBrowser, Readers } from "../e2e/page-reader.ts";
import type { PageManifest } from "../src/api/page-files.ts";
import { median, partsNamed, quantile, writeSection } from "./figures.ts";
import { nameOf } from "./load/addresses.ts";
import { groundRefusal, openGround } from "./load/ground.ts";
import { startWatcher } from "./load/upkeep.ts";
import type { Running } from "./load/upkeep.ts";

export const PARTS = ["load", "events", "readers"] as const;
export type Part = (typeof PARTS)[number];

type Loads = { readonly hosts: number; readonly firstPaintMs: readonly number[]; readonly sentenceMs: readonly number[]; readonly load: number };
type Events = { readonly hosts: number; readonly samplesMs: readonly number[]; readonly load: number };
type Costs = { readonly hosts: number; readonly readers: number; readonly pagePercent: readonly number[]; readonly watcherPercent: readonly number[]; readonly heapMiB: number; readonly rows: number; readonly load: number };
type Found = { loads: Loads[]; events: Events[]; costs: Costs[] };

const RESULTS = join(import.meta.dirname, "results");
const EVERY_MS = 5_000;

export async function page(parts: readonly Part[], quick: boolean, say: (text: string) => void): Promise<void> {
  const refusal = groundRefusal() ?? (noBrowser === false ? null : noBrowser);
  if (refusal !== null) return say(`page is left out: ${refusal}`);
  const found: Found = { loads: [], events: [], costs: [] };
  const many = quick ? 50 : 1_000;
  for (const hosts of [10, many]) {
    const ground = await openGround(hosts, ["ssh"]);
    const readers = await Readers.start();
    try {
      const watcher = await startWatcher(ground, `page-${hosts}`, { hosts, everyMs: EVERY_MS, probes: () => ["ping", "ssh"] });
      const socketPath = join(ground.folder, `page-${hosts}`, "upkeep.sock");
      const door = await openDoor(socketPath);
      try {
        await sleep(quick ? 2_000 : 20_000);
        if (parts.includes("load")) {
          const measured = await loads(readers, door.address, hosts, quick ? 2 : 15);
          found.loads.push(measured);
          say(`load, ${hosts} hosts: first paint ${median(measured.firstPaintMs).toFixed(0)} ms, the sentence ${median(measured.sentenceMs).toFixed(0)} ms (p95 ${quantile(measured.sentenceMs, 0.95).toFixed(0)}); load ${measured.load.toFixed(1)}`);
        }
        if (hosts !== many) continue;
        if (parts.includes("events")) {
          const measured = await events(readers, door.address, socketPath, hosts, quick ? 4 : 60);
          found.events.push(measured);
          say(`event to pixel: p50 ${median(measured.samplesMs).toFixed(0)} ms, p95 ${quantile(measured.samplesMs, 0.95).toFixed(0)} ms (${measured.samplesMs.length}); load ${measured.load.toFixed(1)}`);
        }
        if (parts.includes("readers")) {
          const measured = await costs(readers, door.address, socketPath, watcher, hosts, quick ? 2 : 6, quick ? 2_000 : 10_000);
          found.costs.push(measured);
          say(`a page and nine readers: page ${median(measured.pagePercent).toFixed(1)} % of a core, watcher ${median(measured.watcherPercent).toFixed(1)} %, ${measured.heapMiB.toFixed(0)} MiB of script memory, ${measured.rows} rows made; load ${measured.load.toFixed(1)}`);
        }
      } finally {
        door.close();
        await watcher.stop();
      }
    } finally {
      await readers.end();
      ground.stop();
    }
  }
  if (quick || parts.length < PARTS.length) return;
  mkdirSync(RESULTS, { recursive: true });
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), Linux ${release()}, Node ${process.version}`;
  writeFileSync(join(RESULTS, "page.json"), `${JSON.stringify({ at: new Date().toISOString(), machine, ...found }, null, 1)}\n`);
  write(found, machine);
}

/** From this machine's loopback to a control socket. */
async function openDoor(socketPath: string): Promise<{ readonly address: string; close(): void }> {
  const server = net.createServer((outside) => {
    const inside = net.connect(socketPath);
    outside.pipe(inside).pipe(outside);
    outside.on("error", () => inside.destroy()).on("close", () => inside.destroy());
    inside.on("error", () => outside.destroy()).on("close", () => outside.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`, close: () => server.close() };
}

/** When the heading that says how many are guarded was on the screen, by the page's own clock that begins with the click. */
const SENTENCE = () => new Promise<number>((resolve) => {
  const look = () => (document.querySelector("h1")?.textContent?.startsWith("Guarded") === true ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look));
  look();
});

async function loads(readers: Readers, address: string, hosts: number, times: number): Promise<Loads> {
  const firstPaintMs: number[] = [];
  const sentenceMs: number[] = [];
  for (let each = 0; each < times; each += 1) {
    const reader = await readers.reader();
    await reader.page.goto(address, { waitUntil: "commit" });
    sentenceMs.push(await reader.page.evaluate(SENTENCE));
    firstPaintMs.push(await reader.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN));
    await reader.leave();
  }
  return { hosts, firstPaintMs, sentenceMs, load: loadavg()[0] as number };
}

async function events(readers: Readers, address: string, socketPath: string, hosts: number, times: number): Promise<Events> {
  const samplesMs: number[] = [];
  const reader = await readers.reader();
  await reader.page.goto(address);
  await reader.row(nameOf(0)).waitFor();
  for (let each = 0; each < times; each += 1) {
    // Hosts of the ground have no outlet, so what is seen is the sentence above them.
    const reason = `event ${each}`;
    const seen = reader.page.evaluate((wanted) => new Promise<number>((resolve) => {
      const look = () => (document.querySelector(".sayings")?.textContent?.includes(`(${wanted})`) === true ? requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now())) : requestAnimationFrame(look));
      look();
    }), reason);
    await sleep(300 + Math.random() * 1_500);
    const askedMs = performance.timeOrigin + performance.now();
    await post(socketPath, { kind: "brake", brake: "inhibit", scope: "*", forMs: 600_000, reason });
    samplesMs.push(await seen - askedMs);
  }
  await reader.leave();
  return { hosts, samplesMs, load: loadavg()[0] as number };
}

function post(socketPath: string, command: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path: "/v1/commands", method: "POST", headers: { "content-type": "application/json" }, agent: false }, (response) => {
      response.resume().on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`the command was answered ${response.statusCode}`))));
    });
    request.on("error", reject).end(JSON.stringify({ by: "bench", command }));
  });
}

async function costs(readers: Readers, address: string, socketPath: string, watcher: Running, hosts: number, windows: number, windowMs: number): Promise<Costs> {
  const others = await Promise.all(Array.from({ length: 9 }, () => new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get({ socketPath, path: "/v1/stream", agent: false }, (response) => resolve(response.on("error", () => {}).resume())).on("error", reject);
  })));
  const reader = await readers.reader();
  await reader.page.goto(address);
  await reader.row(nameOf(0)).waitFor();
  const busy = await busyOf(reader.page);
  await sleep(windowMs / 2);
  const pagePercent: number[] = [];
  const watcherPercent: number[] = [];
  let heapMiB = 0;
  for (let each = 0; each < windows; each += 1) {
    const [before, watcherBeforeUs] = [await busy(), watcher.account.usedUs()];
    await sleep(windowMs);
    const after = await busy();
    pagePercent.push(((after.taskSeconds - before.taskSeconds) * 100_000) / windowMs);
    watcherPercent.push((watcher.account.usedUs() - watcherBeforeUs) / (windowMs * 10));
    heapMiB = after.heapMiB;
  }
  const rows = await reader.page.locator(".host-row").count();
  for (const response of others) response.destroy();
  await reader.leave();
  return { hosts, readers: 10, pagePercent, watcherPercent, heapMiB, rows, load: loadavg()[0] as number };
}

/** What the page's main thread has worked, as the browser counts it. */
async function busyOf(of: Page): Promise<() => Promise<{ readonly taskSeconds: number; readonly heapMiB: number }>> {
  const session = await of.context().newCDPSession(of);
  await session.send("Performance.enable");
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    const value = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? NaN;
    return { taskSeconds: value("TaskDuration"), heapMiB: value("JSHeapUsedSize") / 1_048_576 };
  };
}

function write({ loads: loaded, events: told, costs: cost }: Found, machine: string): void {
  const { first } = JSON.parse(readFileSync(join(import.meta.dirname, "../build/page/manifest.json"), "utf8")) as PageManifest;
  const ms = (samples: readonly number[]) => `${median(samples).toFixed(0)} ms (p95 ${quantile(samples, 0.95).toFixed(0)} ms)`;
  const rows = [
    `| first load, gzipped | ${(first.scriptBytes / 1_000).toFixed(1)} kB of script, ${(first.styleBytes / 1_000).toFixed(1)} kB of style |`,
    ...loaded.flatMap((each) => [`| ${each.hosts} hosts, a fresh browser: first paint | ${ms(each.firstPaintMs)} |`, `| ${each.hosts} hosts: the sentence that says how many are guarded | ${ms(each.sentenceMs)} |`]),
    ...told.map((each) => `| ${each.hosts} hosts: from a command at the watcher to the pixels of the sentence that tells it | ${ms(each.samplesMs)} |`),
    ...cost.flatMap((each) => [`| ${each.hosts} hosts every ${EVERY_MS / 1_000} s, ${each.readers} readers: main thread of a page | ${median(each.pagePercent).toFixed(1)} % of a core, ${each.rows} rows made, ${each.heapMiB.toFixed(0)} MiB of script memory |`, `| the same: the watcher, probes and all | ${median(each.watcherPercent).toFixed(1)} % of a core |`]),
  ];
  const loadsSeen = [...loaded, ...told, ...cost].map((each) => each.load);
  writeSection("## The page", [
    `Debian's Chromium, headless, at a real watcher on the same ${machine}, with a load average of ${Math.min(...loadsSeen).toFixed(1)} to ${Math.max(...loadsSeen).toFixed(1)}; samples are in \`bench/results/page.json\`, \`bin/node24 bench/page.ts\` measures again.`,
    ["| | |", "|---|---|", ...rows].join("\n"),
  ]);
}

if (import.meta.main) await page(partsNamed(PARTS), process.argv.includes("--quick"), (text) => void process.stdout.write(`${text}\n`));
