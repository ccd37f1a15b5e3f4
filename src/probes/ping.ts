// ICMP echo: one shared socket a family for all hosts, replies told apart by sequence number, nonce and sender. The first
// of `count` replies is enough, since one lost packet says nothing. An echo proves a kernel that handles interrupts and
// nothing more (field.md §1.28), so ping is no service probe: beside one that is, it is evidence only.
//
// A machine that may not send ICMP cannot look: `unknown`, with what to do about it. The permission is asked for again
// with every look, so that a sysctl set later needs no restart.

import { randomFillSync } from "node:crypto";
import { NONCE_BYTES, decodeEchoReply, encodeEchoRequest, withoutIpv4Header } from "../protocol/icmp.ts";
import { good, networkFinding, notRun } from "./finding.ts";
import { type EchoSocket, errorName, openEchoSocket, sameAddress, socketAddress } from "./icmp-socket.ts";
import type { Icmp, Probe } from "./probe.ts";

export type PingOptions = {
  /** Requests at most, 200 ms apart. */
  readonly count: number;
  /** Read by the configuration only: whether it counts beside a service probe. */
  readonly required?: boolean | undefined;
};

export const ping: Probe<PingOptions> = {
  name: "ping",
  service: false,
  awaits: "echo reply",
  refusal: (_options, tools) => tools.icmp.refusal(4),
  async run(target, options, tools, signal) {
    signal.throwIfAborted();
    const refusal = tools.icmp.refusal(target.family);
    if (refusal !== null) return notRun(refusal);
    try {
      const roundTripMs = await tools.icmp.echo(target, options.count, signal);
      return good(`echo reply in ${roundTripMs < 10 ? roundTripMs.toFixed(2) : Math.round(roundTripMs)} ms`);
    } catch (error) {
      if (signal.aborted) throw error;
      return networkFinding(error);
    }
  },
};

/** Between the requests of one look. */
const GAP_MS = 200;

type Request = { readonly to: Buffer; readonly nonce: Buffer; readonly answered: (atMs: number) => void };

/** The shared sockets. Nothing is opened, and koffi not loaded, before the first look. */
export function openIcmp(open: typeof openEchoSocket = openEchoSocket): Icmp & { kind(family: 4 | 6): "ping" | "raw" | null } {
  const sockets: { 4?: EchoSocket; 6?: EchoSocket } = {};
  const awaited = { 4: new Map<number, Request>(), 6: new Map<number, Request>() };
  const nextNonce = nonces();
  const id = nextNonce().readUInt16BE(0); // only a raw socket sends it; the kernel writes its own on a ping socket
  let sequence = nextNonce().readUInt16BE(0);
  let closed = false;

  function socketFor(family: 4 | 6): EchoSocket | string {
    if (closed) return "the watcher is stopping";
    const already = sockets[family];
    if (already !== undefined) return already;
    const opened = open(family, (datagram, from) => heard(family, datagram, from));
    if ("refusal" in opened) return opened.refusal;
    sockets[family] = opened.socket;
    return opened.socket;
  }

  function heard(family: 4 | 6, datagram: Buffer, from: Buffer): void {
    const message = family === 4 && sockets[4]?.raw === true ? withoutIpv4Header(datagram) : datagram;
    const reply = message === null ? null : decodeEchoReply(family, message);
    if (reply === null) return;
    const request = awaited[family].get(reply.sequence);
    // A stranger's reply on a raw socket, one to a request given up long ago, or one that another host sent for it.
    if (request === undefined || !request.nonce.equals(reply.nonce) || !sameAddress(request.to, from)) return;
    request.answered(performance.now());
  }

  function freeSequence(family: 4 | 6): number | null {
    for (let tries = 0; tries <= 0xffff; tries += 1) {
      sequence = (sequence + 1) & 0xffff;
      if (!awaited[family].has(sequence)) return sequence;
    }
    return null;
  }

  return {
    echo(target, count, signal) {
      return new Promise<number>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const { family } = target;
        const socket = socketFor(family);
        if (typeof socket === "string") return reject(failure("ENOTSUP", socket));
        const to = socketAddress(target.address, family);
        if (to === null) return reject(failure("EINVAL", `not a numeric address: ${target.address}`));
        const requests = awaited[family];
        const mine: number[] = [];
        let timer: NodeJS.Timeout | undefined;
        signal.addEventListener("abort", abort, { once: true });
        send(socket, to);

        function send(through: EchoSocket, address: Buffer): void {
          const sequenceNow = freeSequence(family);
          const nonce = nextNonce();
          const sentAtMs = performance.now();
          const errno =
            sequenceNow === null ? 105 : through.send(encodeEchoRequest(family, id, sequenceNow, nonce), address);
          if (errno === 0 && sequenceNow !== null) {
            mine.push(sequenceNow);
            const answered = (atMs: number): void => {
              end();
              resolve(atMs - sentAtMs);
            };
            requests.set(sequenceNow, { to: address, nonce, answered });
            through.hold(true);
          } else if (mine.length === 0) {
            end();
            return reject(failure(errorName(errno), "cannot send an echo request"));
          }
          if (mine.length < count) timer = setTimeout(send, GAP_MS, through, address);
        }
        function end(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", abort);
          for (const one of mine) requests.delete(one);
          if (requests.size === 0) sockets[family]?.hold(false);
        }
        function abort(): void {
          end();
          reject(signal.reason);
        }
      });
    },
    refusal(family) {
      const socket = socketFor(family);
      return typeof socket === "string" ? socket : null;
    },
    kind(family) {
      const socket = sockets[family];
      return socket === undefined ? null : socket.raw ? "raw" : "ping";
    },
    close() {
      closed = true;
      sockets[4]?.close();
      sockets[6]?.close();
    },
  };
}

/** Random nonces, drawn from the system four kilobytes at a time. */
function nonces(): () => Buffer {
  let pool = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at + NONCE_BYTES > pool.length) {
      pool = randomFillSync(Buffer.alloc(4_096)); // a new one: nonces in flight are views of the old
      at = 0;
    }
    at += NONCE_BYTES;
    return pool.subarray(at - NONCE_BYTES, at);
  };
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
