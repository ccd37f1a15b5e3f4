// Whether the site has power, as this watcher knows it (ADR 28): by a signal of its own, or else by an agent that took its own
// shutdown back and serves. Unknown is never good, and good counts only from where it was never in doubt since: after a sleep of this
// process, after a signal that was not read for a minute, it begins again.

import type { Input, PowerSense } from "./io.ts";
import type { CarefulPolicy, Policy } from "./policy.ts";
import { CAREFUL } from "./policy.ts";
import type { State, Turn } from "./state.ts";
import type { Now } from "./time.ts";
import { inWords } from "./words.ts";

/** A sense that was not said again for so long is none. */
const STALE_MS = 60_000;

export type Sense = { readonly state: PowerSense; readonly because: string; readonly charge: number | null; /** Good without a break for so long. */ readonly goodForMs: number | null };

export function carefulOf(policy: Policy): CarefulPolicy {
  return policy.careful ?? CAREFUL;
}

/** Takes the signal in; returns whether power has just been lost. */
export function sensePower(turn: Turn, input: Extract<Input, { kind: "power-sense" }>): boolean {
  const before = turn.state.power;
  const { state, because, charge } = input;
  const unbroken = before !== null && turn.now.bootMs - before.atMs <= STALE_MS ? before.goodSinceMs : null;
  turn.patch({ power: { state, because, charge, atMs: turn.now.bootMs, goodSinceMs: state === "good" ? (unbroken ?? turn.now.bootMs) : null } });
  if (before?.state !== state) turn.tell("power-sense", null, `power is ${state === "unknown" ? "not known to be good" : state}: ${because}`);
  return state === "lost" && before?.state !== "lost";
}

/** Nobody looked for a while: good begins again. */
export function doubtPower(turn: Turn): void {
  const { power } = turn.state;
  if (power !== null && power.goodSinceMs !== null) turn.patch({ power: { ...power, goodSinceMs: turn.now.bootMs } });
  turn.patch({ powerWord: null });
}

export function senseOf({ state, policy, now }: { readonly state: State; readonly policy: Policy; readonly now: Now }): Sense {
  const { power, powerWord } = state;
  const unknown = (because: string): Sense => ({ state: "unknown", because, charge: null, goodForMs: null });
  if (carefulOf(policy).sensed) {
    if (power === null) return unknown("no signal was read yet");
    if (now.bootMs - power.atMs > STALE_MS) return unknown(`the signal was last read ${inWords(now.bootMs - power.atMs)} ago`);
    return { state: power.state, because: power.because, charge: power.charge, goodForMs: power.goodSinceMs === null ? null : now.bootMs - power.goodSinceMs };
  }
  const speaker = powerWord === null ? undefined : state.hosts.get(powerWord.host);
  if (powerWord === null || speaker?.last?.outcome !== "good") return unknown("this watcher has no signal of its own, and no agent has taken its shutdown back");
  return { state: "good", because: `${powerWord.host} has taken its shutdown back and serves`, charge: null, goodForMs: now.bootMs - powerWord.atMs };
}

/** Why nothing is started yet; null: it is time. */
export function notYet(sense: Sense, policy: Policy): string | null {
  const { returnAfterMs, returnCharge } = carefulOf(policy);
  if (sense.state !== "good" || sense.goodForMs === null) return `power is ${sense.state === "lost" ? "lost" : "not known to be good"}: ${sense.because}`;
  if (sense.goodForMs < returnAfterMs) return `power has been good for ${inWords(sense.goodForMs)} of ${inWords(returnAfterMs)}`;
  if (sense.charge !== null && sense.charge < returnCharge) return `the UPS is charged to ${percent(sense.charge)}, less than ${percent(returnCharge)}`;
  return null;
}

function percent(part: number): string {
  return `${Math.floor(part * 100)} %`;
}
