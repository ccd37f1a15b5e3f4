// `hosts` and `groups`: who is watched, by which name, and what is shared.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, address, parsed, whole } from "../fields.ts";
import { parseLevel } from "../outlets.ts";
import type { LevelText } from "../outlets.ts";
import { expandRange, NAME_PATTERN } from "../ranges.ts";
import { tunables } from "./tunables.ts";

const LEVELS_MAX = 8;
const OUTLET_SAYS = "an outlet such as sucker/2";

const level = parsed((value) => {
  const result = parseLevel(value.replaceAll("{host}", "h"));
  return result.ok ? { ok: true as const, value } : { ...result, message: `${JSON.stringify(value)} is not an outlet` };
}, "OUTLET_INVALID", OUTLET_SAYS, undefined, (input) => (Array.isArray(input)
  ? { message: "a list inside a list of levels", code: "OUTLET_INVALID", hint: "feeds that are cut together are joined by +: sucker/5 + sucker2/5" } : null));

const power = z.union([level.transform((value): readonly string[] => [value]), z.array(level).max(LEVELS_MAX).transform((values): readonly string[] => values)]);
expectations.add(power, { says: `${OUTLET_SAYS}, or a list of levels` });

const MAC = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;
const mac = parsed((value) => {
  const bytes = value.split(/[:-]/).map((pair) => Number.parseInt(pair, 16));
  if (!MAC.test(value)) return { ok: false as const, message: `${JSON.stringify(value.slice(0, 40))} is not a hardware address`, hint: "six pairs of hexadecimal digits: 00:1b:21:0a:0b:0c" };
  // The lowest bit of the first byte marks a group (IEEE 802), which no machine is.
  if (((bytes[0] ?? 0) & 1) === 1) return { ok: false as const, message: `${value} is the address of a group, not of a machine`, hint: "ip link shows it, on the host itself" };
  return { ok: true as const, value: value.toLowerCase().replaceAll("-", ":") };
}, "ADDRESS_INVALID", "a hardware address such as 00:1b:21:0a:0b:0c");

/** A machine that stays dark when its power returns. */
const wake = z.strictObject({
  mac: mac.meta(about("The hardware address of the card that listens.", {}, "hardware address")),
  address: address("Where the packets go: a broadcast address of the host's network, port 9 where none is named.", { default: "255.255.255.255" }).default({ host: "255.255.255.255", port: null }),
});

/** One host. */
export const host = z.strictObject({
  address: address("Where the host is: an address or a name. A port here is that of its `ssh` and `tcp` probes that name none.", { template: true }),
  power: power.meta(about("What cuts its power: `device/N`, or `device` where it has one output; `+` joins feeds that are cut together; a list is levels, tried one after another. Left out: watched, never cut.", {}, "outlet, or list of levels")).optional(),
  feeds: whole("How many power supplies the host has. `1` says that outlets as successive levels are meant as alternatives.", 1, 8).optional(),
  wake: wake.meta(about("Wake-on-LAN for a machine that stays dark when its power returns: packets follow every `on` of its outlets. They are no power switch, and nothing is ever cut or confirmed by them.")).optional(),
  after: z.array(z.string().regex(new RegExp(NAME_PATTERN))).max(100).transform((names): readonly string[] => names).meta(about("After a careful shutdown it is started when these hosts serve again, or have had the time of a boot. They only order; none of them is started for it.", {}, "list of names")).optional(),
  ...tunables,
});

const memberNames = parsed((value) => expandRange(value), "NAME_INVALID", "a host's name, or a range such as web[01-40]");

/** A host of a group, and which item of the list names it. */
export type Member = { readonly name: string; readonly item: number };

/** One group. */
export const group = z.strictObject({
  hosts: z.array(memberNames).max(10_000).transform((items): readonly Member[] => items.flatMap((names, item) => names.map((name) => ({ name, item })))).meta(about("Its hosts, by name or as ranges such as `web[01-40]`.", {}, "list of names")),
  ...tunables,
});

export type HostInput = z.output<typeof host>;
export type GroupInput = z.output<typeof group>;

/** A level as parsed text, for one host: `{host}` stands for its name. */
export function levelFor(text: string, hostName: string): LevelText {
  const result = parseLevel(text.replaceAll("{host}", hostName));
  return result.ok ? result.value : [];
}
