// The command line against a real watcher: what it answers, with which exit code, in which JSON (contracts.md, "Command
// line"), and what its commands do to outlets and hosts.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFaults } from "../lab/apc-pdu.ts";
import { startRig, UPKEEP } from "../lab/rig.ts";
import type { Ran, Rig, RigOptions } from "../lab/rig.ts";
import type { EventLine, Incident, Status } from "./watching.ts";
import { assertPolite, commandsOf, edgesOf, guarded, hostStatus, incidentsOf, QUICK, startWatching, statusOf, until } from "./watching.ts";

async function onWatched(options: Partial<RigOptions>, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: QUICK, device: "check: 2s, timeout: 1s, deadline: 2s", ...options });
  try {
    await startWatching(rig);
    await guarded(rig);
    await body(rig);
    assertPolite(await rig.records());
  } finally {
    await rig.stop();
  }
}

/** Runs without the rig's configuration, or with something typed. */
function plain(args: readonly string[], typed = "", env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(UPKEEP, args, { timeout: 60_000, cwd: "/", env: { ...process.env, ...env } }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr }));
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(typed);
  });
}

async function recovered(rig: Rig, host: string, count = 1): Promise<void> {
  await until(`${host} has recovered ${count} times`, async () => (await incidentsOf(rig, host)).filter((each) => each.outcome === "recovered").length >= count, 40_000, 200);
}

async function expect(rig: Rig, code: number, ...args: string[]): Promise<Ran> {
  const ran = await rig.upkeep(...args);
  assert.equal(ran.code, code, `upkeep ${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
  return ran;
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe("the command line", { concurrency: 3 }, () => {
  test("status, why, events and incidents: their JSON and their words, before and after an outage", () => onWatched({}, async (rig) => {
    const before = JSON.parse((await expect(rig, 0, "status", "--json")).stdout) as Status & Record<string, unknown>;
    assert.equal(before.site, "lab");
    assert.match(before.at, ISO);
    assert.equal(before.guarded, "2 of 2");
    assert.equal(before.watchers.length, 1);
    assert.equal(before.devices.length, 1);
    const [host] = before.hosts;
    assert.ok(host !== undefined);
    const { since, power, ...rest } = host;
    assert.match(since, ISO);
    assert.equal(power.length, 1);
    assert.match(power[0]?.at ?? "", ISO);
    assert.deepEqual({ outlet: power[0]?.outlet, state: power[0]?.state }, { outlet: "sucker/2", state: "on" });
    assert.partialDeepStrictEqual(rest, { host: "logos", verdict: "up", counter: 0, threshold: 3, guarded: true, why: null, wanted: "on", brakes: [], incident: null });
    assert.match((await expect(rig, 0, "status")).stdout, /^guarded 2 of 2/);
    assert.match((await expect(rig, 0, "why", "logos")).stdout, /logos is up/);
    await expect(rig, 2, "why", "nobody");
    await expect(rig, 2, "status", "nobody");
    assert.equal((await expect(rig, 0, "incidents", "--json")).stdout.trim(), "[]");

    await rig.host("logos").wedge("frozen");
    await until("down", async () => (await hostStatus(rig, "logos"))?.verdict === "down");
    assert.match((await expect(rig, 1, "status")).stdout, /^guarded 1 of 2/);
    await recovered(rig, "logos");
    const incidents = JSON.parse((await expect(rig, 0, "incidents", "--json")).stdout) as readonly Incident[];
    assert.equal(incidents.length, 1);
    const [incident] = incidents as readonly [Incident];
    assert.match(incident.incident, /^[bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]-[bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]$/);
    assert.partialDeepStrictEqual(incident, { host: "logos", outcome: "recovered" });
    assert.match(incident.began, ISO);
    assert.match(incident.ended ?? "", ISO);
    for (const [phase, ms] of Object.entries(incident.phases)) assert.ok(phase.endsWith("Ms") && typeof ms === "number" && ms >= 0, `${phase}: ${ms}`);
    const events = (await expect(rig, 0, "events", "--json", "--since", "1h")).stdout.trim().split("\n").map((line) => JSON.parse(line) as EventLine);
    for (const event of events) {
      assert.ok(Number.isInteger(event.seq) && ISO.test(event.at) && event.because !== "" && typeof event.kind === "string", JSON.stringify(event));
      assert.ok(event.host === null || rig.hosts.has(event.host));
    }
    assert.deepEqual(events.map((event) => event.seq), events.map((event) => event.seq).toSorted((a, b) => a - b));
    const story = events.filter((event) => event.incident === incident.incident).map((event) => event.kind);
    const steps = ["down", "intended", "off-sent", "off-confirmed", "on-sent", "on-confirmed", "recovered"];
    assert.deepEqual(story.filter((kind) => steps.includes(kind)), steps);
    const why = (await expect(rig, 0, "why", incident.incident)).stdout;
    for (const words of ["logos was out of service", "First bad sign", "no banner", "off goes to sucker/2", "in all"]) assert.ok(why.includes(words), `${words}: ${why}`);
    assert.equal((JSON.parse((await expect(rig, 0, "why", "logos", "--json")).stdout) as { kind: string }).kind, "host");
  }));

  test("usage, configuration and absence have exit codes of their own", async () => {
    assert.equal((await plain(["status"])).code, 3);
    assert.equal((await plain(["status", "-c", "/nowhere.yaml"])).code, 3);
    assert.equal((await plain(["statsu"])).code, 2);
    assert.equal((await plain(["fence", "logos"])).code, 2);
    assert.equal((await plain(["why"])).code, 2);
    assert.equal((await plain(["power", "logos", "explode"])).code, 2);
    assert.equal((await plain(["maintenance", "start", "logos", "--for", "soon"])).code, 2);
    assert.equal((await plain(["--help"])).code, 0);
    assert.match((await plain(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  test("power: status, off and on by hand; a serving host's name must be typed; what is wanted off stays off", () => onWatched({}, async (rig) => {
    assert.match((await expect(rig, 0, "power", "logos", "status")).stdout, /sucker\/2 +on/);
    await expect(rig, 4, "power", "logos", "off");
    assert.deepEqual(commandsOf(await rig.records()), []);
    assert.equal((await plain(["power", "logos", "off", "-c", rig.config], "ethos\n")).code, 4);
    assert.deepEqual(commandsOf(await rig.records()), []);
    assert.equal((await plain(["power", "logos", "off", "--reason", "new disk"], "logos\n", { UPKEEP_CONFIG: rig.config })).code, 0);
    assert.equal(rig.host("logos").powered, false);
    await expect(rig, 1, "power", "logos", "status");
    const status = await hostStatus(rig, "logos");
    assert.deepEqual([status?.wanted, status?.guarded], ["off", false]);
    // Down for long enough, and nobody's business.
    await sleep(3_000);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off"]);
    await expect(rig, 0, "power", "logos", "on");
    await rig.host("logos").serving();
    await guarded(rig);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
    await expect(rig, 0, "power", "ethos", "cycle", "--confirm", "ethos");
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on", "3 off", "3 on"]);
    await expect(rig, 2, "power", "nobody", "on");
  }));

  test("fence: the typed name, one cycle, merged when repeated, again when insisted on", () => onWatched({}, async (rig) => {
    await expect(rig, 4, "fence", "logos", "--reason", "to see");
    assert.deepEqual(commandsOf(await rig.records()), []);
    await expect(rig, 0, "fence", "logos", "--reason", "to see", "--confirm", "logos");
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
    await rig.host("logos").serving();
    await recovered(rig, "logos");
    assert.match((await expect(rig, 0, "fence", "logos", "--reason", "once more", "--confirm", "logos")).stdout, /merged/);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
    // Within debounce and boot: a person overrides both, each named.
    const again = await rig.upkeep("fence", "logos", "--reason", "once more", "--confirm", "logos", "--again");
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on", "2 off", "2 on"]);
    await expect(rig, 0, "maintenance", "start", "ethos", "--for", "1h", "--reason", "kernel");
    await expect(rig, 4, "fence", "ethos", "--reason", "not now", "--confirm", "ethos");
    assert.equal(edgesOf(await rig.records()).length, 4);
  }));

  test("maintenance and disarm hold the cut back, and their end frees it, counting from zero", () => onWatched({}, async (rig) => {
    await expect(rig, 0, "maintenance", "start", "logos", "--for", "1h", "--reason", "kernel");
    const [listed] = JSON.parse((await expect(rig, 0, "maintenance", "list", "--json")).stdout) as readonly { scope: string; reason: string; leftMs: number }[];
    assert.partialDeepStrictEqual(listed, { scope: "logos", reason: "kernel" });
    assert.ok((listed?.leftMs ?? 0) > 3_500_000);
    await rig.host("logos").wedge("frozen");
    await until("down", async () => (await hostStatus(rig, "logos"))?.verdict === "down");
    await sleep(2_000);
    assert.deepEqual(commandsOf(await rig.records()), []);
    await expect(rig, 0, "disarm", "--for", "1h", "--reason", "wait");
    await expect(rig, 0, "maintenance", "end", "logos");
    await expect(rig, 1, "maintenance", "end", "logos");
    await sleep(2_500);
    assert.deepEqual(commandsOf(await rig.records()), []);
    assert.match((await expect(rig, 1, "status")).stdout, /disarmed/);
    await expect(rig, 0, "arm");
    await expect(rig, 1, "arm");
    await recovered(rig, "logos");
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
    // Announced: a reboot is no reason.
    await guarded(rig);
    await expect(rig, 0, "going-down", "ethos", "--for", "10m", "--reason", "firmware");
    await expect(rig, 1, "release", "ethos");
    await expect(rig, 1, "storm", "proceed");
    await expect(rig, 1, "ack", "held:ethos");
    await expect(rig, 2, "release", "nobody");
  }));

  test("confirm-off: after looking, with the name typed; it is wanted off from then on", () => onWatched({}, async (rig) => {
    await rig.switchByHand(3, "off");
    await until("it is seen", async () => (await hostStatus(rig, "ethos"))?.power[0]?.state === "off", 15_000);
    await expect(rig, 4, "confirm-off", "ethos");
    await expect(rig, 0, "confirm-off", "ethos", "--confirm", "ethos", "--reason", "unplugged");
    assert.equal((await hostStatus(rig, "ethos"))?.wanted, "off");
    await sleep(2_000);
    assert.deepEqual(commandsOf(await rig.records()), []);
    await expect(rig, 0, "power", "ethos", "on");
    assert.equal(rig.host("ethos").powered, true);
  }));

  test("an outcome that nobody knows is exit 5", () => onWatched({ settings: QUICK.replace("offConfirm: 3s", "offConfirm: 1s") }, async (rig) => {
    setFaults((rig.pdu as NonNullable<Rig["pdu"]>).faults, { ignores: { 3: "off" } });
    await expect(rig, 5, "power", "ethos", "cycle", "--confirm", "ethos");
    assert.deepEqual(edgesOf(await rig.records()), []);
    assert.equal(rig.host("ethos").powered, true);
  }));

  test("a storm holds everything, says so, and lets hosts through one at a time when told to", () => onWatched({
    hosts: ["logos", "ethos", "pathos", "mythos"],
    settings: QUICK.replace("maxUnhealthy: 100%", "maxUnhealthy: 40%").replace("coolDown: 0s", "coolDown: 1m"),
  }, async (rig) => {
    for (const name of ["logos", "ethos", "pathos"]) await rig.host(name).wedge("frozen");
    await until("a storm", async () => ((await statusOf(rig))?.storms.length ?? 0) > 0);
    await sleep(3_000);
    assert.deepEqual(commandsOf(await rig.records()), []);
    const status = await statusOf(rig);
    assert.ok(status?.alarms.some((alarm) => alarm.kind === "storm" && /storm proceed/.test(alarm.asked)), JSON.stringify(status?.alarms));
    assert.match((await expect(rig, 1, "status")).stdout, /Storm in/);
    await expect(rig, 0, "storm", "proceed");
    for (const name of ["logos", "ethos", "pathos"]) await recovered(rig, name);
    const edges = edgesOf(await rig.records());
    assert.equal(edges.length, 6, edges.join(", "));
    // One at a time: every off is followed by its own on.
    for (let at = 0; at < edges.length; at += 2) assert.equal(edges[at]?.replace(" off", " on"), edges[at + 1], edges.join(", "));
    assert.deepEqual(rig.host("mythos").edges.map((edge) => edge.to), ["on"]);
  }));
});
