// Power that is not one outlet of one PDU: two supplies on two PDUs that are cut together, levels where the first cannot be
// reached or does not help, and any program that switches something.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { ApcPdu } from "../lab/apc-pdu.ts";
import { setFaults } from "../lab/apc-pdu.ts";
import { labRefusal, startRig } from "../lab/rig.ts";
import type { Rig, RigOptions } from "../lab/rig.ts";
import { assertPolite, commandsOf, edgesOf, guarded, hostStatus, incidentsOf, overlapsOf, QUICK, recordsOf, startWatching, until } from "./watching.ts";
import type { Watching } from "./watching.ts";

async function onWatched(options: Partial<RigOptions>, body: (rig: Rig, watching: Watching) => Promise<void>): Promise<void> {
  const rig = await startRig({ hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: QUICK, device: "check: 2s, timeout: 1s, deadline: 2s", ...options });
  try {
    const watching = await startWatching(rig);
    await guarded(rig);
    await body(rig, watching);
    for (const name of options.pdus ?? ["sucker"]) {
      const records = await rig.records(name);
      assertPolite(records);
      assert.deepEqual(overlapsOf(records), []);
    }
  } finally {
    await rig.stop();
  }
}

async function recovered(rig: Rig, watching: Watching, host: string): Promise<void> {
  await until(`${host} is back in service`, async () => (await incidentsOf(rig, host)).some((each) => each.outcome === "recovered"), 60_000, 200).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${watching.tail(60)}`);
  });
}

function pdu(rig: Rig, name: string): ApcPdu {
  const found = rig.pdus.get(name);
  assert.ok(found !== undefined, name);
  return found;
}

describe("power", { concurrency: true }, () => {
  test("a remedy that helps: the host is back without a cut; one that does not is followed by one cut", async () => {
    const folder = mkdtempSync(join(tmpdir(), "upkeep-remedy-"));
    const asked = (host: string): boolean => existsSync(join(folder, `${host}.asked`));
    try {
      await onWatched({ settings: QUICK.replace("defaults: {", `defaults: { remedies: [{ command: { run: [touch, "${folder}/{host}.asked"], wait: 3s } }],`) }, async (rig, watching) => {
        await rig.host("logos").wedge("frozen");
        await until("the remedy of logos is tried", async () => asked("logos"), 60_000, 50);
        await rig.host("logos").heal();
        await until("logos is back", async () => (await incidentsOf(rig, "logos")).some((each) => each.outcome === "recovered by a remedy"), 60_000, 200).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${watching.tail(60)}`);
        });
        assert.deepEqual(commandsOf(await rig.records()), []);
        assert.match((await rig.upkeep("why", "logos")).stdout, /command/);
        await rig.host("ethos").wedge("frozen");
        await recovered(rig, watching, "ethos");
        assert.ok(asked("ethos"));
        assert.deepEqual(edgesOf(recordsOf(await rig.records(), "edge")), ["3 off", "3 on"]);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("two supplies on two PDUs: cut together, off at the same time, both on again", () => onWatched({
    pdus: ["sucker", "sucker2"], power: (_host, outlet) => `sucker/${outlet} + sucker2/${outlet}`, settings: QUICK.replace("offFor: 0s", "offFor: 1s"),
  }, async (rig, watching) => {
    await rig.host("logos").wedge("frozen");
    await recovered(rig, watching, "logos");
    const one = recordsOf(pdu(rig, "sucker").log.records, "edge");
    const two = recordsOf(pdu(rig, "sucker2").log.records, "edge");
    assert.deepEqual([edgesOf(one), edgesOf(two)], [["2 off", "2 on"], ["2 off", "2 on"]]);
    assert.deepEqual(rig.host("logos").edges.map((edge) => edge.to), ["on", "off", "on"]);
    const [lastOff, firstOn] = [Math.max(one[0]?.wallMs ?? NaN, two[0]?.wallMs ?? NaN), Math.min(one[1]?.wallMs ?? NaN, two[1]?.wallMs ?? NaN)];
    assert.ok(firstOn - lastOff >= 2_000 - 100, `both off for ${firstOn - lastOff} ms: read twice, a second apart, and offFor`);
    assert.deepEqual((await hostStatus(rig, "logos"))?.power.map((outlet) => [outlet.outlet, outlet.state]), [["sucker/2", "on"], ["sucker2/2", "on"]]);
  }));

  test("two supplies, and one PDU cannot be reached: nothing is called off, and everything is on at the end", () => onWatched({
    pdus: ["sucker", "sucker2"], power: (_host, outlet) => `sucker/${outlet} + sucker2/${outlet}`,
  }, async (rig, watching) => {
    setFaults(pdu(rig, "sucker2").faults, { hangUp: true });
    pdu(rig, "sucker2").dropSessions();
    await rig.host("logos").wedge("frozen");
    await until("it has tried", async () => (await hostStatus(rig, "logos"))?.verdict === "down");
    await until("the operation has ended or holds", async () => {
      const status = await hostStatus(rig, "logos");
      return status?.operation === null && status.incident !== null;
    }, 60_000, 200).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${watching.tail(60)}`);
    });
    assert.deepEqual(rig.host("logos").edges.map((edge) => edge.to), ["on"], "its second supply kept it on all the time");
    assert.equal(pdu(rig, "sucker").truth(2), "on");
    setFaults(pdu(rig, "sucker2").faults, { hangUp: false });
    await rig.host("logos").heal();
    await until("logos is up", async () => (await hostStatus(rig, "logos"))?.verdict === "up");
    const edges = edgesOf(pdu(rig, "sucker").log.records);
    assert.ok(edges.length === 0 || edges.join() === "2 off,2 on", edges.join(", "));
  }));

  test("levels: the first cannot be reached, the second cuts and restores", () => onWatched({
    pdus: ["bmc", "sucker"], power: (_host, outlet) => `[bmc/${outlet}, sucker/${outlet}]`, supply: "all", device: "check: 2s, timeout: 1s, deadline: 2s, feeds: 1",
  }, async (rig, watching) => {
    setFaults(pdu(rig, "bmc").faults, { hangUp: true });
    pdu(rig, "bmc").dropSessions();
    await rig.host("logos").wedge("frozen");
    await recovered(rig, watching, "logos");
    assert.deepEqual(commandsOf(pdu(rig, "bmc").log.records), []);
    assert.deepEqual(edgesOf(pdu(rig, "sucker").log.records), ["2 off", "2 on"]);
    assert.deepEqual(rig.host("logos").edges.map((edge) => edge.to), ["on", "off", "on"]);
  }));

  test("levels: the first switches something else: contradicted, restored, and no next level for a mapping that cannot be trusted", () => onWatched({
    pdus: ["bmc", "sucker"], power: (_host, outlet) => `[bmc/${outlet}, sucker/${outlet}]`, wires: (_host, outlet) => [{ pdu: "sucker", outlet }], device: "check: 2s, timeout: 1s, deadline: 2s, feeds: 1",
  }, async (rig, watching) => {
    // Frozen: its kernel goes on accepting connections.
    await rig.host("logos").wedge("frozen");
    const held = await until("it is held", async () => (await hostStatus(rig, "logos"))?.held, 60_000, 200);
    assert.equal(held.kind, "contradicted", watching.tail(60));
    assert.deepEqual(edgesOf(await rig.records("bmc")), ["2 off", "2 on"]);
    assert.deepEqual(commandsOf(await rig.records("sucker")), []);
  }));

  test("levels on machines: the first is cut and does not help, the second is cut after `boot`, and all are on at the end", { skip: labRefusal() ?? false }, () => onWatched({
    kind: "machines", pdus: ["bmc", "sucker"], power: (_host, outlet) => `[bmc/${outlet}, sucker/${outlet}]`, wires: (_host, outlet) => [{ pdu: "sucker", outlet }], device: "check: 2s, timeout: 1s, deadline: 4s, feeds: 1",
    settings: QUICK.replace("every: 400ms, timeout: 300ms", "every: 800ms, timeout: 600ms"),
  }, async (rig, watching) => {
    // Its cable is out: it is as silent as a host without power.
    await rig.host("logos").wedge("link-down");
    await recovered(rig, watching, "logos");
    const [bmc, sucker] = [recordsOf(await rig.records("bmc"), "edge"), recordsOf(await rig.records("sucker"), "edge")];
    assert.deepEqual([edgesOf(bmc), edgesOf(sucker)], [["2 off", "2 on"], ["2 off", "2 on"]]);
    assert.ok((sucker[0]?.wallMs ?? 0) - (bmc[1]?.wallMs ?? 0) >= 8_000 - 100, "the second level waits for `boot`");
    assert.deepEqual(rig.host("logos").edges.map((edge) => edge.to), ["on", "off", "on"]);
    assert.deepEqual(rig.host("ethos").edges.map((edge) => edge.to), ["on"]);
  }));

  test("any program: real scripts switch, fail and hang; off once, on again; a script that runs dies with the watcher", async () => {
    // A relay is a file: there while the power is off. The script is what an administrator would write.
    const relays = startRelays();
    const rig = await startRig({
      hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: QUICK, power: (host) => `relay/${host}`,
      morePower: `  relay: { driver: command, on: [${relays.script}, "on", "{outlet}"], off: [${relays.script}, "off", "{outlet}"], status: [${relays.script}, status, "{outlet}"], check: 2s, timeout: 2s, deadline: 3s }\n`,
    });
    const stop = relays.feed(rig);
    try {
      const watching = await startWatching(rig);
      await guarded(rig);
      await rig.host("logos").wedge("frozen");
      await recovered(rig, watching, "logos");
      assert.deepEqual(relays.commands(), ["off logos", "on logos"]);
      assert.deepEqual(rig.host("logos").edges.map((edge) => edge.to), ["on", "off", "on"]);
      // An off that takes its time, and a watcher that is killed meanwhile: the script dies with it, and is asked again.
      relays.slowOff();
      await rig.host("ethos").wedge("frozen");
      await until("the off runs", () => relays.commands().includes("slow off ethos"), 20_000);
      await watching.kill();
      await startWatching(rig);
      await until("it is off or asked again", () => relays.commands().filter((each) => each === "off ethos").length > 0, 30_000, 100);
      await recovered(rig, watching, "ethos");
      assert.deepEqual(rig.host("ethos").edges.map((edge) => edge.to), ["on", "off", "on"]);
      assert.deepEqual(relays.commands().filter((each) => each.endsWith("ethos")), ["slow off ethos", "off ethos", "on ethos"]);
    } finally {
      stop();
      await rig.stop();
      relays.remove();
    }
  });
});

type Relays = {
  readonly script: string;
  commands(): readonly string[];
  /** The next off waits before it acts. */
  slowOff(): void;
  /** Hosts follow their relays from now on. */
  feed(rig: Rig): () => void;
  remove(): void;
};

function startRelays(): Relays {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-relays-"));
  const [script, log, slow] = [join(folder, "relay"), join(folder, "log"), join(folder, "slow")];
  writeFileSync(log, "");
  writeFileSync(script, `#!/bin/sh
case $1 in
  status) [ ! -e ${folder}/$2.off ] || exit 2 ;;
  off) if [ -e ${slow} ]; then rm ${slow}; echo "slow off $2" >>${log}; sleep 1; fi
    echo "off $2" >>${log}; : >${folder}/$2.off ;;
  on) echo "on $2" >>${log}; rm -f ${folder}/$2.off ;;
esac
`);
  chmodSync(script, 0o700);
  return {
    script,
    commands: () => readFileSync(log, "utf8").split("\n").filter((line) => line !== ""),
    slowOff: () => writeFileSync(slow, ""),
    feed(rig) {
      const follow = (): void => {
        for (const host of rig.hosts.values()) {
          const powered = !existsSync(join(folder, `${host.name}.off`));
          if (powered !== host.powered) void (powered ? host.powerOn() : host.powerOff());
        }
      };
      const watcher = watch(folder, follow);
      return () => watcher.close();
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
