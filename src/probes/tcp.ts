// Connects, may say something, may wait for something. Without `expect` it is good once the connection is accepted: that
// shows a kernel with a listening socket and nothing about the program behind it, which may be frozen (field.md §1.28).
// What was sent is never evidence, since it may hold a password, and is taken out again where the peer echoes it.

import { EVIDENCE_CHARACTERS_MAX, bad, excerpt, good, notRun, redacted } from "./finding.ts";
import { ANSWER_BYTES_MAX, expectationOf, watcherFor } from "./expect.ts";
import type { Finding, Probe } from "./probe.ts";
import { converse } from "./stream.ts";

export type TcpOptions = {
  readonly port: number;
  /** Sent as soon as the connection stands. */
  readonly send?: string | undefined;
  /** A substring or `/regex/` within the first 64 KiB of the answer. */
  readonly expect?: string | undefined;
};

export const tcp: Probe<TcpOptions> = {
  name: "tcp",
  service: true,
  port: ({ port }) => port,
  async run(target, options, _tools, signal, progress) {
    const { port, send, expect } = options;
    const expectation = expect === undefined ? null : expectationOf(options, expect);
    if (expectation === "not a regular expression") return notRun(`expect: ${expectation}`);
    const matches = expectation === null ? null : watcherFor(expectation);
    const shown = (bytes: Buffer): string => excerpt(withoutWords(bytes, send, expect));
    const lacking = (soFar: Buffer, how: string): Finding =>
      bad("answer", soFar.length === 0 ? `${how} without a word` : `${how}, and no ${quoted(expect)} in "${shown(soFar)}"`);
    return converse(
      target,
      {
        port,
        bytesMax: ANSWER_BYTES_MAX,
        opened(write) {
          if (send !== undefined) write(Buffer.from(send, "utf8"));
          return matches === null ? good("connected") : null;
        },
        judge(soFar) {
          const match = matches?.(soFar) ?? "found";
          if (match === "absent") return null;
          return match === "found" ? good(`answered "${shown(soFar)}"`) : notRun(`${quoted(expect)} takes too long on the answer`);
        },
        ended: (soFar, how) => lacking(soFar, how === "closed" ? "connection closed" : `over ${ANSWER_BYTES_MAX} bytes`),
      },
      signal,
      progress,
    );
  },
};

/** The beginning of an answer without what was sent, nor any word of it: Redis, for one, quotes arguments in its errors. */
function withoutWords(bytes: Buffer, send: string | undefined, expect: string | undefined): Buffer {
  if (send === undefined) return bytes;
  const secrets = [send.trim(), ...send.split(/\s+/)].filter((word) => expect?.includes(word) !== true);
  // Long enough that no secret is cut in two by the end of the excerpt.
  const beginning = bytes.toString("latin1", 0, EVIDENCE_CHARACTERS_MAX + Buffer.byteLength(send));
  return Buffer.from(redacted(beginning, secrets.map((word) => Buffer.from(word, "utf8").toString("latin1"))), "latin1");
}

function quoted(expect: string | undefined): string {
  return expect === undefined ? "answer" : `"${expect.length > 40 ? `${expect.slice(0, 39)}…` : expect}"`;
}
