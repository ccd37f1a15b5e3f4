// What holds automatic cuts back, in sentences. Pure: brakes in, text out.

import type { BrakeReport } from "../../api/contract.ts";
import { listed, plural } from "../words.ts";

/** `*` is the whole fleet. */
export const EVERYTHING = "*";

export const KINDS: Readonly<Record<BrakeReport["brake"], string>> = {
  maintenance: "maintenance", inhibit: "maintenance", disarmed: "disarmed", "going-down": "announced reboot", kdump: "writing a crash dump",
};

export const MEANS: Readonly<Record<BrakeReport["brake"], string>> = {
  maintenance: "watched and not cut", inhibit: "watched and not cut", disarmed: "decided and told, and not cut", "going-down": "its silence is no reason to cut it", kdump: "not cut while it writes its memory down",
};

export function scopeInWords(scope: string): string {
  return scope === EVERYTHING ? "the whole fleet" : scope;
}

export function maintenanceHeadline(brakes: readonly BrakeReport[], armed: boolean): string {
  if (!armed) return "Nothing is cut by itself: not armed.";
  const whole = brakes.find((brake) => brake.scope === EVERYTHING);
  if (whole !== undefined) return whole.brake === "disarmed" ? "The whole fleet is disarmed." : "The whole fleet is in maintenance.";
  const hosts = new Set(brakes.map(({ scope }) => scope));
  if (hosts.size === 0) return "Nothing is held back.";
  return hosts.size === 1 ? `${listed([...hosts])} is held back.` : `${plural(hosts.size, "host")} are held back.`;
}
