// `bin/node24 bench/several.ts [--quick] [part …]`: the figures of several watchers, and with `npm run bench` after the others. What
// is measured replaces its part of bench/results/several.json, and all that stands there goes into docs/performance.md. `--quick`
// takes fewer and smaller samples, into quick-several.json, and leaves the document as it is.
//
//   detection   from a host's death to the off command with 1, 3 and 5 watchers (root, etcd)
//   take-over   from `kill -9` of the acting watcher to the successor's charge and command, by lease (root, etcd)
//   writes      what the store is asked to write with 1,000 and 10,000 hosts, calm and in a storm
//   large       memory and processor time of one watcher of 20 with 100,000 hosts

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, release } from "node:os";
import { join } from "node:path";
import { partsNamed } from "./figures.ts";
import { fleetRefusal } from "../lab/fleet.ts";
import type { Several } from "./several/document.ts";
import { document } from "./several/document.ts";
import { large } from "./several/large.ts";
import type { Detection, TakeOver } from "./several/outages.ts";
import { detection, takeOver } from "./several/outages.ts";
import { storeWrites } from "./several/store-writes.ts";

export const PARTS = ["detection", "take-over", "writes", "large"] as const;
export type Part = (typeof PARTS)[number];

const RESULTS = join(import.meta.dirname, "results");
const load = (): number => loadavg()[0] as number;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

type Results = Several & { readonly at: string; readonly machine: string };

function known(file: string): Several {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Results;
  } catch {
    return {};
  }
}

export async function several(parts: readonly Part[], quick: boolean): Promise<void> {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, quick ? "quick-several.json" : "several.json");
  let figures = known(file);
  const keep = (more: Several): void => {
    figures = { ...figures, ...more };
    const machine = `Measured on ${availableParallelism()} shared cores of a virtual machine, Linux ${release()}, Node ${process.version}, that was busy with other work: the load of real runs stands beside them.`;
    writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, ...figures } satisfies Results, null, 1)}\n`);
    if (!quick) document(figures, machine);
  };
  const real = fleetRefusal();
  if (parts.includes("detection")) {
    if (real !== false) say(`detection is left out: ${real}`);
    else {
      const found: Detection[] = [];
      for (const watchers of [1, 3, 5]) {
        found.push(await detection(watchers, quick ? 2 : 5, load));
        say(JSON.stringify(found.at(-1)));
      }
      keep({ detection: found });
    }
  }
  if (parts.includes("take-over")) {
    if (real !== false) say(`take-over is left out: ${real}`);
    else {
      const found: TakeOver[] = [];
      for (const ttlMs of [3_000, 5_000, 10_000]) {
        found.push(await takeOver(ttlMs, quick ? 2 : 5, load));
        say(JSON.stringify(found.at(-1)));
      }
      keep({ takeOver: found });
    }
  }
  if (parts.includes("writes")) {
    const writes = [await storeWrites(1_000, quick ? 60_000 : 300_000), ...(quick ? [] : [await storeWrites(10_000, 120_000)])];
    for (const { hosts, phases } of writes) for (const phase of phases) say(`${hosts} hosts: ${JSON.stringify(phase)}`);
    keep({ writes });
  }
  if (parts.includes("large")) keep({ large: [await large(quick ? 5_000 : 100_000, 20, undefined, say)] });
}

if (import.meta.main) {
  await several(partsNamed(PARTS), process.argv.includes("--quick"));
  process.exit(0);
}
