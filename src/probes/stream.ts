// One short conversation over a fresh TCP connection: connect, perhaps say something, listen until what came can be judged.
// tcp, ssh and dns over TCP are this and a few lines; what they share is what goes wrong (refused, reset, silent, endless
// talk, one byte a second) and that an abort closes the descriptor before it returns.
//
// A conversation that is judged ends with a FIN, one that is given up with a RST: a wedged peer never answers a FIN, and
// the kernel would keep the connection for minutes.

import net from "node:net";
import { bad, networkFinding, notRun } from "./finding.ts";
import type { Finding, Target } from "./probe.ts";

export type Ending = "closed" | "full";

export type Talk = {
  readonly port: number;
  /** Bytes kept; when as many have come and `judge` still wants more, `ended` is asked. */
  readonly bytesMax: number;
  /** Written after a good answer, just before the connection is closed. */
  readonly farewell?: Buffer;
  /** Called once connected: may write, may judge already. */
  opened?(write: (bytes: Buffer) => void): Finding | null;
  /** Judges everything received so far; null: wait for more. */
  judge(soFar: Buffer): Finding | null;
  /** The peer closed, or has said too much, before `judge` was content. */
  ended(soFar: Buffer, how: Ending): Finding;
};

/** Resolves with the finding; rejects only when aborted. */
export function converse(target: Target, talk: Talk, signal: AbortSignal, progress?: (text: string) => void): Promise<Finding> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    // Anything else would be looked up by getaddrinfo, in one of four threads that a slow resolver keeps busy.
    if (net.isIP(target.address) === 0) return resolve(notRun("not a numeric address"));
    const answer = gather(talk.bytesMax);
    let connected = false;
    let settled = false;
    let socket: net.Socket;
    try {
      // Port 0 or 65536 and the like throw here: a mistake of ours, no sign of the host's.
      socket = net.connect({ host: target.address, port: talk.port, family: target.family, noDelay: true });
    } catch (error) {
      return resolve(notRun(`cannot connect: ${error instanceof Error ? error.message : "bad port"}`));
    }
    progress?.("not connected");
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", (error) => settle(networkFinding(error, connected)));
    socket.on("connect", () => {
      connected = true;
      if (settled) return;
      progress?.("connected");
      attempt(() => talk.opened?.((bytes) => socket.write(bytes)) ?? null);
    });
    socket.on("data", (chunk: Buffer) => {
      if (settled) return;
      const soFar = answer.add(chunk);
      attempt(() => talk.judge(soFar) ?? (soFar.length >= talk.bytesMax ? talk.ended(soFar, "full") : null));
      if (!settled) progress?.(`connected, ${soFar.length} bytes so far`);
    });
    socket.on("end", () => attempt(() => talk.ended(answer.soFar(), "closed")));
    // Whatever else closes it (a descriptor lost under us) must not leave the round waiting.
    socket.on("close", () => settle(bad("answer", "connection closed")));

    function attempt(look: () => Finding | null): void {
      if (settled) return;
      let found: Finding | null;
      try {
        found = look();
      } catch (error) {
        found = notRun(`cannot judge the answer: ${error instanceof Error ? error.message : "error"}`);
      }
      if (found !== null) settle(found);
    }

    function settle(finding: Finding): void {
      if (settled) return;
      settled = true;
      signal.removeEventListener("abort", abort);
      if (talk.farewell !== undefined && finding.outcome === "good") socket.write(talk.farewell); // a few bytes: gone at once
      socket.destroy();
      release(socket);
      resolve(finding);
    }

    function abort(): void {
      if (settled) return;
      settled = true;
      // While connecting, resetAndDestroy would wait for the connection that never comes.
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
      release(socket);
      reject(signal.reason);
    }
  });
}

/**
 * Lets go of a destroyed socket. Its handle outlives several collections and would keep the whole round with it; an error
 * that still comes (the reset that answers our FIN) must not be thrown at the process.
 */
export function release(socket: net.Socket): void {
  socket.removeAllListeners();
  socket.on("error", ignore);
}

/** For events of what is over. */
export function ignore(): void {
  // Nobody is interested any more.
}

export type Gathering = { add(chunk: Buffer): Buffer; soFar(): Buffer };

/** Collects the first `bytesMax` bytes of a stream; growing by doubling, so that one byte at a time costs no square. */
export function gather(bytesMax: number): Gathering {
  let kept: Buffer = Buffer.alloc(0);
  let length = 0;
  const soFar = (): Buffer => kept.subarray(0, length);
  return {
    soFar,
    add(chunk) {
      const wanted = Math.min(length + chunk.length, bytesMax);
      if (length === 0) {
        kept = chunk; // the usual case: one chunk, no copy
      } else {
        if (kept.length < wanted) {
          const wider = Buffer.allocUnsafe(Math.min(Math.max(wanted, 2 * kept.length), bytesMax));
          kept.copy(wider, 0, 0, length);
          kept = wider;
        }
        chunk.copy(kept, length, 0, wanted - length);
      }
      length = wanted;
      return soFar();
    },
  };
}
