// What things are called on the page: one place, so that the fleet, a host and an incident say the same of the same.

import type { IncidentReport, OperationReport, Role, Scope } from "../api/contract.ts";
import { inWords } from "../api/contract.ts";

export { inWords };

/** What a host's row begins with. `held` and `off` are no verdicts, and a reader has to know them as soon. */
export type Condition = "up" | "suspect" | "down" | "unknown" | "held" | "off" | "working";

export const CONDITIONS: Readonly<Record<Condition, string>> = {
  up: "up", suspect: "suspect", down: "down", unknown: "unknown", held: "held", off: "off", working: "power cycle",
};

export const PHASES: Readonly<Record<OperationReport["phase"], string>> = {
  "intended": "about to be cut", "off-sent": "being switched off", "off-confirmed": "off, confirmed", "on-sent": "being switched on", "booting": "booting",
};

/** Parts of an outage, in their order. */
export const OUTAGE = [
  { key: "detectMs", word: "detect", means: "from the first bad sign to down" },
  { key: "decideMs", word: "decide", means: "from down to the off command: agreement and brakes" },
  { key: "cutMs", word: "cut", means: "from the off command to off confirmed" },
  { key: "offMs", word: "off", means: "without power, until on was confirmed" },
  { key: "bootMs", word: "boot", means: "from power to back in service" },
] as const satisfies readonly { readonly key: keyof IncidentReport["phases"]; readonly word: string; readonly means: string }[];

export const OUTCOMES: Readonly<Record<IncidentReport["outcome"], string>> = {
  "open": "still open",
  "ended unseen": "ended while this watcher was away",
  "recovered": "came back after its power was cut and restored",
  "recovered by itself": "came back by itself",
  "recovered by a remedy": "came back after a remedy, without a power cut",
  "held": "did not come back and is held for a person",
  "confirmed off": "was confirmed off by a person",
  "withdrawn": "was withdrawn: nothing was cut",
  "no longer watched": "is no longer watched",
};

export const BRAKES: Readonly<Record<string, string>> = {
  "disarmed": "disarmed", "maintenance": "maintenance", "inhibit": "inhibited", "going-down": "going down", "kdump": "dumping its kernel",
};

export const ROLE_MEANS: Readonly<Record<Role, string>> = {
  viewer: "reads", operator: "reads, and gives commands", admin: "everything, users and tokens too",
};

export const SCOPE_MEANS: Readonly<Record<Scope, string>> = {
  metrics: "reads /metrics and nothing else", read: "reads everything", command: "gives commands", admin: "what an admin may",
};

/** What an answer's exit code means, as the beginning of a sentence. */
export const EXITS = { 0: "Done", 1: "Nothing to do", 2: "Not found", 4: "Refused", 5: "Not known" } as const;

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listed(names: readonly string[], most = 3): string {
  if (names.length <= 1) return names[0] ?? "";
  const shown = names.slice(0, names.length <= most ? names.length - 1 : most - 1);
  const rest = names.length - shown.length;
  return `${shown.join(", ")} and ${rest === 1 ? names.at(-1) : `${rest.toLocaleString("en")} more`}`;
}

/** With its full stop. What begins with a name keeps it as it is: hosts and outlets are written as they are configured. */
export function closed(text: string): string {
  return text === "" || /[.!?:]$/.test(text) ? text : `${text}.`;
}

/** A sentence of our own, or an error: with a capital letter, too. */
export function sentence(text: string): string {
  return closed(text.charAt(0).toUpperCase() + text.slice(1));
}

// ---- times -----------------------------------------------------------------------------------------------------------------

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** `12:04:31` */
export const clock = (atMs: number) => CLOCK.format(atMs);

/** `14:00` today, `3 Dec 14:00` within a year, else with the year. */
export function moment(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const now = new Date(nowMs);
  if (at.toDateString() === now.toDateString()) return SHORT.format(at);
  return `${at.getFullYear() === now.getFullYear() ? DAY.format(at) : YEAR.format(at)} ${SHORT.format(at)}`;
}

/** `3 Dec 2026, 14:00:07` */
export const whole = (atMs: number) => `${YEAR.format(atMs)}, ${CLOCK.format(atMs)}`;

/** How long ago, in words: `41 d`. What has just happened is a second old: finer figures would only flicker. */
export const age = (at: string | number, nowMs: number) => inWords(Math.max(1_000, nowMs - (typeof at === "string" ? Date.parse(at) : at)));
