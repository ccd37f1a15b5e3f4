// `agent.orphans`: containers whose supervisor is gone. `orphans: {}` finds and shows them.

import { z } from "zod";
import { about, duration, flag, whole } from "../fields.ts";
import { defineAgentPart } from "./part-schema.ts";

/** In the part's folder: what was found last, for `upkeep agent orphans`. */
export const ORPHANS_FILE = "orphans.json";

const DAY_MS = 86_400_000;

export const orphans = defineAgentPart({
  settings: z.strictObject({
    every: duration("How often to look.", { minMs: 100, maxMs: DAY_MS, default: "1m" }).default(60_000),
    grace: duration("How long one must have been found without its supervisor before it is an orphan: a supervisor may be about to clean up.", { maxMs: 7 * DAY_MS, default: "15m" }).default(900_000),
    reap: flag("Whether orphans are ended. Left out, they are only shown.", { default: false }).default(false),
    termFor: duration("How long an orphan's first process has to end by itself before it is killed.", { maxMs: 3_600_000, default: "10s" }).default(10_000),
    atOnce: whole("More orphans than this at one time are a fault of whoever supervises them, or of the finding: then none is ended, and a person is told.", 1, 1_000, { default: 3 }).default(3),
  }).meta(about("Containers whose supervisor is gone: found and shown, and with `reap` ended.")),
  resolve: (written) => written,
});
