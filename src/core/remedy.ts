// Remedies: what is softer than power (a reboot by ssh), tried before it and never counted as a fence (field.md §1.5). A host
// that is down, agreed on and free of every brake gets each of its remedies once an incident, in their order; one that does
// not bring it back within its time is followed by the next, and the last one by the cut.
//
// One that had to be tried as often as the host's budget of power cycles allows did not cure it: then the cut comes at once, and
// its budget ends in a hold. As with power, the record comes before the act: what may have been tried is not tried again, whoever was killed meanwhile.

import { brakesOn } from "./brakes.ts";
import type { Input } from "./io.ts";
import type { HostPolicy, RemedyPolicy } from "./policy.ts";
import type { AnyRecord, HostRecord, RecordKey } from "./records.ts";
import { MAX_STAMPS } from "./records.ts";
import type { HostState, Turn } from "./state.ts";
import { ageMs, countsWithin } from "./time.ts";
import { inCharge, kindOf, nameOf } from "./transaction.ts";
import { consult } from "./vote.ts";
import { inWords } from "./words.ts";

/** What was tried in the incident that is open, or null. */
export function tried({ record, incident }: Pick<HostState, "record" | "incident">): NonNullable<HostRecord["remedied"]> | null {
  const { remedied } = record;
  return remedied !== undefined && remedied.incident === incident?.incident ? remedied : null;
}

/** Whether a remedy comes before the cut: begun now, or given its time. */
export function remedyFirst(turn: Turn, policy: HostPolicy, because: string): boolean {
  const host = turn.host(policy.name) as HostState;
  const { incident } = host;
  if (policy.remedies === undefined || incident === null) return false;
  const before = tried(host);
  const untilMs = before === null ? 0 : endOf(turn, host, policy, before);
  if (turn.now.bootMs < untilMs) {
    turn.wake(`host/${policy.name}`, untilMs);
    return true;
  }
  const next = policy.remedies.find(({ name }) => before?.names.includes(name) !== true);
  const times = host.record.remedied?.times ?? [];
  const spent = times.filter((time) => countsWithin(time, policy.budget.withinMs, turn.now)).length;
  if (next === undefined || (policy.budget.withinMs > 0 && spent >= policy.budget.cycles)) return false;
  turn.patchRecord(policy.name, { remedied: { incident: incident.incident, names: [...(before?.names ?? []), next.name], times: [...times, turn.stamp].slice(-MAX_STAMPS) } });
  turn.patchHost(policy.name, { remedy: { name: next.name, phase: "recording", untilMs: turn.now.bootMs + next.limitMs + next.waitMs } });
  turn.tell("remedy", policy.name, `${next.name} is tried before its power is cut: ${because}`);
  turn.wake(`host/${policy.name}`, turn.now.bootMs + next.limitMs + next.waitMs);
  return true;
}

/** When the remedy that was tried last has had its time. After a restart nobody knows how it ended: it has all of it. */
function endOf(turn: Turn, host: HostState, policy: HostPolicy, { names, times }: NonNullable<HostRecord["remedied"]>): number {
  const last = policy.remedies?.find(({ name }) => name === names.at(-1));
  if (host.remedy !== null && host.remedy.name === last?.name) return host.remedy.untilMs;
  const at = times.at(-1);
  return last === undefined || at === undefined ? 0 : turn.now.bootMs - ageMs(at, turn.now) + last.limitMs + last.waitMs;
}

/** These records are durable: what stands in them as tried may be done. */
export function remediesRecorded(turn: Turn, written: ReadonlyMap<RecordKey, AnyRecord | null>): void {
  for (const [key, value] of written) {
    if (kindOf(key) !== "host") continue;
    const host = turn.host(nameOf(key));
    const policy = turn.hostPolicy(nameOf(key));
    if (host?.remedy?.phase !== "recording" || policy === undefined) continue;
    // One that was on its way when the remedy was decided on does not speak of it yet.
    const recorded = (value as HostRecord).remedied;
    if (recorded?.incident !== host.incident?.incident || recorded?.names.at(-1) !== host.remedy.name) continue;
    const next = policy.remedies?.find(({ name }) => name === host.remedy?.name);
    const stop = next === undefined ? "it is no longer configured" : whyNot(turn, host, policy);
    if (next === undefined || stop !== null) withdraw(turn, host, `not done: ${stop}`);
    else go(turn, host, next);
  }
}

/** What has changed since it was decided. */
function whyNot(turn: Turn, host: HostState, policy: HostPolicy): string | null {
  if (turn.state.stopping) return "this watcher is asked to stop";
  if (!inCharge(turn, host.name)) return "this watcher is no longer in charge";
  if (host.operation !== null || host.foreign !== null) return "an operation has begun";
  if (host.last?.outcome !== "bad" || host.counter < policy.threshold) return "it is no longer down";
  if (turn.state.fleet !== null && consult(turn, policy).kind === "disagreement") return "another watcher sees it up";
  return brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false })[0]?.because ?? null;
}

/** Nothing was done: it is still to be tried before the power is cut, and costs nothing. */
function withdraw(turn: Turn, host: HostState, because: string): void {
  const before = host.record.remedied;
  if (before !== undefined && inCharge(turn, host.name)) turn.patchRecord(host.name, { remedied: { ...before, names: before.names.slice(0, -1), times: before.times.slice(0, -1) } });
  over(turn, host, "refused", because, 0);
}

function go(turn: Turn, host: HostState, remedy: RemedyPolicy): void {
  turn.patchHost(host.name, { remedy: { name: remedy.name, phase: "running", untilMs: turn.now.bootMs + remedy.limitMs + remedy.waitMs } });
  turn.emit({ kind: "remedy", host: host.name, remedy: remedy.name, limitMs: remedy.limitMs, because: `${host.name} is down: ${remedy.name}`, cause: turn.causeOf(host.name) });
}

/** It has ended. Only what certainly did nothing is not waited for. */
export function remedied(turn: Turn, input: Extract<Input, { kind: "remedied" }>): void {
  const host = turn.host(input.host);
  const next = turn.hostPolicy(input.host)?.remedies?.find(({ name }) => name === input.remedy);
  if (host?.remedy?.phase !== "running" || host.remedy.name !== input.remedy || next === undefined) return;
  const waitMs = input.outcome === "failed" ? 0 : next.waitMs;
  const said = { done: "done", failed: "not done", unknown: "perhaps done" }[input.outcome];
  over(turn, host, "remedy-answer", `${said} (${input.evidence})${waitMs === 0 ? "" : `; it has ${inWords(waitMs)} to come back`}`, waitMs);
}

function over(turn: Turn, host: HostState, kind: "refused" | "remedy-answer", because: string, waitMs: number): void {
  const name = host.remedy?.name ?? "";
  const untilMs = turn.now.bootMs + waitMs;
  turn.patchHost(host.name, { remedy: { name, phase: "ended", untilMs } });
  turn.tell(kind, host.name, `${name}: ${because}`);
  turn.wake(`host/${host.name}`, untilMs);
}
