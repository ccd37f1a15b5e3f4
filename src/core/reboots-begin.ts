// How a run of rolling reboots begins and ends: by a person, or by the schedule when its window opens.

import type { Command } from "./io.ts";
import type { HostPolicy } from "./policy.ts";
import { change, nextOf, RUN } from "./reboots.ts";
import { rebootsOf } from "./reboots-brakes.ts";
import type { Answer, RebootRun } from "./records.ts";
import { isFirst } from "./roster.ts";
import type { Turn } from "./state.ts";
import { isOnItsWay, leaseHolds } from "./transaction.ts";
import { openingAt, parseWindow } from "./window.ts";

/** A record that is written anew with every step must fit into any store. */
const PLAN_MAX = 2_000;
const NAMED = 8;

type Given = { readonly exit: Answer["exit"]; readonly text: string };

export function startReboots(turn: Turn, by: string, asked: Extract<Command, { kind: "reboots-start" }>): Given {
  const busy = cannotChange(turn);
  if (busy !== null) return busy;
  const { record } = turn.state.reboots;
  if (record !== null && record.state !== "ended") return { exit: 4, text: `rolling reboot ${record.run} is ${record.state === "held" ? "held" : "under way"}: stop it first (upkeep reboots stop)` };
  const unknown = asked.hosts?.find((host) => turn.host(host) === undefined);
  if (unknown !== undefined) return { exit: 2, text: `there is no host ${unknown}; hosts: ${[...turn.state.hosts.keys()].slice(0, 10).join(", ")}` };
  const window = asked.window === null ? null : parseWindow(asked.window);
  if (asked.window !== null && window === null) return { exit: 2, text: `${asked.window.slice(0, 40)} is not a window: write 02:00-05:00 sat, or 01:00-05:00` };
  if (window !== null && turn.policy.reboots === undefined) return { exit: 4, text: "a window needs a time zone: say reboots: {} in the configuration, for this machine's own" };
  const { plan, silent } = planOf(turn, asked.hosts, asked.needed);
  const unheard = silent.length === 0 ? "" : `; whether ${few(silent)} need${silent.length === 1 ? "s" : ""} one is not known, because no agent speaks from there`;
  if (plan.length === 0) return { exit: 1, text: `no host is to be rebooted${unheard}` };
  if (plan.length > PLAN_MAX) return { exit: 2, text: `${plan.length} hosts are more than ${PLAN_MAX}: name fewer` };
  const mute = rebootsOf(turn).means ? [] : plan.filter((name) => turn.host(name)?.boot === null);
  if (mute.length > 0) return { exit: 4, text: `nothing can reboot ${few(mute)}: no agent speaks from there, and the configuration names nothing under reboots.by` };
  const run = begin(turn, { by, reason: asked.reason, plan, needed: asked.needed, window: window === null || asked.window === null ? null : { text: asked.window, hours: window }, self: asked.self || rebootsOf(turn).self, opening: null });
  return { exit: 0, text: `rolling reboot ${run.run} of ${plan.length} host${plan.length === 1 ? "" : "s"}, one at a time: ${few(plan)}${unheard}` };
}

export function stopReboots(turn: Turn, by: string): Given {
  const busy = cannotChange(turn);
  if (busy !== null) return busy;
  const { record } = turn.state.reboots;
  if (record === null || record.state === "ended") return { exit: 1, text: "no rolling reboot is under way" };
  if (record.stopBy !== null) return { exit: 1, text: `rolling reboot ${record.run} is stopped already, and waits for ${record.turn?.host ?? "nobody"}` };
  const { turn: now } = record;
  const because = `stopped by ${by}`;
  // Whoever is away comes back first, and whoever is drained is put back into service.
  if (now === null) change(turn, record, { state: "ended", because, ended: turn.stamp, stopBy: by }, { told: `rolling reboot ${record.run} has ended: ${because}` });
  else change(turn, record, { stopBy: by }, { told: `rolling reboot ${record.run} ends after ${now.host}: ${because}`, host: now.host });
  return { exit: 0, text: now === null ? `rolling reboot ${record.run} is stopped, ${record.done.length} of ${record.plan.length} done` : `rolling reboot ${record.run} ends after ${now.host}, whose turn it is (${now.phase})` };
}

export function continueReboots(turn: Turn, by: string): Given {
  const busy = cannotChange(turn);
  if (busy !== null) return busy;
  const { record } = turn.state.reboots;
  if (record?.state !== "held") return { exit: 1, text: record?.state === "running" ? `rolling reboot ${record.run} is not held` : "no rolling reboot is held" };
  const name = nextOf(record);
  change(turn, record, { state: "running", because: "" }, { told: `rolling reboot ${record.run} goes on${name === null ? "" : ` with ${name}`}, because ${by} says so; it was held because ${record.because}` });
  return { exit: 0, text: name === null ? `rolling reboot ${record.run} has nobody left` : `rolling reboot ${record.run} goes on with ${name}` };
}

/** Once an opening of the window of the schedule. */
export function scheduleReboots(turn: Turn): void {
  const { window, needed, hosts, self, offsets } = rebootsOf(turn);
  const { record, txn, retryMs } = turn.state.reboots;
  if (window === null || txn !== null || turn.state.stopping || turn.now.bootMs < retryMs || !turn.now.synced || !isFirst(turn) || !leaseHolds(turn)) return;
  if (record !== null && record.state !== "ended") return;
  const opening = openingAt(window.hours, offsets, turn.now.wallMs);
  if (opening === null || record?.opening === opening.opening) return;
  const known = hosts === null ? null : hosts.filter((host) => turn.host(host) !== undefined);
  const { plan } = planOf(turn, known, needed);
  const able = rebootsOf(turn).means ? plan : plan.filter((name) => turn.host(name)?.boot !== null);
  if (able.length === 0 || able.length > PLAN_MAX) return;
  begin(turn, { by: "the schedule", reason: needed ? "hosts that need a reboot" : "as configured", plan: able, needed, window, self, opening: opening.opening });
}

function begin(turn: Turn, first: Pick<RebootRun, "by" | "reason" | "plan" | "needed" | "window" | "self" | "opening">): RebootRun {
  const run: RebootRun = { v: 1, run: (turn.state.reboots.record?.run ?? 0) + 1, began: turn.stamp, ended: null, state: "running", because: "", stopBy: null, orders: 0, turn: null, done: [], ...first };
  change(turn, null, run, { told: `rolling reboot ${run.run} of ${run.plan.length} host${run.plan.length === 1 ? "" : "s"} by ${run.by}${run.reason === "" ? "" : `: ${run.reason}`}` });
  return run;
}

/** In the order of the configuration, the machines of watchers last. `silent`: of whom nobody says whether they need one. */
function planOf(turn: Turn, named: readonly string[] | null, needed: boolean): { readonly plan: readonly string[]; readonly silent: readonly string[] } {
  const all = [...new Set(named ?? turn.policy.hosts.keys())].map((name) => turn.hostPolicy(name)).filter((host) => host !== undefined);
  const word = (host: HostPolicy) => turn.host(host.name)?.boot ?? null;
  const chosen = (needed ? all.filter((host) => (word(host)?.pending ?? null) !== null) : all).filter((host) => turn.host(host.name)?.record.wanted.state !== "off");
  const last = (host: HostPolicy): boolean => host.self || [...(turn.state.fleet?.watchers.values() ?? [])].some(({ self }) => self.includes(host.name));
  const plan = [...chosen.filter((host) => !last(host)), ...chosen.filter(last)].map(({ name }) => name);
  return { plan, silent: needed ? all.filter((host) => word(host) === null).map(({ name }) => name) : [] };
}

function cannotChange(turn: Turn): Given | null {
  return turn.state.reboots.txn !== null || isOnItsWay(turn, RUN) ? { exit: 4, text: "the rolling reboot is just taking a step: ask again in a moment" } : null;
}

function few(names: readonly string[]): string {
  return names.length <= NAMED ? names.join(", ") : `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more`;
}
