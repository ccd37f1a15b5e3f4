// The sensors against what they will meet: NUT's own upsd, files of hwmon's form, programs, an SNMP agent, and an address that
// does not answer. What a network does to power nodes is shown in namespaces (e2e/careful.test.ts).

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { whichProgram } from "../../lab/child.ts";
import { startDaemon } from "../../lab/daemon.ts";
import { nutMissing, startNut } from "../../lab/nut.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { loadAgentConfig } from "../config/load-agent.ts";
import type { SignalSpec } from "../config/careful-signal.ts";
import type { Sensed } from "../core/power-sense.ts";
import { numberIn, openSensors } from "./sensors.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-sensors-"));
after(() => rmSync(folder, { recursive: true }));

async function signal(text: string): Promise<SignalSpec> {
  const loaded = await loadAgentConfig("/etc/upkeep.yaml", { env: { COMMUNITY: "labcommunity" }, machine: { hostname: "logos", addresses: [] }, readFile: () => Promise.resolve(Buffer.from(`agent: { careful: { signal: ${text} } }`)) });
  assert.ok(loaded.ok, JSON.stringify(loaded.problems));
  const found = loaded.config.parts.careful?.signal;
  assert.ok(found !== undefined);
  return found;
}

async function lookOnce(text: string): Promise<Sensed> {
  const sensors = await openSensors(await signal(text));
  try {
    return await sensors.look();
  } finally {
    sensors.close();
  }
}

test("a real upsd: on line, on battery, low, told to shut down, stale, its driver gone, gone itself", { skip: nutMissing }, async () => {
  const nut = await startNut();
  const sensors = await openSensors(await signal(`{ ups: [{ address: "127.0.0.1:${nut.port}", name: lab, chargeBelow: 30%, timeout: 20s }] }`));
  const seen = async (wanted: (sensed: Sensed) => boolean): Promise<Sensed> => {
    let last = await sensors.look();
    for (let tries = 0; tries < 600 && !wanted(last); tries += 1) {
      await pause(50);
      last = await sensors.look();
    }
    assert.ok(wanted(last), JSON.stringify(last));
    return last;
  };
  try {
    assert.match((await seen(({ verdict }) => verdict === "unknown")).because, /DRIVER-NOT-CONNECTED/);
    await nut.attach();
    const fine = await seen(({ verdict }) => verdict === "good");
    assert.deepEqual([fine.charge, fine.because], [100, "UPS lab says OL CHRG, battery 100 %"]);
    const steps: readonly (readonly [status: string, urgent: boolean])[] = [["OB DISCHRG", false], ["OB LB", true], ["FSD OB LB", true], ["OB", false]];
    for (const [status, urgent] of steps) {
      await nut.set("ups.status", status);
      const lost = await seen(({ because }) => because.includes(`says ${status},`));
      assert.deepEqual([lost.verdict, lost.urgent], ["lost", urgent], status);
    }
    await nut.set("battery.charge", "12");
    await seen(({ verdict, urgent, charge }) => verdict === "lost" && urgent && charge === 12);
    await nut.set("ups.status", "OL");
    await seen(({ verdict }) => verdict === "good");
    await nut.freeze();
    assert.match((await seen(({ verdict }) => verdict === "unknown")).because, /DATA-STALE|DRIVER-NOT-CONNECTED/);
  } finally {
    await nut.stop();
  }
  assert.deepEqual([(await sensors.look()).verdict, (await sensors.look()).because], ["unknown", "UPS lab: connection refused"]);
  sensors.close();
});

test("a file of hwmon: degrees in thousandths, the hottest of several; torn, gone, nonsense", async () => {
  const look = (): Promise<Sensed> => lookOnce(`{ temperature: [{ name: rack, above: 35, critical: 45, file: "${folder}/hwmon*/temp1_input" }] }`);
  assert.match((await look()).because, /no file is called/);
  const put = (chip: number, text: string): void => {
    mkdirSync(join(folder, `hwmon${chip}`), { recursive: true });
    writeFileSync(join(folder, `hwmon${chip}`, "temp1_input"), text);
  };
  put(0, "21000\n");
  put(1, "36500\n");
  assert.deepEqual([(await look()).verdict, (await look()).because], ["lost", "rack reads 36.5 °C (above 35)"]);
  put(1, "46000\n");
  assert.equal((await look()).urgent, true);
  put(1, "nonsense\n");
  assert.deepEqual([(await look()).verdict, (await look()).because], ["good", "rack reads 21 °C"]);
  put(0, "127000\n");
  assert.deepEqual([(await look()).verdict, (await look()).because], ["unknown", "rack reads 127 °C, which no room has"]);
  put(0, "\u0000\u0007");
  assert.match((await look()).because, /^rack: not a number: "/);
});

test("a program: its number, its failure, its silence", async () => {
  const look = (argv: readonly string[], more = ""): Promise<Sensed> => lookOnce(`{ temperature: [{ name: probe, above: 35, command: ${JSON.stringify(argv)}${more} }] }`);
  assert.equal((await look(["/bin/echo", "36.2"])).because, "probe reads 36.2 °C (above 35)");
  assert.equal((await look(["/bin/echo", "308"], ", scale: 0.1")).verdict, "good");
  assert.equal((await look(["/bin/echo", "warm"])).because, 'probe: not a number: "warm"');
  assert.match((await look(["/bin/sh", "-c", "echo 99; exit 1"])).because, /^probe: exit 1/);
  assert.match((await look(["/nonexistent"])).because, /^probe: (exit|did not start)/);
  const slow = await look(["/bin/sleep", "60"], ", timeout: 200ms");
  assert.deepEqual([slow.verdict, slow.because], ["unknown", "probe: no end within 200 ms"]);
});

test("an SNMP agent: its value in tenths, and none", { skip: lacking("snmpd") }, async () => {
  thirdParty("snmpd (net-snmp)", [whichProgram("snmpd") ?? "", "-v"]);
  let port = 0;
  const agent = await startDaemon({
    name: "snmpd",
    files: (_, free) => ({ "snmpd.conf": `rocommunity labcommunity\nagentAddress udp:127.0.0.1:${(port = free)}\noverride 1.3.6.1.4.1.99999.1.0 integer 371\n` }),
    argv: (where) => [whichProgram("snmpd") ?? "", "-f", "-C", "-c", `${where}/snmpd.conf`, "-Lf", `${where}/log`, "-I", "-smux", "-x", `${where}/agentx`, "-p", `${where}/pid`],
    ready: () => true,
  });
  const look = async (oid: string): Promise<Sensed> => lookOnce(`{ temperature: [{ name: inlet, above: 35, scale: 0.1, timeout: 3s, snmp: { address: 127.0.0.1, port: ${port}, oid: ${oid}, community: { env: COMMUNITY } } }] }`);
  try {
    let last = await look("1.3.6.1.4.1.99999.1.0");
    for (let tries = 0; tries < 60 && last.verdict !== "lost"; tries += 1) {
      await pause(100);
      last = await look("1.3.6.1.4.1.99999.1.0");
    }
    assert.deepEqual([last.verdict, last.because], ["lost", "inlet reads 37.1 °C (above 35)"]);
    assert.equal((await look("1.3.6.1.4.1.99999.2.0")).verdict, "unknown");
  } finally {
    await agent.stop();
  }
  assert.equal((await look("1.3.6.1.4.1.99999.1.0")).verdict, "unknown");
});

test("any probe is a signal by what it is answered; a plugin by its end", async () => {
  const { port, stop } = await startDaemon({ name: "word", argv: (_, free) => [process.execPath, "-e", `require("node:net").createServer((s) => s.end("mains: down\\n")).listen(${free}, "127.0.0.1")`] });
  try {
    const word = (expect: string): Promise<Sensed> => lookOnce(`{ probes: [{ tcp: { address: 127.0.0.1, port: ${port}, expect: "${expect}" } }] }`);
    assert.deepEqual([(await word("mains: down")).verdict, (await word("mains: up")).verdict], ["good", "lost"]);
  } finally {
    await stop();
  }
  assert.equal((await lookOnce(`{ probes: [{ tcp: { address: 127.0.0.1, port: ${port} } }] }`)).verdict, "unknown");
  assert.equal((await lookOnce('{ probes: [{ plugin: { address: 127.0.0.1, command: [/bin/sh, -c, "echo CRITICAL - mains; exit 2"] } }] }')).verdict, "lost");
});

test("two sources, one blind: all of them are needed where it is said so", async () => {
  const hot = '{ name: hot, above: 35, command: [/bin/echo, "40"] }';
  const blind = "{ name: blind, above: 35, command: [/bin/false] }";
  assert.deepEqual([(await lookOnce(`{ temperature: [${hot}, ${blind}] }`)).verdict, (await lookOnce(`{ temperature: [${hot}, ${blind}], lost: all }`)).verdict], ["lost", "unknown"]);
});

test("numbers as people and machines write them", () => {
  assert.deepEqual([numberIn(" 42\n"), numberIn("-3.5"), numberIn("+7"), typeof numberIn("0x10"), typeof numberIn("1e9"), typeof numberIn(""), typeof numberIn("1 2")], [42, -3.5, 7, "string", "string", "string", "string"]);
});
