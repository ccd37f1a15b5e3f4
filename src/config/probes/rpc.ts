// The settings of `rpc`. Program numbers are in rpc(5): 100003 nfs, 100005 mountd, 100021 nlockmgr.

import { z } from "zod";
import { choice, port, whole } from "../fields.ts";
import { defineProbe, given, timeout } from "./probe-schema.ts";

const WORD_MAX = 0xffff_ffff;

export const rpc = defineProbe({
  about: "A NULL call to an ONC RPC program.",
  reference: "A reference with an ONC RPC program.",
  incomplete: "rpc needs a program and its version: { rpc: { program: 100005, version: 3 } }",
  options: z.strictObject({
    program: whole("The number of the program, as `rpcinfo` shows it.", 0, WORD_MAX),
    version: whole("Its version.", 0, WORD_MAX),
    port: port("Where it listens. Without it the host's port mapper is asked, at every look.").optional(),
    transport: choice(["tcp", "udp"], "What to ask over.", { default: "tcp" }).default("tcp"),
    timeout,
  }),
  resolve: ({ program, version, port: where, transport }) => ({ program, version, transport, ...given({ port: where }) }),
  id: ({ program }) => `rpc:${program}`,
});
