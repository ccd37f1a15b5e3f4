// The driver against OpenIPMI's BMC through the real ipmitool, and against ipmitools that say strange things. fence_ipmilan,
// written by others against hardware, drives the same BMC: by itself, and through our fence-agent driver.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startIpmiSim } from "../../lab/ipmi-sim.ts";
import type { IpmiSim } from "../../lab/ipmi-sim.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { UpkeepError } from "../core/errors.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";
import { fenceAgent } from "./fence-agent.ts";
import { ipmi } from "./ipmi.ts";
import type { IpmiOptions } from "./ipmi.ts";
import type { PowerSession } from "./power.ts";

const PASSWORD = "hunter2-sesame";
const SKIP = lacking("ipmi_sim", "ipmitool");

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};
const refusal = (code: string, says: RegExp) => (error: unknown): boolean => error instanceof UpkeepError && error.code === code && says.test(error.message);

function optionsFor({ address, port }: IpmiSim, more: Partial<IpmiOptions> = {}): IpmiOptions {
  return { host: address, port, username: "ADMIN", password: PASSWORD, privilege: "administrator", cipher: 3, stepMs: 20_000, maxActMs: 30_000, ...more };
}

async function rig(stepMs: number): Promise<PowerRig> {
  thirdParty("ipmitool", [programPath("ipmitool") ?? "", "-V"]);
  thirdParty("ipmi_sim (OpenIPMI)", [programPath("ipmi_sim") ?? "", "-c", "/nonexistent"]);
  const bmc = await startIpmiSim({ password: PASSWORD });
  return {
    device: ipmi.create(optionsFor(bmc, { stepMs })),
    outlet: "1", other: "1", unknown: "2",
    secrets: [PASSWORD],
    commands: () => bmc.commands().map((command) => `${command} 1`),
    truth: () => Promise.resolve(bmc.truth()),
    loseAnswer: () => bmc.fault("lose-answer"),
    loseCommand: () => bmc.fault("lose-command"),
    hang: () => bmc.hang(),
    close: () => bmc.close(),
  };
}

powerConformance("ipmi", () => rig(20_000), () => rig(2_500), SKIP);

async function bmcIn(t: TestContext): Promise<IpmiSim> {
  const bmc = await startIpmiSim({ password: PASSWORD });
  t.after(() => bmc.close());
  return bmc;
}

test("a wrong password, user, cipher suite, port or name is told as such, and nothing is switched", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const wrong: readonly (readonly [Partial<IpmiOptions>, string, RegExp])[] = [
    [{ password: "wrong-one" }, "POWER_LOGIN", /wrong password/],
    [{ username: "nobody" }, "POWER_LOGIN", /no such user/],
    [{ cipher: 17 }, "POWER_NONSENSE", /another `cipher`/],
    [{ port: 9 }, "POWER_UNREACHABLE", /nothing answers/],
    [{ host: "nowhere.invalid" }, "POWER_UNREACHABLE", /does not resolve/],
    [{ password: "x".repeat(21) }, "POWER_LOGIN", /20 bytes/],
  ];
  await Promise.all(wrong.map(async ([more, code, says]) => {
    const session = await ipmi.create(optionsFor(bmc, more)).open(signal());
    await assert.rejects(session.set("1", "off", yes, signal()), refusal(code, says), says.source);
  }));
  assert.deepEqual(bmc.commands(), []);
});

test("without a cipher suite ipmitool finds one", { skip: SKIP }, async (t) => {
  const session = await ipmi.create(optionsFor(await bmcIn(t), { cipher: null })).open(signal());
  assert.deepEqual(await session.read(["1"], signal()), [{ outlet: "1", state: "on", label: null }]);
});

test("a BMC that lies is accepted and read back as what it is; one that is blind is not readable", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const session = await ipmi.create(optionsFor(bmc)).open(signal());
  bmc.fault("lie");
  assert.equal((await session.set("1", "off", yes, signal())).kind, "accepted");
  assert.deepEqual([bmc.commands(), bmc.truth(), (await session.read(["1"], signal()))[0]?.state], [["off"], "on", "on"]);
  bmc.fault("blind");
  await assert.rejects(session.read(["1"], signal()), UpkeepError);
});

test("three sessions at once, and one that goes away in the middle, disturb nobody", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const sessions = await Promise.all(Array.from({ length: 3 }, () => ipmi.create(optionsFor(bmc)).open(signal())));
  const leaving = new AbortController();
  const results = await Promise.allSettled([
    ...sessions.slice(0, 2).map((session) => session.read(["1"], signal())),
    sessions[2]?.read(["1"], leaving.signal),
    Promise.resolve().then(() => leaving.abort()),
  ]);
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
});

test("a BMC that goes away between the reading and the command leaves an unknown", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const session = await ipmi.create(optionsFor(bmc)).open(signal());
  const outcome = await session.set("1", "off", (_, write) => {
    bmc.hang();
    write();
    return Promise.resolve(true);
  }, signal());
  bmc.resume();
  assert.equal(outcome.kind, "unknown", outcome.evidence);
  assert.match(outcome.evidence, /Unable to establish/);
});

/** An ipmitool that says what a test wants, in front of the real one. */
async function withTool(t: TestContext, script: string): Promise<{ readonly session: PowerSession; readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-ipmitool-"));
  const tool = join(folder, "ipmitool");
  writeFileSync(tool, `#!/bin/sh\necho "$@" >${folder}/arguments\nenv >${folder}/environment\n${script}\n`);
  chmodSync(tool, 0o755);
  const path = process.env["PATH"];
  process.env["PATH"] = `${folder}:${path}`;
  t.after(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  });
  const session = await ipmi.create({ host: "10.0.0.9", port: 623, username: "ADMIN", password: PASSWORD, privilege: "operator", cipher: 17, stepMs: 5_000, maxActMs: 30_000 }).open(signal());
  return { session, folder };
}

test("the password is in the environment, never among the arguments; ipmitool repeats nothing", async (t) => {
  const { session, folder } = await withTool(t, 'case "$*" in *status) echo "Chassis Power is on" ;; *) echo "Chassis Power Control: Down/Off" ;; esac');
  assert.equal((await session.set("1", "off", yes, signal())).kind, "accepted");
  assert.equal(readFileSync(join(folder, "arguments"), "utf8").trim(), "-I lanplus -H 10.0.0.9 -p 623 -U ADMIN -E -L OPERATOR -C 17 -N 1 -R 1 chassis power off");
  assert.match(readFileSync(join(folder, "environment"), "utf8"), new RegExp(`^IPMI_PASSWORD=${PASSWORD}$`, "m"));
});

test("only the words that say on or off are a state, whatever the exit status", async (t) => {
  const { session } = await withTool(t, ". $(dirname $0)/say");
  const folder = (process.env["PATH"] ?? "").split(":")[0] ?? "";
  for (const [says, state] of [["echo Chassis Power is off", "off"], ["echo noise; echo Chassis Power is on; echo more", "on"]] as const) {
    writeFileSync(join(folder, "say"), says);
    assert.equal((await session.read(["1"], signal()))[0]?.state, state);
  }
  for (const says of ["exit 0", "echo Chassis Power is unknown", "echo Chassis Power is off; exit 1", "echo Chassis Power is offline", "echo Chassis Power is off >&2", "kill -KILL $$", "head -c 3000000 /dev/zero"]) {
    writeFileSync(join(folder, "say"), says);
    await assert.rejects(session.read(["1"], signal()), refusal("POWER_UNREACHABLE", /ipmitool/), says);
  }
});

test("a refusal is only what says that nothing was done", async (t) => {
  const { session } = await withTool(t, 'case "$*" in *status) echo "Chassis Power is on" ;; *) . $(dirname $0)/say ;; esac');
  const folder = (process.env["PATH"] ?? "").split(":")[0] ?? "";
  const cases: readonly (readonly [string, string])[] = [
    ["echo Set Chassis Power Control to Down/Off failed: Insufficient privilege level >&2; exit 1", "refused"],
    ["echo Set Chassis Power Control to Down/Off failed: Command not supported in present state >&2; exit 1", "refused"],
    ["echo Set Chassis Power Control to Down/Off failed: Timeout while processing command >&2; exit 1", "unknown"],
    ["echo Unable to set Chassis Power Control to Down/Off >&2; exit 1", "unknown"],
    ["echo Chassis Power Control: Up/On", "unknown"],
    ["exit 0", "unknown"],
    ["exit 137", "unknown"],
  ];
  for (const [says, kind] of cases) {
    writeFileSync(join(folder, "say"), says);
    const outcome = await session.set("1", "off", yes, signal());
    assert.equal(outcome.kind, kind, says);
    assert.ok(outcome.kind !== "refused" || outcome.by === "device");
  }
});

test("fence_ipmilan accepts the BMC, and our fence-agent driver drives it", { skip: SKIP === false ? lacking("fence_ipmilan") : SKIP }, async (t) => {
  thirdParty("fence_ipmilan (fence-agents)", [programPath("fence_ipmilan") ?? "", "--version"]);
  const bmc = await bmcIn(t);
  const options = { ip: bmc.address, ipport: String(bmc.port), username: "ADMIN", lanplus: "1", cipher: "3" };
  const session = await fenceAgent.create({ agent: "fence_ipmilan", options, secrets: { password: PASSWORD }, stepMs: 40_000, maxActMs: 60_000 }).open(signal());
  for (const action of ["off", "on"] as const) {
    const outcome = await session.set("-", action, yes, signal());
    assert.equal(outcome.kind, "accepted", outcome.evidence);
    assert.equal(bmc.truth(), action);
    assert.equal((await session.read(["-"], signal()))[0]?.state, action);
  }
  assert.deepEqual(bmc.commands(), ["off", "on"]);
});
