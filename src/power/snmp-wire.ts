// The socket under the SNMP library: it decides what leaves this machine and what comes in, so that two promises do not rest
// on a library's inner life.
//
// Out: a SET is one datagram, ever. The library repeats nothing with `retries: 0`, except that a report about clocks makes it
// send its request once more under SNMPv3; a wire that was told of a SET lets one datagram go and then none (safety.md §4.3).
// In: the socket is connected, so the kernel takes datagrams from the device's own address and port only and tells when nobody
// listens there; and to a question that was signed and encrypted only such an answer is let in.

import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import { UpkeepError } from "../core/errors.ts";
import { snmpEnvelope } from "../protocol/snmp.ts";

type Sent = (error: Error | null) => void;

/** The part of a dgram.Socket that the library uses. */
export class SnmpWire extends EventEmitter {
  readonly #socket: Socket;
  readonly #protected: boolean;
  #allowed = Number.POSITIVE_INFINITY;
  #closed = false;
  /** Why the kernel says that nobody is there; null: it does not say so. */
  refused: string | null = null;
  /** Called when `refused` is set. */
  onRefused: () => void = () => {};

  private constructor(socket: Socket, onlyProtected: boolean) {
    super();
    this.#socket = socket;
    this.#protected = onlyProtected;
    socket.on("message", (bytes) => this.#receive(bytes));
    socket.on("error", (error) => this.#refuse(error));
  }

  /** Looks the name up, if it is one, and connects; sends nothing. `onlyProtected`: see above. */
  static async open(host: string, port: number, onlyProtected: boolean, signal: AbortSignal): Promise<SnmpWire> {
    const failed = (why: string, cause?: unknown): UpkeepError => new UpkeepError("POWER_UNREACHABLE", `${host}:${port}: ${why}`, { cause });
    const stopped = (): UpkeepError => new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
    if (signal.aborted) throw stopped();
    const { lookup } = await import("node:dns/promises");
    const gone = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(stopped()), { once: true }));
    gone.catch(() => {});
    const found = await Promise.race([lookup(host).catch((error: unknown) => Promise.reject(failed("the name does not resolve", error))), gone]);
    const socket = createSocket(found.family === 6 ? "udp6" : "udp4");
    const connected = new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(port, found.address, () => {
        socket.removeListener("error", reject);
        resolve();
      });
    });
    try {
      await Promise.race([connected, gone]);
    } catch (error) {
      socket.on("error", () => {}).close();
      throw error instanceof UpkeepError ? error : failed(codeOf(error), error);
    }
    return new SnmpWire(socket, onlyProtected);
  }

  /** From now on one datagram may leave, and no more until `allowAll`. */
  allowOne(): void {
    this.#allowed = 1;
  }

  allowAll(): void {
    this.#allowed = Number.POSITIVE_INFINITY;
  }

  /** As the library calls it; port and address are those of the connection. */
  send(bytes: Uint8Array, offset: number, length: number, _port: number, _address: string, done: Sent): void {
    if (this.#closed) return done(new Error("the session is closed"));
    if (this.#allowed < 1) return done(new Error("a command is sent once"));
    this.#allowed -= 1;
    // Connected, so this goes to the kernel before it returns (send(2)).
    this.#socket.send(bytes, offset, length, (error) => {
      if (error !== null) this.#refuse(error);
      done(error);
    });
  }

  ref(): void {
    if (!this.#closed) this.#socket.ref();
  }

  unref(): void {
    if (!this.#closed) this.#socket.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
    this.emit("close");
  }

  #receive(bytes: Buffer): void {
    const envelope = snmpEnvelope(bytes);
    if (this.#closed || envelope === null) return;
    // Reports are how an agent says that it could not even check who asks; they answer no question (RFC 3414 §3.2).
    if (this.#protected && (envelope.version !== 3 || (envelope.pdu !== "report" && !(envelope.authenticated && envelope.encrypted)))) return;
    try {
      this.emit("message", bytes);
    } catch {
      // A message that the library cannot take apart is no answer.
    }
  }

  #refuse(error: Error): void {
    this.refused ??= codeOf(error) === "ECONNREFUSED" ? "nothing listens there (port unreachable)" : codeOf(error);
    this.onRefused();
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
}
