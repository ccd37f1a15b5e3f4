// What a crash leaves: the watcher killed at random, the power lost at every system call, a disk that is full or that fails.
// "ledger synced, then byte" (safety.md §4.1, §5.1) is asserted from a trace of system calls, and the same trace gives
// every state that a disk may be in after a loss of power; in each, everything acknowledged must be there.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { programPath, thirdParty } from "../../lab/third-party.ts";
import { openLedger } from "../stores/embedded.ts";
import type { Op } from "./crash-images.fixture.ts";
import { crashImages, parseTrace, seeded } from "./crash-images.fixture.ts";

const FIXTURE = fileURLToPath(new URL("./ledger.fixture.ts", import.meta.url));
const SEED = Math.floor(Math.random() * 2 ** 31);
const random = seeded(SEED);
const NOW = { bootMs: 5_000, wallMs: Date.UTC(2026, 10, 21), bootId: "boot", synced: true } as const;

function missing(program: string): string | false {
  return programPath(program) === null ? `not installed: ${program}` : false;
}

const noStrace = missing("strace");
if (noStrace === false) thirdParty("strace", ["strace", "-V"]);
const notRoot = process.getuid?.() === 0 ? false : "needs root, for a mount of its own";

async function inFolder<Result>(body: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-crash-"));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lines of a child's standard output, as they come. */
function linesOf(child: ChildProcess): AsyncIterableIterator<string> {
  assert.ok(child.stdout !== null);
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

async function expectLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next();
  assert.ok(done !== true, "the child ended");
  return value;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once("close", () => resolve())));
}

/** Numbers of all records and the number in `ack/last`, as the fixture writes them. */
function numbersIn(dataDir: string): { readonly numbers: ReadonlySet<number>; readonly last: number; readonly wentBack: string | null } {
  const { store, records, wentBack } = openLedger({ dataDir, watcherName: "rikis", now: NOW, reserve: { bytes: 4_096, retryMs: 60_000 } });
  void store.close();
  const value = (key: string) => Number((records.find((record) => record.key === key)?.value as { alarm?: string } | undefined)?.alarm ?? 0);
  return { numbers: new Set(records.filter(({ key }) => key !== "ack/last").map(({ key }) => Number(key.slice("ack/".length)))), last: value("ack/last"), wentBack };
}

test("killed with kill -9 at random, again and again: what was acknowledged is there", () => inFolder(async (folder) => {
  const dataDir = join(folder, "data");
  let acknowledged = 0;
  for (let life = 1; life <= 6; life += 1) {
    const child = spawn(process.execPath, [FIXTURE, "numbers", dataDir, String(acknowledged + 1)], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const lines = linesOf(child);
      const opened = await expectLine(lines);
      assert.match(opened, /^open \d+ -$/, "the ledger of a killed process is whole");
      const doomed = acknowledged + 1 + Math.floor(random() * 120);
      const impatience = setTimeout(() => child.kill("SIGKILL"), 20 + random() * 150);
      for await (const line of lines) {
        const [, number] = /^committed (\d+)$/.exec(line) ?? assert.fail(line);
        acknowledged = Number(number);
        if (acknowledged === doomed) child.kill("SIGKILL");
      }
      clearTimeout(impatience);
    } finally {
      child.kill("SIGKILL");
      await ended(child);
    }
    const { numbers, last, wentBack } = numbersIn(dataDir);
    assert.equal(wentBack, null);
    // The one under way when it died may be there whole, or not at all.
    assert.ok(last === acknowledged || last === acknowledged + 1, `last is ${last}, acknowledged ${acknowledged}`);
    const expected = Array.from({ length: Math.min(50, last) }, (_, n) => last - n);
    assert.deepEqual([...numbers].sort((one, other) => other - one), expected);
    acknowledged = last;
  }
}));

/** Runs the fixture under strace and gives what it did to files, in order, with its acknowledgements. */
function traced(folder: string, commits: number): readonly Op[] {
  const trace = join(folder, "trace");
  const calls = "openat,pwrite64,pwritev,write,fsync,fdatasync,sync_file_range,ftruncate,unlink,rename,mmap";
  // The bytes of every write: a page is the largest that SQLite writes here.
  execFileSync("strace", ["-f", "-y", "-xx", "-s", "70000", "-e", `trace=${calls}`, "-e", "signal=none", "-o", trace, process.execPath, FIXTURE, "few", join(folder, "data"), String(commits)], { timeout: 60_000, stdio: ["ignore", "ignore", "inherit"] });
  return parseTrace(readFileSync(trace, "latin1"), join(folder, "data"));
}

test("the ledger is synced, then comes the byte: after the last write of a commit its log is synced before the acknowledgement", { skip: noStrace }, () => inFolder(async (folder) => {
  const ops = traced(folder, 8);
  const acknowledged = ops.flatMap((op, at) => (op.kind === "said" && op.text.startsWith("committed") ? [at] : []));
  assert.equal(acknowledged.length, 8);
  let from = 0;
  for (const at of acknowledged) {
    const between = ops.slice(from, at);
    const lastWrite = between.findLastIndex((op) => op.kind === "write" && op.file === "ledger.sqlite-wal");
    assert.ok(lastWrite >= 0, "a commit writes to the log");
    const synced = between.findIndex((op, index) => index > lastWrite && op.kind === "sync" && op.file === "ledger.sqlite-wal");
    assert.ok(synced > lastWrite, `the log was not synced between its last write and "${JSON.stringify(ops[at])}"`);
    from = at + 1;
  }
  // The name of the log is on disk, too, before the first commit is.
  const first = acknowledged[0] ?? 0;
  const made = ops.findIndex((op) => op.kind === "create" && op.file === "ledger.sqlite-wal");
  assert.ok(made >= 0 && ops.slice(made, first).some((op) => op.kind === "sync" && op.file === "."), "the folder is synced after the log was made");
}));

test("the power lost at any system call, with any of what was not synced lost or torn: what was acknowledged is there", { skip: noStrace }, () => inFolder(async (folder) => {
  const ops = traced(folder, 30);
  const image = join(folder, "image");
  let whole = 0;
  for (const { files, acknowledged, sent } of crashImages(ops, 130, random)) {
    rmSync(image, { recursive: true, force: true });
    mkdirSync(image);
    for (const [name, bytes] of files) writeFileSync(join(image, name), bytes);
    const { last, numbers, wentBack } = numbersIn(image);
    if (acknowledged === 0) continue;
    whole += 1;
    assert.equal(wentBack, null);
    assert.ok(last >= acknowledged && last <= sent, `last is ${last}, acknowledged ${acknowledged}, sent ${sent}, seed ${SEED}`);
    assert.deepEqual([...numbers].sort((one, other) => one - other), Array.from({ length: last }, (_, n) => n + 1));
  }
  assert.ok(whole > 100, `only ${whole} images after the first acknowledgement`);
}));

for (const [what, inject, evidence] of [
  ["a sync of the log that fails", "fsync:error=EIO", /^failed \d+ the ledger cannot be written: .*I\/O/],
  ["a write that fails", "pwrite64:error=EIO", /^failed \d+ the ledger cannot be written: .*I\/O/],
  ["a quota that is used up", "pwrite64:error=EDQUOT", /^failed \d+ the ledger cannot be written: /],
] as const) {
  test(`${what} is a commit that failed, and the next one is carried out`, { skip: noStrace }, () => inFolder(async (folder) => {
    const dataDir = join(folder, "data");
    // Once for the commit and once for its repetition on the reserve's space, after so many calls that the ledger is open.
    const calls = what.includes("sync") ? "when=10..11" : "when=30..31";
    const child = spawn("strace", ["-f", "-o", "/dev/null", "-P", join(dataDir, "ledger.sqlite-wal"), "-e", `inject=${inject}:${calls}`, process.execPath, FIXTURE, "few", dataDir, "20"], { stdio: ["ignore", "pipe", "inherit"] });
    const said: string[] = [];
    try {
      for await (const line of linesOf(child)) said.push(line);
    } finally {
      child.kill("SIGKILL");
      await ended(child);
    }
    const failures = said.filter((line) => line.startsWith("failed"));
    assert.equal(failures.length, 1, said.join("\n"));
    assert.match(failures[0] ?? "", evidence);
    assert.equal(said.filter((line) => line.startsWith("committed")).length, 19);
    const { last, numbers } = numbersIn(dataDir);
    assert.equal(last, 20);
    assert.ok(numbers.size >= 19);
  }));
}

test("a full disk: the reserve is given up and the commit done; with nothing left a commit fails in words; room heals it", { skip: notRoot || missing("unshare") }, () => inFolder(async (folder) => {
  // A file system of 4 MiB that only these processes see; it goes away with them.
  const script = 'mount -t tmpfs -o size=4m,mode=700 tmpfs "$1" && exec "$2" "$3" asked "$1/data"';
  const child = spawn("unshare", ["-m", "sh", "-c", script, "sh", folder, process.execPath, FIXTURE], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const lines = linesOf(child);
    assert.match(await expectLine(lines), /^open 0 -$/);
    const commit = async (): Promise<string[]> => {
      child.stdin?.write(".");
      const said: string[] = [];
      for (;;) {
        const line = await expectLine(lines);
        said.push(line);
        if (!line.startsWith("reserve")) return said;
      }
    };
    const root = `/proc/${child.pid}/root${folder}`;
    const fill = (): void => {
      // All that is left, to the last page; then it is full.
      const block = Buffer.alloc(4_096, 1);
      assert.throws(() => { for (;;) writeFileSync(join(root, "filler"), block, { flag: "a" }); }, { code: "ENOSPC" });
    };
    assert.deepEqual(await commit(), ["committed 1"]);
    fill();
    let said: string[] = [];
    let n = 1;
    // The log's first pages may be there already; the disk shows itself to be full within a few commits.
    for (; n < 100 && !said.includes("reserve spent"); n += 1) said = await commit();
    assert.deepEqual(said, ["reserve spent", `committed ${n}`]);
    fill();
    let failed = "";
    for (; n < 400 && failed === ""; n += 1) failed = (await commit()).find((line) => line.startsWith("failed")) ?? "";
    assert.match(failed, /^failed \d+ the disk is full: /);
    // A watcher that is restarted now finds its records, though it cannot write.
    child.stdin?.write("r");
    const restarted = [await expectLine(lines), await expectLine(lines)].sort();
    const [, found] = /^open (\d+) -$/.exec(restarted[0] ?? "") ?? assert.fail(restarted.join("; "));
    assert.deepEqual(restarted[1], "reserve spent");
    // One for each of the commits but the one that failed, and the one that they have in common.
    assert.equal(Number(found), n);
    rmSync(join(root, "filler"));
    const healed: string[] = [];
    while (!healed.includes("reserve held")) healed.push(...(await commit()));
    assert.ok(healed.some((line) => line.startsWith("committed")));
    assert.ok(!healed.some((line) => line.startsWith("failed")), healed.join("; "));
    child.stdin?.write("q");
    await ended(child);
  } finally {
    child.kill("SIGKILL");
    await ended(child);
  }
}));
