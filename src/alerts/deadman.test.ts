import assert from "node:assert/strict";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startDeadman } from "./deadman.ts";

type Rig = { readonly url: string; readonly calls: IncomingMessage[]; answer: (response: ServerResponse) => void; close(): Promise<void>; called(count: number): Promise<void> };

async function listen(): Promise<Rig> {
  const calls: IncomingMessage[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const server: Server = createServer((request, response) => {
    calls.push(request);
    rig.answer(response);
    for (const each of waiting) if (calls.length >= each.count) each.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const rig: Rig = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ping/s3cret-uuid?x=1`,
    calls,
    answer: (response) => void response.end("OK"),
    called: (count) => new Promise((resolve) => (calls.length >= count ? resolve() : waiting.push({ count, resolve }))),
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
  return rig;
}

/** Resolves when the next report comes. */
function reports(): { readonly all: string[]; readonly report: (text: string) => void; next(): Promise<string> } {
  const all: string[] = [];
  let wake: ((text: string) => void) | null = null;
  return {
    all,
    report: (text) => {
      all.push(text);
      wake?.(text);
      wake = null;
    },
    next: () => new Promise((resolve) => { wake = resolve; }),
  };
}

test("the URL is called with GET, at once and again, as long as the loop turns", async () => {
  const server = await listen();
  const heard = reports();
  const deadman = startDeadman({ url: server.url, everyMs: 10, lastTurnMs: () => 100, nowMs: () => 101, report: heard.report });
  try {
    await server.called(3);
    for (const { method, url } of server.calls) assert.deepEqual([method, url], ["GET", "/ping/s3cret-uuid?x=1"]);
    assert.deepEqual(heard.all, []);
  } finally {
    deadman.close();
    await server.close();
  }
});

test("a loop that does not turn is not vouched for, until it turns again", async () => {
  const server = await listen();
  const heard = reports();
  let turnedMs = 0;
  const stalled = heard.next();
  const deadman = startDeadman({ url: server.url, everyMs: 5, lastTurnMs: () => turnedMs, nowMs: () => 20_000, staleMs: 15_000, report: heard.report });
  try {
    assert.match(await stalled, /^no dead-man's ping to 127\.0\.0\.1:\d+: the decision loop has not turned for 20 s$/);
    // Many intervals pass, without a call and without another report.
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(server.calls.length, 0);
    assert.equal(heard.all.length, 1);
    turnedMs = 19_000;
    await server.called(1);
  } finally {
    deadman.close();
    await server.close();
  }
});

test("failures are reported once, without the URL's secret, and so is their end", async () => {
  const server = await listen();
  const heard = reports();
  server.answer = (response) => {
    response.statusCode = 503;
    response.end();
  };
  const failed = heard.next();
  const deadman = startDeadman({ url: server.url, everyMs: 5, lastTurnMs: () => 0, nowMs: () => 0, report: heard.report });
  try {
    assert.match(await failed, /^the dead-man's ping to 127\.0\.0\.1:\d+ fails: it answered 503$/);
    await server.called(4);
    assert.equal(heard.all.length, 1);
    const again = heard.next();
    server.answer = (response) => void response.end();
    assert.match(await again, /is answered again$/);
    assert.ok(!heard.all.some((text) => text.includes("s3cret")));
  } finally {
    deadman.close();
    await server.close();
  }
});

test("a server that says nothing, or cannot be reached, is a failure in bounded time; calls do not pile up", async () => {
  const server = await listen();
  const heard = reports();
  server.answer = () => undefined;
  const silent = heard.next();
  const deadman = startDeadman({ url: server.url, everyMs: 5, timeoutMs: 150, lastTurnMs: () => 0, nowMs: () => 0, report: heard.report });
  try {
    assert.match(await silent, /fails: no answer within 0\.15 s$/);
    assert.ok(server.calls.length <= 2, `${server.calls.length} calls at once`);
  } finally {
    deadman.close();
    await server.close();
  }
  const gone = heard.next();
  const other = startDeadman({ url: server.url, everyMs: 60_000, lastTurnMs: () => 0, nowMs: () => 0, report: heard.report });
  assert.match(await gone, /fails: ECONNREFUSED$/);
  other.close();
});

test("an endless answer is not read", async () => {
  const server = await listen();
  server.answer = (response) => {
    const pour = (): void => { if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(pour)); };
    pour();
  };
  const deadman = startDeadman({ url: server.url, everyMs: 5, timeoutMs: 5_000, lastTurnMs: () => 0, nowMs: () => 0, report: assert.fail });
  await server.called(3);
  deadman.close();
  await server.close();
});
