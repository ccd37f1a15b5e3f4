// The driver against the virtual BMC with everything wrong that can be. fence_redfish, written by others against hardware,
// drives the same BMC: by itself, and through our fence-agent driver.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startRedfishBmc } from "../../lab/redfish-bmc.ts";
import type { RedfishBmc } from "../../lab/redfish-bmc.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { UpkeepError } from "../core/errors.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";
import { fenceAgent } from "./fence-agent.ts";
import type { PowerSession, SetOutcome } from "./power.ts";
import { redfish } from "./redfish.ts";
import type { RedfishOptions } from "./redfish.ts";

const USER = "operator";
const PASSWORD = "hunter2 sesame";
const SKIP = lacking("openssl");

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};
const refusal = (code: string, says: RegExp) => (error: unknown): boolean => error instanceof UpkeepError && error.code === code && says.test(error.message) && !error.message.includes("hunter2");

function optionsFor(bmc: RedfishBmc, more: Partial<RedfishOptions> = {}): RedfishOptions {
  return { host: bmc.address, port: bmc.port, system: "/redfish/v1/Systems/1", username: USER, password: PASSWORD, auth: "basic", verify: true, ca: bmc.certificate, fingerprint: null, stepMs: 20_000, maxActMs: 30_000, ...more };
}

const KINDS: readonly { readonly name: string; readonly options: Partial<RedfishOptions>; readonly faults?: Partial<RedfishBmc["faults"]> }[] = [
  { name: "basic", options: {} },
  { name: "session, fingerprint, the only system", options: { auth: "session", ca: null, system: null } },
  { name: "a service that closes every connection", options: {}, faults: { closes: true } },
];

for (const { name, options, faults = {} } of KINDS) {
  const make = async (stepMs: number): Promise<PowerRig> => {
    const bmc = await startRedfishBmc({ user: USER, password: PASSWORD });
    Object.assign(bmc.faults, faults);
    return {
      device: redfish.create(optionsFor(bmc, { stepMs, fingerprint: options.ca === null ? bmc.fingerprint : null, ...options })),
      outlet: "1", other: "1", unknown: "2",
      secrets: ["hunter2", Buffer.from(`${USER}:${PASSWORD}`).toString("base64"), "-secret"],
      commands: () => bmc.commands().map((command) => `${command === "On" ? "on" : command === "ForceOff" ? "off" : command} 1`),
      truth: () => Promise.resolve(bmc.truth()),
      loseAnswer: () => (bmc.faults.loseAnswer = true),
      loseCommand: () => (bmc.faults.loseCommand = true),
      hang: () => (bmc.faults.hang = true),
      close: () => bmc.close(),
    };
  };
  powerConformance(`redfish ${name}`, () => make(20_000), () => make(1_500), SKIP);
}

async function bmcIn(t: TestContext): Promise<RedfishBmc> {
  const bmc = await startRedfishBmc({ user: USER, password: PASSWORD });
  t.after(() => bmc.close());
  return bmc;
}

async function open(t: TestContext, bmc: RedfishBmc, more: Partial<RedfishOptions> = {}): Promise<PowerSession> {
  const session = await redfish.create(optionsFor(bmc, more)).open(signal());
  t.after(() => session.close());
  return session;
}

async function off(session: PowerSession): Promise<SetOutcome> {
  return await session.set("1", "off", yes, signal());
}

test("On is on, Off is off, and every other word is unknown", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const session = await open(t, bmc);
  for (const [word, state] of [["On", "on"], ["Off", "off"], ["PoweringOn", "unknown"], ["PoweringOff", "unknown"], ["Paused", "unknown"], ["off", "unknown"], ["", "unknown"]] as const) {
    bmc.faults.powerState = word;
    assert.deepEqual(await session.read(["1"], signal()), [{ outlet: "1", state, label: null }], word);
  }
});

test("a certificate that nobody vouches for, another one, a wrong password, system or port: told as such", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const wrong: readonly (readonly [Partial<RedfishOptions>, string, RegExp])[] = [
    [{ ca: null }, "POWER_LOGIN", /not trusted .*fingerprint/],
    [{ fingerprint: `${"00:".repeat(31)}00` }, "POWER_LOGIN", new RegExp(bmc.fingerprint)],
    [{ password: "hunter2-no" }, "POWER_LOGIN", /401 The service says/],
    [{ password: "hunter2-no", auth: "session" }, "POWER_LOGIN", /401/],
    [{ system: "/redfish/v1/Systems/77" }, "POWER_OUTLET", /404/],
    [{ port: 1 }, "POWER_UNREACHABLE", /ECONNREFUSED/],
    [{ host: "nowhere.invalid" }, "POWER_UNREACHABLE", /nowhere/],
  ];
  for (const [more, code, says] of wrong) {
    await assert.rejects(async () => (await open(t, bmc, more)).read(["1"], signal()), refusal(code, says), says.source);
  }
  assert.deepEqual(bmc.requests().filter((request) => request.includes("Systems/1")).length, 1, "no password goes to a certificate that is not trusted");
  const unchecked = await open(t, bmc, { verify: false, ca: null });
  assert.equal((await unchecked.read(["1"], signal()))[0]?.state, "on");
});

test("of several systems one must be named", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  bmc.faults.systems = ["1", "2"];
  await assert.rejects(open(t, bmc, { system: null }), refusal("POWER_OUTLET", /which system\? There are .*Systems\/1, .*Systems\/2/));
  bmc.faults.systems = [];
  await assert.rejects(open(t, bmc, { system: null }), refusal("POWER_NONSENSE", /no systems/));
});

test("what a system does not allow is not asked, wherever it says so; where it does not say, it is asked", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const session = await open(t, bmc);
  for (const actionInfo of [false, true]) {
    bmc.faults.actionInfo = actionInfo;
    bmc.faults.allowed = ["On", "GracefulShutdown"];
    await assert.rejects(off(session), refusal("POWER_NONSENSE", /allows On, GracefulShutdown, and not ForceOff/));
  }
  assert.deepEqual(bmc.commands(), []);
  bmc.faults.actionInfo = false;
  bmc.faults.allowed = null;
  assert.equal((await off(session)).kind, "accepted");
  assert.deepEqual(bmc.commands(), ["ForceOff"]);
});

test("an answer to a command: a client's error is a no, a server's error may have come too late, a redirect is not followed", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  for (const [status, kind] of [[400, "refused"], [403, "refused"], [405, "refused"], [409, "refused"], [307, "refused"], [408, "unknown"], [500, "unknown"], [503, "unknown"]] as const) {
    const session = await open(t, bmc);
    bmc.faults.resetStatus = status;
    const outcome = await off(session);
    assert.equal(outcome.kind, kind, String(status));
    assert.match(outcome.evidence, new RegExp(`^ForceOff: ${status} The service says`));
    await session.close();
  }
  assert.deepEqual(bmc.commands(), []);
});

test("a task is waited for: done, failed, or still running when the time is over", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  for (const [polls, state, kind, says] of [[1, "Completed", "accepted", /Completed/], [0, "Exception", "unknown", /Exception/], [100, "Completed", "unknown", /has not ended/]] as const) {
    bmc.faults.task = { polls, state };
    const outcome = await off(await open(t, bmc, { stepMs: 3_000 }));
    assert.equal(outcome.kind, kind, outcome.evidence);
    assert.match(outcome.evidence, says);
  }
});

test("a service that wants a precondition refuses once, and is then told on which state a command was decided", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  bmc.faults.precondition = true;
  const device = redfish.create(optionsFor(bmc));
  const session = await device.open(signal());
  t.after(() => session.close());
  const first = await off(session);
  assert.deepEqual([first.kind, bmc.commands()], ["refused", []]);
  assert.equal((await off(session)).kind, "accepted");
  assert.deepEqual(bmc.commands(), ["ForceOff"]);
});

test("a lie is accepted and read back as what it is", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  bmc.faults.lie = true;
  const session = await open(t, bmc);
  assert.deepEqual(await off(session), { kind: "accepted", evidence: "ForceOff: 204" }, "and the socket's options were taken: no warning");
  assert.equal((await session.read(["1"], signal()))[0]?.state, "on");
});

test("nonsense, megabytes, half an answer, redirects in a circle or elsewhere: none is a state", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const nonsense: readonly (readonly [RedfishBmc["faults"]["answer"], string, RegExp])[] = [
    [{ status: 200, body: "<html>" }, "POWER_NONSENSE", /not a computer system/],
    [{ status: 200, body: "[]" }, "POWER_NONSENSE", /not a computer system/],
    [{ status: 200, body: '{"@odata.type":"#Chassis.v1_0_0.Chassis","PowerState":"Off"}' }, "POWER_NONSENSE", /not a computer system/],
    [{ status: 200, body: `{"PowerState":"Off","x":"${"x".repeat(1_100_000)}"}` }, "POWER_NONSENSE", /more than/],
    [{ status: 302, headers: { location: "/redfish/v1/Systems/1" } }, "POWER_NONSENSE", /redirect that is not followed/],
    [{ status: 302, headers: { location: "https://127.0.0.1:1/redfish/v1/Systems/1" } }, "POWER_NONSENSE", /redirect that is not followed/],
    [{ status: 503, body: "" }, "POWER_BUSY", /503/],
    [{ status: 200, body: '{"PowerState":{"a":1},"Actions":7}' }, "POWER_NONSENSE", /cannot be reset/],
    [{ status: 200, body: '{"PowerState":"On","Actions":{"#ComputerSystem.Reset":{"target":"https://elsewhere.example/"}}}' }, "POWER_NONSENSE", /cannot be reset/],
  ];
  for (const [answer, code, says] of nonsense) {
    const session = await open(t, bmc);
    bmc.faults.answer = answer;
    await assert.rejects(off(session), refusal(code, says), says.source);
    bmc.faults.answer = null;
    await session.close();
  }
  bmc.faults.cutAnswer = true;
  await assert.rejects(async () => (await open(t, bmc)).read(["1"], signal()), refusal("POWER_UNREACHABLE", /./));
  assert.deepEqual(bmc.commands(), []);
});

test("a redirect on the same service is followed for a reading", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const session = await open(t, bmc, { system: "/redfish/v1/Systems/old" });
  bmc.faults.answer = { status: 308, headers: { location: `https://127.0.0.1:${bmc.port}/redfish/v1/Systems/1` }, times: 3 };
  assert.equal((await session.read(["1"], signal()))[0]?.state, "on");
  assert.deepEqual(bmc.requests().map((request) => request.replace(/.*\//, "")), ["old", "1", "1", "1"]);
});

test("a session is logged out of, also after an error; three at once disturb nobody", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const sessions = await Promise.all(Array.from({ length: 3 }, () => open(t, bmc, { auth: "session" })));
  assert.equal(bmc.sessions(), 3);
  const results = await Promise.allSettled([sessions[0]?.read(["1"], signal()), sessions[1]?.read(["1"], signal()), sessions[2]?.read(["2"], signal())]);
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected"]);
  await Promise.all(sessions.map((session) => session.close()));
  assert.equal(bmc.sessions(), 0);
});

test("a connection that has gone takes no command: nothing is sent, and no other is opened for it", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  const session = await open(t, bmc);
  const outcome = await session.set("1", "off", async (_, write) => {
    await bmc.close();
    await new Promise((done) => setTimeout(done, 100));
    write();
    return true;
  }, signal());
  assert.equal(outcome.kind, "unknown");
  assert.match(outcome.evidence, /nothing was sent: .*the connection was gone/);
  assert.deepEqual(bmc.commands(), []);
});

test("something that is no TLS at all, or never says a word, ends in its time", { skip: SKIP }, async (t) => {
  const bmc = await bmcIn(t);
  for (const greeting of ["SSH-2.0-OpenSSH_9.2\r\n", null]) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      if (greeting !== null) socket.end(greeting);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    await assert.rejects(redfish.create(optionsFor(bmc, { port, stepMs: 700 })).open(signal()), refusal(greeting === null ? "POWER_TIMEOUT" : "POWER_UNREACHABLE", /./));
  }
});

test("fence_redfish accepts the BMC, and our fence-agent driver drives it", { skip: SKIP === false ? lacking("fence_redfish") : SKIP }, async (t) => {
  thirdParty("fence_redfish (fence-agents)", [programPath("fence_redfish") ?? "", "--version"]);
  const bmc = await bmcIn(t);
  const options = { ip: bmc.address, ipport: String(bmc.port), username: USER, "systems-uri": "/redfish/v1/Systems/1", ssl_insecure: "1" };
  const session = await fenceAgent.create({ agent: "fence_redfish", options, secrets: { password: PASSWORD }, stepMs: 40_000, maxActMs: 60_000 }).open(signal());
  for (const action of ["off", "on"] as const) {
    const outcome = await session.set("-", action, yes, signal());
    assert.equal(outcome.kind, "accepted", outcome.evidence);
    assert.equal(bmc.truth(), action);
    assert.equal((await session.read(["-"], signal()))[0]?.state, action);
  }
  assert.deepEqual(bmc.commands(), ["ForceOff", "On"]);
});
