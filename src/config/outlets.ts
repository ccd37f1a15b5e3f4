// How a host's power is written (safety.md §1): `sucker/2` is an outlet, `+` joins feeds that are cut together, a list is
// levels that are tried one after another. A device with one output stands without a number: `bmc`.

import type { Parsed } from "./duration.ts";
import { isName } from "./ranges.ts";

/** An outlet as it was written; `outlet` is null where only the device was named. */
export type OutletText = { readonly device: string; readonly outlet: string | null };

/** One level: the feeds that are cut together. */
export type LevelText = readonly OutletText[];

const FEEDS_MAX = 8;

export function parseLevel(text: string): Parsed<LevelText> {
  const refuse = (hint: string): Parsed<LevelText> => ({ ok: false, message: `${JSON.stringify(text)} is not an outlet`, hint });
  const feeds: OutletText[] = [];
  for (const feed of text.split("+")) {
    const [device = "", outlet = null, ...more] = feed.trim().split("/");
    if (device === "" && outlet === null) return refuse("write device/outlet, feeds that are cut together joined by +");
    if (more.length > 0) return refuse("one slash: device/outlet");
    if (!isName(device)) return refuse("the part before the slash is the name of a device under power:");
    if (outlet !== null && !/^[^\p{C}]{1,64}$/u.test(outlet.trim())) return refuse("after the slash stands the outlet's number or the device's own name for it");
    if (outlet !== null && /^0[0-9]+$/.test(outlet.trim())) return refuse(`write ${device}/${Number(outlet)}: one outlet, one way to write it`);
    feeds.push({ device, outlet: outlet === null ? null : outlet.trim() });
  }
  if (feeds.length > FEEDS_MAX) return refuse(`at most ${FEEDS_MAX} feeds`);
  return { ok: true, value: feeds };
}

export function formatLevel(level: LevelText): string {
  return level.map(({ device, outlet }) => (outlet === null ? device : `${device}/${outlet}`)).join(" + ");
}
