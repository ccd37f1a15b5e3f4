// Runs a command at the host itself, mostly a reboot, by OpenSSH's own client: its keys, its known hosts and its configuration are
// the administrator's, and the protocol is not to be written twice. It never asks anything, and a host whose key is not known is
// not logged in to. Its exit status is the command's, or 255 for its own failure (ssh(1)); a connection that breaks while
// the host goes down is no failure.

import { evidenceOf, runChild } from "../child/child.ts";
import { findProgram } from "../child/find-program.ts";
import type { Remedy } from "./remedy.ts";

export type SshRemedyOptions = {
  readonly user: string;
  readonly port: number;
  /** Each argument arrives as it is. */
  readonly command: readonly string[];
  readonly identity: string | null;
  readonly knownHosts: string | null;
};

const OWN_FAILURE = 255;
/** What the client says when the command has not begun. */
const NOT_BEGUN = /Connection refused|timed out|No route to host|Network is unreachable|Permission denied|Host key verification failed|Could not resolve|Connection (reset|closed) by .* port|banner|kex_exchange|no matching|Too many authentication failures|No .* host key is known/i;

export const ssh: Remedy<SshRemedyOptions> = {
  name: "ssh",
  async run({ address }, { user, port, command, identity, knownHosts }, limitMs, guard) {
    const program = findProgram("ssh");
    if (program === null) return { outcome: "failed", evidence: "ssh is not installed here" };
    const options = {
      BatchMode: "yes", StrictHostKeyChecking: "yes", ConnectionAttempts: "1", ConnectTimeout: String(Math.max(1, Math.floor(limitMs / 2_000))), ControlPath: "none", RequestTTY: "no", ClearAllForwardings: "yes",
      ...(knownHosts === null ? {} : { UserKnownHostsFile: knownHosts, GlobalKnownHostsFile: "/dev/null" }), ...(identity === null ? {} : { IdentitiesOnly: "yes" }),
    };
    const argv = [program, ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]), ...(identity === null ? [] : ["-i", identity]), "-p", String(port), "-l", user, "--", address, command.map(quoted).join(" ")];
    const ran = await runChild(guard, argv, { limitMs }, AbortSignal.timeout(limitMs + 500));
    const evidence = evidenceOf(ran);
    if (!("code" in ran.end)) return { outcome: ran.end.why.startsWith("did not start") ? "failed" : "unknown", evidence };
    if (ran.end.code === 0) return { outcome: "done", evidence };
    if (ran.end.code !== OWN_FAILURE) return { outcome: "failed", evidence };
    return { outcome: NOT_BEGUN.test(ran.said) ? "failed" : "unknown", evidence };
  },
};

/** For the shell at the other end, which takes one string (RFC 4254 §6.5): one word, whatever is in it. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_./=:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
