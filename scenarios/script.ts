// The words of a script. `host`, `brakes`, `quiet`, `uptime`, `unarmed` and `until` describe the world; a line that begins with a
// time says what happens then: `100s logos frozen`, `100s maintenance logos for 2m`, `100s device sucker late 3s`. Of careful shutdowns:
// `careful haltBound 60s returnAfter 1m` describes, `100s careful logos shutdown event e1 halts 1m` is an announcement, `100s sense
// good charge 80%` what the watcher's own signal says from then on, `device bmc follows` one whose outputs follow the machine, `device
// sucker metered 5W 30s` one whose draw is read; `100s outlet sucker/2 draws 40W` is what truly hangs on it from then on.

import type { Command } from "../src/core/io.ts";
import type { CarefulPolicy, HostPolicy, OutletRef, Policy, RebootsPolicy } from "../src/core/policy.ts";
import { REBOOTS } from "../src/core/policy.ts";
import { parseWindow } from "../src/core/window.ts";

/** What its agent says, where it has one. */
export type Word = "good" | "bad" | "silent";

/** serves · frozen: ping answers, no banner · silent · refuses · late: the banner comes after the time-out · flaps: every second look is bad. */
export type Life = "serves" | "frozen" | "silent" | "refuses" | "late" | "flaps";
export const LIVES: ReadonlySet<string> = new Set<Life>(["serves", "frozen", "silent", "refuses", "late", "flaps"]);

export type HostLine = { readonly policy: HostPolicy; readonly backMs: number; readonly cures: boolean; readonly wiring: readonly (readonly OutletRef[])[] };

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function duration(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  if (match === null) throw new Error(`not a duration: ${text}`);
  return Number(match[1]) * (UNITS[match[2] as string] as number);
}

export function watts(text: string): number {
  const match = /^(-?\d+)W$/.exec(text);
  if (match === null) throw new Error(`not a power: ${text}`);
  return Number(match[1]);
}

function levelsOf(text: string): readonly (readonly OutletRef[])[] {
  if (text === "none") return [];
  return text.split(",").map((level) => level.split("+").map((outlet): OutletRef => ({ device: outlet.split("/")[0] as string, outlet: outlet.split("/")[1] as string })));
}

/** `host logos power sucker/2 every 5s …`; options of a host that is there already change it. */
export function parseHost(words: readonly string[], known?: HostLine): HostLine {
  const option = (name: string): string | undefined => {
    const at = words.indexOf(name);
    return at < 0 ? undefined : words[at + 1];
  };
  const ms = (name: string, before: number | undefined, byDefault: string): number => {
    const text = option(name);
    return text !== undefined ? duration(text) : (before ?? duration(byDefault));
  };
  const before = known?.policy;
  const name = words[1] as string;
  const power = option("power");
  const levels = power === undefined ? (before?.levels ?? levelsOf("sucker/1")) : levelsOf(power);
  const retry = option("retry");
  const policy: HostPolicy = {
    name, hash: option("hash") ?? before?.hash ?? "h1", address: name, group: option("group") ?? before?.group ?? "ungrouped", behind: option("behind") ?? before?.behind ?? null,
    armed: words.includes("unarmed") ? false : words.includes("armed") ? true : (before?.armed ?? true),
    everyMs: ms("every", before?.everyMs, "5s"), timeoutMs: ms("timeout", before?.timeoutMs, "1s"), threshold: Number(option("threshold") ?? before?.threshold ?? 5),
    retryMs: retry === undefined ? (before?.retryMs ?? []) : retry.split(",").map(duration),
    debounceMs: ms("debounce", before?.debounceMs, "40s"), bootMs: ms("boot", before?.bootMs, "5m"), offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
    probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }, ...(words.includes("agent") ? [{ id: "agent", counts: true, abstains: true as const }] : [])], goodNeeded: null, levels,
    budget: { cycles: Number(option("cycles") ?? before?.budget.cycles ?? 3), withinMs: 6 * 3_600_000 }, storeMembers: 0, self: words.includes("self"),
    ...(words.includes("after") ? { after: (option("after") ?? "").split(",") } : {}),
    ...(words.includes("wakes") ? { wakes: true as const } : {}),
    ...(words.includes("remedy") ? { remedies: (option("remedy") ?? "").split(",").map((remedy) => ({ name: remedy, limitMs: 10_000, waitMs: 60_000 })) } : {}),
  };
  const wired = option("wired");
  return { policy, backMs: ms("back", known?.backMs, "40s"), cures: known?.cures ?? !words.includes("incurable"), wiring: wired === undefined ? (known?.wiring ?? levels) : levelsOf(wired) };
}

export function parseBrakes(words: readonly string[], known: Policy["brakes"]): Policy["brakes"] {
  let brakes = known;
  for (let at = 1; at < words.length; at += 2) {
    const [name, value] = [words[at] as string, words[at + 1] as string];
    if (name === "startup") brakes = { ...brakes, startupMs: duration(value) };
    else if (name === "coolDown") brakes = { ...brakes, coolDownMs: duration(value) };
    else if (name === "maxUnhealthy") brakes = { ...brakes, maxUnhealthy: Number(value.replace("%", "")) / 100 };
    else if (name === "concurrent") brakes = { ...brakes, concurrent: Number(value) };
    else if (name === "perHour") brakes = { ...brakes, perHour: Number(value) };
    else throw new Error(`unknown brake ${name}`);
  }
  return brakes;
}

/** `reboots drain undrain settle 30s window 00:30-02:00 all` */
export function parseReboots(words: readonly string[]): RebootsPolicy {
  const option = (name: string): string | null => (words.includes(name) ? (words[words.indexOf(name) + 1] as string) : null);
  const text = option("window");
  return {
    ...REBOOTS, means: true, needed: !words.includes("all"), self: words.includes("self"), settleMs: duration(option("settle") ?? "30s"), downWithinMs: duration(option("downWithin") ?? "2m"),
    drainMs: words.includes("drain") ? 30_000 : null, undrainMs: words.includes("undrain") ? 30_000 : null, window: text === null ? null : { text, hours: parseWindow(text) ?? [] },
  };
}

/** `reboots start logos ethos needed window 00:30-02:00` · `reboots stop` · `reboots continue` */
function parseRun(words: readonly string[]): Command {
  if (words[0] !== "start") return { kind: words[0] === "stop" ? "reboots-stop" : "reboots-continue" };
  const window = words.includes("window") ? (words[words.indexOf("window") + 1] as string) : null;
  const hosts = words.slice(1).filter((word) => !["needed", "self", "window", "all", window].includes(word));
  return { kind: "reboots-start", hosts: hosts.length === 0 ? null : hosts, needed: words.includes("needed"), window, self: words.includes("self"), reason: "new kernel" };
}

export function parseCareful(words: readonly string[], known: CarefulPolicy): CarefulPolicy {
  let careful = known;
  for (let at = 1; at < words.length; at += 2) {
    const [name, value] = [words[at] as string, words[at + 1] as string];
    if (name === "returnCharge") careful = { ...careful, returnCharge: Number(value.replace("%", "")) / 100 };
    else if (name === "haltBound" || name === "returnAfter" || name === "stagger") careful = { ...careful, [`${name}Ms`]: duration(value) };
    else throw new Error(`unknown in careful: ${name}`);
  }
  return careful;
}

export function parseCommand(words: readonly string[]): Command {
  const [verb, host, third] = [words[0] as string, words[1] as string, words[2]];
  const forMs = words.includes("for") ? duration(words[words.indexOf("for") + 1] as string) : null;
  const confirm = words.includes("confirm") ? (words[words.indexOf("confirm") + 1] as string) : null;
  switch (verb) {
    case "fence":
      return { kind: "fence", host, reason: "asked", again: words.includes("again"), confirm };
    case "power":
      return { kind: "power", host, action: third as "on" | "off" | "cycle", reason: "asked", again: words.includes("again"), confirm };
    case "confirm-off":
      return { kind: "confirm-off", host, confirm: confirm ?? "", reason: "looked" };
    case "release":
      return { kind: "release", host };
    case "proceed":
      return { kind: "storm-proceed" };
    case "careful": {
      const named = (name: string): string | undefined => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
      const halts = named("halts");
      return { kind: "careful", host, event: named("event") ?? "", phase: third as "pre-fail" | "shutdown" | "normal", haltWithinMs: halts === undefined ? null : duration(halts), reason: third === "normal" ? "" : "power lost" };
    }
    case "careful-return":
      return { kind: "careful-return", host: host ?? null };
    case "ack":
      return { kind: "ack", alarm: host };
    case "reboots":
      return parseRun(words.slice(1));
    case "end":
      return { kind: "unbrake", brake: host as "maintenance", scope: third ?? "*" };
    case "disarmed":
    case "maintenance":
    case "inhibit":
    case "going-down":
    case "kdump":
      return { kind: "brake", brake: verb, scope: host, forMs, reason: "" };
    default:
      throw new Error(`unknown: ${words.join(" ")}`);
  }
}
