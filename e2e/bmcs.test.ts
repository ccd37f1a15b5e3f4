// Power that is a BMC: IPMI through the real ipmitool, Redfish, and a fence agent that others wrote. A real watcher cuts and
// restores each machine once, and people switch them through the same commands as any outlet. What the BMCs took is the judge.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startIpmiSim } from "../lab/ipmi-sim.ts";
import { startRedfishBmc } from "../lab/redfish-bmc.ts";
import { startRig } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import { lacking, programPath, thirdParty } from "../lab/third-party.ts";
import { guarded, hostStatus, incidentsOf, QUICK, startWatching, until } from "./watching.ts";
import type { Watching } from "./watching.ts";

const PASSWORD = "sesame-of-a-bmc";

/** Machines follow their BMCs. */
function feed(rig: Rig, truths: Readonly<Record<string, () => "on" | "off">>): () => void {
  const timer = setInterval(() => {
    for (const [name, truth] of Object.entries(truths)) {
      const host = rig.host(name);
      const powered = truth() === "on";
      if (powered !== host.powered) void (powered ? host.powerOn() : host.powerOff());
    }
  }, 50);
  return () => clearInterval(timer);
}

async function recovered(rig: Rig, watching: Watching, host: string): Promise<void> {
  await until(`${host} is back in service`, async () => (await incidentsOf(rig, host)).some((each) => each.outcome === "recovered"), 90_000, 200).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${watching.tail(60)}`);
  });
}

test("three wedged machines on three kinds of BMC: each is cut once and restored, and a person can switch them", { skip: lacking("ipmi_sim", "ipmitool", "fence_ipmilan", "openssl") }, async (t) => {
  thirdParty("ipmitool", [programPath("ipmitool") ?? "", "-V"]);
  const folder = mkdtempSync(join(tmpdir(), "upkeep-bmcs-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "bmc.password"), `${PASSWORD}\n`, { mode: 0o600 });
  const secret = `{ file: ${join(folder, "bmc.password")} }`;
  const one = await startIpmiSim({ password: PASSWORD });
  t.after(() => one.close());
  const two = await startRedfishBmc({ password: PASSWORD });
  t.after(() => two.close());
  const three = await startIpmiSim({ password: PASSWORD });
  t.after(() => three.close());
  const times = "check: 2s, timeout: 15s, deadline: 20s";
  const devices: Readonly<Record<string, string>> = { logos: "bmc1", ethos: "bmc2", pathos: "bmc3" };
  const rig = await startRig({
    hosts: ["logos", "ethos", "pathos"], kind: "processes", bootMs: 0, settings: QUICK.replace("offConfirm: 3s, onConfirm: 3s", "offConfirm: 20s, onConfirm: 20s"), power: (host) => devices[host] ?? "",
    morePower: [
      `  bmc1: { driver: ipmi, address: "${one.address}:${one.port}", username: ADMIN, password: ${secret}, cipher: 3, ${times} }`,
      `  bmc2: { driver: redfish, url: "https://${two.address}:${two.port}", system: "1", username: admin, password: ${secret}, fingerprint: "${two.fingerprint}", ${times} }`,
      `  bmc3: { driver: fence-agent, agent: fence_ipmilan, options: { ip: ${three.address}, ipport: ${three.port}, username: ADMIN, password: ${secret}, lanplus: true, cipher: 3 }, ${times} }`,
      "",
    ].join("\n"),
  });
  t.after(() => rig.stop());
  t.after(feed(rig, { logos: one.truth, ethos: two.truth, pathos: three.truth }));
  const watching = await startWatching(rig);
  await guarded(rig, undefined, 60_000);
  await Promise.all([...rig.hosts.values()].map((host) => host.wedge("frozen")));
  await Promise.all(Object.keys(devices).map((host) => recovered(rig, watching, host)));
  assert.deepEqual([one.commands(), two.commands(), three.commands()], [["off", "on"], ["ForceOff", "On"], ["off", "on"]], watching.tail(60));
  for (const host of rig.hosts.values()) assert.deepEqual(host.edges.map((edge) => edge.to), ["on", "off", "on"], host.name);
  assert.doesNotMatch(watching.stderr, new RegExp(PASSWORD));

  for (const [name, truth] of [["logos", one.truth], ["ethos", two.truth], ["pathos", three.truth]] as const) {
    assert.equal((await rig.upkeep("power", name, "off", "--reason", "a test", "--again", "--confirm", name)).code, 0, watching.tail(60));
    assert.equal(truth(), "off", name);
    assert.equal((await rig.upkeep("power", name, "on", "--reason", "a test", "--again")).code, 0, watching.tail(60));
    assert.equal(truth(), "on", name);
    await until(`${name} reads on`, async () => (await hostStatus(rig, name))?.power[0]?.state === "on");
  }
  watching.child.kill("SIGTERM");
  assert.deepEqual(await watching.end(), { code: 0, signal: null });
});
