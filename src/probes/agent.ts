// What the host's own agent has found, as far as it speaks of power: bad where one of the named subjects is bad and power may be
// the cure, good where at least one of them has been looked at and none is so. Everything else is unknown, and of this
// probe that is an abstention (core/policy.ts): no agent, one that is not connected, one whose last word is old, one that has
// not looked. An agent may die with its host, before it or alone; what it said before proves nothing about now.
//
// It asks nobody: what it reads the agent has sent, and the watcher's link keeps.

import type { HostFinding } from "../core/finding.ts";
import { bad, good, notRun } from "./finding.ts";
import type { Finding, HeardAgent, Probe } from "./probe.ts";

export type AgentOptions = {
  /** `storage` stands for itself and all below it: `storage:/var`. */
  readonly subjects: readonly string[];
};

/** So many of its own heartbeats an agent's word may be old. */
const HEARTBEATS_MAX = 3;

export const agent: Probe<AgentOptions> = {
  name: "agent",
  service: true,
  refusal: (_options, { agents }) => (agents === undefined ? "this watcher has no door for agents (agents.listen)" : null),
  run(target, options, { agents }, signal) {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const heard = agents?.heard(target.host) ?? { silent: "this watcher has no door for agents" };
    return Promise.resolve("silent" in heard ? notRun(heard.silent) : judgeHeard(heard, options));
  },
};

/** Pure: what an agent's last word amounts to. */
export function judgeHeard({ ageMs, heartbeatMs, findings }: HeardAgent, { subjects }: AgentOptions): Finding {
  // Not by a comparison that a number which is none would pass.
  if (!(ageMs <= HEARTBEATS_MAX * heartbeatMs)) return notRun(`the agent's last word is ${Math.round(ageMs / 1_000)} s old`);
  const named = findings.filter(({ subject }) => subjects.some((each) => subject === each || subject.startsWith(`${each}:`)));
  const against = named.filter(({ verdict, mayCut }) => verdict === "bad" && mayCut);
  if (against.length > 0) return bad("answer", wordsOf(against));
  const looked = named.filter(({ verdict }) => verdict !== "unknown");
  if (looked.length === 0) return notRun(named.length === 0 ? `the agent has found nothing out about ${subjects.join(", ")}` : wordsOf(named));
  // What is wrong and no reason to cut is said first.
  const wrong = looked.filter(({ verdict }) => verdict !== "good");
  return good(wordsOf(wrong.length > 0 ? wrong : looked));
}

function wordsOf([first, ...more]: readonly HostFinding[]): string {
  if (first === undefined) return "";
  return `${first.subject}: ${first.because}${more.length === 0 ? "" : ` (and ${more.map(({ subject }) => subject).join(", ")})`}`;
}
