// What a kernel's words may do (safety.md §3.4). They come as datagrams, which anybody who reaches the watcher's port can send in
// a host's name: so they are told, and they may hold an off back, for as long as a boot or a dump may take and once in a
// trouble, and nothing else. They cause no off, are no vote, take no brake away and make none longer.
//
// Whatever was said, a round that began after it and was good is the better witness: the host neither dumps nor boots.

import { brakeKey, brakeOn } from "./brake-records.ts";
import { bootMs } from "./brakes.ts";
import type { KernelWord } from "./kernel-words.ts";
import { inKernelWords } from "./kernel-words.ts";
import type { HostState, Turn } from "./state.ts";
import { ageMs, deadlineIn } from "./time.ts";
import { inCharge } from "./transaction.ts";
import { inWords } from "./words.ts";

/** A dump holds fencing this long at the most, whoever announces it. */
export const KDUMP_MAX_MS = 600_000;
/** Who put a brake on that a datagram asked for. */
export const BY_NETCONSOLE = "netconsole";

/** A recognised word of a host's kernel. `holds`: the configuration lets it hold an off back. */
export function kernelSays(turn: Turn, name: string, word: KernelWord, holds: boolean): void {
  const host = turn.host(name);
  if (host === undefined) return;
  const before = { cause: host.cause, lastCause: turn.state.lastCause };
  const told = turn.tell("kernel", name, `${inKernelWords(word)} (netconsole)`);
  // What anybody may have said is the cause of nothing but what it holds back.
  turn.patchHost(name, { cause: before.cause });
  turn.patch({ lastCause: before.lastCause });
  if (!holds) return;
  if (word.sign === "rebooting") saysReboot(turn, turn.host(name) as HostState, word);
  else if (word.sign === "kdump") saysKdump(turn, turn.host(name) as HostState, word, told);
}

function saysReboot(turn: Turn, host: HostState, word: KernelWord): void {
  const policy = turn.hostPolicy(host.name);
  if (policy === undefined) return;
  const said = host.saidReboot;
  if (said !== null) {
    const lastsMs = said.over ? 0 : bootMs(policy, host);
    const sinceMs = turn.now.bootMs - said.atMs;
    // One that still holds is not renewed; in one trouble there is one, also where it was said before the first bad sign.
    if (sinceMs < lastsMs) return;
    const illMs = illForMs(turn, host);
    if (illMs >= 0 && sinceMs <= illMs + lastsMs) return;
  }
  turn.patchHost(host.name, { saidReboot: { atMs: turn.now.bootMs, because: inKernelWords(word), over: false } });
}

function saysKdump(turn: Turn, host: HostState, word: KernelWord, told: number): void {
  // With several watchers each hears for himself, and the one in charge puts the brake on.
  if (turn.state.stopping || !inCharge(turn, host.name) || kdumpIsSpent(turn, host)) return;
  turn.patchRecord(host.name, { lastKdump: turn.stamp });
  const key = brakeKey("kdump", host.name);
  const record = { v: 1 as const, kind: "kdump" as const, scope: host.name, by: BY_NETCONSOLE, reason: word.reason, since: turn.stamp, until: deadlineIn(KDUMP_MAX_MS, turn.now) };
  turn.patch({ brakes: new Map(turn.state.brakes).set(key, record) });
  turn.save(key, record);
  turn.tell("brake", host.name, `kdump for ${host.name} for ${inWords(KDUMP_MAX_MS)} by ${BY_NETCONSOLE}: ${word.reason}`, told);
}

/** Whether a dump has held fencing in this trouble: one that began before the first bad sign and held into it counts as well. */
export function kdumpIsSpent(turn: Turn, host: HostState): boolean {
  const used = host.record.lastKdump;
  if (used === null) return false;
  if (brakeOn(turn.state, host.name, "kdump") !== undefined) return true;
  const illMs = illForMs(turn, host);
  if (illMs < 0) return false;
  const servedSince = used.bootId === turn.now.bootId && host.lastGoodAtMs !== null && host.lastGoodAtMs > used.bootMs;
  return ageMs(used, turn.now) <= illMs + (servedSince ? 0 : KDUMP_MAX_MS);
}

/** How long the host has been in its present trouble; minus one when it is in none. */
function illForMs(turn: Turn, host: HostState): number {
  const { incident, badSinceMs } = host;
  return Math.max(incident === null ? -1 : ageMs(incident.began, turn.now), badSinceMs === null ? -1 : turn.now.bootMs - badSinceMs);
}

/** A good round, and when it began: what a datagram held back before that is free again. */
export function wordsDisproved(turn: Turn, name: string, startedAtMs: number): void {
  const host = turn.host(name);
  if (host === undefined) return;
  if (host.saidReboot !== null && !host.saidReboot.over && startedAtMs > host.saidReboot.atMs) turn.patchHost(name, { saidReboot: { ...host.saidReboot, over: true } });
  const key = brakeKey("kdump", name);
  const brake = turn.state.brakes.get(key);
  if (brake === undefined || brake.by !== BY_NETCONSOLE || brake.endedBy !== undefined || !inCharge(turn, name)) return;
  if (brake.since.bootId === turn.now.bootId && startedAtMs <= brake.since.bootMs) return;
  const brakes = new Map(turn.state.brakes);
  brakes.delete(key);
  turn.patch({ brakes });
  turn.save(key, null);
  turn.tell("brake-ended", name, `kdump by ${BY_NETCONSOLE} is over: it serves`);
}
