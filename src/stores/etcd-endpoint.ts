// One endpoint of an etcd cluster: HTTP/1.1 over connections that are opened here, so that it is always known whether a byte
// of a request can have left this machine. A request is handed its connection only when that is established, TLS included:
// a failure before then is one in which nothing was sent, and a write may go to the next endpoint.
//
// A connection that is given up is reset (SO_LINGER 0): what the network has not taken yet is thrown away instead of being
// delivered when a cable heals.

import { Agent, request } from "node:http";
import type { ClientRequest, ClientRequestArgs, IncomingMessage } from "node:http";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";

export type Tls = {
  /** PEM. Without it, the certificate authorities that Node knows. */
  readonly ca?: string | undefined;
  /** Client certificate and its key, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
};

/** unreachable: no connection, or no answer. refused: it does not want us, or is not what was meant. large: more than may be read. */
export type FaultKind = "unreachable" | "refused" | "foreign" | "large" | "closed";

/** Why a call has no answer. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly kind: FaultKind;
  /** Bytes may have left: what the call would have done is not known. */
  readonly sent: boolean;
  /** gRPC's status code, when the store itself said no. */
  readonly code: number | null;
  constructor(kind: FaultKind, message: string, details: { readonly sent: boolean; readonly code?: number }) {
    super(message);
    this.kind = kind;
    this.sent = details.sent;
    this.code = details.code ?? null;
  }
}

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
    const raw = net.connect({ host: this.#host, port: this.#port, noDelay: true, keepAlive: true, timeout: IDLE_MS });
    const drop = (): void => void raw.destroy();
    this.#open.add(drop);
    raw.once("close", () => this.#open.delete(drop));
    let settled = false;
    const settle = (error: Error | null, socket?: Duplex): void => {
      if (settled) return;
      settled = true;
      if (error !== null) raw.destroy();
      done(error, socket);
    };
    raw.once("error", settle);
    // A dial that nobody waits for any more must end, too.
    raw.once("timeout", () => settle(new Error(`no connection within ${IDLE_MS} ms`)));
    raw.once("connect", () => {
      raw.setTimeout(0);
      if (this.#tls === null) {
        this.#raw.set(raw, raw);
        return settle(null, raw);
      }
      const { ca, cert, key } = this.#tls;
      // From here on the reason is told by the TLS side; a reset shows on both.
      raw.off("error", settle);
      raw.on("error", (error) => setImmediate(() => settle(new Error(`TLS was not set up: ${plain(error)}`))));
      const secure = tls.connect({
        socket: raw, minVersion: "TLSv1.2", host: this.#host, ALPNProtocols: ["http/1.1"],
        ...(net.isIP(this.#host) === 0 ? { servername: this.#host } : {}),
        ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }),
      });
      this.#raw.set(secure, raw);
      secure.setTimeout(IDLE_MS, () => settle(new Error(`no TLS session within ${IDLE_MS} ms`)));
      secure.on("error", (error) => settle(Object.assign(new Error(`TLS was not set up: ${plain(error)}`, { cause: error }), "code" in error ? { code: error.code } : {})));
      secure.once("close", () => settle(new Error("TLS was not set up: the connection was closed")));
      secure.once("secureConnect", () => {
        secure.setTimeout(0);
        settle(null, secure);
      });
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

function isRefusal(error: Error): boolean {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO|ERR_OSSL)/.test(code) || code.startsWith("HPE_");
}

/** One line; an AggregateError of several addresses has no message of its own. */
function plain(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = error.message === "" ? code : error.message;
  return text.replaceAll(/\s+/g, " ").slice(0, 300);
}
