// Whether upsmon of Network UPS Tools shuts this host down already: it runs, and its configuration has a SHUTDOWNCMD and a
// MONITOR whose power value counts (upsmon.conf(5)). Then careful shutdown watches and tells, and does nothing.

import { readFileSync, readdirSync } from "node:fs";

const CONFIGURATIONS = ["/etc/nut/upsmon.conf", "/etc/ups/upsmon.conf", "/usr/local/ups/etc/upsmon.conf"];

/** Why upsmon rules here, or null: it does not. */
export function upsmonRules(configurations: readonly string[] = CONFIGURATIONS): string | null {
  const found = running();
  if (found === null) return null;
  for (const path of [...(found.folder === null ? [] : [`${found.folder}/upsmon.conf`]), ...configurations]) {
    let text: string;
    try {
      text = readFileSync(path, "utf8").slice(0, 1 << 20);
    } catch {
      continue;
    }
    return shutsDown(text) ? `upsmon (process ${found.pid}) shuts down here, by ${path}` : null;
  }
  // It runs, and how it is configured cannot be read: two who shut down are one too many.
  return `upsmon (process ${found.pid}) runs here`;
}

/** upsmon.conf(5): of SHUTDOWNCMD the last holds; MONITOR system powervalue user password type. */
export function shutsDown(text: string): boolean {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  const command = lines.findLast((line) => /^SHUTDOWNCMD\s/i.test(line))?.replace(/^\S+\s+/, "").replace(/^"(.*)"$/, "$1").trim() ?? "";
  const counts = lines.some((line) => /^MONITOR\s/i.test(line) && Number(line.split(/\s+/)[2]) > 0);
  return command !== "" && counts;
}

/** A process called upsmon that is no zombie, and the folder that it was told to read, if it may be known. */
function running(): { readonly pid: number; readonly folder: string | null } | null {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // proc_pid_stat(5): the name in brackets, then the state.
      if (!/^\d+ \(upsmon\) [^ZX]/.test(readFileSync(`/proc/${name}/stat`, "latin1"))) continue;
      return { pid: Number(name), folder: folderOf(name) };
    } catch {
      // Gone meanwhile.
    }
  }
  return null;
}

function folderOf(pid: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").find((each) => each.startsWith("NUT_CONFPATH="))?.slice("NUT_CONFPATH=".length) ?? null;
  } catch {
    return null;
  }
}
