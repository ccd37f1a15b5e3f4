// The watcher itself: who it is, what it holds on to when it doubts itself, the brakes on what it does, and whom it calls.

import { hostname } from "node:os";
import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, address, argv, duration, name, orNull, percent, secret, text, whole } from "../fields.ts";
import { referenceList } from "./probes.ts";
import { perHost } from "./tunables.ts";

const DAY_MS = 86_400_000;

export const watcher = z.strictObject({
  name: name("This watcher's name; the machine's where it is left out. Of several watchers each has its own, for good: a name that is gone is waited for until `upkeep watcher forget`.").optional(),
  references: referenceList.meta(about("What must be reachable for this watcher to trust itself: addresses to ping, or probes with an address, `{ tcp: { address: 10.0.0.1, port: 22 } }`. One that answers is enough.", { default: [] }, "list of addresses or probes")).default([]),
  host: orNull(name("The host of this configuration that this watcher runs on; it never cuts that one. Left out or `null`, it is told by the addresses of this machine's interfaces.")).default(null),
});

const perHour = z.union([z.literal("auto").transform((): null => null), z.int().min(1).max(100_000)]);
expectations.add(perHour, { says: "auto or a whole number from 1", flat: true });

export const brakes = z.strictObject({
  startup: duration("No cut in this time after the watcher's start. `0s` switches this brake off.", { maxMs: DAY_MS, default: "60s" }).default(60_000),
  maxUnhealthy: percent("Storm: more of the hosts of a set than this are unhealthy at once. `100%` switches this brake off.", { default: "40%" }).default(0.4),
  coolDown: duration("A storm ends after this time below the limit. `0s` switches this brake off.", { maxMs: DAY_MS, default: "2m" }).default(120_000),
  concurrent: whole("How many hosts may be without power by us at once.", 1, 1_000, { default: 1 }).default(1),
  perHour: perHour.meta(about("Power cycles in an hour over the whole fleet. `auto`: 3, or 2 % of the fleet if that is more.", { default: "auto" }, "`auto`, or whole number")).default(null),
  perHost: perHost.optional(),
});

const url = text("An `http:` or `https:` URL.", { max: 2_048 }).superRefine((value, ctx) => {
  const tried = URL.parse(value);
  if (tried === null || !/^https?:$/.test(tried.protocol)) ctx.addIssue({ code: "custom", message: "not a URL of http or https", params: { hint: "write https://example.org/ping" } });
});
const DEADMAN_EVERY = "1m";

const deadman = z.union([
  url.transform((value) => ({ url: value, every: 60_000 })),
  z.strictObject({ url, every: duration("How often it is called.", { minMs: 1_000, maxMs: DAY_MS, default: DEADMAN_EVERY }).default(60_000) }),
]);
expectations.add(deadman, { says: "a URL, or { url: …, every: 1m }" });

const mailbox = text("A mail address.", { max: 320 }).superRefine((value, ctx) => {
  if (!/^[^\s@<>,;:"]+(@[^\s@<>,;"]+)?$/.test(value)) ctx.addIssue({ code: "custom", message: `${JSON.stringify(value.slice(0, 60))} is not a mail address`, params: { hint: "write root@localhost; several as a list" } });
});
const mailboxes = z.union([mailbox.transform((to): readonly string[] => [to]), z.array(mailbox).min(1).max(50).transform((to): readonly string[] => to)]);
expectations.add(mailboxes, { says: "a mail address, or a list of them" });

const mail = z.strictObject({
  to: mailboxes.meta(about("Whom to call.", {}, "mail address, or list")),
  from: mailbox.meta(about("The sender; `upkeep@` and the machine's name where it is left out.")).optional(),
  server: address("The mail server.", { default: "localhost:25" }).default({ host: "localhost", port: 25 }),
  username: text("The user name at the server.", { max: 256 }).optional(),
  password: secret("The password at the server: `{ file: … }` or `{ env: … }`.").optional(),
  tls: z.enum(["starttls", "tls", "none"]).meta(about("`starttls`: required. `tls`: from the first byte. `none`: never. Left out: STARTTLS where the server offers it, `tls` on port 465; required with a password, except at this machine itself.")).optional(),
}).superRefine((value, ctx) => {
  for (const [one, other] of [["username", "password"], ["password", "username"]] as const) {
    if (value[one] !== undefined && value[other] === undefined) ctx.addIssue({ code: "custom", path: [one], message: `${one} without ${other}`, params: { hint: "both or neither" } });
  }
});

export const alerts = z.strictObject({
  mail: mail.meta(about("Mail over SMTP.")).optional(),
  command: argv("A program that calls a person, and its arguments; no shell is involved.").optional(),
  deadman: deadman.meta(about("A URL that is called as long as this watcher lives; whoever serves it calls a person when the calls cease. `{ url: …, every: 1m }` for another pace.", {}, "URL, or mapping")).optional(),
  repeat: duration("How often an alarm that nobody has acknowledged is repeated.", { minMs: 10_000, maxMs: 7 * DAY_MS, default: "1h" }).default(3_600_000),
});

/** This machine's name, made fit to be a watcher's. */
export function ownName(machine: string = hostname()): string {
  const fit = machine.replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 63);
  return fit === "" ? "watcher" : fit;
}

export type WatcherInput = z.output<typeof watcher>;
export type BrakesInput = z.output<typeof brakes>;
export type AlertsInput = z.output<typeof alerts>;
