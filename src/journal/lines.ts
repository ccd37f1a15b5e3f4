// Inputs of the core as lines of text: all but the rounds and the ticks of the clock, which frames.ts writes in a few bytes.
// The first letter says what a line is, so that nothing else need be parsed for that.

import type { Input } from "../core/io.ts";
import type { DevicePolicy, HostPolicy, Policy } from "../core/policy.ts";
import type { Now } from "../core/time.ts";

export type Line =
  | { readonly kind: "input"; readonly starts: boolean; readonly now: Now; readonly input: Input }
  /** The policy of all inputs from here on. */
  | { readonly kind: "policy"; readonly policy: Policy };

export function lineOfInput(input: Input, now: Now): string {
  const letter = input.kind === "start" ? "S" : input.kind === "late" ? "L" : input.kind === "round" ? "R" : "I";
  return `${letter}${JSON.stringify([now.bootMs, now.wallMs, now.bootId, now.synced, input])}`;
}

export function lineOfPolicy(policy: Policy): string {
  return `P${JSON.stringify({ ...policy, hosts: [...policy.hosts.values()], devices: [...policy.devices.values()] })}`;
}

/** Whether this line is the start of a watcher. */
export function isStart(line: string): boolean {
  return line.startsWith("S");
}

/** Whether there are probe results in it: a round that frames have no room for, or what was found after a round had been reported. */
export function hasResults(line: string): boolean {
  return line.startsWith("R") || line.startsWith("L");
}

/** Reads a line that this module has made. */
export function readLine(line: string): Line {
  const body = line.slice(1);
  if (line.startsWith("P")) {
    const { hosts, devices, ...rest } = JSON.parse(body) as Omit<Policy, "hosts" | "devices"> & { readonly hosts: readonly HostPolicy[]; readonly devices: readonly DevicePolicy[] };
    return { kind: "policy", policy: { ...rest, hosts: new Map(hosts.map((host) => [host.name, host])), devices: new Map(devices.map((device) => [device.name, device])) } };
  }
  const [bootMs, wallMs, bootId, synced, input] = JSON.parse(body) as [number, number, string, boolean, Input];
  return { kind: "input", starts: isStart(line), now: { bootMs, wallMs, bootId, synced }, input };
}
