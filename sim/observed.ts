// What has reached the watcher, judged a second time and naively: the checkers compare what was done with this, and never
// ask the core what it thought. Rounds of the present life only; an earlier life's observations must not cut power.

import type { HostRecord, Operation, RecordKey } from "../src/core/records.ts";
import type { Outcome, ProbeResult, Round } from "../src/core/round.ts";
import type { Late } from "../src/watcher/ports.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

export type Seen = {
  readonly host: string;
  readonly startedMs: number;
  readonly atMs: number;
  readonly order: number;
  outcome: Outcome;
  readonly refused: boolean;
  readonly silent: boolean;
  readonly round: Round;
  /** Probes that answered after their time-out. */
  readonly late: Set<string>;
  /** Good, and within an operation that an earlier good one had withdrawn already. */
  readonly recordedOnly: boolean;
};

const KEPT = 400;
const SLACK_MS = 500;

export class Observed {
  readonly #world: World;
  readonly #seen = new Map<string, Seen[]>();
  #passed = new Map<string, Set<string>>();
  /** Hosts with an operation, and how many rounds of theirs have come since. */
  readonly #operating = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The rounds of a host in the present life, oldest first. */
  of(host: string): readonly Seen[] {
    return this.#seen.get(host) ?? [];
  }

  last(host: string): Seen | undefined {
    const seen = this.#seen.get(host);
    return seen === undefined ? undefined : seen[seen.length - 1];
  }

  begins(life: Life): void {
    this.#seen.clear();
    this.#operating.clear();
    this.#passed = new Map();
    for (const policy of life.policy.hosts.values()) this.#learned(policy.name, policy.hash);
  }

  /** Another host hash: what had passed has to pass again. */
  changed(host: string, hash: string): void {
    this.#seen.delete(host);
    this.#learned(host, hash);
  }

  #learned(host: string, hash: string): void {
    const record = this.#world.disk.value<HostRecord>(`host/${host}` as RecordKey);
    this.#passed.set(host, new Set(record?.learned.hash === hash ? record.learned.passed : []));
  }

  round(round: Round, startedMs: number): void {
    const life = this.#world.life as Life;
    const passed = this.#passed.get(round.host) ?? new Set();
    this.#passed.set(round.host, passed);
    if (round.references !== "lost") for (const result of round.results) if (result.outcome === "good") passed.add(result.probe);
    const outcome = this.#judge(round, startedMs, life, passed);
    const seen: Seen = {
      host: round.host, startedMs, atMs: this.#world.timeline.nowMs, order: this.#world.order(),
      outcome,
      refused: round.results.some((result) => result.sign === "refused"),
      silent: round.results.every((result) => (result.outcome === "bad" && result.sign === "silent") || mute(result)),
      round,
      late: new Set(),
      recordedOnly: outcome === "good" && this.#recordedOnly(round.host),
    };
    const list = this.#seen.get(round.host);
    if (list === undefined) this.#seen.set(round.host, [seen]);
    else {
      list.push(seen);
      if (list.length > 2 * KEPT) list.splice(0, KEPT);
    }
    for (const checker of this.#world.checkers.round) checker.round?.(seen);
  }

  late(late: Late): void {
    if (late.hash !== this.#world.life?.policy.hosts.get(late.host)?.hash) return;
    const last = this.last(late.host);
    const passed = this.#passed.get(late.host);
    for (const result of late.results) passed?.add(result.probe);
    if (last === undefined || last.round.startedAtMs !== late.startedAtMs || last.outcome !== "bad" || passed === undefined) return;
    for (const result of late.results) last.late.add(result.probe);
    const policy = this.#world.life?.policy.hosts.get(late.host);
    const all = policy?.probes.filter((probe) => probe.counts && passed.has(probe.id)) ?? [];
    const counting = all.filter((probe) => !last.round.results.some((result) => result.probe === probe.id && mute(result)));
    const answered = counting.filter((probe) => last.late.has(probe.id) || last.round.results.find((result) => result.probe === probe.id)?.outcome === "good").length;
    // What came after its time-out and within the round was slow and not bad.
    if (answered >= Math.max(1, Math.min(policy?.goodNeeded ?? all.length, all.length) - (all.length - counting.length))) last.outcome = "slow";
  }

  /** An operation was intended; one that only switches on has no byte that a good round could withdraw. */
  operationBegins({ host, kind }: Operation): void {
    this.#operating.set(host, kind === "on" ? 1 : 0);
  }

  #recordedOnly(host: string): boolean {
    const rounds = this.#operating.get(host);
    if (rounds === undefined) return false;
    if (rounds > 0 && !this.#world.open.some((operation) => operation.host === host)) {
      this.#operating.delete(host);
      return false;
    }
    this.#operating.set(host, rounds + 1);
    return rounds > 0;
  }

  #judge(round: Round, startedMs: number, life: Life, passed: ReadonlySet<string>): Outcome {
    const policy = life.policy.hosts.get(round.host);
    if (policy === undefined || startedMs < life.startedMs || round.references === "lost") return "unknown";
    if (round.endedAtMs - round.startedAtMs > policy.timeoutMs + SLACK_MS) return "unknown";
    let counting = 0;
    let good = 0;
    let muted = 0;
    for (const probe of policy.probes) {
      if (!probe.counts || !passed.has(probe.id)) continue;
      // Who says nothing is not there: neither his good word nor his bad one is missed.
      if (round.results.some((result) => result.probe === probe.id && mute(result))) {
        muted += 1;
        continue;
      }
      counting += 1;
      if (round.results.find((result) => result.probe === probe.id)?.outcome === "good") good += 1;
    }
    if (counting === 0) return "unknown";
    const needed = policy.goodNeeded === null ? counting : Math.max(1, Math.min(policy.goodNeeded, counting + muted) - muted);
    const outcome = good >= needed ? "good" : "bad";
    if (muted > 0) this.#world.counts.add(`agent: silent in a ${outcome} round`);
    return outcome;
  }
}

/** An agent that says nothing. */
function mute({ probe, outcome }: ProbeResult): boolean {
  return probe === "agent" && outcome === "unknown";
}
