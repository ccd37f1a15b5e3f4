// Keeping one thing running on its own host: a unit, a container, a program. It is started again where it is when it does not run, or runs
// and does not serve; slower from time to time; and given up, aloud, when that does not help. Pure: the agent looks and acts.
//
// What holds whatever happens: nothing is started that may be running (a stop that is not known to have succeeded is followed by
// no start, and who cannot look does nothing); at most `tries` starts in any `withinMs`; a person's stop is left alone.

export type KeepPolicy = {
  readonly name: string;
  /** So many bad looks in a row are a failure. */
  readonly threshold: number;
  /** After our start so long to become good. */
  readonly startupMs: number;
  /** Before a start; doubled with each that did not last for `stableMs`. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  readonly stableMs: number;
  readonly tries: number;
  readonly withinMs: number;
  /** Also what somebody stopped in order is started again. */
  readonly always: boolean;
};

export type KeepPhase = "watching" | "waiting" | "stopping" | "starting" | "given-up";

/** Times are of the boot-time clock; a record of another boot is none. */
export type KeepRecord = {
  readonly phase: KeepPhase;
  /** Our starts within the window. */
  readonly starts: readonly number[];
  /** Starts in a row that did not last. */
  readonly row: number;
  /** Bad looks in a row. */
  readonly bad: number;
  readonly goodSinceMs: number | null;
  /** Our last start, until it has been good. */
  readonly startedMs: number | null;
  /** When the next start is due; while waiting. */
  readonly dueMs: number | null;
  /** We have stopped it, or are about to start it: that it does not run is nobody's wish. */
  readonly ours: boolean;
  /** It has run in this boot of the machine. */
  readonly ran: boolean;
  readonly because: string;
};

export type Seen = {
  /** `stopped`: in order, by somebody. `forgotten`: whoever manages it does not remember that it ever ran. `changing`: by itself or by whoever manages it. */
  readonly state: "up" | "down" | "stopped" | "forgotten" | "changing" | "unknown";
  /** By the probe; `none`: there is none. */
  readonly health: "good" | "bad" | "unknown" | "none";
  readonly evidence: string;
};

export type KeepInput =
  | { readonly kind: "look"; readonly seen: Seen; /** Why nothing may be done now: held by a person, or what it needs does not run. */ readonly held: string | null }
  | { readonly kind: "stopped" | "started"; readonly ok: boolean; readonly evidence: string }
  /** The agent that was about to act is gone; what became of the act is not known. */
  | { readonly kind: "resumed" }
  /** A person lets it go. */
  | { readonly kind: "release" };

export type KeepEffect = { readonly kind: "stop" | "start"; readonly because: string };

export type KeepWord = { readonly verdict: "good" | "warn" | "bad" | "unknown"; readonly because: string };

export type KeepTurn = { readonly record: KeepRecord; /** At most one; its result is the next input. */ readonly effect: KeepEffect | null; /** Null: as before. */ readonly word: KeepWord | null };

export const KEEP_FRESH: KeepRecord = { phase: "watching", starts: [], row: 0, bad: 0, goodSinceMs: null, startedMs: null, dueMs: null, ours: false, ran: false, because: "" };

export function keep(record: KeepRecord, input: KeepInput, nowMs: number, policy: KeepPolicy): KeepTurn {
  switch (input.kind) {
    case "release": {
      const word: KeepWord = { verdict: "unknown", because: "let go: it is looked at anew" };
      // An act under way is not forgotten.
      return { record: record.phase === "stopping" || record.phase === "starting" ? { ...record, starts: [], row: 0 } : { ...KEEP_FRESH, ours: record.ours || record.phase === "given-up", ran: record.ran }, effect: null, word };
    }
    case "resumed":
      return { record: record.phase === "stopping" || record.phase === "starting" ? { ...record, phase: "watching", dueMs: null } : record, effect: null, word: null };
    case "stopped":
      if (input.ok) return begin(record, nowMs, record.because);
      // Two of it would be worse than none.
      return { record: { ...record, phase: "watching" }, effect: null, word: { verdict: "bad", because: `cannot be stopped, so it is not started again: ${input.evidence}` } };
    case "started":
      return input.ok ? { record: { ...record, phase: "watching", ours: false }, effect: null, word: { verdict: "warn", because: `started again: ${record.because}` } }
        : { record: { ...record, phase: "watching" }, effect: null, word: { verdict: "warn", because: `the start failed: ${input.evidence}` } };
    case "look":
      return look(record, input.seen, input.held, nowMs, policy);
  }
}

/** When to look again. A start that is due and could not be made, because nobody can tell how it stands, is no reason to look without a pause. */
export function nextLookMs({ dueMs }: KeepRecord, nowMs: number, everyMs: number): number {
  return dueMs !== null && dueMs > nowMs ? Math.min(nowMs + everyMs, dueMs) : nowMs + everyMs;
}

function look(before: KeepRecord, seen: Seen, held: string | null, nowMs: number, policy: KeepPolicy): KeepTurn {
  const { state, health, evidence } = seen;
  const stays = (record: KeepRecord, verdict: KeepWord["verdict"], because: string): KeepTurn => ({ record, effect: null, word: { verdict, because } });
  if (state === "unknown" || state === "changing") return stays(before, "unknown", evidence);
  // systemd forgets a unit that was stopped in order and that nothing else refers to, and remembers one that failed.
  const inOrder = state === "stopped" || (state === "forgotten" && before.ran);
  const left = inOrder && !before.ours && !policy.always;
  if (left) return stays({ ...before, phase: "watching", dueMs: null, bad: 0, goodSinceMs: null, startedMs: null, row: 0 }, "warn", `${evidence}: left alone, somebody stopped it in order`);
  const up = state === "up";
  if (up && health === "unknown") return stays(before, "unknown", `it runs, and cannot be probed: ${evidence}`);
  if (up && health !== "bad") {
    const goodSinceMs = before.goodSinceMs ?? nowMs;
    const stable = nowMs - goodSinceMs >= policy.stableMs;
    const record: KeepRecord = { ...before, goodSinceMs, startedMs: null, bad: 0, row: stable ? 0 : before.row, ours: false, ran: true };
    if (before.phase !== "given-up") return stays({ ...record, phase: "watching", dueMs: null }, "good", evidence);
    return stable ? stays({ ...record, phase: "watching", dueMs: null, starts: [] }, "good", evidence) : stays(record, "bad", `given up (${before.because}); it runs now`);
  }
  if (before.phase === "given-up") return stays({ ...before, goodSinceMs: null }, "bad", before.because);
  if (up) {
    if (before.startedMs !== null && nowMs - before.startedMs < policy.startupMs) return stays(before, "warn", `starting: ${evidence}`);
    const bad = Math.min(before.bad + 1, policy.threshold);
    const record: KeepRecord = { ...before, bad, goodSinceMs: null };
    if (bad < policy.threshold) return stays(record, "warn", `${bad} of ${policy.threshold} bad looks: ${evidence}`);
    return failed(record, up, evidence, held, nowMs, policy);
  }
  return failed({ ...before, bad: 0, goodSinceMs: null }, up, evidence, held, nowMs, policy);
}

/** It does not run, or does not serve. */
function failed(record: KeepRecord, up: boolean, because: string, held: string | null, nowMs: number, policy: KeepPolicy): KeepTurn {
  const starts = record.starts.filter((atMs) => nowMs - atMs < policy.withinMs);
  if (held !== null) return { record: { ...record, starts, phase: "watching", dueMs: null }, effect: null, word: { verdict: "warn", because: `${because}; ${held}` } };
  if (record.phase !== "waiting" || record.dueMs === null) {
    if (starts.length >= policy.tries) {
      const why = `given up after ${starts.length} starts: ${because}`;
      return { record: { ...record, starts, phase: "given-up", dueMs: null, because: why }, effect: null, word: { verdict: "bad", because: why } };
    }
    const waitMs = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(record.row, 30));
    const waiting: KeepRecord = { ...record, starts, phase: "waiting", dueMs: nowMs + waitMs, because };
    return waitMs > 0 ? { record: waiting, effect: null, word: { verdict: "warn", because: `${because}; started again in ${inSeconds(waitMs)}` } } : act(waiting, up, nowMs);
  }
  if (nowMs < record.dueMs) return { record: { ...record, starts }, effect: null, word: null };
  return act({ ...record, starts }, up, nowMs);
}

function act(record: KeepRecord, up: boolean, nowMs: number): KeepTurn {
  if (!up) return begin(record, nowMs, record.because);
  // The stop counts as a start: what cannot be stopped is not tried for ever.
  return { record: { ...record, phase: "stopping", ours: true, dueMs: null, starts: [...record.starts, nowMs], row: record.row + 1 }, effect: { kind: "stop", because: record.because }, word: { verdict: "warn", because: `is stopped, to be started again: ${record.because}` } };
}

function begin(record: KeepRecord, nowMs: number, because: string): KeepTurn {
  // Counted when it was to be stopped. A pause that an agent's end or a hold cut short is no start, and doubles nothing.
  const [starts, row] = record.phase === "stopping" ? [record.starts, record.row] : [[...record.starts, nowMs], record.row + 1];
  return { record: { ...record, phase: "starting", ours: true, dueMs: null, starts, row, startedMs: nowMs, goodSinceMs: null, bad: 0, because }, effect: { kind: "start", because }, word: { verdict: "warn", because: `is started again: ${because}` } };
}

function inSeconds(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 100) / 10} s` : `${Math.round(ms / 60_000)} min`;
}
