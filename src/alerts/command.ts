// Alerts by any program: the text on standard input, the facts in the environment, exit code 0 means that it was taken. No
// shell is involved and nothing of ours is inherited but the path, the home and the language, so no text from outside can
// become a command and no secret of the watcher reaches the program.
//
// It runs in a process group of its own, which is killed as a whole when the time is over.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { Channel, Delivery } from "./channel.ts";
import type { Message, Sender } from "./message.ts";
import { oneLine } from "./message.ts";

export type CommandLimits = { readonly totalMs: number };

const LIMITS: CommandLimits = { totalMs: 30_000 };
const OUTPUT_MAX_BYTES = 4_096;
const EVIDENCE_MAX = 300;
const INHERITED = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ"] as const;

export function commandChannel(argv: readonly string[], sender: Sender, limits: CommandLimits = LIMITS): Channel {
  return {
    name: "command",
    deliver: (message, _, signal) => run(argv, environment(message, sender), `${message.subject}\n\n${message.body}`, limits.totalMs, signal),
  };
}

function run(argv: readonly string[], env: NodeJS.ProcessEnv, input: string, totalMs: number, signal: AbortSignal): Promise<Delivery> {
  const [file = "", ...args] = argv;
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(file, args, { env, stdio: ["pipe", "ignore", "pipe"], detached: true, cwd: "/", shell: false });
    } catch (error) {
      return resolve({ kind: "failed", evidence: `${file} does not start: ${words(error)}` });
    }
    let complaint = "";
    child.stderr?.on("data", (bytes: Buffer) => { complaint = (complaint + bytes.toString()).slice(-OUTPUT_MAX_BYTES); });
    // A program that does not want to read the text is judged by its exit code, not by our broken pipe.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);

    const end = (result: Delivery): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      // Something that it left behind in its group may hold our pipe.
      child.stderr?.destroy();
      resolve(result);
    };
    const kill = (why: string): void => {
      killGroup(child);
      end({ kind: "failed", evidence: `${file} ${why}` });
    };
    const giveUp = (): void => kill("was given up");
    const timer = setTimeout(() => kill(`was still running after ${totalMs} ms and was killed`), totalMs);
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp, { once: true });

    child.once("error", (error) => end({ kind: "failed", evidence: `${file} does not start: ${words(error)}` }));
    child.once("exit", (code, killedBy) => {
      if (code === 0) return end({ kind: "delivered", note: null, left: [] });
      const said = complaint.trim() === "" ? "" : `: ${oneLine(complaint.trim(), EVIDENCE_MAX)}`;
      end({ kind: "failed", evidence: code === null ? `${file} was killed by ${killedBy}${said}` : `${file} ended with ${code}${said}` });
    });
  });
}

/** Letters, digits and underscores are all that stands in the names; the values are text on one line. */
function environment(message: Message, { site, watcher }: Sender): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(inherited),
    UPKEEP_ALARM: oneLine(message.alarm),
    UPKEEP_KIND: message.kind,
    UPKEEP_SEVERITY: message.severity,
    UPKEEP_STATE: message.state,
    UPKEEP_HOST: oneLine(message.host ?? ""),
    UPKEEP_INCIDENT: oneLine(message.incident ?? ""),
    UPKEEP_SUBJECT: oneLine(message.subject),
    UPKEEP_SITE: oneLine(site),
    UPKEEP_WATCHER: oneLine(watcher),
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended in this moment.
  }
}

function words(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error), EVIDENCE_MAX);
}
