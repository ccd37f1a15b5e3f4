// One round: all probes of one host, started together, each raced against its time-out, judged by nobody here. The round
// ends when every probe has ended or timed out, so that a host which accepts and says nothing costs its own time-out and
// delays nobody. What timed out goes on until the round's limit: a right answer after all is *slow*, which is neither for
// nor against the host (safety.md §2.2), and is reported once, beside the round if that has ended.
//
// Two doubts about ourselves are settled before a round may speak against a host (safety.md §2.1). If any probe is bad,
// the round waits for a check of the references. And if this process was held up (stopped, swapped out, suspended) for a
// good part of a time-out, the answer may have lain in the kernel unread: then a time-out is `unknown`, not bad.

import type { ProbeResult, References, Round } from "../core/round.ts";
import { bad, notRun, printable } from "../probes/finding.ts";
import { PERFDATA_MAX } from "../probes/probe.ts";
import type { Finding, Probe, ProbeTools, Target } from "../probes/probe.ts";
import type { Clock, Stalls } from "./boot-clock.ts";
import type { Names } from "./names.ts";
import type { ReferenceCheck } from "./references.ts";

export type RoundProbe = {
  /** Unique on its host. */
  readonly id: string;
  readonly probe: Probe<unknown>;
  readonly options: unknown;
  /** Its own time-out; absent: the host's. */
  readonly timeoutMs?: number | undefined;
};

export type RoundHost = {
  readonly name: string;
  readonly hash: string;
  /** As configured: numeric or a name. */
  readonly address: string;
  readonly timeoutMs: number;
  /** How long the round may go on in all (`every`); then everything of it is aborted. */
  readonly limitMs: number;
  readonly probes: readonly RoundProbe[];
};

/** Probes that timed out and were rightly answered after their round had been reported. */
export type Late = { readonly host: string; readonly hash: string; readonly startedAtMs: number; readonly results: readonly ProbeResult[] };

export type RoundDeps = {
  readonly clock: Clock;
  readonly names: Pick<Names, "address">;
  readonly tools: ProbeTools;
  readonly references: Pick<ReferenceCheck, "check" | "last">;
  readonly stalls?: Pick<Stalls, "lostMs">;
};

/**
 * A time-out is not believed when more than this part of it was lost to stalls, and more than LOST_LEAST_MS: with half of
 * it left, a host that serves has been heard, and a busy watcher is not blinded.
 */
const LOST_SHARE_MAX = 0.5;
const LOST_LEAST_MS = 100;

/**
 * Controllers of rounds that ended without an abort, for the next ones: making one costs as much as a third of a look.
 * Nobody listens to them any more, since a probe takes its listener back when it settles.
 */
const spareAborters: AbortController[] = [];
const SPARE_MAX = 1_024;

/** Starts a round. `onRound` is called exactly once and never before this returns, unless the round is cancelled. */
export function startRound(host: RoundHost, deps: RoundDeps, onRound: (round: Round) => void, onLate: (late: Late) => void): { cancel(): void } {
  const { clock, references } = deps;
  const startedAtMs = clock.nowMs();
  const stamp = Math.floor(startedAtMs);
  const results: (ProbeResult | undefined)[] = host.probes.map(() => undefined);
  const progress: (string | undefined)[] = [];
  /** Probes that have not settled yet, timed out or not. */
  const running = new Set<number>();
  const timers = new Set<() => void>();
  /** Null once it is given back: what happens to this round then must not abort another's. */
  let aborter: AbortController | null = spareAborters.pop() ?? new AbortController();
  const { signal } = aborter;
  let checking: Promise<References> | undefined;
  let complete = false;
  let reported = false;
  let cancelled = false;

  const located = deps.names.address(host.address);
  if ("error" in located) {
    host.probes.forEach(({ id }, index) => (results[index] = resultOf(id, notRun(located.error), 0)));
  } else {
    const target: Target = { host: host.name, ...located, ...(located.address === host.address ? {} : { configured: host.address }) };
    host.probes.forEach((probe, index) => start(probe, index, target));
    // Most hosts have one time-out for all their probes, and one timer does.
    for (const timeoutMs of new Set(host.probes.map(timeoutOf))) later(timeoutMs, () => timeOut(timeoutMs));
    later(host.limitMs, atLimit);
  }
  // Also a round with nothing to wait for ends only after its caller has got hold of it.
  queueMicrotask(considerEnd);

  function start({ probe, options }: RoundProbe, index: number, target: Target): void {
    running.add(index);
    let found: Promise<Finding>;
    try {
      found = probe.run(target, options, deps.tools, signal, (text) => (progress[index] = text));
    } catch (error) {
      found = Promise.reject(error instanceof Error ? error : new Error("threw"));
    }
    // A probe that throws, or rejects unasked, has a fault of its own: that is no sign of the host's.
    found.then(
      (finding) => settled(index, finding),
      (error: unknown) => settled(index, notRun(`probe failed: ${error instanceof Error ? error.message : "?"}`)),
    );
  }

  function settled(index: number, finding: Finding): void {
    running.delete(index);
    if (signal.aborted) return;
    const probe = host.probes[index] as RoundProbe;
    const latencyMs = elapsedMs();
    if (results[index] === undefined && latencyMs <= timeoutOf(probe)) {
      results[index] = resultOf(probe.id, finding, latencyMs);
    } else if (finding.outcome === "good") {
      const slow: ProbeResult = { ...resultOf(probe.id, finding, latencyMs), outcome: "slow" };
      if (reported) onLate({ host: host.name, hash: host.hash, startedAtMs: stamp, results: [slow] });
      else results[index] = slow;
    } else {
      results[index] ??= timedOutResult(probe, index); // ended wrongly before the timer came to it
    }
    if (running.size === 0) {
      clearTimers();
      if (aborter !== null && spareAborters.length < SPARE_MAX) spareAborters.push(aborter);
      aborter = null;
    }
    considerEnd();
  }

  function timeOut(timeoutMs: number): void {
    host.probes.forEach((probe, index) => {
      if (timeoutOf(probe) === timeoutMs) results[index] ??= timedOutResult(probe, index);
    });
    considerEnd();
  }

  function timedOutResult(probe: RoundProbe, index: number): ProbeResult {
    const timeoutMs = timeoutOf(probe);
    const latencyMs = elapsedMs();
    const lostMs = Math.max(deps.stalls?.lostMs(startedAtMs) ?? 0, latencyMs - timeoutMs);
    if (lostMs > Math.max(timeoutMs * LOST_SHARE_MAX, LOST_LEAST_MS)) {
      return resultOf(probe.id, notRun(`this watcher was held up for ${Math.round(lostMs)} ms of this round`), latencyMs);
    }
    const how = progress[index] === undefined ? "" : ` (${progress[index]})`;
    return resultOf(probe.id, bad("silent", `no ${probe.probe.awaits ?? "answer"} within ${timeoutMs} ms${how}`), latencyMs);
  }

  /** The round is complete when every probe has its result; one that is bad is worth nothing before the references were asked. */
  function considerEnd(): void {
    if (cancelled || complete) return;
    const doubtful = results.some((result) => result?.outcome === "bad");
    // Begun with the first bad result, so that the round need not wait at its end.
    if (doubtful) checking ??= references.check(startedAtMs);
    if (results.includes(undefined)) return;
    complete = true;
    const last = references.last();
    if (!doubtful && (last === "reached" || last === "none")) return report(last);
    checking ??= references.check(startedAtMs);
    checking.then(report, () => report("lost"));
  }

  function report(reached: References): void {
    if (cancelled) return;
    reported = true;
    onRound({
      host: host.name,
      hash: host.hash,
      startedAtMs: stamp,
      endedAtMs: Math.floor(clock.nowMs()),
      references: reached,
      results: results.filter((result) => result !== undefined),
    });
  }

  /**
   * Time-outs came before, or are due in this very turn: Node runs timers of one length together, so after a time in which
   * this process stood still the limit may come first. A round that never ended would be this host's last.
   */
  function atLimit(): void {
    for (const timeoutMs of new Set(host.probes.map(timeoutOf))) timeOut(timeoutMs);
    stop();
  }

  /** What still runs is aborted. */
  function stop(): void {
    aborter?.abort(new Error("the round is over"));
    aborter = null;
    running.clear();
    clearTimers();
  }

  function timeoutOf(probe: RoundProbe): number {
    return Math.min(probe.timeoutMs ?? host.timeoutMs, host.limitMs);
  }

  function later(afterMs: number, fn: () => void): void {
    const takeBack = clock.at(startedAtMs + afterMs, () => {
      timers.delete(takeBack);
      fn();
    });
    timers.add(takeBack);
  }

  function clearTimers(): void {
    for (const takeBack of timers) takeBack();
    timers.clear();
  }

  function elapsedMs(): number {
    return Math.round((clock.nowMs() - startedAtMs) * 100) / 100;
  }

  return {
    cancel() {
      cancelled = true;
      stop();
    },
  };
}

function resultOf(probe: string, { outcome, sign, evidence, latencyMs, perfdata }: Finding, elapsedMs: number): ProbeResult {
  const result = { probe, outcome, sign, evidence: printable(evidence), latencyMs: latencyMs === undefined ? elapsedMs : Math.round(latencyMs * 100) / 100 };
  return perfdata === undefined ? result : { ...result, perfdata: perfdata.slice(0, PERFDATA_MAX) };
}
