// Careful shutdown and the return of power with a real watcher, a real ledger, machines that really fall silent and a PDU that
// really switches them: announced through the command line, halted, and started again by one power cycle, whoever was killed
// meanwhile. The signal is a file, as hwmon's sensors are: over 50 the cooling, and for this test the power, is gone.

import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { labRefusal, startRig } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import { assertPolite, edgesOf, guarded, hostStatus, recordsOf, startWatching, statusOf, until } from "./watching.ts";
import type { HostStatus, Watching } from "./watching.ts";

const HALT_BOUND_MS = 6_000;
const RETURN_AFTER_MS = 3_000;
/** A busy machine: each step waits for its condition, this long at most. */
const PATIENT_MS = 90_000;

type Careful = { readonly event: string; readonly state: string; readonly says: string };
type Seen = HostStatus & { readonly careful: Careful | null };
type Point = "nobody" | "heard" | "silent" | "off" | "on";

test("announced, halted, and back by one power cycle; the watcher killed at each step in between", { skip: labRefusal() ?? false }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-careful-"));
  const sensor = join(folder, "mains");
  const mains = (good: boolean): void => {
    writeFileSync(`${sensor}.new`, good ? "20\n" : "80\n");
    renameSync(`${sensor}.new`, sensor);
  };
  mains(true);
  const rig = await startRig({
    hosts: ["db1", "web1"], kind: "machines", bootMs: 500, folder, device: "check: 2s, timeout: 3s, deadline: 8s",
    probes: (host) => `[ping, { ssh: { port: ${host.sshPort} } }]${host.name === "web1" ? ", after: [db1]" : ""}`,
    settings: `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000, perHost: { cycles: 100, within: 0s } }
defaults: { every: 1s, timeout: 900ms, threshold: 3, debounce: 1s, boot: 20s, offFor: 1s, healthyFor: 1s, settle: 1s }
careful: { haltBound: ${HALT_BOUND_MS}ms, returnAfter: ${RETURN_AFTER_MS}ms, stagger: 1s, signal: { temperature: [{ name: mains, file: ${sensor}, scale: 1, above: 50 }] } }
`,
  });
  let watching: Watching | null = null;
  try {
    watching = await startWatching(rig);
    await guarded(rig, ["db1", "web1"], PATIENT_MS);
    const killed = async (): Promise<void> => {
      await watching?.kill();
      watching = await startWatching(rig);
    };
    for (const point of ["nobody", "heard", "silent", "off", "on"] as const) t.diagnostic(await outage(rig, mains, point, killed));
    // A person's word, where the signal stays lost.
    mains(false);
    await until("power is lost", async () => (await power(rig)) === "lost", PATIENT_MS);
    const before = (await rig.records()).length;
    await announced(rig, "web1", "by-hand");
    await rig.host("web1").powerOff();
    await until("web1 is silent", async () => (await seen(rig, "web1"))?.careful?.says.startsWith("off: ") === true, PATIENT_MS);
    const answer = await rig.upkeep("careful", "return", "web1");
    assert.equal(answer.code, 0, answer.stderr);
    await until("web1 serves again", async () => back(await seen(rig, "web1")), PATIENT_MS);
    assert.deepEqual(edgesOf((await rig.records()).slice(before)), [`${rig.outlet("web1")} off`, `${rig.outlet("web1")} on`]);
    const { stdout } = await rig.upkeep("careful", "status");
    assert.match(stdout, /^Power is lost: mains reads 80 °C/);
    assert.match(stdout, /Nothing is shut down with care/);
    assertPolite(await rig.records());
  } finally {
    await watching?.kill();
    await rig.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** One outage: both hosts go down by their own word and come back, db1 first, each by one cycle and not before its time. */
async function outage(rig: Rig, mains: (good: boolean) => void, point: Point, kill: () => Promise<void>): Promise<string> {
  const first = (await rig.records()).length;
  const records = async () => (await rig.records()).slice(first);
  mains(false);
  await until("power is lost", async () => (await power(rig)) === "lost", PATIENT_MS);
  await announced(rig, "web1", `${point}-web1`);
  await announced(rig, "db1", `${point}-db1`);
  if (point === "heard") await kill();
  await rig.host("web1").powerOff();
  await rig.host("db1").powerOff();
  const haltedMs = Date.now();
  const silent = await until("db1 is seen silent", async () => {
    const host = await seen(rig, "db1");
    return host?.careful?.says.startsWith("off: ") === true ? host : null;
  }, PATIENT_MS);
  assert.match(silent.careful?.says ?? "", /^off: careful shutdown of \d\d:\d\d UTC \(mains gone\), returns when /);
  assert.equal(silent.wanted, "off");
  if (point === "silent") await kill();
  assert.deepEqual(edgesOf(await records()), [], "nothing is switched while power is lost");
  mains(true);
  const edge = async (state: string): Promise<boolean> => recordsOf(await records(), "edge").some((each) => each.state === state);
  if (point === "off") {
    await until("the off of db1", () => edge("off"), PATIENT_MS);
    await kill();
  }
  if (point === "on") {
    await until("the on of db1", () => edge("on"), PATIENT_MS);
    await kill();
  }
  for (const name of ["db1", "web1"]) await until(`${name} serves again`, async () => back(await seen(rig, name)), PATIENT_MS);
  const [db1, web1] = [rig.outlet("db1"), rig.outlet("web1")];
  assert.deepEqual(edgesOf(await records()), [`${db1} off`, `${db1} on`, `${web1} off`, `${web1} on`], `killed at ${point}`);
  const offMs = recordsOf(await records(), "edge").find((each) => each.state === "off")?.wallMs ?? 0;
  assert.ok(offMs - haltedMs >= HALT_BOUND_MS - 100, `${offMs - haltedMs} ms after the host was gone, and ${HALT_BOUND_MS} ms are the least`);
  await guarded(rig, ["db1", "web1"], PATIENT_MS);
  return `killed at ${point}: off ${offMs - haltedMs} ms after the last host had halted`;
}

async function announced(rig: Rig, host: string, event: string): Promise<void> {
  const { code, stdout, stderr } = await rig.upkeep("going-down", host, "--careful", "--event", event, "--for", "5s", "--reason", "mains gone");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^heard: /);
}

async function seen(rig: Rig, host: string): Promise<Seen | undefined> {
  return (await hostStatus(rig, host)) as Seen | undefined;
}

function back(host: Seen | undefined): boolean {
  return host !== undefined && host.careful === null && host.wanted === "on" && host.verdict === "up" && host.operation === null;
}

async function power(rig: Rig): Promise<string | undefined> {
  return ((await statusOf(rig)) as unknown as { readonly power: { readonly state: string } } | null)?.power.state;
}
