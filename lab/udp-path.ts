// The network between a client and a UDP server on loopback, with what a network does to datagrams: it loses them, holds them
// up, repeats answers that are long over, and lets a stranger answer. The server behind it stays the real program.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export type PathFaults = {
  /** Nothing gets through, in either direction. */
  silent: boolean;
  /** So many answers are lost. */
  loseAnswers: number;
  /** So many requests are lost. */
  loseRequests: number;
  /** Every answer comes so much later. */
  answerDelayMs: number;
  /** Before each answer, the one before it comes once more: the answer to another request. */
  repeatLast: boolean;
  /** Before each answer this comes, and from another port than was asked too. */
  forged: Buffer | null;
};

export type UdpPath = { readonly port: number; readonly faults: PathFaults; /** Requests that got through. */ requests(): readonly Buffer[]; close(): Promise<void> };

const REQUESTS_MAX = 10_000;

/** Opens a path on 127.0.0.1 to a server on the same machine. */
export async function openUdpPath(serverPort: number): Promise<UdpPath> {
  const faults: PathFaults = { silent: false, loseAnswers: 0, loseRequests: 0, answerDelayMs: 0, repeatLast: false, forged: null };
  const front = createSocket("udp4");
  const stranger = createSocket("udp4");
  const behind = new Map<number, Socket>();
  const requests: Buffer[] = [];
  let last: Buffer | null = null;
  let closed = false;

  const answer = (client: number, bytes: Buffer): void => {
    if (closed || faults.silent) return;
    if (faults.loseAnswers > 0) {
      faults.loseAnswers -= 1;
      return;
    }
    if (faults.forged !== null) {
      stranger.send(faults.forged, client, "127.0.0.1");
      front.send(faults.forged, client, "127.0.0.1");
    }
    if (faults.repeatLast && last !== null) front.send(last, client, "127.0.0.1");
    last = bytes;
    front.send(bytes, client, "127.0.0.1");
  };
  const towards = (client: number): Socket => {
    const known = behind.get(client);
    if (known !== undefined) return known;
    const socket = createSocket("udp4").on("error", () => {});
    socket.on("message", (bytes) => {
      if (faults.answerDelayMs === 0) answer(client, bytes);
      else setTimeout(() => answer(client, bytes), faults.answerDelayMs).unref();
    });
    behind.set(client, socket);
    return socket;
  };
  front.on("error", () => {}).on("message", (bytes, { port }) => {
    if (faults.silent) return;
    if (faults.loseRequests > 0) {
      faults.loseRequests -= 1;
      return;
    }
    if (requests.length < REQUESTS_MAX) requests.push(bytes);
    towards(port).send(bytes, serverPort, "127.0.0.1");
  });
  front.bind(0, "127.0.0.1");
  await once(front, "listening");
  return {
    port: front.address().port,
    faults,
    requests: () => requests,
    close() {
      if (!closed) for (const socket of [front, stranger, ...behind.values()]) socket.close();
      closed = true;
      return Promise.resolve();
    },
  };
}
