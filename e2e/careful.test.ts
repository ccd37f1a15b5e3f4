// Careful shutdown with the real agent: power nodes and a reference in network namespaces, NUT with its own upsmon, a disk that is
// full or read-only, a wall clock that is set back, and a kill -9 at every change of its record.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { must, run } from "../lab/child.ts";
import { networkRefusal, startNetwork } from "../lab/netns.ts";
import type { Network } from "../lab/netns.ts";
import { nutMissing, startNut } from "../lab/nut.ts";
import { carefulHost, until } from "./careful-agent.ts";
import type { CarefulHost } from "./careful-agent.ts";

const skip = networkRefusal() ?? false;
const PACE = ["every: 1s", "wait: 4s", "steady: 1s", "stuck: 1h", "observe: never"];
let network: Network;

before(async () => {
  if (skip !== false) return;
  network = await startNetwork();
  await network.node("reference", { pingSockets: true });
});
after(() => {
  if (skip === false) network.stop();
});

/** A host with a power node of its own, so that each can be cut by itself. */
async function hostWithPower(name: string, options: Parameters<typeof carefulHost>[3] = {}, pace: readonly string[] = PACE): Promise<{ host: CarefulHost; cut(): Promise<() => Promise<void>> }> {
  const [node, power, reference] = await Promise.all([network.node(name, { pingSockets: true }), network.node(`${name}-power`), network.node("reference")]);
  const host = carefulHost(node, name, [`signal: { powerNodes: { nodes: [${power.address}], references: [${reference.address}] } }`, ...pace], options);
  return { host, cut: () => network.faults.pullCable(`${name}-power`) };
}

const good = (host: CarefulHost): Promise<void> => until(() => host.log().includes("power good: 1 of 1 power nodes answer"), "a first good look", host);
const DOWN = ["web stops", "web stopped", "db stops", "db stopped", "off"];

test("the power node dies: pre-fail, the stages in order, off within the bound; its switch dies: nothing; flicker: nothing", { skip }, async (t) => {
  const { host, cut } = await hostWithPower("plain");
  host.start();
  try {
    await good(host);
    // The host's own switch: neither the node nor the reference answers.
    const back = await network.faults.pullCable("plain");
    await until(() => host.log().includes("the network, not the power"), "a dead switch is seen", host);
    await pause(6_000);
    assert.equal(host.state(), "");
    await back();
    await until(() => host.log().split("power good: 1 of 1").length > 2, "good again", host);

    for (let times = 1; times <= 3; times += 1) {
      const mend = await cut();
      await until(() => host.log().split("looking again for").length > times, "pre-fail", host);
      await mend();
      await until(() => host.log().split("over before anything was done").length > times, "over", host);
    }
    assert.deepEqual(host.did(), []);

    const cutAtMs = Date.now();
    await cut();
    await until(() => host.did().includes("off"), "off", host);
    assert.deepEqual(host.did(), DOWN);
    // every + wait and its scatter + two looks of four probes each (1 s); the rest is this machine's.
    const tookMs = host.when("web stops") - cutAtMs;
    t.diagnostic(`power node's death to the first stage: ${tookMs} ms (configured: 1 s + 4 s to 4.8 s, and looks of up to 2 s)`);
    assert.ok(tookMs >= 4_000, `${tookMs}`);
  } finally {
    await host.remove();
  }
});

/** Kills the agent at the n-th change of its record, and starts it again. */
async function killAt(host: CarefulHost, change: number): Promise<boolean> {
  let seen = 0;
  let last = host.state();
  await until(() => {
    const state = host.state();
    if (state !== last && state !== "") {
      seen += 1;
      last = state;
    }
    return seen >= change || host.did().includes("off") || (seen > 3 && state.includes('"phase":"normal"'));
  }, `change ${change}`, host, 2);
  await host.kill();
  return seen >= change;
}

test("killed at every change of its record, it comes back and ends what it had begun", { skip }, async () => {
  const killed: number[] = [];
  const walk = async (change: number): Promise<void> => {
    const { host, cut } = await hostWithPower(`down-${change}`);
    host.start();
    try {
      await good(host);
      await cut();
      if (await killAt(host, change)) killed.push(change);
      if (!host.did().includes("off")) host.start();
      await until(() => host.did().includes("off"), `off after a kill at change ${change}`, host);
      const did = host.did();
      // A stage that was cut short is begun again; nothing else is done twice, and nothing out of its order.
      assert.deepEqual([...new Set(did)].toSorted((a, b) => did.lastIndexOf(a) - did.lastIndexOf(b)), DOWN, did.join(", "));
      assert.ok(did.filter((what) => what.endsWith(" stops")).length <= 3, did.join(", "));
    } finally {
      await host.remove();
    }
  };
  await Promise.all([1, 2, 3, 4, 5].map(walk));
  assert.ok(killed.length >= 4, `killed only at ${killed.join(", ")}`);
});

test("power back in the middle, and killed at every change on the way: all is started again, in reverse", { skip }, async () => {
  const walk = async (change: number): Promise<void> => {
    const { host, cut } = await hostWithPower(`back-${change}`, { dbSeconds: 6 });
    host.start();
    try {
      await good(host);
      const mend = await cut();
      await until(() => host.did().includes("db stops"), "the second stage", host);
      await mend();
      if (change > 0) {
        await killAt(host, change);
        host.start();
      }
      await until(() => host.state().includes('"phase":"normal"'), `normal after a kill at change ${change}`, host);
      const did = host.did();
      assert.ok(!did.includes("off"), did.join(", "));
      assert.ok(did.lastIndexOf("db started") > did.indexOf("db stops") && did.lastIndexOf("web started") > did.lastIndexOf("db started"), did.join(", "));
    } finally {
      await host.remove();
    }
  };
  await Promise.all([0, 1, 2, 3, 4].map(walk));
});

test("a wall clock that is set back a year while it waits, and while it is dead, changes nothing", { skip: skip !== false ? skip : existsSync("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1") ? false : "not installed: faketime" }, async () => {
  const { host, cut } = await hostWithPower("clock");
  const clock = join(host.folder, "clock");
  writeFileSync(clock, "+0\n");
  const env = { LD_PRELOAD: "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", DONT_FAKE_MONOTONIC: "1" };
  host.start(env);
  try {
    await good(host);
    await cut();
    await until(() => host.state().includes('"pre-fail"'), "pre-fail", host);
    writeFileSync(clock, "-31536000\n");
    await pause(1_000);
    await host.kill();
    host.start(env);
    await until(() => host.did().includes("off"), "off", host);
    assert.match(host.log(), new RegExp(`"at":"${new Date(Date.now() - 31_536_000_000).getUTCFullYear()}`), "the clock was not set back");
    assert.deepEqual(host.did(), DOWN);
  } finally {
    await host.remove();
  }
});

test("a state folder that is full or read-only, then and from the start: told, and the host goes off all the same", { skip }, async () => {
  const walk = async (kind: "full" | "read-only" | "full from the start", name: string): Promise<void> => {
    const { host, cut } = await hostWithPower(name);
    const disk = join(host.folder, "data", ...(kind === "full from the start" ? [] : ["careful"]));
    mkdirSync(disk, { recursive: true });
    await must(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8", "tmpfs", disk]);
    const fill = (): Promise<unknown> => run(["sh", "-c", `cat /dev/zero > ${disk}/fill; for i in 1 2 3 4 5 6 7 8; do : > ${disk}/$i; done`]);
    try {
      if (kind === "full from the start") await fill();
      host.start();
      await good(host);
      if (kind === "full") await fill();
      if (kind === "read-only") await must(["mount", "-o", "remount,ro", disk]);
      await cut();
      await until(() => host.did().includes("off"), `off with a disk that is ${kind}`, host);
      assert.deepEqual(host.did(), DOWN);
      assert.match(host.log(), kind === "read-only" ? /cannot be written.*EROFS/ : /cannot be written.*ENOSPC/);
      assert.equal(host.log().split("it goes on in memory").length, 2, "told once");
    } finally {
      await host.kill();
      await run(["umount", "-l", disk]);
      await host.remove();
    }
  };
  await Promise.all([walk("full", "disk-full"), walk("read-only", "disk-read-only"), walk("full from the start", "disk-none")]);
});

test("a dry run decides and tells, and neither runs nor writes anything", { skip }, async () => {
  const { host, cut } = await hostWithPower("dry", { argv: ["--dry-run"] });
  host.start();
  try {
    await good(host);
    await cut();
    await until(() => host.log().includes("would shut down"), "its decision", host);
    await pause(2_000);
    assert.deepEqual([host.did(), host.state()], [[], ""]);
    assert.match(host.log(), /would shut down \(run .*web.*, then power off\), and does not \(dry run\)/);
  } finally {
    await host.remove();
  }
});

test("where a real upsmon rules, the agent watches and tells; upsmon shuts down by itself", { skip: nutMissing }, async () => {
  const nut = await startNut();
  await nut.attach();
  const flag = join(nut.upsd.folder, "upsmon-has-shut-down");
  const settings = [`signal: { ups: [{ address: "127.0.0.1:${nut.port}", name: lab, timeout: 20s }] }`, "every: 1s", "wait: 4s", "steady: 1s"];
  const upsmon = await nut.monitor(`/bin/touch ${flag}`);
  const [watching, ruling] = [carefulHost(null, "watching", settings), carefulHost(null, "ruling", [...settings, "observe: never"])];
  try {
    watching.start();
    ruling.start();
    await until(() => watching.log().includes("power good") && ruling.log().includes("power good"), "good looks", watching);
    assert.match(watching.log(), /only watches and tells: upsmon \(process \d+\) shuts down here, by .*upsmon.conf/);
    await nut.set("ups.status", "OB LB");
    await until(() => existsSync(flag), "upsmon's own shutdown", watching);
    await until(() => watching.log().includes("would shut down"), "its decision", watching);
    await until(() => ruling.did().includes("off"), "who rules goes off at once: the battery is low", ruling);
    // upsmon ends when it has shut down: that does not make the agent rule, nor does a kill then.
    await until(() => upsmon.process.exitCode !== null, "upsmon's end", watching);
    await watching.kill();
    watching.start();
    await until(() => watching.log().includes("going on in shutdown"), "going on", watching);
    await until(() => watching.log().split("no time left").length > 2, "a look after that", watching);
    assert.deepEqual(watching.did(), []);
  } finally {
    await Promise.all([watching.remove(), ruling.remove()]);
    await upsmon.stop();
    await nut.stop();
  }
});
