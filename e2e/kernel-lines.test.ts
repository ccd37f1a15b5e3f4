// A real watcher hears kernels on loopback: what each host says is there by the command line, also after a restart; a flood in a
// host's name costs no round; a reload closes and opens the port.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { labEnv, must } from "../lab/child.ts";
import { until, Watching } from "./watching.ts";

const ROOT = join(import.meta.dirname, "..");
const EVERY_MS = 500;
const FLOOD_MS = 6_000;
const folder = mkdtempSync(join(tmpdir(), "upkeep-kernel-lines-"));
const config = join(folder, "upkeep.yaml");
let watching: Watching | null = null;
after(async () => {
  await watching?.kill();
  rmSync(folder, { recursive: true, force: true });
});

type Line = { readonly host: string; readonly text: string; readonly sign: string | null };

const write = (port: number, more = ""): void => writeFileSync(config, `data: data
api: { listen: null }
${port === 0 ? "" : `netconsole: { listen: "127.0.0.1:${port}" }`}
defaults: { every: ${EVERY_MS}ms, timeout: 400ms, probes: [{ tcp: { port: 9 } }] }
hosts: { logos: { address: 127.0.0.11 }, ethos: { address: 127.0.0.12 } }
${more}`);
const start = async (): Promise<void> => {
  watching = new Watching(spawn(join(ROOT, "bin/upkeep"), ["watch", "-c", config, "--log", "text"], { env: labEnv(), stdio: ["ignore", "pipe", "pipe"] }));
  await watching.ready();
};
const upkeep = (...args: readonly string[]): Promise<string> => must([join(ROOT, "bin/upkeep"), ...args, "-c", config], { timeoutMs: 60_000 });
const lines = async (host: string): Promise<readonly Line[]> => (await upkeep("kernel", host, "--json")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
const sender = async (address: string) => {
  const socket = createSocket("udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  return socket;
};

test("heard, kept over a restart, flooded, reloaded", async (t) => {
  const free = await sender("127.0.0.1");
  const { port } = free.address();
  free.close();
  write(port);
  await start();
  const [logos, ethos] = [await sender("127.0.0.11"), await sender("127.0.0.12")];
  const say = (socket: typeof logos, text: string): Promise<void> => new Promise((resolve) => socket.send(text, port, "127.0.0.1", () => resolve()));
  await until("a line is heard", async () => {
    await say(logos, "[   12.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n");
    return (await lines("logos")).length > 0;
  }, 60_000, 200);
  await say(ethos, "6,1,1000,-;hello\n");
  await until("the other's, too", async () => (await lines("ethos")).some(({ text }) => text === "hello"), 60_000, 200);
  assert.equal((await lines("logos"))[0]?.sign, "panic");
  assert.match(await upkeep("kernel", "logos"), /\[ {3}12\.346\] +Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009 +← panic/);
  assert.match(await upkeep("events", "--host", "logos"), /kernel +logos: its kernel panicked: Attempted to kill init!/);

  // As fast as one process can, in the name of a host.
  const stalled = async (): Promise<number> => Number(/^upkeep_loop_stalled_seconds_total (\S+)$/m.exec(await must(["curl", "-sS", "--unix-socket", join(folder, "data/upkeep.sock"), "http://upkeep/metrics"], { timeoutMs: 60_000 }))?.[1]);
  const rounds = async (): Promise<number> => (await upkeep("history", "ethos", "--json", "--step", "raw", "--since", "10m")).split("\n").filter((line) => line !== "").length;
  const [stalledBefore, roundsBefore] = [await stalled(), await rounds()];
  let sent = 0;
  const beganMs = performance.now();
  while (performance.now() - beganMs < FLOOD_MS) {
    await Promise.all(Array.from({ length: 200 }, (_, at) => say(logos, `0,${sent + at},1,-;Kernel panic - not syncing: flood\n`)));
    sent += 200;
  }
  const tookMs = performance.now() - beganMs;
  const made = (await rounds()) - roundsBefore;
  t.diagnostic(`${Math.round(sent / (tookMs / 1_000))} datagrams a second for ${Math.round(tookMs)} ms: ${made} rounds of the other host (one every ${EVERY_MS} ms), the loop stalled for ${Math.round(1_000 * ((await stalled()) - stalledBefore))} ms in all`);
  assert.ok(made >= tookMs / EVERY_MS / 2, `${made} rounds in ${tookMs} ms`);
  await say(ethos, "6,2,2000,-;after the flood\n");
  await until("who is quiet is heard", async () => {
    await say(ethos, "6,2,2000,-;after the flood\n");
    return (await lines("ethos")).some(({ text }) => text === "after the flood");
  }, 60_000, 200);
  assert.ok((await upkeep("events", "--host", "logos", "--json")).split("\n").filter((line) => line.includes('"kind":"kernel"')).length < 12, "the journal is not flooded");

  // Killed and started again: what was written is there.
  await watching?.kill();
  await start();
  assert.ok((await lines("ethos")).some(({ text }) => text === "hello"));

  write(0);
  watching?.child.kill("SIGHUP");
  await until("it is read again", () => watching?.stderr.includes("configuration read again"), 60_000, 100);
  await sleep(300);
  await say(ethos, "6,3,3000,-;nobody hears this\n");
  write(port, "brakes: { startup: 1s }\n");
  watching?.child.kill("SIGHUP");
  await until("the port is open again", async () => {
    await say(ethos, "6,4,4000,-;heard again\n");
    return (await lines("ethos")).some(({ text }) => text === "heard again");
  }, 60_000, 200);
  assert.ok(!(await lines("ethos")).some(({ text }) => text === "nobody hears this"));
  for (const socket of [logos, ethos]) socket.close();
});
