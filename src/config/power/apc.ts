// The settings of `apc`. The device is where its telnet answers.

import { z } from "zod";
import { formatAddress } from "../address.ts";
import { address, choice, secret, text } from "../fields.ts";
import { defineDriver } from "./device-schema.ts";

const TELNET_PORT = 23;

export const apc = defineDriver({
  about: "An APC switched PDU over telnet.",
  settings: z.strictObject({
    address: address("Where the device is, port 23 where none is named. `{host}` stands for the host's name: then there is one device a host.", { template: true }),
    username: text("The user name to log in with.", { default: "apc", max: 64 }).default("apc"),
    password: secret("The password: `{ file: … }` or `{ env: … }`."),
    dialect: choice(["auto", "menu2", "menu3", "shell"], "How the device talks; `auto` tells by what it says.", { default: "auto" }).default("auto"),
  }),
  capabilities: { exclusiveSession: true },
  placed: true,
  outputs: () => ({ outlet: "must" }),
  async resolve({ address: { host, port }, username, password, dialect }, asked) {
    const place = { host: asked.fill(host), port: port ?? TELNET_PORT };
    return { options: { ...place, username, password: await asked.secret(password, ["password"]), dialect }, address: formatAddress(place.host, place.port) };
  },
});
