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
import type { Clock, Stalls } from "../process/boot-clock.ts";
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

/** Starts a round; returns what cancels it. `onRound` is called exactly once and never before this returns, unless the round is cancelled. */
export function startRound(host: RoundHost, deps: RoundDeps, onRound: (round: Round) => void, onLate: (late: Late) => void): () => void {
  const round = new RoundUnderWay(host, deps, onRound, onLate);
  return () => round.cancel();
}

/** An object and not a nest of functions: thousands are begun every few seconds, and each host keeps its last. */
class RoundUnderWay {
  readonly #host: RoundHost;
  readonly #deps: RoundDeps;
  readonly #onRound: (round: Round) => void;
  readonly #onLate: (late: Late) => void;
  readonly #startedAtMs: number;
  readonly #stamp: number;
  readonly #results: (ProbeResult | undefined)[];
  #progress: (string | undefined)[] | null = null;
  /** How long each probe was kept waiting for its turn by this watcher. */
  #heldMs: (number | undefined)[] | null = null;
  /** Probes that have not settled yet, timed out or not. */
  #running = 0;
  #timers: (() => void)[] = [];
  /** Null once it is given back: what happens to this round then must not abort another's. */
  #aborter: AbortController | null = spareAborters.pop() ?? new AbortController();
  readonly #signal = (this.#aborter as AbortController).signal;
  #checking: Promise<References> | null = null;
  #complete = false;
  #reported = false;
  #cancelled = false;

  constructor(host: RoundHost, deps: RoundDeps, onRound: (round: Round) => void, onLate: (late: Late) => void) {
    this.#host = host;
    this.#deps = deps;
    this.#onRound = onRound;
    this.#onLate = onLate;
    this.#startedAtMs = deps.clock.nowMs();
    this.#stamp = Math.floor(this.#startedAtMs);
    this.#results = host.probes.map(() => undefined);
    const located = deps.names.address(host.address);
    if ("error" in located) {
      host.probes.forEach(({ id }, index) => (this.#results[index] = resultOf(id, notRun(located.error), 0)));
    } else {
      const target: Target = { host: host.name, ...located, ...(located.address === host.address ? {} : { configured: host.address }) };
      host.probes.forEach((probe, index) => this.#start(probe, index, target));
      for (const timeoutMs of timeoutsOf(host)) this.#later(timeoutMs, () => this.#timeOut(timeoutMs));
    }
    // Also a round with nothing to wait for ends only after its caller has got hold of it.
    queueMicrotask(() => this.#considerEnd());
  }

  cancel(): void {
    this.#cancelled = true;
    this.#stop();
  }

  #start({ probe, options }: RoundProbe, index: number, target: Target): void {
    this.#running += 1;
    let found: Promise<Finding>;
    try {
      found = probe.run(target, options, this.#deps.tools, this.#signal, (text, held) => {
        (this.#progress ??= [])[index] = text;
        if (held !== undefined) (this.#heldMs ??= [])[index] = held;
      });
    } catch (error) {
      found = Promise.reject(error instanceof Error ? error : new Error("threw"));
    }
    // A probe that throws, or rejects unasked, has a fault of its own: that is no sign of the host's.
    found.then(
      (finding) => this.#settled(index, finding),
      (error: unknown) => this.#settled(index, notRun(`probe failed: ${error instanceof Error ? error.message : "?"}`)),
    );
  }

  #settled(index: number, finding: Finding): void {
    if (this.#signal.aborted) return;
    this.#running -= 1;
    const probe = this.#host.probes[index] as RoundProbe;
    const latencyMs = this.#elapsedMs();
    if (this.#results[index] === undefined && latencyMs <= timeoutOf(probe, this.#host)) {
      this.#results[index] = resultOf(probe.id, finding, latencyMs);
    } else if (finding.outcome === "good") {
      const slow: ProbeResult = { ...resultOf(probe.id, finding, latencyMs), outcome: "slow" };
      if (this.#reported) this.#onLate({ host: this.#host.name, hash: this.#host.hash, startedAtMs: this.#stamp, results: [slow] });
      else this.#results[index] = slow;
    } else {
      this.#results[index] ??= this.#timedOutResult(probe, index); // ended wrongly before the timer came to it
    }
    if (this.#running === 0) {
      this.#clearTimers();
      if (this.#aborter !== null && spareAborters.length < SPARE_MAX) spareAborters.push(this.#aborter);
      this.#aborter = null;
    }
    this.#considerEnd();
  }

  #timeOut(timeoutMs: number): void {
    this.#host.probes.forEach((probe, index) => {
      if (timeoutOf(probe, this.#host) === timeoutMs) this.#results[index] ??= this.#timedOutResult(probe, index);
    });
    // Nearly every round has ended by now, and needs no limit.
    if (this.#running > 0 && !this.#results.includes(undefined)) this.#later(this.#host.limitMs, () => this.#stop());
    this.#considerEnd();
  }

  #timedOutResult(probe: RoundProbe, index: number): ProbeResult {
    const timeoutMs = timeoutOf(probe, this.#host);
    const latencyMs = this.#elapsedMs();
    const held = this.#heldMs?.[index] ?? 0;
    if (held > LOST_LEAST_MS) {
      return resultOf(probe.id, notRun(`this watcher kept it waiting for ${held === Infinity ? "its turn" : `${Math.round(held)} ms`}: too much at once`), latencyMs);
    }
    const lostMs = Math.max(this.#deps.stalls?.lostMs(this.#startedAtMs) ?? 0, latencyMs - timeoutMs);
    if (lostMs > Math.max(timeoutMs * LOST_SHARE_MAX, LOST_LEAST_MS)) {
      return resultOf(probe.id, notRun(`this watcher was held up for ${Math.round(lostMs)} ms of this round`), latencyMs);
    }
    const progress = this.#progress?.[index];
    const how = progress === undefined ? "" : ` (${progress})`;
    return resultOf(probe.id, bad("silent", `no ${probe.probe.awaits ?? "answer"} within ${timeoutMs} ms${how}`), latencyMs);
  }

  /** The round is complete when every probe has its result; one that is bad is worth nothing before the references were asked. */
  #considerEnd(): void {
    if (this.#cancelled || this.#complete) return;
    const { references } = this.#deps;
    const doubtful = this.#results.some((result) => result?.outcome === "bad");
    // Begun with the first bad result, so that the round need not wait at its end.
    if (doubtful) this.#checking ??= references.check(this.#startedAtMs);
    if (this.#results.includes(undefined)) return;
    this.#complete = true;
    const last = references.last();
    if (!doubtful && (last === "reached" || last === "none")) return this.#report(last);
    this.#checking ??= references.check(this.#startedAtMs);
    this.#checking.then((found) => this.#report(found), () => this.#report("lost"));
  }

  #report(reached: References): void {
    if (this.#cancelled) return;
    this.#reported = true;
    this.#onRound({
      host: this.#host.name,
      hash: this.#host.hash,
      startedAtMs: this.#stamp,
      endedAtMs: Math.floor(this.#deps.clock.nowMs()),
      references: reached,
      results: this.#results.filter((result) => result !== undefined),
    });
  }

  /** What still runs is aborted. */
  #stop(): void {
    this.#aborter?.abort(new Error("the round is over"));
    this.#aborter = null;
    this.#running = 0;
    this.#clearTimers();
  }

  #later(afterMs: number, fn: () => void): void {
    this.#timers.push(this.#deps.clock.at(this.#startedAtMs + afterMs, fn));
  }

  #clearTimers(): void {
    for (const takeBack of this.#timers) takeBack();
    this.#timers = [];
  }

  #elapsedMs(): number {
    return Math.round((this.#deps.clock.nowMs() - this.#startedAtMs) * 100) / 100;
  }
}

function timeoutOf(probe: RoundProbe, host: RoundHost): number {
  return Math.min(probe.timeoutMs ?? host.timeoutMs, host.limitMs);
}

const timeoutsByHost = new WeakMap<RoundHost, readonly number[]>();

/** Most hosts have one time-out for all their probes, and one timer does. */
function timeoutsOf(host: RoundHost): readonly number[] {
  let timeouts = timeoutsByHost.get(host);
  if (timeouts === undefined) {
    timeouts = [...new Set(host.probes.map((probe) => timeoutOf(probe, host)))];
    timeoutsByHost.set(host, timeouts);
  }
  return timeouts;
}

function resultOf(probe: string, { outcome, sign, evidence, latencyMs, perfdata }: Finding, elapsedMs: number): ProbeResult {
  const result = { probe, outcome, sign, evidence: printable(evidence), latencyMs: latencyMs === undefined ? elapsedMs : Math.round(latencyMs * 100) / 100 };
  return perfdata === undefined ? result : { ...result, perfdata: perfdata.slice(0, PERFDATA_MAX) };
}
