// `upkeep why HOST`: what was seen, what it counts for, what would happen next and why it has not happened, in sentences.
// They are read by somebody who was called at night, so each can be understood without the others, and the last ones say
// what is going to be done or what is asked. The brakes are evaluated anew, never remembered.

import { bootMs, brakesOn } from "./brakes.ts";
import type { HostPolicy, Policy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { Operation } from "./records.ts";
import type { HostReport } from "./report.ts";
import { hostReport, OF_THIS_WATCHER } from "./report.ts";
import type { HostState, State } from "./state.ts";
import type { Now } from "./time.ts";
import { tried } from "./remedy.ts";
import { inCharge } from "./transaction.ts";
import { ageMs } from "./time.ts";
import { inWords } from "./words.ts";

export type Why = {
  readonly host: HostReport;
  /** What is, and from what it was concluded. */
  readonly seen: readonly string[];
  /** What happens next, or what holds it back. */
  readonly next: readonly string[];
};

/** Explains one host; undefined when there is none of that name. */
export function explain(state: State, policy: Policy, now: Now, name: string): Why | undefined {
  const host = state.hosts.get(name);
  const hostPolicy = policy.hosts.get(name);
  if (host === undefined || hostPolicy === undefined) return undefined;
  const report = hostReport(host, hostPolicy, state, policy, now);
  return { host: report, seen: seen(host, hostPolicy, report, now), next: next(host, hostPolicy, state, policy, now) };
}

function seen(host: HostState, policy: HostPolicy, report: HostReport, now: Now): readonly string[] {
  const lines: string[] = [];
  const { last } = host;
  if (last === null) lines.push("No round has been made yet.");
  else lines.push(`The last round, ${inWords(now.bootMs - last.endedAtMs)} ago, was ${last.outcome}${last.because === "" ? "" : `: ${last.because}`}.`);
  if (host.operation !== null) lines.push("Rounds during an operation are recorded and not counted.");
  else if (policy.retryMs.length > 0) lines.push(`The counter stands at ${host.counter} of ${policy.threshold}: a bad round adds one, a good one clears it, at ${policy.threshold} the host is down.`);
  else lines.push(`The counter stands at ${host.counter} of ${policy.threshold}: a bad round adds one, a good one takes one off, at ${policy.threshold} the host is down.`);
  const never = report.probes.filter((probe) => !probe.passed && probe.counts).map((probe) => probe.probe);
  if (never.length > 0) lines.push(`${never.join(", ")} ${never.length === 1 ? "has" : "have"} never passed here, and ${never.length === 1 ? "does" : "do"} not count until then.`);
  const absent = policy.probes.filter((probe) => probe.abstains === true && last !== null && (last.results.find((result) => result.probe === probe.id)?.outcome ?? "unknown") === "unknown").map((probe) => probe.id);
  if (absent.length > 0) lines.push(`${absent.join(", ")} has no vote while it says nothing: the round is judged by the others.`);
  const unproved = report.power.filter((outlet) => !outlet.proved).map((outlet) => outlet.outlet);
  if (unproved.length > 0) lines.push(`That ${unproved.join(" and ")} feed${unproved.length === 1 ? "s" : ""} it is what the configuration says; no good cycle has proved it yet.`);
  lines.push(report.guarded ? "It is guarded: armed, seen healthy, its power can be read, no brake." : `It is not guarded: ${report.why}.`);
  return lines;
}

function next(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): readonly string[] {
  const { record, name } = host;
  const operation = host.operation === null ? undefined : state.operations.get(host.operation);
  if (operation !== undefined) return underWay(operation, host, policy, now);
  const lines: string[] = [];
  if (record.wanted.state === "off") lines.push(`It is wanted off by ${record.wanted.by}${record.wanted.why === "" ? "" : ` (${record.wanted.why})`}. To have it back: upkeep power ${name} on`);
  if (record.offByOthers.length > 0) lines.push(`${record.offByOthers.join(" and ")} was switched off, and not by us: it is left off. To switch it on: upkeep power ${name} on`);
  if (record.hold !== null) {
    lines.push(`It has been held for ${inWords(ageMs(record.hold.since, now))}, because ${record.hold.because}. Nothing is cut ${record.hold.sticky ? "until it is released" : "until it is seen healthy or released"}: upkeep release ${name}`);
  }
  const brakes = brakesOn(host, policy, state, fleet, now, { operation: null, resumed: false }).filter((brake) => inCharge({ state, now, policy: fleet }, name, true) || !OF_THIS_WATCHER.has(brake.name));
  const reasons = brakes.map((brake) => brake.because).join("; ");
  const cure = `its power at ${policy.levels[0]?.map(outletKey).join(" + ") ?? "no outlet"} is cut, read back as off, and restored after ${inWords(policy.offForMs)}`;
  const remedies = (policy.remedies ?? []).filter(({ name: each }) => tried(host)?.names.includes(each) !== true).map(({ name: each }) => each);
  const cureFirst = remedies.length === 0 ? cure : `${remedies.join(", then ")} is tried, and if that does not help ${cure}`;
  if (host.counter >= policy.threshold) {
    if (host.remedy !== null && host.remedy.untilMs > now.bootMs) lines.push(`${host.remedy.name} has been tried; if it is not back in ${inWords(host.remedy.untilMs - now.bootMs)}, ${cureFirst}.`);
    else if (brakes.length > 0) lines.push(`It is down and is not cut, because: ${reasons}.`);
    else if (host.decideAtMs !== null && host.decideAtMs > now.bootMs) lines.push(`Another host is suspect too, so it is decided in ${inWords(host.decideAtMs - now.bootMs)}: then ${cureFirst}.`);
    else lines.push(`At the next bad round ${cureFirst}.`);
    return lines;
  }
  const more = policy.threshold - host.counter;
  const rounds = `${more} ${host.counter > 0 ? "more " : ""}bad round${more === 1 ? "" : "s"}${host.counter > 0 ? "" : ` (no sooner than ${inWords((more - 1) * policy.everyMs)} after the first)`}`;
  if (brakes.length > 0) lines.push(`Even after ${rounds} nothing would be cut as things stand: ${reasons}.`);
  else lines.push(`After ${rounds} ${cureFirst}.`);
  return lines;
}

function underWay(operation: Operation, host: HostState, policy: HostPolicy, now: Now): readonly string[] {
  const outlets = (operation.levels[operation.level] ?? []).map(outletKey).join(" + ");
  const level = operation.levels.length > 1 ? `, level ${operation.level + 1} of ${operation.levels.length}` : "";
  const lines = [`Operation ${operation.id} (${operation.kind}${level}) has been under way for ${inWords(ageMs(operation.began, now))}, because ${operation.because}.`];
  const sinceMs = ageMs(operation.phaseSince, now);
  switch (operation.phase) {
    case "intended":
      lines.push(`It is about to cut ${outlets}: it logs in and reads first, and one good round before the command withdraws it.`);
      break;
    case "off-sent":
      lines.push(`Off was let go to ${operation.sent.join(" and ")} ${inWords(sinceMs)} ago; it is read back until ${outlets} reads off twice.`);
      break;
    case "off-confirmed":
      lines.push(operation.kind === "off" ? `${outlets} is off, confirmed.` : `${outlets} is off, confirmed; power comes back ${inWords(policy.offForMs)} after that.`);
      break;
    case "on-sent":
      lines.push(`${operation.cut.join(" and ")} has been owed its power for ${inWords(sinceMs)}: it is switched on, nothing stops this, and it is tried until it reads on.`);
      break;
    case "booting":
      lines.push(`Power has been back for ${inWords(operation.onConfirmedAt === null ? sinceMs : ageMs(operation.onConfirmedAt, now))}. It has ${inWords(bootMs(policy, host))} to answer before anything else is done.`);
      break;
  }
  if (operation.contradiction !== null) lines.push(`The off was contradicted: ${operation.contradiction}. Power is restored, and then it is held for a person.`);
  if (operation.withdrawing !== null) lines.push(`It is being withdrawn: ${operation.withdrawing}.`);
  return lines;
}
