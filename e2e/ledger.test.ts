// A ledger that is corrupt, gone or an older copy, and a disk that is full. What was there is kept, nothing is cut or switched
// on by accident, somebody is called, and what is owed to a host is done even where nothing can be written any more.

import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run, whichProgram } from "../lab/child.ts";
import { spawnBound } from "../lab/netns.ts";
import { startRig, UPKEEP } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import { commandsOf, edgesOf, guarded, hostStatus, incidentsOf, QUICK, startWatching, statusOf, until, Watching } from "./watching.ts";

async function onRig(body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, settings: QUICK, device: "check: 2s, timeout: 1s, deadline: 2s" });
  try {
    await body(rig);
  } finally {
    await rig.stop();
  }
}

async function end(watching: Watching): Promise<void> {
  watching.child.kill("SIGTERM");
  assert.equal((await watching.end()).code, 0);
}

function ledgerFiles(rig: Rig): readonly string[] {
  return readdirSync(rig.dataDir).filter((name) => /^ledger\.sqlite(-wal|-journal)?$/.test(name));
}

/** A watcher that has been healthy, and has something on record. */
async function livedOnce(rig: Rig): Promise<void> {
  const watching = await startWatching(rig);
  await guarded(rig);
  assert.equal((await rig.upkeep("maintenance", "start", "ethos", "--for", "1h", "--reason", "to have a record")).code, 0);
  assert.equal((await rig.upkeep("maintenance", "end", "ethos")).code, 0);
  await end(watching);
}

/** It started disarmed and asks; a wedged host is not cut before a person has armed it. */
async function asksFirst(rig: Rig, because: RegExp): Promise<void> {
  const watching = await startWatching(rig);
  await until("the hosts are up", async () => (await statusOf(rig))?.hosts.every((host) => host.verdict === "up"));
  const status = await statusOf(rig);
  const alarm = status?.alarms.find((each) => each.kind === "time-went-back");
  assert.match(alarm?.happened ?? "", because);
  assert.match(alarm?.asked ?? "", /upkeep arm/);
  assert.ok(status?.hosts.every((host) => host.brakes.some((brake) => brake.brake === "disarmed")));
  const mark = (await rig.records()).length;
  await rig.host("logos").wedge("frozen");
  await until("logos is down", async () => (await hostStatus(rig, "logos"))?.verdict === "down");
  await sleep(1_500);
  assert.deepEqual(commandsOf((await rig.records()).slice(mark)), []);
  assert.equal((await rig.upkeep("status")).code, 1);
  // It asks again after a restart: nobody has answered.
  await watching.kill();
  await startWatching(rig);
  await until("it is still disarmed", async () => (await hostStatus(rig, "logos"))?.brakes.some((brake) => brake.brake === "disarmed"));
  assert.equal((await rig.upkeep("arm", "--all")).code, 0);
  await until("logos is back in service", async () => (await incidentsOf(rig, "logos")).some((each) => each.outcome === "recovered"), 30_000, 200);
  assert.deepEqual(edgesOf((await rig.records()).slice(mark)), ["2 off", "2 on"]);
}

const noFullDisk = process.getuid?.() !== 0 ? "a file system of its own needs root" : whichProgram("unshare") === null || whichProgram("nsenter") === null ? "not installed: unshare, nsenter" : false;

describe("the ledger", { concurrency: 3 }, () => {
  test("corrupt: set aside, never deleted; started disarmed", () => onRig(async (rig) => {
    await livedOnce(rig);
    const path = join(rig.dataDir, "ledger.sqlite");
    // One byte of a record: what SQLite itself would not notice.
    const damaged = readFileSync(path);
    const at = damaged.indexOf("seenHealthyAt");
    assert.ok(at > 0);
    damaged[at] = 0x53;
    writeFileSync(path, damaged);
    await asksFirst(rig, /corrupt/);
    const aside = readdirSync(rig.dataDir).filter((name) => /^ledger\.sqlite\.corrupt-\d{8}T\d{6}Z$/.test(name));
    assert.equal(aside.length, 1);
    assert.ok(readFileSync(join(rig.dataDir, aside[0] as string)).equals(damaged), "what was there is kept as it was");
  }));

  test("missing, and the history remembers it: started disarmed", () => onRig(async (rig) => {
    await livedOnce(rig);
    for (const name of ledgerFiles(rig)) unlinkSync(join(rig.dataDir, name));
    await asksFirst(rig, /missing/);
  }));

  test("an older copy put back: started disarmed", () => onRig(async (rig) => {
    await livedOnce(rig);
    const copies = ledgerFiles(rig);
    for (const name of copies) copyFileSync(join(rig.dataDir, name), join(rig.folder, name));
    await livedOnce(rig);
    for (const name of ledgerFiles(rig)) unlinkSync(join(rig.dataDir, name));
    for (const name of copies) copyFileSync(join(rig.folder, name), join(rig.dataDir, name));
    await asksFirst(rig, /older copy/);
  }));

  test("lost while a host is without power by us: it is left off and asked about; a person switches it on", () => onRig(async (rig) => {
    const watching = await startWatching(rig);
    await guarded(rig);
    const killed = Promise.withResolvers<void>();
    rig.pdu?.log.watch((record) => {
      if (record.kind === "edge" && record.state === "off") void watching.kill().then(killed.resolve);
    });
    await rig.host("logos").wedge("frozen");
    await killed.promise;
    for (const name of ledgerFiles(rig)) unlinkSync(join(rig.dataDir, name));
    await startWatching(rig);
    await until("it has seen the outlet", async () => (await hostStatus(rig, "logos"))?.power[0]?.state === "off");
    await sleep(3_000);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off"]);
    const status = await statusOf(rig);
    assert.ok(status?.alarms.some((alarm) => alarm.kind === "time-went-back"));
    assert.ok(status?.alarms.some((alarm) => alarm.kind === "foreign" && /power logos on/.test(alarm.asked)), JSON.stringify(status?.alarms));
    assert.equal((await rig.upkeep("power", "logos", "on")).code, 0);
    await rig.host("logos").serving();
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
  }));

  test("the whole folder is gone: a first start, armed as configured; the folder is for its owner alone", () => onRig(async (rig) => {
    await livedOnce(rig);
    rmSync(rig.dataDir, { recursive: true });
    await startWatching(rig);
    await guarded(rig);
    assert.equal(statSync(rig.dataDir).mode & 0o777, 0o700);
    for (const name of readdirSync(rig.dataDir)) {
      const allowed = name === "upkeep.sock" ? 0o660 : 0o600;
      assert.equal(statSync(join(rig.dataDir, name)).mode & 0o777, allowed, name);
    }
    await rig.host("logos").wedge("frozen");
    await until("logos is back in service", async () => (await incidentsOf(rig, "logos")).some((each) => each.outcome === "recovered"), 30_000, 200);
    assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"]);
  }));

  test("the disk fills up while a host is without power: it gets its power back; then nothing is cut, and it says why", { skip: noFullDisk }, () => onRig(async (rig) => {
    const script = 'mkdir -p "$0" && mount -t tmpfs -o size=4m,mode=700 upkeep-lab "$0" && exec "$@"';
    const watching = new Watching(spawnBound(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, rig.dataDir, UPKEEP, "watch", "-c", rig.config], { stdio: ["ignore", "pipe", "pipe"] }));
    try {
      await watching.ready();
      // Its files are to be seen through its own eyes only.
      const inside = `/proc/${watching.pid}/root${rig.dataDir}`;
      const eyes = { ...rig, socket: `${inside}/upkeep.sock` };
      await guarded(eyes);
      let full = false;
      const fill = (): void => {
        try {
          for (let n = 0; n < 64; n += 1) writeFileSync(`${inside}/filler`, Buffer.alloc(65_536), { flag: "a" });
        } catch {
          full = true;
        }
        try {
          for (let n = 0; n < 4_096; n += 1) writeFileSync(`${inside}/filler`, "x", { flag: "a" });
        } catch {
          full = true;
        }
      };
      let filling: NodeJS.Timeout | undefined;
      const { log } = rig.pdu as NonNullable<Rig["pdu"]>;
      const stop = log.watch((record) => {
        if (record.kind !== "edge" || record.state !== "off" || filling !== undefined) return;
        fill();
        // Whatever is given up is eaten at once.
        filling = setInterval(fill, 50);
      });
      try {
        await rig.host("logos").wedge("frozen");
        const on = await log.until("edge", (edge) => edge.state === "on", 30_000).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${watching.tail(40)}`);
        });
        assert.equal(on.outlet, 2);
        assert.ok(full, "the disk was filled");
        await until("logos is up", async () => (await hostStatus(eyes, "logos"))?.verdict === "up", 20_000);
        const mark = log.records.length;
        await rig.host("ethos").wedge("frozen");
        await until("ethos is down", async () => (await hostStatus(eyes, "ethos"))?.verdict === "down", 20_000).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${watching.tail(40)}`);
        });
        await sleep(3_000);
        const status = await statusOf(eyes);
        const cut = edgesOf(log.records.slice(mark));
        if (cut.length === 0) {
          // Nothing could be recorded, so nothing was done; and somebody is called.
          assert.ok(status?.hosts.find((host) => host.host === "ethos")?.brakes.some((brake) => brake.brake === "ledger"), JSON.stringify(status?.hosts));
          assert.ok(status?.alarms.some((alarm) => alarm.kind === "ledger"), JSON.stringify(status?.alarms));
        }
        clearInterval(filling);
        rmSync(`${inside}/filler`);
        await until("ethos is back in service", async () => (await incidentsOf(eyes, "ethos")).some((each) => each.outcome === "recovered"), 60_000, 250).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${watching.tail(40)}`);
        });
        assert.deepEqual(edgesOf(log.records), ["2 off", "2 on", "3 off", "3 on"]);
        assert.equal(watching.over, null, "it watched all the time");
        await until("the alarm is over", async () => (await statusOf(eyes))?.alarms.every((alarm) => alarm.kind !== "ledger"), 40_000, 250);
      } finally {
        clearInterval(filling);
        stop();
      }
      // The command line reaches it from inside.
      const status = await run(["nsenter", `--mount=/proc/${watching.pid}/ns/mnt`, "--", UPKEEP, "status", "-c", rig.config], { timeoutMs: 20_000 });
      assert.match(status.stdout, /^guarded [0-2] of 2/);
    } finally {
      await watching.kill();
    }
  }));
});
