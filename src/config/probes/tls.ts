// The settings of `tls`.

import { z } from "zod";
import { duration, port, text } from "../fields.ts";
import { defineProbe, given, timeout } from "./probe-schema.ts";

export const tls = defineProbe({
  about: "A TLS handshake; the certificate is evidence.",
  reference: "A reference that speaks TLS.",
  options: z.strictObject({
    port: port("The port of the server.", { default: 443 }).default(443),
    name: text("The name that is asked for (SNI); the host's address as configured, or its name, where it is left out.", { max: 253 }).optional(),
    expires: duration("A certificate that ends sooner is told first in the evidence. It never makes a round bad: power mends no certificate.", { default: "7d" }).default(7 * 86_400_000),
    timeout,
  }),
  resolve: ({ port: own, name, expires }) => ({ port: own, expiresMs: expires, ...given({ name }) }),
});
