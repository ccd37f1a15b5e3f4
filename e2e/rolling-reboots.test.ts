// Rolling reboots as a user has them: a real watcher, hosts with real daemons, a program that tells them to reboot. Judged by what
// the hosts and the PDU saw: who was told how often, who was without power when, and that nothing was ever cut that was only rebooting.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Rig } from "../lab/rig.ts";
import { labRefusal, startRig } from "../lab/rig.ts";
import { commandsOf, eventsOf, guarded, QUICK, startWatching, statusOf, until } from "./watching.ts";

const HOSTS = ["logos", "ethos", "pathos"] as const;
const folder = mkdtempSync(join(tmpdir(), "upkeep-rolling-"));
const told = join(folder, "told");
const tell = join(folder, "tell");
// Two words a line: what, and who.
writeFileSync(tell, `#!/bin/sh\necho "$1 $2" >> ${told}\n`);
chmodSync(tell, 0o755);

const linesOf = (): readonly string[] => (existsSync(told) ? readFileSync(told, "utf8").trim().split("\n").filter((line) => line !== "") : []);

type Run = { readonly state: string; readonly because: string; readonly done: readonly { readonly host: string; readonly outcome: string; readonly tookMs: number | null }[]; readonly now: { readonly host: string; readonly phase: string } | null };

/** What `upkeep reboots status --json` says, and its exit code. */
async function runOf(rig: Rig): Promise<{ readonly code: number; readonly run: Run }> {
  const { code, stdout, stderr } = await rig.upkeep("reboots", "status", "--json");
  assert.match(stdout, /^\{/, stderr);
  return { code, run: JSON.parse(stdout) as Run };
}

/** Does what a host does that is told to reboot; of `stays` it goes down and that is all. Ends with `signal`. */
async function obey(rig: Rig, signal: AbortSignal, stays: string | null): Promise<void> {
  const seen = new Set(linesOf().map((_, at) => at));
  while (!signal.aborted) {
    for (const [at, line] of linesOf().entries()) {
      const [what, host = ""] = line.split(" ");
      if (seen.has(at)) continue;
      seen.add(at);
      if (what !== "reboot") continue;
      await rig.host(host).powerOff();
      if (host !== stays) await rig.host(host).powerOn();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Stretches in which a host had no power, or had it and did not serve, by its edges: [from, to]. */
function darkOf(rig: Rig, host: string): readonly (readonly [number, number])[] {
  const { edges } = rig.host(host);
  return edges.flatMap((edge, at) => (edge.to === "off" ? [[edge.atMs, edges[at + 1]?.atMs ?? Infinity] as const] : []));
}

test("three hosts, one at a time, across a kill of the watcher; one that does not come back stops the run", async () => {
  const settings = QUICK.replace("boot: 8s", "boot: 15s") + `reboots: { by: [{ command: { run: [${tell}, reboot, "{host}"] } }], drain: [${tell}, drain, "{host}"], undrain: [${tell}, undrain, "{host}"], downWithin: 20s, settle: 1s }\n`;
  const rig = await startRig({ hosts: HOSTS, kind: labRefusal() === null ? "machines" : "processes", bootMs: 3_000, settings });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const quiet = new AbortController();
  const stopAgain = new AbortController();
  let obeying: Promise<void> | null = null;
  try {
    let watching = await startWatching(rig);
    await guarded(rig, [...HOSTS], 60_000);
    assert.equal((await rig.upkeep("reboots", "status")).code, 1, "there was none yet");
    assert.equal((await rig.upkeep("reboots", "start")).code, 2, "of whom?");
    assert.equal((await rig.upkeep("reboots", "start", "nobody")).code, 2);
    assert.equal((await rig.upkeep("reboots", "continue")).code, 1);

    obeying = obey(rig, quiet.signal, null);
    const begun = await rig.upkeep("reboots", "start", "--all", "--reason", "new kernel");
    assert.equal(begun.code, 0, begun.stderr);
    assert.match(begun.stdout, /rolling reboot 1 of 3 hosts, one at a time: logos, ethos, pathos/);
    assert.equal((await rig.upkeep("reboots", "start", "--all")).code, 4, "one at a time, of runs as well");

    // kill -9 while the second host is away.
    await until("ethos is told", () => linesOf().includes("reboot ethos"), 90_000);
    await until("ethos is seen to be away", async () => (await statusOf(rig) as unknown as { reboots: Run }).reboots.now?.phase === "gone", 60_000);
    await watching.kill();
    watching = await startWatching(rig);
    const ended = await until("the run ends", async () => {
      const { run } = await runOf(rig);
      return run.state === "running" ? null : run;
    }, 180_000, 500).catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${(await eventsOf(rig)).filter(({ kind }) => kind === "reboots").map(({ because }) => because).join("\n")}\n${watching.tail()}`);
    });
    assert.deepEqual([ended.state, ended.because], ["ended", "3 rebooted"]);
    assert.deepEqual(ended.done.map(({ host, outcome }) => `${host} ${outcome}`), ["logos rebooted", "ethos rebooted", "pathos rebooted"]);
    assert.ok(ended.done.every(({ tookMs }) => tookMs !== null && tookMs > 2_000), JSON.stringify(ended.done));
    // Each was told once; no two were away together; nobody's power was touched.
    assert.deepEqual(linesOf(), HOSTS.flatMap((host) => [`drain ${host}`, `reboot ${host}`, `undrain ${host}`]));
    const dark = HOSTS.flatMap((host) => darkOf(rig, host)).sort(([one], [other]) => one - other);
    assert.equal(dark.length, 3);
    for (const [at, [from]] of dark.entries()) if (at > 0) assert.ok((dark[at - 1] as readonly [number, number])[1] < from, "two were away at the same time");
    assert.deepEqual(commandsOf(await rig.records()), []);
    assert.equal((await rig.upkeep("reboots", "status")).code, 0);

    // The second run: ethos goes down and stays down. Its power is cut by the ordinary rules, pathos waits for a person.
    quiet.abort();
    await obeying;
    obeying = obey(rig, stopAgain.signal, "ethos");
    const before = linesOf().length;
    assert.equal((await rig.upkeep("reboots", "start", "ethos", "pathos")).code, 0);
    const held = await until("the run is held", async () => {
      const { code, run } = await runOf(rig);
      return run.state === "held" ? { code, run } : null;
    }, 120_000, 300);
    assert.equal(held.code, 1);
    assert.match(held.run.because, /ethos did not come back within \d+ s/);
    const status = await statusOf(rig);
    assert.ok(status?.alarms.some(({ alarm, asked }) => alarm === "reboots:run" && asked.includes("upkeep reboots continue")), JSON.stringify(status?.alarms));
    await until("ethos is back by its power", async () => (await statusOf(rig))?.hosts.find(({ host }) => host === "ethos")?.verdict === "up" && rig.host("ethos").powered, 90_000, 300);
    assert.deepEqual(commandsOf(await rig.records()).map((command) => command.split(" ").slice(0, 2).join(" ")), [`off ${rig.outlet("ethos")}`, `on ${rig.outlet("ethos")}`]);
    assert.deepEqual(linesOf().slice(before), ["drain ethos", "reboot ethos"], "the rest is not touched, and who did not come back stays drained");
    await until("ethos is out of its incident", async () => (await statusOf(rig))?.hosts.every(({ incident, guarded: is }) => incident === null && is), 60_000, 300);
    assert.equal((await rig.upkeep("reboots", "continue")).code, 0);
    await until("the run ends", async () => (await runOf(rig)).run.state === "ended", 120_000, 500);
    assert.deepEqual((await runOf(rig)).run.done.map(({ host, outcome }) => `${host} ${outcome}`), ["ethos failed", "pathos rebooted"]);
    assert.deepEqual(linesOf().slice(before + 2), ["drain pathos", "reboot pathos", "undrain pathos"]);
    assert.equal((await statusOf(rig))?.alarms.some(({ alarm }) => alarm === "reboots:run"), false);
    stopAgain.abort();
    await obeying;
    watching.child.kill("SIGTERM");
    assert.deepEqual(await watching.end(), { code: 0, signal: null });
  } finally {
    quiet.abort();
    stopAgain.abort();
    await rig.stop();
  }
});
