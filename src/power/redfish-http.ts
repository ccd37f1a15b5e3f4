// One TLS connection to a Redfish service, and requests on it, one after the other. The connection is ours to see: a
// switching request goes out on it in the same breath in which it is let go, or not at all. A new connection would take a
// handshake, in which a command could wait far beyond its time; so none is ever made in the place of one that has gone.
//
// Certificates: checked as any browser would, by authorities of one's own, or by the certificate's fingerprint, which is what
// BMCs with a certificate of their own making need. The check comes before the first request, and so before any password.

import { Agent, request } from "node:https";
import type { ClientRequest } from "node:http";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import { UpkeepError } from "../core/errors.ts";
import type { Tap } from "./power.ts";
import { limitDelivery } from "./socket-options.ts";

export type RedfishService = {
  readonly host: string;
  readonly port: number;
  /** False: any certificate will do. */
  readonly verify: boolean;
  /** Authorities in PEM; null: those of Node. */
  readonly ca: string | null;
  /** SHA-256 of the certificate, hexadecimal with colons; then nothing else is asked of it. Null: not known. */
  readonly fingerprint: string | null;
  /** The limit of one request, and of the connecting. */
  readonly stepMs: number;
  readonly maxActMs: number;
  readonly tap?: Tap | undefined;
};

export type Answer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

export type Ask = { readonly method: "GET" | "POST" | "DELETE"; readonly path: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown };

/** A system has tens of kilobytes. */
const BODY_BYTES_MAX = 1_048_576;

export class RedfishConnection {
  readonly #service: RedfishService;
  readonly #socket: TLSSocket;
  readonly #agent: Agent;
  /** What could not be seen to, for the evidence. */
  readonly warning: string | null;

  private constructor(service: RedfishService, socket: TLSSocket, warning: string | null) {
    this.#service = service;
    this.#socket = socket;
    this.warning = warning;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let used = false;
    this.#agent.createConnection = () => {
      if (used || socket.destroyed) throw new UpkeepError("POWER_UNREACHABLE", `${this.#where}: the connection was gone`);
      used = true;
      return socket;
    };
    // Without a listener an error between two requests would end the process.
    socket.on("error", () => undefined);
  }

  static async open(service: RedfishService, signal: AbortSignal): Promise<RedfishConnection> {
    const { host, port, stepMs, maxActMs } = service;
    const where = `${host}:${port}`;
    const plain = connectTcp({ host, port });
    try {
      await within(signal, stepMs, `${where}: no connection`, (done, fail) => {
        plain.once("connect", done);
        plain.once("error", (error) => fail(unreachable(where, error)));
      });
      const warning = await limitDelivery(plain, maxActMs);
      const socket = await secure(service, plain, signal);
      return new RedfishConnection(service, socket, warning);
    } catch (error) {
      plain.destroy();
      throw error;
    }
  }

  get alive(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** One request to its end. */
  async ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    return await this.start(ask, signal).answer;
  }

  /**
   * Gives a request to the connection before it returns; throws, and has sent nothing, when that has gone. `answer` rejects
   * with an UpkeepError, and leaves no connection behind then.
   */
  start({ method, path, headers, body }: Ask, signal: AbortSignal): { readonly answer: Promise<Answer> } {
    if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
    if (!this.alive) throw new UpkeepError("POWER_UNREACHABLE", `${this.#where}: the connection was gone`);
    const { host, port, stepMs } = this.#service;
    const text = body === undefined ? null : JSON.stringify(body);
    const sent = request({
      host, port, method, path, agent: this.#agent,
      headers: { accept: "application/json", "odata-version": "4.0", ...headers, ...(text === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }) },
    });
    this.#service.tap?.said(JSON.stringify({ method, path, body: text ?? "" }));
    const answer = within<Answer>(signal, stepMs, `${this.#where}: no answer to ${method} ${path}`, (done, fail) => this.#hear(sent, done, fail)).then((heard) => {
      this.#service.tap?.heard(JSON.stringify({ ...heard, headers: recordedHeaders(heard.headers) }));
      return heard;
    }).catch((error: unknown) => {
      // Whatever comes late belongs to nobody.
      this.destroy();
      throw error;
    });
    // Whoever waits hears of it; until then it is nobody's unhandled rejection.
    answer.catch(() => undefined);
    sent.end(text ?? undefined);
    return { answer };
  }

  destroy(): void {
    this.#agent.destroy();
    this.#socket.destroy();
  }

  get #where(): string {
    return `${this.#service.host}:${this.#service.port}`;
  }

  #hear(sent: ClientRequest, done: (answer: Answer) => void, fail: (error: Error) => void): void {
    sent.once("error", (error) => fail(error instanceof UpkeepError ? error : unreachable(this.#where, error)));
    sent.once("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > BODY_BYTES_MAX) return fail(new UpkeepError("POWER_NONSENSE", `${this.#where}: an answer of more than ${BODY_BYTES_MAX} bytes`));
        chunks.push(chunk);
      });
      response.once("error", (error) => fail(unreachable(this.#where, error)));
      response.once("close", () => fail(new UpkeepError("POWER_UNREACHABLE", `${this.#where}: the answer was cut off`)));
      response.once("end", () => {
        const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]));
        done({ status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
  }
}

/** What a replay needs of an answer's headers; a session's token is no more than its place. */
function recordedHeaders(headers: Answer["headers"]): Answer["headers"] {
  return Object.fromEntries(["content-type", "etag", "location", "x-auth-token"].flatMap((name): [string, string][] => (headers[name] === undefined ? [] : [[name, name === "x-auth-token" ? "token" : headers[name]]])));
}

async function secure(service: RedfishService, plain: Socket, signal: AbortSignal): Promise<TLSSocket> {
  const { host, port, verify, ca, fingerprint, stepMs } = service;
  const where = `${host}:${port}`;
  const socket = connectTls({ socket: plain, servername: /^[0-9.]+$|:/.test(host) ? "" : host, host, rejectUnauthorized: verify && fingerprint === null, ...(ca === null ? {} : { ca }) });
  try {
    await within(signal, stepMs, `${where}: no TLS`, (done, fail) => {
      socket.once("secureConnect", done);
      socket.once("error", (error) => fail(untrusted(where, error)));
      socket.once("close", () => fail(new UpkeepError("POWER_UNREACHABLE", `${where}: hung up before TLS was agreed`)));
    });
    const shown = socket.getPeerX509Certificate()?.fingerprint256 ?? "none";
    if (fingerprint !== null && shown !== fingerprint) throw new UpkeepError("POWER_LOGIN", `${where}: its certificate has another fingerprint: ${shown}`);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Codes of OpenSSL and of Node that speak of a certificate. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ALTNAME/;

function untrusted(where: string, error: Error): UpkeepError {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (!CERTIFICATE.test(code)) return unreachable(where, error);
  return new UpkeepError("POWER_LOGIN", `${where}: its certificate is not trusted (${error.message.slice(0, 120)}): name its \`ca\` or its \`fingerprint\``, { cause: error });
}

function unreachable(where: string, error: Error): UpkeepError {
  const { code } = error as NodeJS.ErrnoException;
  return new UpkeepError("POWER_UNREACHABLE", `${where}: ${code ?? error.message.slice(0, 120)}`, { cause: error });
}

/** Settles as `work` says, or rejects at the limit or the abort, whichever is first. */
function within<Result = void>(signal: AbortSignal, limitMs: number, late: string, work: (done: (result: Result) => void, fail: (error: Error) => void) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => fail(new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason }));
    const timer = setTimeout(() => fail(new UpkeepError("POWER_TIMEOUT", `${late} within ${limitMs} ms`)), limitMs);
    const tidy = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
    };
    const fail = (error: Error): void => {
      tidy();
      reject(error);
    };
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    work((result) => {
      tidy();
      resolve(result);
    }, fail);
  });
}
