// What people are told of a careful shutdown and of the return of power: one sentence a host, made at the moment of the question
// from what decides (return.ts), so that it cannot promise what would not be done.

import { canBeMetered, meteredOff } from "./metered.ts";
import type { HostPolicy, Policy } from "./policy.ts";
import type { Careful } from "./records.ts";
import { silentForMs } from "./return-ledger.ts";
import { waitsFor } from "./return.ts";
import { carefulOf, notYet, senseOf } from "./site-power.ts";
import type { HostState, State } from "./state.ts";
import type { Now, Stamp } from "./time.ts";
import { ageMs } from "./time.ts";
import { clockOf, inWords } from "./words.ts";

/** `off: careful shutdown of 14:02 UTC (power lost), returns when power has been good for 5 min`. */
export function sayCareful(host: HostState, policy: HostPolicy, state: State, fleet: Policy, now: Now): string {
  const careful = host.record.careful as Careful;
  const head = `careful shutdown of ${clockOf(wallOf(careful.since, now))} UTC (${careful.because})`;
  if (careful.state === "starting") return `being started after the ${head}, begun ${careful.began === null ? "just now" : `${inWords(ageMs(careful.began, now))} ago`}`;
  const went = careful.lastSign === null ? "going off" : "off";
  return `${went}: ${head}, ${comes(host, policy, careful, state, fleet, now)}`;
}

function comes(host: HostState, policy: HostPolicy, careful: Careful, state: State, fleet: Policy, now: Now): string {
  const { haltBoundMs, returnAfterMs } = carefulOf(fleet);
  const sense = senseOf({ state, policy: fleet, now });
  const why = notYet(sense, fleet);
  if (why !== null && careful.asked === null) {
    if (sense.goodForMs !== null) return `returns when that is over: ${why}`;
    return `returns when power has been good for ${inWords(returnAfterMs)}: ${sense.because}`;
  }
  const leftMs = haltBoundMs - silentForMs(host, now);
  if (leftMs > 0 && meteredOff({ state, policy: fleet, now }, host) === null) return `returns when it has given no sign of life for another ${inWords(leftMs)}${canBeMetered(fleet, policy) ? ", or draws nothing" : ""}`;
  const first = waitsFor(state, fleet, now, host.name);
  if (first !== null) return `returns after ${first}`;
  if (host.startRefused !== null) return `not started because of ${host.startRefused.reason}`;
  if (policy.levels.length === 0 && policy.wakes !== true) return "and has neither a power device nor wake-on-LAN: somebody has to switch it on";
  return careful.asked === null ? "its turn to be started comes next" : `its turn to be started comes next, ${careful.asked} wants it`;
}

function wallOf(at: Stamp, now: Now): number {
  return at.bootId === now.bootId ? now.wallMs - (now.bootMs - at.bootMs) : at.wallMs;
}
