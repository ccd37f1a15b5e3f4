// A real agent and a real watcher, from the code on: what the host announces is heard and not fenced, what was shut down comes
// back by one power cycle, and what an agent finds counts as any probe does; its silence counts for nothing. The watcher is
// killed in between, because what it knows of agents must be there when it is back.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { labRefusal, startRig } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import { makeHost } from "../src/watcher/agents/link-for-tests.ts";
import { assertPolite, edgesOf, guarded, hostStatus, startWatching, until } from "./watching.ts";
import type { HostStatus, Watching } from "./watching.ts";

const PATIENT_MS = 90_000;
const ROOT = join(import.meta.dirname, "..");

type Seen = HostStatus & { readonly careful: { readonly says: string } | null };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function rigWith(folder: string, port: number, sensor: string): Promise<Rig> {
  return startRig({
    hosts: ["logos", "ethos"], kind: "machines", bootMs: 500, folder, device: "check: 2s, timeout: 3s, deadline: 8s",
    probes: (host) => `[ping, { ssh: { port: ${host.sshPort} } }, agent]`,
    settings: `agents: { listen: "127.0.0.1:${port}" }
brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000, perHost: { cycles: 100, within: 0s } }
defaults: { every: 1s, timeout: 900ms, threshold: 3, debounce: 1s, boot: 20s, offFor: 1s, healthyFor: 1s, settle: 1s }
careful: { haltBound: 4s, returnAfter: 2s, stagger: 1s, signal: { temperature: [{ name: mains, file: ${sensor}, scale: 1, above: 50 }] } }
`,
  });
}

const seen = async (rig: Rig, host: string): Promise<Seen | undefined> => (await hostStatus(rig, host)) as Seen | undefined;

async function codeFor(rig: Rig, host: string): Promise<string> {
  const made = await rig.upkeep("agent", "code", host, "--json");
  assert.equal(made.code, 0, made.stderr);
  return (JSON.parse(made.stdout) as { readonly code: string }).code;
}

async function connected(rig: Rig): Promise<readonly string[]> {
  const { stdout } = await rig.upkeep("agents", "--json");
  const all = JSON.parse(stdout === "" ? "[]" : stdout) as readonly { readonly host: string; readonly state: string }[];
  return all.filter(({ state }) => state === "connected").map(({ host }) => host).sort();
}

test("enrolled, shut down with care and not fenced, back by one cycle; what an agent finds is a vote, its silence none", { skip: labRefusal() ?? false }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-agents-"));
  const sensor = join(folder, "mains");
  const mains = (good: boolean): void => {
    writeFileSync(`${sensor}.new`, good ? "20\n" : "80\n");
    renameSync(`${sensor}.new`, sensor);
  };
  mains(true);
  const port = await freePort();
  const rig = await rigWith(folder, port, sensor);
  // Agents come from outside of the watcher's namespace, as a browser does.
  const outside = Number(new URL(await rig.fromOutside(`http://127.0.0.1:${port}`)).port);
  const home = join(folder, "logos");
  mkdirSync(home);
  const halted = join(home, "halted");
  writeFileSync(join(home, "upkeep.yaml"), `agent:
  name: logos
  watchers: ["127.0.0.1:${outside}"]
  careful: { signal: { temperature: [{ name: mains, file: ${sensor}, scale: 1, above: 50 }] }, every: 500ms, wait: 1s, jitter: 0%, steady: 1s, observe: never, powerOff: [touch, ${halted}] }
`);
  const agent = (...words: readonly string[]): ChildProcess => spawn(join(ROOT, "bin/upkeep"), ["agent", ...words, "-c", join(home, "upkeep.yaml")], { stdio: ["ignore", "ignore", "ignore"] });
  const ethos = makeHost("ethos", () => [outside]);
  let watching: Watching | null = null;
  let running: ChildProcess | null = null;
  try {
    watching = await startWatching(rig);
    await guarded(rig, ["logos", "ethos"], PATIENT_MS);

    // In by a code each.
    const enrolment = agent("enroll", await codeFor(rig, "logos"));
    assert.equal(await new Promise((resolve) => enrolment.once("exit", resolve)), 0);
    assert.equal((await ethos.enroll(await codeFor(rig, "ethos"))).outcome, "enrolled");
    ethos.find({ subject: "storage:/", verdict: "good", because: "written in 3 ms", mayCut: false });
    running = agent();
    ethos.begin();
    await until("both agents are there", async () => (await connected(rig)).join() === "ethos,logos", PATIENT_MS);
    assert.equal((await rig.upkeep("status")).code, 0);

    // Down by its own word, and the watcher killed as soon as it has heard it.
    mains(false);
    await until("the announcement is heard", async () => (await seen(rig, "logos"))?.wanted === "off", PATIENT_MS);
    await watching.kill();
    watching = await startWatching(rig);
    await until("the agent powers its host off", () => Promise.resolve(existsSync(halted)), PATIENT_MS);
    running.kill("SIGKILL");
    await rig.host("logos").powerOff();
    const silent = await until("logos is seen silent", async () => {
      const host = await seen(rig, "logos");
      return host?.careful?.says.startsWith("off: ") === true ? host : null;
    }, PATIENT_MS);
    assert.equal(silent.wanted, "off");
    await sleep(6_000);
    assert.deepEqual(edgesOf(await rig.records()), [], "a planned shutdown is not fenced, and nothing is switched while power is lost");
    await until("ethos is known again", async () => (await connected(rig)).includes("ethos"), PATIENT_MS);

    mains(true);
    await until("logos serves again", async () => {
      const host = await seen(rig, "logos");
      return host?.careful === null && host.wanted === "on" && host.verdict === "up" && host.operation === null;
    }, PATIENT_MS);
    const outlet = rig.outlet("logos");
    assert.deepEqual(edgesOf(await rig.records()), [`${outlet} off`, `${outlet} on`]);

    // Answers, and cannot persist.
    await guarded(rig, ["ethos"], PATIENT_MS);
    const before = (await rig.records()).length;
    const edges = async () => edgesOf((await rig.records()).slice(before));
    ethos.find({ subject: "storage:/", verdict: "warn", because: "full", mayCut: false });
    await sleep(5_000);
    assert.deepEqual(await edges(), [], "what only a person should look at cuts nothing");
    await ethos.link?.close();
    await sleep(5_000);
    assert.deepEqual(await edges(), [], "an agent that is gone says nothing");
    assert.equal((await seen(rig, "ethos"))?.verdict, "up");
    ethos.begin();
    ethos.find({ subject: "storage:/", verdict: "bad", because: "no end of a write within 30 s", mayCut: true });
    const cut = rig.outlet("ethos");
    await until("ethos is cut for it", async () => (await edges()).includes(`${cut} off`), PATIENT_MS);
    ethos.find({ subject: "storage:/", verdict: "good", because: "written in 3 ms", mayCut: false });
    await until("ethos is back", async () => (await seen(rig, "ethos"))?.verdict === "up" && (await seen(rig, "ethos"))?.operation === null, PATIENT_MS);
    assert.deepEqual(await edges(), [`${cut} off`, `${cut} on`]);
    assert.match((await rig.upkeep("why", "ethos")).stdout + (await rig.upkeep("events", "--host", "ethos")).stdout, /storage:\/: no end of a write/);

    // Out at once.
    assert.equal((await rig.upkeep("agents", "revoke", "ethos")).code, 0);
    await until("ethos is shut out", async () => !(await connected(rig)).includes("ethos"), PATIENT_MS);
    assertPolite(await rig.records());
  } finally {
    running?.kill("SIGKILL");
    await ethos.close();
    await watching?.kill();
    await rig.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
