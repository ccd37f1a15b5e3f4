// The door with a lock: TLS 1.2 or newer before the same server of HTTP, loaded only where it is configured (ADR 9). Whoever
// speaks plain HTTP to it is told so instead of being hung up on: the first byte says which it is (RFC 8446 §5.1: a handshake
// begins with 22), and nothing of what a plain request says is read any further.

import type { IncomingMessage, Server as HttpServer, ServerOptions, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import net from "node:net";

const HANDSHAKE = 0x16;
const FIRST_BYTE_LIMIT_MS = 5_000;
const HANDSHAKE_LIMIT_MS = 10_000;

/** PEM. */
export type Pair = { readonly cert: string; readonly key: string };

export type TlsDoor = {
  /** What listens. */
  readonly server: Server;
  /** What requests come out of. */
  readonly http: HttpServer<typeof IncomingMessage, typeof ServerResponse>;
  /** Ends every connection, those that have not said a word yet among them. */
  cut(): void;
  /** Another certificate for who comes from now on. */
  use(pair: Pair): void;
};

/** Throws when the pair is none. */
export function makeTlsDoor(pair: Pair, options: ServerOptions): TlsDoor {
  const https = process.getBuiltinModule("node:https");
  const secure = https.createServer({ ...options, ...contextOf(pair), handshakeTimeout: HANDSHAKE_LIMIT_MS });
  // A scan, a browser that does not trust us, somebody who hung up: nothing to be done or told.
  secure.on("tlsClientError", (_error, socket) => socket.destroy());
  const open = new Set<Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(FIRST_BYTE_LIMIT_MS, () => socket.destroy());
    socket.once("data", (chunk) => {
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      if (chunk[0] !== HANDSHAKE) return inPlain(socket);
      socket.pause();
      socket.unshift(chunk);
      secure.emit("connection", socket);
    });
  });
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  // https has every method of http's server that is used here, and a type of its own.
  return { server, http: secure as unknown as HttpServer<typeof IncomingMessage, typeof ServerResponse>, cut, use: (next) => secure.setSecureContext(contextOf(next)) };
}

function contextOf({ cert, key }: Pair) {
  return { cert, key, minVersion: "TLSv1.2" as const };
}

function inPlain(socket: Socket): void {
  const body = `${JSON.stringify({ error: "this port speaks TLS: write https:// instead of http://" })}\n`;
  socket.end(`HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), 1_000).unref();
}
