// An hour of a rack in the core alone: which seconds its hosts look in.

import { beginCareful, freshRecord } from "../../src/core/careful-record.ts";
import type { Careful, CarefulInput, CarefulPolicy } from "../../src/core/careful-record.ts";
import { careful } from "../../src/core/careful.ts";

const HOUR_MS = 3_600_000;

export type HourOfLooks = { readonly jitter: number; /** Looks begun in each second. */ readonly perSecond: readonly number[] };

/** So many hosts at the defaults, all begun in one moment, whose power is good throughout. */
export function hourOfLooks(hosts: number, jitter: number): HourOfLooks {
  const perSecond = Array.from({ length: HOUR_MS / 1_000 }, () => 0);
  for (let host = 0; host < hosts; host += 1) {
    const name = `web${String(host + 1).padStart(2, "0")}`;
    const policy: CarefulPolicy = { host: name, lookEveryMs: 60_000, waitMs: 300_000, jitter, unknownAfterMs: null, afterMs: 0, steadyMs: 60_000, stages: [], stuckMs: 180_000, haltMs: 300_000, observes: null };
    let nowMs = 0;
    const now = (): Parameters<typeof careful>[2] => ({ bootMs: nowMs, wallMs: nowMs, bootId: "b", synced: true });
    let state: Careful = beginCareful(freshRecord(now()));
    let input: CarefulInput = { kind: "start" };
    while (nowMs < HOUR_MS) {
      const step = careful(state, input, now(), policy);
      state = step.state;
      if (step.effects.some(({ kind }) => kind === "look")) {
        const second = Math.floor(nowMs / 1_000);
        perSecond[second] = (perSecond[second] ?? 0) + 1;
        input = { kind: "looked", sensed: { verdict: "good", because: "", charge: null, urgent: false } };
        continue;
      }
      nowMs = step.effects.find((effect) => effect.kind === "wake")?.atMs ?? HOUR_MS;
      input = { kind: "wake" };
    }
  }
  return { jitter, perSecond };
}
