// The demonstration as a user starts it: three hosts, one of them wedged, cut, back in service, and why. Without root it says
// what is left out, and works.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { labRefusal, UPKEEP } from "../lab/rig.ts";
import type { Ran } from "../lab/rig.ts";
import "./watching.ts";

/** `onText`: all that it has printed so far. */
function lab(args: readonly string[], onText: (text: string) => void = () => {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(UPKEEP, ["lab", ...args], { timeout: 150_000, cwd: "/", maxBuffer: 1 << 22 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr }));
    child.stdin?.end();
    let text = "";
    child.stdout?.on("data", (chunk: string) => onText((text += chunk)));
  });
}

/** What the page answers, at the address that the demonstration tells, while it runs. */
async function withPage(...args: readonly string[]): Promise<Ran & { readonly page: string }> {
  let asked: Promise<string> | null = null;
  const ran = await lab(args, (text) => {
    const [, address] = /its page is at (\S+)\n/.exec(text) ?? [];
    if (address !== undefined) asked ??= fetch(address, { signal: AbortSignal.timeout(30_000) }).then(async (response) => `${response.status} ${await response.text()}`, String);
  });
  return { ...ran, page: await (asked ?? Promise.resolve("no address was told")) };
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
  const ran = await withPage("--processes", "--once");
  assert.match(ran.page, /^(200 .*<div id="root">|503 The page has not been built)/s);
  assertStory(ran);
  assert.match(ran.stdout, /left out: machines in network namespaces/);
});

test("with machines in network namespaces", { skip: labRefusal() ?? false }, async () => {
  const ran = await withPage("--once");
  assert.match(ran.page, /^(200 .*<div id="root">|503 The page has not been built)/s);
  assertStory(ran);
  assert.match(ran.stdout, /real sshd and dnsmasq/);
});

test("an order without a demonstration: exit 69 and what to type", async () => {
  const { code, stderr } = await lab(["wedge", "logos"]);
  assert.equal(code, 69);
  assert.match(stderr, /upkeep lab/);
});
