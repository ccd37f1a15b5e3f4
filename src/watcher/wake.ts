// Wake-on-LAN, for machines that stay dark when their power returns. It stands around a power device and does one thing: when
// the device has accepted an `on` for an outlet of such a host, packets follow. It reads nothing, cuts nothing and confirms
// nothing, so the core does not know it (docs/adr/0015); what it will do stands in the evidence of that `on`.
//
// A packet that came late would wake a machine that somebody has switched off meanwhile, through a BMC that still feeds its
// card. So packets follow within seconds, within the bound of the action that a successor waits for, and an `off` of the same
// outlet in this process ends them.

import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { WakeSpec } from "../config/config.ts";
import type { PowerDevice, PowerSession } from "../power/power.ts";
import { magicPacket } from "../protocol/wake.ts";

/** A card needs a moment after its power is back, and a packet may be lost. */
const AFTER_MS = [2_000, 5_000, 10_000] as const;

/** Packets that are still to go, by what is to be woken; it outlives a reload, so that an `off` after one still ends them. */
export type PendingWakes = Map<string, readonly (() => void)[]>;

export type Waking = {
  readonly device: string;
  readonly pending: PendingWakes;
  /** By outlet. */
  readonly wakes: ReadonlyMap<string, readonly WakeSpec[]>;
  readonly maxActMs: number;
  readonly send: (wake: WakeSpec) => void;
  /** Calls back after so many milliseconds; returns what cancels it. */
  readonly after: (ms: number, then: () => void) => () => void;
};

/** The device itself where nobody is to be woken. */
export function withWake(device: PowerDevice, waking: Waking): PowerDevice {
  if (waking.wakes.size === 0) return device;
  const { pending } = waking;
  const key = (outlet: string): string => `${waking.device}/${outlet}`;
  const forget = (outlet: string): void => {
    for (const cancel of pending.get(key(outlet)) ?? []) cancel();
    pending.delete(key(outlet));
  };
  const moments = AFTER_MS.filter((ms) => ms < waking.maxActMs);
  const wake = (outlet: string): string => {
    const wakes = waking.wakes.get(outlet) ?? [];
    if (wakes.length === 0) return "";
    pending.set(key(outlet), wakes.flatMap((each) => moments.map((ms) => waking.after(ms, () => waking.send(each)))));
    return `; wake-on-LAN to ${wakes.map(({ mac }) => mac).join(", ")} after ${moments.map((ms) => `${ms / 1_000} s`).join(", ")}`;
  };
  const around = (session: PowerSession): PowerSession => ({
    read: (outlets, signal) => session.read(outlets, signal),
    close: () => session.close(),
    set: async (outlet, action, fire, signal) => {
      forget(outlet);
      const outcome = await session.set(outlet, action, fire, signal);
      return outcome.kind === "accepted" && action === "on" ? { ...outcome, evidence: `${outcome.evidence}${wake(outlet)}` } : outcome;
    },
  });
  return { open: async (signal, tap) => around(await device.open(signal, tap)) };
}

/** Sends one packet; `onProblem` hears why it could not be sent. */
export function sendWake({ mac, host, port }: WakeSpec, onProblem: (text: string) => void): void {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  const failed = (error: Error): void => onProblem(`no wake-on-LAN packet for ${mac} to ${host} port ${port}: ${error.message}`);
  socket.on("error", (error) => {
    failed(error);
    socket.close();
  });
  socket.bind(0, () => {
    if (!isIPv6(host)) socket.setBroadcast(true);
    socket.send(magicPacket(mac), port, host, (error) => {
      if (error !== null) failed(error);
      socket.close();
    });
  });
}

/** Which hosts hang on each outlet of a device, of those that are to be woken. */
export function wakesOf(device: string, hosts: Iterable<{ readonly levels: readonly (readonly { readonly device: string; readonly outlet: string }[])[]; readonly wake: WakeSpec | null }>): ReadonlyMap<string, readonly WakeSpec[]> {
  const wakes = new Map<string, readonly WakeSpec[]>();
  for (const { levels, wake } of hosts) {
    if (wake === null) continue;
    for (const { outlet } of levels.flat().filter((each) => each.device === device)) wakes.set(outlet, [...(wakes.get(outlet) ?? []), wake]);
  }
  return wakes;
}
