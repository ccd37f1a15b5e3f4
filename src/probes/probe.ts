// The port to one way of looking at a host. A probe asks once and says what it found; it has no time-out of its own, no
// retry and no opinion on the host. The round runner (watcher/rounds.ts) races it against the time-out, lets it go on
// until the round ends so that a late answer is seen as slow, and then aborts it: an abort must free every resource at once.

import type { HostFinding } from "../core/finding.ts";
import type { Measured, Outcome, Sign } from "../core/round.ts";

export type Target = {
  readonly host: string;
  /** A numeric address, already resolved. */
  readonly address: string;
  readonly family: 4 | 6;
  /** The address as it stands in the configuration, where that is a name. */
  readonly configured?: string;
};

export type { Measured };

export const PERFDATA_MAX = 16;

export type Finding = {
  readonly outcome: Exclude<Outcome, "slow">;
  readonly sign: Sign;
  /** Short and printable, at most 200 characters; control characters escaped. */
  readonly evidence: string;
  /** How long the answer took by the probe's own measure; absent: the round's, from its start to this finding. */
  readonly latencyMs?: number;
  /** What was measured beside, for the history; nothing is judged by it. The first PERFDATA_MAX are kept. */
  readonly perfdata?: readonly Measured[];
};

/** What a probe may use of the watcher: the shared ping sockets, names from its cache, what it knows of its clock. Made once. */
export type ProbeTools = {
  readonly icmp: Icmp;
  /** Whether this machine's wall clock is synchronised, by its kernel's word; absent: not known. */
  clockSynced?(): boolean;
  /** A name's numeric address from the watcher's cache, at once; absent: names other than the host's own are not looked up. */
  resolve?(name: string): { readonly address: string; readonly family: 4 | 6 } | { readonly error: string };
  /** What the agents of hosts have told this watcher; absent: it has no door for agents. */
  readonly agents?: HeardAgents;
};

/** The last word of each agent that is connected now. */
export type HeardAgents = {
  heard(host: string): HeardAgent | { readonly silent: string };
};

export type HeardAgent = {
  /** How long ago its last heartbeat or change came, by this watcher's clock. */
  readonly ageMs: number;
  /** How often it promises to be heard. */
  readonly heartbeatMs: number;
  readonly findings: readonly HostFinding[];
};

/** One shared ping socket per address family. `null` from echo: not permitted on this machine. */
export type Icmp = {
  /** Resolves with the round trip in milliseconds of the first reply out of `count` requests; rejects when aborted. */
  echo(target: Target, count: number, signal: AbortSignal): Promise<number>;
  /** Why echo cannot be used for this family, or null. */
  refusal(family: 4 | 6): string | null;
  close(): void;
};

export type Probe<Options> = {
  readonly name: string;
  /** False: it shows that a network stack lives, not that the host serves (ping). */
  readonly service: boolean;
  /** What it waits for, as a noun, for the evidence of a time-out: `no banner within 1000 ms`. Absent: answer. */
  readonly awaits?: string;
  /** The TCP port that it uses: where the host is asked for a sign of life after its power was cut. Absent or null: none. */
  port?(options: Options): number | null;
  /** Why this machine cannot look in this way, as far as that is known before: said at the start. Absent or null: it can. */
  refusal?(options: Options, tools: ProbeTools): string | null;
  /**
   * Resolves with what was found; rejects only when aborted. Errors of the network are findings.
   * `progress` is told how far it came (`connected`), so that the evidence of a time-out can say it; and, where this watcher
   * itself keeps the look waiting, for how long so far (`heldMs`; Infinity: it still does): its time-out proves nothing then.
   */
  run(target: Target, options: Options, tools: ProbeTools, signal: AbortSignal, progress?: (text: string, heldMs?: number) => void): Promise<Finding>;
};
