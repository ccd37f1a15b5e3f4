// Calls to an etcd cluster: which endpoint, how often, and what an answer means. A call that changes nothing, or whose
// repetition does no harm, goes on to the next endpoint until its time is over; its time is divided, so that one frozen
// node does not use up all of it. A write goes on only while not a byte of it has been sent: after that its outcome is
// unknown, and only the core may decide whether it is still wanted.

import type { z } from "zod";
import type { Tls } from "./dial.ts";
import type { Answer } from "./etcd-endpoint.ts";
import { Endpoint } from "./etcd-endpoint.ts";
import { authenticateAnswer, DECIDED, errorAnswer, GRPC } from "./etcd-wire.ts";
import { Fault, mergedFaults } from "./fault.ts";

export type ClientOptions = {
  /** `http://HOST:PORT` or `https://HOST:PORT`, of one cluster. */
  readonly endpoints: readonly string[];
  readonly tls?: Tls;
  readonly auth?: { readonly user: string; readonly password: string };
};

export type Call<T> = {
  readonly path: string;
  readonly body: unknown;
  readonly schema: z.ZodType<T>;
  /** Doing it twice does no harm. */
  readonly repeatable: boolean;
  readonly ms: number;
};

/** An open watch. */
export type Stream = { send(message: unknown): void; close(): void };

const LINE_BYTES_MAX = 16 * 1024 * 1024;

export class EtcdClient {
  readonly #endpoints: readonly Endpoint[];
  readonly #auth: ClientOptions["auth"];
  #at = 0;
  #token: string | null = null;
  #cluster: string | null = null;
  #closed = false;

  constructor(options: ClientOptions) {
    if (options.endpoints.length === 0) throw new Error("no endpoint");
    this.#endpoints = options.endpoints.map((text) => new Endpoint(text, options.tls ?? {}));
    this.#auth = options.auth;
  }

  /** Identity of the cluster; known once a call was answered. Answers of any other cluster are refused from then on. */
  get cluster(): string {
    return this.#cluster ?? "";
  }

  /** Rejects with a Fault. */
  async call<T extends { readonly header: { readonly cluster_id: string } }>(call: Call<T>): Promise<T> {
    const endMs = performance.now() + call.ms;
    try {
      return await this.#callOnce(call, endMs);
    } catch (error) {
      // Refused before it was proposed: a simple token ends after some minutes, and with the member's process.
      if (!(error instanceof Fault) || error.code !== GRPC.UNAUTHENTICATED || this.#auth === undefined) throw error;
      this.#token = null;
      return this.#callOnce(call, endMs);
    }
  }

  /** Opens a watch at an endpoint and hands out each line of it; the next call goes to another endpoint when it breaks. `ended` is told once, unless `close` came first. */
  async stream(path: string, first: unknown, ms: number, onLine: (line: string) => void, ended: (because: string) => void): Promise<Stream> {
    const endMs = performance.now() + ms;
    const headers = { ...(await this.#authorization(endMs)), "grpc-metadata-hasleader": "true" };
    const at = this.#at;
    const endpoint = this.#endpointAt(at);
    try {
      const { asked, answer, end } = await endpoint.stream(path, headers, `${JSON.stringify(first)}\n`, Math.max(1, endMs - performance.now()));
      let over = false;
      const finish = (because: string): void => {
        if (over) return;
        over = true;
        end();
        this.#moveOn(at);
        ended(`${endpoint.name}: ${because}`);
      };
      const take = linesOf(onLine, () => finish(`a line longer than ${LINE_BYTES_MAX} bytes`));
      if (answer.statusCode !== 200) {
        end();
        this.#token = null;
        throw new Fault("refused", `${endpoint.name}: HTTP ${answer.statusCode} to a watch`, { sent: true });
      }
      answer.on("data", (part: Buffer) => { if (!over) take(part); });
      answer.on("error", () => finish("the connection broke"));
      answer.on("close", () => finish("the connection was closed"));
      return {
        send: (message) => { if (!over) asked.write(`${JSON.stringify(message)}\n`); },
        close: () => {
          over = true;
          end();
        },
      };
    } catch (error) {
      this.#moveOn(at);
      throw this.#redacted(faultOf(error));
    }
  }

  /** The token may be why a watch was refused. */
  forgetToken(): void {
    this.#token = null;
  }

  /** Prefer another endpoint than the present one. */
  moveOn(): void {
    this.#moveOn(this.#at);
  }

  /** Ends everything that is under way. */
  close(): void {
    this.#closed = true;
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  async #callOnce<T extends { readonly header: { readonly cluster_id: string } }>(call: Call<T>, endMs: number): Promise<T> {
    const headers = await this.#authorization(endMs);
    return this.#overEndpoints(call.repeatable, endMs, async (endpoint, limits) => {
      const value = read(endpoint, call.schema, await endpoint.post(call.path, headers, JSON.stringify(call.body), limits));
      this.#sameCluster(endpoint, value.header.cluster_id);
      return value;
    });
  }

  async #overEndpoints<T>(repeatable: boolean, endMs: number, one: (endpoint: Endpoint, limits: { connectMs: number; ms: number }) => Promise<T>): Promise<T> {
    const faults: Fault[] = [];
    for (let left = this.#endpoints.length; left > 0; left -= 1) {
      if (this.#closed) throw new Fault("closed", "the store is closed", { sent: false });
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      const shareMs = leftMs / left;
      const at = this.#at;
      try {
        return await one(this.#endpointAt(at), { connectMs: shareMs, ms: repeatable ? shareMs : leftMs });
      } catch (error) {
        const fault = faultOf(error);
        this.#moveOn(at);
        faults.push(fault);
        if ((fault.sent && !repeatable) || isFinal(fault)) break;
      }
    }
    throw this.#redacted(mergedFaults(faults, isFinal));
  }

  async #authorization(endMs: number): Promise<Record<string, string>> {
    const auth = this.#auth;
    if (auth === undefined) return {};
    this.#token ??= await this.#overEndpoints(true, endMs, async (endpoint, limits) => {
      const answer = await endpoint.post("/v3/auth/authenticate", {}, JSON.stringify({ name: auth.user, password: auth.password }), limits);
      const { header, token } = read(endpoint, authenticateAnswer, answer);
      this.#sameCluster(endpoint, header.cluster_id);
      return token;
    });
    return { authorization: this.#token };
  }

  #sameCluster(endpoint: Endpoint, cluster: string): void {
    this.#cluster ??= cluster;
    if (cluster !== this.#cluster) throw new Fault("foreign", `${endpoint.name} belongs to the cluster ${cluster}, and ours is ${this.#cluster}`, { sent: true });
  }

  #endpointAt(at: number): Endpoint {
    const endpoint = this.#endpoints[at];
    if (endpoint === undefined) throw new Error("no endpoint");
    return endpoint;
  }

  /** Only if nobody else has moved on since: several calls fail together when a node dies. */
  #moveOn(from: number): void {
    if (this.#at === from) this.#at = (from + 1) % this.#endpoints.length;
  }

  /** Nothing of ours says it, and no server should; evidence ends up in a journal that many may read. */
  #redacted(fault: Fault): Fault {
    const secrets = [this.#auth?.password, this.#token].filter((secret) => typeof secret === "string" && secret.length > 0);
    const message = secrets.reduce((text: string, secret) => text.replaceAll(secret as string, "‹hidden›"), fault.message);
    return message === fault.message ? fault : new Fault(fault.kind, message, { sent: fault.sent, ...(fault.code === null ? {} : { code: fault.code }) });
  }
}

/** The store has decided; another endpoint would say the same. */
function isFinal(fault: Fault): boolean {
  return fault.kind === "closed" || fault.kind === "large" || (fault.code !== null && DECIDED.has(fault.code));
}

function read<T>(endpoint: Endpoint, schema: z.ZodType<T>, answer: Answer): T {
  const value = jsonOf(answer.text);
  if (answer.status === 200) {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new Fault("refused", `${endpoint.name}: this is not an answer of etcd: ${shorten(answer.text)}`, { sent: true });
  }
  const refusal = errorAnswer.safeParse(value);
  if (!refusal.success) throw new Fault("refused", `${endpoint.name}: this is not an answer of etcd: HTTP ${answer.status} ${shorten(answer.text)}`, { sent: true });
  const { code, message } = refusal.data;
  throw new Fault(DECIDED.has(code) ? "refused" : "unreachable", `${endpoint.name}: ${shorten(message)}`, { sent: true, code });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function shorten(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 160);
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}

/** Cuts what arrives into lines. */
function linesOf(onLine: (line: string) => void, tooLong: () => void): (part: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  return (part) => {
    let rest = part;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString("utf8");
      parts = [];
      size = 0;
      rest = rest.subarray(end + 1);
      if (line !== "") onLine(line);
    }
    if (rest.length === 0) return;
    parts.push(rest);
    size += rest.length;
    if (size > LINE_BYTES_MAX) tooLong();
  };
}
