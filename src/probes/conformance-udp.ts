// The peers that every probe over UDP meets, for its conformance suite: one that is right, and what goes wrong with
// datagrams whatever the protocol: silence, halves, echoes of the question, answers to another one, garbage in any amount.

import dgram from "node:dgram";
import { once } from "node:events";
import { NASTY, closedPort, noIcmp, until } from "./conformance.ts";
import type { Setting, Settings } from "./conformance.ts";
import type { ProbeTools, Target } from "./probe.ts";

export type UdpPeer = { readonly port: number; readonly seen: () => number; close(): Promise<void> };

/** What a peer does with a question. */
export type Serve = (question: Buffer, say: (bytes: Buffer) => void) => void;

/** A server on loopback that does to each datagram what `serve` says. */
export async function udpPeer(serve: Serve, address = "127.0.0.1"): Promise<UdpPeer> {
  const server = dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
  let seen = 0;
  server.on("message", (question, from) => {
    seen += 1;
    serve(question, (bytes) => server.send(bytes, from.port, from.address, () => undefined));
  });
  server.bind(0, address);
  await once(server, "listening");
  return {
    port: server.address().port,
    seen: () => seen,
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

/** Makes a setting with a peer, for a probe's options at a port. */
export function udpSetting<Options>(options: (port: number) => Options, serve: Serve, address: "127.0.0.1" | "::1" = "127.0.0.1"): () => Promise<Setting<Options>> {
  return async () => {
    const peer = await udpPeer(serve, address);
    const target: Target = { host: "patient", address, family: address === "::1" ? 6 : 4 };
    return { target, options: options(peer.port), tools: TOOLS, peerDescriptors: 0, noticed: () => until(() => peer.seen() > 0, "no question came"), close: peer.close };
  };
}

/** What each UDP protocol fills in. */
export type UdpProtocol = {
  /** The right answer to a question. */
  right(question: Buffer): Buffer;
  /** The same to another question: another identifier. */
  another(question: Buffer): Buffer;
};

const TOOLS: ProbeTools = { icmp: noIcmp };

export function udpSettings<Options>(options: (port: number) => Options, { right, another }: UdpProtocol): Settings<Options> {
  const over = (serve: Serve, address?: "127.0.0.1" | "::1") => udpSetting(options, serve, address);
  const nobody = async (): Promise<Setting<Options>> => ({
    target: { host: "patient", address: "127.0.0.1", family: 4 }, options: options(await closedPort()), tools: TOOLS, peerDescriptors: 0, close: () => Promise.resolve(),
  });
  return {
    right: over((question, say) => say(right(question))),
    silent: over(() => undefined),
    refused: nobody,
    odd: {
      "an answer over IPv6": over((question, say) => say(right(question)), "::1"),
      "an answer after others": over((question, say) => {
        say(another(question));
        say(NASTY);
        say(right(question));
      }),
    },
    wrong: {
      "the answer to another question": over((question, say) => say(another(question))),
      "the question sent back": over((question, say) => say(question)),
      "half an answer": over((question, say) => say(right(question).subarray(0, right(question).length >> 1))),
      "empty datagrams": over((_question, say) => say(Buffer.alloc(0))),
      "a hundred datagrams of garbage": over((_question, say) => {
        for (let turn = 0; turn < 100; turn += 1) say(NASTY);
      }),
      "zeros, as many as fit": over((_question, say) => say(Buffer.alloc(65_507))),
    },
    ours: {
      "a port that does not exist": async () => ({ ...(await nobody()), options: options(65_536) }),
      "an address that is none": async () => ({ ...(await nobody()), target: { host: "patient", address: "name.example", family: 4 } }),
    },
  };
}
