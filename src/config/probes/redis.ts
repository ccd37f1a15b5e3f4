// The settings of `redis`.

import { z } from "zod";
import { flag, port, secret, text } from "../fields.ts";
import { defineProbe, given, inClear, timeout } from "./probe-schema.ts";

export const redis = defineProbe({
  about: "PING to a Redis server.",
  reference: "A reference with a Redis server.",
  options: z.strictObject({
    port: port("The port of the server.", { default: 6_379 }).default(6_379),
    username: text("The user of the password, where there are users.", { max: 256 }).optional(),
    password: secret("The password for AUTH: `{ file: … }` or `{ env: … }`.").optional(),
    tls: flag("Speak over TLS. Certificates are not judged.", { default: false }).default(false),
    timeout,
  }),
  check: ({ username, password }) => (username !== undefined && password === undefined ? "redis with a username needs its password" : null),
  async resolve({ port: own, username, password, tls }, asked) {
    return { port: own, tls, ...given({ username, password: password && (await asked.secret(password)) }) };
  },
  lint: ({ tls, password }, host) => (!tls && password !== undefined ? inClear("redis", host) : null),
});
