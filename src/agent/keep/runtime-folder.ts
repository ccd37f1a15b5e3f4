// Where is written down what runs and what was begun. It speaks of this boot of the machine and of nothing else, so it belongs in /run: in
// memory, where it is neither in the way of a disk that is full or read-only (when services die most) nor taken along by a restore.

import { createHash } from "node:crypto";
import { mkdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

const RUN = "/run/upkeep-agent";

/** A folder for this part's folder alone, which only we may enter; `folder` itself where there is none to be had. */
export function runtimeFolder(folder: string, run = RUN): string {
  try {
    mkdirSync(run, { mode: 0o700 });
  } catch {
    // It is there, or cannot be.
  }
  try {
    const own = join(run, `keep-${createHash("sha256").update(realOf(folder)).digest("hex").slice(0, 8)}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(own);
    return uid === process.getuid?.() && (mode & 0o077) === 0 ? own : folder;
  } catch {
    return folder;
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
