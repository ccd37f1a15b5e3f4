// The settings of `ping`. Evidence only beside a service probe: a network card answers for a wedged host (field.md §1.28).

import { z } from "zod";
import { flag, whole } from "../fields.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

export const ping = defineProbe({
  about: "ICMP echo. Shows that a network stack lives, not that the host serves.",
  reference: "A reference that is pinged.",
  evidenceOnly: true,
  options: z.strictObject({
    count: whole("Echo requests a round; one reply is enough.", 1, 10, { default: 2 }).default(2),
    timeout,
    required: flag("Beside a service probe ping is evidence only, unless it is required: a network card may answer for a wedged host.", { default: false }).default(false),
  }),
  resolve: ({ count }) => ({ count }),
});
