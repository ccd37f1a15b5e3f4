// Says PING to a Redis server (or Valkey, KeyDB) and wants `+PONG`. Redis serves from one loop, so whatever it answers comes
// from the loop that serves everybody.
//
// Which errors speak against it is decided by what a power cut would do. Loading its data it would begin the loading anew
// (LOADING); a replica without its master is not the patient (MASTERDOWN); one that cannot save to disk would lose what it
// holds in memory (MISCONF); out of connections it lives (max clients): none of these is judged. A script that does not end
// (BUSY) blocks every client, and is bad. A server that wants a password which is not configured has answered: as with
// PostgreSQL, that is good; a wrong password is a mistake of the configuration.

import { bad, excerpt, good, redacted, turnedAway } from "./finding.ts";
import type { Finding, Probe } from "./probe.ts";
import { converse } from "./stream.ts";

export type RedisOptions = {
  readonly port: number;
  readonly tls: boolean;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
};

const BYTES_MAX = 4_096;
/** Errors of a server that lives and cannot be judged, by their first word. */
const NOT_JUDGED = /^-(LOADING|MASTERDOWN|MISCONF|DENIED|NOPERM|WRONGPASS|NOAUTH|NOREPLICAS|TRYAGAIN|ERR max number of clients|ERR invalid (username-password|password)|ERR (Client sent )?AUTH)/;

export const redis: Probe<RedisOptions> = {
  name: "redis",
  service: true,
  awaits: "PONG",
  port: ({ port }) => port,
  run(target, options, _tools, signal, progress) {
    const { port, tls, username, password } = options;
    const auth = password === undefined ? [] : [command("AUTH", ...(username === undefined ? [] : [username]), password)];
    const over = tls ? { tls: { name: target.configured ?? target.host } } : {};
    return converse(
      target,
      {
        port,
        ...over,
        bytesMax: BYTES_MAX,
        opened(write) {
          write(Buffer.concat([...auth, command("PING")]));
          return null;
        },
        judge: (soFar) => judgeReplies(soFar, options),
        ended: (soFar, how) => bad("answer", how === "full" ? `no answer in ${BYTES_MAX} bytes` : `connection closed ${soFar.length === 0 ? "without" : "within"} the answer`),
      },
      signal,
      progress,
    );
  },
};

/** Judges the answers to AUTH, where there was one, and PING; null: not all of them have come. */
export function judgeReplies(soFar: Buffer, options: Pick<RedisOptions, "password">): Finding | null {
  const lines = completeLines(soFar);
  const [first] = lines;
  if (first === undefined) return null;
  if (options.password !== undefined) {
    if (first !== "+OK") return judgeError(first, options);
    lines.shift();
  }
  const [pong] = lines;
  if (pong === undefined) return null;
  if (pong === "+PONG") return good("PONG");
  // Nobody has told us the password, and it was asked for by the loop that serves everybody.
  return options.password === undefined && pong.startsWith("-NOAUTH ") ? good("answers, and wants a password") : judgeError(pong, options);
}

function judgeError(line: string, { password }: Pick<RedisOptions, "password">): Finding {
  const shown = excerpt(Buffer.from(redacted(line, password === undefined ? [] : [password]), "latin1"), 120);
  if (!line.startsWith("-")) return bad("answer", `not a Redis answer: "${shown}"`);
  return NOT_JUDGED.test(line) ? turnedAway("Redis", shown.slice(1)) : bad("answer", shown.slice(1) || "an error without a word");
}

/** RESP lines: each is ended by CR LF. */
function completeLines(bytes: Buffer): string[] {
  return bytes.toString("latin1").split("\r\n").slice(0, -1);
}

/** A command as RESP has it: an array of strings with their lengths, so that no value can end it early. */
function command(...words: readonly string[]): Buffer {
  return Buffer.from(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`, "utf8");
}
