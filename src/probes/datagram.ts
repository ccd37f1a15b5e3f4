// Datagrams to and from one port of one host. The socket is connected and its port its own, so that the kernel drops
// strangers and tells us of a closed port; what comes through all the same and is no answer to the question (a late answer
// to an earlier look, a forgery) is noted and waited past, as RFC 5452 asks of every resolver: else one forged datagram
// would be a bad round. A peer that sends many of them is not what we asked for.
//
// dns, rpc, ntp and snmp are this and the judgement of one datagram. Nothing is sent again: a lost datagram is a bad look,
// and the threshold is there for that.

import dgram from "node:dgram";
import { isIP } from "node:net";
import { bad, describe, networkFinding, notRun } from "./finding.ts";
import type { Finding, Target } from "./probe.ts";
import { ignore } from "./stream.ts";

/** What a datagram is: the answer, or somebody else's, and why. */
export type Judged<Found> = { readonly found: Found } | { readonly stranger: string };

export type Question<Found> = {
  readonly port: number;
  /** Made when it is sent. */
  message(): Buffer;
  judge(datagram: Buffer): Judged<Found>;
};

export type Progress = ((text: string) => void) | undefined;

/** Wrong datagrams waited past; a server that sends more is not one. */
export const STRANGERS_MAX = 16;

export type Datagrams = {
  send(bytes: Buffer): void;
  /** Frees the descriptor at once; nothing is told after it. */
  close(): void;
};

/** What may come of it; each but `message` at most once. */
export type DatagramEvents = { ready(): void; message(datagram: Buffer): void; failed(finding: Finding): void };

/** Opens a socket that is connected to one port. Nothing is told before this returns. */
export function openDatagrams(target: Target, port: number, events: DatagramEvents): Datagrams {
  let open = true;
  if (isIP(target.address) === 0) {
    queueMicrotask(() => failed(notRun("not a numeric address")));
    return { send: ignore, close: () => void (open = false) };
  }
  // The address is numeric: a look-up that answers at once binds and connects before createSocket's caller goes on, so
  // that close frees the descriptor at once, too.
  const socket = dgram.createSocket({
    type: target.family === 4 ? "udp4" : "udp6",
    lookup: (name, _options, found) => found(null, name, target.family),
  });
  socket.on("error", (error) => failed(networkFinding(error)));
  socket.on("connect", () => {
    if (open) events.ready();
  });
  socket.on("message", (datagram) => {
    if (open) events.message(datagram);
  });
  try {
    socket.connect(port, target.address);
  } catch (error) {
    queueMicrotask(() => failed(notRun(`cannot ask: ${describe(error)}`)));
  }

  function failed(finding: Finding): void {
    if (open) events.failed(finding);
  }

  return {
    send(bytes) {
      if (!open) return;
      socket.send(bytes, (error) => {
        if (error) failed(networkFinding(error));
      });
    },
    close() {
      if (!open) return;
      open = false;
      socket.close();
      socket.removeAllListeners(); // as in stream.ts: the handle outlives the round by a while
      socket.on("error", ignore);
    },
  };
}

/** Asks once. Resolves with what was found, or with the finding that a failure amounts to; rejects only when aborted. */
export function ask<Found>(target: Target, question: Question<Found>, signal: AbortSignal, progress?: Progress): Promise<Found | Finding> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let strangers = 0;
    const datagrams = openDatagrams(target, question.port, {
      ready: () => datagrams.send(question.message()),
      failed: settle,
      message(datagram) {
        const judged = question.judge(datagram);
        if ("found" in judged) return settle(judged.found);
        strangers += 1;
        if (strangers >= STRANGERS_MAX) return settle(bad("answer", `${strangers} datagrams, none an answer: ${judged.stranger}`));
        progress?.(`${strangers} other datagram${strangers === 1 ? "" : "s"}: ${judged.stranger}`);
      },
    });
    signal.addEventListener("abort", abort, { once: true });

    function settle(found: Found | Finding): void {
      end();
      resolve(found);
    }
    function abort(): void {
      end();
      reject(signal.reason);
    }
    function end(): void {
      signal.removeEventListener("abort", abort);
      datagrams.close();
    }
  });
}
