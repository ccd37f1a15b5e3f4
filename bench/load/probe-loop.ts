// One probe of Upkeep and nothing around it: so many looks with so many under way, as a program of its own, for its
// processor time to be counted. The probe is the one that the watcher loads, with V8 as a watcher of many hosts has it; what
// begins and judges rounds is left out. A line on standard input begins a batch; its end is a line on standard output: how
// many looks were good.
//
// `probe-loop.ts KIND LOOKS AT-ONCE HOSTS`

import { createInterface } from "node:readline";
import { openIcmp } from "../../src/probes/ping.ts";
import type { ProbeName } from "../../src/probes/index.ts";
import { loadProbes } from "../../src/probes/index.ts";
import { compileForMany } from "../../src/watcher/compilers.ts";
import { addressOf, nameOf } from "./addresses.ts";

const [kind = "", looks = "", atOnce = "", hosts = ""] = process.argv.slice(2);
const OPTIONS: Readonly<Record<string, (address: string) => unknown>> = {
  ping: () => ({ count: 2 }),
  ssh: () => ({ port: 22 }),
  http: (address) => ({ url: `http://${address}/`, status: 200 }),
  dns: () => ({ port: 53, type: "A", rcode: "NOERROR", tcp: false }),
};

compileForMany();
const probe = (await loadProbes([kind as ProbeName])).get(kind as ProbeName);
const optionsOf = OPTIONS[kind];
if (probe === undefined || optionsOf === undefined) throw new Error(`no probe ${kind}`);
const tools = { icmp: openIcmp() };
const targets = Array.from({ length: Number(hosts) }, (_, host) => ({ target: { host: nameOf(host), address: addressOf(host), family: 4 as const }, options: optionsOf(addressOf(host)) }));
const { signal } = new AbortController();

createInterface({ input: process.stdin }).on("line", () => {
  let left = Number(looks);
  let good = 0;
  const lookAgainAndAgain = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { target, options } = targets[left % targets.length] as (typeof targets)[number];
      if ((await probe.run(target, options, tools, signal)).outcome === "good") good += 1;
    }
  };
  void Promise.all(Array.from({ length: Number(atOnce) }, lookAgainAndAgain)).then(() => process.stdout.write(`${good}\n`));
});
