// Who asks, for the record: the person behind sudo, and where they sit. It is a word for the journal, not a proof; the
// permission of the control socket is what decides.

import { readlinkSync } from "node:fs";
import { userInfo } from "node:os";
import { BY_MAX } from "../api/contract.ts";

/** `riki@pts/3`, or `riki` without a terminal. */
export function who(): string {
  const name = process.env["SUDO_USER"] || userName();
  const terminal = terminalName();
  return `${name}${terminal === null ? "" : `@${terminal}`}`.replace(/[^\x21-\x7e]/g, "?").slice(0, BY_MAX);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry, as in containers.
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}

function terminalName(): string | null {
  for (const descriptor of [0, 1, 2]) {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (/^\/dev\/(pts\/|tty)/.test(path)) return path.slice("/dev/".length);
    } catch {
      // Closed, or no /proc.
    }
  }
  return null;
}
