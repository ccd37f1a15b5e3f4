// `upkeep agent status`, on the host: whether an agent runs, for which watchers, and what it has been told to leave alone. From its
// folder and the kernel's table of locks: an agent opens no port, and must not wait for anybody who looks. What it has found its
// watchers know (`upkeep agents show HOST`).

import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { HELD_SUFFIX } from "../../config/agent/keep.ts";
import { AGENTS_PORT } from "../../config/address.ts";
import { findConfigPath } from "../../config/data-dir.ts";
import { loadAgentConfig } from "../../config/load-agent.ts";
import { formatProblem } from "../../config/problems.ts";
import { datesRefused, readIdentity } from "../../link/identity.ts";
import { readKnown } from "../../link/known.ts";
import { systemClock } from "../../process/system-clock.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, print, printable, printJson } from "../terminal.ts";

/** Exit 1 where no agent runs, or one that has watchers is not enrolled. */
export async function runAgentStatus(options: Options): Promise<number> {
  const path = findConfigPath(options.config);
  const loaded = path === null ? null : await loadAgentConfig(path);
  if (loaded === null || !loaded.ok) {
    if (loaded === null) complain("no configuration: name one with -c FILE, or make ./upkeep.yaml or /etc/upkeep/upkeep.yaml with a section agent");
    else for (const problem of loaded.problems) complain(formatProblem(problem));
    return EXIT.configuration;
  }
  const { host, watchers, dataDir, parts } = loaded.config;
  const link = join(dataDir, "link");
  const refused = unreadable(dataDir);
  if (refused !== null) {
    complain(printable(`${dataDir} cannot be read (${refused}): ask as the user of the agent, which is root`));
    return EXIT.unavailable;
  }
  const pid = holderOf(join(dataDir, "lock"));
  const identity = readIdentity(link);
  const known = readKnown(link);
  const clock = systemClock().now();
  const dates = identity === null ? null : datesRefused(new X509Certificate(identity.cert), clock);
  const enrolled = identity !== null && known.length > 0;
  const held = heldIn(join(dataDir, "keep"));
  const wanted = watchers.map((address) => `${address.host}:${address.port ?? AGENTS_PORT}`);
  if (options.json === true) {
    printJson({ host, running: pid !== null, pid, parts: Object.keys(parts), watchers: wanted, enrolled, knows: known.map(({ watcher, address }) => ({ watcher, address })), keyGoodUntil: identity === null ? null : new Date(identity.notAfterMs).toISOString(), keyRefused: dates, held });
  } else {
    const lines = [
      pid === null ? `no agent of ${host} runs on ${dataDir}: systemctl start upkeep-agent, or upkeep agent` : `the agent of ${host} runs (process ${pid})`,
      `it does: ${Object.keys(parts).join(", ") || "nothing, the section agent names no part"}`,
      wanted.length === 0 && known.length === 0 ? "it works alone: agent: { watchers: [ADDRESS] } names no watcher"
        : !enrolled ? `it is not enrolled: upkeep agent code ${host} at a watcher makes a code, upkeep agent enroll CODE uses it here`
          : `it was enrolled, and knows by their keys: ${known.map(({ watcher, address }) => `${watcher}${address === null ? "" : ` (${address})`}`).join(", ")}`,
      ...(identity === null || !enrolled ? [] : [dates === null ? `its key is good until ${new Date(identity.notAfterMs).toISOString().slice(0, 10)}` : `${dates}: once that clock is right, or else with a new code, it is let in again`]),
      ...held.map(({ service, reason }) => `${service} is held${reason === "" ? "" : `: ${reason}`} (upkeep agent release ${service})`),
      ...(parts.careful === undefined ? [] : ["careful shutdown: upkeep agent careful status"]),
      ...(enrolled ? [`whether it is connected, and what it has found: upkeep agents show ${host}, at a watcher`] : ["what it finds stands in its log: journalctl -u upkeep-agent"]),
    ];
    for (const line of lines) print(printable(line));
  }
  return pid === null || (wanted.length > 0 && !enrolled) ? EXIT.no : EXIT.yes;
}

/** Why nothing can be said from here; null: it can. */
function unreadable(folder: string): string | null {
  try {
    if (existsSync(folder)) readdirSync(folder);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Who holds the lock on a file, by proc(5) `/proc/locks`, whose seventh column ends with the inode; to take it for a look would keep an agent from starting. */
function holderOf(path: string): number | null {
  try {
    const { ino } = statSync(path);
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      const [, kind, , , pid, at] = line.trim().split(/\s+/);
      if (kind === "FLOCK" && at?.split(":")[2] === String(ino) && /upkeep|agent/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))) return Number(pid);
    }
  } catch {
    // No lock, or nobody who tells.
  }
  return null;
}

function heldIn(folder: string): readonly { readonly service: string; readonly reason: string }[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(HELD_SUFFIX)).map((name) => ({ service: name.slice(0, -HELD_SUFFIX.length), reason: readFileSync(join(folder, name), "utf8") }));
  } catch {
    return [];
  }
}
