// What one look at one mount amounts to: the one place that may call a host unable to persist. Pure.
//
// The invariant: bad with `mayCut` only for a local disk, and only when a write has not come back within the deadline while
// somebody truly waits for the disk in the kernel (state D), or when the kernel has answered with EIO. A full disk, a quota, a
// read-only file system, a network, a frozen file system within its bound, a look that this process was too slow for: none
// of that is cured by power.

import type { FindingVerdict } from "../../core/finding.ts";
import type { Watched } from "./mounts.ts";

export type Step = "write" | "read";

export type Look =
  | { readonly kind: "done"; readonly ms: number }
  | { readonly kind: "failed"; readonly step: Step | "remove"; readonly words: string }
  /** Something else was read than had been written. */
  | { readonly kind: "differs" }
  /** Under way for so long, of which this process was awake; `waiting`: where in the kernel somebody of it waits, or null. */
  | { readonly kind: "overdue"; readonly forMs: number; readonly step: Step; readonly waiting: string | null }
  | { readonly kind: "cannot"; readonly because: string };

export type Limits = { readonly deadlineMs: number; readonly frozenMs: number };

export type Judged = { readonly verdict: FindingVerdict; readonly because: string; readonly mayCut: boolean };

/** strerror(3) of glibc and of musl, in the C locale. */
const ERRORS: readonly (readonly [RegExp, "EIO" | "full" | "read-only"])[] = [
  [/(Input\/output|(?<!Remote )I\/O) error$/, "EIO"],
  [/(No space left on device|[Qq]uota exceeded)$/, "full"],
  [/Read-only file system$/, "read-only"],
];

const NOT_OURS: Readonly<Record<Exclude<Watched["kind"], "local">, string>> = {
  remote: "its disk is across a network", network: "it is a network file system", user: "it is a file system of a program", overlay: "it lies on another one", memory: "it is no disk", unclear: "on which disk it lies is not clear",
};

export function judgeLook(mount: Pick<Watched, "kind" | "readOnly">, look: Look, { deadlineMs, frozenMs }: Limits, evidence: string): Judged {
  const person = (because: string): Judged => ({ verdict: "warn", because, mayCut: false });
  const unknown = (because: string): Judged => ({ verdict: "unknown", because, mayCut: false });
  const broken = (because: string): Judged => (mount.kind === "local" ? { verdict: "bad", because, mayCut: true } : person(`${because}; ${NOT_OURS[mount.kind]}`));
  const beside = evidence === "" ? "" : `; ${evidence}`;
  if (mount.readOnly) return person("it is mounted read-only");
  switch (look.kind) {
    case "done":
      if (look.ms > deadlineMs / 2) return person(`a write took ${inWords(look.ms)} to the disk and back${beside}`);
      return { verdict: "good", because: `a write comes to the disk and back within ${paceOf(look.ms)}`, mayCut: false };
    case "differs":
      return { verdict: "bad", because: "something else was read from the disk than had been written", mayCut: false };
    case "cannot":
      return unknown(look.because);
    case "failed": {
      const kind = ERRORS.find(([words]) => words.test(look.words))?.[1];
      const said = `${look.step === "remove" ? "removing the file of the last look" : look.step === "read" ? "reading back" : "writing"}: ${look.words}`;
      if (kind === "EIO" && look.step !== "remove") return broken(`${said}${beside}`);
      return kind === undefined || look.step === "remove" ? unknown(said) : person(said);
    }
    case "overdue": {
      const what = look.step === "write" ? "a write has not reached the disk" : "what was written has not been read back";
      if (look.waiting === null) return unknown(`${what} for ${inWords(look.forMs)}, and nobody waits for the disk: this machine is too slow for it${beside}`);
      const since = `${what} for ${inWords(look.forMs)} (waits in ${look.waiting})`;
      // sb_start_write, as sleepers show it: fsfreeze(8), a snapshot, dmsetup suspend.
      const frozen = /percpu_rwsem|freeze/.test(look.waiting);
      if (frozen && look.forMs < frozenMs) return person(`${since}: somebody has frozen it${beside}`);
      return look.forMs < deadlineMs ? unknown(since) : broken(`${since}${beside}`);
    }
  }
}

const STEPS_MS = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_600_000];

/** Coarse, so that what stays well stays the same word. */
function paceOf(ms: number): string {
  return inWords(STEPS_MS.find((each) => ms <= each) ?? ms);
}

function inWords(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** When a look that does not end is worth another word: at its deadline, and then ever more seldom. */
export function nextWordMs(forMs: number, { deadlineMs, frozenMs }: Limits): number {
  const doubled = deadlineMs * 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, forMs / deadlineMs))) + 1);
  if (forMs < deadlineMs) return deadlineMs;
  return forMs < frozenMs ? Math.min(doubled, frozenMs) : doubled;
}
