// Lines of kernels on disk: once each however often they are given, each host with a number of its own, in a history from before.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { openHistory } from "./history.ts";
import type { KernelRow } from "./kernel-table.ts";
import { KERNEL_SCHEMA, KernelTable } from "./kernel-table.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-kernel-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const line = (id: number, change: Partial<KernelRow> = {}): KernelRow => ({ id, host: "logos", atMs: 1_000 * id, text: `line ${id}`, level: 6, byKernel: true, uptimeUs: 12_345.5, sign: null, torn: false, ...change });

function table(): KernelTable {
  const database = new DatabaseSync(":memory:");
  database.exec(KERNEL_SCHEMA);
  return new KernelTable(database);
}

test("what is written comes back as it was, by host, by time, the newest so many", () => {
  const kernel = table();
  const odd = line(3, { level: null, byKernel: null, uptimeUs: null, sign: "panic", torn: true, text: "ünïcode" });
  kernel.write([line(1), line(2, { host: "ethos", byKernel: false }), odd, line(4)]);
  kernel.write([line(4), line(1)]);
  assert.deepEqual(kernel.lines({ host: "logos", limit: 10 }), [line(1), odd, line(4)]);
  assert.deepEqual(kernel.lines({ host: "ethos", limit: 10 }), [line(2, { host: "ethos", byKernel: false })]);
  assert.deepEqual(kernel.lines({ host: "logos", limit: 1 }), [line(4)]);
  assert.deepEqual(kernel.lines({ host: "logos", fromMs: 3_000, toMs: 4_000, limit: 10 }), [odd]);
  assert.deepEqual(kernel.lines({ host: "nobody", limit: 10 }), []);
});

test("a flood of one host pushes out its own lines and no other's", () => {
  const kernel = table();
  kernel.write([line(1, { host: "ethos" })]);
  kernel.write(Array.from({ length: 12_500 }, (_, at) => line(at + 2)));
  while (kernel.drop(-Infinity) > 0);
  assert.equal(kernel.lines({ host: "ethos", limit: 10 }).length, 1);
  assert.equal(kernel.lines({ host: "logos", limit: 5_000 })[0]?.id, 12_501 - 5_000 + 1);
  assert.equal(kernel.lines({ host: "logos", toMs: 2_502_000, limit: 10 }).length, 0, "10,000 are left");
  assert.equal(kernel.lines({ host: "logos", toMs: 2_503_000, limit: 10 }).length, 1);
  while (kernel.drop(12_500_000) > 0);
  assert.deepEqual(kernel.lines({ host: "logos", limit: 10 }).map(({ id }) => id), [12_500, 12_501], "what is old goes");
});

test("through the history's thread, over a restart, and in one that has no such table yet", async () => {
  const noise: string[] = [];
  const open = () => openHistory({ dataDir: folder, onProblem: (text) => noise.push(text) });
  const first = await open();
  first.kernel([line(1), line(2, { sign: "panic" })]);
  assert.deepEqual((await first.kernelLines({ host: "logos", limit: 10 })).map(({ id, sign }) => [id, sign]), [[1, null], [2, "panic"]], "an answer has what was just given");
  await first.close();
  const again = await open();
  assert.equal((await again.kernelLines({ host: "logos", limit: 10 })).length, 2);
  await again.close();
  const database = new DatabaseSync(join(folder, "history.sqlite"));
  database.exec("DROP TABLE kernel_line");
  database.close();
  const older = await open();
  assert.deepEqual(await older.kernelLines({ host: "logos", limit: 10 }), []);
  older.kernel([line(3)]);
  assert.equal((await older.kernelLines({ host: "logos", limit: 10 })).length, 1);
  await older.close();
  assert.deepEqual(noise, []);
});
