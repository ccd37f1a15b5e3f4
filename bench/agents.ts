// What agents cost: the host that one runs on, the power node that a rack of them asks, the watcher that they are connected to.
// `bin/node24 bench/agents.ts [--quick] [part …]`, as root, alone, in eight minutes; samples go to bench/results/agents.json and
// figures into docs/performance.md, unless it is quick. A part that was not asked for keeps the figures that it had.
//
//   rack   pings at a power node from thirty real agents, with and without jitter, and how soon they go off when it dies
//   idle   memory, processor time and wake-ups of an agent and its peers on an idle host
//   link   processor time and memory of a watcher with 30 and 1,000 agents

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { networkRefusal } from "../lab/netns.ts";
import type { Idle } from "./agents/idle.ts";
import { idle, idleLines } from "./agents/idle.ts";
import type { Sample } from "./agents/link.ts";
import { link, linkLines } from "./agents/link.ts";
import type { Rack } from "./agents/rack.ts";
import { rack, rackLines } from "./agents/rack.ts";
import { partsNamed, writeSection } from "./figures.ts";
import { accountRefusal } from "./load/cpu.ts";

export const PARTS = ["rack", "idle", "link"] as const;
export type Part = (typeof PARTS)[number];

/** `before`: the load of the machine when it began, which is that of others. */
type Run<Found> = { readonly at: string; readonly machine: string; readonly before: number; readonly found: Found };
type Agents = { readonly rack?: Run<Rack>; readonly idle?: Run<Idle>; readonly link?: Run<readonly Sample[]> };

const FILE = join(import.meta.dirname, "results/agents.json");
/** Nobody else at work. */
const QUIET_LOAD = 0.5;

export async function agents(parts: readonly Part[], quick: boolean, say: (text: string) => void): Promise<void> {
  const refusal = networkRefusal(["taskset"]) ?? accountRefusal() ?? (availableParallelism() < 2 ? "two cores are needed" : null);
  if (refusal !== null) return say(`agents is left out: ${refusal}`);
  const here = { at: new Date().toISOString(), machine: `${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), Linux ${release()}, Node ${process.version}`, before: loadavg()[0] ?? 0 };
  const found: Agents = {
    ...(parts.includes("rack") ? { rack: { ...here, found: await rack(quick, say) } } : {}),
    ...(parts.includes("idle") ? { idle: { ...here, found: await idle(quick, say) } } : {}),
    ...(parts.includes("link") ? { link: { ...here, found: await link(quick, say) } } : {}),
  };
  if (quick) return;
  const all: Agents = { ...known(), ...found };
  mkdirSync(join(FILE, ".."), { recursive: true });
  writeFileSync(FILE, `${JSON.stringify(all, null, 1).replace(/\[[\d\s,.]+\]/g, (list) => list.replace(/\s+/g, ""))}\n`);
  document(all);
}

function known(): Agents {
  try {
    return JSON.parse(readFileSync(FILE, "utf8")) as Agents;
  } catch {
    return {};
  }
}

function document({ rack: racks, idle: idles, link: links }: Agents): void {
  const runs = [racks, idles, links].filter((run) => run !== undefined);
  const busy = runs.filter(({ before }) => before > QUIET_LOAD);
  writeSection("## Agents", [
    busy.length === 0 ? "" : `**Preliminary:** other work kept the machine busy while ${busy.length === runs.length ? "these were" : `${busy.length} of these ${runs.length} parts were`} measured (a load of ${Math.max(...busy.map(({ before }) => before)).toFixed(1)} before it began).`,
    `Measured on ${[...new Set(runs.map(({ machine }) => machine))].join("; ")}. \`bin/node24 bench/agents.ts\` repeats these, alone, as root, with the peers installed (\`bench/peers/packages.txt\`); raw samples are in \`bench/results/agents.json\`. *Load* is that of the whole machine at that moment, our own included.`,
    ...(idles === undefined ? [] : idleLines(idles.found)),
    ...(links === undefined ? [] : linkLines(links.found)),
    ...(racks === undefined ? [] : rackLines(racks.found)),
  ]);
}

if (import.meta.main) await agents(partsNamed(PARTS), process.argv.includes("--quick"), (text) => process.stdout.write(`${text}\n`));
