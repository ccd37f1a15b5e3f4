// The settings of `ups`.

import { z } from "zod";
import { port, text } from "../fields.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

export const ups = defineProbe({
  about: "What upsd (Network UPS Tools) says of a UPS.",
  reference: "A reference with an upsd.",
  options: z.strictObject({
    port: port("The port of upsd.", { default: 3_493 }).default(3_493),
    name: text("The name of the UPS, as in `ups.conf`.", { default: "ups", max: 64 }).default("ups"),
    timeout,
  }),
  resolve: ({ port: own, name }) => ({ port: own, name }),
});
