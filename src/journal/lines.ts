// The core's inputs as lines of text, in order: enough to take every step again (replay.ts). The main thread makes the line
// once; the worker keeps it, and reads from it the rounds. The first letter says what it is, so that nothing else need be
// parsed for that.

import type { Input } from "../core/io.ts";
import type { DevicePolicy, HostPolicy, Policy } from "../core/policy.ts";
import type { Round } from "../core/round.ts";
import type { Now } from "../core/time.ts";

export type Line =
  | { readonly kind: "input"; readonly starts: boolean; readonly now: Now; readonly input: Input }
  /** The policy of all inputs from here on. */
  | { readonly kind: "policy"; readonly policy: Policy }
  /** Lines were lost here: what follows cannot be replayed from what came before. */
  | { readonly kind: "gap"; readonly lost: number };

export function lineOfInput(input: Input, now: Now): string {
  // A session in a shared store is held anew every few seconds, day and night: by how much is all that differs.
  if (input.kind === "session" && input.session.kind === "held" && Number.isInteger(input.session.untilMs) && Number.isInteger(now.bootMs)) {
    return `H${JSON.stringify([now.bootMs, now.wallMs, now.bootId, now.synced, input.session.untilMs - now.bootMs])}`;
  }
  return `${input.kind === "round" ? "R" : input.kind === "start" ? "S" : "I"}${JSON.stringify([now.bootMs, now.wallMs, now.bootId, now.synced, input])}`;
}

export function lineOfPolicy(policy: Policy): string {
  return `P${JSON.stringify({ ...policy, hosts: [...policy.hosts.values()], devices: [...policy.devices.values()] })}`;
}

export function lineOfGap(lost: number): string {
  return `G${lost}`;
}

/** The round in a line, and when it started by the wall clock; null for every other line. */
export function roundInLine(line: string): { readonly round: Round; readonly startedWallMs: number; readonly nowWallMs: number | null } | null {
  if (!line.startsWith("R")) return null;
  const read = readLine(line);
  if (read.kind !== "input" || read.input.kind !== "round") return null;
  const { round } = read.input;
  const { bootMs, wallMs, synced } = read.now;
  return { round, startedWallMs: wallMs - (bootMs - round.startedAtMs), nowWallMs: synced ? wallMs : null };
}

/** Whether one of these lines is the start of a watcher: 1 or 0, as it is put on record. */
export function hasStart(lines: string): 0 | 1 {
  return lines.startsWith("S") || lines.includes("\nS") ? 1 : 0;
}

/** Reads a line that this module has made. */
export function readLine(line: string): Line {
  const body = line.slice(1);
  if (line.startsWith("G")) return { kind: "gap", lost: Number(body) };
  if (line.startsWith("P")) {
    const { hosts, devices, ...rest } = JSON.parse(body) as Omit<Policy, "hosts" | "devices"> & { readonly hosts: readonly HostPolicy[]; readonly devices: readonly DevicePolicy[] };
    return { kind: "policy", policy: { ...rest, hosts: new Map(hosts.map((host) => [host.name, host])), devices: new Map(devices.map((device) => [device.name, device])) } };
  }
  if (line.startsWith("H")) {
    const [bootMs, wallMs, bootId, synced, heldForMs] = JSON.parse(body) as [number, number, string, boolean, number];
    return { kind: "input", starts: false, now: { bootMs, wallMs, bootId, synced }, input: { kind: "session", session: { kind: "held", untilMs: bootMs + heldForMs } } };
  }
  const [bootMs, wallMs, bootId, synced, input] = JSON.parse(body) as [number, number, string, boolean, Input];
  return { kind: "input", starts: line.startsWith("S"), now: { bootMs, wallMs, bootId, synced }, input };
}
