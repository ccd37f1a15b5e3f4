// Several watchers tell the same of an outage, also one that does not look at the host itself: incidents and words of the
// others reach every history.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AvailabilityParts, Seen } from "../availability.ts";
import { measure } from "../availability.ts";
import type { IncidentRecord } from "../records.ts";
import type { Standing } from "../standing.ts";
import { NOT_KNOWN, standingChanges } from "../standing.ts";
import { hostPolicy } from "./hand.ts";
import type { Watcher } from "./several.ts";
import { Site } from "./several.ts";

/** What the history of one watcher has: how hosts stand, look by look, and the incidents that it was told of. */
class Witness {
  readonly watcher: Watcher;
  readonly seen: Seen[] = [];
  #standings: ReadonlyMap<string, Standing> = new Map();
  #lastMs: number | null = null;

  constructor(watcher: Watcher) {
    this.watcher = watcher;
  }

  look(): void {
    const nowMs = this.watcher.now().wallMs;
    const before = this.#lastMs;
    if (!this.watcher.state.started || !this.watcher.running) {
      this.#lastMs = null;
      this.#standings = new Map();
      return;
    }
    const is = this.#standings.get("logos") ?? NOT_KNOWN;
    if (before !== null) this.seen.push({ fromMs: before, toMs: nowMs, ...is });
    this.#standings = standingChanges(this.watcher.state, this.watcher.policy, this.#standings, before ?? nowMs, nowMs).standings;
    this.#lastMs = nowMs;
  }

  measured(fromMs: number, toMs: number): AvailabilityParts {
    const incidents = new Map<string, IncidentRecord>();
    for (const { record } of this.watcher.of("incident")) incidents.set(record.incident, record);
    return measure(this.seen, [...incidents.values()], [{ fromMs, toMs }], toMs)[0] as AvailabilityParts;
  }
}

test("three watchers, one of which looks: the same outage to the millisecond", () => {
  const site = Site.running(3, [hostPolicy({ name: "logos", probes: [{ id: "ssh", counts: true }], bootMs: 60_000 })], { observers: 1 });
  const witnesses = site.watchers.map((watcher) => new Witness(watcher));
  const pass = (ms: number): void => {
    for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
      for (const witness of witnesses) witness.look();
      site.pass(5_000);
    }
    for (const witness of witnesses) witness.look();
  };
  pass(60_000);
  const fromMs = site.watchers[0]?.now().wallMs ?? 0;
  site.wedge("logos");
  pass(300_000);
  const toMs = site.watchers[0]?.now().wallMs ?? 0;
  assert.deepEqual(site.offs(), ["sucker/2"]);
  const found = witnesses.map((witness) => witness.measured(fromMs, toMs));
  for (const parts of found) {
    assert.deepEqual([parts.outages, parts.unknownMs, parts.plannedMs], [1, 0, 0]);
    assert.ok(parts.causes.detect > 0 && parts.causes.boot > 0);
    assert.deepEqual(parts, found[0]);
  }
});
