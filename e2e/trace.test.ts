// Durability is shown, not assumed: in the system calls of a real watcher through one power cycle, every byte that switches
// power leaves after the ledger's log was synced for it, and nothing is written to the ledger between that sync and the byte.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { lacking, thirdParty } from "../lab/third-party.ts";
import type { Rig } from "../lab/rig.ts";
import { startRig, UPKEEP } from "../lab/rig.ts";
import { guarded, incidentsOf, QUICK, until, Watching } from "./watching.ts";

const skip = lacking("strace");
let rig: Rig | null = null;
let watching: Watching | null = null;
let watcher = 0;

after(async () => {
  // A tracer that is killed lets its child go on.
  if (watcher !== 0 && watching?.over === null) process.kill(watcher, "SIGKILL");
  await watching?.kill();
  await rig?.stop();
});

/** The one child of strace: it keeps deadly signals from itself, so the watcher is told by its own number. */
function watcherUnder(strace: ChildProcess): number {
  return Number(readFileSync(`/proc/${strace.pid}/task/${strace.pid}/children`, "utf8").trim().split(" ")[0]);
}

type Call = { readonly thread: string; readonly name: string; readonly path: string; readonly text: string; readonly line: number };

/** `strace -f -y -s 64`: calls in the order in which they returned. */
function parse(trace: string): readonly Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, string>();
  for (const [line, raw] of trace.split("\n").entries()) {
    const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(raw) ?? [];
    const began = /^(\w+)\((.*) <unfinished \.\.\.>$/.exec(rest);
    if (began !== null) {
      unfinished.set(thread, rest.replace(" <unfinished ...>", ""));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const whole = resumed === null ? rest : (unfinished.get(thread) ?? "") + (resumed[1] ?? "");
    const call = /^(\w+)\(\d+<([^>]*)>(.*)$/.exec(whole);
    if (call === null || / = -1 /.test(whole)) continue;
    calls.push({ thread, name: call[1] as string, path: call[2] as string, text: call[3] as string, line });
  }
  return calls;
}

test("ledger synced, then byte to the device", { skip }, async () => {
  rig = await startRig({ hosts: ["logos"], kind: "processes", settings: QUICK, pdu: { dialect: "menu3" }, bootMs: 100 });
  thirdParty("strace", ["strace", "-V"]);
  const file = join(rig.folder, "trace");
  const child = spawn("strace", ["-f", "-y", "-s", "64", "-e", "trace=fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg", "-o", file, UPKEEP, "watch", "-c", rig.config], { stdio: ["ignore", "pipe", "pipe"] });
  watching = new Watching(child);
  await watching.ready();
  watcher = watcherUnder(child);
  await guarded(rig);
  await rig.host("logos").wedge("frozen");
  const traced = rig;
  await until("logos is cut and back", async () => (await incidentsOf(traced, "logos")).some((incident) => incident.outcome === "recovered"), 90_000, 200);
  process.kill(watcher, "SIGTERM");
  await watching.end();

  const calls = parse(readFileSync(file, "utf8"));
  const isLedger = (call: Call) => /\/ledger\.sqlite(-wal|-journal)?$/.test(call.path);
  const bytes = calls.filter((call) => /^(TCP|socket)/.test(call.path) && /"YES\\r"|"YES/.test(call.text));
  assert.equal(bytes.length, 2, `one off and one on, each confirmed by YES; found ${bytes.map((call) => call.text).join(" ")}`);
  let since = -1;
  for (const byte of bytes) {
    const between = calls.filter((call) => call.line > since && call.line < byte.line && isLedger(call));
    const wrote = between.findLastIndex((call) => call.name.includes("write"));
    const synced = between.findLastIndex((call) => call.name === "fsync" || call.name === "fdatasync");
    assert.ok(wrote >= 0, "the intent was written to the ledger before the byte");
    assert.ok(synced > wrote, `the ledger was synced after its last write and before the byte: ${between.slice(-6).map((call) => `${call.name} ${call.path.split("/").at(-1)}`).join(", ")}`);
    since = byte.line;
  }
});
