// A session with a PostgreSQL server and one query in it. Good is a row whose first value is neither false nor null, so a
// query may say itself what is right: `SELECT NOT pg_is_in_recovery()`. The transaction is read-only and never committed,
// and the server ends the query after ten seconds: a watcher that gives up and comes again must not pile up backends.
//
// Of errors only those are bad that are the server's own doing: out of resources, of its disks, internal, or the query over
// its time. A wrong password, a missing table or right is the configuration's fault and proves nothing about the host.

import { createRequire } from "node:module";
import type net from "node:net";
import type { Client } from "pg";
import { bad, describe, errorCode, excerpt, good, notRun, redacted, turnedAway } from "./finding.ts";
import { lend } from "./lend.ts";
import { isTurningAway } from "./postgres.ts";
import type { PostgresOptions } from "./postgres.ts";
import type { Finding, Target } from "./probe.ts";
import type { Before } from "./stream.ts";

// The class alone: the package's entry brings a pool and a native driver that nobody asked for.
const PgClient = createRequire(import.meta.url)("pg/lib/client.js") as typeof Client;

const BYTES_MAX = 262_144;
const QUERY_MS_MAX = 10_000;
/** Length 8, code 1234.5679: SSLRequest. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

type QueryOptions = PostgresOptions & { readonly query: string };

export function queryPostgres(target: Target, options: QueryOptions, signal: AbortSignal, progress?: (text: string) => void): Promise<Finding> {
  const { port, tls } = options;
  const name = target.configured ?? target.host;
  return lend(target, { port, ...(tls ? { tls: { name, before: BEFORE_TLS } } : {}), bytesMax: BYTES_MAX, protocol: "PostgreSQL", use: (stream) => ask(stream, options) }, signal, progress);
}

const BEFORE_TLS: Before = {
  say: SSL_REQUEST,
  heard(answer) {
    // Exactly one byte: what came with it would be somebody's who is between us (CVE-2021-23222).
    if (answer.length === 1 && answer[0] === 0x53) return null;
    if (answer.length === 1 && answer[0] === 0x4e) return notRun("the server has no TLS");
    return bad("answer", `not PostgreSQL: "${excerpt(answer, 60)}"`);
  },
};

async function ask(stream: net.Socket, options: QueryOptions): Promise<Finding> {
  const { port, user, database, password, query, tls } = options;
  let inClear = false;
  const client = new PgClient({
    host: "127.0.0.1", // never used: the stream is there already
    port, user, database, ssl: false,
    application_name: "upkeep",
    // A function, so that no .pgpass and no environment is asked. It is called when the server wants it.
    password: () => {
      if (password === undefined) throw new Unwilling("the server wants a password, and none is configured");
      if (inClear) throw new Unwilling("the server wants the password in clear, and there is no TLS");
      return password;
    },
    stream: () => stream,
  });
  client.on("error", ignoreError);
  connectionOf(client).prependListener("authenticationCleartextPassword", () => (inClear = !tls));
  try {
    await client.connect();
    await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${QUERY_MS_MAX}`);
    const answer = await client.query<unknown[]>({ text: query, rowMode: "array" });
    // Several statements have as many answers; the last is the one that counts.
    const { rows } = Array.isArray(answer) ? ((answer as unknown[]).at(-1) as typeof answer) : answer;
    return judgeRows(rows);
  } catch (error) {
    return judgeError(error, password ?? "");
  } finally {
    stream.write(Buffer.from([0x58, 0, 0, 0, 4])); // Terminate
  }
}

/** Something that we do not do. */
class Unwilling extends Error {}

function judgeRows(rows: readonly (readonly unknown[])[]): Finding {
  const [first] = rows;
  if (first === undefined) return bad("answer", "the query returned no row");
  const [value] = first;
  if (value === undefined) return bad("answer", "the query returned a row without a value");
  const text = excerpt(Buffer.from(value instanceof Date ? value.toISOString() : typeof value === "object" ? JSON.stringify(value) : String(value as string)), 100);
  return value === null || value === false ? bad("answer", `the query returned ${text}`) : good(`the query returned ${text}`);
}

function judgeError(error: unknown, password: string): Finding {
  const text = redacted(describe(error), [password]);
  if (error instanceof Unwilling || error instanceof TypeError) return notRun(text);
  const state = errorCode(error);
  if (!/^[0-9A-Z]{5}$/.test(state)) return bad("answer", `no session: ${text}`);
  if (isTurningAway(state)) return turnedAway("PostgreSQL", text);
  return isServersFault(state) ? bad("answer", text) : { outcome: "unknown", sign: "answer", evidence: excerpt(Buffer.from(`cannot ask: ${text}`), 200) };
}

/** Appendix A, "PostgreSQL Error Codes": insufficient resources, system error, internal error, and a query over its time. */
function isServersFault(state: string): boolean {
  return /^(53|58|XX)/.test(state) || state === "57014";
}

function connectionOf(client: Client): NodeJS.EventEmitter {
  return (client as unknown as { readonly connection: NodeJS.EventEmitter }).connection;
}

function ignoreError(): void {
  // The connection's end is seen where it was lent.
}
