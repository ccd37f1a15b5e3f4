// Orphans of containers: found, shown as the finding `orphans`, and where the configuration says so ended. What is remembered from look
// to look outlives this process, since an agent that was killed must not forget whom it had seen at work; a grace counts from when
// an orphan was first found by any agent of this boot.
//
// The end of one: looked at anew, the very process and its namespace compared, a request that its first process takes for one (systemd
// understands SIGRTMIN+3, others SIGTERM), and after `termFor` a kill, by pidfd and after the same look. With the first process
// the kernel ends all others of its namespace; nothing else ever gets a signal.

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ORPHANS_FILE } from "../../config/agent/orphans.ts";
import type { AgentPartOptions } from "../../config/agent/index.ts";
import { signalExactly } from "../../process/pidfd.ts";
import { lives } from "../../process/proc.ts";
import type { PartWorld } from "../part.ts";
import { definePart } from "../part.ts";
import { findOrphans, keyOf } from "./find.ts";
import type { Found, Known, Proc } from "./find.ts";
import { readTable } from "./table.ts";

type Options = AgentPartOptions["orphans"];

const SIGTERM = 15;
const SIGKILL = 9;
/** SIGRTMIN+3 as systemd counts: halt (systemd(1), SIGNALS). */
const SIGHALT = 37;
const KNOWN_MAX = 10_000;

export const orphans = definePart<Options>({ name: "orphans", start: (world) => watchOrphans(world) });

export function watchOrphans(world: PartWorld<Options>, table: () => ReadonlyMap<number, Proc> = readTable): { stop(): Promise<void>; look(): Promise<void> } {
  const { options } = world;
  let known: ReadonlyMap<string, Known> | null = null;
  /** Of orphans that were asked to end: when. */
  const asked = new Map<string, number>();
  /** What was said of each, and of the file: what is done again every look is said when it changes. */
  const said = new Map<string, string>();
  let stopped = false;
  let cancel: (() => void) | null = null;
  let looking: Promise<void> = Promise.resolve();

  const sight = (): readonly Found[] => {
    const seen = findOrphans(table(), known ?? new Map(), world.now().bootMs, process.pid);
    known = seen.known;
    return seen.found;
  };

  async function look(): Promise<void> {
    known ??= await readKnown(join(world.folder, ORPHANS_FILE), world.now().bootId);
    const found = sight();
    const nowMs = world.now().bootMs;
    const ripe = found.filter(({ kind, sinceMs }) => kind === "orphan" && nowMs - sinceMs >= options.grace);
    const tooMany = ripe.length > options.atOnce;
    for (const key of asked.keys()) if (!found.some((each) => each.key === key)) asked.delete(key);
    for (const key of said.keys()) if (key !== ORPHANS_FILE && !found.some((each) => each.key === key)) said.delete(key);
    if (options.reap && !tooMany) for (const orphan of ripe) end(orphan, nowMs);
    tell(found, ripe, tooMany);
    await write(found, tooMany).then(() => void said.delete(ORPHANS_FILE), (error: unknown) => say(ORPHANS_FILE, `orphans: what is known of them cannot be written: ${error instanceof Error ? error.message : String(error)}`));
  }

  function say(about: string, text: string): void {
    if (said.get(about) !== text) world.say("warning", text);
    said.set(about, text);
  }

  function end({ key, init, comm, pidNs, because, processes }: Found, nowMs: number): void {
    const askedMs = asked.get(key);
    if (askedMs !== undefined && nowMs - askedMs < options.termFor) return;
    const what = `orphan ${init.pid} (${comm.replace(/[^\x20-\x7e]/g, "?")}, ${processes} processes): ${because}`;
    if (world.dryRun) {
      say(key, `would end ${what} (dry run)`);
      return;
    }
    // A second look, for the time since the first.
    const again = findOrphans(table(), known ?? new Map(), nowMs, process.pid).found.find((each) => each.key === key);
    if (again?.kind !== "orphan" || again.pidNs !== pidNs || pidNs === null) return;
    const signal = askedMs !== undefined ? SIGKILL : comm === "systemd" ? SIGHALT : SIGTERM;
    const sent = signalExactly(init, signal);
    if (askedMs === undefined) asked.set(key, nowMs);
    say(key, `${typeof sent === "string" ? (signal === SIGKILL ? "killed" : "asked to end") : `cannot be ended (${sent.why})`}: ${what}`);
  }

  function tell(found: readonly Found[], ripe: readonly Found[], tooMany: boolean): void {
    const orphan = found.filter(({ kind }) => kind === "orphan");
    const names = (all: readonly Found[]): string => all.slice(0, 5).map(({ init, comm }) => `${init.pid} (${comm})`).join(", ") + (all.length > 5 ? ` and ${all.length - 5} more` : "");
    const report = (verdict: "good" | "warn", because: string): void => world.report({ subject: "orphans", verdict, because, mayCut: false });
    if (tooMany) report("warn", `${ripe.length} containers have lost their supervisor, more than ${options.atOnce}: none is ended; ${names(ripe)}`);
    else if (ripe.length > 0) report("warn", `${ripe.length === 1 ? "a container has" : `${ripe.length} containers have`} lost the supervisor: ${names(ripe)}; ${options.reap ? "being ended" : "only shown, since reap is not set"}`);
    else if (orphan.length > 0) report("good", `within the grace: ${names(orphan)}`);
    else report("good", found.length === 0 ? "no container without a supervisor" : `without a known supervisor, perhaps on purpose: ${names(found)}`);
  }

  async function write(found: readonly Found[], tooMany: boolean): Promise<void> {
    const path = join(world.folder, ORPHANS_FILE);
    await mkdir(world.folder, { recursive: true, mode: 0o700 });
    const { bootId, bootMs, wallMs } = world.now();
    await writeFile(`${path}.new`, JSON.stringify({ boot: bootId, bootMs, at: new Date(wallMs).toISOString(), reap: options.reap, graceMs: options.grace, tooMany, found, known: [...(known ?? new Map<string, Known>()).values()].slice(0, KNOWN_MAX) }), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  const turn = (): void => {
    looking = look().catch((error: unknown) => world.report({ subject: "orphans", verdict: "unknown", because: error instanceof Error ? error.message : String(error), mayCut: false })).then(() => {
      if (stopped) return;
      // Who was asked to end is looked at again when that time is over.
      const wait = asked.size > 0 ? Math.min(options.every, Math.max(100, options.termFor)) : options.every;
      cancel = world.at(world.now().bootMs + wait, turn);
    });
  };
  cancel = world.at(world.now().bootMs, turn);
  return {
    look,
    stop: async () => {
      stopped = true;
      cancel?.();
      await looking;
    },
  };
}

/** What an agent of this boot knew; only of first processes that still live. */
export async function readKnown(path: string, bootId: string): Promise<ReadonlyMap<string, Known>> {
  try {
    return parseKnown(await readFile(path, "utf8"), bootId);
  } catch {
    return new Map();
  }
}

export function parseKnown(text: string, bootId: string): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  const { boot, known: written } = JSON.parse(text) as { readonly boot?: unknown; readonly known?: unknown };
  if (boot !== bootId || !Array.isArray(written)) return known;
  const moment = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;
  for (const each of written.slice(0, KNOWN_MAX) as readonly Partial<Known>[]) {
    if (typeof each !== "object" || each === null) continue;
    const { key, supervisor = null, seenFromMs, seenToMs, orphanedMs = null } = each;
    const [, pid, startTicks] = typeof key === "string" ? /^([0-9]{1,10})\/([0-9]{1,16})$/.exec(key) ?? [] : [];
    if (key === undefined || pid === undefined || !moment(seenFromMs) || !moment(seenToMs) || !(orphanedMs === null || moment(orphanedMs))) continue;
    if (supervisor !== null && !(moment(supervisor.pid) && moment(supervisor.startTicks) && typeof supervisor.comm === "string")) continue;
    const init = { pid: Number(pid), startTicks: Number(startTicks) };
    if (key === keyOf(init) && lives(init)) known.set(key, { key, supervisor, seenFromMs, seenToMs, orphanedMs });
  }
  return known;
}
