// What becomes a kept program: a small shell script, read by /bin/sh under the program's lock. A file, and not arguments, because those
// can be read by everybody on the host (proc(5), `systemctl show`), and what the program finds in its environment may be a secret.
// It touches the disk of the program's folder and of its output; whatever hangs there hangs it and not the agent.

import type { CommandOptions } from "./command.ts";

/** Exit codes of the script's own, in words. */
export const SCRIPT_FAILED: Readonly<Record<number, string>> = { 72: "its folder cannot be entered", 73: "its output cannot be written", 74: "that it runs cannot be written down", 126: "it cannot be run", 127: "it, or what its first line names, is not there" };

/**
 * Writes its own number, start and boot down in `pidFile`, with `digest`, and becomes `argv`: the same process, whose name holds no blank,
 * so that the fields of its stat can be counted (proc(5)). Not by way of another file that is renamed: whoever reads it half-written
 * finds nothing, and what stood there before was of a process that had ended, since the lock was free.
 */
export function startScript(options: Pick<CommandOptions, "directory" | "output">, env: Readonly<Record<string, string>>, argv: readonly string[], pidFile: string, digest: string): string {
  const output = quoted(options.output ?? "/dev/null");
  return [
    'IFS=" " read -r pid a b c d e f g h i j k l m n o p q r s t start rest < /proc/$$/stat && read -r boot < /proc/sys/kernel/random/boot_id || exit 74',
    `cd -- ${quoted(options.directory)} || exit 72`,
    // A redirection that fails ends the shell, whatever stands after it.
    `(umask 0137; : >> ${output}) || exit 73`,
    `exec >> ${output} 2>&1`,
    `(printf '%s %s %s %s\\n' "$pid" "$start" "$boot" ${digest} > ${quoted(pidFile)}) || exit 74`,
    "unset pid a b c d e f g h i j k l m n o p q r s t start rest boot",
    ...Object.entries(env).map(([key, value]) => `export ${key}=${quoted(value)}`),
    `exec ${argv.map(quoted).join(" ")}`,
    "",
  ].join("\n");
}

/** One word to sh, whatever it holds. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
