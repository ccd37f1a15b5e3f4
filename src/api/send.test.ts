// Each kind of reply on a real socket: what is sent, in which pace, and what becomes of a reader that does not read.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { ask, follow } from "./doors-for-tests.ts";
import type { Reply } from "./route.ts";
import { send } from "./send.ts";
import { until } from "./world-for-tests.ts";

/** A server that answers everything with one reply. */
async function serving(make: () => Reply): Promise<{ door: { host: string; port: number }; close(): Promise<void> }> {
  const server = createServer((request, response) => void send(request, response, make()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { door: { host: "127.0.0.1", port: (server.address() as AddressInfo).port }, close: () => new Promise((resolve) => {
    server.closeAllConnections();
    server.close(() => resolve());
  }) };
}

test("a file: the encoding that was asked for, its own tag, nothing when it is known, and a policy without exceptions", async () => {
  const bytes = Buffer.from("body { color: red }");
  const { door, close } = await serving(() => ({ kind: "file", type: "text/css; charset=utf-8", etag: "abc", forever: true, bytes, gzip: gzipSync(bytes), brotli: brotliCompressSync(bytes) }));
  try {
    const encodings: readonly (readonly [string | null, string | undefined])[] = [[null, undefined], ["gzip", "gzip"], ["gzip, deflate, br", "br"], ["br;q=0, gzip;q=0.5", "gzip"], ["identity", undefined], ["gzip;q=0", undefined]];
    for (const [accept, encoding] of encodings) {
      const got = await ask(door, "GET", "/", accept === null ? {} : { headers: { "accept-encoding": accept } });
      assert.deepEqual([got.status, got.headers["content-encoding"], got.headers.etag, got.headers.vary], [200, encoding, `"abc${encoding === undefined ? "" : `-${encoding}`}"`, "accept-encoding"], String(accept));
      const known = await ask(door, "GET", "/", { headers: { "if-none-match": `"other", W/${got.headers.etag}`, ...(accept === null ? {} : { "accept-encoding": accept }) } });
      assert.deepEqual([known.status, known.text], [304, ""]);
    }
    const plain = await ask(door, "GET", "/");
    assert.equal(plain.text, bytes.toString());
    assert.match(plain.headers["cache-control"] ?? "", /immutable/);
    const policy = String(plain.headers["content-security-policy"]);
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
    assert.equal((await ask(door, "HEAD", "/")).text, "");
  } finally {
    await close();
  }
});

test("a stream: what is there, what comes, a stop however the reader leaves, and nothing begun for HEAD", async () => {
  let started = 0;
  let stopped = 0;
  let write: (text: string | Buffer) => void = () => {};
  const { door, close } = await serving(() => ({ kind: "stream", type: "application/x-ndjson", first: "1\n", heartbeat: null, start: (write_) => {
    started += 1;
    write = write_;
    return () => (stopped += 1);
  } }));
  try {
    assert.deepEqual([(await ask(door, "HEAD", "/")).text, started, stopped], ["", 1, 1]);
    const reader = await follow(door, "/");
    write(Buffer.from("2\n"));
    write("3\n");
    await until("all three", () => reader.lines.length === 3);
    assert.deepEqual(reader.lines, [1, 2, 3]);
    reader.close();
    await until("the stop", () => stopped === 2);
    write("4\n");
  } finally {
    await close();
  }
});

test("a reader that is slow may be behind by what it was sent at once, and no further", async () => {
  let stopped = 0;
  let write: (text: string | Buffer) => void = () => {};
  const first = Buffer.alloc(12_000_000, "x");
  const { door, close } = await serving(() => ({ kind: "stream", type: "text/plain", first, heartbeat: null, start: (write_) => {
    write = write_;
    return () => (stopped += 1);
  } }));
  try {
    const lazy = await follow(door, "/");
    const toLazy = write;
    lazy.response.pause();
    for (let n = 0; n < 10; n += 1) toLazy("y".repeat(100_000));
    assert.equal((await ask(door, "HEAD", "/")).status, 200);
    assert.equal(stopped, 1, "by HEAD alone: a large snapshot on a slow line is no offence");
    await until("it is cut off", () => {
      for (let n = 0; n < 20; n += 1) toLazy("y".repeat(100_000));
      return stopped === 2;
    });
    toLazy("into nothing");
    lazy.response.resume();
    await lazy.ended;
  } finally {
    await close();
  }
});
