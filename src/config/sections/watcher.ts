// The watcher itself: who it is, what it holds on to when it doubts itself, and the brakes on what it does.

import { hostname } from "node:os";
import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, duration, name, orNull, percent, whole } from "../fields.ts";
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

/** This machine's name, made fit to be a watcher's. */
export function ownName(machine: string = hostname()): string {
  const fit = machine.replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 63);
  return fit === "" ? "watcher" : fit;
}

export type WatcherInput = z.output<typeof watcher>;
export type BrakesInput = z.output<typeof brakes>;
