// One host's rounds, judged (safety.md §2.1–2): a leaky counter. A bad round adds one, a good one takes one off, slow and
// unknown do neither; at the threshold the host is down. With a retry ladder the next look comes sooner and one good
// answer clears the suspicion.
//
// The invariant: nothing but a bad round that truly counts can raise the counter. A round is unknown when this watcher
// was not awake, had lost its references, or has something fresh between it and the host; a probe that never passed
// under this host hash does not count at all. Ping beside a service probe is evidence: a kernel answers for a dead userland.
// A probe that abstains (the host's agent) has no vote while it says nothing: it neither harms the host nor blinds the watcher.

import type { HostPolicy } from "./policy.ts";
import type { Outcome, ProbeResult, Round } from "./round.ts";
import type { HostState, LastRound } from "./state.ts";

/** How much longer than its time-out a round may last before we conclude that this watcher itself was held up. */
export const AWAKE_SLACK_MS = 500;

export type Judgement = {
  readonly outcome: Outcome;
  readonly because: string;
  /** Probes that passed now, for the first time. */
  readonly firstPasses: readonly string[];
  readonly refused: boolean;
  readonly silent: boolean;
};

export function judge(round: Pick<Round, "startedAtMs" | "endedAtMs" | "references" | "results">, policy: HostPolicy, passed: readonly string[], freshAfterMs: number): Judgement {
  const { results } = round;
  const passes = (result: ProbeResult) => result.outcome === "good" || result.outcome === "slow";
  const firstPasses = results.filter((result) => passes(result) && !passed.includes(result.probe)).map((result) => result.probe);
  const outcomeOf = (id: string): Outcome => results.find((result) => result.probe === id)?.outcome ?? "unknown";
  const absent = policy.probes.filter((probe) => probe.abstains === true && outcomeOf(probe.id) === "unknown").map((probe) => probe.id);
  const spoke = results.filter((result) => !absent.includes(result.probe));
  const refused = spoke.some((result) => result.sign === "refused");
  const silent = spoke.length > 0 && spoke.every((result) => !passes(result) && (result.sign === "silent" || result.sign === "unreachable"));
  const found = { firstPasses, refused, silent };
  const unknown = (because: string): Judgement => ({ ...found, outcome: "unknown", because });

  if (round.startedAtMs < freshAfterMs) return unknown("the round began before this watcher could see clearly");
  if (round.endedAtMs - round.startedAtMs > policy.timeoutMs + AWAKE_SLACK_MS) return unknown(`this watcher was held up for ${round.endedAtMs - round.startedAtMs} ms`);
  if (round.references === "lost") return unknown("this watcher does not reach its references");

  const counting = policy.probes.filter((probe) => probe.counts && (passed.includes(probe.id) || firstPasses.includes(probe.id)));
  if (counting.length === 0) return unknown("no probe that counts has ever passed");
  const voting = counting.filter((probe) => !absent.includes(probe.id));
  if (voting.length === 0) return unknown(`${counting.map((probe) => probe.id).join(", ")} abstains, and nothing else counts`);
  const outcomes = voting.map((probe) => outcomeOf(probe.id));
  const count = (outcome: Outcome) => outcomes.filter((each) => each === outcome).length;
  const needed = policy.goodNeeded === null ? counting.length : Math.min(policy.goodNeeded, counting.length);
  // Who abstains takes one good answer off those that are needed, so that as many may fail as before; one is always needed.
  const outcome: Outcome = combine(count("good"), count("slow"), count("unknown"), Math.max(1, needed - (counting.length - voting.length)));
  const worst = voting.map((probe) => results.find((result) => result.probe === probe.id)).filter((result) => result !== undefined && result.outcome === outcome);
  return { ...found, outcome, because: worst.map((result) => `${result?.probe}: ${result?.evidence}`).join("; ") };
}

/** The best that the round can still be called: good needs good answers, slow may include late ones, unknown anything that proves nothing. */
function combine(good: number, slow: number, unknown: number, needed: number): Outcome {
  if (good >= needed) return "good";
  if (good + slow >= needed) return "slow";
  return good + slow + unknown >= needed ? "unknown" : "bad";
}

/** The counter after a round; `frozen` while an operation or the debounce runs: recorded and not counted. */
export function count(counter: number, outcome: Outcome, policy: HostPolicy, frozen: boolean): { counter: number; counted: -1 | 0 | 1 } {
  if (frozen || outcome === "slow" || outcome === "unknown") return { counter, counted: 0 };
  if (outcome === "bad") return counter >= policy.threshold ? { counter, counted: 0 } : { counter: counter + 1, counted: 1 };
  if (policy.retryMs.length > 0) return { counter: 0, counted: -1 };
  return { counter: Math.max(0, counter - 1), counted: counter > 0 ? -1 : 0 };
}

/** When the retry ladder wants the next look, in milliseconds after this round's start; null: at the usual pace. */
export function retryAfterMs(counter: number, policy: HostPolicy): number | null {
  if (counter < 1 || counter >= policy.threshold) return null;
  return policy.retryMs[counter - 1] ?? null;
}

export type Verdict = "up" | "suspect" | "down" | "unknown";

/** What people are told: an operation that has cut power leaves the host down until it is back in service. */
export function verdict(host: HostState, policy: HostPolicy): Verdict {
  if ((host.operation !== null || host.foreign !== null) && host.incident !== null && host.incident.downAt !== null) return "down";
  if (host.counter >= policy.threshold) return "down";
  const last: LastRound | null = host.last;
  if (last === null) return "unknown";
  if (host.incident !== null && host.goodSinceMs === null) return last.outcome === "unknown" ? "unknown" : "down";
  if (host.counter > 0) return "suspect";
  return last.outcome === "unknown" ? "unknown" : last.outcome === "bad" ? "suspect" : "up";
}
