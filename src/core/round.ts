// What one look at one host found. A round is all probes of a host made together; the shell makes it, the core judges it.
//
// `sign` is the shape of the finding, apart from whether it counts as good: a refused connection proves that a kernel runs,
// a silence proves nothing. The core needs the difference to tell an orderly reboot (refused, then silent) from a wedge.

/** good: rightly answered in time. slow: rightly answered after the time-out but within the round. unknown: proves nothing. */
export type Outcome = "good" | "slow" | "bad" | "unknown";

/** answer: the peer spoke (rightly or wrongly). refused: its kernel said no. silent: nothing came. unreachable: a router or our own stack said no. not-run: we could not look. */
export type Sign = "answer" | "refused" | "silent" | "unreachable" | "not-run";

export type ProbeResult = {
  /** The probe's id, unique on its host: `ping`, `ssh`, `tcp:6379`, `dns`, `http`, `http#2` … */
  readonly probe: string;
  readonly outcome: Outcome;
  readonly sign: Sign;
  /** What was seen, short and printable: a banner, an rcode, a status line, an error. Never a secret. At most 200 characters. */
  readonly evidence: string;
  readonly latencyMs: number;
  /** What the probe measured beside; the core judges nothing by it. */
  readonly perfdata?: readonly Measured[];
};

/** A number with its name, as monitoring plugins have it; the HTTP status, for instance. */
export type Measured = { readonly label: string; readonly value: number; readonly unit?: string };

/** reached: one of the references answered a check begun no earlier than the round. none: no references are configured. */
export type References = "reached" | "lost" | "none";

export type Round = {
  readonly host: string;
  /** The host hash under which it was made; a round of another hash is ignored. */
  readonly hash: string;
  /** Boot-time clock, milliseconds. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly references: References;
  readonly results: readonly ProbeResult[];
};
