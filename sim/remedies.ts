// Remedies in the virtual world: some hosts have some, a host whose system still runs takes one and reboots, and what is judged
// is what is judged of power, by the records alone: it was recorded before, once an incident, and no brake stood in its way.

import type { HostPolicy, RemedyPolicy } from "../src/core/policy.ts";
import type { BrakeRecord, HostRecord, IncidentRecord, Operation, RecordKey } from "../src/core/records.ts";
import type { Remedied } from "../src/watcher/ports.ts";
import type { Condition, Host } from "./hosts.ts";
import { Random } from "./random.ts";

/** Adds remedies to some hosts of some worlds, from a stream of their own. */
export function withRemedies(seed: number, policies: readonly HostPolicy[]): readonly HostPolicy[] {
  const random = new Random(seed, "remedies");
  if (!random.chance(0.2)) return policies;
  return policies.map((policy) => {
    const names = random.weigh([[3, []], [4, ["ssh"]], [2, ["ssh", "agent"]]] as const);
    const remedies = names.map((name): RemedyPolicy => ({ name, limitMs: 10_000, waitMs: random.pick([30_000, 60_000]) }));
    return remedies.length === 0 ? policy : { ...policy, remedies };
  });
}

/** Conditions in which a system still takes a word. */
const HEARS: ReadonlySet<Condition> = new Set<Condition>(["up", "stopped", "refused", "names-fail", "flapping", "slow"]);

/** What comes of it, after which time; the host reboots by it, or does not. */
export function tryRemedy(host: Host | undefined, reached: boolean, random: Random, limitMs: number): { readonly afterMs: number; readonly answer: Remedied; readonly act: () => void } {
  if (host === undefined || !reached || !HEARS.has(host.condition)) return { afterMs: limitMs, answer: { outcome: "failed", evidence: "no connection" }, act: () => undefined };
  const answered = random.chance(0.8);
  return {
    afterMs: answered ? random.whole(200, 3_000) : limitMs,
    answer: answered ? { outcome: "done", evidence: "exit 0" } : { outcome: "unknown", evidence: "the connection broke" },
    act: () => host.restart(random.whole(500, 4_000)),
  };
}

/** How long all remedies of a host may put the cut off. */
export function remediesMs(policy: HostPolicy): number {
  return (policy.remedies ?? []).reduce((sum, { limitMs, waitMs }) => sum + limitMs + waitMs + 2_000, 0);
}

type Known = {
  value<Kind>(key: RecordKey): Kind | undefined;
  readonly operations: readonly Operation[];
  /** How its last round ended. */
  readonly last: string | undefined;
};

/** One attempt at a host. */
export function remedyKey(host: string, incident: string, name: string): string {
  return `${host} ${incident} ${name}`;
}

/** Why this remedy must not be tried, by the records that are durable; null: it may. Remembers it in `done`. */
export function wrongRemedy(host: string, name: string, known: Known, done: Set<string>): string | null {
  const record = known.value<HostRecord>(`host/${host}`);
  const said = record?.remedied;
  if (record === undefined || said === undefined || said.names.at(-1) !== name) return "there is no durable record of it";
  if (known.value<IncidentRecord>(`incident/${said.incident}`) === undefined) return `incident ${said.incident} is not recorded`;
  const key = remedyKey(host, said.incident, name);
  if (done.has(key)) return `it was tried in ${said.incident} already`;
  done.add(key);
  for (const kind of ["disarmed", "maintenance", "inhibit", "kdump"]) {
    if ([host, "*"].some((scope) => known.value<BrakeRecord>(`brake/${kind}/${scope}`)?.endedBy === undefined && known.value(`brake/${kind}/${scope}`) !== undefined)) return `under ${kind}`;
  }
  if (record.hold !== null || record.wanted.state === "off" || record.learned.seenHealthyAt === null) return "it is held, wanted off, or was never seen healthy";
  if (known.operations.some((operation) => operation.host === host)) return "an operation is open";
  return known.last === "bad" ? null : `its last round was ${known.last ?? "none"}`;
}
