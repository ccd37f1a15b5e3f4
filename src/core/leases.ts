// Leases of services, as the watchers grant them (ADR 33): which host may run a service, and when another one may.
//
// Only one watcher ever renews a lease: the one in charge of the holder's host, and only once the record says, committed in this
// very charge, that it does. So no renewal is under way from anybody else when it takes the lease back, and nobody's slow ear for
// changes can make two holders. Another host gets it when the holder's agent has said that the service is stopped, or when from
// the taking back on the whole bound has passed: its length, the stopping, the watchdog. That bound is the holder's promise; where it
// has no watchdog there is none, and then only its word or a person's frees it. Nothing here ever touches power.

import type { Command } from "./io.ts";
import type { LeaseRecord, RecordKey } from "./records.ts";
import type { LeaseTerms, RenewRequest } from "./self-fence.ts";
import { iso } from "./report.ts";
import type { LeaseWatch, Reply, Turn } from "./state.ts";
import type { Now } from "./time.ts";
import { chargesOf, inCharge, nameOf } from "./transaction.ts";
import { inWords } from "./words.ts";

/** For clocks that run at different speeds, and for the way. */
const MARGIN_MS = 2_000;
const DRIFT = 0.01;
/** Of terms that are not known. */
const DOUBTED_MS = 60_000;

/** How long after its last renewal was asked for a lease may still be held, service and host included; null: nobody promised anything. */
export function boundMs(terms: LeaseTerms | null): number | null {
  if (terms === null || terms.resetWithinMs === null) return null;
  return Math.ceil((terms.ttlMs + terms.stopWithinMs + terms.resetWithinMs) * (1 + DRIFT)) + MARGIN_MS;
}

/** How much of the bound is left since the lease was taken back; null: time does not free it. A boot before this one ended no later than this one began. */
export function freeInMs({ terms, since, fenced }: LeaseRecord, now: Now): number | null {
  if (terms === null || fenced !== null) return 0;
  const bound = boundMs(terms);
  return bound === null ? null : Math.max(0, bound - (since.bootId === now.bootId ? now.bootMs - since.bootMs : now.bootMs));
}

export function leaseKey(service: string): RecordKey {
  return `lease/${service}`;
}

type Answer = Omit<Reply, "id">;

/** The host whose watcher carries a command about a lease out: the holder's. */
export function leaseConcerns(turn: Pick<Turn, "state">, command: Extract<Command, { kind: "lease-grant" | "lease-release" | "lease-move" }>): string | null {
  return command.kind === "lease-grant" ? command.host : (turn.state.leases.get(command.service)?.host ?? null);
}

export function grant(turn: Turn, by: string, { service, host, reason }: Extract<Command, { kind: "lease-grant" }>): Answer {
  const found = turn.state.leases.get(service);
  if (found !== undefined && found.phase !== "free") {
    if (found.host === host && found.phase === "granted") return answer(1, `${host} has the lease of ${service} already (epoch ${found.epoch})`);
    return answer(4, `${found.host ?? "nobody knows who"} has the lease of ${service}${found.phase === "granted" ? `: upkeep lease move ${service} ${host}` : `, and it is being taken back: ${untilFree(found, turn.now)}`}`);
  }
  const epoch = (found?.epoch ?? 0) + 1;
  record(turn, { v: 1, service, host, epoch, phase: "granted", next: null, terms: null, renewer: null, by, reason, since: turn.stamp, fenced: null }, host);
  tell(turn, host, `the lease of ${service} is granted to ${host} by ${by} (epoch ${epoch})${said(reason)}`);
  return answer(0, `${service} may run on ${host} (epoch ${epoch})`, service);
}

/** `confirm`: somebody has looked that it does not run there. */
export function takeBack(turn: Turn, by: string, asked: Extract<Command, { kind: "lease-release" | "lease-move" }>): Answer {
  const { service, reason } = asked;
  const found = turn.state.leases.get(service);
  if (found === undefined || found.phase === "free") return answer(found === undefined ? 2 : 1, found === undefined ? `there is no lease of ${service}; leases: ${[...turn.state.leases.keys()].join(", ") || "none"}` : `nobody has the lease of ${service}`);
  const next = asked.kind === "lease-move" ? asked.host : null;
  const host = found.host ?? "wherever it runs";
  if (next !== null && turn.host(next) === undefined) return answer(2, `there is no host ${next}`);
  if (next === host) return found.phase === "granted" ? answer(1, `${host} has it already`) : answer(4, `it is being taken back from ${host}: ${untilFree(found, turn.now)}`);
  const confirm = asked.kind === "lease-release" ? asked.confirm : null;
  if (confirm !== null && confirm !== service) return { ...answer(4, `go and look that ${service} does not run on ${host}, then type its name`), confirm: service };
  const again = found.phase === "taking-back";
  const taken: LeaseRecord = { ...found, phase: "taking-back", next, by, reason, since: again ? found.since : turn.stamp };
  if (!again) tell(turn, found.host, `the lease of ${service} is taken back from ${host} by ${by}${next === null ? "" : `, for ${next}`}${said(reason)}`);
  const heldMs = confirm === null ? 0 : mayStillStartMs(taken, turn.now);
  if (confirm !== null && heldMs === 0) return free(turn, taken, `${by} has looked that it does not run there`);
  if (freeInMs(taken, turn.now) === 0) return free(turn, taken, taken.terms === null ? `${host} never took it` : `${host} has fenced itself`);
  record(turn, taken, found.host);
  if (heldMs > 0) return answer(4, `it is taken back, and ${host} may hold it for ${inWords(heldMs)} yet: look after that, and say so again`, service);
  return answer(0, `${service} is taken back from ${host}: ${untilFree(taken, turn.now)}`, service);
}

/** What somebody has seen before this has passed may have changed since: an agent that is alive may still start it. */
function mayStillStartMs({ terms, since }: LeaseRecord, now: Now): number {
  const heldMs = terms === null ? 0 : Math.ceil((terms.ttlMs + terms.stopWithinMs) * (1 + DRIFT)) + MARGIN_MS;
  return Math.max(0, heldMs - (since.bootId === now.bootId ? now.bootMs - since.bootMs : now.bootMs));
}

function untilFree(lease: LeaseRecord, now: Now): string {
  const leftMs = freeInMs(lease, now);
  return `free when its agent says that it is stopped${leftMs === null ? `; it has no watchdog, so time alone does not free it: look, and upkeep lease release ${lease.service} --confirm ${lease.service}` : `, or in ${inWords(leftMs)}`}`;
}

function free(turn: Turn, lease: LeaseRecord, because: string): Answer {
  const { service, host, next, epoch } = lease;
  if (next === null) {
    record(turn, { ...lease, host: null, phase: "free", terms: null, renewer: null, fenced: null, since: turn.stamp }, host);
    tell(turn, host, `the lease of ${service} is free: ${because}`);
    return answer(0, `the lease of ${service} is free: ${because}`, service);
  }
  record(turn, { ...lease, host: next, epoch: epoch + 1, phase: "granted", next: null, terms: null, renewer: null, fenced: null, since: turn.stamp }, host);
  tell(turn, next, `the lease of ${service} goes from ${host ?? "nobody knows where"} to ${next} (epoch ${epoch + 1}): ${because}`);
  return answer(0, `${service} may run on ${next} (epoch ${epoch + 1}): ${because}`, service);
}

/** An agent asks: what it may run on, and what it has to give back. Whoever is not in charge of its host says nothing. */
export function renew(turn: Turn, contact: string, host: string, { n, terms, services }: RenewRequest): void {
  if (turn.state.leases.size === 0 || turn.state.stopping || turn.host(host) === undefined || !inCharge(turn, host)) return;
  const granted: { service: string; epoch: number }[] = [];
  const giveBack: { service: string; epoch: number }[] = [];
  for (const { service, epoch, is, wants, givenBack } of services) {
    const lease = turn.state.leases.get(service);
    if (lease === undefined || lease.host !== host) {
      // Of a change that has not come in here yet nothing is known.
      if (epoch > 0 && lease !== undefined && lease.epoch > epoch) giveBack.push({ service, epoch });
      continue;
    }
    watchOf(turn, lease, { is, epoch });
    if (givenBack >= lease.epoch) {
      // Its word that nothing runs, and that nothing will under this number.
      if (lease.phase === "taking-back") free(turn, lease, `${host} says that it is stopped`);
      else if (lease.phase === "granted") anew(turn, lease, givenBack);
      continue;
    }
    if (lease.phase === "taking-back") giveBack.push({ service, epoch: lease.epoch });
    else if (wants && mayRenew(turn, lease, terms)) {
      granted.push({ service, epoch: lease.epoch });
      watchOf(turn, lease, { lastMs: turn.now.bootMs, lapsed: false });
    }
  }
  turn.emit({ kind: "lease-answer", contact, host, n, granted, giveBack, because: "its agent asks", cause: turn.causeOf(host) });
}

/** Granted, and renewed by us under these terms, on record. What the record lacks is written, and the next request finds it there. */
function mayRenew(turn: Turn, lease: LeaseRecord, terms: LeaseTerms): boolean {
  const renewer = renewerOf(turn, lease.host ?? "");
  const agreed = atLeast(lease.terms, terms);
  if (lease.renewer !== renewer || lease.fenced !== null || agreed !== lease.terms) {
    record(turn, { ...lease, renewer, terms: agreed, fenced: null }, lease.host);
    // Not before now is there anything to run out.
    watchOf(turn, lease, { lastMs: turn.now.bootMs, lapsed: false });
    if (lease.fenced !== null) tell(turn, lease.host, `${lease.host} is back, and has the lease of ${lease.service} again`);
    else if (lease.terms === null) tell(turn, lease.host, `${lease.host} takes the lease of ${lease.service}${terms.resetWithinMs === null ? ", and has no watchdog: nothing is promised" : `: it is stopped there, or the host reset, no later than ${inWords(boundMs(terms) ?? 0)} after its last renewal`}`);
    return false;
  }
  const key = leaseKey(lease.service);
  return !turn.state.outbox.has(key) && ![...turn.state.pending.values()].some((each) => each.kind === "outbox" && each.keys.has(key));
}

/** One that was given back although nobody asks for it any more is granted under a new number. */
function anew(turn: Turn, lease: LeaseRecord, givenBack: number): void {
  record(turn, { ...lease, epoch: Math.max(lease.epoch, givenBack) + 1, terms: null, renewer: null, fenced: null, since: turn.stamp }, lease.host);
}

/** Within one epoch the bound only grows: a renewal under the longer terms may still be held. */
function atLeast(known: LeaseTerms | null, asked: LeaseTerms): LeaseTerms {
  if (known === null) return asked;
  const resetWithinMs = known.resetWithinMs === null || asked.resetWithinMs === null ? null : Math.max(known.resetWithinMs, asked.resetWithinMs);
  const most = { ttlMs: Math.max(known.ttlMs, asked.ttlMs), stopWithinMs: Math.max(known.stopWithinMs, asked.stopWithinMs), resetWithinMs };
  return most.ttlMs === known.ttlMs && most.stopWithinMs === known.stopWithinMs && most.resetWithinMs === known.resetWithinMs ? known : most;
}

/** This watcher in this charge: nobody else's, and not ours of before. */
function renewerOf(turn: Turn, host: string): string {
  const { fleet } = turn.state;
  if (fleet === null) return turn.policy.watcher;
  const taken = chargesOf(turn, host).map((charge) => fleet.charges.get(nameOf(charge))?.since.bootMs ?? 0);
  return `${fleet.life}:${taken.join(":")}`;
}

/** Once a second: leases whose bound has passed. */
export function reviewLeases(turn: Turn): void {
  for (const lease of turn.state.leases.values()) {
    const { host, service, phase, terms, fenced } = lease;
    if (host === null || turn.state.stopping || !inCharge(turn, host)) continue;
    if (phase === "taking-back") {
      if (freeInMs(lease, turn.now) === 0) free(turn, lease, `${host} has had ${inWords(boundMs(terms) ?? 0)} to stop it, or was reset by its watchdog`);
      continue;
    }
    const watch = watchOf(turn, lease, {});
    const silentMs = turn.now.bootMs - watch.lastMs;
    if (terms === null || fenced !== null) continue;
    if (!watch.lapsed && silentMs > terms.ttlMs) {
      watchOf(turn, lease, { lapsed: true });
      tell(turn, host, `${host} has not renewed its lease of ${service} for ${inWords(silentMs)}: its agent stops it`);
    }
    const bound = boundMs(terms);
    if (bound === null || silentMs < bound) continue;
    // Evidence for whoever moves services; it switches nothing.
    record(turn, { ...lease, fenced: turn.stamp }, host);
    tell(turn, host, `${host} has fenced itself: it has not renewed its lease of ${service} for ${inWords(silentMs)}, and had ${inWords(bound)} to stop it or be reset`);
  }
}

/** Time went back: who has which lease now is not known, nor what he promised. Only the holder's word or a person's frees one, and none is given out under a number that somebody may have. */
export function doubtLeases(turn: Turn, leases: readonly LeaseRecord[], skipped: number): void {
  for (const lease of leases) {
    const terms = { ttlMs: DOUBTED_MS, stopWithinMs: DOUBTED_MS, ...lease.terms, resetWithinMs: null };
    record(turn, { ...lease, epoch: lease.epoch + skipped, phase: "taking-back", next: null, terms, fenced: null, by: "upkeep", reason: "time went back", since: turn.stamp }, lease.host);
  }
}

/** Another watcher was first: what we were about to write, and to answer, is not so. */
export function leaseMirrored(turn: Turn, lease: LeaseRecord): void {
  turn.patch({ leases: new Map(turn.state.leases).set(lease.service, lease) });
  const lost = (reply: Reply): Reply => (reply.lease === lease.service && reply.exit === 0 ? { ...reply, exit: 4, text: `another watcher was first: the lease of ${lease.service} is ${lease.host === null ? "free" : `${lease.host}'s`} (${lease.phase})` } : reply);
  if (!turn.state.outboxReplies.some(({ lease: of }) => of === lease.service)) return;
  turn.patch({ outboxReplies: turn.state.outboxReplies.map(lost) });
}

export type LeaseReport = {
  readonly service: string;
  /** Null: nobody has it. */
  readonly host: string | null;
  readonly epoch: number;
  readonly phase: LeaseRecord["phase"];
  /** Who gets it next. */
  readonly next: string | null;
  readonly since: string;
  readonly by: string;
  readonly reason: string;
  readonly ttlMs: number | null;
  readonly stopWithinMs: number | null;
  /** Null: no watchdog, or nobody has taken it yet. */
  readonly resetWithinMs: number | null;
  /** Ends so long after the last renewal at the latest; null: nothing is promised. */
  readonly boundMs: number | null;
  /** Since its last renewal here; null: this watcher is not in charge of the host, or there was none. */
  readonly renewedMs: number | null;
  /** What its agent says of the service. */
  readonly is: "running" | "stopped" | "unknown";
  /** Since when it counts as fenced by itself. */
  readonly fencedAt: string | null;
  /** Being taken back: free in so long; null: not by time. */
  readonly freeInMs: number | null;
};

export function leaseReports(state: Turn["state"], now: Now): readonly LeaseReport[] {
  return [...state.leases.values()].toSorted((one, other) => (one.service < other.service ? -1 : 1)).map((lease) => {
    const watch = state.leaseWatches.get(lease.service);
    const current = watch !== undefined && watch.epoch === lease.epoch ? watch : undefined;
    return {
      service: lease.service, host: lease.host, epoch: lease.epoch, phase: lease.phase, next: lease.next, since: iso(lease.since.wallMs), by: lease.by, reason: lease.reason,
      ttlMs: lease.terms?.ttlMs ?? null, stopWithinMs: lease.terms?.stopWithinMs ?? null, resetWithinMs: lease.terms?.resetWithinMs ?? null, boundMs: boundMs(lease.terms),
      renewedMs: current === undefined || lease.terms === null ? null : Math.max(0, now.bootMs - current.lastMs), is: current?.is ?? "unknown",
      fencedAt: lease.fenced === null ? null : iso(lease.fenced.wallMs), freeInMs: lease.phase === "taking-back" ? freeInMs(lease, now) : null,
    };
  });
}

/** What this watcher knows of a lease beside its record; begins when it first has to know, as if renewed at that moment. */
function watchOf(turn: Turn, lease: LeaseRecord, change: Partial<Omit<LeaseWatch, "epoch" | "renewer">> & { readonly epoch?: number }): LeaseWatch {
  const { epoch: _, ...changed } = change;
  const renewer = `${lease.epoch}:${renewerOf(turn, lease.host ?? "")}`;
  const known = turn.state.leaseWatches.get(lease.service);
  const watch: LeaseWatch = { ...(known?.renewer === renewer ? known : { epoch: lease.epoch, renewer, lastMs: turn.now.bootMs, lapsed: false, is: "unknown" }), ...changed };
  if (known?.renewer !== renewer || Object.keys(changed).length > 0) turn.patch({ leaseWatches: new Map(turn.state.leaseWatches).set(lease.service, watch) });
  return watch;
}

function record(turn: Turn, lease: LeaseRecord, host: string | null): void {
  turn.patch({ leases: new Map(turn.state.leases).set(lease.service, lease) });
  turn.save(leaseKey(lease.service), lease, host);
}

function tell(turn: Turn, host: string | null, because: string): void {
  turn.tell("lease", host !== null && turn.host(host) !== undefined ? host : null, because);
}

function said(reason: string): string {
  return reason === "" ? "" : `: ${reason}`;
}

function answer(exit: Reply["exit"], text: string, lease?: string): Answer {
  return { exit, text, incident: null, operation: null, confirm: null, ...(lease === undefined ? {} : { lease }) };
}
