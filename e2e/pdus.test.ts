// Power over SNMP and at a bare QEMU: a real watcher cuts and restores each host once, and people switch them through the
// same commands as any outlet. What the devices took is the judge.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startQemu } from "../lab/qemu.ts";
import { startRig } from "../lab/rig.ts";
import { startSnmpPdu } from "../lab/snmp-pdu.ts";
import { lacking, programPath, thirdParty } from "../lab/third-party.ts";
import { guarded, hostStatus, incidentsOf, QUICK, startWatching, until } from "./watching.ts";

const COMMUNITY = "sesame-of-a-pdu";

test("wedged hosts on a PDU over SNMP and on a bare QEMU: each is cut once and restored, and a person can switch them", { skip: lacking("snmpd", "qemu-system-x86_64") }, async (t) => {
  thirdParty("snmpd (net-snmp)", [programPath("snmpd") ?? "", "-v"]);
  thirdParty("QEMU", [programPath("qemu-system-x86_64") ?? "", "--version"]);
  const folder = mkdtempSync(join(tmpdir(), "upkeep-pdus-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "community"), `${COMMUNITY}\n`, { mode: 0o600 });
  const pdu = await startSnmpPdu({ table: "apc-rpdu2", community: COMMUNITY, names: { 3: "logos" } });
  t.after(() => pdu.close());
  const qemu = await startQemu();
  t.after(() => qemu.close());
  const times = "check: 2s, timeout: 15s, deadline: 20s";
  const rig = await startRig({
    hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: QUICK.replace("offConfirm: 3s, onConfirm: 3s", "offConfirm: 20s, onConfirm: 20s"), power: (host) => (host === "logos" ? "rack/logos" : "guest"),
    morePower: [
      `  rack: { driver: snmp-pdu, address: "${pdu.address}:${pdu.port}", community: { file: ${join(folder, "community")} }, ${times} }`,
      `  guest: { driver: qmp, socket: ${qemu.socket}, on: ${JSON.stringify(qemu.on)}, ${times} }`,
      "",
    ].join("\n"),
  });
  t.after(() => rig.stop());
  const truths = { logos: () => pdu.truth(3), ethos: () => qemu.truth() };
  // Hosts follow what feeds them.
  const feeding = setInterval(() => {
    for (const [name, truth] of Object.entries(truths)) {
      const host = rig.host(name);
      const powered = truth() === "on";
      if (powered !== host.powered) void (powered ? host.powerOn() : host.powerOff());
    }
  }, 50);
  t.after(() => clearInterval(feeding));
  const watching = await startWatching(rig);
  await guarded(rig, undefined, 60_000);
  await Promise.all([...rig.hosts.values()].map((host) => host.wedge("frozen")));
  for (const host of ["logos", "ethos"]) {
    await until(`${host} is back in service`, async () => (await incidentsOf(rig, host)).some((each) => each.outcome === "recovered"), 90_000, 200).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${watching.tail(60)}`);
    });
  }
  const commands = (): readonly string[] => pdu.log.all("command").map(({ action, outlets }) => `${action} ${outlets.join()}`);
  assert.deepEqual([commands(), qemu.commands()], [["off 3", "on 3"], ["off", "on"]], watching.tail(60));
  for (const host of rig.hosts.values()) assert.deepEqual(host.edges.map((edge) => edge.to), ["on", "off", "on"], host.name);
  assert.doesNotMatch(watching.stderr, new RegExp(COMMUNITY));

  for (const [name, truth] of Object.entries(truths)) {
    for (const action of ["off", "on"] as const) {
      const ran = await rig.upkeep("power", name, action, "--reason", "a test", "--again", ...(action === "off" ? ["--confirm", name] : []));
      assert.equal(ran.code, 0, watching.tail(60));
      assert.equal(truth(), action, name);
    }
    await until(`${name} reads on`, async () => (await hostStatus(rig, name))?.power[0]?.state === "on");
  }
  assert.deepEqual([commands(), qemu.commands()], [["off 3", "on 3", "off 3", "on 3"], ["off", "on", "off", "on"]]);
  watching.child.kill("SIGTERM");
  assert.deepEqual(await watching.end(), { code: 0, signal: null });
});
