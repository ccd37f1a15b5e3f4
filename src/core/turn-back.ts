// What turns an operation back before its byte, and what a person's hand does to one that is under way: a good round, SIGTERM, a
// sleep of this machine, somebody at the switch, somebody who has looked. None of them leaves anything dark: what was cut
// already goes through on (ending.ts), and what waits at a device is cancelled, so that the byte cannot go after the word.

import { end } from "./ending.ts";
import { drive } from "./fencing.ts";
import { count } from "./liveness.ts";
import { amend, earns, levelOf } from "./operation.ts";
import { outletKey } from "./policy.ts";
import type { Operation } from "./records.ts";
import { isReturn } from "./return-ledger.ts";
import type { Turn } from "./state.ts";

/** A good round: before the byte it withdraws, and after it nothing changes until power is back. */
export function goodRound(turn: Turn, id: number, seenBy: string | null = null): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined) return;
  const run = turn.patchRun(id, { freshBad: 0 });
  // What a person asked for needs no bad round, unless this watcher died in between: then it is earned like any other.
  if (!earns(operation) && !run.resumed) return;
  const because = earns(operation) ? (seenBy ?? "a good round came before the cut") : "this watcher was started again and the host is serving: if it is still wanted, ask again";
  const someOn = levelOf(operation).some((each) => run.seen.get(outletKey(each)) === "on");
  // In off-sent a good round proves that the off has not arrived; after a restart that is reason enough to give it up.
  const revocable = operation.phase === "intended" || (operation.phase === "off-sent" && (someOn || (run.resumed && run.lastActMs === null && run.offPasses === 0)));
  if (!revocable || operation.withdrawing !== null) return;
  const host = turn.host(operation.host);
  const policy = turn.hostPolicy(operation.host);
  if (host !== undefined && policy !== undefined && seenBy === null) turn.patchHost(host.name, { counter: count(host.counter, "good", policy, false).counter });
  turnBack(turn, operation, because);
}

/** SIGTERM: what has not let an off go yet is turned back at once; the rest is driven on. */
export function stopBeginning(turn: Turn): void {
  for (const operation of turn.state.operations.values()) {
    const { wait } = turn.run(operation.id);
    if (operation.phase === "intended" || (wait.on === "act" && !wait.fired && wait.action === "off")) turnBack(turn, operation, "this watcher was stopped");
    else drive(turn, operation.id);
  }
}

/** A careful shutdown was announced, or power was lost again: what upkeep has decided and not cut is turned back; what is cut gets its power. */
export function turnBackPlanned(turn: Turn, id: number, because: string): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined || operation.withdrawing !== null || (operation.origin.kind === "manual" && !isReturn(operation))) return;
  const { wait } = turn.run(id);
  if (operation.phase === "intended" || (wait.on === "act" && !wait.fired && wait.action === "off")) turnBack(turn, operation, because);
}

/** After a gap in which this watcher did not run: what has not been cut yet has to be decided again. */
export function decideAgain(turn: Turn, because: string): void {
  for (const operation of turn.state.operations.values()) {
    if (earns(operation) && operation.phase === "intended") turnBack(turn, operation, because);
    else turn.patchRun(operation.id, { freshBad: 0 });
  }
}

function turnBack(turn: Turn, operation: Operation, because: string): void {
  const run = turn.run(operation.id);
  if (operation.withdrawing === null) amend(turn, operation, { withdrawing: because });
  if (run.wait.on === "act" && !run.wait.fired) turn.emit({ kind: "cancel", act: run.wait.act, because, cause: turn.causeOf(operation.host) });
  if (run.wait.on !== "nothing") return;
  turn.patchRun(operation.id, { retryAtMs: turn.now.bootMs });
  drive(turn, operation.id);
}

/** An outlet that we cut was read off and now reads on, before we switched it on: a person at the switch comes first. */
export function switchedBack(turn: Turn, key: string): void {
  for (const operation of turn.state.operations.values()) {
    if (operation.phase !== "off-sent" || !operation.sent.includes(key) || operation.withdrawing !== null) continue;
    const because = `${key} was switched on by others`;
    turn.tell("outlet", operation.host, `${because} while we were cutting it: it is not cut again`);
    turn.patchRecord(operation.host, { lastEdge: turn.stamp });
    amend(turn, operation, { withdrawing: because });
    const { wait } = turn.run(operation.id);
    if (wait.on === "act" && !wait.fired) turn.emit({ kind: "cancel", act: wait.act, because, cause: turn.causeOf(operation.host) });
  }
}

/** A bad round: earns an off that has to be earned again. */
export function badRound(turn: Turn, id: number): void {
  const run = turn.state.runs.get(id);
  if (run === undefined) return;
  turn.patchRun(id, { freshBad: run.freshBad + 1 });
  drive(turn, id);
}

/** A person says that the host is off, having looked: what is open about it ends. */
export function confirmedOff(turn: Turn, id: number, by: string): void {
  const operation = turn.state.operations.get(id);
  if (operation === undefined) return;
  const { wait } = turn.run(id);
  if (wait.on === "act" && !wait.fired) turn.emit({ kind: "cancel", act: wait.act, because: `confirmed off by ${by}`, cause: turn.causeOf(operation.host) });
  end(turn, operation, "done", `confirmed off by ${by}`, null);
}
