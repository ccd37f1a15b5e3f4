// What is free below something that is still used stays with malloc until it is told.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { giveBackFreed } from "./freed-memory.ts";

const PIECES = 256;
const PIECE_BYTES = 65_536;
const LIMIT_MS = 60_000;

type Libc = { func(declaration: string): (...values: unknown[]) => unknown };

function ownKiB(): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
}

test("what was freed among what is used goes back to the kernel", { timeout: 2 * LIMIT_MS }, async () => {
  const libc = (createRequire(import.meta.url)("koffi") as { load(name: string): Libc }).load("libc.so.6");
  const [malloc, memset, free] = [libc.func("void *malloc(size_t)"), libc.func("void *memset(void *, int, size_t)"), libc.func("void free(void *)")];
  // Each smaller than what malloc takes from the kernel by itself (mallopt(3), M_MMAP_THRESHOLD); every other one stays in use.
  const pieces = Array.from({ length: 2 * PIECES }, () => malloc(PIECE_BYTES));
  for (const piece of pieces) memset(piece, 1, PIECE_BYTES);
  for (const [at, piece] of pieces.entries()) if (at % 2 === 0) free(piece);
  const keptKiB = ownKiB();
  giveBackFreed(1);
  const wantedKiB = keptKiB - (PIECES * PIECE_BYTES * 0.75) / 1_024;
  for (const endsMs = performance.now() + LIMIT_MS; ownKiB() > wantedKiB; await pause(20)) assert.ok(performance.now() < endsMs, `${ownKiB()} KiB of ${keptKiB} are still there, ${wantedKiB} were wanted`);
  for (const [at, piece] of pieces.entries()) if (at % 2 === 1) free(piece);
});
