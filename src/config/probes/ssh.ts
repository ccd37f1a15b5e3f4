// The settings of `ssh`. Without a port that of the host's address is asked, else 22.

import { z } from "zod";
import { port } from "../fields.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

const SSH_PORT = 22;

export const ssh = defineProbe({
  about: "The banner of an SSH server.",
  reference: "A reference with an SSH server.",
  options: z.strictObject({ port: port("The port of the SSH server; good is its banner.", { default: SSH_PORT }).optional(), timeout }),
  resolve: (settings, { address }) => ({ port: settings.port ?? address.port ?? SSH_PORT }),
});
