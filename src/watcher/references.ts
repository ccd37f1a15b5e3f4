// The references: neighbours that are never cut, by which this watcher tells its own network from a host's death. One that
// answers, even wrongly or only by its kernel's refusal, is enough: it is our way to the world that is asked for, not
// their health (safety.md §2.1). A refusal at an address of this very machine is our own kernel's, and shows no way to anywhere.
//
// A check serves every round that began before it and comes within a quarter of a second, so a switch that takes a
// thousand hosts down costs four checks a second. A check begun before a round never serves it.

import type { References } from "../core/round.ts";
import type { Probe, ProbeTools } from "../probes/probe.ts";
import type { Clock } from "../process/boot-clock.ts";
import type { Names } from "./names.ts";
import { isOwnAddress } from "./touch.ts";

export type Reference = { readonly address: string; readonly probe: Probe<unknown>; readonly options: unknown };

export type ReferenceCheck = {
  /** Whether a reference answers a check begun at `sinceMs` or later; `none` when there are none. */
  check(sinceMs: number): Promise<References>;
  /** What the last check found; null before the first has ended. */
  last(): References | null;
  close(): void;
};

export type ReferenceDeps = {
  readonly clock: Clock;
  readonly names: Pick<Names, "address">;
  readonly tools: ProbeTools;
  /** Of one check; absent: a second. */
  readonly timeoutMs?: number;
};

/** Rounds that need a check within this time of each other share one. */
const SHARED_MS = 250;

/** Makes the check of a list of references; an empty list is never lost. */
export function createReferences(list: readonly Reference[], deps: ReferenceDeps): ReferenceCheck {
  const { clock } = deps;
  let latest: { readonly begunAtMs: number; readonly found: Promise<References> } | undefined;
  let queued: Promise<References> | undefined;
  let last: References | null = list.length === 0 ? "none" : null;
  const aborts = new Set<AbortController>();
  let closed = false;

  function begin(): Promise<References> {
    const begun = { begunAtMs: clock.nowMs(), found: run() };
    latest = begun;
    void begun.found.then((found) => {
      if (latest === begun) last = found;
    });
    return begun.found;
  }

  function run(): Promise<References> {
    return new Promise((resolve) => {
      const aborter = new AbortController();
      aborts.add(aborter);
      let waitedFor = list.length;
      const takeBack = clock.at(clock.nowMs() + (deps.timeoutMs ?? 1_000), () => end("lost"));
      for (const { address, probe, options } of list) {
        const located = deps.names.address(address);
        const found = "error" in located ? Promise.resolve(null) : probe.run({ host: address, ...located }, options, deps.tools, aborter.signal);
        found.then(
          (finding) => tell(finding !== null && (finding.sign === "answer" || (finding.sign === "refused" && "address" in located && !isOwnAddress(located.address)))),
          () => tell(false),
        );
      }
      function tell(reached: boolean): void {
        waitedFor -= 1;
        if (reached) end("reached");
        else if (waitedFor === 0) end("lost");
      }
      function end(found: References): void {
        if (!aborts.delete(aborter)) return;
        takeBack();
        aborter.abort(new Error("the check is over"));
        resolve(found);
      }
    });
  }

  return {
    check(sinceMs) {
      if (list.length === 0) return Promise.resolve("none");
      if (closed) return Promise.resolve("lost");
      const ageMs = latest === undefined ? Infinity : clock.nowMs() - latest.begunAtMs;
      if (latest === undefined || ageMs >= SHARED_MS) return begin();
      if (latest.begunAtMs >= sinceMs) return latest.found;
      // One was begun a moment ago, but before this round: the next, at most four a second, is for all that come meanwhile.
      queued ??= new Promise((resolve) => {
        clock.at(clock.nowMs() + SHARED_MS - ageMs, () => {
          queued = undefined;
          resolve(closed ? "lost" : begin());
        });
      });
      return queued;
    },
    last: () => last,
    close() {
      closed = true;
      for (const aborter of aborts) aborter.abort(new Error("the watcher is stopping"));
    },
  };
}
