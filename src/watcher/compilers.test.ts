// That the switch works is V8's matter and may end with the next Node: so a function is watched as it gets hot, under the very
// flags that a watcher is started with.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { FLAGS } from "../cli/commands/watch.ts";
import type { HostPolicy, Policy } from "../core/policy.ts";
import { compileFor, probesASecond } from "./compilers.ts";

function config(hosts: number, probes: number, everyMs: number): { readonly policy: Policy } {
  const host = { everyMs, probes: Array.from({ length: probes }, () => ({})) } as unknown as HostPolicy;
  return { policy: { hosts: new Map(Array.from({ length: hosts }, (_, at) => [`h${at}`, host])) } as unknown as Policy };
}

test("what a configuration asks for is counted in single probes a second", () => {
  assert.equal(probesASecond(config(10, 3, 2_000)), 15);
  assert.equal(probesASecond(config(5_000, 1, 10_000)).toFixed(6), "500.000000");
  assert.equal(probesASecond(config(0, 1, 1_000)), 0);
  compileFor(config(10, 3, 2_000)); // and a small one is left as it is: nothing here could be seen of it
});

test("with the watcher's flags V8 optimises nothing, and once it is told to what is hot", () => {
  const module = `
    import { compileForMany } from ${JSON.stringify(new URL("./compilers.ts", import.meta.url).href)};
    function sum(values) { let all = 0; for (const value of values) all += value; return all; }
    const values = Array.from({ length: 1_000 }, (_, at) => at);
    const status = new Function("sum", "return %GetOptimizationStatus(sum)");
    const optimised = () => (status(sum) & 16) !== 0; // kOptimized, v8/src/runtime/runtime.h
    const heat = (untilMs) => { for (const endMs = performance.now() + untilMs; performance.now() < endMs && !optimised(); ) for (let times = 0; times < 1_000; times += 1) sum(values); };
    heat(300);
    const before = optimised();
    compileForMany();
    heat(60_000);
    console.log(JSON.stringify([before, optimised()]));`;
  const words = [...FLAGS, "--allow-natives-syntax", "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", module];
  assert.equal(execFileSync(process.execPath, words, { encoding: "utf8", timeout: 120_000 }).trim(), "[false,true]");
});
