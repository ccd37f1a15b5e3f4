// The settings of `imap`: 143 speaks in clear first, 993 does not.

import { z } from "zod";
import { flag, port } from "../fields.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

export const imap = defineProbe({
  about: "The greeting of an IMAP server.",
  reference: "A reference with an IMAP server.",
  options: z.strictObject({
    port: port("The port of the server: 143, or 993 with `tls`.").optional(),
    tls: flag("The server speaks TLS from the first byte. Certificates are not judged.", { default: false }).default(false),
    timeout,
  }),
  resolve: ({ port: own, tls }) => ({ port: own ?? (tls ? 993 : 143), tls }),
});
