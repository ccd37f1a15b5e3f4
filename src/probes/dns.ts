// Asks a name server one question. With a name, the reply must have the expected rcode and, if `answer` is given, that
// record; without one it asks `. NS` and any well-formed reply to that question is good, SERVFAIL and REFUSED included:
// an outage upstream must not cut a resolver (safety.md §2.2).
//
// Each question has a port and an id of its own (datagram.ts, RFC 5452). A truncated answer is asked for again over TCP
// (RFC 7766 §5).

import { randomInt } from "node:crypto";
import { isIP } from "node:net";
import { DNS_TYPES, type DnsQuery, type DnsReply, type DnsType, buildQuery, hasAnswer, judgeReply } from "../protocol/dns.ts";
import { ask } from "./datagram.ts";
import { bad, good, notRun } from "./finding.ts";
import type { Finding, Probe, Target } from "./probe.ts";
import { converse } from "./stream.ts";

export type DnsOptions = {
  readonly port: number;
  readonly name?: string | undefined;
  /** A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT. */
  readonly type: string;
  readonly rcode: string;
  /** The data of one record of the answer, as `dig +short` prints it. */
  readonly answer?: string | undefined;
  readonly tcp: boolean;
};

export const dns: Probe<DnsOptions> = {
  name: "dns",
  service: true,
  port: ({ port }) => port,
  async run(target, options, _tools, signal, progress) {
    signal.throwIfAborted();
    const type = options.name === undefined ? "NS" : DNS_TYPES.find((known) => known === options.type.toUpperCase());
    const query = type === undefined ? null : buildQuery(randomInt(0x1_0000), options.name ?? ".", type satisfies DnsType);
    if (isIP(target.address) === 0) return notRun("not a numeric address");
    if (query === null) return notRun(`cannot ask for ${options.name ?? "."} ${options.type}`);
    if (options.tcp) return overTcp(target, options, query, signal, progress);
    const found = await ask<Finding | "truncated">(
      target,
      {
        port: options.port,
        message: () => query.bytes,
        judge(datagram) {
          const verdict = judgeReply(query, datagram);
          return verdict.kind === "reply" ? { found: judge(options, verdict.reply) } : { stranger: verdict.why };
        },
      },
      signal,
      progress,
    );
    return found === "truncated" ? overTcp(target, options, query, signal, progress) : found;
  },
};

/** What a reply to our question says about the server; `truncated` when it must be asked for over TCP. */
export function judge(options: DnsOptions, reply: DnsReply): Finding | "truncated" {
  const shown = `${reply.rcode}${reply.answers.length === 0 ? "" : `: ${reply.answers.slice(0, 3).join(", ")}`}`;
  if (options.name === undefined) return good(shown);
  const rcode = options.rcode.toUpperCase();
  if (reply.rcode !== rcode) return bad("answer", `${shown} (expected ${rcode})`);
  if (options.answer === undefined || hasAnswer(reply, options.answer)) return good(shown);
  if (reply.truncated) return "truncated";
  return bad("answer", `${shown} (expected ${options.answer})`);
}

type Progress = ((text: string) => void) | undefined;

function overTcp(target: Target, options: DnsOptions, query: DnsQuery, signal: AbortSignal, progress: Progress): Promise<Finding> {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.bytes.length);
  return converse(
    target,
    {
      port: options.port,
      bytesMax: 2 + 0xffff,
      opened(write) {
        write(Buffer.concat([length, query.bytes])); // one segment, RFC 7766 §8
        return null;
      },
      judge(soFar) {
        if (soFar.length < 2 || soFar.length < 2 + soFar.readUInt16BE(0)) return null;
        const verdict = judgeReply(query, soFar.subarray(2, 2 + soFar.readUInt16BE(0)));
        if (verdict.kind === "not-ours") return bad("answer", `not an answer: ${verdict.why}`);
        const found = judge(options, verdict.reply);
        return found === "truncated" ? bad("answer", "truncated over TCP") : found;
      },
      ended: (soFar) => bad("answer", soFar.length === 0 ? "connection closed without an answer" : "connection closed within the answer"),
    },
    signal,
    progress,
  );
}
