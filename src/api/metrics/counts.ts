// What has happened since the process began, as numbers: rounds, lines of the journal, operations, requests. Everything else
// that /metrics shows is worked out from the state when it is asked for. Every set of labels here is bounded by the program
// or by the configuration, never by who asks.

import type { Input, Told } from "../../core/io.ts";
import type { IncidentRecord } from "../../core/records.ts";
import type { State } from "../../core/state.ts";

const ENDS: ReadonlySet<string> = new Set(["recovered", "withdrawn", "held", "done"]);

/** Numbers under a key; keys that are known beforehand begin at zero, so that a rate is seen from the first time on. */
export class Tally {
  readonly #numbers: Map<string, number>;

  constructor(known: readonly string[] = []) {
    this.#numbers = new Map(known.map((key) => [key, 0]));
  }

  add(key: string, by = 1): void {
    this.#numbers.set(key, (this.#numbers.get(key) ?? 0) + by);
  }

  of(key: string): number {
    return this.#numbers.get(key) ?? 0;
  }

  entries(): Iterable<[string, number]> {
    return this.#numbers;
  }
}

export class Counts {
  readonly rounds = new Tally(["good", "slow", "bad", "unknown"]);
  readonly probes = new Tally();
  readonly lines = new Tally();
  readonly operations = new Tally([...ENDS]);
  readonly incidents = new Tally(["recovered", "recovered by itself", "recovered by a remedy", "held"]);
  readonly requests = new Tally();
  #steps = 0;

  /** How many inputs the loop has taken. */
  get steps(): number {
    return this.#steps;
  }

  /** `after`: the state that this input led to. */
  input(input: Input, after: State): void {
    this.#steps += 1;
    if (input.kind !== "round") return;
    const { host, startedAtMs, results } = input.round;
    for (const { probe, outcome } of results) this.probes.add(`${probe}\n${outcome}`);
    // A round of another configuration was not judged.
    const last = after.hosts.get(host)?.last ?? null;
    if (last !== null && last.startedAtMs === startedAtMs) this.rounds.add(last.outcome);
  }

  told({ kind, because }: Told): void {
    this.lines.add(kind);
    // The end of an operation says which; the same words of a host that came back by itself do not.
    if (ENDS.has(kind) && because.startsWith("operation ")) this.operations.add(kind);
  }

  incident({ outcome }: IncidentRecord): void {
    if (outcome !== "open") this.incidents.add(outcome);
  }

  request(status: number): void {
    this.requests.add(String(status));
  }
}
