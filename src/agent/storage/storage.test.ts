// The part against real file systems: a disk in a file (a loop device), frozen and thawed, filled, made read-only, unmounted. Needs
// root and loop devices. What only a machine with disks of its own can show is in e2e/hung-storage.test.ts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { HostFinding } from "../../core/finding.ts";
import { systemClock } from "../../process/system-clock.ts";
import type { PartWorld } from "../part.ts";
import { waiters } from "./evidence.ts";
import { storage } from "./storage.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-storage-"));
process.env["RUNTIME_DIRECTORY"] = join(folder, "run");
const LIMIT_MS = 60_000;

function refusal(): string | false {
  try {
    execFileSync("losetup", ["-f"], { stdio: "ignore" });
    return process.getuid?.() === 0 ? false : "needs root";
  } catch {
    return "this machine has no loop devices";
  }
}

const run = (...argv: string[]): string => execFileSync(argv[0] as string, argv.slice(1), { encoding: "utf8", env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` }, stdio: ["ignore", "pipe", "pipe"] });

type Disk = { readonly path: string; readonly freeze: () => void; readonly thaw: () => void; readonly unmount: () => void };
const disks: Disk[] = [];
// A frozen one would freeze this process, too.
after(() => {
  for (const disk of disks) {
    for (const undo of [disk.thaw, disk.unmount]) {
      try {
        undo();
      } catch {
        // It was done.
      }
    }
  }
  rmSync(folder, { recursive: true, force: true });
});

let made = 0;
function disk(): Disk {
  const [image, path] = [join(folder, `disk${made}`), join(folder, `mount${made}`)];
  made += 1;
  mkdirSync(path);
  run("truncate", "-s", "8M", image);
  run("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", image);
  run("mount", "-o", "loop", image, path);
  const mounted: Disk = { path, freeze: () => void run("fsfreeze", "-f", path), thaw: () => void run("fsfreeze", "-u", path), unmount: () => void run("umount", "-l", path) };
  disks.push(mounted);
  return mounted;
}

/** A clock that can be told that the machine slept. */
let sleptMs = 0;
const clock = systemClock();

async function running<Result>(options: Partial<PartWorld<Parameters<typeof storage.start>[0]["options"]>["options"]>, during: (seen: { readonly all: HostFinding[]; find(subject: string, test: (finding: HostFinding) => boolean): Promise<HostFinding>; gone(subject: string): Promise<void> }) => Promise<Result>, host = "logos"): Promise<Result> {
  const latest = new Map<string, HostFinding>();
  const all: HostFinding[] = [];
  const world = {
    options: { mounts: null, except: [], everyMs: 1_000, deadlineMs: 2_000, frozenMs: 2_000, ...options }, host, folder, dryRun: false, guard: () => [],
    now: () => ({ ...clock.now(), bootMs: clock.now().bootMs + sleptMs }), at: (bootMs: number, then: () => void) => clock.at(bootMs - sleptMs, then), say: () => {},
    report: (finding: HostFinding) => (latest.set(finding.subject, finding), all.push(finding)), forget: (subject: string) => latest.delete(subject),
    announce: () => Promise.resolve([]), onOrder: () => {}, leases: { ask: () => {}, onAnswer: () => {} }, contacts: () => [],
  };
  const part = await storage.start(world);
  const until = async (what: string, met: () => boolean): Promise<void> => {
    for (const endMs = performance.now() + LIMIT_MS; !met(); await pause(20)) assert.ok(performance.now() < endMs, `${what}; ${JSON.stringify([...latest.values()])}`);
  };
  try {
    return await during({
      all,
      find: (subject, met) => until(subject, () => latest.has(subject) && met(latest.get(subject) as HostFinding)).then(() => latest.get(subject) as HostFinding),
      gone: (subject) => until(`${subject} is no more`, () => !latest.has(subject)),
    });
  } finally {
    await part.stop();
  }
}

/** Who waits for a frozen disk. */
const stuck = () => waiters().filter(({ name, where }) => (name === "dd" || name === "rm") && /percpu|freeze/.test(where));

const skip = refusal();
const verdict = (...wanted: HostFinding["verdict"][]) => (finding: HostFinding) => wanted.includes(finding.verdict);

test("a disk that takes what is written is good, and keeps nothing", { skip }, async () => {
  const { path } = disk();
  await running({ mounts: [path] }, async ({ find }) => {
    assert.match((await find(`storage:${path}`, verdict("good"))).because, /^a write comes to the disk and back within \d+ (ms|s)$/);
  });
  assert.deepEqual(readdirSync(path).filter((name) => name.startsWith(".upkeep")), []);
});

test("one that hangs is bad after its deadline, delays no other, has one look on it only, and is well again when it comes back", { skip }, async () => {
  const [hung, well] = [disk(), disk()];
  await running({ mounts: [hung.path, well.path] }, async ({ all, find }) => {
    for (const { path } of [hung, well]) await find(`storage:${path}`, verdict("good"));
    hung.freeze();
    const beganMs = performance.now();
    const bad = await find(`storage:${hung.path}`, verdict("bad"));
    const tookMs = performance.now() - beganMs;
    assert.equal(bad.mayCut, true, bad.because);
    assert.match(bad.because, /^a write has not reached the disk for \d s \(waits in \w+\)/);
    process.stdout.write(`# from the freeze to the verdict: ${Math.round(tookMs)} ms, with every 1 s and deadline 2 s\n`);
    const goods = all.filter(({ subject, verdict: said }) => subject === `storage:${well.path}` && said === "good").length;
    for (let more = 0; more < 3; more += 1) await find(`storage:${well.path}`, () => all.filter(({ subject }) => subject === `storage:${well.path}`).length > goods + more);
    assert.equal(stuck().length, 1, JSON.stringify(stuck()));
    hung.thaw();
    await find(`storage:${hung.path}`, verdict("good"));
  });
});

test("an agent that begins while an earlier one's look still hangs begins no second one", { skip }, async () => {
  const { path, freeze, thaw } = disk();
  const frozen = running({ mounts: [path] }, async ({ find }) => {
    await find(`storage:${path}`, verdict("good"));
    freeze();
    await find(`storage:${path}`, verdict("bad"));
  });
  await frozen;
  for (let times = 0; times < 2; times += 1) {
    await running({ mounts: [path] }, async ({ find }) => {
      assert.match((await find(`storage:${path}`, verdict("unknown"))).because, /an earlier agent began/);
      assert.equal((await find(`storage:${path}`, verdict("bad"))).mayCut, true);
    });
  }
  assert.equal(stuck().length, 1, JSON.stringify(stuck()));
  thaw();
  await running({ mounts: [path] }, ({ find }) => find(`storage:${path}`, verdict("good")));
});

test("a frozen file system is a person's business until it has been so for long", { skip }, async () => {
  const { path, freeze, thaw } = disk();
  await running({ mounts: [path], frozenMs: 6_000 }, async ({ all, find }) => {
    await find(`storage:${path}`, verdict("good"));
    freeze();
    assert.match((await find(`storage:${path}`, verdict("warn"))).because, /somebody has frozen it/);
    await find(`storage:${path}`, verdict("bad"));
    assert.ok(all.findIndex(verdict("warn")) < all.findIndex(verdict("bad")));
    thaw();
    await find(`storage:${path}`, verdict("good"));
  });
});

test("after a sleep of the machine nothing is late", { skip }, async () => {
  const { path, freeze, thaw } = disk();
  await running({ mounts: [path], deadlineMs: 20_000, frozenMs: 20_000 }, async ({ all, find }) => {
    await find(`storage:${path}`, verdict("good"));
    freeze();
    for (const endMs = performance.now() + LIMIT_MS; stuck().length === 0; await pause(20)) assert.ok(performance.now() < endMs);
    sleptMs += 3_600_000;
    await pause(3_000);
    thaw();
    const before = all.length;
    await find(`storage:${path}`, () => all.length > before);
    assert.deepEqual(all.filter(verdict("bad")), []);
  });
});

test("a full disk, a read-only one, one that is gone, one that comes: words, and never power", { skip }, async () => {
  const { path, unmount } = disk();
  await running({ mounts: [path] }, async ({ all, find }) => {
    await find(`storage:${path}`, verdict("good"));
    // Again and again: what a look frees is room for the next.
    const fill = (): void => {
      try {
        run("dd", "if=/dev/zero", `of=${join(path, "fill")}`, "bs=4K", "oflag=append", "conv=notrunc");
      } catch {
        // It is full.
      }
    };
    await find(`storage:${path}`, ({ verdict: said, because }) => (fill(), said === "warn" && because.endsWith("No space left on device")));
    rmSync(join(path, "fill"));
    await find(`storage:${path}`, verdict("good"));
    run("mount", "-o", "remount,ro", path);
    await find(`storage:${path}`, ({ verdict: said, because }) => said === "warn" && because === "it is mounted read-only");
    run("mount", "-o", "remount,rw", path);
    await find(`storage:${path}`, verdict("good"));
    assert.deepEqual(all.filter(({ mayCut }) => mayCut), []);
  });
  unmount();
});

test("auto: a mount that appears is watched, and one that goes is forgotten, also while nothing holds it", { skip }, async () => {
  await running({}, async ({ find, gone }) => {
    const { path, unmount } = disk();
    await find(`storage:${path}`, verdict("good"));
    unmount();
    await gone(`storage:${path}`);
  });
});

test("a link, a folder or somebody's file in its place is not followed and not kept", { skip }, async () => {
  const { path } = disk();
  const [file, precious] = [join(path, ".upkeep-probe-logos"), join(folder, "precious")];
  writeFileSync(precious, "precious");
  symlinkSync(precious, file);
  await running({ mounts: [path] }, ({ find }) => find(`storage:${path}`, verdict("good")));
  assert.deepEqual([readFileSync(precious, "utf8"), existsSync(file)], ["precious", false]);
  mkdirSync(file);
  await running({ mounts: [path] }, async ({ all, find }) => {
    await find(`storage:${path}`, ({ verdict: said, because }) => said === "unknown" && because.startsWith("removing the file of the last look"));
    assert.deepEqual(all.filter(({ mayCut }) => mayCut), []);
  });
});

test("a path that is not there is no reason for anything", { skip }, async () => {
  await running({ mounts: ["/nowhere/at/all"] }, async ({ find }) => {
    assert.equal((await find("storage:/nowhere/at/all", verdict("unknown"))).mayCut, false);
  });
});
