// One probe of Upkeep and nothing around it: so many looks with so many under way, as a program of its own, for its
// processor time to be counted. The probe is the one that the watcher loads; what begins and judges rounds is left out.
//
// `probe-loop.ts KIND LOOKS AT-ONCE`; prints how many were good.

import { openIcmp } from "../../src/probes/ping.ts";
import type { ProbeName } from "../../src/probes/index.ts";
import { loadProbes } from "../../src/probes/index.ts";
import { addressOf, nameOf } from "./addresses.ts";

const [kind = "", looks = "", atOnce = ""] = process.argv.slice(2);
const OPTIONS: Readonly<Record<string, (address: string) => unknown>> = {
  ping: () => ({ count: 2 }),
  ssh: () => ({ port: 22 }),
  http: (address) => ({ url: `http://${address}/`, status: 200 }),
  dns: () => ({ port: 53, type: "A", rcode: "NOERROR", tcp: false }),
};
const HOSTS = 1_000;

const probe = (await loadProbes([kind as ProbeName])).get(kind as ProbeName);
const optionsOf = OPTIONS[kind];
if (probe === undefined || optionsOf === undefined) throw new Error(`no probe ${kind}`);
const tools = { icmp: openIcmp() };
const targets = Array.from({ length: HOSTS }, (_, host) => ({ target: { host: nameOf(host), address: addressOf(host), family: 4 as const }, options: optionsOf(addressOf(host)) }));
const { signal } = new AbortController();

let left = Number(looks);
let good = 0;
async function lookAgainAndAgain(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const { target, options } = targets[left % HOSTS] as (typeof targets)[number];
    const found = await probe?.run(target, options, tools, signal);
    if (found?.outcome === "good") good += 1;
  }
}
await Promise.all(Array.from({ length: Number(atOnce) }, lookAgainAndAgain));
process.stdout.write(`${good}\n`);
process.exit(0);
