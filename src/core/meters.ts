// What power devices tell of what their outlets give, and what of it is believed (ADR 28): asked as often as a device is checked, and
// every few seconds where it may shorten a wait (metered.ts).
//
// Everything that is not plainly "next to nothing" ends the row and it begins anew: a draw that comes back, a reading that is
// missing, late or nonsense, a gap. And a meter has to be proved: within the last quarter of an hour it has told, to this process,
// that the same outlet draws well more, and never that it draws less while its host served: so one that is stuck at zero, that tells
// of another outlet, or that hangs on a machine which needs next to nothing at rest shortens no wait.

import type { Input } from "./io.ts";
import { ours } from "./devices.ts";
import { looksMs, meteredOff } from "./metered.ts";
import type { HostPolicy, Policy } from "./policy.ts";
import { carefulOf } from "./site-power.ts";
import type { DeviceMeter, Draw, HostState, Turn } from "./state.ts";
import { inWords } from "./words.ts";

/** While it may shorten a wait, an outlet is metered so often; else as often as the device is checked. */
const EVERY_MS = 5_000;
/** An answer that took longer says nothing of the present. */
const LATE_MS = 10_000;
/** Readings that are further apart are no row: between them anything may have been drawn. */
const GAP_MS = 15_000;
/** A row is never longer than that: more than the longest `for` at the pace of metering. */
const READINGS_MAX = 128;
/** Times the threshold: what proves a meter. */
const PROOF = 2;
/** No outlet gives more; what tells so is broken. */
const WATTS_MAX = 20_000;

const FRESH: DeviceMeter = { asked: null, lastMs: -Infinity, allMs: -Infinity, unknown: null, draws: new Map() };

type Metered = ReadonlyMap<string, { readonly outlets: readonly string[]; readonly hosts: readonly HostPolicy[] }>;
const known = new WeakMap<Policy, Metered>();

/** Devices that tell what is drawn, where that is asked for; what is asked there, and for whom. */
function meteredOf(policy: Policy): Metered {
  let found = known.get(policy);
  if (found === undefined) {
    const made = new Map<string, { outlets: string[]; hosts: HostPolicy[] }>();
    for (const host of [...policy.devices.values()].some(({ metered }) => metered !== undefined) ? policy.hosts.values() : []) {
      for (const { device, outlet } of host.levels.flat()) {
        if (policy.devices.get(device)?.metered === undefined) continue;
        const one = made.get(device) ?? { outlets: [], hosts: [] };
        made.set(device, { outlets: [...new Set([...one.outlets, outlet])], hosts: [...new Set([...one.hosts, host])] });
      }
    }
    known.set(policy, (found = made));
  }
  return found;
}

/** Asks what is due; harmless at any time. */
export function meterWhenDue(turn: Turn): void {
  if (turn.state.stopping) return;
  const { bootMs: nowMs } = turn.now;
  for (const [name, { outlets, hosts }] of meteredOf(turn.policy)) {
    doubt(turn, name, hosts);
    const meter = turn.state.meters.get(name) ?? FRESH;
    if (meter.asked !== null || nowMs < meter.lastMs + EVERY_MS || !ours(turn, name)) continue;
    const all = nowMs >= meter.allMs + (turn.policy.devices.get(name)?.checkEveryMs ?? 0);
    const shortens = hosts.filter((host) => mayShorten(turn, host.name)).flatMap((host) => host.levels.flat().filter(({ device }) => device === name).map(({ outlet }) => outlet));
    const asked = all ? outlets : outlets.filter((outlet) => shortens.includes(outlet));
    if (asked.length === 0) continue;
    const id = turn.id();
    patch(turn, name, { ...meter, asked: { id, outlets: asked }, allMs: all ? nowMs : meter.allMs });
    turn.emit({ kind: "meter", meter: id, device: name, outlets: asked, because: all ? `does ${name} tell what is drawn?` : "is what was shut down with care still drawing power?", cause: turn.state.lastCause });
  }
}

/** It is about to go down, or down and waited for. */
function mayShorten(turn: Turn, name: string): boolean {
  const host = turn.host(name);
  if (host === undefined) return false;
  const careful = host.record.careful ?? null;
  if (careful === null) return host.word === "pre-fail";
  if (turn.now.bootMs - host.lastSignMs >= carefulOf(turn.policy).haltBoundMs) return false;
  return careful.state === "off" || (host.operation !== null && turn.state.operations.get(host.operation)?.phase === "intended");
}

/** What a device tells of what it gives. */
export function metered(turn: Turn, { meter: id, device: name, startedAtMs, result }: Extract<Input, { kind: "metered" }>): void {
  const meter = turn.state.meters.get(name);
  const below = turn.policy.devices.get(name)?.metered?.belowWatts;
  if (meter === undefined || meter.asked?.id !== id || below === undefined) return;
  const tookMs = turn.now.bootMs - startedAtMs;
  const why = !result.ok ? result.evidence : tookMs > LATE_MS ? `it took ${inWords(tookMs)} to answer` : null;
  const draws = new Map(meter.draws);
  let unknown = why;
  for (const outlet of meter.asked.outlets) {
    const told = result.ok && why === null ? (result.draws.filter((each) => each.outlet === outlet)) : [];
    const watts = told.length === 1 ? plausible(told[0]?.watts ?? null) : null;
    if (watts === null) unknown ??= `nothing that can be believed of outlet ${outlet}`;
    const serves = (meteredOf(turn.policy).get(name)?.hosts ?? []).some((host) => feeds(host, name, outlet) && servesOn(turn.host(host.name)));
    draws.set(outlet, read(draws.get(outlet), watts, startedAtMs, below, serves));
  }
  patch(turn, name, { ...meter, asked: null, lastMs: turn.now.bootMs, unknown, draws });
  if (unknown !== null && meter.unknown === null) turn.tell("metered", null, `${name} does not tell what is drawn: ${unknown}`);
  if (unknown === null && meter.unknown !== null) turn.tell("metered", null, `${name} tells what is drawn again`);
  for (const host of meteredOf(turn.policy).get(name)?.hosts ?? []) tellHalted(turn, host.name);
}

/** Null: no number that could be true of an outlet. */
function plausible(watts: number | null): number | null {
  return watts !== null && watts >= 0 && watts <= WATTS_MAX ? watts : null;
}

function feeds(host: HostPolicy, device: string, outlet: string): boolean {
  return host.levels.flat().some((each) => each.device === device && each.outlet === outlet);
}

/** Nothing has been said of its going down, and it serves. */
function servesOn(host: HostState | undefined): boolean {
  return host !== undefined && (host.record.careful ?? null) === null && host.word !== "pre-fail" && host.operation === null && host.last?.outcome === "good";
}

/** It told of next to nothing, and the host has served since: what it tells does not know a machine that runs from one that has halted. */
function doubt(turn: Turn, device: string, hosts: readonly HostPolicy[]): void {
  for (const [outlet, draw] of turn.state.meters.get(device)?.draws ?? []) {
    const { served: low } = draw;
    if (low === null) continue;
    const fed = hosts.filter((host) => feeds(host, device, outlet));
    const served = fed.some((host) => servesOn(turn.host(host.name)) && (turn.host(host.name)?.last?.startedAtMs ?? -Infinity) > low.atMs);
    if (!served && turn.now.bootMs - low.atMs <= Math.max(...fed.map(looksMs))) continue;
    const meter = turn.state.meters.get(device) as DeviceMeter;
    patch(turn, device, { ...meter, draws: new Map(meter.draws).set(outlet, { ...draw, served: null, doubted: draw.doubted || served }) });
    if (served && !draw.doubted) turn.tell("metered", null, `${device}/${outlet} gave ${Math.round(low.watts)} W while ${fed.map(({ name }) => name).join(" and ")} served: what it gives does not tell a machine that has halted`);
  }
}

function read(before: Draw | undefined, watts: number | null, startedAtMs: number, below: number, serves: boolean): Draw {
  const row = before === undefined || startedAtMs - (before.lows.at(-1) ?? -Infinity) > GAP_MS ? [] : before.lows;
  return {
    watts,
    lows: watts !== null && watts < below ? [...row, startedAtMs].slice(-READINGS_MAX) : [],
    provedMs: watts !== null && watts >= PROOF * below ? startedAtMs : (before?.provedMs ?? null),
    served: watts !== null && watts < PROOF * below && serves ? { atMs: startedAtMs, watts } : (before?.served ?? null),
    doubted: before?.doubted ?? false,
  };
}

function tellHalted(turn: Turn, name: string): void {
  const host = turn.host(name);
  if (host === undefined) return;
  const off = meteredOff(turn, host);
  if ((off !== null) === host.drawsNothing) return;
  turn.patchHost(name, { drawsNothing: off !== null });
  if (off !== null) turn.tell("metered", name, `halted, ${inWords(turn.now.bootMs - host.lastSignMs)} after its last sign of life: ${off}`);
  else if (host.record.careful?.state === "off") turn.tell("metered", name, "what it draws does not tell any more that it has halted: it is waited for");
}

function patch(turn: Turn, device: string, meter: DeviceMeter): void {
  turn.patch({ meters: new Map(turn.state.meters).set(device, meter) });
}
