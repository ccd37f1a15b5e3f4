// Rounds in virtual time, for one life of the watcher: what each probe finds is known when it is sent, the round ends when
// the last one is settled or its time is over, and an answer that comes after the time-out but within the round is late.

import type { Outcome, ProbeResult, References, Round } from "../src/core/round.ts";
import type { Late, Rounds } from "../src/watcher/ports.ts";
import { agentResult } from "./agents.ts";
import type { Event, Timeline } from "./clock.ts";
import type { Answer, Host } from "./hosts.ts";
import type { Network } from "./network.ts";
import type { Process } from "./scene.ts";

/** What is looked at, through which network, and who takes note of it. */
export type View = {
  readonly timeline: Timeline;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly network: Network;
  readonly spec: { readonly references: boolean };
  readonly observed: { round(round: Round, startedMs: number): void; late(late: Late): void };
};

export function roundsOf(world: View, life: Pick<Process, "alive" | "frozenUntilMs" | "policy"> & { bootMs(worldMs: number): number }): Rounds {
  const healthy = new Map<string, readonly ProbeResult[]>();
  for (const host of world.hosts.values()) {
    healthy.set(host.name, host.spec.policy.probes.map((probe) => ({ probe: probe.id, outcome: "good", sign: "answer", evidence: "answered", latencyMs: 3 })));
  }
  return {
    start(name, limitMs, onRound, onLate) {
      const host = world.hosts.get(name);
      const policy = life.policy.hosts.get(name);
      if (host === undefined || policy === undefined) throw new Error(`a round of ${name}, which is not configured`);
      if (!life.alive) return () => {};
      const startedMs = world.timeline.nowMs;
      const startedAtMs = life.bootMs(startedMs);
      const references: References = !world.spec.references ? "none" : world.network.referencesLost > 0 ? "lost" : "reached";
      const deliver = (results: readonly ProbeResult[]) => {
        const round: Round = { host: name, hash: policy.hash, startedAtMs, endedAtMs: life.bootMs(world.timeline.nowMs), references, results };
        world.observed.round(round, startedMs);
        onRound(round);
      };
      if (host.condition === "up" && world.network.loss === 0 && world.network.reaches(name) && (host.agent === null || host.agentSays(true) !== null)) {
        return cancelling(world.timeline.in(3, life, () => deliver(healthy.get(name) as readonly ProbeResult[])));
      }
      const { results, endsInMs, late } = look(world, host, policy.timeoutMs, limitMs, policy.probes.map((probe) => probe.id));
      const events = [world.timeline.in(endsInMs, life, () => deliver(results))];
      for (const { result, atMs } of late) {
        events.push(world.timeline.in(atMs, life, () => {
          const told: Late = { host: name, hash: policy.hash, startedAtMs, results: [result] };
          world.observed.late(told);
          onLate(told);
        }));
      }
      return cancelling(...events);
    },
  };
}

function cancelling(...events: Event[]): () => void {
  return () => {
    for (const event of events) event.run = null;
  };
}

function look(world: View, host: Host, timeoutMs: number, limitMs: number, probes: readonly string[]) {
  const late: { result: ProbeResult; atMs: number }[] = [];
  let endsInMs = 1;
  const results = probes.map((probe): ProbeResult => {
    if (probe === "agent") return agentResult(host.agentSays(world.network.reaches(host.name)));
    const answer: Answer = world.network.carry(host.name, probe, host.answer(probe));
    if (answer.latencyMs <= timeoutMs) {
      endsInMs = Math.max(endsInMs, answer.latencyMs);
      const outcome: Outcome = answer.right ? "good" : "bad";
      return { probe, outcome, sign: answer.sign, evidence: answer.right ? "answered" : answer.sign === "refused" ? "refused" : "a wrong answer", latencyMs: answer.latencyMs };
    }
    endsInMs = timeoutMs;
    if (answer.latencyMs < limitMs && answer.right) late.push({ result: { probe, outcome: "slow", sign: "answer", evidence: "answered late", latencyMs: answer.latencyMs }, atMs: answer.latencyMs });
    return { probe, outcome: "bad", sign: "silent", evidence: `nothing within ${timeoutMs} ms`, latencyMs: timeoutMs };
  });
  return { results, endsInMs, late };
}
