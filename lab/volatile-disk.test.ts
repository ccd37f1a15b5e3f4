// A disk that forgets, as qemu-io sees it: what was flushed is there after a power cut, what was not is lost piece by piece, and
// until then everybody reads what was written.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { lacking, thirdParty } from "./third-party.ts";
import { startVolatileDisk } from "./volatile-disk.ts";
import type { VolatileDisk } from "./volatile-disk.ts";

const BYTES = 1024 * 1024;
const PIECE = 4_096;
const LIMIT_MS = 60_000;

type Session = { readonly shown: () => string };
const children = new Set<ChildProcess>();

/** Gives qemu-io these commands, and one at the end that never does. */
function session(disk: VolatileDisk, commands: readonly string[]): Session {
  const child = spawn("stdbuf", ["-oL", "qemu-io", "-f", "raw", "-t", "writeback", ...[...commands, "sleep 600000"].flatMap((command) => ["-c", command]), `nbd+unix:///?socket=${disk.socketPath}`], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let shown = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (shown += chunk));
  return { shown: () => shown };
}

async function onDisk(body: (disk: VolatileDisk, file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-disk-"));
  const file = join(folder, "disk");
  writeFileSync(file, "");
  truncateSync(file, BYTES);
  const disk = await startVolatileDisk(file, BYTES, join(folder, "sock"));
  try {
    await body(disk, file);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    children.clear();
    await disk.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function seen(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  while (!holds()) {
    assert.ok(performance.now() < deadlineMs, `not within ${LIMIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The first byte of each piece. */
function pieces(file: string, count: number): readonly number[] {
  const found = readFileSync(file);
  return Array.from({ length: count }, (_, index) => found[index * PIECE] ?? NaN);
}

describe("a disk that forgets", { skip: lacking("qemu-io") }, () => {
  test("flushed is kept, unflushed is lost piece by piece, and until then it is read as written", () => onDisk(async (disk, file) => {
    thirdParty("qemu-io", ["qemu-io", "--version"]);
    const { shown } = session(disk, ["write -P 1 0 16k", "flush", "write -P 2 0 8k", "write -P 3 16k 8k", "read -P 2 0 8k", "read -P 1 8k 8k", "read -P 3 16k 8k"]);
    await seen("three reads", () => (shown().match(/^read 8192/gm) ?? []).length === 3);
    assert.doesNotMatch(shown(), /verification failed/);
    assert.deepEqual(pieces(file, 6), [1, 1, 1, 1, 0, 0], "nothing but what was flushed has reached the disk");
    // Of the pieces 0, 1, 4 and 5 the second and the third are lost.
    const fates = [false, true, true, false];
    await disk.cutPower(() => fates.shift() ?? false);
    assert.deepEqual(pieces(file, 6), [2, 1, 1, 1, 0, 3]);
    assert.equal(disk.counts.cuts, 1);
    assert.deepEqual([disk.counts.piecesLost, disk.counts.piecesKept], [2, 2]);
  }));

  test("a write with FUA is there at once", () => onDisk(async (disk, file) => {
    const { shown } = session(disk, ["write -f -P 7 0 4k", "read -P 7 0 4k"]);
    await seen("the read", () => /^read 4096/m.test(shown()));
    await disk.cutPower(() => true);
    assert.deepEqual(pieces(file, 2), [7, 0]);
  }));

  test("after a power cut the next one is served, and reads what is left", () => onDisk(async (disk, file) => {
    const first = session(disk, ["write -P 5 0 4k"]);
    await seen("the write", () => /^wrote 4096/m.test(first.shown()));
    await disk.cutPower(() => true);
    const next = session(disk, ["read -P 0 0 4k", "write -P 6 0 4k", "flush"]);
    await seen("the flush", () => pieces(file, 1)[0] === 6);
    assert.doesNotMatch(next.shown(), /verification failed/);
  }));

  test("a strike between a write and its acknowledgement", () => onDisk(async (disk, file) => {
    let struck = 0;
    disk.onWrite = () => {
      struck += 1;
      if (struck === 2) void disk.cutPower(() => true);
    };
    const { shown } = session(disk, ["write -P 1 0 4k", "flush", "write -P 2 0 4k", "read 0 4k"]);
    await seen("the strike", () => disk.counts.cuts === 1);
    assert.deepEqual(pieces(file, 1), [1]);
    assert.doesNotMatch(shown(), /^read \d/m);
  }));
});
