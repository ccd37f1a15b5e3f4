// What people ask for (safety.md §3.5, 3.10). Every command is answered once, after what it changed is durable, with a
// sentence and an exit code: 0 done, 1 there was nothing to do, 2 no such host, 4 refused by a brake, 5 outcome unknown.

import { agentCode, agentEnroll, agentRenew, agentRevoke, forgetDoor } from "./agents.ts";
import { acknowledge, over } from "./alarms.ts";
import { brakeKey, brakeOn, EVERYTHING } from "./brake-records.ts";
import type { BrakeName } from "./brakes.ts";
import { bootMs, brakesOn, FENCE_OVERRIDES, POWER_OVERRIDES } from "./brakes.ts";
import { intend } from "./fencing.ts";
import { FROM_ZERO } from "./fresh.ts";
import { closeIncident } from "./incident.ts";
import type { Command } from "./io.ts";
import type { HostPolicy, OutletRef } from "./policy.ts";
import { continueReboots, startReboots, stopReboots } from "./reboots-begin.ts";
import { outletKey } from "./policy.ts";
import type { AskRecord, BrakeKind, Operation } from "./records.ts";
import { MAX_STAMPS } from "./records.ts";
import { KDUMP_MAX_MS, kdumpIsSpent } from "./last-words.ts";
import { cannotTake, concerns, passOn } from "./ask.ts";
import { deliver } from "./outbox.ts";
import { announce } from "./planned.ts";
import { leaveLedger } from "./return-ledger.ts";
import { askReturn } from "./return.ts";
import { carefulOf } from "./site-power.ts";
import { grant, takeBack } from "./leases.ts";
import { inCharge } from "./transaction.ts";
import { inSet } from "./storm.ts";
import { proceed } from "./storm-records.ts";
import type { HostState, Reply, Turn } from "./state.ts";
import { ageMs, deadlineIn } from "./time.ts";
import { confirmedOff } from "./turn-back.ts";
import { inWords } from "./words.ts";

const DAY_MS = 86_400_000;
const DEFAULT_MS: Record<BrakeKind, number | null> = { disarmed: DAY_MS, maintenance: 3_600_000, inhibit: 3_600_000, "going-down": 600_000, kdump: KDUMP_MAX_MS };
const GOING_DOWN_MAX_MS = 3_600_000;

type Answer = Omit<Reply, "id">;

/** `ask`: another watcher has handed it on, and gets the answer. */
export function command(turn: Turn, id: number, by: string, asked: Command, ask?: AskRecord): void {
  const pending = turn.state.pending.size;
  const refusal = cannotTake(turn);
  const host = concerns(turn, asked);
  if (refusal === null && host !== null && turn.host(host) !== undefined && !inCharge(turn, host)) {
    const sorry = ask === undefined ? passOn(turn, id, by, asked, host) : answer(4, "the charge has just changed hands: ask again");
    if (sorry !== null) deliver(turn, { id, ...sorry, ...(ask === undefined ? {} : { ask }) });
    return;
  }
  const given = refusal === null ? obey(turn, by, asked) : answer(4, refusal);
  respond(turn, { id, ...given, ...(ask === undefined ? {} : { ask }) }, asked, by, pending);
}

function respond(turn: Turn, reply: Reply, asked: Command, by: string, pending: number): void {
  const { exit, text } = reply;
  if (exit !== 0) turn.tell("command-refused", hostOf(turn, asked), `${by} asked for ${describe(asked)}: ${text}`);
  // A brake is acknowledged when it is durable, so that nobody can be told of one that a crash forgets.
  // A run of reboots has a transaction of its own, and what becomes of it is the answer.
  const last = [...turn.state.pending].at(-1);
  if (turn.state.pending.size > pending && last?.[1].kind === "reboots") return turn.pend(last[0], { ...last[1], replies: [reply] });
  const changed = turn.state.outbox.size > 0 || turn.state.pending.size > pending;
  const host = turn.state.fleet === null ? null : concerns(turn, asked);
  if (changed) turn.patch({ outboxReplies: [...turn.state.outboxReplies, host === null ? reply : { ...reply, host }] });
  else deliver(turn, reply);
}

function obey(turn: Turn, by: string, asked: Command): Answer {
  // A host that goes down must be able to say so to the last: that only writes a record.
  if (turn.state.stopping && asked.kind !== "careful") return answer(4, "this watcher is stopping");
  switch (asked.kind) {
    case "fence":
      return onHost(turn, asked.host, (host, policy) => cut(turn, host, policy, { ...asked, kind: "cycle", by, over: FENCE_OVERRIDES }));
    case "power":
      return onHost(turn, asked.host, (host, policy) =>
        asked.action === "on" ? switchOn(turn, host, policy, by, asked.reason) : cut(turn, host, policy, { ...asked, kind: asked.action, by, over: POWER_OVERRIDES }),
      );
    case "confirm-off":
      return onHost(turn, asked.host, (host) => confirmOff(turn, host, by, asked.confirm, asked.reason));
    case "brake":
      return putOn(turn, by, asked);
    case "unbrake":
      return takeOff(turn, by, asked.brake, asked.scope);
    case "release":
      return onHost(turn, asked.host, (host) => release(turn, host, by));
    case "storm-proceed": {
      const sets = proceed(turn, by);
      return sets.length === 0 ? answer(1, "there is no storm") : answer(0, `the storm ${sets.map(inSet).join(", ")} is let through, one host at a time`);
    }
    case "careful":
      return onHost(turn, asked.host, (host) => answer(0, announce(turn, host, asked, by)));
    case "careful-return": {
      if (asked.host !== null && turn.host(asked.host) === undefined) return noSuchHost(turn, asked.host);
      const started = askReturn(turn, by, asked.host);
      const bound = `none before it has given no sign of life for ${inWords(carefulOf(turn.policy).haltBoundMs)}`;
      return started.length === 0 ? answer(1, asked.host === null ? "nothing is shut down with care" : `${asked.host} is not shut down with care`) : answer(0, `${started.join(", ")}: started now, one after the other, ${bound}`);
    }
    case "lease-grant":
      return onHost(turn, asked.host, () => grant(turn, by, asked));
    case "lease-release":
    case "lease-move":
      return takeBack(turn, by, asked);
    case "forget-watcher":
      return forget(turn, asked.watcher, by);
    case "reboots-start":
      return { ...answer(0, ""), ...startReboots(turn, by, asked) };
    case "reboots-stop":
      return { ...answer(0, ""), ...stopReboots(turn, by) };
    case "reboots-continue":
      return { ...answer(0, ""), ...continueReboots(turn, by) };
    case "agent-code":
      return onHost(turn, asked.host, () => agentCode(turn, by, asked));
    case "agent-enroll":
      return agentEnroll(turn, by, asked);
    case "agent-renew":
      return agentRenew(turn, by, asked);
    case "agent-revoke":
      return agentRevoke(turn, by, asked.host);
    case "ack":
      return acknowledge(turn, asked.alarm, by) ? answer(0, `${asked.alarm} is acknowledged: no more reminders`) : answer(1, `there is no alarm ${asked.alarm}`);
  }
}

type Cut = { readonly kind: "cycle" | "off"; readonly by: string; readonly reason: string; readonly again: boolean; readonly confirm: string | null; readonly over: readonly BrakeName[] };

function cut(turn: Turn, host: HostState, policy: HostPolicy, asked: Cut): Answer {
  const open = host.operation === null ? undefined : turn.state.operations.get(host.operation);
  if (open !== undefined) {
    if (asked.kind !== open.kind) return answer(4, `operation ${open.id} (${open.kind}, ${open.phase}) is under way: wait for its end, or confirm-off after looking`);
    return { ...answer(0, `merged with operation ${open.id}, which is under way (${open.phase})`), operation: open.id, incident: open.incident };
  }
  const last = host.record.lastOperation;
  const recent = last !== null && last.kind === "cycle" && last.outcome !== "withdrawn" && ageMs(last.at, turn.now) < turn.policy.limits.mergeWithinMs;
  if (asked.kind === "cycle" && recent && !asked.again) return answer(0, `merged: operation ${last.id} ended (${last.outcome}) ${inWords(ageMs(last.at, turn.now))} ago; --again to repeat it`);
  const brakes = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: false });
  const standing = brakes.filter((brake) => !asked.over.includes(brake.name));
  if (standing.length > 0) return answer(4, `refused: ${standing.map((brake) => brake.because).join("; ")}`);
  const overridden = brakes.filter((brake) => asked.over.includes(brake.name));
  const overrides = overridden.length === 0 ? "" : `; overrides ${overridden.map((brake) => `${brake.name} (${brake.because})`).join(", ")}`;
  const serving = host.last?.outcome === "good" || host.last?.outcome === "slow";
  if (serving && asked.confirm !== host.name) return { ...answer(4, `${host.name} is serving right now: type its name to ${asked.kind === "off" ? "switch it off" : "cut its power"}${overrides}`), confirm: host.name };
  let dark: string[] = [];
  if (asked.kind === "off") {
    leaveLedger(turn, host.name);
    turn.patchRecord(host.name, { wanted: { state: "off", by: asked.by, why: asked.reason, at: turn.stamp } });
    turn.tell("wanted", host.name, `wanted off by ${asked.by}: ${asked.reason}`);
  } else if (host.record.wanted.state === "off") {
    // A cycle ends with power on, and who asks for one wants that, whatever becomes of it; what is dark already is only switched on.
    const feeds = policy.levels[0] ?? [];
    const reads = (outlet: OutletRef) => turn.state.devices.get(outlet.device)?.outlets.get(outlet.outlet)?.state;
    if (feeds.every((outlet) => reads(outlet) === "off")) return switchOn(turn, host, policy, asked.by, asked.reason);
    dark = feeds.filter((outlet) => reads(outlet) !== "on").map(outletKey);
    turn.patchRecord(host.name, { wanted: { state: "on" } });
    turn.tell("wanted", host.name, `wanted on by ${asked.by}: ${asked.reason}`);
  }
  leaveLedger(turn, host.name);
  turn.tell("command", host.name, `${asked.by} asked for ${asked.kind === "off" ? "power off" : "a power cycle"}: ${asked.reason}${overrides}`);
  const id = intend(turn, policy, asked.kind, { kind: "manual", by: asked.by, reason: asked.reason, over: asked.over }, `${asked.by}: ${asked.reason}`, dark);
  return { ...answer(0, `operation ${id} begins${overrides}`), operation: id, incident: turn.host(host.name)?.incident?.incident ?? null };
}

function switchOn(turn: Turn, host: HostState, policy: HostPolicy, by: string, reason: string): Answer {
  if (policy.levels.length === 0) return answer(4, "no power outlet is configured");
  const open: Operation | undefined = host.operation === null ? undefined : turn.state.operations.get(host.operation);
  if (open !== undefined && open.kind === "off") return answer(4, `operation ${open.id} switches it off right now: try again in a moment`);
  leaveLedger(turn, host.name);
  turn.patchRecord(host.name, { wanted: { state: "on" } });
  turn.tell("wanted", host.name, `wanted on by ${by}: ${reason}`);
  if (open !== undefined) return { ...answer(0, `operation ${open.id} restores its power already`), operation: open.id };
  const id = intend(turn, policy, "on", { kind: "manual", by, reason, over: [] }, `${by}: ${reason}`);
  return { ...answer(0, `operation ${id} begins`), operation: id };
}

function confirmOff(turn: Turn, host: HostState, by: string, confirm: string, reason: string): Answer {
  if (confirm !== host.name) return { ...answer(4, `go and look that ${host.name} has no power, then type its name`), confirm: host.name };
  leaveLedger(turn, host.name);
  turn.patchRecord(host.name, { wanted: { state: "off", by, why: reason || "confirmed off after looking", at: turn.stamp }, hold: null });
  turn.tell("wanted", host.name, `${by} has looked and confirms that ${host.name} is off: ${reason}`);
  if (host.operation !== null) confirmedOff(turn, host.operation, by);
  closeIncident(turn, host.name, "confirmed off");
  over(turn, `held:${host.name}`, `${host.name} was confirmed off by ${by}`);
  const doubt = host.lastGoodAtMs !== null && host.last?.outcome === "good" ? `, although it answered ${inWords(turn.now.bootMs - host.lastGoodAtMs)} ago` : "";
  return answer(0, `${host.name} counts as off${doubt}; to have it back: upkeep power ${host.name} on`);
}

function putOn(turn: Turn, by: string, asked: Extract<Command, { kind: "brake" }>): Answer {
  const kind = asked.brake;
  if (asked.scope !== EVERYTHING && turn.host(asked.scope) === undefined) return noSuchHost(turn, asked.scope);
  const host = turn.host(asked.scope);
  if (kind === "kdump" && host === undefined) return answer(2, "a crash dump is that of one host: name it");
  const ours = kind === "going-down" && host !== undefined ? turn.state.brakes.get(brakeKey(kind, host.name)) : undefined;
  // The host says so itself as it goes down for our reboot: that brake is as long as it has to be, and ends when the host is back.
  if (ours?.goneForMs !== undefined && ours.endedBy === undefined) return answer(0, `${asked.scope} is being rebooted by ${ours.by}, and may be away for ${inWords(ours.goneForMs)}`);
  let forMs = asked.forMs ?? DEFAULT_MS[kind];
  if (kind === "kdump" && host !== undefined) {
    if (kdumpIsSpent(turn, host)) return answer(4, "a crash dump holds fencing once an incident");
    turn.patchRecord(host.name, { lastKdump: turn.stamp });
    forMs = Math.min(forMs ?? KDUMP_MAX_MS, KDUMP_MAX_MS);
  }
  if (kind === "going-down") forMs = Math.min(forMs ?? GOING_DOWN_MAX_MS, GOING_DOWN_MAX_MS);
  const record = { v: 1 as const, kind, scope: asked.scope, by, reason: asked.reason, since: turn.stamp, until: forMs === null ? null : deadlineIn(forMs, turn.now) };
  const key = brakeKey(kind, asked.scope);
  turn.patch({ brakes: new Map(turn.state.brakes).set(key, record) });
  turn.save(key, record);
  const what = `${kind} for ${asked.scope === EVERYTHING ? "the whole fleet" : asked.scope}${forMs === null ? "" : ` for ${inWords(forMs)}`}`;
  turn.tell("brake", host?.name ?? null, `${what} by ${by}${asked.reason === "" ? "" : `: ${asked.reason}`}`);
  const patience = kind === "going-down" && host !== undefined ? turn.hostPolicy(host.name) : undefined;
  return answer(0, patience === undefined || host === undefined ? what : `${what}, and no longer than ${inWords(bootMs(patience, host))} once it is gone`);
}

/** An explicit end frees the off, counting from zero; time alone does not (expiry.ts). */
function takeOff(turn: Turn, by: string, kind: BrakeKind, scope: string): Answer {
  const key = brakeKey(kind, scope);
  const found = turn.state.brakes.get(key);
  if (found === undefined || found.endedBy !== undefined) {
    const whole = scope !== EVERYTHING && brakeOn(turn.state, scope, kind) !== undefined;
    return whole ? answer(4, `the whole fleet is under ${kind}: end that with --all`) : answer(1, `there is no ${kind} ${scope === EVERYTHING ? "for the whole fleet" : `for ${scope}`}`);
  }
  const brakes = new Map(turn.state.brakes);
  // With several watchers it stays for a moment, marked, so that all of them count from zero.
  const marked = turn.state.fleet === null ? null : { ...found, since: turn.stamp, endedBy: by };
  if (marked === null) brakes.delete(key);
  else brakes.set(key, marked);
  turn.patch({ brakes });
  turn.save(key, marked);
  for (const name of turn.state.hosts.keys()) {
    if (scope !== EVERYTHING && name !== scope) continue;
    if (turn.host(name)?.operation === null) turn.patchHost(name, FROM_ZERO);
  }
  turn.tell("brake-ended", turn.host(scope)?.name ?? null, `${kind} ended by ${by}`);
  if (kind === "disarmed") {
    over(turn, `disarmed:${scope}`, `armed by ${by}`);
    if (scope === EVERYTHING) over(turn, "time-went-back", `armed by ${by}`);
  }
  return answer(0, `${kind} has ended ${scope === EVERYTHING ? "for the whole fleet" : `for ${scope}`}`);
}

/** Whoever is dead for good leaves the roster: fewer are needed from then on. */
function forget(turn: Turn, watcher: string, by: string): Answer {
  if (turn.state.fleet === null) return answer(1, "this watcher is alone: there is nobody to forget");
  const { watchers, alive } = turn.fleet;
  if (!watchers.has(watcher)) return answer(2, `there is no watcher ${watcher}; watchers: ${[...watchers.keys()].join(", ")}`);
  if (alive.has(watcher)) return answer(4, `${watcher} is there: stop it first, or it would come back at once`);
  const rest = new Map(watchers);
  rest.delete(watcher);
  turn.patchFleet({ watchers: rest, dirty: true });
  turn.save(`watcher/${watcher}`, null);
  if (turn.state.doors.has(watcher)) forgetDoor(turn, watcher);
  turn.tell("watcher", null, `${by} has ${watcher} forgotten: ${rest.size} watcher${rest.size === 1 ? "" : "s"} left`);
  return answer(0, `${watcher} is forgotten; the roster is ${[...rest.keys()].join(", ")}`);
}

function release(turn: Turn, host: HostState, by: string): Answer {
  if (host.record.hold === null) return answer(1, `${host.name} is not held`);
  const { because } = host.record.hold;
  turn.patchRecord(host.name, { hold: null, cycles: [], unconfirmed: [], cutIn: null, forgiven: [...host.record.forgiven, ...host.record.cycles].slice(-MAX_STAMPS) });
  turn.patchHost(host.name, FROM_ZERO);
  turn.tell("released", host.name, `released by ${by}: it was held because ${because}`);
  over(turn, `held:${host.name}`, `${host.name} was released by ${by}`);
  return answer(0, `${host.name} is released, its budget is whole again`);
}

function onHost(turn: Turn, name: string, then: (host: HostState, policy: HostPolicy) => Answer): Answer {
  const host = turn.host(name);
  const policy = turn.hostPolicy(name);
  return host === undefined || policy === undefined ? noSuchHost(turn, name) : then(host, policy);
}

function noSuchHost(turn: Turn, name: string): Answer {
  const known = [...turn.state.hosts.keys()].slice(0, 10).join(", ");
  return answer(2, `there is no host ${name}; hosts: ${known}`);
}


function answer(exit: Reply["exit"], text: string): Answer {
  return { exit, text, incident: null, operation: null, confirm: null };
}

function hostOf(turn: Turn, asked: Command): string | null {
  const name = "host" in asked ? asked.host : "scope" in asked ? asked.scope : null;
  return name !== null && turn.host(name) !== undefined ? name : null;
}

function describe(asked: Command): string {
  return asked.kind === "power" ? `power ${asked.action}` : asked.kind === "brake" || asked.kind === "unbrake" ? `${asked.kind === "brake" ? "" : "the end of "}${asked.brake}` : asked.kind === "forget-watcher" ? `watcher forget ${asked.watcher}` : "service" in asked ? `${asked.kind.replace("-", " ")} ${asked.service}` : asked.kind;
}
