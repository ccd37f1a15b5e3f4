// An NFS server's NULL call: one of its threads had to be free to answer. It reads no disk: a server whose disk hangs goes on
// answering until all of its threads wait for that disk, which a busy one reaches within seconds, and an idle one never.

import type { Probe } from "./probe.ts";
import { lookAtRpc } from "./rpc.ts";

export type NfsOptions = {
  /** Absent: whichever it speaks. */
  readonly version?: number | undefined;
  readonly port: number;
  readonly transport: "tcp" | "udp";
};

/** RFC 1813 §2.1, RFC 7530 §1.5. */
const NFS_PROGRAM = 100_003;

export const nfs: Probe<NfsOptions> = {
  name: "nfs",
  service: true,
  awaits: "answer to a NULL call",
  port: ({ port, transport }) => (transport === "tcp" ? port : null),
  run(target, { version, port, transport }, tools, signal, progress) {
    return lookAtRpc(target, { program: NFS_PROGRAM, version: version ?? 4, port, transport, anyVersion: version === undefined }, tools, signal, progress);
  },
};
