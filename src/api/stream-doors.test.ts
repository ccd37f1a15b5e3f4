// The stream over real sockets, and those who would misuse it: hundreds at once, readers that never read, that come and go,
// that slept for a day.

import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import http from "node:http";
import { test } from "node:test";
import type { Door } from "./doors-for-tests.ts";
import { ask, opened } from "./doors-for-tests.ts";
import { STREAMS_MAX } from "./stream.ts";
import { reading } from "./stream-for-tests.ts";
import { openWorld, until } from "./world-for-tests.ts";

type Streaming = ReturnType<typeof reading> & { readonly response: IncomingMessage; readonly closed: () => boolean; close(): void };

/** Asks for the stream; a refusal comes as its status. `asleep`: reads nothing, as a browser that was put to sleep. */
function stream(door: Door, asleep = false): Promise<Streaming | number> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...door, path: "/v1/stream", agent: false }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        return resolve(response.statusCode ?? 0);
      }
      const held = reading();
      let closed = false;
      response.on("error", () => {}).on("close", () => (closed = true));
      if (asleep) response.socket.pause();
      else response.setEncoding("utf8").on("data", (text: string) => held.take(text));
      resolve({ ...held, response, closed: () => closed, close: () => void response.destroy() });
    });
    request.on("error", reject);
    request.end();
  });
}

const open = async (door: Door, asleep = false): Promise<Streaming> => {
  const given = await stream(door, asleep);
  assert.ok(typeof given !== "number", `refused with ${String(given)}`);
  return given;
};

test("both doors stream the same, as server-sent events that nobody keeps", async () => {
  const all = await opened();
  try {
    await until("all guarded", async () => ((await ask(all.control, "GET", "/v1/status")).json as { guarded: string }).guarded === "3 of 3");
    const [one, two] = await Promise.all([open(all.tcp), open(all.control)]);
    assert.equal(one.response.headers["content-type"], "text/event-stream; charset=utf-8");
    assert.equal(one.response.headers["cache-control"], "no-store");
    await until("snapshots", () => one.count("snapshot") === 1 && two.count("snapshot") === 1);
    all.world.wedged.add("pathos");
    await until("both see it down", () => one.host("pathos").verdict === "down" && two.host("pathos").verdict === "down");
    await until("and why", () => one.held().lines.some(({ kind, host }) => kind === "down" && host === "pathos"));
    assert.equal((await ask(all.tcp, "HEAD", "/v1/stream")).status, 200);
    one.close();
    two.close();
  } finally {
    await all.close();
  }
});

test("five hundred at once: so many stream, the others are told, the rest is answered meanwhile, and it ends with them", async () => {
  const all = await opened();
  try {
    await until("all guarded", async () => ((await ask(all.control, "GET", "/v1/status")).json as { guarded: string }).guarded === "3 of 3");
    const readers: Streaming[] = [];
    let refused = 0;
    let dropped = 0;
    for (let each = 0; each < 500; each += 50) {
      const given = await Promise.all(Array.from({ length: 50 }, () => stream(all.tcp).catch(() => null)));
      for (const one of given) {
        if (one === null) dropped += 1;
        else if (typeof one !== "number") readers.push(one);
        else {
          assert.equal(one, 503);
          refused += 1;
        }
      }
    }
    assert.equal(readers.length, STREAMS_MAX);
    assert.equal(refused + dropped, 500 - STREAMS_MAX);
    assert.ok(refused > 0 && dropped === 0, `${refused} were told, ${dropped} were not`);
    const told = await ask(all.tcp, "GET", "/v1/stream");
    assert.match(told.text, /others read the stream already/);
    assert.equal(told.headers["retry-after"], "10");
    assert.equal((await ask(all.control, "GET", "/v1/status")).status, 200);
    assert.match((await ask(all.control, "GET", "/metrics")).text, new RegExp(`^upkeep_api_streams ${STREAMS_MAX}$`, "m"));
    all.world.wedged.add("logos");
    await until("every one of them sees it", () => readers.every((reader) => reader.count("snapshot") > 0 && reader.host("logos").verdict !== "up"), 60_000);
    for (const reader of readers) reader.close();
    await until("nobody is left", async () => /^upkeep_api_streams 0$/m.test((await ask(all.control, "GET", "/metrics")).text));
    (await open(all.tcp)).close();
  } finally {
    await all.close();
  }
});

test("who sleeps for a day is cut off, holds up nobody, and gets a snapshot when he asks again", async () => {
  let aheadMs = 0;
  const world = openWorld({ hosts: Array.from({ length: 2_000 }, (_, index) => `host-${index}`), everyMs: 60_000 });
  const now = () => {
    const it = world.sources.now();
    return { ...it, bootMs: it.bootMs + aheadMs, wallMs: it.wallMs + aheadMs };
  };
  const all = await opened({ world, sources: { ...world.sources, now } });
  try {
    await until("started", () => world.watcher.state.started);
    const asleep = await Promise.all(Array.from({ length: 5 }, () => open(all.tcp, true)));
    const awake = await open(all.tcp);
    await until("the one who is awake has the snapshot", () => awake.count("snapshot") === 1, 60_000);
    // Much happens while they sleep: more than the kernel keeps for them.
    for (let each = 2; each <= 6; each += 1) {
      world.watcher.reload({ ...world.watcher.policy });
      await until("the one who is awake has it all", () => awake.count("snapshot") === each, 60_000);
    }
    aheadMs = 86_400_000;
    await until("the sleepers are cut off", async () => /^upkeep_api_streams 1$/m.test((await ask(all.control, "GET", "/metrics")).text), 60_000);
    assert.equal(awake.closed(), false);
    const again = await open(all.tcp);
    await until("a snapshot", () => again.count("snapshot") === 1, 60_000);
    assert.equal(again.held().status.hosts.length, 2_000);
    for (const each of [...asleep, awake, again]) each.close();
  } finally {
    await all.close();
  }
});

test("who comes and goes two hundred times leaves nothing behind", async () => {
  const all = await opened();
  try {
    await until("started", () => all.world.watcher.state.started);
    for (let each = 0; each < 10; each += 1) {
      const some = await Promise.all(Array.from({ length: 20 }, () => open(all.tcp)));
      for (const one of some) one.close();
    }
    await until("nobody is left, and nobody follows", async () => {
      const { text } = await ask(all.control, "GET", "/metrics");
      return /^upkeep_api_streams 0$/m.test(text) && /^upkeep_api_followers 0$/m.test(text);
    });
    assert.deepEqual(all.troubles, []);
  } finally {
    await all.close();
  }
});
