// Asks a name server one question. With a name, the reply must have the expected rcode and, if `answer` is given, that
// record; without one it asks `. NS` and any well-formed reply to that question is good, SERVFAIL and REFUSED included:
// an outage upstream must not cut a resolver (safety.md §2.2).
//
// UDP goes through a connected socket with a port and an id of its own, so that the kernel drops strangers and tells us of
// a closed port. A datagram that is not the answer to the question is noted and waited past, as RFC 5452 asks of every
// resolver: else one forged datagram would be a bad round. A truncated answer is asked for again over TCP (RFC 7766 §5).

import { randomInt } from "node:crypto";
import dgram from "node:dgram";
import { isIP } from "node:net";
import { DNS_TYPES, type DnsQuery, type DnsReply, type DnsType, buildQuery, hasAnswer, judgeReply } from "../protocol/dns.ts";
import { bad, describe, good, networkFinding, notRun } from "./finding.ts";
import type { Finding, Probe, Target } from "./probe.ts";
import { converse, ignore } from "./stream.ts";

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

/** Wrong datagrams waited past; a server that sends more is not one. */
const STRANGERS_MAX = 16;

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
    const found = await overUdp(target, options, query, signal, progress);
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

function overUdp(target: Target, options: DnsOptions, query: DnsQuery, signal: AbortSignal, progress: Progress): Promise<Finding | "truncated"> {
  return new Promise((resolve, reject) => {
    let settled = false;
    let strangers = 0;
    // The address is numeric: a look-up that answers at once binds and connects before createSocket's caller goes on,
    // so that close frees the descriptor at once, too.
    const socket = dgram.createSocket({
      type: target.family === 4 ? "udp4" : "udp6",
      lookup: (name, _options, found) => found(null, name, target.family),
    });
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", (error) => settle(networkFinding(error)));
    socket.on("connect", () => {
      if (settled) return;
      socket.send(query.bytes, (error) => {
        if (error) settle(networkFinding(error));
      });
    });
    socket.on("message", (message) => {
      const verdict = judgeReply(query, message);
      if (verdict.kind === "reply") return settle(judge(options, verdict.reply));
      strangers += 1;
      if (strangers >= STRANGERS_MAX) return settle(bad("answer", `${strangers} datagrams, none an answer: ${verdict.why}`));
      progress?.(`${strangers} other datagrams: ${verdict.why}`);
    });
    try {
      socket.connect(options.port, target.address);
    } catch (error) {
      settle(notRun(`cannot ask: ${describe(error)}`));
    }

    function settle(finding: Finding | "truncated"): void {
      if (!end()) return;
      resolve(finding);
    }
    function abort(): void {
      if (end()) reject(signal.reason);
    }
    function end(): boolean {
      if (settled) return false;
      settled = true;
      signal.removeEventListener("abort", abort);
      socket.close();
      socket.removeAllListeners(); // as in stream.ts: the handle outlives the round by a while
      socket.on("error", ignore);
      return true;
    }
  });
}

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
