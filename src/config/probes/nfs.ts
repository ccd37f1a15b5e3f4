// The settings of `nfs`. Without a version any that the server speaks is good.

import { z } from "zod";
import { choice, port, whole } from "../fields.ts";
import { defineProbe, given, timeout } from "./probe-schema.ts";

export const nfs = defineProbe({
  about: "A NULL call to an NFS server.",
  reference: "A reference with an NFS server.",
  options: z.strictObject({
    version: whole("The version that must be served. Without it whichever the server speaks is good.", 2, 4).optional(),
    port: port("The port of the NFS server.", { default: 2_049 }).default(2_049),
    transport: choice(["tcp", "udp"], "What to ask over.", { default: "tcp" }).default("tcp"),
    timeout,
  }),
  resolve: ({ version, port: where, transport }) => ({ port: where, transport, ...given({ version }) }),
});
