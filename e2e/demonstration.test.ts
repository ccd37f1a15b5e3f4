// The demonstration as a user starts it: three hosts, one of them wedged, cut, back in service, and why. Without root it says
// what is left out, and works.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { labRefusal, UPKEEP } from "../lab/rig.ts";
import type { Ran } from "../lab/rig.ts";
import "./watching.ts";

function lab(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(UPKEEP, ["lab", ...args], { timeout: 150_000, cwd: "/", maxBuffer: 1 << 22 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr })).stdin?.end();
  });
}

const STORY = [
  "upkeep: watching 3 hosts", "logos is wedged (frozen)", "suspect", "down", "off goes to sucker/2", "read off twice", "on goes to sucker/2", "reads on", "recovered",
  "logos was out of service for", "came back after its power was cut and restored", "The outage by phase", "guarded",
];

function assertStory({ code, stdout, stderr }: Ran): void {
  assert.equal(code, 0, `${stdout}${stderr}`);
  let from = 0;
  for (const words of STORY) {
    const at = stdout.indexOf(words, from);
    assert.ok(at >= 0, `after ${from} characters no "${words}":\n${stdout}`);
    from = at + words.length;
  }
  for (const name of ["ethos", "pathos"]) assert.ok(!stdout.includes(`off goes to sucker/${name === "ethos" ? 3 : 4}`), name);
}

// One after the other: there is one demonstration a user on a machine.
test("with processes, as without root", async () => {
  const ran = await lab("--processes", "--once");
  assertStory(ran);
  assert.match(ran.stdout, /left out: machines in network namespaces/);
});

test("with machines in network namespaces", { skip: labRefusal() ?? false }, async () => {
  const ran = await lab("--once");
  assertStory(ran);
  assert.match(ran.stdout, /real sshd and dnsmasq/);
});

test("an order without a demonstration: exit 69 and what to type", async () => {
  const { code, stderr } = await lab("wedge", "logos");
  assert.equal(code, 69);
  assert.match(stderr, /upkeep lab/);
});
