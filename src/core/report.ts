// What people and programs are told of the state: the document behind `upkeep status --json`, the control socket and the
// page. It decides nothing: guardedness, verdicts and brakes are asked of the modules that decide them, at the moment of
// the question, so that a status can never say "guarded" from memory while a brake is in force.
//
// Times leave as ISO 8601 in UTC, durations as `…Ms`; fields are added, never changed.

import { bootMs, brakesOn } from "./brakes.ts";
import { whyUnguarded } from "./guard.ts";
import type { Alarm } from "./io.ts";
import type { Phases } from "./incident.ts";
import { phasesOf } from "./incident.ts";
import type { Verdict } from "./liveness.ts";
import { verdict } from "./liveness.ts";
import { wattsAt } from "./metered.ts";
import { chargedWith, observedBy, observersOf } from "./roster.ts";
import { inCharge, leaseHolds } from "./transaction.ts";
import type { HostPolicy, Policy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { BrakeKind, Hold, IncidentOutcome, IncidentRecord, Operation, OperationOutcome, OperationPhase, RebootOutcome, RebootPhase, RebootRun } from "./records.ts";
import { sayCareful } from "./return-report.ts";
import type { Outcome } from "./round.ts";
import { senseOf } from "./site-power.ts";
import type { FleetState, HostState, State } from "./state.ts";
import { Turn } from "./state.ts";
import type { Now, Stamp } from "./time.ts";
import { countsWithin, leftMs } from "./time.ts";

export type OutletReport = {
  /** `device/outlet`. */
  readonly outlet: string;
  readonly state: "on" | "off" | "unknown";
  /** When it was last read; null: never. */
  readonly at: string | null;
  readonly label: string | null;
  /** From 1; outlets of one level are cut together. */
  readonly level: number;
  /** A past good cycle or a drill has shown that this outlet feeds this host. */
  readonly proved: boolean;
  /** What it gave when that was last read; null: that is not known. Absent: it is not asked. */
  readonly watts?: number | null | undefined;
};

export type ProbeReport = {
  readonly probe: string;
  readonly outcome: Outcome | null;
  readonly evidence: string | null;
  readonly latencyMs: number | null;
  /** False: evidence only, like ping beside a service probe. */
  readonly counts: boolean;
  /** False: it has never passed here, and does not count until it has. */
  readonly passed: boolean;
};

export type OperationReport = {
  readonly operation: number;
  readonly kind: Operation["kind"];
  readonly phase: OperationPhase;
  readonly phaseSince: string;
  readonly began: string;
  /** From 1. */
  readonly level: number;
  readonly levels: number;
  /** `auto`, or who asked. */
  readonly by: string;
  readonly because: string;
  /** What is owed: outlets that were let go off and are not confirmed on since. */
  readonly cut: readonly string[];
  readonly offWasConfirmed: boolean;
  readonly contradiction: string | null;
  readonly withdrawing: string | null;
};

export type HostReport = {
  readonly host: string;
  readonly verdict: Verdict;
  readonly counter: number;
  readonly threshold: number;
  /** Start of the present verdict. */
  readonly since: string;
  readonly guarded: boolean;
  /** Why it is not guarded; null when it is. */
  readonly why: string | null;
  readonly wanted: "on" | "off";
  /** What would hold an automatic off back right now. */
  readonly brakes: readonly { readonly brake: string; readonly because: string }[];
  readonly power: readonly OutletReport[];
  readonly incident: string | null;
  /** The watcher that decides and acts for it; null: none at present. */
  readonly inCharge: string | null;
  /** The watchers that are assigned to it, and what they say. One watcher alone: itself. */
  readonly observers: readonly VoteReport[];
  /** How many of them have to say down. */
  readonly need: number;
  readonly address: string;
  readonly group: string;
  readonly round: { readonly outcome: Outcome; readonly because: string; readonly at: string } | null;
  readonly probes: readonly ProbeReport[];
  readonly wantedOff: { readonly by: string; readonly why: string; readonly at: string } | null;
  /** Shut down with care by its own announcement, or being started after that; `says` is the sentence. */
  readonly careful: { readonly event: string; readonly because: string; readonly since: string; readonly state: "off" | "starting"; /** Its last sign of life; null: not seen silent since. */ readonly lastSign: string | null; readonly began: string | null; readonly asked: string | null; readonly says: string } | null;
  readonly held: { readonly kind: Hold["kind"]; readonly because: string; readonly since: string; readonly sticky: boolean } | null;
  readonly operation: OperationReport | null;
  readonly lastOperation: { readonly operation: number; readonly kind: Operation["kind"]; readonly outcome: OperationOutcome; readonly at: string } | null;
  readonly offByOthers: readonly string[];
  /** Confirmed power cycles within the budget's window, and the budget. */
  readonly budget: { readonly cycles: number; readonly of: number; readonly withinMs: number };
  /** The longest that a boot may take before anything further: `boot`, or twice the longest learned. */
  readonly bootMs: number;
  /** The longest of the last boots; null: none was measured. */
  readonly bootLongestMs: number | null;
};

export type DeviceReport = {
  readonly device: string;
  readonly driver: string;
  readonly address: string;
  /** Null: it was not asked yet. */
  readonly readable: boolean | null;
  /** Why it cannot be read. */
  readonly why: string | null;
  readonly at: string | null;
};

export type BrakeReport = {
  readonly brake: BrakeKind;
  /** A host's name, or `*`. */
  readonly scope: string;
  readonly by: string;
  readonly reason: string;
  readonly since: string;
  /** Null: until it is ended. */
  readonly until: string | null;
  readonly leftMs: number | null;
};

/** A run of rolling reboots: the one that is open, or the last one. */
export type RebootsReport = {
  readonly run: number;
  readonly state: RebootRun["state"];
  /** Why it is held, or how it ended. */
  readonly because: string;
  readonly by: string;
  readonly reason: string;
  readonly began: string;
  readonly ended: string | null;
  /** As people write it; null: at any time. */
  readonly window: string | null;
  readonly plan: readonly string[];
  readonly done: readonly { readonly host: string; readonly outcome: RebootOutcome; readonly because: string; readonly at: string; /** From the order until it was good again. */ readonly tookMs: number | null }[];
  /** Whose turn it is. */
  readonly now: { readonly host: string; readonly phase: RebootPhase; readonly since: string; readonly mayTakeMs: number } | null;
  /** What the next one waits for, as far as this watcher knows. */
  readonly waiting: { readonly host: string; readonly because: string } | null;
  /** Who asked for its end. */
  readonly stopBy: string | null;
};

export type StormReport = { readonly set: string; readonly because: string; readonly since: string; readonly proceedBy: string | null };

export type AlarmReport = Alarm & { readonly at: string; readonly acknowledged: boolean };

export type WatcherReport = {
  readonly watcher: string;
  readonly self: boolean;
  /** Null: it is not there. */
  readonly started: string | null;
  readonly stopping: boolean;
  /** Its session in the store lives. */
  readonly alive: boolean;
  /** It has made its first rounds and counts among the observers. */
  readonly ready: boolean;
  readonly version: string | null;
  /** Hosts that it is in charge of, and hosts that it observes. */
  readonly inCharge: number;
  readonly observes: number;
  /** Power devices that it says it does not reach. */
  readonly cannot: readonly string[];
  /** Its own rounds prove nothing at present. */
  readonly blind: boolean;
};

/** One observer's word on a host. `says` null: it has not said anything. */
export type VoteReport = { readonly watcher: string; readonly says: "up" | "down" | "abstain" | null; readonly because: string };

export type StatusReport = {
  readonly site: string;
  readonly at: string;
  /** `2 of 3`. */
  readonly guarded: string;
  readonly hosts: readonly HostReport[];
  readonly watchers: readonly WatcherReport[];
  readonly devices: readonly DeviceReport[];
  readonly brakes: readonly BrakeReport[];
  readonly storms: readonly StormReport[];
  /** Null: there was none yet. */
  readonly reboots: RebootsReport | null;
  /** Calls to a person that are not over, the worst first. */
  readonly alarms: readonly AlarmReport[];
  readonly ledger: { readonly ok: boolean; readonly why: string | null };
  /** The store that several watchers share; null: this one is alone. `heldUntil`: end of this watcher's lease. */
  readonly store: { readonly ok: boolean; readonly why: string | null; readonly heldUntil: string | null; readonly unreadable: readonly { readonly key: string; readonly why: string }[] } | null;
  /** Whether the site has power, as this watcher knows it: for the return after careful shutdowns. */
  readonly power: { readonly state: "good" | "lost" | "unknown"; readonly because: string; /** 0…1, of the UPS; null: not known. */ readonly charge: number | null; readonly goodSince: string | null };
  /** Why nothing at all is cut by itself: `armed: false`. */
  readonly armed: boolean;
};

export type IncidentReport = {
  readonly incident: string;
  readonly host: string;
  readonly began: string;
  readonly ended: string | null;
  /** The outage by phase; null where a phase was not reached. */
  readonly phases: Phases;
  readonly outcome: IncidentOutcome;
  readonly firstSign: string;
  readonly down: string | null;
  readonly offSent: string | null;
  readonly offConfirmed: string | null;
  readonly onConfirmed: string | null;
};

/** The whole status; `host` restricts `hosts` to one, and leaves the rest as it is. */
export function statusReport(state: State, policy: Policy, now: Now, host: string | null = null): StatusReport {
  const hosts: HostReport[] = [];
  let guarded = 0;
  for (const each of policy.hosts.values()) {
    const known = state.hosts.get(each.name);
    if (known === undefined) continue;
    if (whyNotGuarded(known, each, state, policy, now) === null) guarded += 1;
    if (host === null || host === each.name) hosts.push(hostReport(known, each, state, policy, now));
  }
  const { site, ...rest } = siteReport(state, policy, now);
  return { site, at: iso(now.wallMs), guarded: guardedOf(guarded, policy), hosts, ...rest };
}

/** `2 of 3`. */
export function guardedOf(guarded: number, policy: Policy): string {
  return `${guarded} of ${policy.hosts.size}`;
}

/** The status without its hosts and what is summed up over them. */
export function siteReport(state: State, policy: Policy, now: Now): Omit<StatusReport, "at" | "guarded" | "hosts"> {
  const severities = ["critical", "warning", "info"];
  return {
    site: policy.site,
    watchers: state.fleet !== null ? watcherReports(state, state.fleet, policy, now) : [{ watcher: policy.watcher, self: true, started: isoBoot(state.startedAtMs, now), stopping: state.stopping, alive: true, ready: true, version: null, inCharge: policy.hosts.size, observes: policy.hosts.size, cannot: [], blind: false }],
    devices: [...policy.devices.values()].map((device) => {
      const known = state.devices.get(device.name);
      const failure = known?.failure ?? null;
      const readAtMs = known?.readAtMs ?? null;
      const readable = failure !== null ? false : readAtMs !== null ? true : null;
      return { device: device.name, driver: device.driver, address: device.address, readable, why: failure, at: readAtMs === null ? null : isoBoot(readAtMs, now) };
    }),
    brakes: [...state.brakes.values()].map((brake) => ({
      brake: brake.kind, scope: brake.scope, by: brake.by, reason: brake.reason, since: isoStamp(brake.since, now),
      until: brake.until === null ? null : iso(now.wallMs + leftMs(brake.until, now)),
      leftMs: brake.until === null ? null : leftMs(brake.until, now),
    })),
    storms: [...state.storms.values()].map((storm) => ({ set: storm.set, because: storm.because, since: isoStamp(storm.since, now), proceedBy: storm.proceedBy })),
    reboots: rebootsReport(state, now),
    alarms: [...state.alarms.values()]
      .map((known) => ({ ...known.alarm, at: isoBoot(known.lastMs, now), acknowledged: known.acknowledged }))
      .sort((one, other) => severities.indexOf(one.severity) - severities.indexOf(other.severity)),
    ledger: { ok: state.storeFailure === null, why: state.storeFailure },
    store: state.fleet === null ? null : storeReport(state, state.fleet, now),
    power: powerReport(state, policy, now),
    armed: policy.armed,
  };
}

function rebootsReport({ reboots: { record, waiting } }: State, now: Now): RebootsReport | null {
  if (record === null) return null;
  const { run, state, because, by, reason, window, plan, turn, stopBy } = record;
  return {
    run, state, because, by, reason, plan, stopBy, began: isoStamp(record.began, now), ended: record.ended === null ? null : isoStamp(record.ended, now), window: window?.text ?? null,
    done: record.done.map(({ at, ...done }) => ({ ...done, at: isoStamp(at, now) })),
    now: turn === null ? null : { host: turn.host, phase: turn.phase, since: isoStamp(turn.since, now), mayTakeMs: turn.backMs },
    waiting: waiting === null || state !== "running" || turn !== null ? null : { host: waiting.host, because: waiting.because },
  };
}

function powerReport(state: State, policy: Policy, now: Now): StatusReport["power"] {
  const { state: is, because, charge, goodForMs } = senseOf({ state, policy, now });
  return { state: is, because, charge, goodSince: goodForMs === null ? null : isoBoot(now.bootMs - goodForMs, now) };
}

function carefulReport(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): HostReport["careful"] {
  const careful = host.record.careful ?? null;
  if (careful === null) return null;
  const at = (moment: Stamp | null): string | null => (moment === null ? null : isoStamp(moment, now));
  return { event: careful.event, because: careful.because, since: isoStamp(careful.since, now), state: careful.state, lastSign: at(careful.lastSign), began: at(careful.began), asked: careful.asked, says: sayCareful(host, policy, state, fleet, now) };
}

function watcherReports(state: State, fleet: FleetState, policy: Policy, now: Now): readonly WatcherReport[] {
  const charged = new Map<string, number>();
  for (const host of policy.hosts.keys()) {
    const holder = chargedWith(state, policy, host);
    if (holder !== null) charged.set(holder, (charged.get(holder) ?? 0) + 1);
  }
  return [...fleet.watchers.values()].sort((one, other) => (one.watcher < other.watcher ? -1 : 1)).map((record): WatcherReport => {
    const { watcher } = record;
    const self = watcher === policy.watcher;
    const alive = fleet.alive.get(watcher);
    const there = self ? leaseHolds({ state, now }) : alive !== undefined;
    return {
      watcher, self, alive: there, ready: record.ready, version: record.version, stopping: self && state.stopping,
      started: self ? isoBoot(state.startedAtMs, now) : alive === undefined ? null : isoStamp(alive.since, now),
      inCharge: charged.get(watcher) ?? 0, observes: observedBy({ state, policy }, watcher).size, cannot: alive?.cannot ?? [], blind: alive?.blind ?? false,
    };
  });
}

function storeReport(state: State, fleet: FleetState, now: Now): NonNullable<StatusReport["store"]> {
  const why = fleet.gone ?? fleet.blind ?? state.storeFailure ?? (leaseHolds({ state, now }) ? null : "this watcher has no session in it");
  return { ok: why === null, why, heldUntil: fleet.heldUntilMs === null ? null : isoBoot(fleet.heldUntilMs, now), unreadable: fleet.unreadable.map(({ key, because }) => ({ key, why: because })) };
}

/** What each observer says; ours as it was said last, because that is what the others know. */
function votesOn(host: HostState, policy: HostPolicy, state: State, fleet: Policy): readonly VoteReport[] {
  if (state.fleet === null) {
    const says = host.last === null || host.last.outcome === "unknown" ? "abstain" as const : verdict(host, policy) === "down" ? "down" as const : "up" as const;
    return [{ watcher: fleet.watcher, says, because: host.last?.because ?? "no round yet" }];
  }
  return observersOf({ state, policy: fleet }, policy).map((watcher): VoteReport => {
    const vote = watcher === fleet.watcher ? host.said : host.votes.get(watcher);
    if (vote === null || vote === undefined) return { watcher, says: null, because: state.fleet?.alive.has(watcher) === true ? "has not said anything yet" : "is not there" };
    return { watcher, says: vote.hash === policy.hash ? vote.says : "abstain", because: vote.hash === policy.hash ? vote.because : "has another configuration of this host" };
  });
}

/** Brakes that say something of this watcher and not of the host: where another is in charge they hold nothing back. */
export const OF_THIS_WATCHER: ReadonlySet<string> = new Set(["charge", "startup", "ledger", "stopping", "self"]);

/** Who does not look at a host himself believes those who do. */
export function verdictOf(host: HostState, policy: HostPolicy): Verdict {
  if (host.observed) return verdict(host, policy);
  const words = [...host.votes.values()].filter((vote) => vote.hash === policy.hash).map((vote) => vote.says);
  return words.includes("down") ? (words.includes("up") ? "suspect" : "down") : words.includes("up") ? "up" : "unknown";
}

/** One host as it is now. */
export function hostReport(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): HostReport {
  const { record } = host;
  const { wanted, hold, lastOperation } = record;
  const why = whyNotGuarded(host, policy, state, fleet, now);
  const observers = votesOn(host, policy, state, fleet);
  const ours = inCharge({ state, now, policy: fleet }, host.name, true);
  const running = host.operation ?? host.foreign;
  const operation = running === null ? undefined : (state.operations.get(running) ?? state.fleet?.foreign.get(running));
  return {
    host: host.name,
    verdict: verdictOf(host, policy),
    counter: host.counter,
    threshold: policy.threshold,
    since: sinceOf(host, policy, now),
    guarded: why === null,
    why,
    wanted: wanted.state,
    brakes: brakesOn(host, policy, state, fleet, now, { operation: null, resumed: false }).filter((brake) => ours || !OF_THIS_WATCHER.has(brake.name)).map((brake) => ({ brake: brake.name, because: brake.because })),
    power: policy.levels.flatMap((feeds, level) =>
      feeds.map((outlet) => {
        const seen = state.devices.get(outlet.device)?.outlets.get(outlet.outlet);
        const key = outletKey(outlet);
        const told = ours ? undefined : host.guardRecord?.power.find((each) => each.outlet === key);
        if (!ours) return { outlet: key, state: told?.state ?? "unknown", at: null, label: told?.label ?? null, level: level + 1, proved: record.learned.proved.includes(key) };
        return { outlet: key, state: seen?.state ?? "unknown", at: seen === undefined ? null : isoBoot(seen.atMs, now), label: seen?.label ?? null, level: level + 1, proved: record.learned.proved.includes(key), ...(fleet.devices.get(outlet.device)?.metered === undefined ? {} : { watts: wattsAt(state, outlet) }) };
      }),
    ),
    incident: host.incident?.incident ?? null,
    inCharge: chargedWith(state, fleet, host.name),
    observers,
    need: Math.floor(observers.length / 2) + 1,
    address: policy.address,
    group: policy.group,
    round: host.last === null ? null : { outcome: host.last.outcome, because: host.last.because, at: isoBoot(host.last.endedAtMs, now) },
    probes: policy.probes.map((probe) => {
      const result = host.last?.results.find((each) => each.probe === probe.id);
      return { probe: probe.id, outcome: result?.outcome ?? null, evidence: result?.evidence ?? null, latencyMs: result?.latencyMs ?? null, counts: probe.counts, passed: record.learned.passed.includes(probe.id) };
    }),
    wantedOff: wanted.state === "off" ? { by: wanted.by, why: wanted.why, at: isoStamp(wanted.at, now) } : null,
    careful: carefulReport(host, policy, state, fleet, now),
    held: hold === null ? null : { kind: hold.kind, because: hold.because, since: isoStamp(hold.since, now), sticky: hold.sticky },
    operation: operation === undefined ? null : operationReport(operation, now),
    lastOperation: lastOperation === null ? null : { operation: lastOperation.id, kind: lastOperation.kind, outcome: lastOperation.outcome, at: isoStamp(lastOperation.at, now) },
    offByOthers: record.offByOthers,
    budget: { cycles: record.cycles.filter((at) => countsWithin(at, policy.budget.withinMs, now)).length, of: policy.budget.cycles, withinMs: policy.budget.withinMs },
    bootMs: bootMs(policy, host),
    bootLongestMs: record.bootsMs.length === 0 ? null : Math.max(...record.bootsMs),
  };
}

/** One incident, from the ledger or from the history. */
export function incidentReport(record: IncidentRecord): IncidentReport {
  const at = (moment: Stamp | null) => (moment === null ? null : iso(moment.wallMs));
  return {
    incident: record.incident, host: record.host, began: iso(record.began.wallMs), ended: at(record.endedAt), phases: phasesOf(record), outcome: record.outcome,
    firstSign: record.firstSign, down: at(record.downAt), offSent: at(record.offSentAt), offConfirmed: at(record.offConfirmedAt), onConfirmed: at(record.onConfirmedAt),
  };
}

function operationReport(operation: Operation, now: Now): OperationReport {
  const { origin } = operation;
  return {
    operation: operation.id, kind: operation.kind, phase: operation.phase, phaseSince: isoStamp(operation.phaseSince, now), began: isoStamp(operation.began, now),
    level: operation.level + 1, levels: operation.levels.length, by: origin.kind === "auto" ? "auto" : origin.by, because: operation.because,
    cut: operation.cut, offWasConfirmed: operation.offWasConfirmed, contradiction: operation.contradiction, withdrawing: operation.withdrawing,
  };
}

function whyNotGuarded(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): string | null {
  if (state.fleet !== null && !inCharge({ state, now, policy: fleet }, host.name, true)) return whyElsewhere(host, policy, state, fleet, now);
  // A record that survived says "seen healthy"; until this process has looked itself it guards nothing.
  return host.last === null ? "no round yet" : whyUnguarded(host, policy, new Turn(state, fleet, now));
}

/** What the watcher in charge says of it. */
function whyElsewhere(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): string | null {
  if (state.fleet !== null && (state.fleet.blind !== null || !leaseHolds({ state, now }))) return "this watcher has lost the store, and what the others do is not known here";
  const holder = chargedWith(state, fleet, policy.name);
  if (state.fleet === null || holder === null || !state.fleet.alive.has(holder)) return "no watcher is in charge of it";
  if (host.guardRecord === null || host.guardRecord.watcher !== holder) return `${holder} is in charge of it and has not said anything yet`;
  return host.guardRecord.why;
}

function sinceOf(host: HostState, policy: HostPolicy, now: Now): string {
  switch (verdict(host, policy)) {
    case "down":
      return host.incident === null ? isoBoot(host.badSinceMs ?? host.sinceMs, now) : isoStamp(host.incident.downAt ?? host.incident.began, now);
    case "suspect":
      return isoBoot(host.badSinceMs ?? host.sinceMs, now);
    case "up":
      return isoBoot(host.goodSinceMs ?? host.sinceMs, now);
    case "unknown":
      return isoBoot(host.sinceMs, now);
  }
}

// ---- times ------------------------------------------------------------------------------------------------------------

/** A moment of the boot-time clock, as ISO 8601 by the wall clock of now. */
function isoBoot(atMs: number, now: Now): string {
  return iso(now.wallMs - (now.bootMs - atMs));
}

/** A stamp of this boot by the wall clock of now, which may have been set right since; one of another boot as it was written. */
export function isoStamp(at: Stamp, now: Now): string {
  return at.bootId === now.bootId ? isoBoot(at.bootMs, now) : iso(at.wallMs);
}

/** Unix time in milliseconds as ISO 8601 in UTC; the calendar's arithmetic, because the core has no `Date` (days_from_civil, H. Hinnant). */
export function iso(wallMs: number): string {
  const ms = Math.floor(wallMs);
  const days = Math.floor(ms / 86_400_000);
  const rest = ms - days * 86_400_000;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(Math.floor(rest / 3_600_000))}:${two(Math.floor(rest / 60_000) % 60)}:${two(Math.floor(rest / 1_000) % 60)}`;
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${clock}.${String(rest % 1_000).padStart(3, "0")}Z`;
}
