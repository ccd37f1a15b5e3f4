// How full the host's file systems are, in bytes and inodes, and how soon they will be by the last hour's growth. statfs(2) hangs
// with the disk: each file system is asked by a child of its own, and one that hung is asked ever more seldom, so that
// stuck children do not pile up.

import { evidenceOf } from "../../child/child.ts";
import { ownFileSystems, parseMountinfo } from "./mounts.ts";
import type { Eye, HealthOptions, Seen, Sensor } from "./sensor.ts";
import { quoted, textOf } from "./sensor.ts";

export type Space = { readonly bytes: number; readonly availableBytes: number; readonly usedBytes: number; readonly inodes: number; readonly freeInodes: number };
export type Sample = { readonly atMs: number; readonly availableBytes: number };

const SAMPLES_FOR_MS = 3_600_000;
/** Less than this is no trend. */
const TREND_LEAST_MS = 1_200_000;
/** Told at the threshold, and no longer when it is this much below. */
const SLACK = 0.02;
const SELDOM_MS = 3_600_000;

/** What `stat -f -c '%S %b %f %a %c %d'` printed, or null. */
export function parseStat(text: string): Space | null {
  const numbers = text.trim().split(" ").map(Number);
  const [block = NaN, blocks = NaN, free = NaN, available = NaN, inodes = NaN, freeInodes = NaN] = numbers;
  if (numbers.length !== 6 || !numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) return null;
  if (block === 0 || free > blocks || available > blocks || freeInodes > inodes) return null;
  return { bytes: blocks * block, availableBytes: available * block, usedBytes: (blocks - free) * block, inodes, freeInodes };
}

/** Milliseconds until nothing is left by the straight line through the samples (least squares), or null: it does not shrink, or nobody can tell yet. */
export function fullInMs(samples: readonly Sample[]): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || samples.length < 5 || last.atMs - first.atMs < TREND_LEAST_MS) return null;
  const meanAt = samples.reduce((sum, { atMs }) => sum + atMs, 0) / samples.length;
  const meanLeft = samples.reduce((sum, { availableBytes }) => sum + availableBytes, 0) / samples.length;
  const over = samples.reduce((sum, { atMs, availableBytes }) => sum + (atMs - meanAt) * (availableBytes - meanLeft), 0);
  const slope = over / samples.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  return slope < 0 ? last.availableBytes / -slope : null;
}

/** `told`: it was told last time. */
export function judgeSpace(point: string, space: Space, samples: readonly Sample[], told: boolean, { disk, inodes, fullWithin }: Pick<HealthOptions, "disk" | "inodes" | "fullWithin">): Seen {
  const slack = told ? SLACK : 0;
  // As df(1) reckons: what is reserved for root is neither used nor left.
  const room = space.usedBytes + space.availableBytes;
  const used = room === 0 ? 1 : space.usedBytes / room;
  const usedInodes = space.inodes === 0 ? 0 : (space.inodes - space.freeInodes) / space.inodes;
  const inMs = fullInMs(samples);
  const seen = (verdict: Seen["verdict"], because: string): Seen => ({ of: point, verdict, because });
  if (used >= disk - slack) return seen("warn", `${inPercent(used)} of ${inBytes(room)} are used, ${inBytes(space.availableBytes)} are left`);
  if (usedInodes >= inodes - slack) return seen("warn", `${inPercent(usedInodes)} of its inodes are used, ${space.freeInodes} are left`);
  // What is nearly empty and fills quickly is a copy under way more often than an end in sight.
  if (inMs !== null && inMs < fullWithin && used >= 0.5) return seen("warn", `${inPercent(used)} used, and full in ${inTime(inMs)} as it has grown in the last hour`);
  return seen("good", `under ${inPercent(Math.ceil(used * 10 + 1e-9) / 10)} used`);
}

export function space(): Sensor {
  const samples = new Map<string, Sample[]>();
  const told = new Set<string>();
  const hung = new Map<string, { notBeforeMs: number; times: number }>();

  async function lookAt(point: string, eye: Eye, options: HealthOptions): Promise<Seen> {
    const stuck = hung.get(point);
    const nowMs = eye.nowMs();
    if (stuck !== undefined && nowMs < stuck.notBeforeMs) return { of: point, verdict: "unknown", because: "statfs hung when it was last asked" };
    const ran = await eye.run(["stat", "-f", "-c", "%S %b %f %a %c %d", "--", point]);
    if (!("code" in ran.end)) {
      const times = (stuck?.times ?? 0) + 1;
      hung.set(point, { times, notBeforeMs: nowMs + Math.min(SELDOM_MS, options.every * 2 ** times) });
      return { of: point, verdict: "unknown", because: `statfs: ${ran.end.why}` };
    }
    hung.delete(point);
    const found = ran.end.code === 0 ? parseStat(ran.stdout) : null;
    if (found === null) return { of: point, verdict: "unknown", because: ran.end.code === 0 ? `statfs gave ${quoted(ran.stdout.trim())}` : evidenceOf(ran) };
    const kept = [...(samples.get(point) ?? []), { atMs: nowMs, availableBytes: found.availableBytes }].filter(({ atMs }) => nowMs - atMs <= SAMPLES_FOR_MS).slice(-256);
    samples.set(point, kept);
    const seen = judgeSpace(point, found, kept, told.has(point), options);
    if (seen.verdict === "warn") told.add(point);
    else told.delete(point);
    return seen;
  }

  return {
    name: "space",
    async look(eye, options) {
      const points = options.mounts ?? ownFileSystems(parseMountinfo((await textOf(eye, "proc/self/mountinfo")) ?? "")).map(({ point }) => point);
      const seen: Seen[] = [];
      // One after the other: a machine of a hundred mounts is asked for a while, and not all at once.
      for (const point of points.slice(0, 100)) seen.push(await lookAt(point, eye, options));
      return seen;
    },
  };
}

function inPercent(share: number): string {
  return `${Math.floor(share * 100 + 1e-9)} %`;
}

function inBytes(bytes: number): string {
  const [unit, size] = ([["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20]] as const).find(([, least]) => bytes >= least) ?? ["KiB", 1_024];
  return `${(bytes / size).toPrecision(3).replace(/\.?0+$/, "").replace(/e\+.*/, "")} ${unit}`;
}

function inTime(ms: number): string {
  return ms >= 5_400_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.max(1, Math.round(ms / 60_000))} min`;
}
