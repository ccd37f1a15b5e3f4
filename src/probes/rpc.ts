// The NULL procedure of an ONC RPC program (RFC 5531 §12.1): a call that does nothing, answered by the program itself (or, for
// the kernel's NFS server, by one of its threads). Without a port the host's port mapper is asked first where it listens.
//
// A program that answers in other words than success lives. When it turns us away, or speaks other versions than the one
// that was asked for, our question is at fault or somebody changed the server: it cannot be judged, and no power command
// cures it, so that is unknown. That nobody has the program (any more) is what a died service looks like, and bad.

import { randomInt } from "node:crypto";
import { PORT_MAPPER, RPC_MESSAGE_BYTES_MAX, encodeCall, getAddress, getPort, judgeReply, messageIn, portIn, portOfAddress, recordOf } from "../protocol/rpc.ts";
import type { RpcCall, RpcReply, RpcTransport } from "../protocol/rpc.ts";
import { ask } from "./datagram.ts";
import type { Progress } from "./datagram.ts";
import { bad, good, notRun, printable } from "./finding.ts";
import type { Finding, Probe, Target } from "./probe.ts";
import { converse } from "./stream.ts";

export type RpcOptions = {
  readonly program: number;
  readonly version: number;
  /** Absent: the port mapper is asked. */
  readonly port?: number | undefined;
  readonly transport: RpcTransport;
  /** Any version will do: the program lives that names those which it speaks. */
  readonly anyVersion?: boolean | undefined;
};

/** How a program is called in the evidence. */
const NAMES: Readonly<Record<number, string>> = { [PORT_MAPPER.program]: "portmapper", 100_003: "nfs", 100_005: "mountd", 100_021: "nlockmgr", 100_024: "status", 100_011: "rquotad" };

export const rpc: Probe<RpcOptions> = {
  name: "rpc",
  service: true,
  awaits: "answer to a NULL call",
  port: ({ port, transport }) => (transport === "tcp" ? (port ?? PORT_MAPPER.port) : null),
  run: lookAtRpc,
};

/** For `nfs`, too, which is this at one program. */
export async function lookAtRpc(target: Target, options: RpcOptions, _tools: unknown, signal: AbortSignal, progress?: Progress): Promise<Finding> {
  signal.throwIfAborted();
  const { program, version, transport } = options;
  const port = options.port ?? (await mapped(target, options, signal, progress));
  if (typeof port === "object") return port;
  const found = await call(target, port, transport, { xid: newXid(), program, version, procedure: 0 }, signal, progress);
  return "outcome" in found ? found : judge(found, options, port);
}

function judge(reply: RpcReply, { program, version, transport, anyVersion }: RpcOptions, port: number): Finding {
  const name = `${nameOf(program)} version ${version} at ${transport} port ${port}`;
  switch (reply.kind) {
    case "success":
      return good(`NULL answered by ${name}`);
    case "no-program":
      return bad("answer", `the server at ${transport} port ${port} has no ${nameOf(program)}`);
    case "mismatch":
      if (anyVersion === true) return good(`answered by ${nameOf(program)} at ${transport} port ${port}, versions ${reply.low} to ${reply.high}`);
      return cannotJudge(`${name}: it lives and speaks versions ${reply.low} to ${reply.high} only`);
    case "no-procedure":
      return cannotJudge(`${name}: it lives and has no NULL procedure`);
    case "denied":
      return cannotJudge(`${name} turned us away: ${reply.why}`);
    case "failed":
      return bad("answer", `${name}: ${reply.why}`);
  }
}

/** The port of a program, or the finding when it cannot be had. */
async function mapped(target: Target, { program, version, transport }: RpcOptions, signal: AbortSignal, progress: Progress): Promise<number | Finding> {
  progress?.("asking the port mapper");
  const question = target.family === 4 ? getPort : getAddress;
  const found = await call(target, PORT_MAPPER.port, transport, question(newXid(), program, version, transport), signal, progress);
  if ("outcome" in found) return { ...found, evidence: printable(`port mapper: ${found.evidence}`) };
  if (found.kind === "denied" || found.kind === "mismatch" || found.kind === "no-procedure") return cannotJudge("the port mapper does not tell us ports: write the port");
  const port = found.kind !== "success" ? null : target.family === 4 ? portIn(found.result) : portOfAddress(found.result);
  if (port === null) return bad("answer", "the port mapper's answer is none");
  if (port === 0) return bad("answer", `${nameOf(program)} version ${version} over ${transport} is not registered with the port mapper`);
  progress?.(`${transport} port ${port}`);
  return port;
}

/** One call and its reply, or what its failure amounts to. */
async function call(target: Target, port: number, transport: RpcTransport, question: RpcCall, signal: AbortSignal, progress: Progress): Promise<RpcReply | Finding> {
  const message = encodeCall(question);
  if (transport === "udp") {
    return ask<RpcReply>(
      target,
      {
        port,
        message: () => message,
        judge(datagram) {
          const verdict = judgeReply(question.xid, datagram);
          return verdict.kind === "reply" ? { found: verdict.reply } : { stranger: verdict.why };
        },
      },
      signal,
      progress,
    );
  }
  let reply: RpcReply | undefined;
  const finding = await converse(
    target,
    {
      port,
      bytesMax: 2 * RPC_MESSAGE_BYTES_MAX,
      opened(write) {
        write(recordOf(message));
        return null;
      },
      judge(soFar) {
        const came = messageIn(soFar);
        if (came === null) return null;
        if (came === "malformed") return bad("answer", "not a record of RPC");
        const verdict = judgeReply(question.xid, came);
        // A connection of our own carries no answers to others.
        if (verdict.kind === "not-ours") return bad("answer", `not an answer: ${verdict.why}`);
        reply = verdict.reply;
        return good("answered");
      },
      ended: (soFar, how) => bad("answer", how === "full" ? "not a record of RPC" : soFar.length === 0 ? "connection closed without an answer" : "connection closed within the answer"),
    },
    signal,
    progress,
  );
  return reply ?? finding;
}

function nameOf(program: number): string {
  return NAMES[program] ?? `program ${program}`;
}

function cannotJudge(evidence: string): Finding {
  return { ...notRun(evidence), sign: "answer" };
}

function newXid(): number {
  return randomInt(0x1_0000_0000);
}
