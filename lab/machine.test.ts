// Judged by foreign eyes only: iputils' ping, BIND's dig, and a plain socket, from another node of the same network.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { whichProgram } from "./child.ts";
import { freezerRoots } from "./freezer.ts";
import type { FreezerVersion } from "./freezer.ts";
import { labRefusal, startLab } from "./machine.ts";
import type { Lab, Machine } from "./machine.ts";
import { sweepLab } from "./netns.ts";
import type { LabNode } from "./netns.ts";
import { thirdParty } from "./third-party.ts";
import type { Wedge } from "./virtual-host.ts";

const missing = ["dig", "ping"].filter((program) => whichProgram(program) === null);
const skip = labRefusal() ?? (missing.length > 0 ? `not installed: ${missing.join(", ")}` : false);

/** What a stranger sees. banner: null when no connection came about, "" when it came and nothing was said. */
type Sight = { readonly ping: boolean; readonly banner: string | null; readonly dns: string };

/** Patience costs time only where it is disappointed: long for what has to come, short for what must not. */
const LONG_MS = 5_000;
const SHORT_MS = 250;

const SOCKET = `
  process.on("message", ({ address, connectMs, listenMs }) => {
    const socket = require("node:net").connect({ host: address, port: 22 });
    let banner = null;
    const tell = () => { clearTimeout(limit); socket.destroy(); process.send({ banner }); };
    let limit = setTimeout(tell, connectMs);
    socket.once("connect", () => { banner = ""; clearTimeout(limit); limit = setTimeout(tell, listenMs); });
    socket.once("data", (bytes) => { banner += bytes; tell(); });
    socket.on("error", () => undefined);
  });
  process.send("ready");`;

/** Somebody at a node who opens plain sockets. */
async function startSockets(node: LabNode): Promise<ChildProcess> {
  const sockets = node.spawn([process.execPath, "-e", SOCKET], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(sockets, "message");
  return sockets;
}

async function ping(from: LabNode, address: string, expected: boolean): Promise<boolean> {
  const patience = String((expected ? LONG_MS : SHORT_MS) / 1_000);
  return (await from.exec(["ping", "-n", "-q", "-c", "1", "-W", patience, address])).code === 0;
}

async function read(sockets: ChildProcess, address: string, expected: string | null): Promise<string | null> {
  const answer = once(sockets, "message");
  sockets.send({ address, connectMs: expected === null ? SHORT_MS : LONG_MS, listenMs: expected === "" ? SHORT_MS : LONG_MS });
  const [{ banner }] = await answer as [{ banner: string | null }];
  return banner === null ? null : banner.replace(/^(SSH-2\.0-OpenSSH)_\d.*\r\n$/, "$1");
}

async function ask(from: LabNode, host: Machine, address: string, expected: string): Promise<string> {
  const patience = String((expected === "silent" ? SHORT_MS : LONG_MS) / 1_000);
  const dig = await from.exec(["timeout", patience, "dig", `+time=${LONG_MS / 1_000}`, "+tries=1", `@${address}`, host.dnsName, "A"]);
  const status = /status: ([A-Z]+)/.exec(dig.stdout)?.[1] ?? "silent";
  return dig.stdout.includes(`IN\tA\t${host.address}`) ? `${status} with its address` : status;
}

const WELL: Sight = { ping: true, banner: "SSH-2.0-OpenSSH", dns: "NOERROR with its address" };
const GONE: Sight = { ping: false, banner: null, dns: "silent" };
const FROZEN: Sight = { ping: true, banner: "", dns: "silent" };
const SEEN: Readonly<Record<Wedge, Sight>> = {
  "frozen": FROZEN,
  "sshd-stopped": { ...WELL, banner: "" },
  "banner-silent": { ...WELL, banner: "" },
  "link-down": GONE,
  "dns-servfail": { ...WELL, dns: "SERVFAIL" },
};

async function assertSeen(from: LabNode, sockets: ChildProcess, host: Machine, expected: Sight, address = host.address): Promise<void> {
  const [pong, banner, dns] = await Promise.all([
    ping(from, address, expected.ping), read(sockets, address, expected.banner), ask(from, host, address, expected.dns),
  ]);
  assert.deepEqual({ ping: pong, banner, dns }, expected);
}

/** Namespaces, cgroups and mount points that carry this prefix. */
function namesLeft(prefix: string): string[] {
  const folders = ["/run/netns", "/run", ...freezerRoots()];
  return folders.flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : [])).filter((name) => name.startsWith(prefix));
}

describe("a virtual machine", { skip, timeout: 120_000 }, () => {
  let lab: Lab;
  let logos: Machine;
  let watcher: LabNode;
  let sockets: ChildProcess;
  const assertHost = (expected: Sight, address?: string): Promise<void> => assertSeen(watcher, sockets, logos, expected, address);

  before(async () => {
    thirdParty("dig (BIND)", ["dig", "-v"]);
    lab = await startLab();
    [logos, watcher] = await Promise.all([lab.machine("logos"), lab.node("watcher", { pingSockets: true })]);
    sockets = await startSockets(watcher);
  });
  after(() => lab?.stop());

  test("serves SSH and DNS, over both families", async () => {
    await assertHost(WELL);
    await assertHost(WELL, logos.address6);
  });

  test("is a machine of its own: name, processes, disk", async () => {
    assert.equal((await logos.exec(["hostname"])).stdout, "logos\n");
    await logos.exec(["sh", "-c", "echo private >/etc/upkeep-lab-marker"]);
    assert.equal((await logos.exec(["cat", "/etc/upkeep-lab-marker"])).stdout, "private\n");
    assert.equal(existsSync("/etc/upkeep-lab-marker"), false);
    assert.equal((await logos.exec(["ls", `/proc/${process.pid}`])).code, 2);
  });

  for (const [kind, expected] of Object.entries(SEEN) as [Wedge, Sight][]) {
    test(`wedged as ${kind} looks so, heals, and is cured by a power cycle`, async () => {
      await logos.wedge(kind);
      assert.equal(logos.wedged, kind);
      await assertHost(expected);
      await logos.heal();
      await assertHost(WELL);

      await logos.wedge(kind);
      await logos.powerOff();
      await logos.powerOn();
      await logos.serving();
      assert.equal(logos.wedged, null);
      await assertHost(WELL);
    });
  }

  test("sshd-stopped and banner-silent differ in who accepts", async () => {
    // A stopped listener leaves connections in the kernel's queue; a hung session has been accepted by it.
    const children = async (): Promise<number> => {
      await read(sockets, logos.address, "");
      const pid = (await logos.exec(["cat", "/run/lab/sshd.pid"])).stdout.trim();
      return (await logos.exec(["pgrep", "-P", pid])).stdout.split("\n").length - 1;
    };
    await logos.wedge("sshd-stopped");
    assert.equal(await children(), 0);
    await logos.wedge("banner-silent");
    assert.equal(await children(), 1);
    await logos.heal();
    await assertHost(WELL);
  });

  test("power off is silence and death, on keeps the disk; both may be repeated", async () => {
    const edges = logos.edges.length;
    const sleeper = logos.spawn(["sleep", "1000"], { stdio: "ignore" });
    const died = once(sleeper, "exit");
    await logos.exec(["sh", "-c", "echo kept >/root/disk"]);
    await Promise.all([logos.powerOff(), logos.powerOff()]);
    await died;
    assert.equal(logos.powered, false);
    await assertHost(GONE);
    assert.equal(await ping(watcher, logos.address6, false), false);
    await assert.rejects(logos.serving(), /logos is off/);
    await assert.rejects(logos.wedge("frozen"), /logos is off/);
    await logos.heal();

    await Promise.all([logos.powerOn(), logos.powerOn()]);
    await logos.serving();
    await assertHost(WELL);
    assert.equal((await logos.exec(["cat", "/root/disk"])).stdout, "kept\n");
    assert.deepEqual(logos.edges.slice(edges).map((edge) => edge.to), ["off", "on"]);
  });

  test("a cut kills without a word: the far end of an open connection hears nothing", async () => {
    const hold = `const s = require("node:net").connect(22, "${logos.address}");
      s.on("data", () => process.stdout.write("open\\n")); s.on("close", () => process.stdout.write("closed\\n"));`;
    const client = watcher.spawn([process.execPath, "-e", hold], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    client.stdout?.on("data", (bytes: Buffer) => { said += bytes.toString(); });
    while (!said.includes("open")) await sleep(10);
    await logos.powerOff();
    await sleep(200);
    assert.equal(said, "open\n");
    client.kill("SIGKILL");
    await logos.powerOn();
    await logos.serving();
  });

  test("boots after its delay, and can be switched off while it boots", async () => {
    const slow = await lab.machine("slow", { bootMs: 300 });
    await slow.powerOff();
    const poweredAtMs = performance.now();
    await slow.powerOn();
    assert.equal(await ping(watcher, slow.address, false), false);
    await slow.serving();
    assert.ok(performance.now() - poweredAtMs >= 300);
    await assertSeen(watcher, sockets, slow, WELL);
    // At any point of a boot: before it begins, while the network is made, while the first process starts.
    for (const delayMs of [0, 305, 330, 360]) {
      await slow.powerOff();
      await slow.powerOn();
      await sleep(delayMs);
      await slow.powerOff();
      assert.equal(slow.powered, false);
      assert.equal(await ping(watcher, slow.address, false), false, `silent when cut ${delayMs} ms after power-on`);
    }
    await slow.powerOn();
    await slow.serving();
    await assertSeen(watcher, sockets, slow, WELL);
    await slow.stop();
    assert.equal(await ping(watcher, slow.address, false), false);
  });

  test("faults between nodes: one way, both ways, one port, loss", async () => {
    const arrived = async (): Promise<number> => {
      const lines = (await logos.exec(["cat", "/proc/net/snmp"])).stdout.split("\n").filter((line) => line.startsWith("Icmp:"));
      const [names = [], values = []] = lines.map((line) => line.split(" "));
      return Number(values[names.indexOf("InEchos")]);
    };
    assert.equal(await ping(watcher, logos.address, true), true);
    const before = await arrived();
    const deaf = await lab.faults.cut("logos", "watcher");
    assert.equal(await ping(watcher, logos.address, false), false);
    assert.equal(await arrived(), before + 1, "the request arrives, the reply is lost");
    await deaf();
    const mute = await lab.faults.cut("watcher", "logos");
    assert.equal(await ping(watcher, logos.address, false), false);
    assert.equal(await arrived(), before + 1, "the request is lost");
    await mute();
    await mute();
    assert.equal(await ping(watcher, logos.address, true), true);

    await lab.node("pdu");
    await lab.faults.part("watcher", "logos");
    assert.equal(await ping(watcher, logos.address, false), false);
    assert.equal(await ping(await lab.node("pdu"), logos.address, true), true);
    await lab.faults.mendAll();

    const filtered = await lab.faults.dropPort("logos", 22);
    await assertHost({ ...WELL, banner: null });
    await filtered();

    await lab.faults.lose("watcher", "logos", 0.5);
    const burst = await watcher.exec(["ping", "-n", "-q", "-c", "200", "-i", "0.002", "-W", "0.3", logos.address]);
    const received = Number(/(\d+) received/.exec(burst.stdout)?.[1]);
    assert.ok(received > 50 && received < 150, `${received} of 200 came through a loss of one half`);
    await lab.faults.mendAll();
    await answersAgain();
    await assertHost(WELL);
    assert.throws(() => lab.faults.cut("watcher", "nobody"), /no node named nobody/);
  });

  // After a cut a neighbour that was given up is asked for again within seconds, not at once (RFC 4861, the kernel's ARP).
  const answersAgain = async (): Promise<void> => {
    for (let tries = 0; tries < 10; tries += 1) if (await ping(watcher, logos.address, true)) return;
  };

  test("a pulled cable outlasts a power cycle", async () => {
    const mend = await lab.faults.pullCable("logos");
    await logos.powerOff();
    await logos.powerOn();
    await logos.serving();
    assert.equal(await ping(watcher, logos.address, false), false);
    await mend();
    await answersAgain();
    await assertHost(WELL);
  });

  test("a program in a plain node: signals, IPC, ping sockets", async () => {
    const child = watcher.spawn([process.execPath, "-e", "process.send(process.pid); setInterval(() => {}, 1000)"],
      { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const [pid] = await once(child, "message");
    assert.equal(pid, child.pid);
    child.kill("SIGKILL");
    assert.deepEqual(await once(child, "exit"), [null, "SIGKILL"]);
    assert.equal((await watcher.exec(["cat", "/proc/sys/net/ipv4/ping_group_range"])).stdout, "0\t2147483647\n");
    await assert.rejects(watcher.exec(["sleep", "10"], { timeoutMs: 50 }), /still running after 50 ms/);
  });

  test("ten more come up together", async () => {
    const names = Array.from({ length: 10 }, (_, index) => `host${index}`);
    const startedMs = performance.now();
    const machines = await Promise.all(names.map((name) => lab.machine(name)));
    assert.ok(performance.now() - startedMs < 15_000);
    const pongs = await Promise.all(machines.map((machine) => ping(watcher, machine.address, true)));
    assert.deepEqual(pongs, machines.map(() => true));
  });
});

// A machine of today has one of the two; where both are mounted, both are tried.
const versions = (["v1", "v2"] satisfies FreezerVersion[]).filter((version) => skip !== false || freezerRoots(version).length > 0);
for (const freezer of versions) {
  test(`frozen machines can be cut, cycled and stopped: cgroup ${freezer}`, { skip, timeout: 60_000 }, async (t) => {
    const lab = await startLab({ freezer });
    t.after(() => lab.stop());
    const [logos, watcher] = await Promise.all([lab.machine("logos"), lab.node("watcher")]);
    const sockets = await startSockets(watcher);
    for (let cycle = 0; cycle < 2; cycle += 1) {
      await logos.freeze();
      await assertSeen(watcher, sockets, logos, FROZEN);
      await logos.powerOff();
      assert.equal(await ping(watcher, logos.address, false), false);
      await logos.powerOn();
      await logos.serving();
      await assertSeen(watcher, sockets, logos, WELL);
    }
    await logos.freeze();
    await logos.thaw();
    await assertSeen(watcher, sockets, logos, WELL);
    await logos.freeze();
    const { prefix } = splitNamespace(logos);
    assert.notDeepEqual(namesLeft(prefix), []);
    await lab.stop();
    await lab.stop();
    assert.deepEqual(namesLeft(prefix), []);
  });

  test(`nothing outlives a lab that is killed: cgroup ${freezer}`, { skip, timeout: 60_000 }, async () => {
    const program = `
      import { startLab } from ${JSON.stringify(new URL("machine.ts", import.meta.url).href)};
      const lab = await startLab({ freezer: "${freezer}" });
      const logos = await lab.machine("logos");
      const watcher = await lab.node("watcher");
      const sleeper = watcher.spawn(["sleep", "1000"], { stdio: "ignore" });
      await logos.freeze();
      process.stdout.write(JSON.stringify({ namespace: logos.namespace, name: logos.name, sleeper: sleeper.pid }) + "\\n");
      setInterval(() => undefined, 1000);`;
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      const [line] = await once(child.stdout, "data") as [Buffer];
      const told = JSON.parse(line.toString()) as { namespace: string; name: string; sleeper: number };
      const { prefix } = splitNamespace(told);
      child.kill(signal);
      assert.deepEqual(await exited, [null, signal]);
      if (signal === "SIGKILL") {
        assert.notDeepEqual(namesLeft(prefix), [], "names stay behind for the sweep");
        sweepLab();
      }
      assert.deepEqual(namesLeft(prefix), []);
      await assertGone(told.sleeper);
    }
  });
}

function splitNamespace(node: { readonly namespace: string; readonly name: string }): { readonly prefix: string } {
  return { prefix: node.namespace.slice(0, -node.name.length - 1) };
}

/** An orphan is dead at once but stays a zombie until the first process of this machine reaps it. */
async function assertGone(pid: number): Promise<void> {
  assert.equal(existsSync(`/proc/${pid}/exe`) && existsSync(`/proc/${pid}/ns/net`), false, `process ${pid} is still there`);
}
