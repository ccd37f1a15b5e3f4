// What systemctl, docker, podman and lxc say, judged; and a record and a file of numbers that hold nonsense.

import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeInspect, judgeLxc } from "./container.ts";
import { parseRecord } from "./record-file.ts";
import { judgeUnit } from "./unit.ts";
import { KEEP_FRESH } from "../../core/keep.ts";

const shown = (of: Readonly<Record<string, string>>): string => Object.entries({ LoadState: "loaded", ActiveState: "inactive", SubState: "dead", Result: "success", Job: "0", InactiveEnterTimestampMonotonic: "12345", ...of }).map(([key, value]) => `${key}=${value}\n`).join("");
const unit = (of: Readonly<Record<string, string>>) => judgeUnit("web.service", shown(of)).state;

test("units: what systemd is about to do is waited for, what somebody stopped is told apart", () => {
  assert.equal(unit({ ActiveState: "active", SubState: "running" }), "up");
  assert.equal(unit({ ActiveState: "activating", SubState: "auto-restart" }), "changing");
  assert.equal(unit({ ActiveState: "failed", SubState: "failed", Result: "start-limit-hit" }), "down");
  assert.equal(unit({}), "stopped");
  assert.equal(unit({ Job: "417" }), "changing");
  assert.equal(unit({ InactiveEnterTimestampMonotonic: "0" }), "forgotten");
  assert.equal(unit({ Result: "exit-code" }), "down");
  assert.equal(unit({ LoadState: "not-found" }), "unknown");
  assert.equal(unit({ LoadState: "masked" }), "unknown");
  for (const nonsense of ["", "\u0000", "ActiveState", "Failed to get properties: Transport endpoint is not connected"]) assert.equal(judgeUnit("web.service", nonsense).state, "unknown");
});

test("containers: paused and frozen ones are somebody's wish", () => {
  const inspect = (text: string) => judgeInspect("db", text).state;
  assert.deepEqual(["running 0\n", "exited 137\n", "created 0\n", "paused 0\n", "restarting 1\n", "", "running", "Error: no such object"].map(inspect), ["up", "down", "down", "unknown", "changing", "unknown", "unknown", "unknown"]);
  const lxc = (text: string) => judgeLxc("db", text).state;
  assert.deepEqual(["State:          RUNNING\n", "State:          STOPPED\n", "State: FROZEN\n", "State: STARTING\n", "db doesn't exist\n", ""].map(lxc), ["up", "down", "unknown", "changing", "unknown", "unknown"]);
});

test("a record of another boot, torn, or of somebody else is none", () => {
  const record = { ...KEEP_FRESH, phase: "waiting", starts: [1, 2], dueMs: 3, because: "x" } as const;
  const text = JSON.stringify({ boot: "b", record });
  assert.deepEqual(parseRecord(text, "b"), record);
  assert.equal(parseRecord(text, "c"), KEEP_FRESH);
  for (let length = 0; length < text.length; length += 1) assert.equal(parseRecord(text.slice(0, length), "b"), KEEP_FRESH);
  for (const wrong of [{ phase: "dancing" }, { starts: "many" }, { starts: [-1] }, { row: 1.5 }, { ours: 1 }, { dueMs: "soon" }]) assert.equal(parseRecord(JSON.stringify({ boot: "b", record: { ...record, ...wrong } }), "b"), KEEP_FRESH);
  for (const nonsense of ["null", "7", '{"boot":"b","record":null}', '{"boot":"b"}']) assert.equal(parseRecord(nonsense, "b"), KEEP_FRESH);
});
