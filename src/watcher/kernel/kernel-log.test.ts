import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { after, test } from "node:test";
import { UpkeepError } from "../../core/errors.ts";
import type { KernelWord } from "../../core/kernel-words.ts";
import type { KernelRow } from "../../journal/kernel-table.ts";
import { KernelLog } from "./kernel-log.ts";
import { Measure } from "./measure.ts";
import { plainAddress } from "./plain-address.ts";

const LIMIT_MS = 30_000;

/** Who sends from an address of loopback of his own. */
async function sender(address: string): Promise<{ send(text: string): Promise<void>; close(): void }> {
  const socket: Socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  return { send: (text) => new Promise((resolve, reject) => socket.send(text, port, address.includes(":") ? "::1" : "127.0.0.1", (error) => (error === null ? resolve() : reject(error)))), close: () => socket.close() };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const written: KernelRow[] = [];
const words: { host: string; word: KernelWord }[] = [];
const told: string[] = [];
let broken = false;
let addresses: readonly { readonly host: string; readonly address: string }[] = [
  { host: "logos", address: "127.0.0.11" }, { host: "ethos", address: "127.0.0.12" }, { host: "one", address: "127.0.0.13" }, { host: "other", address: "127.0.0.13" }, { host: "six", address: "0:0::1" },
];
const log = new KernelLog({
  listen: { host: "::", port: 0 }, senders: () => addresses,
  onWord: (host, word) => void words.push({ host, word }),
  history: {
    kernel: (lines) => void (broken ? undefined : written.push(...lines)),
    kernelLines: async ({ host, limit }) => {
      if (broken) throw new UpkeepError("HISTORY_IO", "the history is broken");
      return written.filter((line) => line.host === host).slice(-limit);
    },
  },
  say: (_level, text) => void told.push(text),
});
// The thread keeps no process alive by itself.
const alive = setInterval(() => undefined, 1_000);
const port = await log.port;
after(async () => {
  clearInterval(alive);
  await log.close();
});
const of = async (host: string): Promise<readonly string[]> => (await log.lines({ host, limit: 5_000 })).map(({ text }) => text);

test("lines come to the host whose address they come from, by IPv4 and IPv6, and what is recognised is told at once", async () => {
  const [logos, ethos, six] = [await sender("127.0.0.11"), await sender("127.0.0.12"), await sender("::1")];
  const follower: string[] = [];
  const stop = log.follow("logos", (line) => void follower.push(line.text));
  await logos.send("0,1305,93841730,-;Kernel panic - not syncing: sysrq triggered crash\n");
  await ethos.send("[    3.141592] hello from ethos\n");
  await six.send("6,1,1,-;hello by IPv6\n");
  await until("three lines", () => written.length === 3);
  assert.deepEqual([await of("logos"), await of("ethos"), await of("six")], [["Kernel panic - not syncing: sysrq triggered crash"], ["hello from ethos"], ["hello by IPv6"]]);
  assert.deepEqual(words, [{ host: "logos", word: { sign: "panic", reason: "sysrq triggered crash", rebootsInMs: null } }]);
  assert.deepEqual(follower, ["Kernel panic - not syncing: sysrq triggered crash"]);
  assert.equal((await log.lines({ host: "logos", limit: 1 }))[0]?.sign, "panic");
  stop();
  for (const each of [logos, ethos, six]) each.close();
});

test("a stranger is dropped and counted, and so is an address of two hosts: nobody can tell whose word that is", async () => {
  const [stranger, shared] = [await sender("127.0.0.99"), await sender("127.0.0.13")];
  const before = words.length;
  for (const each of [stranger, shared]) await each.send("0,1,1,-;Kernel panic - not syncing: not mine\n");
  await until("both are counted", () => log.figures.dropped.strangers === 1 && log.figures.dropped.shared === 1);
  assert.equal(words.length, before);
  assert.ok(told.some((text) => text.includes("127.0.0.99")), told.join("; "));
  assert.deepEqual([await of("one"), await of("other")], [[], []]);
  for (const each of [stranger, shared]) each.close();
});

test("a host that gets another address is heard from there", async () => {
  const moved = await sender("127.0.0.21");
  addresses = [...addresses, { host: "logos", address: "127.0.0.21" }];
  await until("the thread knows", async () => {
    await moved.send("6,1,1,-;moved\n");
    return (await of("logos")).includes("moved");
  });
  moved.close();
});

test("a line that never ends is shown all the same", async () => {
  const ethos = await sender("127.0.0.12");
  await ethos.send("[    9.000000] no newline follows this");
  await until("it is there", async () => (await of("ethos")).includes("no newline follows this"));
  ethos.close();
});

test("a flood: the watcher's thread goes on, one host's measure is its own, and a word is told so often and no more", async () => {
  const [logos, ethos] = [await sender("127.0.0.11"), await sender("127.0.0.12")];
  const before = { lines: (await of("logos")).length, words: words.length };
  let worstMs = 0;
  let lastMs = performance.now();
  const beat = setInterval(() => {
    worstMs = Math.max(worstMs, performance.now() - lastMs - 10);
    lastMs = performance.now();
  }, 10);
  for (let burst = 0; burst < 100; burst += 1) {
    await Promise.all(Array.from({ length: 100 }, (_, at) => logos.send(`0,${burst * 100 + at},1,-;Kernel panic - not syncing: flood ${burst * 100 + at}\n`)));
  }
  await until("it is measured", () => log.figures.dropped.lines > 0 && log.figures.dropped.words > 0);
  await until("who is quiet is heard", async () => {
    await ethos.send("6,1,1,-;in the middle of it\n");
    return (await of("ethos")).includes("in the middle of it");
  });
  clearInterval(beat);
  assert.ok(written.filter(({ host }) => host === "logos").length - before.lines <= 2_300, "a panic with all its stacks, and then ten a second");
  assert.ok(words.length - before.words <= 4, `${words.length - before.words} words`);
  assert.ok(worstMs < 2_000, `the loop stood still for ${worstMs} ms`);
  for (const each of [logos, ethos]) each.close();
});

test("while the history is broken the last lines are there", async () => {
  const ethos = await sender("127.0.0.12");
  broken = true;
  await ethos.send("6,1,1,-;nobody writes this down\n");
  await until("it is kept in memory", async () => (await of("ethos")).includes("nobody writes this down"));
  broken = false;
  assert.deepEqual((await of("ethos")).slice(-2), ["in the middle of it", "nobody writes this down"], "in order, with what was written before");
  ethos.close();
});

test("another place to hear, none, and the first again", async () => {
  const figures = log.figures;
  log.reload(null);
  log.reload({ host: "127.0.0.1", port });
  await until("it is open again", () => told.some((text) => text.includes(`127.0.0.1:${port}`)));
  const logos = await sender("127.0.0.12");
  await logos.send("6,1,1,-;after the reload\n");
  await until("it is heard", async () => (await of("ethos")).includes("after the reload"));
  assert.ok(log.figures.datagrams > figures.datagrams, "counters go on");
  logos.close();
});

test("a port that is taken is told, and the watcher goes on", async () => {
  const said: string[] = [];
  const second = new KernelLog({ listen: { host: "127.0.0.1", port }, senders: () => [], onWord: () => undefined, history: { kernel: () => undefined, kernelLines: async () => [] }, say: (_level, text) => void said.push(text) });
  await until("it says so", () => said.some((text) => text.includes("EADDRINUSE")));
  await second.close();
});

test("one spelling for each address", () => {
  for (const [written_, plain] of [["::ffff:10.0.0.11", "10.0.0.11"], ["FD77:0:0::0001", "fd77::1"], ["fe80::1%eth0", "fe80::1"], ["10.0.0.11", "10.0.0.11"], ["0:0:0:0:0:0:0:1", "::1"]] as const) assert.equal(plainAddress(written_), plain);
});

test("a measure allows so many at once and then so many a second", () => {
  const measure = new Measure({ most: 3, perSecond: 2 }, 0);
  assert.deepEqual([0, 0, 0, 0, 499, 500, 501, 1_000, 100_000, 100_000, 100_000, 100_000].map((nowMs) => measure.take(nowMs)), [true, true, true, false, false, true, false, true, true, true, true, false]);
  assert.equal(measure.take(50_000), false, "a clock that went back gives nothing");
});
