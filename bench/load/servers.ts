// Everything that is looked at, as one process: an SSH banner on port 22, HTTP on port 80, and DNS on port 53 of as many
// loopback addresses as were asked for. It says as little as the probes need and notes when each address was called, so
// that whether a check was made in time is told by who was called and not by who called.
//
// TCP listens on every address at once. UDP has a socket for each: an answer must come from the address that was asked.

import dgram from "node:dgram";
import net from "node:net";
import { addressOf } from "./addresses.ts";

export type Kind = "ssh" | "http" | "dns";
export type Asked = { readonly ask: "listen"; readonly hosts: number; readonly kinds: readonly Kind[] } | { readonly ask: "forget" } | { readonly ask: "calls"; readonly kind: Kind };
/** Moments of CLOCK_MONOTONIC in milliseconds, by address. */
export type Calls = Readonly<Record<string, readonly number[]>>;

export const PORTS = { ssh: 22, http: 80, dns: 53 } as const;

const BANNER = Buffer.from("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n");
const PAGE = Buffer.from("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
const calls: Record<Kind, Map<string, number[]>> = { ssh: new Map(), http: new Map(), dns: new Map() };
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

function called(kind: Kind, address: string): void {
  const times = calls[kind].get(address);
  if (times === undefined) calls[kind].set(address, [nowMs()]);
  else times.push(nowMs());
}

async function tcp(kind: "ssh" | "http"): Promise<void> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    called(kind, socket.localAddress ?? "?");
    socket.on("error", () => undefined);
    if (kind === "ssh") {
      socket.write(BANNER);
      socket.on("data", () => socket.end());
    } else {
      // One packet is the whole request of everybody who calls here.
      socket.once("data", () => socket.end(PAGE));
    }
  });
  server.listen({ port: PORTS[kind], host: "0.0.0.0", backlog: 4_096 });
  await new Promise((resolve) => server.once("listening", resolve));
}

/** A reply without error to the same question; with one address where one was asked for (RFC 1035 §4). */
function reply(query: Buffer): Buffer {
  const name = query.indexOf(0, 12);
  const question = query.subarray(12, name + 5);
  const wantsAddress = name > 0 && query.readUInt16BE(name + 1) === 1;
  const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, wantsAddress ? 1 : 0, 0, 0, 0, 0]);
  return Buffer.concat([header, question, ...(wantsAddress ? [Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])] : [])]);
}

async function dns(address: string): Promise<void> {
  const socket = dgram.createSocket("udp4");
  socket.on("error", () => undefined);
  socket.on("message", (query, from) => {
    called("dns", address);
    if (query.length >= 17) socket.send(reply(query), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(PORTS.dns, address, resolve));
}

async function obey(asked: Asked): Promise<unknown> {
  switch (asked.ask) {
    case "listen":
      for (const kind of asked.kinds) {
        if (kind !== "dns") await tcp(kind);
        else for (let host = 0; host < asked.hosts; host += 1) await dns(addressOf(host));
      }
      return null;
    case "forget":
      for (const times of Object.values(calls)) times.clear();
      return null;
    case "calls":
      return Object.fromEntries(calls[asked.kind]);
  }
}

process.on("message", (asked: Asked) => void obey(asked).then((answer) => process.send?.({ answer })));
process.on("disconnect", () => process.exit(0));
