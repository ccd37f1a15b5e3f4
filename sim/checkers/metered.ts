// What the meters told, for the checker of planned shutdowns: a second, naive reading of ADR 28 over every answer that reached the
// watcher. A host that is cut for its return before `haltBound` has been silent, and each of its metered outlets has given less than
// the threshold in every answer for long enough since, in time and without a gap, after it had given plainly more; and unless one of
// its meters lied it has truly halted.

import type { HostRecord } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

type Low = { readonly host: string; readonly key: string; readonly atMs: number };
type Answer = { readonly askedMs: number; readonly atMs: number; readonly watts: number | null };

/** It may have been pressed since the last reading. */
const UNSEEN_MS = 22_000;
/** The watcher counts from before it has logged in, and an answer that took longer than this in all does not count for it; here it is seen from the question on. */
const LOGIN_MS = 10_000;
const PROOF = 2;
const QUARTER_MS = 15 * 60_000;

export type Meters = { readonly heard: NonNullable<Checker["metered"]>; round: NonNullable<Checker["round"]>; spoke(host: string, phase: "pre-fail" | "shutdown" | "normal"): void; announced(host: string, event: string): void; reloaded(): void; halted(host: string, event: string, silentSinceMs: number): boolean; forget(): void };

export function metersHeard(world: World): Meters {
  const answers = new Map<string, Answer[]>();
  const announcedMs = new Map<string, number>();
  /** Told of next to nothing while the host served, by what is known here; and what still has to be seen serving after it. */
  const doubted = new Set<string>();
  const preFail = new Set<string>();
  let lows: readonly Low[] = [];

  /** Nothing was said of its going down, nothing is done to it, and it serves. */
  function serves(host: string): boolean {
    return (world.disk.value<HostRecord>(`host/${host}`)?.careful ?? null) === null && world.observed.last(host)?.outcome === "good" && !world.open.some((operation) => operation.host === host);
  }

  function low(key: string, sinceMs: number, belowWatts: number, forMs: number): boolean {
    const all = answers.get(key) ?? [];
    const since = all.filter(({ askedMs }) => askedMs >= sinceMs - 1);
    // Back from the last one, as far as they are low, in time and close together.
    const row: Answer[] = [];
    for (const each of [...since].reverse()) {
      const plain = each.watts !== null && each.watts >= 0 && each.watts < belowWatts && each.atMs - each.askedMs <= 10_500;
      if (!plain || (row[0] !== undefined && row[0].askedMs - each.askedMs > 15_000 + LOGIN_MS)) break;
      row.unshift(each);
    }
    const [first, last] = [row[0], row.at(-1)];
    if (first === undefined || last === undefined || row.length < 3) return false;
    const proved = all.some(({ askedMs, watts }) => watts !== null && watts >= PROOF * belowWatts && watts < 50_000 && askedMs < first.askedMs && first.askedMs - askedMs <= QUARTER_MS + 1_000);
    return proved && last.askedMs - first.askedMs >= forMs - LOGIN_MS && world.timeline.nowMs - last.askedMs <= 25_000;
  }

  return {
    heard(device, draws, life, askedMs) {
      if (!life.alive) return;
      for (const { outlet, watts } of draws) {
        const key = `${device.name}/${outlet}`;
        answers.set(key, [...(answers.get(key) ?? []), { askedMs, atMs: world.timeline.nowMs, watts }].slice(-400));
        const host = world.hostOf(key)?.name;
        const below = PROOF * (device.spec.policy.metered?.belowWatts ?? 0);
        // What was slow may have counted for nothing.
        if (host !== undefined && device.slow === 0 && device.meter?.manner !== "late" && watts !== null && watts >= 0 && watts < below && !preFail.has(host) && serves(host)) lows = [...lows, { host, key, atMs: world.timeline.nowMs }];
      }
    },
    round(seen) {
      for (const low of lows) {
        if (low.host === seen.host && seen.startedMs > low.atMs && seen.outcome === "good" && serves(low.host) && !preFail.has(low.host)) doubted.add(low.key);
      }
      lows = lows.filter((low) => low.host !== seen.host);
    },
    spoke(host, phase) {
      if (phase === "normal") preFail.delete(host);
      else preFail.add(host);
    },
    announced(host, event) {
      // The first time counts: what is announced again is the same.
      if (!announcedMs.has(`${host} ${event}`)) announcedMs.set(`${host} ${event}`, world.timeline.nowMs);
    },
    halted(host, event, silentSinceMs) {
      const levels = world.spec.policy.hosts.get(host)?.levels ?? [];
      const of = (device: string) => world.devices.get(device)?.spec.policy.metered;
      if (!levels.some((level) => level.length > 0 && level.every(({ device }) => of(device) !== undefined))) return false;
      const sinceMs = Math.max(silentSinceMs, announcedMs.get(`${host} ${event}`) ?? Infinity);
      for (const { device, outlet } of levels.flat()) {
        const metered = of(device);
        if (metered !== undefined && doubted.has(`${device}/${outlet}`)) return false;
        if (metered !== undefined && !low(`${device}/${outlet}`, sinceMs, metered.belowWatts, metered.forMs)) return false;
      }
      world.counts.add("metered: cut before haltBound");
      const truth = world.hosts.get(host);
      const lied = levels.flat().some(({ device }) => (world.devices.get(device)?.meter?.liedMs ?? -Infinity) >= sinceMs);
      if (lied) world.counts.add("metered: by a meter that lied");
      else if (truth !== undefined && truth.condition !== "halted" && truth.condition !== "off" && world.timeline.nowMs - truth.sinceMs > UNSEEN_MS) {
        world.fail("Planned", `${host} is cut before haltBound by meters that told the truth, and it is ${truth.condition}`);
      }
      return true;
    },
    reloaded() {
      doubted.clear();
      lows = [];
    },
    forget() {
      answers.clear();
      doubted.clear();
      preFail.clear();
      lows = [];
    },
  };
}
