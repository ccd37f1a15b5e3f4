// The settings of `ipmi`. A BMC belongs to one machine, so it stands alone in a host's power, and `{host}` in its address
// makes one BMC a host of it.

import { z } from "zod";
import { formatAddress } from "../address.ts";
import { address, choice, secret, text, whole } from "../fields.ts";
import { defineDriver } from "./device-schema.ts";

const RMCP_PORT = 623;
/** IPMI 2.0 §22.30. */
const PASSWORD_BYTES_MAX = 20;

export const ipmi = defineDriver({
  about: "A BMC by IPMI 2.0 over the network, through `ipmitool`.",
  settings: z.strictObject({
    address: address("Where the BMC is, port 623 where none is named. `{host}` stands for the host's name: then there is one BMC a host.", { template: true }),
    username: text("The user name to log in with.", { max: 16 }),
    password: secret("The password, at most 20 bytes: `{ file: … }` or `{ env: … }`."),
    privilege: choice(["operator", "administrator"], "The privilege to ask for. An operator may switch power.", { default: "administrator" }).default("administrator"),
    cipher: whole("The cipher suite. Left out: the best that the BMC offers. `3` is what old ones have.", 1, 17).optional(),
  }),
  placed: true,
  capabilities: { followsHost: true },
  sharesPower: () => true,
  outputs: () => ({ outlet: "never" }),
  async resolve({ address: { host, port }, username, password, privilege, cipher }, asked) {
    const place = { host: asked.fill(host), port: port ?? RMCP_PORT };
    const opened = await asked.secret(password, ["password"]);
    if (Buffer.byteLength(opened.reveal()) > PASSWORD_BYTES_MAX) return asked.refuse("SECRET_INVALID", "the password is longer than IPMI takes", ["password"], `at most ${PASSWORD_BYTES_MAX} bytes`);
    return { options: { ...place, username: asked.fill(username), password: opened, privilege, cipher: cipher ?? null }, address: formatAddress(place.host, place.port) };
  },
});
