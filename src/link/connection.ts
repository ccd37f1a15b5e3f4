// One TLS connection between an agent and a watcher, as lines of messages with bounds: how long a line is, how many come a
// second, how much waits to be sent, how long the other end is silent. Whoever breaks one is told so and cut.

import type { TLSSocket } from "node:tls";
import type { z } from "zod";
import type { Bye } from "./messages.ts";
import { LINE_BYTES_MAX, parseMessage } from "./messages.ts";
import { ALIVE_EVERY_MS, SILENT_MAX_MS } from "./pace.ts";

const BACKLOG_BYTES_MAX = 2 * 1_048_576;
const MESSAGES_A_SECOND = 50;
const MESSAGES_AT_ONCE = 400;
const PARTS_MAX = 64;
/** After the last word the other end may take so long to close. */
const LINGER_MS = 2_000;

export type Ends<Incoming> = {
  readonly socket: TLSSocket;
  /** What may come in: one of the tables of messages.ts. */
  readonly rows: Readonly<Record<string, z.ZodType>>;
  nowMs(): number;
  message(message: Incoming): void;
  /** Once, with what is known of the reason. */
  closed(because: string): void;
};

export class Connection<Incoming, Outgoing> {
  readonly #ends: Ends<Incoming>;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #heardMs: number;
  #saidMs: number;
  #tokens = MESSAGES_AT_ONCE;
  #refilledMs: number;
  #because: string | null = null;
  #open = true;

  constructor(ends: Ends<Incoming>) {
    this.#ends = ends;
    this.#heardMs = this.#saidMs = this.#refilledMs = ends.nowMs();
    const { socket } = ends;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => (this.#because ??= error.message));
    socket.on("close", () => {
      this.#open = false;
      this.#rest = [];
      ends.closed(this.#because ?? "the other end has closed the connection");
    });
  }

  get open(): boolean {
    return this.#open;
  }

  get heardMs(): number {
    return this.#heardMs;
  }

  get from(): string {
    return this.#ends.socket.remoteAddress ?? "";
  }

  send(message: Outgoing): void {
    if (!this.#open) return;
    const { socket } = this.#ends;
    if (socket.writableLength > BACKLOG_BYTES_MAX) return this.cut("the other end does not read");
    this.#saidMs = this.#ends.nowMs();
    socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Called every few seconds: says that this end is alive, and cuts an end that is not. */
  look(): void {
    const nowMs = this.#ends.nowMs();
    if (nowMs - this.#heardMs > SILENT_MAX_MS) return this.cut(`nothing was heard for ${Math.round((nowMs - this.#heardMs) / 1_000)} s`);
    if (nowMs - this.#saidMs >= ALIVE_EVERY_MS) this.send({ kind: "alive" } as Outgoing);
  }

  /** Says why, and closes. */
  bye(reason: Bye["reason"], because: string): void {
    if (!this.#open) return;
    this.#because ??= because;
    this.#open = false;
    const { socket } = this.#ends;
    socket.end(`${JSON.stringify({ kind: "bye", reason, because } satisfies Bye)}\n`);
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  cut(because: string): void {
    this.#because ??= because;
    this.#open = false;
    this.#ends.socket.destroy();
  }

  #take(chunk: Buffer): void {
    let from = 0;
    while (this.#open) {
      const end = chunk.indexOf(10, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      this.#restBytes += part.length;
      if (this.#restBytes > LINE_BYTES_MAX) return this.bye("refused", `a line of more than ${LINE_BYTES_MAX} bytes`);
      if (end < 0) {
        if (part.length > 0) this.#rest.push(part);
        // A line that comes byte by byte must not cost more than its bytes.
        if (this.#rest.length > PARTS_MAX) this.#rest = [Buffer.concat(this.#rest)];
        return;
      }
      const line = this.#rest.length === 0 ? part.toString("utf8") : Buffer.concat([...this.#rest, part]).toString("utf8");
      this.#rest = [];
      this.#restBytes = 0;
      from = end + 1;
      this.#line(line);
    }
  }

  #line(line: string): void {
    const nowMs = this.#ends.nowMs();
    this.#heardMs = nowMs;
    this.#tokens = Math.min(MESSAGES_AT_ONCE, this.#tokens + ((nowMs - this.#refilledMs) * MESSAGES_A_SECOND) / 1_000) - 1;
    this.#refilledMs = nowMs;
    if (this.#tokens < 0) return this.bye("refused", `more than ${MESSAGES_A_SECOND} messages a second`);
    const parsed = parseMessage<Incoming>(this.#ends.rows, line);
    if (parsed.ok) return this.#ends.message(parsed.message);
    if (parsed.because !== null) this.bye("refused", parsed.because);
  }
}
