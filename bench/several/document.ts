// Writes the figures into docs/performance.md, under a heading of their own; what stands under the other headings stays.

import { median, writeSection } from "../figures.ts";
import type { Large } from "./large.ts";
import type { Detection, TakeOver } from "./outages.ts";
import { BOUND_MS, EVERY_MS, MAX_ACT_MS, THRESHOLD, TIMEOUT_MS } from "./outages.ts";
import type { StoreWrites } from "./store-writes.ts";

export type Several = { readonly detection?: readonly Detection[]; readonly takeOver?: readonly TakeOver[]; readonly writes?: readonly StoreWrites[]; readonly large?: readonly Large[] };

const HEADING = "## Several watchers";

const s = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const spread = (samples: readonly number[]) => `${s(median(samples))} (${s(Math.min(...samples))} to ${s(Math.max(...samples))})`;
const count = (value: number) => Math.round(value).toLocaleString("en");
const perSecond = (value: number) => (value === 0 ? "0" : value < 10 ? value.toFixed(1) : count(value));

function ofDetection(all: readonly Detection[]): string {
  return `### From a host's death to the off command

Real watchers, real etcd of three members, a virtual PDU, each in a network namespace of its own; a host freezes at a random moment (every ${EVERY_MS / 1_000} s, threshold ${THRESHOLD}, timeout ${TIMEOUT_MS} ms); median, least and most.
The bound, (threshold − 1)·every + phase + timeout, is ${s(BOUND_MS)}; to it come log-in and navigation at the PDU, and, with several watchers, the wait for a majority: the last of it has a phase of its own.

| watchers | death to off command | samples | load of the machine |
|---|---|---|---|
${all.map((each) => `| ${each.watchers} | ${spread(each.samplesMs)} | ${each.samplesMs.length} | ${each.load.toFixed(0)} |`).join("\n")}
`;
}

function ofTakeOver(all: readonly TakeOver[]): string {
  return `### Take-over

Three watchers; the acting one is killed (\`kill -9\`) as its off takes effect. Its lease ends when its time to live has passed since its last renewal; the next one takes the charge, waits out the operation's \`deadline\` (${s(MAX_ACT_MS)}), and switches on.

| lease | kill to the successor's charge | kill to its on command | samples | load of the machine |
|---|---|---|---|---|
${all.map((each) => `| ${s(each.ttlMs)} | ${spread(each.chargeMs)} | ${spread(each.commandMs)} | ${each.commandMs.length} | ${each.load.toFixed(0)} |`).join("\n")}
`;
}

function ofWrites(all: readonly StoreWrites[]): string {
  const [first] = all as readonly [StoreWrites];
  return `### What the store is asked to write

Three production watchers in virtual time on the simulated store; everybody looks at every host, every ${first.everyMs / 1_000} s, threshold ${first.threshold}; racks of 40 on a PDU. Averages a second over all three, and the busiest second.
${all.map((each) => `Of ${count(each.hosts)} hosts ${count(each.silent)} fall silent; power cycles begun in that: ${each.cutsBegun}. Store: ${count(each.storeKeys)} keys.`).join(" ")}

| hosts | phase | transactions | keys | keys, busiest second | conflicts in all |
|---|---|---|---|---|---|
${all.flatMap((each) => each.phases.map((phase) => `| ${count(each.hosts)} | ${phase.phase} (${phase.seconds} s) | ${perSecond(phase.transactions / phase.seconds)} | ${perSecond(phase.keys / phase.seconds)} | ${count(phase.mostInASecond)} | ${phase.conflicts} |`)).join("\n")}
`;
}

function ofLarge({ hosts, watchers, flags, store, phases, facts, note = "" }: Large): string {
  const steady = phases.find((phase) => phase.phase === "steady");
  return `### ${count(hosts)} hosts on ${watchers} watchers

One watcher of the ${watchers}, alone in a process (\`node ${flags.join(" ")}\`), with the records of all: racks of 40 on one PDU, a BMC for each host. ${facts["observed"] === undefined ? "" : `It looks at ${count(facts["observed"])} hosts every 10 s and is in charge of ${count(facts["hostsInCharge"] ?? 0)}.`}
Virtual time that moves on by the processor time of each event, so that the figures are those of a core to itself; rounds come from the scheduler and cost nothing but what the loop and the core do with them.
The store holds ${count(store.keys)} keys of ${count(store.bytes / 1e6)} MB (${Object.entries(store.byKind).map(([kind, keys]) => `${kind} ${count(keys)}`).join(", ")}).${note === "" ? "" : `\n${note}`}
${steady === undefined ? "" : `In steady state: ${steady.rssMiB} MiB resident (${steady.heapMiB} of heap), ${steady.cpuMsPerSecond.toFixed(0)} ms of processor time a second, garbage collection included; ${steady.transactions} transactions in ${steady.seconds.toFixed(0)} s.\n`}
| phase | lasted | processor time, all threads | longest step | transactions | keys | resident |
|---|---|---|---|---|---|---|
${phases.map((phase) => `| ${phase.phase} | ${phase.seconds === undefined ? "" : s(phase.seconds * 1_000)} | ${s(phase.cpuMs)} | ${phase.longestStepMs === undefined ? "" : `${count(phase.longestStepMs)} ms`} | ${phase.transactions === undefined ? "" : count(phase.transactions)} | ${phase.keys === undefined ? "" : count(phase.keys)} | ${phase.rssMiB} MiB |`).join("\n")}
`;
}

/** Puts the figures into the document. */
export function document(figures: Several, machine: string): void {
  const parts = [
    `${machine} \`bin/node24 bench/several.ts\` repeats these, alone; raw samples are in \`bench/results/several.json\`.`,
    figures.detection === undefined ? "" : ofDetection(figures.detection),
    figures.takeOver === undefined ? "" : ofTakeOver(figures.takeOver),
    figures.writes === undefined ? "" : ofWrites(figures.writes),
    ...(figures.large ?? []).map(ofLarge),
  ];
  writeSection(HEADING, parts);
}
