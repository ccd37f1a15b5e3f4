// The two doors to a running watcher: the control socket, a file whose permission says who may, and TCP, where sessions and
// tokens do (access/). What happens at a door is in serve.ts; here they are opened, bounded and closed.
//
// Plain node:http with a table of paths (routes.ts), not a framework: the watcher must stay under 90 MB, and Hono's adapter
// brings undici with it, 13 MB of resident memory. For the same reason node:http is taken by `getBuiltinModule`: importing
// it as an ECMAScript module evaluates its lazy exports, among them undici's WebSocket.
//
// Everything that comes in is bounded: connections, header, body and time. A follower that does not read is cut off.

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { Access } from "./access/access.ts";
import { newLink } from "./access/answers.ts";
import { household } from "./access/limits.ts";
import { SOCKET_PATH_BYTES_MAX } from "../config/data-dir.ts";
import { UpkeepError } from "../core/errors.ts";
import type { Told } from "../core/io.ts";
import type { SetUpLink } from "./contract.ts";
import { Feed } from "./feed.ts";
import type { Doors, Served, Sources } from "./route.ts";
import { failure } from "./route.ts";
import { send } from "./send.ts";
import type { Door } from "./serve.ts";
import { isLoopback, serve } from "./serve.ts";
import { Live } from "./stream.ts";
import type { Pair } from "./tls-door.ts";

const http = process.getBuiltinModule("node:http");

const HEADERS_LIMIT_MS = 5_000;
const REQUEST_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
/** Without progress in either direction; followers get a heartbeat more often. */
const IDLE_LIMIT_MS = 60_000;
/** More than there may be streams (stream.ts), so that one stream too many is told so. */
const CONNECTIONS_MAX = 320;
/** Of one address that is not this machine's: a browser takes six, and one more for each page that is open. */
const CONNECTIONS_EACH = 64;
const HEADER_BYTES_MAX = 8_192;
const RENEWAL_EVERY_MS = 3_600_000;
const LIMITS: ServerOptions = {
  headersTimeout: HEADERS_LIMIT_MS, requestTimeout: REQUEST_LIMIT_MS, keepAliveTimeout: KEEP_ALIVE_MS,
  connectionsCheckingInterval: 1_000, maxHeaderSize: HEADER_BYTES_MAX,
};

export type ApiSources = Sources & { readonly watcher: { listen(listener: (told: Told) => void): () => void } };

export type ApiOptions = {
  readonly socketPath: string;
  /** Null: no TCP. Port 0: any. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  /** Names by which a browser may call this machine, beside localhost and its addresses. */
  readonly names?: readonly string[];
  /** `own`: a certificate that is made and kept. Left out: plain HTTP. */
  readonly tls?: Tls;
  /** Where users and the own certificate are kept; left out: the folder of the socket. */
  readonly folder?: string;
  /** Called with a sentence when something about a door is wrong and the watcher goes on. */
  onTrouble(message: string): void;
};

export type Tls = "none" | "own" | Pair;

export type Api = {
  readonly tcp: { readonly host: string; readonly port: number } | null;
  /** Why there is no TCP although it is configured: the port is taken, the address is not ours. */
  readonly tcpProblem: string | null;
  readonly doors: Doors;
  /** The way to the first user; null where there is one, or no TCP. The one before is void. */
  setUpLink(): SetUpLink | null;
  /** A certificate that was renewed by others. */
  renew(tls: Tls): void;
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
  // Users are kept where everything is kept: beside the socket.
  const access = new Access({ folder: options.folder ?? dirname(socketPath), issuer: `Upkeep ${sources.watcher.policy.site}`, nowMs: () => sources.now().wallMs, tickMs: () => sources.now().bootMs, warn: (text) => options.onTrouble(text) });
  const doors: { -readonly [Key in keyof Doors]: Doors[Key] } = { url: null, fingerprint: null, secure: false };
  const served: Served = { ...sources, feed, live, access, doors };
  const control = http.createServer(LIMITS);
  attend(control, served, options, { kind: "socket" });
  control.maxConnections = CONNECTIONS_MAX;
  await bind(control, { path: socketPath }).catch((error: unknown) => {
    live.close();
    feed.close();
    access.close();
    throw new UpkeepError("SOCKET_PATH", `the control socket ${socketPath} cannot be made: ${reason(error)}`, { cause: error });
  });
  control.on("error", (error) => options.onTrouble(`control socket: ${reason(error)}`));

  let tcp: TcpDoor | null = null;
  let tcpProblem: string | null = null;
  if (listen !== null) {
    try {
      tcp = await openTcp(listen, options, served);
      Object.assign(doors, tcp.doors);
      tcp.server.on("error", (error) => options.onTrouble(`TCP: ${reason(error)}`));
    } catch (error) {
      tcpProblem = `the API cannot listen on ${listen.host} port ${listen.port}: ${reason(error)}`;
      options.onTrouble(tcpProblem);
    }
  }
  const bound = tcp?.server.address() as AddressInfo | null | undefined;
  return {
    tcp: bound === null || bound === undefined ? null : { host: bound.address, port: bound.port },
    tcpProblem, doors,
    setUpLink: () => (access.needsSetUp && tcp !== null ? newLink(served) : null),
    renew: (tls) => {
      if (typeof tls !== "string") tcp?.use?.(tls);
    },
    close: async () => {
      live.close();
      feed.close();
      tcp?.close();
      await Promise.all([shut(control, control, () => control.closeAllConnections()), tcp === null ? undefined : shut(tcp.server, tcp.http, () => tcp?.cut())]);
      access.close();
    },
  };
}

type TcpDoor = { readonly server: net.Server; readonly http: Server; readonly doors: Doors; readonly use: ((pair: Pair) => void) | null; cut(): void; close(): void };

async function openTcp(listen: { readonly host: string; readonly port: number }, options: ApiOptions, served: Served): Promise<TcpDoor> {
  const tls = options.tls ?? "none";
  const wildcard = /^(0\.0\.0\.0|::|\*)$/.test(listen.host);
  const names = [...(wildcard ? [] : [listen.host]), ...(options.names ?? [])];
  const door: Door = { kind: "tcp", names: new Set([...names, ...(isLoopback(listen.host) ? [] : [hostname()])].map((name) => name.toLowerCase().replace(/\.$/, ""))), secure: tls !== "none", vouched: typeof tls !== "string" };
  const open = async (): Promise<Omit<TcpDoor, "doors"> & { readonly fingerprint: string | null }> => {
    if (tls === "none") {
      const server = http.createServer(LIMITS);
      return { server, http: server, fingerprint: null, use: null, cut: () => server.closeAllConnections(), close: () => {} };
    }
    const { makeTlsDoor } = await import("./tls-door.ts");
    if (tls !== "own") return { ...makeTlsDoor(tls, LIMITS), fingerprint: null, close: () => {} };
    const { ownCertificate } = await import("./access/own-certificate.ts");
    const folder = options.folder ?? dirname(options.socketPath);
    const certificate = ownCertificate(folder, names, served.now().wallMs);
    const made = makeTlsDoor(certificate, LIMITS);
    const renewal = setInterval(() => {
      try {
        const next = ownCertificate(folder, names, served.now().wallMs);
        if (!next.made) return;
        made.use(next);
        options.onTrouble(`the certificate of the API was made anew before its end; its SHA-256 is ${next.fingerprint}`);
      } catch (error) {
        options.onTrouble(`the certificate of the API cannot be made anew: ${reason(error)}`);
      }
    }, RENEWAL_EVERY_MS).unref();
    return { ...made, fingerprint: certificate.fingerprint, close: () => clearInterval(renewal) };
  };
  const opened = await open();
  attend(opened.http, served, options, door);
  share(opened.server);
  try {
    await bind(opened.server, listen);
  } catch (error) {
    opened.close();
    throw error;
  }
  const { port } = opened.server.address() as AddressInfo;
  const name = options.names?.[0] ?? (wildcard ? hostname() : listen.host);
  const url = `${door.secure ? "https" : "http"}://${name.includes(":") ? `[${name}]` : name}:${port}`;
  return { ...opened, doors: { url, fingerprint: opened.fingerprint, secure: door.secure } };
}

/** Answers what comes in by this door. */
function attend(server: Server, served: Served, options: ApiOptions, door: Door): void {
  server.timeout = IDLE_LIMIT_MS;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    // An answer to somebody who has left.
    response.on("error", () => response.destroy());
    response.on("close", () => served.counts.request(response.statusCode));
    void serve(request, response, door, served).catch((error: unknown) => {
      options.onTrouble(`${request.method} ${printable(request.url ?? "")}: ${reason(error)}`);
      if (response.headersSent) return void response.destroy();
      return send(request, response, error instanceof UpkeepError ? failure(503, error.message) : failure(500, "something went wrong in here; the watcher's log says what"));
    });
  });
  server.on("clientError", (error: Error, socket: Socket) => {
    // A browser opens connections before it needs them. What is said there unasked it takes for the answer to the page that it asks
    // for next: who has sent nothing is told nothing.
    const late = (error as NodeJS.ErrnoException).code === "ERR_HTTP_REQUEST_TIMEOUT";
    if (late && socket.bytesRead === 0) socket.destroy();
    else if (socket.writable) socket.end(`HTTP/1.1 ${late ? "408 Request Timeout" : "400 Bad Request"}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else socket.destroy();
  });
}

/** One address takes no more than its share of the connections; this machine, where a proxy may be, all of them. */
function share(server: net.Server): void {
  server.maxConnections = CONNECTIONS_MAX;
  const counts = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    if (isLoopback(socket.remoteAddress ?? "")) return;
    const from = household(socket.remoteAddress ?? "");
    const count = (counts.get(from) ?? 0) + 1;
    if (count > CONNECTIONS_EACH) return void socket.destroy();
    counts.set(from, count);
    socket.on("close", () => {
      const left = (counts.get(from) ?? 1) - 1;
      if (left > 0) counts.set(from, left);
      else counts.delete(from);
    });
  });
}

// ---- sockets ------------------------------------------------------------------------------------------------------------

function bind(server: net.Server, where: { path: string } | { host: string; port: number }): Promise<void> {
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
function shut(server: net.Server, requests: Server, cutAll: () => void): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(cutAll, 500);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    requests.closeIdleConnections();
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
