// An NFS server's NULL call: one of its threads had to be free to answer. It reads no disk: a server whose disk hangs goes on
// answering until all of its threads wait for that disk, which a busy one reaches within seconds, and an idle one never.

import type { Probe } from "./probe.ts";
import { lookAtRpc } from "./rpc.ts";

export type NfsOptions = { readonly version: number; readonly port: number; readonly transport: "tcp" | "udp" };

/** RFC 1813 §2.1, RFC 7530 §1.5. */
const NFS_PROGRAM = 100_003;

export const nfs: Probe<NfsOptions> = {
  name: "nfs",
  service: true,
  awaits: "answer to a NULL call",
  run: (target, options, tools, signal, progress) => lookAtRpc(target, { ...options, program: NFS_PROGRAM }, tools, signal, progress),
};
