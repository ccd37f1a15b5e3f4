// The settings of `smtp`: 587 and 25 speak in clear first, 465 does not.

import { z } from "zod";
import { flag, port } from "../fields.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

export const smtp = defineProbe({
  about: "The greeting of a mail server.",
  reference: "A reference with a mail server.",
  options: z.strictObject({
    port: port("The port of the server: 25, or 465 with `tls`.").optional(),
    tls: flag("The server speaks TLS from the first byte. Certificates are not judged.", { default: false }).default(false),
    timeout,
  }),
  resolve: ({ port: own, tls }) => ({ port: own ?? (tls ? 465 : 25), tls }),
});
