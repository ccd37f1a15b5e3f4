// What a run with several watchers must have seen, or it proves nothing (safety.md §5.20): every fault class, take-overs in
// every phase of an operation, agreement and the lack of it, lost leases, and what is owed without the store.

import type { ToldKind } from "../../src/core/io.ts";
import type { Counts } from "../counts.ts";
import { PHASES } from "../counts.ts";
import type { FleetFault } from "./fault-names.ts";
import { FLEET_FAULTS } from "./fault-names.ts";

const TOLD: readonly ToldKind[] = [
  "started", "stopping", "time-went-back", "policy", "clock", "suspect", "better", "healthy", "down", "blind", "sees", "refused", "storm", "storm-over",
  "intended", "off-sent", "off-confirmed", "off-unconfirmed", "on-sent", "on-confirmed", "contradicted", "withdrawn", "held", "recovered", "released",
  "device-answer", "device-failed", "resumed", "guarded", "unguarded", "brake", "brake-ended", "command", "command-refused", "wanted",
  "careful", "power-sense", "return", "remedy", "remedy-answer", "watcher", "vote", "charge", "disagreement", "store-failed", "store-ok", "alarm", "alarm-over",
];

/** At least so many in a thousand seeds. */
const AT_LEAST: readonly (readonly [string, number])[] = [
  ["byte: off", 500], ["byte: on", 500], ["edge: off by us", 500], ["owed: restored", 400],
  ["charge: taken over in intended", 10], ["charge: taken over in off-sent", 10], ["charge: taken over in off-confirmed", 10], ["charge: taken over in on-sent", 5], ["charge: taken over in booting", 20],
  ["byte: off by a watcher that did not intend it", 5], ["edge: two feeds cut together", 10], ["told: disagreement", 10], ["agreement: swaps of automatic offs", 400],
  ["lease: lost", 500], ["pause: between swap and byte", 20], ["watcher: joins", 50], ["watcher: opens the store anew", 50], ["watcher: exits when asked to", 50],
  ["command: forget-watcher 0", 4], ["store: loses its quorum with a host", 10], ["owed: restored without the store", 2], ["obligation: a dead host was cut in time", 10],
  ["store: an answer to a call is lost", 500], ["store: an answer to a keep-alive is lost", 500], ["store: a request arrives after a cut", 100], ["store: a request is carried out after a quorum was back", 20],
  ["device: a queued command outlives its writer", 0.25], ["pause: between swap and byte, over the end of the lease", 2], ["session: a successor logs in while another session stands", 5], ["brake: naive evaluation at an off", 400],
  ["outage: mains fail", 200], ["outage: the UPS is empty", 40], ["planned: heard", 400], ["planned: wanted on again", 60], ["return: by a power cycle", 60], ["return: turned back", 5], ["agent: killed in pre-fail", 200], ["agent: killed in shutdown", 200],
  ["careful: a stage is stopped", 150], ["careful: a stage is started again", 10], ["careful: ordered to power off", 100], ["obligation: a host without power is to be off", 250], ["obligation: what was stopped is to run again", 8],
  ["fault: brake-at-the-last-moment in intended", 20], ["fault: voters-fall-silent in intended", 20],
];

/** From so many seeds on, every fault class must have struck in every phase of an operation. */
const WHOLE_MATRIX_SEEDS = 20_000;

/** What did not happen, or too seldom, in so many seeds; of fewer than a thousand nothing is asked. */
export function missingInFleet(counts: Counts, seeds: number): string[] {
  if (seeds < 1_000) return [];
  const count = (what: string): number => counts.all.get(what) ?? 0;
  const never = TOLD.filter((kind) => count(`told: ${kind}`) === 0).map((kind) => `told: ${kind}`);
  for (const [what, thousandth] of AT_LEAST) if (count(what) < Math.floor((thousandth * seeds) / 1_000)) never.push(`${what}: ${count(what)} times, and ${Math.floor((thousandth * seeds) / 1_000)} are expected`);
  for (const fault of Object.keys(FLEET_FAULTS) as FleetFault[]) {
    const phases = PHASES.filter((phase) => count(`fault: ${fault} in ${phase}`) > 0);
    if (phases.length === 0) never.push(`fault: ${fault}`);
    if (seeds >= WHOLE_MATRIX_SEEDS) for (const phase of PHASES) if (!phases.includes(phase)) never.push(`fault: ${fault} in ${phase}`);
  }
  return never;
}
