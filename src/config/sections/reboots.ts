// `reboots`: rolling reboots, by whom they are done, and when they begin by themselves.

import { z } from "zod";
import { isTimeZone } from "../../alerts/hours.ts";
import { HOURS_HINT } from "../../core/hours.ts";
import { parseWindow } from "../../core/window.ts";
import type { Parsed } from "../duration.ts";
import { about, argv, duration, flag, name, parsed, percent } from "../fields.ts";
import { remedyList } from "./remedies.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const window = parsed((value): Parsed<{ readonly text: string; readonly hours: NonNullable<ReturnType<typeof parseWindow>> }> => {
  const hours = parseWindow(value);
  return hours === null ? { ok: false, message: `${JSON.stringify(value.slice(0, 60))} are not hours of the week`, hint: HOURS_HINT } : { ok: true, value: { text: value, hours } };
}, "VALUE_INVALID", "hours of the week such as 02:00-05:00 sat");
const timeZone = parsed((value): Parsed<string> => (isTimeZone(value) ? { ok: true, value } : { ok: false, message: `there is no time zone ${JSON.stringify(value.slice(0, 60))}`, hint: "write Europe/Berlin, or UTC" }), "VALUE_INVALID", "a time zone such as Europe/Berlin");
const words = (description: string) => argv(`${description} A program on this machine; \`{host}\` is replaced by the host's name, \`{address}\` by its address. It may be run again for the same host after a restart of the watcher.`);

export const reboots = z.strictObject({
  window: window.meta(about("When a run begins by itself, once in each opening: hours of the week, such as `02:00-05:00 sat`; several are joined by `;`. A reboot is not begun when twice the longest boot of the host is more than what is left. Left out: runs are begun by people.", {}, "hours of the week")).optional(),
  timeZone: timeZone.meta(about("The time zone of windows; the machine's where it is left out.", {}, "time zone")).optional(),
  needed: flag("By the schedule only hosts that need a reboot, as their agents say. `false`: all, in each opening of the window.", { default: true }).default(true),
  hosts: z.array(name("A host.")).min(1).max(10_000).meta(about("The schedule is about these hosts. With neither `hosts` nor `groups`: about all.", {}, "list of names")).optional(),
  groups: z.array(name("A group.")).min(1).max(1_000).meta(about("The schedule is about the hosts of these groups.", {}, "list of names")).optional(),
  by: remedyList.meta(about("What reboots a host from which no agent speaks, tried in this order until one is not refused: as `remedies`, and never used as one. `wait` is of no use here.", { default: [] }, "list of remedies")).default([]),
  drain: words("What takes the work off a host before its reboot. Where it fails the run stops.").optional(),
  undrain: words("What gives it work again, when it has come back.").optional(),
  drainLimit: duration("How long either of them may take.", { minMs: 1_000, maxMs: DAY_MS, default: "5m" }).default(300_000),
  downWithin: duration("How long a host that was told may still be seen up; then the run stops.", { minMs: 10_000, maxMs: 6 * HOUR_MS, default: "5m" }).default(300_000),
  settle: duration("How long a host that is back is looked at before the next one.", { maxMs: DAY_MS, default: "1m" }).default(60_000),
  self: flag("The machine of a watcher too, last of all, although no other watcher is there to see it come back.", { default: false }).default(false),
  budget: percent("The availability that planned reboots may cost each host; `upkeep report availability` reckons with it.", { default: "99.99%" }).default(0.9999),
});

export type RebootsInput = z.output<typeof reboots>;
