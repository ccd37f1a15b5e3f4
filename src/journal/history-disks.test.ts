// The history on disks that fail it, real ones: read-only, dead in the middle, frozen, taken away. What is asserted each time is
// that the process with the watcher in it is held up by none of that, that a person is told once each way, and that everything
// goes on, without a restart, when the disk does.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const FIXTURE = fileURLToPath(new URL("./history.fixture.ts", import.meta.url));
const root = { skip: process.getuid?.() === 0 ? false : "needs root, for mounts of its own", timeout: 120_000 };
const SILENT_MS = 1_500;
const WELL_MS = 300;

type Asked = {
  ask(command: string): Promise<string>;
  /** Until an answer to this command matches. */
  until(command: string, wanted: RegExp): Promise<string>;
  /** The data folder as it is seen from here. */
  readonly folder: string;
  /** Runs a script of the shell where the process sees its mounts; `$1` is the data folder, `$2` the image. */
  inside(script: string): void;
};

/** A process with a history on a file system of its own that `mount` makes of `$1`, the folder, and `$2`, a file for an image. */
async function onDisk(mount: string, body: (asked: Asked) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "upkeep-disks-"));
  const [folder, image] = [join(home, "data"), join(home, "image")];
  const child = spawn("unshare", ["-m", "sh", "-ec", `mkdir "$1"; ${mount}; exec "$3" "$4" asked "$1" ${SILENT_MS} ${WELL_MS}`, "sh", folder, image, process.execPath, FIXTURE], { stdio: ["pipe", "pipe", "inherit"] });
  const inside = (script: string): void => {
    const { status, stderr } = spawnSync("nsenter", ["-t", String(child.pid), "-m", "sh", "-ec", script, "sh", folder, image], { encoding: "utf8" });
    assert.equal(status, 0, `${script}: ${stderr}`);
  };
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => {
      const { value, done } = await lines.next();
      assert.ok(done !== true, "the process ended");
      return value;
    };
    const ask = async (command: string): Promise<string> => {
      child.stdin.write(command);
      return line();
    };
    assert.equal(await line(), "ready");
    await body({
      ask, inside, folder: `/proc/${child.pid}/root${folder}`,
      until: async (command, wanted) => {
        const deadlineMs = performance.now() + 60_000;
        for (;;) {
          const said = await ask(command);
          if (wanted.test(said)) return said;
          assert.ok(performance.now() < deadlineMs, `${command} says ${said}, not ${String(wanted)}`);
          await pause(50);
        }
      },
    });
    child.stdin.end("q");
    await new Promise((resolve) => child.once("close", resolve));
    assert.equal(child.exitCode, 0);
  } finally {
    child.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  }
}

const EXT4 = 'truncate -s 24M "$2"; mkfs.ext4 -q "$2"; mount -o loop "$2" "$1"';

test("read-only from the start: everything waits in memory and is there when the disk can be written", root, () => onDisk('mount -t tmpfs -o ro,size=8m tmpfs "$1"', async ({ ask, until, inside }) => {
  await ask("n");
  for (let n = 0; n < 20; n += 1) await ask("r");
  await ask("n");
  await until("h", /^.*(read-only|unable to open|EROFS)/i);
  inside('mount -o remount,rw "$1"');
  await until("c", /^events 2 of/);
  assert.equal(await until("d", /^results 20$/), "results 20");
  assert.match(await until("h", /well$/), /^[^;]+; well$/, "told once each way");
}));

/** The ioctl by which ext4 can be told that its disk is gone (XFS_IOC_GOINGDOWN, linux/fs/ext4/ioctl.c): every write fails from then on. */
function shutDown(folder: string): void {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const ioctl = koffi.load("libc.so.6").func("int ioctl(int, unsigned long, void *)") as (descriptor: number, request: number, value: Uint32Array) => number;
  const descriptor = openSync(folder, "r");
  try {
    assert.equal(ioctl(descriptor, 0x8004587d, Uint32Array.of(2)), 0, "the file system cannot be shut down");
  } finally {
    closeSync(descriptor);
  }
}

test("dead in the middle, and put back: events and results wait, and what was on it is still there", root, () => onDisk(EXT4, async ({ ask, until, inside, folder }) => {
  await ask("t");
  for (let n = 0; n < 10; n += 1) await ask("r");
  assert.match(await ask("t"), /lost 0 rows 0 lines, $/);
  shutDown(folder);
  await ask("n");
  for (let n = 0; n < 10; n += 1) await ask("r");
  await until("h", /^.+$/);
  await ask("n");
  inside('umount -l "$1"; mount -o loop "$2" "$1"');
  await until("c", /^events 4 of/);
  await until("d", /^results 20$/);
  assert.match(await until("h", /well$/), /^[^;]+; well$/);
}));

test("frozen: the loop turns, a person is told, and nothing that happened meanwhile is missing", root, () => onDisk(EXT4, async ({ ask, until, inside }) => {
  await ask("t");
  inside('fsfreeze -f "$1"');
  try {
    await ask("n");
    for (let n = 0; n < 10; n += 1) await ask("r");
    // That it answers at all is the proof: whoever waits for this disk waits until the end of this block.
    assert.match(await until("h", /silent/), /^its thread has been silent for \d+ s$/);
    await ask("n");
  } finally {
    inside('fsfreeze -u "$1"');
  }
  await until("c", /^events 3 of/);
  assert.match(await until("h", /well$/), /^[^;]+; well$/);
  await ask("r");
  await until("d", /^results [1-9]/);
}));

test("taken away while it is open: another is made, and it is said", root, () => onDisk('mount -t tmpfs -o size=8m tmpfs "$1"', async ({ ask, until, folder }) => {
  await ask("t");
  for (const name of ["history.sqlite", "history.sqlite-wal"]) rmSync(join(folder, name));
  assert.match(await ask("t"), /the history's file was taken away while it was open: it is opened or made anew$/);
  await until("c", /^events 1 of 2/);
}));

test("full of other things, and it never ends: the process goes on, and memory does not grow without end", root, () => onDisk('mount -t tmpfs -o size=1m tmpfs "$1"', async ({ ask, until, folder }) => {
  await ask("t");
  assert.throws(() => { for (;;) writeFileSync(join(folder, "filler"), Buffer.alloc(4_096, 1), { flag: "a" }); }, { code: "ENOSPC" });
  let seq = 0;
  for (let n = 0; n < 300; n += 1) seq = Number(/^events (\d+)/.exec(await ask("n"))?.[1]);
  for (let n = 0; n < 50; n += 1) await ask("r");
  await until("h", /full/);
  rmSync(join(folder, "filler"));
  await until("c", new RegExp(`^events ${seq} of`));
  await until("d", /^results 50$/);
}));
