// The driver against an agent that a test can make as strange as it likes, and against Debian's own: the metadata of every
// installed one, fence_dummy, and fence_apc with the virtual PDU. fence_ipmilan and fence_redfish run beside their devices.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startApcPdu } from "../../lab/apc-pdu.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { childGuard, runChild } from "../child/child.ts";
import { UpkeepError } from "../core/errors.ts";
import { agentFaults, parseAgentMetadata, plugOption } from "../protocol/agent-metadata.ts";
import type { AgentMetadata } from "../protocol/agent-metadata.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";
import { fenceAgent } from "./fence-agent.ts";
import type { FenceAgentOptions } from "./fence-agent.ts";
import { fileAgent } from "./fence-agent.fixture.ts";
import type { FileAgent } from "./fence-agent.fixture.ts";
import type { PowerSession } from "./power.ts";

const SECRET = "hunter2 sesame";
process.env["PCMK_service"] = "hunter2-pcmk";

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};

function optionsFor(agent: FileAgent, more: Partial<FenceAgentOptions> = {}): FenceAgentOptions {
  return { agent: agent.path, options: { ipaddr: "10.0.0.9" }, secrets: { passwd: SECRET }, stepMs: 20_000, maxActMs: 30_000, ...more };
}

function rig(stepMs: number): Promise<PowerRig> {
  const agent = fileAgent();
  return Promise.resolve({
    device: fenceAgent.create(optionsFor(agent, { stepMs })),
    outlet: "3", other: "2", unknown: "99",
    secrets: [SECRET, "hunter2-pcmk"],
    commands: agent.commands,
    truth: (outlet) => Promise.resolve(agent.state(outlet)),
    loseAnswer: () => agent.flag("lose-answer"),
    loseCommand: () => agent.flag("lose-command"),
    hang: () => agent.flag("hang"),
    close: () => Promise.resolve(agent.close()),
  });
}

powerConformance("fence-agent", () => rig(20_000), () => rig(2_000));

function agentIn(t: TestContext): FileAgent {
  const agent = fileAgent();
  t.after(() => agent.close());
  return agent;
}

const open = (agent: FileAgent, more: Partial<FenceAgentOptions> = {}): Promise<PowerSession> => fenceAgent.create(optionsFor(agent, more)).open(signal());
const refusal = (code: string, says: RegExp) => (error: unknown): boolean => error instanceof UpkeepError && error.code === code && says.test(error.message);

test("an agent is told on standard input, with an action last, and has no arguments and nothing of our environment", async (t) => {
  const agent = agentIn(t);
  const session = await open(agent, { options: { "ipaddr": "10.0.0.9", "ssl-insecure": "1" } });
  await session.set("3", "off", yes, signal());
  assert.deepEqual(agent.input(), ["ipaddr=10.0.0.9", "ssl_insecure=1", `passwd=${SECRET}`, "plug=3", "action=off"]);
  for (const line of agent.environment()) assert.match(line, /^(PATH|LANG|PWD|_|OLDPWD|SHLVL)=/);
  assert.deepEqual(agent.commands(), ["off 3"]);
});

test("a value with quotes or spaces at its ends is put in quotes, which agents cut off", async (t) => {
  const agent = agentIn(t);
  for (const [value, sent] of [[" x ", '" x "'], ['"x"', '""x""'], ['a"b', 'a"b'], ["a=b#c", "a=b#c"], ["", ""]] as const) {
    await (await open(agent, { secrets: { password: value } })).read(["3"], signal());
    assert.ok(agent.input().includes(`password=${sent}`), agent.input().join());
  }
});

test("status: 0 is on, 2 is off, all else is unknown with the reason, and so is an end that its own words contradict", async (t) => {
  const agent = agentIn(t);
  const session = await open(agent, { stepMs: 2_000 });
  for (const [script, state] of [["exit 0", "on"], ["exit 2", "off"], ["echo Status: OFF; exit 2", "off"], ["echo noise >&2; echo Status: ON; exit 0", "on"]] as const) {
    agent.instead("status", script);
    assert.equal((await session.read(["3"], signal()))[0]?.state, state, script);
  }
  const unknown: readonly (readonly [string, string, RegExp])[] = [
    ["echo Status: OFF; exit 0", "POWER_UNREACHABLE", /exit 0: Status: OFF/],
    ["echo Status: ON; exit 2", "POWER_UNREACHABLE", /exit 2/],
    ["echo \"python3: can't open file\" >&2; exit 2", "POWER_UNREACHABLE", /can't open file/],
    ["echo Unable to connect/login to fencing device >&2; exit 1", "POWER_UNREACHABLE", /Unable to connect/],
    ["echo Connection timed out >&2; exit 1", "POWER_TIMEOUT", /timed out/],
    ["echo Failed: You have to set login password >&2; exit 1", "POWER_LOGIN", /password/],
    ["kill -KILL $$", "POWER_UNREACHABLE", /killed by SIGKILL/],
    ["exit 137", "POWER_UNREACHABLE", /exit 137/],
    ["exit 255", "POWER_UNREACHABLE", /exit 255/],
    ["sleep 61.5 & wait", "POWER_TIMEOUT", /no end within 2000 ms/],
  ];
  for (const [script, code, says] of unknown) {
    agent.instead("status", script);
    await assert.rejects(session.read(["3"], signal()), refusal(code, says), script);
    await assert.rejects(session.set("3", "off", yes, signal()), refusal(code, says), script);
  }
  assert.deepEqual(agent.commands(), []);
});

test("one outlet that cannot be read blinds no other", async (t) => {
  const session = await open(agentIn(t));
  assert.deepEqual((await session.read(["99", "3"], signal())).map(({ state }) => state), ["unknown", "on"]);
  await assert.rejects(session.read(["99"], signal()), refusal("POWER_OUTLET", /correct plug status/));
});

test("an agent that says success and does nothing is accepted, and read back as what it is", async (t) => {
  const agent = agentIn(t);
  agent.instead("off", "echo Success: Powered OFF; exit 0");
  const session = await open(agent);
  assert.equal((await session.set("3", "off", yes, signal())).kind, "accepted");
  assert.equal((await session.read(["3"], signal()))[0]?.state, "on");
});

test("an action that fails in whatever way is unknown, never refused: it may have acted", async (t) => {
  const agent = agentIn(t);
  const session = await open(agent, { stepMs: 2_000 });
  for (const [script, evidence] of [["echo Failed: Timed out waiting to power OFF >&2; exit 1", /exit 1: Failed/], ["kill -KILL $$", /killed by SIGKILL/], ["exit 137", /exit 137/], ["sleep 61.5", /no end within/], ["exit 2", /exit 2/]] as const) {
    agent.instead("off", script);
    const outcome = await session.set("3", "off", yes, signal());
    assert.equal(outcome.kind, "unknown");
    assert.match(outcome.evidence, evidence);
  }
});

test("megabytes, forks and children that stay do no harm", async (t) => {
  const agent = agentIn(t);
  const session = await open(agent);
  agent.instead("off", "head -c 8000000 /dev/zero | tr '\\0' x; (sleep 61.5 & echo $! >&2) ; (setsid sleep 0.5 &) ; exit 0");
  const began = performance.now();
  const outcome = await session.set("3", "off", yes, signal());
  assert.equal(outcome.kind, "accepted");
  assert.ok(outcome.evidence.length < 1_000 && performance.now() - began < 15_000);
  const pid = /(\d+)$/.exec(outcome.evidence)?.[1];
  for (const end = Date.now() + 10_000; existsSync(`/proc/${pid}/cwd`); await new Promise((done) => setTimeout(done, 20))) assert.ok(Date.now() < end, "a child lives on");
});

test("three sessions at once disturb nobody, and a device that goes away between the reading and the action leaves an unknown", async (t) => {
  const agent = agentIn(t);
  const sessions = await Promise.all(Array.from({ length: 3 }, () => open(agent, { stepMs: 5_000 })));
  const states = await Promise.all(sessions.map((session, at) => session.read([at === 0 ? "2" : "3"], signal())));
  assert.deepEqual(states.map((readings) => readings[0]?.state), ["on", "on", "on"]);
  const outcome = await sessions[0]?.set("3", "off", (_, write) => {
    agent.flag("hang");
    write();
    return Promise.resolve(true);
  }, signal());
  assert.deepEqual([outcome?.kind, agent.commands()], ["unknown", []]);
});

test("an agent that is missing, dumb, or not for power is not used, and says why", async (t) => {
  await assert.rejects(fenceAgent.create({ agent: "fence_nowhere", options: {}, secrets: {}, stepMs: 1_000, maxActMs: 1_000 }).open(signal()), refusal("POWER_UNREACHABLE", /no such fence agent/));
  const wrong: readonly (readonly [(text: string) => string, string, RegExp])[] = [
    [() => "usage: fence_ack_manual NODE", "POWER_NONSENSE", /no metadata/],
    [(text) => text.slice(0, 300), "POWER_NONSENSE", /does not say what it is/],
    [() => `<resource-agent name="x">${"<a>".repeat(100)}`, "POWER_NONSENSE", /larger/],
    [(text) => text + "x".repeat(300_000), "POWER_NONSENSE", /longer/],
    [(text) => text.replace('<action name="off"/>', ""), "POWER_UNREACHABLE", /cannot off/],
    [(text) => text.replace('<action name="status"/>', ""), "POWER_UNREACHABLE", /cannot status/],
    [(text) => text.replace('automatic="0"', 'automatic="1"'), "POWER_UNREACHABLE", /storage or network/],
    [(text) => text.replaceAll('"ip', '"host'), "POWER_UNREACHABLE", /no option ipaddr/],
    [(text) => text.replace("</parameters>", '<parameter name="login" required="1"/></parameters>'), "POWER_UNREACHABLE", /needs login/],
  ];
  for (const [change, code, says] of wrong) {
    const agent = agentIn(t);
    agent.metadata(change);
    await assert.rejects(open(agent), refusal(code, says), says.source);
  }
  await assert.rejects(open(agentIn(t), { options: { ip: "h", ipaddr: "h" } }), refusal("POWER_UNREACHABLE", /one option/));
});

test("the metadata is read once, and again when it could not be read", async (t) => {
  const agent = agentIn(t);
  const device = fenceAgent.create(optionsFor(agent));
  let before = "";
  agent.metadata((text) => ((before = text), "gone"));
  await assert.rejects(device.open(signal()), UpkeepError);
  agent.metadata(() => before);
  await device.open(signal());
  agent.metadata(() => "gone");
  assert.equal((await (await device.open(signal())).read(["3"], signal()))[0]?.state, "on");
});

test("an agent without outlets has one, and one with outlets is told which", async (t) => {
  const agent = agentIn(t);
  await assert.rejects((await open(agent)).read(["-"], signal()), refusal("POWER_OUTLET", /DEVICE\/OUTLET/));
  for (const outlet of ["1,2", " 1", "1 ", '"1"', "", "-1", "#1", "a\nb", "=", "x".repeat(65)]) await assert.rejects((await open(agent)).read([outlet], signal()), refusal("POWER_OUTLET", /cannot be told/), outlet);
  const alone = agentIn(t);
  alone.metadata((text) => text.replace(/<parameter name="(plug|port)".*\n/g, ""));
  const session = await open(alone);
  await assert.rejects(session.read(["1"], signal()), refusal("POWER_OUTLET", /one output/));
  alone.instead("status", "echo Status: ON; exit 0");
  assert.equal((await session.read(["-"], signal()))[0]?.state, "on");
  assert.ok(!alone.input().some((line) => line.startsWith("plug")));
});

test("every agent that is installed says what it is, or that it cannot be used", { skip: lacking("fence_apc") }, async () => {
  thirdParty("fence-agents (metadata)", [programPath("fence_apc") ?? "", "--version"]);
  const folder = "/usr/sbin";
  const agents = readdirSync(folder).filter((name) => name.startsWith("fence_"));
  assert.ok(agents.length > 50, `only ${agents.length} agents`);
  const guard = childGuard();
  const found = new Map<string, AgentMetadata | { readonly wrong: string }>();
  const work = async (): Promise<void> => {
    for (let name = agents.pop(); name !== undefined; name = agents.pop()) {
      const ran = await runChild(guard, [join(folder, name)], { limitMs: 60_000, input: "action=metadata\n", keepBytes: 262_144 }, signal());
      found.set(name, parseAgentMetadata(ran.stdout));
    }
  };
  await Promise.all([work(), work(), work()]);
  const dumb = [...found].filter(([, metadata]) => "wrong" in metadata).map(([name]) => name);
  assert.deepEqual(dumb, ["fence_ack_manual"], "it is a person's, and has none");
  const unusable = [...found].flatMap(([name, metadata]) => ("wrong" in metadata || !agentFaults(metadata, []).some(({ message }) => /cannot|not power/.test(message)) ? [] : [name])).sort();
  assert.deepEqual(unusable, ["fence_brocade", "fence_cisco_mds", "fence_compute", "fence_crosslink", "fence_evacuate", "fence_heuristics_ping", "fence_ifmib", "fence_kdump", "fence_mpath", "fence_ovh", "fence_rcd_serial", "fence_sanbox2", "fence_sbd", "fence_scsi"]);
  const plug = (name: string): string | null => plugOption(found.get(name) as AgentMetadata);
  assert.deepEqual([plug("fence_apc"), plug("fence_virsh"), plug("fence_ipmilan"), plug("fence_redfish"), plug("fence_dummy")], ["plug", "plug", null, null, null]);
});

test("fence_dummy switches a file off and on", { skip: lacking("fence_dummy") }, async (t) => {
  thirdParty("fence_dummy (fence-agents)", [programPath("fence_dummy") ?? "", "--version"]);
  const folder = mkdtempSync(join(tmpdir(), "upkeep-dummy-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "status");
  writeFileSync(file, "on");
  const session = await fenceAgent.create({ agent: "fence_dummy", options: { status_file: file }, secrets: {}, stepMs: 30_000, maxActMs: 60_000 }).open(signal());
  assert.equal((await session.read(["-"], signal()))[0]?.state, "on");
  for (const action of ["off", "on"] as const) {
    assert.deepEqual(await session.set("-", action, yes, signal()), { kind: "accepted", evidence: `exit 0: Success: Powered ${action.toUpperCase()}` });
    assert.equal(readFileSync(file, "utf8"), action);
    assert.equal((await session.read(["-"], signal()))[0]?.state, action);
  }
});

test("fence_apc switches one outlet of the virtual PDU; a wrong password, outlet or address is told as such", { skip: lacking("fence_apc", "telnet") }, async (t) => {
  thirdParty("fence_apc (fence-agents)", [programPath("fence_apc") ?? "", "--version"]);
  const pdu = await startApcPdu({ dialect: "menu3", user: "apc", password: SECRET, faults: { secondSession: "allow" } });
  t.after(() => pdu.close());
  const make = (password: string, patienceS: number, port = pdu.port): Promise<PowerSession> =>
    fenceAgent.create({ agent: "fence_apc", options: { ip: "127.0.0.1", ipport: String(port), username: "apc", login_timeout: String(patienceS), shell_timeout: String(patienceS) }, secrets: { password }, stepMs: 40_000, maxActMs: 60_000 }).open(signal());
  const switching = async (): Promise<void> => {
    const session = await make(SECRET, 15);
    const states = async (): Promise<readonly string[]> => (await session.read(["2"], signal())).map(({ state }) => state);
    assert.deepEqual(await states(), ["on"]);
    const outcome = await session.set("2", "off", yes, signal());
    assert.equal(outcome.kind, "accepted", outcome.evidence);
    assert.deepEqual([pdu.truth(2), pdu.truth(3), await states()], ["off", "on", ["off"]]);
    assert.equal((await session.set("2", "on", yes, signal())).kind, "accepted");
  };
  const read = async (outlet: string, password: string, port?: number): Promise<unknown> => (await make(password, 4, port)).read([outlet], signal());
  const nobody = await startApcPdu({ dialect: "menu3" });
  await nobody.close();
  // Mostly they wait for each other's prompts.
  await Promise.all([
    switching(),
    assert.rejects(read("77", SECRET), refusal("POWER_OUTLET", /plug status/)),
    assert.rejects(read("2", "wrong"), (error) => error instanceof UpkeepError && /login/i.test(error.message) && !error.message.includes("wrong")),
    assert.rejects(read("2", SECRET, nobody.port), refusal("POWER_UNREACHABLE", /fence_apc status: exit 1/)),
  ]);
  assert.equal(pdu.truth(2), "on");
  assert.deepEqual(pdu.log.all("command").map(({ action, outlets }) => `${action} ${outlets.join()}`), ["off 2", "on 2"]);
});
