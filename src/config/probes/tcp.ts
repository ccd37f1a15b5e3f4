// The settings of `tcp`. The port may be that of the host's address.

import { z } from "zod";
import { about, port } from "../fields.ts";
import { defineProbe, given, pattern, timeout } from "./probe-schema.ts";

export const tcp = defineProbe({
  about: "A TCP connection, and what is said over it.",
  reference: "A reference that accepts a TCP connection.",
  options: z.strictObject({
    port: port("The port to connect to.").optional(),
    send: z.string().min(1).max(4_096).meta(about("What to send after connecting, as it is: write `\"PING\\r\\n\"`.")).optional(),
    expect: pattern("What the answer must hold. Without it a connection is enough, which a wedged host grants, too.").optional(),
    timeout,
  }),
  resolve({ port: own, send, expect }, { address, refuse }) {
    const where = own ?? address.port;
    return where === null ? refuse("PROBE_INCOMPLETE", "tcp needs a port", "write { tcp: { port: 53 } }") : { port: where, ...given({ send, expect }) };
  },
  id: (options) => `tcp:${options.port}`,
});
