import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { networkRefusal, startNetwork } from "../../lab/netns.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import type { PowerDevice, SetOutcome } from "../power/power.ts";
import { magicPacket } from "../protocol/wake.ts";
import { sendWake, wakesOf, withWake } from "./wake.ts";
import type { PendingWakes } from "./wake.ts";

const WAKE = { mac: "00:1b:21:0a:0b:0c", host: "255.255.255.255", port: 9 };

async function listener(t: TestContext): Promise<{ readonly port: number; readonly next: () => Promise<Buffer> }> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  t.after(() => socket.close());
  await once(socket, "listening");
  return { port: socket.address().port, next: async () => ((await once(socket, "message", { signal: AbortSignal.timeout(20_000) })) as [Buffer])[0] };
}

test("the packet is what wakeonlan sends, byte for byte", { skip: lacking("wakeonlan") }, async (t) => {
  thirdParty("wakeonlan", [programPath("wakeonlan") ?? "", "-v"]);
  const { port, next } = await listener(t);
  const theirs = next();
  const child = spawn(programPath("wakeonlan") ?? "", ["-i", "127.0.0.1", "-p", String(port), WAKE.mac], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const bytes = await theirs;
  assert.equal(bytes.length, 102);
  const ours = next();
  sendWake({ ...WAKE, host: "127.0.0.1", port }, (text) => assert.fail(text));
  assert.deepEqual(await ours, bytes);
  assert.deepEqual(Buffer.from(magicPacket(WAKE.mac)), bytes);
});

test("a packet to a broadcast address reaches every machine of the network", { skip: networkRefusal() ?? false }, async (t) => {
  const network = await startNetwork();
  t.after(() => network.stop());
  const [from, one, other] = [await network.node("watcher"), await network.node("one"), await network.node("other")];
  const listen = `const s=require("dgram").createSocket("udp4").bind(9,()=>process.stdout.write("ready\\n"));s.on("message",(b)=>{process.stdout.write(b.toString("hex")+"\\n");s.close()})`;
  const heard = [one, other].map((node) => {
    const child = node.spawn([process.execPath, "--eval", listen], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout?.on("data", (bytes: Buffer) => (text += bytes.toString()));
    return { text: () => text, child };
  });
  t.after(() => heard.forEach(({ child }) => child.kill("SIGKILL")));
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (const end = performance.now() + 30_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 20))) assert.ok(performance.now() < end, what);
  };
  await until("both listen", () => heard.every(({ text }) => text().includes("ready")));
  const broadcast = from.address.replace(/\.\d+\.\d+$/, ".255.255");
  const send = `import { sendWake } from ${JSON.stringify(new URL("./wake.ts", import.meta.url).href)}; sendWake({ mac: "${WAKE.mac}", host: "${broadcast}", port: 9 }, console.error);`;
  const child = from.spawn([process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", send], { stdio: ["ignore", "ignore", "inherit"] });
  await once(child, "exit");
  await until("both hear it", () => heard.every(({ text }) => text().includes(Buffer.from(magicPacket(WAKE.mac)).toString("hex"))));
});

type Rig = { readonly device: PowerDevice; readonly sent: string[]; readonly pending: PendingWakes; pass(ms: number): void };

function rig(outcome: SetOutcome, maxActMs = 30_000): Rig {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly go: () => void }>();
  const sent: string[] = [];
  const pending: PendingWakes = new Map();
  const device: PowerDevice = { open: async () => ({ read: async (outlets) => outlets.map((outlet) => ({ outlet, state: "on", label: null })), set: async () => outcome, close: async () => {} }) };
  const waking = {
    device: "sucker", pending, maxActMs,
    wakes: wakesOf("sucker", [{ levels: [[{ device: "sucker", outlet: "2" }, { device: "sucker2", outlet: "2" }]], wake: WAKE }, { levels: [[{ device: "sucker", outlet: "3" }]], wake: null }]),
    send: ({ mac }: typeof WAKE) => void sent.push(`${nowMs} ${mac}`),
    after: (ms: number, then: () => void) => {
      const timer = { atMs: nowMs + ms, go: then };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  return {
    device: withWake(device, waking), sent, pending,
    pass(ms) {
      nowMs += ms;
      for (const timer of [...timers]) if (timer.atMs <= nowMs && timers.delete(timer)) timer.go();
    },
  };
}

const ACCEPTED: SetOutcome = { kind: "accepted", evidence: "OK" };
const set = async ({ device }: Rig, outlet: string, action: "on" | "off"): Promise<SetOutcome> => (await device.open(AbortSignal.timeout(5_000))).set(outlet, action, async () => true, AbortSignal.timeout(5_000));

test("packets follow an on that was accepted, for the host on that outlet alone, and the evidence says so", async () => {
  const it = rig(ACCEPTED);
  assert.deepEqual(await set(it, "2", "on"), { kind: "accepted", evidence: "OK; wake-on-LAN to 00:1b:21:0a:0b:0c after 2 s, 5 s, 10 s" });
  assert.deepEqual(it.sent, []);
  for (let second = 0; second < 60; second++) it.pass(1_000);
  assert.deepEqual(it.sent, ["2000 00:1b:21:0a:0b:0c", "5000 00:1b:21:0a:0b:0c", "10000 00:1b:21:0a:0b:0c"]);
  for (const [outlet, action] of [["3", "on"], ["2", "off"]] as const) assert.deepEqual(await set(it, outlet, action), ACCEPTED);
  it.pass(60_000);
  assert.equal(it.sent.length, 3);
});

test("an on that is not known to have been accepted wakes nobody", async () => {
  for (const outcome of [{ kind: "unknown", evidence: "?" }, { kind: "refused", by: "gate", evidence: "no" }] as const) {
    const it = rig(outcome);
    assert.deepEqual(await set(it, "2", "on"), outcome);
    it.pass(60_000);
    assert.deepEqual(it.sent, []);
  }
});

test("an off ends what is still to go; nothing goes later than the action's own bound", async () => {
  const it = rig(ACCEPTED);
  await set(it, "2", "on");
  it.pass(3_000);
  await set(it, "2", "off");
  it.pass(60_000);
  assert.deepEqual(it.sent, ["3000 00:1b:21:0a:0b:0c"]);
  const short = rig(ACCEPTED, 4_000);
  await set(short, "2", "on");
  for (let second = 0; second < 60; second++) short.pass(1_000);
  assert.equal(short.sent.length, 1);
});

test("a device of which nobody is to be woken is the device itself", () => {
  const device = { open: () => Promise.reject(new Error("never")) } as PowerDevice;
  assert.equal(withWake(device, { device: "d", pending: new Map(), wakes: new Map(), maxActMs: 1, send: () => {}, after: () => () => {} }), device);
});
