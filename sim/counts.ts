// What has happened how often, so that a run that proves nothing cannot pass for a proof (safety.md §5.20): strikes of each
// fault class in each phase of an operation, lines of each kind, ends of operations, and whatever else is worth a count.

import type { ToldKind } from "../src/core/io.ts";
import type { Fault } from "./fault-names.ts";
import { FAULTS } from "./fault-names.ts";

export const PHASES = ["none", "intended", "off-sent", "off-confirmed", "on-sent", "booting"] as const;
export type Phase = (typeof PHASES)[number];

export class Counts {
  readonly all = new Map<string, number>();

  add(what: string, by = 1): void {
    this.all.set(what, (this.all.get(what) ?? 0) + by);
  }

  strike(fault: Fault, phase: Phase): void {
    this.add(`fault: ${fault} in ${phase}`);
  }

  told(kind: ToldKind): void {
    this.add(`told: ${kind}`);
  }

  merge(other: Iterable<readonly [string, number]>): void {
    for (const [what, by] of other) this.add(what, by);
  }
}

/** Lines of the journal that a run must have seen. `alarm…` and what only a person's command makes are among them. */
const TOLD: readonly ToldKind[] = [
  "started", "stopping", "time-went-back", "policy", "clock", "probe-passed", "suspect", "better", "healthy", "down", "blind", "sees",
  "refused", "delayed", "storm", "storm-over", "storm-proceed",
  "intended", "off-sent", "off-confirmed", "off-unconfirmed", "on-sent", "on-confirmed", "late-off", "contradicted",
  "withdrawn", "next-level", "held", "recovered", "done", "released", "device-answer", "device-failed", "device-ok", "resumed",
  "remedy", "remedy-answer", "outlet", "off-by-others", "label", "guarded", "unguarded",
  "careful", "power-sense", "return", "brake", "brake-ended", "command", "command-refused", "wanted", "store-failed", "store-ok", "kernel", "alarm", "alarm-over", "acknowledged", "reboots",
];

const OTHERS = [
  "disk: a transaction fails", "disk: a failed transaction is found after a crash",
  "device: a command is queued in a cut cable", "device: a queued command outlives its writer", "device: a command is delivered late",
  "device: an acknowledgement is lost", "device: a command is refused", "device: busy with another session",
  "byte: off", "byte: on", "byte: off by a watcher that did not intend it", "edge: off by us", "edge: on by us", "edge: off by others", "edge: late off after on",
  "edge: two feeds cut together", "edge: off at a second level", "pause: between swap and byte",
  "outage: mains fail", "outage: mains fail again soon", "outage: the UPS is empty", "outage: a power node dies for another reason", "outage: the watcher's sense says unknown for no reason", "outage: the watcher's sense says lost for no reason",
  "outage: all power nodes die for another reason", "outage: a reference dies for another reason", "outage: the switch dies for another reason", "outage: upsd is gone for another reason", "outage: upsmon halts a host",
  "agent: halts its host", "agent: killed in normal", "agent: killed in pre-fail", "agent: killed in shutdown", "agent: killed in returning",
  "agent: killed at look", "agent: killed at save", "agent: killed at announce", "agent: killed at survey", "agent: killed at run", "agent: killed at after run", "agent: killed at power-off",
  "agent: an announcement is lost", "agent: an announcement is refused", "agent: an answer to an announcement is lost", "agent: its disk is full", "agent: its record is lost", "agent: its clock jumps",
  "agent: from normal to pre-fail", "agent: from normal to shutdown", "agent: from pre-fail to normal", "agent: from pre-fail to shutdown", "agent: from shutdown to normal", "agent: from shutdown to returning", "agent: from returning to normal", "agent: from returning to shutdown",
  "careful: a stage is stopped", "careful: a stage is started again", "careful: ordered to power off", "careful: unknown for too long", "obligation: a host without power is to be off", "obligation: what was stopped is to run again",
  "planned: heard", "planned: taken back", "planned: silent and not fenced", "return: by a power cycle", "return: woken", "return: it answered before", "return: it never went down", "return: a person asks for it", "return: turned back", "return: by another life than that which heard", "return: after an empty UPS",
  "meter: stuck", "meter: nonsense", "meter: silent", "meter: late", "meter: nothing", "metered: cut before haltBound",
  "watcher: exits when asked to", "obligation: a dead host was cut in time", "owed: restored", "brake: naive evaluation at an off", "words: a dump holds", "words: a reboot holds", "agent: silent in a good round", "agent: silent in a bad round", "obligation: a host of which only its agent knew was cut in time", "clock: seeds run with and without jumps", "unknown: lives tried again with better rounds",
  "reboots: reboot ordered", "reboots: drain ordered", "reboots: undrain ordered", "reboots: back", "reboots: held", "reboots: ended",
];

/** From so many seeds on, every fault class must have struck in every phase of an operation. */
const WHOLE_MATRIX_SEEDS = 10_000;

/** What never happened in so many seeds: each of these makes the run fail. Fewer than a thousand seeds prove nothing, and nothing is asked of them. */
export function missing(counts: Counts, seeds: number): string[] {
  if (seeds < 1_000) return [];
  const wanted: string[] = [...OTHERS, ...TOLD.map((kind) => `told: ${kind}`)];
  const faults = Object.keys(FAULTS) as Fault[];
  const struck = (fault: Fault, phase: Phase) => counts.all.get(`fault: ${fault} in ${phase}`) ?? 0;
  const never = wanted.filter((what) => (counts.all.get(what) ?? 0) === 0);
  for (const fault of faults) if (PHASES.every((phase) => struck(fault, phase) === 0)) never.push(`fault: ${fault}`);
  for (const phase of PHASES) if (faults.filter((fault) => struck(fault, phase) > 0).length < 0.8 * faults.length) never.push(`a fifth of the fault classes in ${phase}`);
  if (seeds >= WHOLE_MATRIX_SEEDS) for (const fault of faults) for (const phase of PHASES) if (struck(fault, phase) === 0) never.push(`fault: ${fault} in ${phase}`);
  return never;
}
