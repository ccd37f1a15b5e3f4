// The live stream: each event's data (src/api/live.ts).

import { z } from "zod";
import { STRIP_CELLS } from "../live.ts";
import { eventLine } from "./past.ts";
import { listOf, milliseconds, named, text, time } from "./schema.ts";
import { hostReport, statusReport } from "./status.ts";

const strip = z.string().regex(new RegExp(`^[ .sub]{${STRIP_CELLS}}$`)).describe("A character for five seconds, the newest last: `.` good, `s` slow, `b` bad, `u` unknown, a space: no round.");
const strips = z.record(z.string(), z.record(z.string(), strip)).describe("By host, then by probe.");

const { site, guarded, watchers, devices, brakes, storms, reboots, alarms, ledger, store, power, armed } = statusReport.shape;
/** `partial()` would allow `undefined`, which JSON does not have. */
const rest = z.strictObject({
  site: site.exactOptional(), guarded: guarded.exactOptional(), watchers: watchers.exactOptional(), devices: devices.exactOptional(), brakes: brakes.exactOptional(),
  storms: storms.exactOptional(), reboots: reboots.exactOptional(), alarms: alarms.exactOptional(), ledger: ledger.exactOptional(), store: store.exactOptional(), power: power.exactOptional(), armed: armed.exactOptional(),
});

export const liveEvents = {
  snapshot: named("Snapshot", "Begins a stream, and comes again whenever that is better than a delta.", z.strictObject({ version: text(), status: statusReport, strips, stripsEnd: time(), lines: listOf(eventLine) })),
  delta: named("Delta", "Hosts that changed, whole, and what else of the status changed, whole.", z.strictObject({ at: time(), hosts: listOf(hostReport), rest })),
  cells: named("Cells", "The newest cell of the strips of the hosts that had a round in it.", z.strictObject({
    end: time().describe("The end of that cell."),
    cells: z.record(z.string(), z.record(z.string(), z.strictObject({ cell: z.string().regex(/^[.sub]$/), latencyMs: milliseconds().nullable() }))),
  })),
  lines: named("Lines", "Lines of the journal as they are told.", listOf(eventLine)),
  tick: named("Tick", "Nothing new; comes at least every five seconds.", z.strictObject({ at: time() })),
} as const;
