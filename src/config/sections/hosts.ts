// `hosts` and `groups`: who is watched, by which name, and what is shared.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, address, parsed, whole } from "../fields.ts";
import { parseLevel } from "../outlets.ts";
import type { LevelText } from "../outlets.ts";
import { expandRange } from "../ranges.ts";
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

/** One host. */
export const host = z.strictObject({
  address: address("Where the host is: an address or a name. A port here is that of its `ssh` and `tcp` probes that name none.", { template: true }),
  power: power.meta(about("What cuts its power: `device/N`, or `device` where it has one output; `+` joins feeds that are cut together; a list is levels, tried one after another. Left out: watched, never cut.", {}, "outlet, or list of levels")).optional(),
  feeds: whole("How many power supplies the host has. `1` says that outlets as successive levels are meant as alternatives.", 1, 8).optional(),
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
