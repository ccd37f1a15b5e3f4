// What the tests with several watchers share: settings as short as they may be, looks at the fleet through each watcher's own
// socket, and the judgement of the PDU's log. A status is used to know when something is so, and never as the proof that
// nothing was cut twice: that is the log's.

import assert from "node:assert/strict";
import type { LogRecord, RecordOf } from "../lab/apc-pdu.ts";
import type { Fleet, FleetOptions, FleetWatcher } from "../lab/fleet.ts";
import { startFleet } from "../lab/fleet.ts";
import type { HostStatus, Incident, Status } from "./watching.ts";
import { ask, assertPolite, overlapsOf, recordsOf, until } from "./watching.ts";

export const EVERY_MS = 1_000;
export const TIMEOUT_MS = 500;
export const THRESHOLD = 3;
export const TTL_MS = 3_000;
/** `deadline` of the PDU in the configuration. */
export const MAX_ACT_MS = 5_000;
export const BOOT_MS = 20_000;
/** Log in, read, act and read again, on a machine that has better things to do. */
export const LOGIN_MS = 3_000;
/** Longest time without power after our off, with whatever happened to who let it go off (safety.md §5.7), and what a busy machine adds. */
export const OWED_MS = TTL_MS + MAX_ACT_MS + 2 * LOGIN_MS + 2_000 + 10_000;
/** Long enough for any watcher that means to cut. */
export const TEMPTED_MS = (THRESHOLD + 3) * EVERY_MS + TTL_MS + MAX_ACT_MS + LOGIN_MS;
/** From a host's death to the off where a successor has to take over and re-earn it. */
export const PATIENCE_MS = 90_000;

export const SETTINGS = `observers: 3
lone: hold
brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000, perHost: { cycles: 100, within: 0s } }
defaults: { every: ${EVERY_MS}ms, timeout: ${TIMEOUT_MS}ms, threshold: ${THRESHOLD}, debounce: 5s, boot: ${BOOT_MS}ms, offFor: 1s, healthyFor: 1s, settle: 2s, offConfirm: 10s, onConfirm: 10s }
`;
export const DEVICE = `check: 10s, timeout: 2s, deadline: ${MAX_ACT_MS}ms`;

/** A fleet with its watchers started, everything guarded everywhere. */
export async function startSeveral(options: Partial<FleetOptions> = {}): Promise<Fleet> {
  const fleet = await startFleet({ settings: SETTINGS, device: DEVICE, ...options });
  try {
    await Promise.all(fleet.watchers.map((watcher) => watcher.start()));
    await guardedEverywhere(fleet);
    return fleet;
  } catch (error) {
    const said = logs(fleet);
    await fleet.stop();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${said}`, { cause: error });
  }
}

export function statusAt(watcher: FleetWatcher): Promise<Status | null> {
  // One that is stopped accepts and says nothing.
  return watcher.running && !watcher.paused ? ask<Status>(watcher, "/v1/status") : Promise.resolve(null);
}

export async function hostAt(watcher: FleetWatcher, host: string): Promise<HostStatus | undefined> {
  return (await statusAt(watcher))?.hosts.find((each) => each.host === host);
}

/** Waits until every watcher that runs says of every host, or of these, that it is guarded, and that nothing is under way. */
export function guardedEverywhere(fleet: Fleet, hosts: readonly string[] = [...fleet.hosts.keys()], limitMs = PATIENCE_MS, watchers: readonly FleetWatcher[] = fleet.watchers): Promise<void> {
  return calmEverywhere(fleet, hosts, limitMs, watchers, true);
}

/** As above; a host that has just been cut is not guarded before `boot` has passed, and nothing is under way all the same. */
async function calmEverywhere(fleet: Fleet, hosts: readonly string[], limitMs: number, watchers: readonly FleetWatcher[], guarded: boolean): Promise<void> {
  let seen = "";
  const calm = async (watcher: FleetWatcher): Promise<boolean> => {
    const status = await statusAt(watcher);
    const here = hosts.map((name) => status?.hosts.find((each) => each.host === name));
    seen += `${watcher.name}: ${status === null ? "no answer" : here.map((host) => `${host?.host} ${host?.verdict}, in charge ${host?.inCharge}, ${host?.guarded === true ? "guarded" : host?.why}${host?.operation ? `, ${host.operation.phase}` : ""}${host?.incident ? `, incident ${host.incident}` : ""}`).join("; ")}\n`;
    return here.every((host) => host !== undefined && (host.guarded || !guarded) && host.operation === null && host.incident === null && host.verdict === "up");
  };
  await until(`${guarded ? "guarded" : "calm"} at every watcher: ${hosts.join(", ")}`, async () => {
    seen = "";
    return (await Promise.all(watchers.map(calm))).every((is) => is);
  }, limitMs, 250).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${seen}`);
  });
}

/** The watcher in charge of a host by the word of one that runs; waits until there is one that lives. */
export function inCharge(fleet: Fleet, host: string, asked: readonly FleetWatcher[] = fleet.watchers): Promise<FleetWatcher> {
  return until(`somebody is in charge of ${host}`, async () => {
    for (const watcher of asked) {
      const name = (await hostAt(watcher, host))?.inCharge;
      const found = fleet.watchers.find((each) => each.name === name);
      if (found?.running === true) return found;
    }
    return null;
  }, PATIENCE_MS, 50);
}

export function others(fleet: Fleet, ...not: readonly FleetWatcher[]): readonly FleetWatcher[] {
  return fleet.watchers.filter((each) => !not.includes(each));
}

/** Waits until this watcher knows of an operation on the host in one of these phases. */
export function phaseAt(watcher: FleetWatcher, host: string, phases: readonly string[], limitMs = PATIENCE_MS): Promise<string> {
  return until(`${host} is ${phases.join(" or ")}`, async () => {
    const phase = (await hostAt(watcher, host))?.operation?.phase;
    return phase !== undefined && phases.includes(phase) ? phase : null;
  }, limitMs, 15);
}

/** Incidents of a host that any watcher knows, by the latest that is told of each. */
export async function incidentsAnywhere(fleet: Fleet, host?: string): Promise<ReadonlyMap<string, Incident>> {
  const found = new Map<string, Incident>();
  for (const watcher of fleet.watchers.filter((each) => each.running && !each.paused)) {
    for (const incident of (await ask<readonly Incident[]>(watcher, "/v1/incidents?limit=1000")) ?? []) {
      if ((host === undefined || incident.host === host) && (found.get(incident.incident)?.ended ?? null) === null) found.set(incident.incident, incident);
    }
  }
  return found;
}

/** Edges of one outlet since a mark. */
export function edgesAt(fleet: Fleet, host: string, mark = 0): readonly RecordOf<"edge">[] {
  return recordsOf(fleet.records.slice(mark), "edge").filter((edge) => edge.outlet === fleet.outlet(host));
}

/** Waits for an edge at a host's outlet, and until power has come there: the device tells of it before the host feels it. */
export async function edge(fleet: Fleet, host: string, state: "on" | "off", mark: number, limitMs = PATIENCE_MS): Promise<RecordOf<"edge">> {
  const found = await until(`${host}'s outlet goes ${state}`, () => edgesAt(fleet, host, mark).find((each) => each.state === state), limitMs, 10);
  if (state === "on" && edgesAt(fleet, host, mark).at(-1)?.state === "on") await until(`${host} has power`, () => fleet.host(host).powered, limitMs, 10);
  return found;
}

/** Who sent the command behind an edge: the name of a watcher. */
export function senderOf(fleet: Fleet, of: RecordOf<"edge">): string {
  const command = recordsOf(fleet.records, "command").find((each) => each.command === of.cause);
  return command === undefined ? "a hand" : fleet.peer(command.connection);
}

/** The host is back: its outlet went off once and on once since the mark, no other outlet moved, and everybody has closed the incident. */
export async function backInService(fleet: Fleet, host: string, mark: number, limitMs = 2 * PATIENCE_MS): Promise<void> {
  await edge(fleet, host, "off", mark, limitMs);
  await edge(fleet, host, "on", mark, limitMs);
  await fleet.host(host).serving();
  const running = fleet.watchers.filter((each) => each.running && !each.paused);
  await calmEverywhere(fleet, [host], limitMs, running, false);
  cutOnce(fleet, host, mark);
}

/** Exactly one off and one on since the mark, at this outlet alone, and politely. */
export function cutOnce(fleet: Fleet, host: string, mark: number): void {
  const since = fleet.records.slice(mark);
  assert.deepEqual(recordsOf(since, "edge").map((each) => `${each.outlet} ${each.state}`), [`${fleet.outlet(host)} off`, `${fleet.outlet(host)} on`], "one off and one on, at this outlet alone");
  polite(since);
}

export function notCut(fleet: Fleet, mark: number): void {
  const since = fleet.records.slice(mark);
  assert.deepEqual(recordsOf(since, "command").map((each) => `${each.action} ${each.outlets.join("+")} ${each.outcome}`), []);
  assert.deepEqual(recordsOf(since, "edge"), []);
  polite(since);
}

/** One session at a time across the fleet (those that the device turned away included would be rude, and are no session). */
export function polite(records: readonly LogRecord[]): void {
  assertPolite(records);
  assert.deepEqual(sessionsAtOnce(records), []);
}

/** Sessions that the device held at the same time, in words. */
export function sessionsAtOnce(records: readonly LogRecord[]): readonly string[] {
  const turnedAway = new Set(recordsOf(records, "open").filter((each) => !each.admitted).map((each) => each.connection));
  return overlapsOf(records.filter((record) => !("connection" in record) || !turnedAway.has(record.connection)));
}

/** The last lines of every watcher, for an error. */
export function logs(fleet: Fleet, lines = 30): string {
  return fleet.watchers.map((watcher) => `---- ${watcher.name}${watcher.running ? "" : " (ended)"}\n${watcher.tail(lines)}`).join("\n");
}
