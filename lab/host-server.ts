// The process behind a virtual host without root: serves an SSH banner and DNS for one name, on loopback and high ports.
// A process of its own, so that it can truly be killed and stopped; it imports little, so that a power-on is quick. Told
// over the IPC channel what is wrong with it; frozen it is from outside, by SIGSTOP.

import { createSocket } from "node:dgram";
import type { Socket as UdpSocket } from "node:dgram";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { decode, encode } from "dns-packet";
import type { Packet } from "dns-packet";

export type HostServerOptions = {
  readonly dnsName: string;
  readonly address: string;
  /** 0: any free port. */
  readonly sshPort: number;
  readonly dnsPort: number;
  readonly bootMs: number;
};

export type HostServerOrder = { readonly silent: boolean; readonly servfail: boolean };

export type HostServerReport =
  | { readonly kind: "serving"; readonly sshPort: number; readonly dnsPort: number }
  | { readonly kind: "obeyed" };

const BANNER = "SSH-2.0-UpkeepLab_1\r\n";
/** OpenSSH's LoginGraceTime. */
const GRACE_MS = 120_000;
const BIND_TRIES = 20;
const AUTHORITATIVE = 0x0400;
const REFUSED = 5;
const SERVFAIL = 2;
const MESSAGE_LIMIT = 4_096;

let order: HostServerOrder = { silent: false, servfail: false };

function greet(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.setTimeout(GRACE_MS, () => socket.destroy());
  socket.resume();
  if (!order.silent) socket.write(BANNER);
}

/** The answer to one query, or null for what is none. */
function answer(message: Buffer, options: HostServerOptions): Buffer | null {
  let query: Packet;
  try {
    query = decode(message);
  } catch {
    return null;
  }
  const question = query.questions?.[0];
  if (query.type !== "query" || question === undefined) return null;
  const ours = question.name.toLowerCase() === options.dnsName;
  const rcode = !ours ? REFUSED : order.servfail ? SERVFAIL : 0;
  const found = ours && rcode === 0 && question.type === "A";
  return encode({
    id: query.id ?? 0, type: "response", flags: (query.flags ?? 0) & 0x0100 | AUTHORITATIVE | rcode, questions: [question],
    answers: found ? [{ type: "A", name: question.name, ttl: 0, data: options.address }] : [],
  });
}

function serveDnsOverTcp(socket: Socket, options: HostServerOptions): void {
  let pending = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.setTimeout(GRACE_MS, () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    // Two bytes of length before each message (RFC 1035 §4.2.2).
    while (pending.length >= 2) {
      const length = pending.readUInt16BE(0);
      if (length > MESSAGE_LIMIT) return void socket.destroy();
      if (pending.length < 2 + length) return;
      const reply = answer(pending.subarray(2, 2 + length), options);
      pending = pending.subarray(2 + length);
      if (reply === null) return void socket.destroy();
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([prefix, reply]));
    }
  });
}

/** Listens, patiently: a process that was killed a moment ago may still hold the port. Resolves with the port. */
async function listen(make: () => Server, port: number, address: string): Promise<{ readonly server: Server; readonly port: number }> {
  for (let tries = 1; ; tries += 1) {
    const server = make();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, address, resolve);
      });
      const bound = server.address();
      return { server, port: typeof bound === "object" && bound !== null ? bound.port : port };
    } catch (error) {
      if (tries === BIND_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

async function bindUdp(port: number, address: string): Promise<UdpSocket> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, address, resolve);
  });
  socket.removeAllListeners("error");
  socket.on("error", () => undefined);
  return socket;
}

/** DNS over UDP and TCP has to share a port number; a free one is found by trying. */
async function serveDns(options: HostServerOptions): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const make = (): Server => createServer((socket) => serveDnsOverTcp(socket, options));
    const { server, port } = await listen(make, options.dnsPort, options.address);
    try {
      const socket = await bindUdp(port, options.address);
      socket.on("message", (message, from) => {
        const reply = answer(message, options);
        if (reply !== null) socket.send(reply, from.port, from.address);
      });
      return port;
    } catch (error) {
      server.close();
      if (tries === BIND_TRIES) throw error;
    }
  }
}

async function main(options: HostServerOptions): Promise<void> {
  const report = (sent: HostServerReport): void => void process.send?.(sent);
  process.on("message", (wanted: HostServerOrder) => {
    order = wanted;
    report({ kind: "obeyed" });
  });
  // Whoever plugged us in is gone.
  process.on("disconnect", () => process.exit());
  await new Promise((resolve) => setTimeout(resolve, options.bootMs));
  const ssh = await listen(() => createServer(greet), options.sshPort, options.address);
  report({ kind: "serving", sshPort: ssh.port, dnsPort: await serveDns(options) });
}

await main(JSON.parse(process.argv[2] ?? "{}") as HostServerOptions);
