// One short conversation over a fresh TCP connection, or TLS over it: connect, perhaps say something, listen until what came
// can be judged. Most probes are this and a few lines; what they share is what goes wrong (refused, reset, silent, endless
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
  /** Present: the conversation is over TLS, with this name for SNI. */
  readonly tls?: { readonly name: string; readonly before?: Before };
  /** Bytes kept; when as many have come and `judge` still wants more, `ended` is asked. */
  readonly bytesMax: number;
  /** Written after a good answer, just before the connection is closed. */
  readonly farewell?: Buffer;
  /** Called once connected, over TLS once that stands: may write, may judge already, or settle later. */
  opened?(write: (bytes: Buffer) => void, through: net.Socket, settle: (finding: Finding) => void): Finding | null;
  /** Judges everything received so far, of which `chunk` came last; null: wait for more. */
  judge(soFar: Buffer, chunk: Buffer): Finding | null;
  /** The peer closed, or has said too much, before `judge` was content. */
  ended(soFar: Buffer, how: Ending): Finding;
};

/** What is said in the clear to begin TLS, and what the first answer to it is worth; null: TLS begins. */
export type Before = { readonly say: Buffer; heard(answer: Buffer): Finding | null };

/** Loaded with the first conversation over TLS: it brings the root certificates, 8 MB that plain probes do without. */
let secure: typeof import("./secure.ts") | undefined;

/** Resolves with the finding; rejects only when aborted. */
export function converse(target: Target, talk: Talk, signal: AbortSignal, progress?: (text: string) => void): Promise<Finding> {
  if (talk.tls === undefined || secure !== undefined) return conversation(target, talk, signal, progress);
  return import("./secure.ts").then((loaded) => {
    secure = loaded;
    return conversation(target, talk, signal, progress);
  });
}

function conversation(target: Target, talk: Talk, signal: AbortSignal, progress: ((text: string) => void) | undefined): Promise<Finding> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    // Anything else would be looked up by getaddrinfo, in one of four threads that a slow resolver keeps busy.
    if (net.isIP(target.address) === 0) return resolve(notRun("not a numeric address"));
    const answer = gather(talk.bytesMax);
    let connected = false;
    let settled = false;
    let socket: net.Socket;
    /** The socket, or TLS over it. */
    let through: net.Socket;
    try {
      // Port 0 or 65536 and the like throw here: a mistake of ours, no sign of the host's.
      through = socket = net.connect({ host: target.address, port: talk.port, family: target.family, noDelay: true });
    } catch (error) {
      return resolve(notRun(`cannot connect: ${error instanceof Error ? error.message : "bad port"}`));
    }
    progress?.("not connected");
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", failed);
    // Whatever else closes it (a descriptor lost under us) must not leave the round waiting.
    socket.on("close", () => settle(bad("answer", "connection closed")));
    socket.on("connect", () => {
      connected = true;
      if (settled) return;
      progress?.(talk.tls === undefined ? "connected" : "connected, no TLS yet");
      const { name, before } = talk.tls ?? {};
      if (name === undefined) return begin();
      if (before === undefined) return encrypt(name);
      const gone = (): void => settle(bad("answer", "connection closed before TLS"));
      socket.write(before.say);
      socket.once("end", gone);
      socket.once("data", (chunk: Buffer) => {
        socket.off("end", gone);
        attempt(() => before.heard(chunk));
        if (!settled) encrypt(name);
      });
    });

    function encrypt(name: string): void {
      if (secure === undefined) return settle(notRun("no TLS is loaded"));
      through = secure.encrypted(socket, name);
      through.on("error", failed);
      through.on("secureConnect", () => {
        if (!settled) progress?.("connected, TLS established");
        begin();
      });
    }

    function begin(): void {
      through.on("data", (chunk: Buffer) => {
        if (settled) return;
        const soFar = answer.add(chunk);
        attempt(() => talk.judge(soFar, chunk) ?? (soFar.length >= talk.bytesMax ? talk.ended(soFar, "full") : null));
        if (!settled) progress?.(`connected, ${soFar.length} bytes so far`);
      });
      through.on("end", () => attempt(() => talk.ended(answer.soFar(), "closed")));
      attempt(() => talk.opened?.((bytes) => through.write(bytes), through, settle) ?? null);
    }

    function failed(error: Error): void {
      settle(secure?.handshakeFinding(error) ?? networkFinding(error, connected));
    }

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
      if (talk.farewell !== undefined && finding.outcome === "good") through.write(talk.farewell); // a few bytes: gone at once
      letGo();
      resolve(finding);
    }

    function abort(): void {
      if (settled) return;
      settled = true;
      // While connecting, resetAndDestroy would wait for the connection that never comes.
      if (!socket.connecting) socket.resetAndDestroy();
      letGo();
      reject(signal.reason);
    }

    function letGo(): void {
      if (through !== socket) {
        through.destroy();
        release(through);
      }
      socket.destroy();
      release(socket);
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
