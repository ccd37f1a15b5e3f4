import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nutMissing, startNut } from "../../lab/nut.ts";
import { standstill } from "../../lab/standstill.ts";
import { assertEvidence, conformance, noIcmp, tcpSettings, until } from "./conformance.ts";
import type { Finding } from "./probe.ts";
import { judgeVariables, ups } from "./ups.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const ANSWER = 'BEGIN LIST VAR lab\nVAR lab battery.charge "87.5"\nVAR lab battery.runtime "2400"\nVAR lab ups.load "23"\nVAR lab ups.status "OL CHRG"\nEND LIST VAR lab\n';

conformance(
  ups,
  tcpSettings(
    (port) => ({ port, name: "lab" }),
    (read) => (read.toString() === "LIST VAR lab\n" ? Buffer.from(ANSWER) : null),
  ),
);

function judged(text: string): Finding | null {
  return judgeVariables(Buffer.from(text), "lab");
}

test("what the UPS says is evidence and a number in the history", () => {
  assert.deepEqual(judged(ANSWER), {
    outcome: "good", sign: "answer", evidence: "OL CHRG, battery 87.5 %, 40 min left, load 23 %",
    perfdata: [{ label: "battery.charge", value: 87.5, unit: "%" }, { label: "battery.runtime", value: 2_400, unit: "s" }, { label: "ups.load", value: 23, unit: "%" }],
  });
});

test("on battery, low and told to shut down is never bad: power is the last thing to cut then", () => {
  for (const status of ["OB DISCHRG", "OB LB", "FSD OB LB", "OL RB", "ALARM OL OVER", "OFF", "what is this"]) {
    const found = judged(ANSWER.replace("OL CHRG", status));
    assert.equal(found?.outcome, "good", status);
    assert.ok(found?.evidence.startsWith(status), found?.evidence);
  }
  assert.match(judged(ANSWER.replace("OL CHRG", "FSD OB LB"))?.evidence ?? "", /told to shut down, on battery, battery low/);
});

test("upsd that has lost the UPS, does not know it or does not let us in lives, and is not judged", () => {
  for (const code of ["DATA-STALE", "DRIVER-NOT-CONNECTED", "UNKNOWN-UPS", "ACCESS-DENIED", "SOMETHING-NEW"]) {
    const found = judged(`ERR ${code}\n`);
    assert.deepEqual([found?.outcome, found?.sign, found?.evidence], ["unknown", "answer", `upsd turned us away: "${code}"`]);
  }
  assert.equal(judged('BEGIN LIST VAR lab\nVAR lab a "b"\nEND LIST VAR lab\n')?.outcome, "unknown");
  assert.equal(judged("SSH-2.0-x\r\n")?.outcome, "bad");
});

test("numbers that are none are left out", () => {
  const found = judged(ANSWER.replace('"87.5"', '"lots"').replace('"2400"', '""'));
  assert.deepEqual(found?.perfdata, [{ label: "ups.load", value: 23, unit: "%" }]);
});

test("random lists never throw and stay printable", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 300 })), { maxLength: 20 }), (variables) => {
    const found = judged(`BEGIN LIST VAR lab\n${variables.map(([name, value]) => `VAR lab ${name} "${value}"\n`).join("")}VAR lab ups.status "OL"\nEND LIST VAR lab\n`);
    if (found !== null) assertEvidence(found);
  }), { numRuns: 500 });
});

test("a real upsd with dummy-ups: on line, on battery, its driver gone, another UPS, no UPS", { skip: nutMissing }, async () => {
  const nut = await startNut();
  const { upsd } = nut;
  const look = (name: string): Promise<Finding> => ups.run(LOOPBACK, { port: upsd.port, name }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
  const seen = async (wanted: (finding: Finding) => boolean, name = "lab"): Promise<Finding> => {
    let last = await look(name);
    for (let tries = 0; tries < 600 && !wanted(last); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      last = await look(name);
    }
    assert.ok(wanted(last), `${JSON.stringify(last)} ${upsd.log()}`);
    return last;
  };
  try {
    const absent = await seen(({ outcome }) => outcome === "unknown");
    assert.match(absent.evidence, /DRIVER-NOT-CONNECTED/);
    await nut.attach();
    const fine = await seen(({ outcome }) => outcome === "good");
    assert.equal(fine.evidence, "OL CHRG, battery 100 %, 40 min left, load 23 %");
    await nut.set("ups.status", "OB LB");
    const low = await seen(({ evidence }) => evidence.startsWith("OB LB"));
    assert.deepEqual([low.outcome, low.evidence.startsWith("OB LB (on battery, battery low)")], ["good", true], low.evidence);
    assert.match((await look("other")).evidence, /UNKNOWN-UPS/);
    await nut.freeze();
    const stale = await seen(({ outcome }) => outcome === "unknown");
    assert.match(stale.evidence, /DATA-STALE|DRIVER-NOT-CONNECTED/);
    await standstill(upsd.process);
    const controller = new AbortController();
    const told: string[] = [];
    const silent = ups.run(LOOPBACK, { port: upsd.port, name: "lab" }, { icmp: noIcmp }, controller.signal, (text) => told.push(text));
    await until(() => told.includes("connected"), "its kernel did not accept");
    controller.abort(new Error("enough"));
    await assert.rejects(silent, /enough/);
  } finally {
    await nut.stop();
  }
});
