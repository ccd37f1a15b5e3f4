// A connection of ours, lent to a library that speaks a protocol which is not to be written by hand (PostgreSQL, LDAP). The
// library sees a stream that stands, and never a socket to open, a name to look up or a certificate to judge; whatever
// happens to the connection is seen here and not there. So a probe through a library keeps what every probe keeps: errors
// are sorted by whose they are, an abort closes the descriptor at once, a peer that never stops is not listened to.
//
// What a library throws while it takes in a stranger's bytes would end the process. It is caught where the bytes are handed
// over, and is a finding: the peer does not speak the protocol.

import type net from "node:net";
import { Duplex } from "node:stream";
import { bad, describe, excerpt, notRun } from "./finding.ts";
import type { Finding, Target } from "./probe.ts";
import type { Before } from "./stream.ts";
import { converse } from "./stream.ts";

export type Loan = {
  readonly port: number;
  readonly tls?: { readonly name: string; readonly before?: Before };
  /** What the peer may say in all. */
  readonly bytesMax: number;
  /** As in "not PostgreSQL". */
  readonly protocol: string;
  /** Uses the stream and says what was found; a rejection says nothing about the host. */
  use(stream: net.Socket): Promise<Finding>;
};

export function lend(target: Target, loan: Loan, signal: AbortSignal, progress?: (text: string) => void): Promise<Finding> {
  const { port, tls, bytesMax, protocol } = loan;
  let lent: Lent | undefined;
  return converse(
    target,
    {
      port,
      ...(tls === undefined ? {} : { tls }),
      bytesMax,
      opened(write, _through, settle) {
        lent = new Lent(write, (error) => settle(bad("answer", `not ${protocol}: ${describe(error)}`)));
        loan.use(lent as unknown as net.Socket).then(settle, (error: unknown) => settle(notRun(`cannot ask: ${describe(error)}`)));
        return null;
      },
      judge(_soFar, chunk) {
        lent?.push(chunk);
        return null;
      },
      ended(soFar, how) {
        if (soFar.length === 0) return bad("answer", "connection closed without an answer");
        return bad("answer", `${how === "full" ? `over ${bytesMax} bytes and no end` : "connection closed within the answer"}: "${excerpt(soFar, 40)}"`);
      },
    },
    signal,
    progress,
  );
}

/** What a library gets: as much of a connected net.Socket as libraries use. Nothing that it does to it reaches the connection, but what it writes. */
class Lent extends Duplex {
  readonly connecting = false;
  readonly readyState = "open";
  readonly #send: (bytes: Buffer) => void;
  readonly #failed: (error: unknown) => void;

  constructor(send: (bytes: Buffer) => void, failed: (error: unknown) => void) {
    super({ emitClose: false, readableHighWaterMark: 1 << 20 });
    this.#send = send;
    this.#failed = failed;
    this.on("error", failed);
  }

  override emit(event: string | symbol, ...rest: unknown[]): boolean {
    try {
      return super.emit(event as string, ...rest);
    } catch (error) {
      this.#failed(error);
      return true;
    }
  }

  override _read(): void {
    // Bytes are pushed as they come.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send(chunk);
    done();
  }

  /** It stands already. */
  connect(): this {
    queueMicrotask(() => this.emit("connect"));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}
