// A 64-bit machine with 512 MB is enough: fifty hosts by ping, SSH and DNS, a wedge, a power cycle, its history and commands, by a
// watcher that has 256 MB for itself, its page cache included, and no swap; the operating system has the rest. The program
// is a copy that nobody else has read, so that each of its pages is counted here. By hand, with another size:
// bin/node24 e2e/small-machine.ts --mib 128

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { copyProgram } from "../lab/guest-image.ts";
import { labRefusal } from "../lab/machine.ts";
import { makeMemoryLimit, memoryLimitRefusal } from "../lab/memory-limit.ts";
import type { Wire } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import { edgesOf, guarded, incidentsOf, statusOf, until, Watching } from "./watching.ts";

export type SmallMachine = { readonly peakMib: number; readonly anonymousMib: number; readonly kills: number; readonly lines: readonly string[] };

const HOSTS = 50;
const MIB = 1024 * 1024;
/** posix_fadvise(2). */
const FADV_DONTNEED = 4;
const LIMIT_MS = 180_000;
/** Long enough for several hundred rounds, and for the garbage of the start to be gone. */
const WATCHED_MS = 20_000;
const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s }
defaults: { every: 2s, timeout: 1900ms, threshold: 3, debounce: 5s, boot: 30s, offFor: 1s, healthyFor: 2s, settle: 2s }
`;
const PDUS = ["sucker", "sucker2", "sucker3"];
const HOSTS_ON_ONE = 20;

/** Why this machine cannot show it, in words, or null. */
export function smallMachineRefusal(): string | null {
  return labRefusal() ?? memoryLimitRefusal();
}

export async function smallMachine(mib: number): Promise<SmallMachine> {
  const names = Array.from({ length: HOSTS }, (_, index) => `h${index + 1}`);
  const rig = await startRig({ hosts: names, kind: "machines", bootMs: 500, settings: SETTINGS, device: "check: 10s, timeout: 3s, deadline: 10s", pdus: PDUS, pdu: { outlets: 24, names: {} },
    power: (_host, number) => { const { pdu, outlet } = wireOf(number); return `${pdu}/${outlet}`; }, wires: (_host, number) => [wireOf(number)] });
  const folder = mkdtempSync(join(tmpdir(), "upkeep-small-"));
  const limit = makeMemoryLimit(`upkeep-small-${process.pid}`, mib * MIB);
  let watching: Watching | null = null;
  try {
    const program = join(folder, "upkeep");
    await copyProgram(program, "-a");
    await leaveTheCache(program);
    const node = await rig.lab?.node("watcher");
    assert.ok(node !== undefined);
    watching = new Watching(node.spawn([...limit.enter, join(program, "bin/upkeep"), "watch", "-c", rig.config], { stdio: ["ignore", "pipe", "pipe"] }));
    await watching.ready();
    await guarded(rig, names, LIMIT_MS);
    const host = "h25";
    const { pdu, outlet } = wireOf(rig.outlet(host));
    const marks = new Map<string, number>();
    for (const each of PDUS) marks.set(each, (await rig.records(each)).length);
    await rig.host(host).freeze();
    await until(`${host} is cut and back in service`, async () => (await incidentsOf(rig, host)).some((incident) => incident.ended !== null), LIMIT_MS, 300);
    for (const each of PDUS) assert.deepEqual(edgesOf((await rig.records(each)).slice(marks.get(each))), each === pdu ? [`${outlet} off`, `${outlet} on`] : [], "cut once, and on again; no other outlet moved");
    const began = performance.now();
    while (performance.now() - began < WATCHED_MS) {
      await statusOf(rig);
      await rig.upkeep("events", "--json", "--limit", "1000");
      await sleep(1_000);
    }
    await guarded(rig, names, LIMIT_MS);
    assert.equal(watching.over, null, "the watcher runs on");
    const figures = { peakMib: limit.peakBytes() / MIB, anonymousMib: limit.anonymousBytes() / MIB, kills: limit.kills() };
    assert.equal(figures.kills, 0, "nothing was killed for want of memory");
    const lines = [`${HOSTS} hosts by ping, SSH and DNS every 2 s in ${mib} MiB without swap: a wedge, a power cycle, history and commands, nobody killed`,
      `at most ${figures.peakMib.toFixed(0)} MiB in use, page cache included; ${figures.anonymousMib.toFixed(0)} MiB of it the watcher's own at the end`];
    return { ...figures, lines };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}; ${limit.kills()} kills; ${watching?.tail(20)}`, { cause: error });
  } finally {
    await watching?.kill();
    await rig.stop();
    limit.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * What was copied is this process's cache; it has to be read again, and then it is the watcher's. Only clean pages leave: the first
 * pass has these files written (and not all that this machine has to write, which on a busy one takes minutes), the second waits for that.
 */
async function leaveTheCache(folder: string): Promise<void> {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const advise = koffi.load("libc.so.6").func("int posix_fadvise(int, long, long, int)") as (descriptor: number, from: number, bytes: number, advice: number) => number;
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  for (const wait of [false, true]) {
    for (const path of files) {
      await using file = await open(path);
      if (wait) await file.datasync();
      assert.equal(advise(file.fd, 0, 0, FADV_DONTNEED), 0, path);
    }
  }
}

/** Which outlet feeds the host that the rig counts as this one. */
function wireOf(number: number): Wire {
  const index = number - 2;
  return { pdu: PDUS[Math.floor(index / HOSTS_ON_ONE)] as string, outlet: 2 + (index % HOSTS_ON_ONE) };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { mib: { type: "string", default: "256" } } });
  const refusal = smallMachineRefusal();
  if (refusal !== null) throw new Error(refusal);
  const { lines } = await smallMachine(Number(values.mib));
  process.stdout.write(`${lines.join("\n")}\n`);
}
