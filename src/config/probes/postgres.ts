// The settings of `postgres`. Who asks only whether connections are accepted needs neither password nor TLS.

import { z } from "zod";
import { flag, port, secret, text } from "../fields.ts";
import { defineProbe, given, timeout } from "./probe-schema.ts";

export const postgres = defineProbe({
  about: "A PostgreSQL server that accepts connections, or answers a query.",
  reference: "A reference with a PostgreSQL server.",
  options: z.strictObject({
    port: port("The port of the server.", { default: 5_432 }).default(5_432),
    user: text("The role to connect as. Without a query it need not exist.", { default: "upkeep", max: 63 }).default("upkeep"),
    database: text("The database to connect to.", { default: "postgres", max: 63 }).default("postgres"),
    query: text("A query that must return a row whose first value is neither false nor null; read-only, at most 10 s. Without it good is a server that accepts connections.", { max: 4_096 }).optional(),
    password: secret("The role's password, for the query: `{ file: … }` or `{ env: … }`.").optional(),
    tls: flag("Encrypt the query's session. Certificates are not judged.", { default: false }).default(false),
    timeout,
  }),
  check(settings) {
    const stray = (["password", "tls"] as const).find((key) => settings[key] !== undefined && settings[key] !== false);
    return settings.query === undefined && stray !== undefined ? `postgres without a query opens no session: ${stray} needs a query` : null;
  },
  async resolve({ port: own, user, database, query, password, tls }, asked) {
    return { port: own, user, database, tls, ...given({ query, password: password && (await asked.secret(password)) }) };
  },
});
