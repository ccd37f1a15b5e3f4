// What looking at N mounts costs: processor time of the agent's process and of its shells with all their children, and the memory
// of the shells. Loop devices; needs root. bin/node24 bench/storage-looks.ts [--mounts N] [--seconds N]

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { storage } from "../src/agent/storage/storage.ts";
import { systemClock } from "../src/process/system-clock.ts";

const EVERY_MS = 1_000;
const TICK_MS = 10;

const { values } = parseArgs({ options: { mounts: { type: "string", default: "8" }, seconds: { type: "string", default: "30" } } });
const folder = mkdtempSync(join(tmpdir(), "upkeep-looks-"));
process.env["RUNTIME_DIRECTORY"] = join(folder, "run");
const paths = Array.from({ length: Number(values.mounts) }, (_, at) => join(folder, `mount${at}`));
const run = (...[program = "", ...rest]: string[]): void => void execFileSync(program, rest, { env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` }, stdio: "ignore" });
for (const path of paths) {
  mkdirSync(path);
  run("truncate", "-s", "8M", `${path}.img`);
  run("mke2fs", "-q", "-F", "-t", "ext4", `${path}.img`);
  run("mount", "-o", "loop", `${path}.img`, path);
}
const clock = systemClock();
let looks = 0;
const part = await storage.start({
  options: { mounts: paths, except: [], everyMs: EVERY_MS, deadlineMs: 30_000, frozenMs: 300_000 }, host: "bench", folder, dryRun: false, guard: () => [],
  now: clock.now, at: clock.at, say: () => {}, report: () => (looks += 1), forget: () => {}, announce: () => Promise.resolve([]), onOrder: () => {}, leases: { ask: () => {}, onAnswer: () => {} }, contacts: () => [],
});
/** The shells, by their parent. */
const shells = (): readonly string[] => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && stat(pid)?.[1] === String(process.pid));
function stat(pid: string): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
/** Its own and its children's, in milliseconds (proc_pid_stat(5), 14 to 17). */
const spentMs = (pid: string): number => (stat(pid) ?? []).slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0);
try {
  await sleep(5_000);
  const own = process.cpuUsage();
  const [before, looksBefore] = [shells().reduce((sum, pid) => sum + spentMs(pid), 0), looks];
  await sleep(Number(values.seconds) * 1_000);
  const { user, system } = process.cpuUsage(own);
  const [after, made] = [shells().reduce((sum, pid) => sum + spentMs(pid), 0), looks - looksBefore];
  const pssKib = shells().map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0));
  process.stdout.write(`${paths.length} mounts, ${made} looks in ${values.seconds} s: ${((user + system) / 1_000 / made).toFixed(2)} ms of the agent's process a look (with its ticks), ${((after - before) / made).toFixed(2)} ms of shells and children; memory of a shell ${Math.round(pssKib.reduce((sum, each) => sum + each, 0) / pssKib.length)} KiB (Pss)\n`);
} finally {
  await part.stop();
  await sleep(2_000);
  for (const path of paths) run("umount", "-l", path);
  rmSync(folder, { recursive: true });
}
