// Storms as records: begun, ended after `coolDown` of calm with fresh rounds, or let through one by one by a person.

import { over, raise } from "./alarms.ts";
import { freshStorm } from "./fresh.ts";
import type { HostPolicy } from "./policy.ts";
import { fresh, inSet, membersOf, setsOf, stormIn } from "./storm.ts";
import type { StormState, Turn } from "./state.ts";

/** A sum over thousands of hosts is not made anew for each of their rounds. */
const SUM_EVERY_MS = 1_000;
const LARGE = 512;

/**
 * Begins and ends storms in the sets of a host: after each of its rounds, and once more at a swap, because others may have changed
 * since. `for a decision`: large sets, too, whenever they were last summed up.
 */
export function reviewStorms(turn: Turn, policy: HostPolicy, what: "for a decision" | "after a round" = "for a decision"): void {
  for (const set of setsOf(policy)) {
    // A storm of the whole fleet covers its parts: one storm is one message.
    if (turn.state.storms.has(set) || turn.state.storms.has("fleet")) continue;
    if (membersOf(set, turn.policy).length > LARGE) {
      const lately = turn.now.bootMs - (turn.state.summedMs.get(set) ?? -Infinity) < SUM_EVERY_MS;
      if (what === "after a round" && lately) continue;
      turn.patch({ summedMs: new Map(turn.state.summedMs).set(set, turn.now.bootMs) });
    }
    const because = stormIn(set, turn.state, turn.policy, turn.now);
    if (because !== null) startStorm(turn, set, because);
  }
  endStormWhenCalm(turn, setsOf(policy), "may break the calm");
}

function startStorm(turn: Turn, set: string, because: string): void {
  const record = { v: 1 as const, set, because, since: turn.stamp, proceedBy: null, ...(turn.state.fleet === null ? {} : { watcher: turn.policy.watcher }) };
  turn.patch({ storms: new Map(turn.state.storms).set(set, freshStorm(record)) });
  turn.save(`storm/${set}`, record);
  turn.tell("storm", null, `${because}: nothing new is cut`);
  raise(turn, {
    alarm: `storm:${set}`, kind: "storm", severity: "critical", host: null, incident: null,
    happened: `Storm: ${because}.`, done: "Nothing new is cut; what runs is finished.",
    asked: "Look at what they have in common (power, switch, this watcher). To go on one by one: upkeep storm proceed",
  });
}

export function endStormWhenCalm(turn: Turn, sets: readonly string[], after: "may break the calm" | "good round" = "good round"): void {
  for (const set of sets) {
    const storm = turn.state.storms.get(set);
    if (storm === undefined || !isOurs(turn, storm)) continue;
    const lately = turn.now.bootMs - storm.summedMs < SUM_EVERY_MS;
    if (lately && (after === "good round" || storm.calmSinceMs === null)) continue;
    const calm = stormIn(set, turn.state, turn.policy, turn.now) === null && fresh(set, turn.state, turn.policy, turn.now);
    const calmSinceMs = calm ? (storm.calmSinceMs ?? turn.now.bootMs) : null;
    if (calmSinceMs !== null && turn.now.bootMs - calmSinceMs >= turn.policy.brakes.coolDownMs) {
      endStorm(turn, set);
    } else {
      turn.patch({ storms: new Map(turn.state.storms).set(set, { ...storm, calmSinceMs, summedMs: turn.now.bootMs }) });
    }
  }
}

/** Each watcher sees a part of the fleet: who saw the storm come says when it is over, or anybody when he is gone. */
function isOurs(turn: Turn, storm: StormState): boolean {
  const { fleet } = turn.state;
  return fleet === null || storm.watcher === undefined || storm.watcher === turn.policy.watcher || !fleet.alive.has(storm.watcher);
}

export function endStorm(turn: Turn, set: string): void {
  const storms = new Map(turn.state.storms);
  storms.delete(set);
  turn.patch({ storms });
  turn.save(`storm/${set}`, null);
  turn.tell("storm-over", null, `the storm ${inSet(set)} is over`);
  over(turn, `storm:${set}`, `the storm ${inSet(set)} is over`);
}

/** Lets the hosts of every storm through, one at a time. Returns the sets. */
export function proceed(turn: Turn, by: string): readonly string[] {
  const sets: string[] = [];
  for (const [set, storm] of turn.state.storms) {
    if (storm.proceedBy !== null) continue;
    const { calmSinceMs: _, summedMs: __, ...record } = { ...storm, proceedBy: by };
    turn.patch({ storms: new Map(turn.state.storms).set(set, { ...storm, proceedBy: by }) });
    turn.save(`storm/${set}`, record);
    turn.tell("storm-proceed", null, `${by} lets the storm ${inSet(set)} through, one host at a time`);
    sets.push(set);
  }
  return sets;
}
