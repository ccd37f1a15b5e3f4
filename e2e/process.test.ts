// What contracts.md promises of the process: how it says that it is ready, what signals do, what a second one does, what it
// leaves alone, which doors are open to whom, and that a secret is nowhere.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFaults } from "../lab/apc-pdu.ts";
import { startRig } from "../lab/rig.ts";
import type { Rig, RigOptions } from "../lab/rig.ts";
import { ask, assertPolite, commandsOf, edgesOf, guarded, hostStatus, incidentsOf, QUICK, recordsOf, startWatching, statusOf, until, Watching } from "./watching.ts";

/** Runs a test on a rig of its own, and leaves nothing behind. */
async function onRig(options: Partial<RigOptions>, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: QUICK, device: "check: 2s, timeout: 1s, deadline: 2s", ...options });
  try {
    await body(rig);
  } finally {
    await rig.stop();
  }
}

function edit(rig: Rig, change: (text: string) => string): void {
  const before = readFileSync(rig.config, "utf8");
  const after = change(before);
  assert.notEqual(after, before, "the edit changed nothing");
  writeFileSync(rig.config, after);
}

async function takenPort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === "object");
  return { port: bound.port, server };
}

async function freePort(): Promise<number> {
  const { port, server } = await takenPort();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

type Answered = { readonly status: number; readonly body: string };

function request(port: number, method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = http.request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

describe("the process", { concurrency: 4 }, () => {
  test("one line when it is ready, JSON on standard error, SIGTERM ends it with 0 and logs out", () => onRig({}, async (rig) => {
    const watching = await startWatching(rig);
    assert.match(await watching.ready(), /^upkeep: watching 2 hosts, guarded [0-2] of 2$/);
    await guarded(rig);
    assert.equal(watching.stdout.split("\n").length, 2, "one line, and no more");
    for (const line of watching.stderr.trim().split("\n")) assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
    // It waits a second for the device's farewell, and on a busy machine this device may take longer.
    let left: readonly string[] = [];
    for (let tries = 0; tries < 3 && (tries === 0 || left.some((why) => why !== "logged out")); tries += 1) {
      const last = tries === 0 ? watching : await startWatching(rig);
      await guarded(rig);
      const since = (await rig.records()).length;
      last.child.kill("SIGTERM");
      assert.deepEqual(await last.end(), { code: 0, signal: null });
      await until("the PDU is left", async () => (await rig.state()).connections === 0, 5_000);
      left = recordsOf((await rig.records()).slice(since), "close").map((close) => close.why);
    }
    assert.deepEqual(left.filter((why) => why !== "logged out"), []);
    assert.equal((await rig.upkeep("status")).code, 69);
  }));

  test("a session is logged out of within five seconds of its last need", () => onRig({ device: "check: 1h, timeout: 1s, deadline: 2s" }, async (rig) => {
    await startWatching(rig);
    await guarded(rig);
    const { log } = rig.pdu as NonNullable<Rig["pdu"]>;
    const read = log.all("line").at(-1);
    const left = await log.until("close", () => true, 8_000);
    assert.equal(left.why, "logged out");
    assert.ok(left.monoMs - (read?.monoMs ?? 0) <= 5_000, `${left.monoMs - (read?.monoMs ?? 0)} ms`);
  }));

  test("a second watcher on the same data: exit 69, and nothing is touched", () => onRig({}, async (rig) => {
    await startWatching(rig);
    await guarded(rig);
    const kept = readdirSync(rig.dataDir).filter((name) => !name.startsWith("history"));
    const sizes = (): readonly string[] => kept.map((name) => `${name} ${statSync(join(rig.dataDir, name)).ino} ${statSync(join(rig.dataDir, name)).size}`);
    const before = sizes();
    const lines = (await rig.state()).connectionsMax;
    const second = new Watching(rig.watch());
    assert.deepEqual(await second.end(), { code: 69, signal: null });
    assert.equal(second.stdout, "");
    assert.match(second.stderr, /another watcher holds/);
    assert.deepEqual(sizes(), before);
    assert.equal((await rig.state()).connectionsMax, lines);
    assert.equal((await rig.upkeep("status")).code, 0);
  }));

  test("its port is taken: it watches and says so; with api.required it does not start", async () => {
    const { port, server } = await takenPort();
    try {
      await onRig({}, async (rig) => {
        edit(rig, (text) => text.replace("127.0.0.1:0", `127.0.0.1:${port}`));
        const watching = await startWatching(rig);
        await guarded(rig);
        assert.match(watching.stderr, new RegExp(`${port}`));
        watching.child.kill("SIGTERM");
        await watching.end();
        edit(rig, (text) => text.replace(`"127.0.0.1:${port}"`, `"127.0.0.1:${port}", required: true`));
        const refused = new Watching(rig.watch());
        assert.deepEqual(await refused.end(), { code: 69, signal: null });
        assert.equal(refused.stdout, "");
      });
    } finally {
      server.close();
    }
  });

  test("SIGHUP and reload: a good configuration is taken over, a bad one is refused and the old one goes on", () => onRig({}, async (rig) => {
    const watching = await startWatching(rig);
    await guarded(rig);
    edit(rig, (text) => text.replace("threshold: 3", "threshold: 4"));
    watching.child.kill("SIGHUP");
    await until("the new threshold holds", async () => (await hostStatus(rig, "logos"))?.threshold === 4);
    // Another threshold is another host hash: it is seen healthy again before it is guarded.
    await guarded(rig);
    const good = readFileSync(rig.config, "utf8");
    edit(rig, (text) => text.replace("threshold: 4", "treshold: 5"));
    const refused = await rig.upkeep("reload");
    assert.equal(refused.code, 3);
    assert.match(refused.stdout, /upkeep\.yaml:\d+:\d+: error KEY_UNKNOWN/);
    watching.child.kill("SIGHUP");
    await until("it says that it goes on with the old one", () => watching.stderr.split("the old one goes on").length > 2);
    assert.equal((await hostStatus(rig, "logos"))?.threshold, 4);
    assert.equal((await rig.upkeep("status")).code, 0);
    writeFileSync(rig.config, good.replace(/^  ethos:.*\n/m, ""));
    assert.equal((await rig.upkeep("reload")).code, 0);
    assert.deepEqual((await statusOf(rig))?.hosts.map((host) => host.host), ["logos"]);
    assert.equal(watching.over, null);
    assert.deepEqual(commandsOf(await rig.records()), []);
  }));

  test("a reload cannot take away a host or device whose operation is open, nor the data", () => onRig({ settings: QUICK.replace("offFor: 0s", "offFor: 4s") }, async (rig) => {
    await startWatching(rig);
    await guarded(rig);
    await rig.host("logos").wedge("frozen");
    await rig.pdu?.log.until("edge", (edge) => edge.state === "off");
    const good = readFileSync(rig.config, "utf8");
    writeFileSync(rig.config, good.replace(/^  logos:.*\n/m, ""));
    assert.equal((await rig.upkeep("reload")).code, 3);
    writeFileSync(rig.config, good.replace("data: ./data", "data: ./elsewhere"));
    // The command line looks for the watcher where the file says that it is.
    assert.equal((await rig.upkeep("reload")).code, 69);
    writeFileSync(rig.config, good);
    await until("recovered", async () => (await incidentsOf(rig)).some((each) => each.outcome === "recovered"), 30_000, 200);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
    writeFileSync(rig.config, good.replace(/^  logos:.*\n/m, ""));
    assert.equal((await rig.upkeep("reload")).code, 0);
  }));

  test("a configuration with errors, none at all, a socket path that is too long: clear errors, and nothing is started", () => onRig({}, async (rig) => {
    const good = readFileSync(rig.config, "utf8");
    edit(rig, (text) => text.replace("address:", "adress:"));
    const wrong = new Watching(rig.watch());
    assert.deepEqual(await wrong.end(), { code: 3, signal: null });
    assert.match(wrong.stderr, /:\d+:\d+: error KEY_UNKNOWN unknown key "adress" \(did you mean "address"\?\)/);
    assert.throws(() => statSync(rig.dataDir));
    writeFileSync(rig.config, good.replace("data: ./data", `data: ./${"d".repeat(100)}`));
    const long = new Watching(rig.watch());
    assert.deepEqual(await long.end(), { code: 3, signal: null });
    assert.match(long.stderr, /107/);
    writeFileSync(rig.config, good.replace(/password: \{ file: [^}]+\}/, "password: { file: ./nowhere }"));
    const secretless = new Watching(rig.watch());
    assert.deepEqual(await secretless.end(), { code: 3, signal: null });
    assert.equal((await rig.upkeep("status", "--json")).code, 69);
    assert.deepEqual(await rig.records(), []);
  }));

  test("an outlet found off is left off, and a host that never served is never cut", () => onRig({ hosts: ["logos", "ethos", "pathos"], pdu: { initial: { 3: "off" } } }, async (rig) => {
    await rig.host("pathos").wedge("frozen");
    await startWatching(rig);
    await guarded(rig, ["logos"]);
    // Several times what it takes to cut one that did serve.
    await sleep(6_000);
    const status = await statusOf(rig);
    assert.deepEqual(status?.hosts.map((host) => [host.host, host.guarded]), [["logos", true], ["ethos", false], ["pathos", false]]);
    assert.ok(status?.hosts[1]?.brakes.some((brake) => brake.brake === "off-by-others"));
    assert.ok(status?.hosts[2]?.brakes.some((brake) => brake.brake === "never-healthy"));
    assert.ok(status?.alarms.some((alarm) => alarm.kind === "foreign" && alarm.asked.includes("upkeep power ethos on")));
    assert.equal((await rig.upkeep("status")).code, 1);
    assert.deepEqual(commandsOf(await rig.records()), []);
    // Somebody else's edge on a guarded host is left alone, too.
    await rig.switchByHand(2, "off");
    await until("it is seen", async () => (await hostStatus(rig, "logos"))?.brakes.some((brake) => brake.brake === "off-by-others"), 15_000);
    await sleep(3_000);
    assert.deepEqual(commandsOf(await rig.records()), []);
    assert.equal((await rig.upkeep("power", "ethos", "on")).code, 0);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "3 on"]);
  }));

  test("TCP is for reading, and only by its own name", () => onRig({}, async (rig) => {
    const port = await freePort();
    edit(rig, (text) => text.replace("127.0.0.1:0", `127.0.0.1:${port}`));
    await startWatching(rig);
    await guarded(rig);
    const status = await request(port, "GET", "/v1/status", { host: `localhost:${port}` });
    assert.equal(status.status, 200);
    assert.equal((JSON.parse(status.body) as { site: string }).site, "lab");
    // A page that lets its own name resolve to 127.0.0.1 (DNS rebinding) still says that name.
    assert.equal((await request(port, "GET", "/v1/status", { host: `evil.example:${port}` })).status, 403);
    const body = JSON.stringify({ by: "page", command: { kind: "fence", host: "logos", reason: "x", again: false, confirm: "logos" } });
    for (const path of ["/v1/commands", "/v1/reload"]) {
      assert.equal((await request(port, "POST", path, { host: `localhost:${port}`, "content-type": "application/json" }, body)).status, 405);
    }
    assert.equal((await request(port, "DELETE", "/v1/status", { host: `localhost:${port}` })).status, 405);
    await sleep(1_000);
    assert.deepEqual(commandsOf(await rig.records()), []);
  }));

  test("a device that talks nonsense, refuses the password or is not there: no command by accident, and it says why", () => onRig({}, async (rig) => {
    const watching = await startWatching(rig);
    await guarded(rig);
    const faults = [{ garbage: 40 }, { garbage: 0, refusePassword: true }, { refusePassword: false, mute: true }];
    for (const fault of faults) {
      setFaults((rig.pdu as NonNullable<Rig["pdu"]>).faults, fault);
      rig.pdu?.dropSessions();
      await until("it says that the device cannot be read", async () => (await statusOf(rig))?.devices[0]?.readable === false, 20_000, 200);
    }
    await rig.host("ethos").wedge("frozen");
    await sleep(4_000);
    assert.deepEqual(edgesOf(await rig.records()), []);
    setFaults((rig.pdu as NonNullable<Rig["pdu"]>).faults, { mute: false });
    rig.pdu?.dropSessions();
    await until("ethos is back in service", async () => (await incidentsOf(rig, "ethos")).some((each) => each.outcome === "recovered"), 60_000, 250).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${watching.tail(40)}`);
    });
    assert.deepEqual(edgesOf(await rig.records()), ["3 off", "3 on"]);
    assertPolite(await rig.records());
  }));

  test("the PDU's password is in nothing that the watcher wrote, says or was started with", () => onRig({}, async (rig) => {
    const watching = await startWatching(rig);
    await guarded(rig);
    await rig.host("logos").wedge("frozen");
    await until("recovered", async () => (await incidentsOf(rig)).some((each) => each.outcome === "recovered"), 30_000, 200);
    setFaults((rig.pdu as NonNullable<Rig["pdu"]>).faults, { refusePassword: true });
    rig.pdu?.dropSessions();
    await until("the log-in is refused", async () => (await statusOf(rig))?.devices[0]?.readable === false, 15_000, 200);
    const said = [watching.stdout, watching.stderr, readFileSync(`/proc/${watching.pid}/cmdline`, "latin1")];
    for (const path of ["/v1/status", "/v1/why/logos", "/v1/incidents"]) said.push(JSON.stringify(await ask(rig, path)));
    for (const words of [["events", "--json", "--limit", "10000"], ["status"], ["why", "logos"], ["check"], ["check", "--effective", "logos"]]) {
      const { stdout, stderr } = await rig.upkeep(...words);
      said.push(stdout, stderr);
    }
    watching.child.kill("SIGTERM");
    await watching.end();
    for (const name of readdirSync(rig.dataDir)) if (statSync(join(rig.dataDir, name)).isFile()) said.push(readFileSync(join(rig.dataDir, name), "latin1"));
    assert.ok(said.join("").length > 50_000, "there was something to look through");
    for (const text of said) assert.ok(!text.includes(rig.password), text.slice(Math.max(0, text.indexOf(rig.password) - 200), text.indexOf(rig.password) + 100));
    // The test can fail: the password is where it belongs.
    assert.ok(readFileSync(join(rig.folder, "sucker.password"), "utf8").includes(rig.password));
  }));
});
