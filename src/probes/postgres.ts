// Asks a PostgreSQL server whether it accepts connections, as `pg_isready` does: the startup message of a session, and the
// first word of the answer. The postmaster must have forked for it. No password is needed and no session comes of it.
// With `query` a whole session: authentication, and a query that must return a row (postgres-query.ts, loaded then).
//
// A server that rejects (57P03: starting up, recovering, shutting down) or is out of connections (53300) lives and says
// why it does not serve. It is not judged: a power cut would begin the recovery anew, which is no way to end it. Any
// other error in answer to the startup (no such role, no such database, not from this address) is a server that accepts,
// by pg_isready's own rule.

import { bad, excerpt, good, printable, turnedAway } from "./finding.ts";
import type { Finding, Probe } from "./probe.ts";
import { converse } from "./stream.ts";

export type PostgresOptions = {
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Absent: only whether connections are accepted. */
  readonly query?: string | undefined;
  readonly password?: string | undefined;
  readonly tls: boolean;
};

const BYTES_MAX = 16_384;
/** Messages before the one that counts: notices, and the offer of an older protocol. */
const MESSAGES_MAX = 8;
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

export const postgres: Probe<PostgresOptions> = {
  name: "postgres",
  service: true,
  port: ({ port }) => port,
  async run(target, options, _tools, signal, progress) {
    if (options.query !== undefined) {
      const { queryPostgres } = await import("./postgres-query.ts");
      return queryPostgres(target, { ...options, query: options.query }, signal, progress);
    }
    let write: (bytes: Buffer) => void = () => undefined;
    return converse(
      target,
      {
        port: options.port,
        bytesMax: BYTES_MAX,
        opened(writeToServer) {
          write = writeToServer;
          write(startupMessage(options));
          return null;
        },
        judge(soFar) {
          const judged = judgeStartup(soFar);
          // A session has begun where no password is wanted; elsewhere the server would log a protocol error.
          if (judged?.session === true) write(TERMINATE);
          return judged?.finding ?? null;
        },
        ended(soFar, how) {
          if (soFar.length === 0) return bad("answer", "connection closed without an answer");
          return bad("answer", `${how === "full" ? "no end of the answer" : "connection closed within the answer"}: "${excerpt(soFar, 60)}"`);
        },
      },
      signal,
      progress,
    );
  },
};

/** Protocol 3.0, "Message Formats", StartupMessage. */
function startupMessage({ user, database }: Pick<PostgresOptions, "user" | "database">): Buffer {
  const body = Buffer.from(["user", user, "database", database, "application_name", "upkeep", ""].map((text) => `${text}\0`).join(""), "utf8");
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(3 << 16, 4);
  return Buffer.concat([head, body]);
}

/** Judges what a server has answered to the startup message; null: more is needed. */
export function judgeStartup(soFar: Buffer): { readonly finding: Finding; readonly session: boolean } | null {
  let from = 0;
  for (let message = 0; message < MESSAGES_MAX; message += 1) {
    if (soFar.length < from + 5) return null;
    const type = String.fromCharCode(soFar[from] ?? 0);
    const length = soFar.readInt32BE(from + 1);
    if (!"RENv".includes(type) || length < 8 || length > BYTES_MAX - 1) return wrong(soFar.subarray(from));
    if (soFar.length < from + 1 + length) return null;
    const body = soFar.subarray(from + 5, from + 1 + length);
    from += 1 + length;
    if (type === "R") {
      const session = body.readInt32BE(0) === 0;
      return { finding: good("accepting connections"), session };
    }
    if (type === "E") {
      const { state, text } = parseError(body);
      return state === null ? wrong(soFar) : { finding: judgeRefusal(state, text), session: false };
    }
  }
  return wrong(soFar);
}

function wrong(bytes: Buffer): { readonly finding: Finding; readonly session: false } {
  return { finding: bad("answer", `not PostgreSQL: "${excerpt(bytes, 60)}"`), session: false };
}

function judgeRefusal(state: string, text: string): Finding {
  return isTurningAway(state) ? turnedAway("PostgreSQL", text) : good(`accepting connections (${text})`);
}

/** SQLSTATEs of a server that lives and takes no session now: starting up, recovering, shutting down, or out of connections. */
export function isTurningAway(state: string): boolean {
  return /^57P0[123]$/.test(state) || state === "53300";
}

/** ErrorResponse: fields of one letter and text, each ended by a zero. */
function parseError(body: Buffer): { readonly state: string | null; readonly text: string } {
  const fields = new Map(body.toString("utf8").split("\0").map((field) => [field.slice(0, 1), field.slice(1)]));
  const state = fields.get("C") ?? "";
  return { state: /^[0-9A-Z]{5}$/.test(state) ? state : null, text: printable(fields.get("M") ?? state, 120) };
}
