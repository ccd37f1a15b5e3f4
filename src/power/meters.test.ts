// What drivers tell of what an outlet gives, against the virtual devices: the number where there is one, and null for everything that
// is none. Whether it could be true is not theirs to judge (core/meters.ts).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startRedfishBmc } from "../../lab/redfish-bmc.ts";
import type { RedfishBmc } from "../../lab/redfish-bmc.ts";
import { startSnmpPdu } from "../../lab/snmp-pdu.ts";
import type { SnmpPdu } from "../../lab/snmp-pdu.ts";
import { lacking } from "../../lab/third-party.ts";
import { DRIVERS as SCHEMAS } from "../config/power/index.ts";
import { UpkeepError } from "../core/errors.ts";
import type { PowerSession } from "./power.ts";
import { redfish } from "./redfish.ts";
import { SNMP_MODEL_NAMES, SNMP_MODELS } from "./snmp-models.ts";
import type { SnmpModelName } from "./snmp-models.ts";
import { snmpPdu } from "./snmp-pdu.ts";

const SNMP = lacking("snmpd");
const TLS = lacking("openssl");
const METERED = SNMP_MODEL_NAMES.filter((name) => SNMP_MODELS[name].meter !== undefined);

const soon = (): AbortSignal => AbortSignal.timeout(60_000);

async function pduIn(t: TestContext, table: SnmpModelName): Promise<{ pdu: SnmpPdu; session: PowerSession }> {
  const pdu = await startSnmpPdu({ table, names: { 2: "db 1" }, draws: (outlet) => outlet * 10 + 0.4 });
  t.after(() => pdu.close());
  const options = { host: pdu.address, port: pdu.port, model: table, access: { version: "2c", community: "private" }, stepMs: 20_000, maxActMs: 30_000 } as const;
  const session = await snmpPdu.create(options).open(soon());
  t.after(() => session.close());
  return { pdu, session };
}

async function watts(session: PowerSession, outlets: readonly string[]): Promise<readonly (number | null)[]> {
  assert.ok(session.meter !== undefined);
  const draws = await session.meter(outlets, soon());
  assert.deepEqual(draws.map(({ outlet }) => outlet), outlets);
  return draws.map((draw) => draw.watts);
}

test("five families of PDUs are metered", () => assert.deepEqual(METERED, ["apc-rpdu2", "raritan", "eaton", "sentry-3", "sentry-4"]));

for (const model of METERED) {
  test(`snmp-pdu ${model}: what outlets give, by number and by name, and nothing once they are off`, { skip: SNMP }, async (t) => {
    const { pdu, session } = await pduIn(t, model);
    const decimal = model === "raritan" ? 0.4 : 0;
    assert.deepEqual(await watts(session, ["3", "db 1", "1"]), [30 + decimal, 20 + decimal, 10 + decimal]);
    assert.equal((await session.set("3", "off", (_, write) => (write(), Promise.resolve(true)), soon())).kind, "accepted");
    await pdu.idle();
    assert.deepEqual(await watts(session, ["3", "1"]), [0, 10 + decimal]);
    for (const nonsense of ["string\n0", "string\nnone", "counter\n0", "timeticks\n0", "objectid\n.1.3"]) {
      pdu.snmp.powerAs = nonsense;
      assert.deepEqual(await watts(session, ["1"]), [null], nonsense);
    }
    // Told as it is: whether it could be true is judged elsewhere.
    pdu.snmp.powerAs = "integer\n-1";
    assert.deepEqual(await watts(session, ["1"]), [model === "raritan" ? -0.1 : -1]);
    assert.equal((await session.read(["1"], soon()))[0]?.state, "on", "a meter that is broken leaves the state as it is");
  });
}

test("a row of the meters that belongs to another outlet, or is not there, tells nothing", { skip: SNMP }, async (t) => {
  const { pdu, session } = await pduIn(t, "apc-rpdu2");
  pdu.snmp.meterShift = 1;
  assert.deepEqual(await watts(session, ["1", "3"]), [null, null]);
  pdu.snmp.meterShift = 0;
  assert.deepEqual(await watts(session, ["1", "9"]), [10, null]);
  const old = await pduIn(t, "apc-rpdu");
  assert.deepEqual(await watts(old.session, ["1"]), [null], "a family without meters");
});

test("a PDU that falls silent while it is metered is an error in its time", { skip: SNMP }, async (t) => {
  const { pdu, session } = await pduIn(t, "eaton");
  pdu.path.silent = true;
  await assert.rejects(Promise.resolve(session.meter?.(["1"], AbortSignal.timeout(500))), (error) => error instanceof UpkeepError);
});

async function bmcIn(t: TestContext): Promise<{ bmc: RedfishBmc; open: () => Promise<PowerSession> }> {
  const bmc = await startRedfishBmc();
  t.after(() => bmc.close());
  const device = redfish.create({ host: bmc.address, port: bmc.port, system: null, username: "admin", password: "sesame", auth: "basic", verify: true, ca: bmc.certificate, fingerprint: null, stepMs: 20_000, maxActMs: 30_000 });
  return { bmc, open: async () => {
    const session = await device.open(soon());
    t.after(() => session.close());
    return session;
  } };
}

test("redfish: EnvironmentMetrics first, the older Power where there is none, and the machine's draw when it is off", { skip: TLS }, async (t) => {
  const { bmc, open } = await bmcIn(t);
  for (const meters of [["EnvironmentMetrics", "Power"], ["Power"], ["EnvironmentMetrics"]] as const) {
    bmc.faults.meters = meters;
    const session = await open();
    assert.deepEqual(await watts(session, ["1"]), [120], meters.join());
    await session.close();
  }
  const session = await open();
  await session.set("1", "off", (_, write) => (write(), Promise.resolve(true)), soon());
  assert.deepEqual(await watts(session, ["1"]), [8]);
  const asked = bmc.requests().length;
  await watts(session, ["1"]);
  assert.equal(bmc.requests().length, asked + 1, "where it is told is looked for once a session");
});

test("redfish: no number, a sensor that is not enabled, no chassis, or several: nothing is told", { skip: TLS }, async (t) => {
  const { bmc, open } = await bmcIn(t);
  const session = await open();
  for (const value of [null, "0", "120", true, [0], { Reading: 0 }, undefined]) {
    bmc.faults.watts = { on: value, off: value };
    assert.deepEqual(await watts(session, ["1"]), [null], JSON.stringify(value));
  }
  bmc.faults.watts = { on: 0, off: 0 };
  for (const state of ["Disabled", "Absent", "UnavailableOffline", "StandbyOffline"]) {
    bmc.faults.meterState = state;
    assert.deepEqual(await watts(session, ["1"]), [null], state);
  }
  bmc.faults.meterState = null;
  assert.deepEqual(await watts(session, ["1"]), [0], "a service that says nothing of its sensors");
  for (const chassis of [[], ["1", "2"]]) {
    bmc.faults.chassis = chassis;
    assert.deepEqual(await watts(await open(), ["1"]), [null], `${chassis.length} chassis`);
  }
  bmc.faults.chassis = ["1"];
  bmc.faults.meters = [];
  assert.deepEqual(await watts(await open(), ["1"]), [null]);
  await assert.rejects(watts(session, ["2"]), /no outlet "2"/);
});

test("only drivers that have a meter say so, and those take the setting", () => {
  const said = Object.entries(SCHEMAS).filter(([, { capabilities }]) => capabilities?.metered === true).map(([name]) => name);
  assert.deepEqual(said.sort(), ["redfish", "snmp-pdu"]);
});
