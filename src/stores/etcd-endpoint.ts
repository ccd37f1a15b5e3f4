// One endpoint of an etcd cluster: HTTP/1.1 over connections that are opened here (dial.ts), so that it is always known
// whether a byte of a request can have left this machine. A request is handed its connection only when that is established,
// TLS included: a failure before then is one in which nothing was sent, and a write may go to the next endpoint. A
// connection that is given up is reset.

import { Agent, request } from "node:http";
import type { ClientRequest, ClientRequestArgs, IncomingMessage } from "node:http";
import type net from "node:net";
import type { Duplex } from "node:stream";
import type { Tls } from "./dial.ts";
import { dial } from "./dial.ts";
import { Fault, isRefusal, plain } from "./fault.ts";

export type Answer = { readonly status: number; readonly text: string };

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const IDLE_MS = 30_000;

export class Endpoint {
  /** As it stands in evidence: never with a user or a password. */
  readonly name: string;
  readonly #host: string;
  readonly #port: number;
  readonly #tls: Tls | null;
  readonly #agent: Agent;
  /** The TCP connection under each connection, for resetting. */
  readonly #raw = new WeakMap<Duplex, net.Socket>();
  /** Everything that `close` has to end. */
  readonly #open = new Set<() => void>();

  /** Throws a plain error that does not show the text when it is no endpoint: it may hold a password. */
  constructor(text: string, options: Tls) {
    const url = URL.parse(text);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:") || url.hostname === "") throw new Error("an endpoint must be http://HOST:PORT or https://HOST:PORT");
    if (url.username !== "" || url.password !== "") throw new Error("an endpoint must not hold a user or a password");
    if ((url.pathname !== "/" && url.pathname !== "") || url.search !== "" || url.hash !== "") throw new Error(`the endpoint ${url.origin} must end with the port`);
    this.name = url.origin;
    this.#host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.#port = url.port === "" ? 2379 : Number(url.port);
    this.#tls = url.protocol === "https:" ? options : null;
    this.#agent = new DialingAgent((done) => this.#dial(done));
  }

  /** One request and its whole answer. `connectMs` bounds the time until there is a connection, `ms` all of it. */
  post(path: string, headers: Readonly<Record<string, string>>, body: string, limits: { readonly connectMs: number; readonly ms: number }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = this.#request(path, headers, this.#agent);
      const { fail, over } = this.#guard(asked, limits, reject);
      asked.on("response", (answer) => {
        let size = 0;
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => {
          size += part.length;
          if (size > ANSWER_BYTES_MAX) fail(new Fault("large", `${this.name}: the answer is larger than ${ANSWER_BYTES_MAX} bytes`, { sent: true }));
          else parts.push(part);
        });
        answer.on("error", (error) => fail(error));
        answer.on("close", () => {
          if (!answer.complete) return fail(new Error("the connection ended in the middle of an answer"));
          over();
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") });
        });
      });
      asked.end(body);
    });
  }

  /**
   * A request whose body stays open, and its answer once its head is there. `Connection: close` on purpose: only then does
   * Go's HTTP/1 server let a handler answer before it has read the whole request (net/http, `cw.writeHeader`).
   */
  stream(path: string, headers: Readonly<Record<string, string>>, first: string, ms: number): Promise<{ readonly asked: ClientRequest; readonly answer: IncomingMessage; readonly end: () => void }> {
    return new Promise((resolve, reject) => {
      const agent = new DialingAgent((done) => this.#dial(done));
      const asked = this.#request(path, { ...headers, connection: "close" }, agent);
      const guard = this.#guard(asked, { connectMs: ms, ms }, reject);
      asked.on("response", (answer) => {
        guard.over();
        const end = (): void => {
          this.#open.delete(end);
          this.#reset(asked);
        };
        this.#open.add(end);
        answer.once("close", end);
        resolve({ asked, answer, end });
      });
      asked.write(first);
    });
  }

  close(): void {
    for (const end of [...this.#open]) end();
    this.#agent.destroy();
  }

  #request(path: string, headers: Readonly<Record<string, string>>, agent: Agent): ClientRequest {
    return request({ agent, method: "POST", path, headers: { "content-type": "application/json", ...headers }, host: this.#host, port: this.#port });
  }

  /** Limits for a request: one failure is reported, whatever goes wrong first. */
  #guard(asked: ClientRequest, limits: { readonly connectMs: number; readonly ms: number }, reject: (fault: Fault) => void): { fail: (error: Error) => void; over: () => void } {
    let sent = false;
    let settled = false;
    const over = (): void => {
      settled = true;
      clearTimeout(connecting);
      clearTimeout(whole);
      this.#open.delete(close);
    };
    const fail = (error: Error): void => {
      if (settled) return;
      over();
      this.#reset(asked);
      reject(error instanceof Fault ? error : new Fault(isRefusal(error) ? "refused" : "unreachable", `${this.name}: ${plain(error)}`, { sent }));
    };
    const close = (): void => fail(new Fault("closed", "the store is closed", { sent }));
    const connecting = setTimeout(() => !sent && fail(new Error(`no connection within ${Math.round(limits.connectMs)} ms`)), limits.connectMs);
    const whole = setTimeout(() => fail(new Error(`no answer within ${Math.round(limits.ms)} ms`)), limits.ms);
    this.#open.add(close);
    asked.on("socket", () => { sent = true; });
    // Stays for good: a request that was given up may still emit one.
    asked.on("error", fail);
    return { fail, over };
  }

  #reset(asked: ClientRequest): void {
    const raw = asked.socket === null ? undefined : this.#raw.get(asked.socket);
    try {
      raw?.resetAndDestroy();
    } catch {
      // it has no descriptor any more
    }
    asked.destroy();
  }

  #dial(done: (error: Error | null, socket?: Duplex) => void): void {
    dial({ host: this.#host, port: this.#port, tls: this.#tls, protocols: ["http/1.1"], open: this.#open }, (error, dialed) => {
      if (dialed !== undefined) this.#raw.set(dialed.socket, dialed.raw);
      done(error, dialed?.socket);
    });
  }
}

/** Hands out a connection only when it is established. */
class DialingAgent extends Agent {
  readonly #dial: (done: (error: Error | null, socket?: Duplex) => void) => void;
  constructor(dial: (done: (error: Error | null, socket?: Duplex) => void) => void) {
    super({ keepAlive: true, maxFreeSockets: 2, timeout: IDLE_MS });
    this.#dial = dial;
  }
  override createConnection(_options: ClientRequestArgs, done?: (error: Error | null, socket: Duplex) => void): undefined {
    this.#dial((error, socket) => done?.(error, socket as Duplex));
  }
}
