// The ledger of what careful shutdowns stopped (ADR 28): `careful` in the record of each host, and nothing else. What goes in is
// announced by the host itself (planned.ts); it comes out when the host serves, when its start has failed, or by a person's word.
// Here is also what a start asks of the host: how long it has given no sign of life.

import { heldBecause, over, raise } from "./alarms.ts";
import type { Judgement } from "./liveness.ts";
import { AWAKE_SLACK_MS } from "./liveness.ts";
import { canBeMetered, meteredOff } from "./metered.ts";
import type { HostPolicy } from "./policy.ts";
import type { Operation, OperationOutcome } from "./records.ts";
import type { Round } from "./round.ts";
import { carefulOf, notYet, senseOf } from "./site-power.ts";
import type { HostState, Turn } from "./state.ts";
import type { Now } from "./time.ts";
import { ageMs } from "./time.ts";
import { inWords } from "./words.ts";

/** Who wants it off. */
export const BY = "careful shutdown";
/** A start that was turned back is tried again after that. */
const AGAIN_MS = 30_000;
/** Starts that cut something and were turned back all the same. */
const TRIES_MAX = 3;

/** Going down or down, by its own announcement. */
export function isDown(host: Pick<HostState, "record">): boolean {
  return host.record.careful?.state === "off";
}

/** It starts what a careful shutdown stopped. */
export function isReturn({ origin }: Pick<Operation, "origin">): boolean {
  return origin.kind === "manual" && origin.event !== undefined;
}

/** It serves, or says that it will: it is wanted on, and watched like any other. */
export function back(turn: Turn, name: string, because: string): void {
  turn.patchRecord(name, { careful: null, wanted: { state: "on" } });
  turn.patchHost(name, { counter: 0, startRefused: null, rousing: false });
  over(turn, `return:${name}`, `${name} is wanted on again`);
  turn.tell("return", name, `wanted on again: ${because}`);
}

/** A person has spoken: what an event had planned for this host is over. */
export function leaveLedger(turn: Turn, name: string): void {
  if ((turn.record(name)?.careful ?? null) === null) return;
  turn.patchRecord(name, { careful: null });
  if (turn.host(name) !== undefined) turn.patchHost(name, { startRefused: null, rousing: false });
  over(turn, `return:${name}`, `somebody has taken ${name} over`);
}

/** What was started is in service. */
export function returned(turn: Turn, name: string, because: string): void {
  turn.patchRecord(name, { careful: null });
  turn.patchHost(name, { startRefused: null, counter: 0 });
  over(turn, `return:${name}`, `${name} is back`);
  turn.tell("return", name, because);
}

/** A start has ended as an operation. */
export function startEnded(turn: Turn, operation: Operation, outcome: OperationOutcome, because: string): void {
  const host = turn.host(operation.host);
  const careful = turn.record(operation.host)?.careful ?? null;
  if (host === undefined || careful === null || careful.state !== "starting" || !isReturn(operation)) return;
  switch (outcome) {
    case "recovered":
      return returned(turn, host.name, because);
    case "held":
      return turn.patchRecord(host.name, { careful: null });
    case "done":
      // Its power is on; from now on it has the time of a boot.
      return turn.patchRecord(host.name, { careful: { ...careful, began: turn.stamp } });
    case "withdrawn": {
      if (host.last?.outcome === "good" || host.last?.outcome === "slow") return returned(turn, host.name, `not cycled: ${because}`);
      // What cuts it and does not bring it up again and again is no start.
      const tries = (careful.tries ?? 0) + (operation.touched.length > 0 ? 1 : 0);
      if (tries >= TRIES_MAX) return startFailed(turn, host.name, `${tries} starts after its careful shutdown came to nothing, the last one because ${because}`);
      turn.patchRecord(host.name, { careful: { ...careful, state: "off", began: null, tries }, wanted: { state: "off", by: BY, why: careful.because, at: turn.stamp } });
      turn.patchHost(host.name, { startAtMs: turn.now.bootMs + AGAIN_MS });
      turn.tell("return", host.name, `not started: ${because}; it stays in the ledger of event ${careful.event}`);
    }
  }
}

/** A start that did not bring it back: a person is called, and nothing is tried again by itself. */
export function startFailed(turn: Turn, name: string, because: string): void {
  turn.patchRecord(name, { careful: null, hold: { kind: "failed", because, since: turn.stamp, sticky: false } });
  over(turn, `return:${name}`, `${name} is held`);
  turn.tell("held", name, because);
  raise(turn, heldBecause(turn, name, turn.host(name)?.incident?.incident ?? null, because));
}

// ---- signs of life ------------------------------------------------------------------------------------------------------

/**
 * Whether this round leaves it possible that the host lived. Only a round in which this watcher could see, and in which nothing at
 * all came back, says that it did not; and of a host that nobody looks at, nobody says so.
 */
export function mayLive(made: Round, judgement: Judgement, host: HostState, policy: HostPolicy): boolean {
  if (made.references === "lost" || made.startedAtMs < host.freshAfterMs) return true;
  return made.endedAtMs - made.startedAtMs > policy.timeoutMs + AWAKE_SLACK_MS || !judgement.silent;
}

/** It lives, or may. */
export function gaveSign(turn: Turn, name: string): void {
  turn.patchHost(name, { lastSignMs: turn.now.bootMs, mute: false, ...(turn.host(name)?.mute === true ? { livesSinceMs: turn.now.bootMs } : {}) });
}

/** After a look: it gave a sign of life, or its silence begins, as late as it may have begun: when the first look was made that nothing answered. */
export function noteSign(turn: Turn, name: string, lives: boolean, startedAtMs: number): void {
  if (lives) return gaveSign(turn, name);
  if (turn.host(name)?.mute === false) turn.patchHost(name, { lastSignMs: startedAtMs, mute: true });
  const host = turn.host(name);
  const careful = host?.record.careful ?? null;
  if (host === undefined || careful === null || careful.state !== "off" || careful.lastSign !== null) return;
  const lastSign = { ...turn.stamp, bootMs: host.lastSignMs, wallMs: turn.now.wallMs - (turn.now.bootMs - host.lastSignMs) };
  turn.patchRecord(name, { careful: { ...careful, lastSign } });
  const policy = turn.hostPolicy(name);
  turn.tell("careful", name, `silent, ${inWords(ageMs(careful.since, turn.now))} after its careful shutdown was announced: its outlet is left alone for ${inWords(carefulOf(turn.policy).haltBoundMs)}${policy !== undefined && canBeMetered(turn.policy, policy) ? ", or until it draws nothing" : ""}`);
}

/** For how long it has given no sign of life. */
export function silentForMs(host: HostState, now: Now): number {
  return now.bootMs - host.lastSignMs;
}

/** Why it may not have halted yet; null: it has been silent for `haltBound`, or its outlets draw nothing since it fell silent. */
export function notHalted(turn: Turn, host: HostState): string | null {
  const silentMs = silentForMs(host, turn.now);
  if (silentMs >= carefulOf(turn.policy).haltBoundMs || meteredOff(turn, host) !== null) return null;
  return `it gave a sign of life ${inWords(silentMs)} ago, or may have`;
}

/** Another observer says that it is up. */
export function seenElsewhere(turn: Pick<Turn, "state">, host: HostState): boolean {
  return turn.state.fleet !== null && [...host.votes.values()].some((vote) => vote.says === "up");
}

/** Why no byte of this start may go now, or null. */
export function whyNotStarted(turn: Turn, operation: Operation): string | null {
  const host = turn.host(operation.host);
  if (!isReturn(operation) || host === undefined) return null;
  if (isDown(host)) return "its careful shutdown was announced again";
  const why = (host.record.careful?.asked ?? null) === null ? notYet(senseOf(turn), turn.policy) : null;
  if (why !== null) return why;
  const lives = notHalted(turn, host);
  if (lives !== null) return lives;
  return seenElsewhere(turn, host) ? "another watcher sees it up" : null;
}
