// Who writes to one mount: a shell of its own, begun when the mount is first seen and asked over a pipe. What hangs is it, or
// the dd(1) under it; this process only reads a pipe. Neither a thread nor a call of ours does it, because a thread in state D
// keeps its whole process, and that process's locks, from ending (ADR 32); and nothing is begun for a look, since
// to begin a program from a disk that hangs is to hang.
//
// A lock that the shell and all its children hold says whether an earlier look is still under way, also one that an agent before
// us began: so there is never more than one on a mount.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { findProgram } from "../../child/find-program.ts";

export type Reply = { readonly kind: "ready" } | { readonly kind: "wrote" } | { readonly kind: "read"; readonly token: string } | { readonly kind: "failed"; readonly step: "write" | "read" | "remove"; readonly words: string }
  /** Another one holds the mount, and it has ended. */
  | { readonly kind: "taken" }
  | { readonly kind: "ended"; readonly why: string };

export const PAYLOAD_BYTES = 4_096;

// A token padded to a block goes to a file that must be new (O_EXCL, no link followed) and from there to the disk (fsync); it is
// read back past the page cache (O_DIRECT), or after that has been dropped where a file system knows no O_DIRECT.
// Nobody listening any more is no reason to leave the file there.
const SCRIPT = `
set -f
trap '' PIPE
if [ -n "$2" ]; then
  exec 9>>"$2" || exit 73
  flock -n 9 || exit 75
fi
fail() { printf 'failed %s %s\\n' "$1" "$2"; }
printf 'ready\\n'
while read -r token; do
  if [ -e "$1" ] || [ -L "$1" ]; then
    said=$(rm -f -- "$1" 2>&1) || { fail remove "$said"; continue; }
  fi
  said=$(printf '%${PAYLOAD_BYTES}s' "$token" | dd "of=$1" bs=${PAYLOAD_BYTES} count=1 iflag=fullblock oflag=nofollow conv=excl,fsync status=none 2>&1) || { fail write "$said"; rm -f -- "$1" 2>/dev/null; continue; }
  printf 'wrote\\n'
  said=$(dd "if=$1" bs=${PAYLOAD_BYTES} count=1 iflag=direct,nofollow status=none 2>&1) || {
    dd "if=$1" iflag=nocache,nofollow count=0 status=none 2>/dev/null
    said=$(dd "if=$1" bs=${PAYLOAD_BYTES} count=1 iflag=nofollow status=none 2>&1) || { fail read "$said"; rm -f -- "$1" 2>/dev/null; continue; }
  }
  rm -f -- "$1" 2>/dev/null
  printf 'read %s\\n' $said
done
`;

const LINE_MAX = 2_000;
const EXIT_TAKEN = 75;
const EXIT_NO_LOCK = 73;

/** Why this host cannot look, or null. */
export function lookerRefusal(): string | null {
  const missing = ["sh", "dd", "rm", "flock"].filter((name) => findProgram(name) === null);
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")}`;
}

export class Looker {
  readonly #child: ChildProcess;
  #rest = "";
  #over = false;

  /** `lock`: a file in memory, empty for none. */
  constructor(file: string, lock: string, hear: (reply: Reply) => void) {
    const end = (why: string): void => {
      if (this.#over) return;
      this.#over = true;
      hear({ kind: "ended", why });
    };
    // A session of its own: it is told by its group, and no terminal's signal ends it in the middle.
    this.#child = spawn(findProgram("sh") ?? "/bin/sh", ["-c", SCRIPT, "upkeep-storage", file, lock], { cwd: "/", env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" }, detached: true, stdio: ["pipe", "pipe", "ignore"] });
    const { stdin, stdout } = this.#child;
    stdin?.on("error", () => {});
    stdout?.on("error", () => {});
    stdout?.setEncoding("latin1").on("data", (text: string) => {
      this.#rest = `${this.#rest}${text}`.slice(-2 * PAYLOAD_BYTES);
      const lines = this.#rest.split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) {
        const reply = replyOf(line.slice(0, LINE_MAX));
        if (reply !== null && !this.#over) hear(reply);
      }
    });
    this.#child.once("error", (error) => end(`no shell: ${error.message}`));
    this.#child.once("exit", (code, signal) => {
      if (code === EXIT_TAKEN && !this.#over) {
        this.#over = true;
        return hear({ kind: "taken" });
      }
      end(code === EXIT_NO_LOCK ? `${lock} cannot be opened` : `its shell has ended (${code ?? signal})`);
    });
    this.#child.unref();
    for (const pipe of [stdin, stdout]) (pipe as unknown as { unref?(): void } | null)?.unref?.();
  }

  /** The process group of all that it does. */
  get group(): number {
    return this.#child.pid ?? 0;
  }

  ask(token: string): void {
    this.#child.stdin?.write(`${token}\n`);
  }

  /** It ends by itself after what it is doing, and takes its file away. Nothing is heard of it any more. */
  leave(): void {
    this.#over = true;
    this.#child.stdin?.end();
    this.#child.stdout?.destroy();
  }
}

function replyOf(line: string): Reply | null {
  const [word, ...rest] = line.split(" ");
  if (word === "ready" || word === "wrote") return { kind: word };
  if (word === "read") return { kind: "read", token: rest.join(" ") };
  const [step = "", ...words] = rest;
  if (word !== "failed" || (step !== "write" && step !== "read" && step !== "remove")) return null;
  // "dd: failed to open '…': No space left on device"
  return { kind: "failed", step, words: words.join(" ") };
}
