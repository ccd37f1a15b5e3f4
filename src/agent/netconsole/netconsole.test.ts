import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { HostFinding } from "../../core/finding.ts";
import type { NetconsoleOptions } from "../../config/agent/netconsole.ts";
import type { PartWorld } from "../part.ts";
import { netconsoleAt } from "./netconsole.ts";
import { parseNeighbour, parseRoute, targetName, targetOf, writesFor } from "./plan.ts";

const root = mkdtempSync(join(tmpdir(), "upkeep-netconsole-"));
after(() => rmSync(root, { recursive: true, force: true }));
// The empty datagram that looks for a neighbour goes somewhere.
const receiver = createSocket("udp4").unref();
receiver.bind(0, "127.0.0.1");
await once(receiver, "listening");
const { port } = receiver.address();

const MAC = "52:54:00:12:34:56";

/** A kernel on this disk: a target's files come with its folder, and `enabled` is refused where the interface cannot be polled. */
class FakeKernel {
  readonly configfs: string;
  readonly printk: string;
  readonly #answers: Record<string, string>;
  readonly asked: string[] = [];
  readonly said: string[] = [];
  module = true;

  constructor(name: string, answers: Record<string, string> = {}) {
    this.configfs = join(root, name, "config");
    this.printk = join(root, name, "printk");
    mkdirSync(join(this.configfs, "netconsole"), { recursive: true });
    writeFileSync(this.printk, "4\t4\t1\t7\n");
    this.#answers = { "ip route get": "127.0.0.1 via 10.0.0.1 dev eth0 src 10.0.0.11 uid 0 \n    cache \n", "ip neigh show": `10.0.0.1 lladdr ${MAC} STALE\n`, ...answers };
  }

  makeTarget(path: string): void {
    mkdirSync(path);
    for (const [name, value] of Object.entries({ enabled: "0", extended: "0", dev_name: "eth0", local_port: "6665", remote_port: "6666", local_ip: "0.0.0.0", remote_ip: "0.0.0.0", remote_mac: "ff:ff:ff:ff:ff:ff" })) writeFileSync(join(path, name), `${value}\n`);
  }

  log(line: string): void {
    this.said.push(line);
  }

  removeTarget(path: string): void {
    assert.equal(readFileSync(join(path, "enabled"), "utf8").trim(), "0", "only a disabled target is removed");
    rmSync(path, { recursive: true });
  }

  async run(_guard: unknown, argv: readonly string[]) {
    const line = argv.join(" ");
    this.asked.push(line);
    if (argv[0] === "modprobe") {
      if (!this.module) return { end: { code: 1 }, stdout: "", whole: true, said: "FATAL: Module netconsole not found" };
      mkdirSync(join(this.configfs, "netconsole"), { recursive: true });
    }
    const answer = Object.entries(this.#answers).find(([begin]) => line.startsWith(begin))?.[1] ?? "";
    return { end: { code: 0 }, stdout: answer, whole: true, said: answer };
  }

  set(command: string, answer: string): void {
    this.#answers[command] = answer;
  }

  target(): Record<string, string> {
    const [name] = readdirSync(join(this.configfs, "netconsole"));
    assert.ok(name !== undefined, "there is no target");
    const folder = join(this.configfs, "netconsole", name);
    return Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8").trim()]));
  }
}

type Stage = { readonly world: PartWorld<NetconsoleOptions>; readonly findings: HostFinding[]; tick(): void; settled(): Promise<HostFinding> };

function stage(name: string, options: Partial<NetconsoleOptions> = {}, dryRun = false): Stage {
  const folder = join(root, name, "state");
  mkdirSync(folder, { recursive: true });
  const findings: HostFinding[] = [];
  let due: (() => void) | null = null;
  const none = (): never => {
    throw new Error("not asked for in this test");
  };
  return {
    findings,
    world: {
      options: { targets: [{ host: "127.0.0.1", port }], extended: true, loglevel: 7, ...options }, host: "logos", folder, dryRun, guard: () => [],
      now: () => ({ bootMs: 0, wallMs: 0, bootId: "b", synced: true }),
      at: (_ms, then) => {
        due = then;
        return () => (due = null);
      },
      say: () => undefined, report: (finding) => void findings.push(finding), forget: () => void (findings.length = 0), announce: none, onOrder: none, contacts: none, leases: { ask: none, onAnswer: none },
    },
    tick() {
      const then = due;
      due = null;
      then?.();
    },
    async settled() {
      while (due === null) await new Promise((resolve) => setTimeout(resolve, 5));
      const last = findings.at(-1);
      assert.ok(last !== undefined);
      return last;
    },
  };
}

test("a target for each watcher, with the gateway's hardware address, and the console's level raised", async () => {
  const kernel = new FakeKernel("whole");
  const { world, settled, tick } = stage("whole");
  const running = await netconsoleAt(kernel).start(world);
  assert.deepEqual(await settled(), { subject: "netconsole", verdict: "good", because: `the kernel tells 127.0.0.1:${port} by eth0, level 7`, mayCut: false });
  assert.deepEqual(kernel.target(), { enabled: "1", extended: "1", dev_name: "eth0", local_port: "6665", remote_port: String(port), local_ip: "10.0.0.11", remote_ip: "127.0.0.1", remote_mac: MAC });
  assert.equal(readFileSync(kernel.printk, "utf8"), "7");
  assert.deepEqual(kernel.said, [`<5>upkeep: this kernel tells 127.0.0.1 port ${port} by eth0\n`]);
  kernel.set("ip neigh show", "10.0.0.1 lladdr 52:54:00:99:99:99 REACHABLE\n");
  kernel.set("ip route get", "127.0.0.1 via 10.0.0.1 dev bond0 src 10.0.0.12 \n");
  tick();
  await settled();
  assert.deepEqual([kernel.target()["remote_mac"], kernel.target()["dev_name"], kernel.target()["local_ip"], kernel.target()["enabled"]], ["52:54:00:99:99:99", "bond0", "10.0.0.12", "1"], "another gateway, another way");
  await running.stop();
  assert.equal(kernel.target()["enabled"], "1", "the agent's end is not the end of what the kernel tells");
  writeFileSync(kernel.printk, "7\t4\t1\t7\n");
  await netconsoleAt(kernel).uninstall?.(world);
  assert.deepEqual(readdirSync(join(kernel.configfs, "netconsole")), []);
  assert.equal(readFileSync(kernel.printk, "utf8"), "4", "as it was");
});

test("an agent that was killed and starts again changes nothing that stands, and knows how it was before", async () => {
  const kernel = new FakeKernel("again");
  const { world, settled } = stage("again");
  await (await netconsoleAt(kernel).start(world), settled());
  writeFileSync(kernel.printk, "7\t4\t1\t7\n");
  const again = stage("again");
  await netconsoleAt(kernel).start(again.world);
  await again.settled();
  writeFileSync(kernel.printk, "7\t4\t1\t7\n");
  await netconsoleAt(kernel).uninstall?.(again.world);
  assert.equal(readFileSync(kernel.printk, "utf8"), "4");
});

test("targets of others are not ours, and one of a watcher that is not named any more goes", async () => {
  const kernel = new FakeKernel("others");
  kernel.makeTarget(join(kernel.configfs, "netconsole", "target1"));
  kernel.makeTarget(join(kernel.configfs, "netconsole", "upkeep-10.9.9.9-6666"));
  const { world, settled } = stage("others");
  await netconsoleAt(kernel).start(world);
  await settled();
  assert.deepEqual(readdirSync(join(kernel.configfs, "netconsole")), ["target1", targetName("127.0.0.1", port)]);
  await netconsoleAt(kernel).uninstall?.(world);
  assert.deepEqual(readdirSync(join(kernel.configfs, "netconsole")), ["target1"]);
});

test("no module, no way, no neighbour, this machine itself: a word that says what to do, and never more than a warning", async () => {
  const absent = new FakeKernel("absent");
  rmSync(join(absent.configfs, "netconsole"), { recursive: true });
  absent.module = false;
  const cases: readonly (readonly [FakeKernel, string, RegExp])[] = [
    [absent, "absent", /no module netconsole .*linux-modules-extra/],
    [new FakeKernel("no-way", { "ip route get": "RTNETLINK answers: Network is unreachable\n" }), "no-way", /no way to 127\.0\.0\.1 .*unreachable/],
    [new FakeKernel("no-mac", { "ip neigh show": "10.0.0.1  FAILED\n" }), "no-mac", /10\.0\.0\.1 on eth0 does not say its hardware address/],
    [new FakeKernel("self", { "ip route get": "local 127.0.0.1 dev lo src 127.0.0.1 uid 0 \n" }), "self", /is this machine itself/],
  ];
  for (const [kernel, name, because] of cases) {
    const { world, settled } = stage(name);
    const running = await netconsoleAt(kernel).start(world);
    const finding = await settled();
    assert.equal(finding.verdict, "warn", name);
    assert.match(finding.because, because);
    assert.equal(finding.mayCut, false);
    await running.stop();
  }
});

test("a dry run looks and changes nothing", async () => {
  const kernel = new FakeKernel("dry");
  const { world, settled } = stage("dry", {}, true);
  await netconsoleAt(kernel).start(world);
  assert.match((await settled()).because, /^would have the kernel tell/);
  assert.deepEqual(readdirSync(join(kernel.configfs, "netconsole")), []);
  assert.equal(readFileSync(kernel.printk, "utf8"), "4\t4\t1\t7\n");
  assert.ok(!kernel.asked.some((line) => line.startsWith("modprobe")));
  assert.ok(!existsSync(join(root, "dry/state/printk-before")));
});

test("ways as iproute2 and busybox say them", () => {
  assert.deepEqual(parseRoute("10.0.0.5 dev eth0 src 10.0.0.11 uid 0 \n    cache \n", "10.0.0.5"), { device: "eth0", source: "10.0.0.11", hop: "10.0.0.5" });
  assert.deepEqual(parseRoute("10.9.0.5 via 10.0.0.1 dev eth0 src 10.0.0.11 uid 0 \n    cache \n", "10.9.0.5"), { device: "eth0", source: "10.0.0.11", hop: "10.0.0.1" });
  assert.deepEqual(parseRoute("10.77.0.2 dev eth0  src 10.77.0.9 \n", "10.77.0.2"), { device: "eth0", source: "10.77.0.9", hop: "10.77.0.2" }, "busybox");
  assert.deepEqual(parseRoute("fd77::2 from :: dev eth0 proto kernel src fd77::9 metric 256 pref medium\n", "fd77::2"), { device: "eth0", source: "fd77::9", hop: "fd77::2" });
  assert.deepEqual(parseRoute("2001:db8::5 from :: via fe80::1 dev eth0 src 2001:db8::9 metric 1024\n", "2001:db8::5"), { device: "eth0", source: "2001:db8::9", hop: "fe80::1" });
  assert.equal(parseRoute("local 10.0.0.11 dev lo src 10.0.0.11 uid 0 \n", "10.0.0.11"), "local");
  for (const text of ["", "RTNETLINK answers: Network is unreachable", "unreachable 10.1.1.1 dev lo"]) assert.equal(parseRoute(text, "10.1.1.1"), null, text);
});

test("neighbours, and those that have failed", () => {
  assert.equal(parseNeighbour("10.0.0.1 dev eth0 lladdr 52:54:00:12:34:56 REACHABLE\n"), "52:54:00:12:34:56");
  assert.equal(parseNeighbour("10.0.0.1 lladdr 52:54:00:12:34:56 used 1/2/3 probes 4 STALE\n"), "52:54:00:12:34:56");
  for (const text of ["", "10.0.0.1 dev eth0  FAILED\n", "10.0.0.1 dev eth0  INCOMPLETE\n", "10.0.0.1 dev eth0 lladdr 52:54:00:12:34:56 FAILED\n"]) assert.equal(parseNeighbour(` ${text}`), null, text);
});

test("what stands is left alone; what differs is written while the target is disabled; what this kernel does not have is left out", () => {
  const wanted = targetOf({ device: "eth0", source: "10.0.0.11", hop: "10.0.0.1" }, MAC, { address: "10.9.0.5", port: 6_666 }, true);
  assert.deepEqual(writesFor(wanted, { ...wanted, enabled: "1" }), []);
  assert.deepEqual(writesFor(wanted, { ...wanted, remote_mac: MAC.toUpperCase(), enabled: "1" }), []);
  assert.deepEqual(writesFor(wanted, { ...wanted, enabled: "0" }), [["enabled", "1"]], "its interface was down");
  assert.deepEqual(writesFor(wanted, { ...wanted, remote_mac: "ff:ff:ff:ff:ff:ff", enabled: "1" }), [["enabled", "0"], ["remote_mac", MAC], ["enabled", "1"]]);
  const { extended: _, ...old } = wanted;
  assert.deepEqual(writesFor(wanted, { ...old, local_ip: "0.0.0.0", enabled: "0" }), [["local_ip", "10.0.0.11"], ["enabled", "1"]]);
});
