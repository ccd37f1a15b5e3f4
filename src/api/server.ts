// The two doors to a running watcher: the control socket, a file whose permission says who may, and TCP, which is read-only.
//
// Plain node:http with a table of paths (routes.ts), not a framework: the watcher must stay under 90 MB, and Hono's adapter
// brings undici with it, 13 MB of resident memory. For the same reason node:http is taken by `getBuiltinModule`: importing
// it as an ECMAScript module evaluates its lazy exports, among them undici's WebSocket.
//
// Everything that comes in is bounded: connections, header, body and time. A follower that does not read is cut off.

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { SOCKET_PATH_BYTES_MAX } from "../config/data-dir.ts";
import { UpkeepError } from "../core/errors.ts";
import type { Told } from "../core/io.ts";
import { BODY_BYTES_MAX } from "./contract.ts";
import { Feed } from "./feed.ts";
import { isOurs } from "./host-header.ts";
import type { Caller, Served, Sources } from "./route.ts";
import { failure } from "./route.ts";
import { answer, find } from "./routes.ts";
import { send } from "./send.ts";
import { Live } from "./stream.ts";

const http = process.getBuiltinModule("node:http");

const HEADERS_LIMIT_MS = 5_000;
const REQUEST_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
/** Without progress in either direction; followers get a heartbeat more often. */
const IDLE_LIMIT_MS = 60_000;
/** More than there may be streams (stream.ts), so that one stream too many is told so. */
const CONNECTIONS_MAX = 320;
const HEADER_BYTES_MAX = 8_192;

export type ApiSources = Sources & { readonly watcher: { listen(listener: (told: Told) => void): () => void } };

export type ApiOptions = {
  readonly socketPath: string;
  /** Null: no TCP. Port 0: any. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  /** Names by which a browser may call this machine, beside localhost and its addresses. */
  readonly names?: readonly string[];
  /** Called with a sentence when something about a door is wrong and the watcher goes on. */
  onTrouble(message: string): void;
};

export type Api = {
  readonly tcp: { readonly host: string; readonly port: number } | null;
  /** Why there is no TCP although it is configured: the port is taken, the address is not ours. */
  readonly tcpProblem: string | null;
  close(): Promise<void>;
};

/** Throws SOCKET_PATH when the kernel could not bind this path: called before anything else is done. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES_MAX) throw new UpkeepError("SOCKET_PATH", `the control socket's path is ${bytes} bytes long, and the kernel takes ${SOCKET_PATH_BYTES_MAX}: choose a shorter \`data\` than ${path}`);
}

/**
 * Opens both doors. The caller holds the ledger's lock, so a socket file that is there belongs to nobody any more.
 * Rejects with SOCKET_PATH when there can be no control socket; trouble with TCP is in the result.
 */
export async function openApi(sources: ApiSources, options: ApiOptions): Promise<Api> {
  const { socketPath, listen } = options;
  checkSocketPath(socketPath);
  removeStale(socketPath);
  const feed = new Feed((listener) => sources.watcher.listen(listener), () => sources.now().wallMs, sources.history);
  const live = new Live(sources, feed);
  const served: Served = { ...sources, feed, live };
  const control = makeServer(served, options, null);
  await bind(control, { path: socketPath }).catch((error: unknown) => {
    feed.close();
    throw new UpkeepError("SOCKET_PATH", `the control socket ${socketPath} cannot be made: ${reason(error)}`, { cause: error });
  });
  control.on("error", (error) => options.onTrouble(`control socket: ${reason(error)}`));

  let tcp: Server | null = null;
  let tcpProblem: string | null = null;
  if (listen !== null) {
    const names = new Set([listen.host, ...(options.names ?? [])].map((name) => name.toLowerCase().replace(/\.$/, "")));
    tcp = makeServer(served, options, names);
    try {
      await bind(tcp, { host: listen.host, port: listen.port });
      tcp.on("error", (error) => options.onTrouble(`TCP: ${reason(error)}`));
    } catch (error) {
      tcp = null;
      tcpProblem = `the API cannot listen on ${listen.host} port ${listen.port}: ${reason(error)}`;
      options.onTrouble(tcpProblem);
    }
  }
  const bound = tcp?.address() as AddressInfo | null | undefined;
  return {
    tcp: bound === null || bound === undefined ? null : { host: bound.address, port: bound.port },
    tcpProblem,
    close: async () => {
      live.close();
      feed.close();
      await Promise.all([control, tcp].map((server) => (server === null ? undefined : shut(server))));
    },
  };
}

/** `names` null: the control socket. */
function makeServer(served: Served, options: ApiOptions, names: ReadonlySet<string> | null): Server {
  const server = http.createServer({
    headersTimeout: HEADERS_LIMIT_MS, requestTimeout: REQUEST_LIMIT_MS, keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 1_000, maxHeaderSize: HEADER_BYTES_MAX,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = IDLE_LIMIT_MS;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    // An answer to somebody who has left.
    response.on("error", () => response.destroy());
    response.on("close", () => served.counts.request(response.statusCode));
    void serve(request, response, served, names).catch((error: unknown) => {
      options.onTrouble(`${request.method} ${printable(request.url ?? "")}: ${reason(error)}`);
      if (response.headersSent) return void response.destroy();
      return send(request, response, error instanceof UpkeepError ? failure(503, error.message) : failure(500, "something went wrong in here; the watcher's log says what"));
    });
  });
  server.on("clientError", (_error: Error, socket: Socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    else socket.destroy();
  });
  return server;
}

const CONTROL: Caller = { role: "admin", user: null, by: "socket", from: null };

async function serve(request: IncomingMessage, response: ServerResponse, served: Served, names: ReadonlySet<string> | null): Promise<void> {
  if (names !== null && !isOurs(request.headers.host, request.socket.localAddress, names)) {
    return send(request, response, failure(403, "this server has another name: use localhost, this machine's address, or the name that `api.listen` gives"));
  }
  const url = URL.parse(request.url ?? "", "http://upkeep");
  if (url === null) return send(request, response, failure(400, "the path is not well encoded"));
  const caller: Caller = names === null ? CONTROL : { role: "viewer", user: null, by: "open", from: request.socket.remoteAddress ?? "" };
  const found = find(request.method ?? "", url.pathname, caller);
  if ("refused" in found) return send(request, response, found.refused);
  let body: unknown;
  if (found.route.method === "POST" || found.route.method === "PATCH") {
    const read = await readBody(request);
    if (!read.ok) return send(request, response, failure(read.status, read.error));
    body = read.body;
  }
  return send(request, response, await answer(found, url.searchParams, body, caller, served));
}

type Body = { readonly ok: true; readonly body: unknown } | { readonly ok: false; readonly status: number; readonly error: string };

async function readBody(request: IncomingMessage): Promise<Body> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) return { ok: false, status: 415, error: "the body must be application/json" };
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) return { ok: false, status: 413, error: `the body is larger than ${BODY_BYTES_MAX} bytes` };
      chunks.push(chunk);
    }
    return { ok: true, body: JSON.parse(Buffer.concat(chunks).toString("utf8")) };
  } catch {
    return { ok: false, status: 400, error: "the body is not JSON" };
  }
}

// ---- sockets ------------------------------------------------------------------------------------------------------------

function bind(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The file is made by listen itself: between that and chmod nobody but us may connect.
    const mask = "path" in where ? process.umask(0o177) : null;
    try {
      server.listen(where, () => {
        server.off("error", reject);
        try {
          if ("path" in where) chmodSync(where.path, 0o660);
          resolve();
        } catch (error) {
          server.close();
          reject(error as Error);
        }
      });
    } finally {
      if (mask !== null) process.umask(mask);
    }
  });
}

function removeStale(path: string): void {
  let found;
  try {
    found = lstatSync(path);
  } catch {
    return;
  }
  if (!found.isSocket()) throw new UpkeepError("SOCKET_PATH", `${path} is there and is not a socket: it is left alone, and no control socket can be made`);
  unlinkSync(path);
}

/** Closes the listening socket, lets answers under way end for a moment, and cuts the rest. */
function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), 500);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "EADDRINUSE": return "another program has it";
    case "EADDRNOTAVAIL": return "that address is not on this machine";
    case "EACCES": return "this user may not";
    case "ENOENT": return "its folder is not there";
    default: return error instanceof Error ? error.message : String(error);
  }
}

function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e]/g, "?");
}
