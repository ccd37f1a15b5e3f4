// A metered off (ADR 28): a host that announced its shutdown counts as halted before `haltBound` once every outlet that tells what
// it draws has told next to nothing for long enough, since the announcement and since the last sign of life. That shortens one
// wait, and nothing else: it begins no operation, earns no off and confirms none, and no fence ever asks it. What is told, and what
// of it is believed, is in meters.ts.

import type { HostPolicy, OutletRef, Policy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { HostState, State } from "./state.ts";
import type { Now } from "./time.ts";
import { ageMs } from "./time.ts";
import { inWords } from "./words.ts";

/** The last reading of a row speaks for the present so long. */
const FRESH_MS = 20_000;
const READINGS_MIN = 3;
/** How long a meter that has told of a true draw is believed. */
const PROVED_FOR_MS = 900_000;

/** Two looks at least, however they are paced. */
export function looksMs(host: HostPolicy): number {
  return 2 * Math.max(host.everyMs, ...host.retryMs) + host.timeoutMs;
}

function tells(policy: Policy): (outlet: OutletRef) => boolean {
  return ({ device }) => policy.devices.get(device)?.metered !== undefined;
}

/** A level is a whole way to cut a host: where all feeds of one are metered, nothing else feeds it. */
export function canBeMetered(policy: Policy, host: HostPolicy): boolean {
  return host.levels.some((level) => level.length > 0 && level.every(tells(policy)));
}

/** Why this host counts as halted although it gave a sign of life lately; null: it does not. */
export function meteredOff({ state, policy, now }: { readonly state: State; readonly policy: Policy; readonly now: Now }, host: HostState): string | null {
  const wanted = policy.hosts.get(host.name);
  const careful = host.record.careful ?? null;
  if (wanted === undefined || careful === null || !host.mute || host.last === null) return null;
  if (!canBeMetered(policy, wanted)) return null;
  // Looked at since, more than once, and in vain.
  if (now.bootMs - host.lastSignMs < looksMs(wanted) || now.bootMs - host.last.startedAtMs > looksMs(wanted)) return null;
  const fromMs = Math.max(host.lastSignMs, now.bootMs - ageMs(careful.since, now));
  const said: string[] = [];
  for (const outlet of wanted.levels.flat().filter(tells(policy))) {
    const { belowWatts = 0, forMs = Infinity } = policy.devices.get(outlet.device)?.metered ?? {};
    const draw = state.meters.get(outlet.device)?.draws.get(outlet.outlet);
    const lows = (draw?.lows ?? []).filter((atMs) => atMs >= fromMs);
    const [first = 0, last = 0] = [lows[0], lows.at(-1)];
    const provedMs = draw?.provedMs ?? -Infinity;
    if (draw === undefined || draw.doubted || lows.length < READINGS_MIN || last - first < forMs || now.bootMs - last > FRESH_MS || first - provedMs > PROVED_FOR_MS) return null;
    said.push(`${outletKey(outlet)} gives ${Math.round(draw.watts ?? 0)} W, and less than ${belowWatts} W for ${inWords(last - first)}`);
  }
  return said.join("; ");
}

/** What an outlet gave when it was last told, for people. */
export function wattsAt(state: State, { device, outlet }: OutletRef): number | null {
  return state.meters.get(device)?.draws.get(outlet)?.watts ?? null;
}
