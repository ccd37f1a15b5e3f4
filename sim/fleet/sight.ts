// What one life of a watcher has seen of the hosts, judged a second time and naively: the checkers compare what was voted and
// done with this, and never ask the core what it thought.

import type { Round } from "../../src/core/round.ts";
import type { Late } from "../../src/watcher/ports.ts";
import type { Process } from "../scene.ts";

export type Look = { readonly host: string; readonly startedMs: number; readonly atMs: number; outcome: "good" | "slow" | "bad" | "unknown"; readonly round: Round; readonly late: Set<string>; /** When it turned out to be slow only. */ slowAtMs: number | null };

const KEPT = 200;
const SLACK_MS = 500;

export class Sight {
  readonly #life: Process;
  readonly #looks = new Map<string, Look[]>();
  readonly #nowMs: () => number;
  readonly #told: (look: Look) => void;

  constructor(life: Process, nowMs: () => number, told: (look: Look) => void) {
    this.#life = life;
    this.#nowMs = nowMs;
    this.#told = told;
  }

  /** Oldest first. */
  of(host: string): readonly Look[] {
    return this.#looks.get(host) ?? [];
  }

  last(host: string): Look | undefined {
    return this.#looks.get(host)?.at(-1);
  }

  round(round: Round, startedMs: number): void {
    const look: Look = { host: round.host, startedMs, atMs: this.#nowMs(), outcome: this.#judge(round, startedMs, new Set()), round, late: new Set(), slowAtMs: null };
    const looks = this.#looks.get(round.host) ?? [];
    looks.push(look);
    if (looks.length > 2 * KEPT) looks.splice(0, KEPT);
    this.#looks.set(round.host, looks);
    this.#told(look);
  }

  late(late: Late): void {
    const last = this.last(late.host);
    if (last === undefined || last.round.startedAtMs !== late.startedAtMs || last.outcome !== "bad") return;
    for (const result of late.results) last.late.add(result.probe);
    if (this.#judge(last.round, last.startedMs, last.late) === "good") {
      last.outcome = "slow";
      last.slowAtMs = this.#nowMs();
    }
  }

  #judge(round: Round, startedMs: number, late: ReadonlySet<string>): Look["outcome"] {
    const policy = this.#life.policy.hosts.get(round.host);
    if (policy === undefined || startedMs < this.#life.startedMs || round.references === "lost") return "unknown";
    if (round.endedAtMs - round.startedAtMs > policy.timeoutMs + SLACK_MS) return "unknown";
    const counting = policy.probes.filter((probe) => probe.counts);
    const good = counting.filter(({ id }) => late.has(id) || round.results.find((result) => result.probe === id)?.outcome === "good").length;
    return good >= Math.min(policy.goodNeeded ?? counting.length, counting.length) ? "good" : "bad";
  }
}
