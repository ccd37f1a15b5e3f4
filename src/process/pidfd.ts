// A signal to one process and never to another that has got its number since: pidfd_open(2) holds the process, then its start is
// compared once more, and pidfd_send_signal(2) goes to what is held. Linux 5.3; where the kernel has no pidfds nothing is sent.

import { closeSync } from "node:fs";
import { createRequire } from "node:module";
import { lives } from "./proc.ts";
import type { Identity } from "./proc.ts";

// The same on every architecture: numbers above 423 are shared (asm-generic/unistd.h).
const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;
const ESRCH = 3;

type Syscall = (number: number, one: number, two: number, three: null, four: number) => number | bigint;
let loaded: { readonly syscall: Syscall; errno(): number } | undefined;

/** `gone`: that process is no more. Anything else but `sent` is why it could not be sent. */
export function signalExactly(identity: Identity, signal: number): "sent" | "gone" | { readonly why: string } {
  try {
    loaded ??= load();
  } catch {
    return { why: "libc cannot be asked" };
  }
  const { syscall, errno } = loaded;
  const descriptor = Number(syscall(PIDFD_OPEN, identity.pid, 0, null, 0));
  if (descriptor < 0) return errno() === ESRCH ? "gone" : { why: `pidfd_open: error ${errno()}` };
  try {
    if (!lives(identity)) return "gone";
    if (Number(syscall(PIDFD_SEND_SIGNAL, descriptor, signal, null, 0)) === 0) return "sent";
    return errno() === ESRCH ? "gone" : { why: `pidfd_send_signal: error ${errno()}` };
  } finally {
    closeSync(descriptor);
  }
}

function load(): NonNullable<typeof loaded> {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  return { syscall: koffi.load("libc.so.6").func("long syscall(long, long, long, void *, long)") as Syscall, errno: () => koffi.errno() };
}
