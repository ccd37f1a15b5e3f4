// The part `selfFence`: services that run here only under a lease, how long that lasts, and the watchdog behind it.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, argv, duration, text } from "../fields.ts";
import { NAME_PATTERN } from "../ranges.ts";
import { defineAgentPart } from "./part-schema.ts";

const SERVICES_MAX = 32;

const service = z.strictObject({
  start: argv("Starts it, and ends when that is done or handed on. Never run without a lease."),
  stop: argv("Stops it, and ends with 0 once it is stopped and not before."),
  status: argv("Ends with 0 where it runs, with 3 or 7 where it does not; anything else is unknown, and counts as running where it must not."),
});
const services = z.record(z.string().regex(new RegExp(NAME_PATTERN)), service);
expectations.add(services, { says: "a mapping of names to services: db: { start: [systemctl, start, db], stop: [systemctl, stop, db], status: [systemctl, is-active, --quiet, db] }" });

export const selfFence = defineAgentPart({
  settings: z.strictObject({
    ttl: duration("How long a lease lasts from when its renewal was asked for. It is renewed three times as often.", { minMs: 6_000, maxMs: 3_600_000, default: "30s" }).default(30_000),
    stopWithin: duration("How long stopping may take once a lease has ended. What is not known to be stopped then takes the host with it, where there is a watchdog.", { minMs: 1_000, maxMs: 3_600_000, default: "30s" }).default(30_000),
    startWithin: duration("How long a start may take.", { minMs: 1_000, maxMs: 3_600_000, default: "60s" }).default(60_000),
    watchdog: text("The watchdog of this host, such as `/dev/watchdog`. Opened only while a lease is held. Left out: leases end on this agent's word alone, and only its word or a person's gives them to another host.", { max: 256 }).optional(),
    timeout: duration("How long after its last petting the watchdog resets this host, in whole seconds. At least three times what the service manager takes to start the agent again.", { minMs: 3_000, maxMs: 600_000, default: "15s" }).default(15_000),
    services: services.meta(about("What runs here only under a lease, by the name of the lease.", {}, "mapping of names to services")),
  }).meta(about("Services that run on this host only under a lease of the watchers, and what becomes of them when it ends.")),
  resolve({ ttl, stopWithin, startWithin, watchdog, timeout, services: written }, { problems, place }) {
    const names = Object.keys(written);
    if (names.length === 0 || names.length > SERVICES_MAX) problems.add(place(["services"]), "VALUE_INVALID", names.length === 0 ? "there is no service to hold a lease of" : `${names.length} services`, `from 1 to ${SERVICES_MAX}`);
    if (timeout % 1_000 !== 0) problems.add(place(["timeout"]), "VALUE_INVALID", "a watchdog counts whole seconds", "15s");
    if (problems.failed) return null;
    return {
      ttlMs: ttl, stopWithinMs: stopWithin, startWithinMs: startWithin, watchdog: watchdog === undefined ? null : { path: watchdog, timeoutMs: timeout },
      services: names.map((name) => ({ service: name, ...(written[name] as z.output<typeof service>) })),
    };
  },
});
