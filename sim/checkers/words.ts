// Words of a kernel (safety.md §3.4): datagrams hold an off back for ten minutes (a dump) or for a boot, once in a trouble, however
// many come. Judged by what is committed, and by why the watcher says that it does not cut; rounds are the delivered ones.

import type { ToldKind } from "../../src/core/io.ts";
import type { Stamp } from "../../src/core/time.ts";
import type { BrakeRecord, HostRecord, RecordKey } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

const DUMP_MS = 600_000;
/** A refusal is told with the round that made it; a round takes its time. */
const SLACK_MS = 3_000;

const RESETS: ReadonlySet<ToldKind> = new Set<ToldKind>(["released", "clock", "policy", "brake-ended"]);

/** One trouble of a host, since its last good round, as far as this life of the watcher has seen it. */
type Trouble = { badSinceMs: number | null; readonly dumps: number[]; readonly reboots: number[] };

export function words(world: World): Checker {
  const troubles = new Map<string, Trouble>();
  /** When good rounds have ended what a datagram had put on, by brake: in memory, whatever is on the disk by then. */
  const ended = new Map<string, number[]>();
  const troubleOf = (host: string): Trouble => {
    const trouble = troubles.get(host) ?? { badSinceMs: null, dumps: [], reboots: [] };
    troubles.set(host, trouble);
    return trouble;
  };

  /** The moment up to which what was said may hold: the first word that reached into the trouble counts, and no other. */
  function rebootEndsMs(host: string, { reboots, badSinceMs }: Trouble): number {
    const policy = world.life?.policy.hosts.get(host);
    const boots = world.disk.value<HostRecord>(`host/${host}` as RecordKey)?.bootsMs ?? [];
    const bootMs = policy === undefined || policy.bootMs === 0 ? 0 : Math.max(policy.bootMs, 2 * Math.max(0, ...boots));
    const first = reboots.find((atMs) => badSinceMs === null || atMs + bootMs >= badSinceMs);
    return first === undefined ? -Infinity : first + bootMs;
  }

  return {
    invariant: "Words",
    lifeBegins() {
      troubles.clear();
      ended.clear();
    },
    round({ host, outcome, atMs }) {
      if (outcome === "good") troubles.delete(host);
      else if (outcome === "bad") troubleOf(host).badSinceMs ??= atMs;
    },
    spoofed(host, { sign }) {
      // Nobody listens to what is said in the name of a host that is not configured.
      if (sign === "rebooting" && world.life?.policy.hosts.has(host) === true) troubleOf(host).reboots.push(world.timeline.nowMs);
    },
    told({ kind, host, because }) {
      // From here on the watcher counts from zero: the next bad round begins another trouble.
      if (RESETS.has(kind)) for (const name of host === null ? [...troubles.keys()] : [host]) troubleOf(name).badSinceMs = null;
      if (kind === "brake-ended" && because.startsWith("kdump by netconsole")) ended.set(`brake/kdump/${host}`, [...(ended.get(`brake/kdump/${host}`) ?? []), world.timeline.nowMs]);
      if (kind !== "refused" || host === null || !because.includes("(netconsole)")) return;
      const trouble = troubleOf(host);
      world.counts.add("words: a reboot holds");
      if (world.timeline.nowMs > rebootEndsMs(host, trouble) + SLACK_MS) world.fail("Words", `${host} is not cut, ${because}: said first ${trouble.reboots.map((atMs) => Math.round(world.timeline.nowMs - atMs))[0] ?? "never"} ms ago`);
    },
    commit({ life, writes }, before) {
      for (const { key, value } of writes) {
        const brake = key.startsWith("brake/kdump/") ? (value as BrakeRecord | null) : null;
        const known = before.get(key)?.value as BrakeRecord | undefined;
        if (brake === null || brake.by !== "netconsole" || known?.since.bootMs === brake.since.bootMs) continue;
        world.counts.add("words: a dump holds");
        if (brake.until === null || brake.until.lengthMs > DUMP_MS) world.fail("Words", `${key} holds for ${brake.until?.lengthMs ?? "ever"}`);
        // Ended and put on again may leave the outbox as one write, and several of them follow each other to a slow disk.
        const sinceMs = (stamp: Stamp): number => stamp.bootMs + life.machine.bootedMs;
        const from = known === undefined || known.since.bootId !== brake.since.bootId ? -Infinity : sinceMs(known.since);
        const between = ended.get(key)?.some((atMs) => atMs >= from && atMs <= sinceMs(brake.since)) === true;
        if (known?.by === "netconsole" && !between) world.fail("Words", `${key} is renewed`);
        const { dumps, badSinceMs } = troubleOf(brake.scope);
        dumps.push(world.timeline.nowMs);
        const heldMs = badSinceMs === null ? 0 : dumps.reduce((sum, atMs) => sum + Math.max(0, atMs + DUMP_MS - Math.max(atMs, badSinceMs)), 0);
        if (heldMs > DUMP_MS + SLACK_MS) world.fail("Words", `${brake.scope} has been ill since its last good round, and datagrams hold its off for ${Math.round(heldMs)} ms in all`);
      }
    },
  };
}
