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
const ENOBUFS = 105;

/** One look: up to `count` requests, of which the first that is answered ends it. An object, so that it needs no functions of its own. */
class Look {
  readonly family: 4 | 6;
  readonly socket: EchoSocket;
  readonly to: Buffer;
  readonly signal: AbortSignal;
  readonly resolve: (ms: number) => void;
  readonly reject: (error: unknown) => void;
  /** Requests that it may still send, and when the next is due. */
  left: number;
  againAtMs = 0;
  readonly sequences: number[] = [];
  over = false;
  readonly #end: (look: Look) => void;

  constructor(family: 4 | 6, socket: EchoSocket, to: Buffer, count: number, signal: AbortSignal, settle: { readonly resolve: (ms: number) => void; readonly reject: (error: unknown) => void }, end: (look: Look) => void) {
    [this.family, this.socket, this.to, this.signal, this.left] = [family, socket, to, signal, count];
    [this.resolve, this.reject] = [settle.resolve, settle.reject];
    this.#end = end;
  }

  /** A request that could not be sent at all; of several the first speaks for them. */
  failed(errno: number): void {
    if (this.over || this.sequences.length > 1) return;
    this.#end(this);
    this.reject(failure(errorName(errno), "cannot send an echo request"));
  }

  /** It is the listener of its own abort. */
  handleEvent(): void {
    this.#end(this);
    this.reject(this.signal.reason);
  }
}

type Request = { readonly look: Look; readonly nonce: Buffer; readonly sentAtMs: number };

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
    if (request === undefined || !request.nonce.equals(reply.nonce) || !sameAddress(request.look.to, from)) return;
    const { look, sentAtMs } = request;
    end(look);
    look.resolve(performance.now() - sentAtMs);
  }

  function freeSequence(family: 4 | 6): number | null {
    for (let tries = 0; tries <= 0xffff; tries += 1) {
      sequence = (sequence + 1) & 0xffff;
      if (!awaited[family].has(sequence)) return sequence;
    }
    return null;
  }

  function ask(look: Look): void {
    const { family, socket, to } = look;
    const sequenceNow = freeSequence(family);
    if (sequenceNow === null) return look.failed(ENOBUFS);
    const nonce = nextNonce();
    look.sequences.push(sequenceNow);
    look.left -= 1;
    awaited[family].set(sequenceNow, { look, nonce, sentAtMs: performance.now() });
    socket.hold(true);
    socket.send(encodeEchoRequest(family, id, sequenceNow, nonce), to, look);
    if (look.left > 0) later(look);
  }

  function end(look: Look): void {
    look.over = true;
    look.signal.removeEventListener("abort", look);
    for (const one of look.sequences) awaited[look.family].delete(one);
    if (awaited[look.family].size === 0) look.socket.hold(false);
  }

  /** All gaps are of one length, so that what is added last is due last, and one timer does for all. */
  const queue: Look[] = [];
  let timer: NodeJS.Timeout | undefined;
  function later(look: Look): void {
    look.againAtMs = performance.now() + GAP_MS;
    queue.push(look);
    timer ??= setTimeout(askAgain, GAP_MS);
  }
  function askAgain(): void {
    timer = undefined;
    const due = queue.findIndex(({ over, againAtMs }) => !over && againAtMs > performance.now());
    for (const look of queue.splice(0, due === -1 ? queue.length : due)) if (!look.over) ask(look);
    const [next] = queue;
    if (next !== undefined) timer ??= setTimeout(askAgain, Math.max(1, Math.ceil(next.againAtMs - performance.now())));
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
        const look = new Look(family, socket, to, count, signal, { resolve, reject }, end);
        signal.addEventListener("abort", look, { once: true });
        ask(look);
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
      clearTimeout(timer);
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
