// `upkeep power record` as a person uses it, against the virtual PDU: without a watcher, and through one that runs, whose
// session is never beside another.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startApcPdu } from "../../lab/apc-pdu.ts";
import type { ApcPdu } from "../../lab/apc-pdu.ts";
import { parseRecording } from "../power/recording.ts";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");

type Place = { readonly folder: string; readonly pdu: ApcPdu };

async function place(t: TestContext): Promise<Place> {
  const pdu = await startApcPdu({ dialect: "menu2", user: "bobby", password: "hunter2", names: { 2: "logos" } });
  const folder = mkdtempSync(join(tmpdir(), "upkeep-record-"));
  t.after(async () => {
    await pdu.close();
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(join(folder, "password"), "hunter2\n", { mode: 0o600 });
  writeFileSync(join(folder, "upkeep.yaml"), `
data: ./data
watcher: { name: w }
api: { listen: null }
hosts: { h: { address: 127.0.0.1, probes: [{ ssh: { port: 9 } }], power: sucker/2 } }
power:
  sucker: { driver: apc, address: "127.0.0.1:${pdu.port}", username: bobby, password: { file: password }, timeout: 20s }
  spare: { driver: command, on: ["true"], off: ["true"], status: ["true"] }
`);
  return { folder, pdu };
}

async function upkeep(t: TestContext, { folder }: Place, ...words: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(UPKEEP, [...words, "-c", join(folder, "upkeep.yaml")], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let [out, err] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (out += text.toString()));
  child.stderr.on("data", (text: Buffer) => (err += text.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

function judge(text: string, { pdu }: Place): void {
  const recording = parseRecording(text);
  assert.deepEqual([recording.driver, recording.outlets, recording.readings], ["apc", ["2"], [{ outlet: "2", state: "on", label: "logos" }]]);
  assert.ok(recording.turns.some(({ by, text: heard }) => by === "device" && heard.includes("Outlet Control")));
  assert.doesNotMatch(text, /hunter2|bobby|127\.0\.0\.1/);
  assert.deepEqual(pdu.log.all("command"), [], "it switches nothing");
  assert.equal(pdu.state().sessionsMax, 1);
}

test("without a watcher: to standard output or to a file of one's own, and never over another", async (t) => {
  const it = await place(t);
  const printed = await upkeep(t, it, "power", "record", "sucker");
  assert.equal(printed.code, 0, printed.err);
  judge(printed.out, it);
  const file = join(it.folder, "sucker.recording");
  const written = await upkeep(t, it, "power", "record", "sucker", "--out", file);
  assert.equal(written.code, 0, written.err);
  assert.equal(written.out, "");
  judge(readFileSync(file, "utf8"), it);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await upkeep(t, it, "power", "record", "sucker", "--out", file);
  assert.deepEqual([again.code, /there already/.test(again.err)], [69, true], again.err);
  const unknown = await upkeep(t, it, "power", "record", "succer");
  assert.deepEqual([unknown.code, /devices: sucker, spare/.test(unknown.err)], [2, true], unknown.err);
  const unused = await upkeep(t, it, "power", "record", "spare");
  assert.deepEqual([unused.code, /nothing to read/.test(unused.err)], [69, true], unused.err);
});

test("through a watcher that runs: one session at a time, and the watcher goes on", async (t) => {
  const it = await place(t);
  const watcher = spawn(UPKEEP, ["watch", "-c", join(it.folder, "upkeep.yaml")], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(async () => {
    watcher.kill("SIGKILL");
    if (watcher.exitCode === null && watcher.signalCode === null) await once(watcher, "exit");
  });
  await once(watcher.stdout, "data");
  for (let turn = 0; turn < 2; turn++) {
    const printed = await upkeep(t, it, "power", "record", "sucker");
    assert.equal(printed.code, 0, printed.err);
    judge(printed.out, it);
  }
  const unknown = await upkeep(t, it, "power", "record", "succer");
  assert.deepEqual([unknown.code, /no power device is named succer/.test(unknown.err)], [2, true], unknown.err);
  it.pdu.faults.refusePassword = true;
  const refused = await upkeep(t, it, "power", "record", "sucker");
  assert.deepEqual([refused.code, /asked for the user name again/.test(refused.err)], [69, true], refused.err);
  assert.doesNotMatch(refused.err, /hunter2|bobby/);
  assert.equal(watcher.exitCode, null);
});
