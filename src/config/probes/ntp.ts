// The settings of `ntp`. Without bounds any answer is good, so that an outage upstream does not cut a time server.

import { z } from "zod";
import { duration, port, whole } from "../fields.ts";
import { defineProbe, given, timeout } from "./probe-schema.ts";

export const ntp = defineProbe({
  about: "An answer of a time server.",
  reference: "A reference with a time server.",
  options: z.strictObject({
    port: port("The port of the time server.", { default: 123 }).default(123),
    maxOffset: duration("How far its clock may be from this watcher's. Never bad while this watcher's own clock is not synchronised. Without it the offset is evidence.", { minMs: 1 }).optional(),
    maxStratum: whole("How far it may be from the source of its time; more, or a server that is not synchronised, is bad. Without it the stratum is evidence.", 1, 15).optional(),
    timeout,
  }),
  resolve: ({ port: where, maxOffset, maxStratum }) => ({ port: where, ...given({ maxOffsetMs: maxOffset, maxStratum }) }),
});
