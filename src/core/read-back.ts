// Reading back: off is what all feeds read in one pass, twice, a second apart (safety.md §4.5); on is what every outlet reads.
// An acknowledgement is never a proof, and a silence of the device never stands for what an earlier pass saw.

import { raise } from "./alarms.ts";
import { note } from "./incident.ts";
import type { ReadResult } from "./io.ts";
import { EFFECT_MS, allOutlets, commit, levelOf, names } from "./operation.ts";
import { outletKey } from "./policy.ts";
import type { Operation, OperationOutlet } from "./records.ts";
import { MAX_STAMPS } from "./records.ts";
import { isReturn } from "./return-ledger.ts";
import type { Run, Turn } from "./state.ts";
import { ageMs } from "./time.ts";

/** Readings that are further apart could have missed an off and an on between them. */
const GAP_MS = 4_000;

export function readPass(turn: Turn, operation: Operation, outlets: readonly OperationOutlet[], because: string): void {
  const byDevice = new Map<string, string[]>();
  for (const outlet of [...outlets].sort((a, b) => (a.device < b.device ? -1 : 1))) byDevice.set(outlet.device, [...(byDevice.get(outlet.device) ?? []), outlet.outlet]);
  const pending: number[] = [];
  for (const [device, ids] of byDevice) {
    const read = turn.id();
    pending.push(read);
    turn.emit({ kind: "read", read, device, outlets: ids, because: `operation ${operation.id}: ${because}`, cause: turn.causeOf(operation.host) });
  }
  turn.patchRun(operation.id, { pass: new Map(), wait: { on: "reads", pending } });
}

/** A read answer; the operation that waited for it, or null. */
export function readings(turn: Turn, read: number, device: string, result: ReadResult): number | null {
  for (const operation of turn.state.operations.values()) {
    const run = turn.run(operation.id);
    if (run.wait.on !== "reads" || !run.wait.pending.includes(read)) continue;
    const pass = new Map(run.pass);
    if (result.ok) {
      for (const reading of result.readings) {
        pass.set(outletKey({ device, outlet: reading.outlet }), reading.state);
      }
    }
    const pending = run.wait.pending.filter((each) => each !== read);
    const failures = result.ok ? run.failures : run.failures + 1;
    turn.patchRun(operation.id, { pass, failures, wait: pending.length > 0 ? { on: "reads", pending } : { on: "nothing" } });
    if (pending.length === 0) passEnded(turn, operation);
    return operation.id;
  }
  return null;
}

function passEnded(turn: Turn, operation: Operation): void {
  const run = turn.run(operation.id);
  // From its end: a pass that waited for its log-in must not bring the next reading closer than a second.
  turn.patchRun(operation.id, { lastPassMs: turn.now.bootMs, seen: run.pass });
  if (operation.phase === "off-sent" && run.sure !== "own") turn.patchRun(operation.id, { sure: sureAfter(turn, operation, run) });
  const read = (outlet: OperationOutlet) => run.pass.get(outletKey(outlet)) ?? "unknown";
  if (operation.phase === "off-sent") {
    const level = levelOf(operation);
    const complete = level.every((each) => operation.sent.includes(outletKey(each)));
    const passes = complete && level.every((each) => read(each) === "off") ? run.offPasses + 1 : 0;
    turn.patchRun(operation.id, { offPasses: passes });
    if (passes >= 2) offConfirmed(turn, operation);
  }
  if (operation.phase === "booting") {
    const late = allOutlets(operation).filter((each) => operation.touched.includes(outletKey(each)) && read(each) === "off");
    if (late.length > 0) {
      turn.tell("late-off", operation.host, `${names(late)} reads off again after it had been confirmed on: a late off is undone`);
      commit(turn, { ...operation, phase: "on-sent", cut: late.map(outletKey), phaseSince: turn.stamp }, null, null, []);
    }
  }
}

/**
 * An off that was let go, and whose outlet has read on ever since, may still take effect: who is asked to stop waits for it as for
 * what is off, and reads once more when its time is over.
 */
export function mayStillArrive(turn: Turn, operation: Operation): boolean {
  if (operation.phase !== "booting" || operation.offWasConfirmed || operation.offAt === null) return false;
  const run = turn.run(operation.id);
  const doubtful = allOutlets(operation).filter((each) => operation.touched.includes(outletKey(each)) && !run.switched.includes(outletKey(each)));
  if (doubtful.length === 0) return false;
  const nowMs = turn.now.bootMs;
  const maxActMs = Math.max(...doubtful.map((each) => each.maxActMs));
  const endMs = maxActMs + (run.resumed ? run.takenUpMs : nowMs - ageMs(operation.offAt, turn.now) + EFFECT_MS);
  return nowMs < endMs || ((run.lastPassMs ?? -Infinity) < endMs && nowMs < endMs + maxActMs);
}

/** Reads without a gap since a time at which whoever had it before us cannot have paid it back yet (fencing.ts). */
function sureAfter(turn: Turn, operation: Operation, run: Run): Run["sure"] {
  const level = levelOf(operation);
  if (level.some((each) => (run.pass.get(outletKey(each)) ?? "unknown") === "unknown")) return run.sure === "not yet" ? "not yet" : "no";
  const maxActMs = Math.max(...level.map((each) => each.maxActMs));
  if (run.sure === "not yet") return operation.offAt !== null && ageMs(operation.offAt, turn.now) < (turn.policy.shared?.ttlMs ?? 0) + maxActMs ? "yes" : "no";
  return run.lastPassMs !== null && turn.now.bootMs - run.lastPassMs > GAP_MS ? "no" : run.sure;
}

function offConfirmed(turn: Turn, operation: Operation): void {
  const record = turn.record(operation.host);
  // An off that a person wants to last, or that starts a halted machine, is no cycle that did not cure anything.
  if (record !== undefined && operation.kind === "cycle" && !isReturn(operation)) turn.patchRecord(operation.host, { cycles: [...record.cycles, turn.stamp].slice(-MAX_STAMPS) });
  note(turn, operation.host, "offConfirmedAt");
  turn.tell("off-confirmed", operation.host, `${names(levelOf(operation))} read off twice, a second apart`);
  if (operation.kind === "cycle" && !isReturn(operation)) {
    raise(turn, {
      alarm: `cut:${operation.host}`, kind: "cut", severity: "warning", host: operation.host, incident: operation.incident,
      happened: `Power was cut at ${names(levelOf(operation))}, confirmed: ${operation.because}.`,
      done: "Power is being restored.", asked: `Nothing, unless it does not come back. See: upkeep why ${operation.incident}`,
    });
  }
  commit(turn, { ...operation, phase: "off-confirmed", offWasConfirmed: true, phaseSince: turn.stamp }, null, null, []);
}
