// The public status page: which groups and hosts the public is told of, and under what names. Nothing else of the inside is on it.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, duration, name, text } from "../fields.ts";

const DAY_MS = 86_400_000;

const shownName = text("What it is called there; the group's name where it is left out.", { max: 60 });
const component = z.union([
  name("A group.").transform((group) => ({ group, hosts: null, as: group })),
  z.strictObject({ group: name("A group of this configuration."), as: shownName.optional() }).transform(({ group, as }) => ({ group, hosts: null, as: as ?? group })),
  z.strictObject({ hosts: z.array(name("A host.")).min(1).max(1_000).meta(about("Some hosts.", {}, "list of hosts")), as: text("What they are called there.", { max: 60 }) }).transform(({ hosts, as }) => ({ group: null, hosts, as })),
]);
expectations.add(component, { says: "a group's name, { group: …, as: … }, or { hosts: […], as: … }" });

export const statusPage = z.strictObject({
  title: text("What stands above it.", { max: 100, default: "Status" }).default("Status"),
  groups: z.array(component).min(1).max(100).meta(about("What is shown, in this order: a group's name, `{ group: data, as: Databases }`, or `{ hosts: [db1, db2], as: Databases }`. Names of hosts, addresses and reasons are not shown.", {}, "list")),
  history: duration("How many days are shown.", { minMs: DAY_MS, maxMs: 366 * DAY_MS, default: "90d" }).default(90 * DAY_MS),
});

export type StatusPageInput = z.output<typeof statusPage>;
