// What disks say of themselves, through smartctl(8) and its JSON. Asked seldom, because a disk in trouble answers slowly and one that
// sleeps must not be woken for it (`-n standby`): what it said before stands until it is awake. SMART that passes proves
// little; sectors that wait to be reallocated, media errors and wear come before it fails.

import { findProgram } from "../../child/find-program.ts";
import { evidenceOf } from "../../child/child.ts";
import type { Eye, HealthOptions, Seen, Sensor } from "./sensor.ts";
import { namesIn, quoted } from "./sensor.ts";

export type Disk = { readonly name: string; readonly type: string | null };
type Mapping = Readonly<Record<string, unknown>>;

const DISKS_MAX = 64;
/** Bits of `critical_warning` (NVM Express, SMART / Health Information log). */
const CRITICAL = ["its spare is used up", "too hot or too cold", "its reliability is degraded", "it has become read-only", "its volatile memory's backup has failed", "its persistent memory is read-only"];
/** By id: what is told, and whether from the first on. Ids as all makers have them; raw values as smartctl formats them. */
const SECTORS: readonly { readonly id: number; readonly what: string; readonly fromFirst: boolean }[] = [
  { id: 5, what: "reallocated", fromFirst: false },
  { id: 197, what: "pending", fromFirst: true },
  { id: 198, what: "uncorrectable", fromFirst: true },
];

/** What one run of smartctl says of its disk; null: the disk sleeps. */
export function judgeSmart(of: string, text: string, { reallocated, wear }: Pick<HealthOptions, "reallocated" | "wear">): Seen | null {
  const unknown = (because: string): Seen => ({ of, verdict: "unknown", because });
  const said = parsed(text);
  if (said === null) return unknown(`smartctl printed ${quoted(text.trim())} and no JSON`);
  const messages = listOf(mappingOf(said["smartctl"])["messages"]).map((each) => String(mappingOf(each)["string"] ?? ""));
  const asleep = /\b(STANDBY|SLEEP)\b/;
  if (messages.some((message) => asleep.test(message) && /exit/.test(message))) return null;
  const passed = mappingOf(said["smart_status"])["passed"];
  const attributes = listOf(mappingOf(said["ata_smart_attributes"])["table"]).map(mappingOf).filter(({ id }) => typeof id === "number");
  const nvme = said["nvme_smart_health_information_log"] === undefined ? null : mappingOf(said["nvme_smart_health_information_log"]);
  const defects = numberOf(said["scsi_grown_defect_list"]);
  if (typeof passed !== "boolean" && attributes.length === 0 && nvme === null && defects === null) return unknown(messages.length > 0 ? messages.join("; ") : "it tells nothing by SMART");

  const wrong: string[] = [];
  if (passed === false) wrong.push("it says itself that it is failing");
  for (const attribute of attributes) if (attribute["when_failed"] === "now") wrong.push(`${String(attribute["name"])} is beyond its threshold`);
  for (const { id, what, fromFirst } of SECTORS) {
    const raw = mappingOf(attributes.find((attribute) => attribute["id"] === id)?.["raw"]);
    const sectors = Number.parseInt(String(raw["string"] ?? raw["value"] ?? ""), 10);
    if (sectors >= (fromFirst ? 1 : reallocated)) wrong.push(`${sectors} ${what} sector${sectors === 1 ? "" : "s"}`);
  }
  if (nvme !== null) {
    const critical = numberOf(nvme["critical_warning"]);
    const used = numberOf(nvme["percentage_used"]);
    const mediaErrors = numberOf(nvme["media_errors"]);
    if (critical === null || used === null || mediaErrors === null) return unknown("its health log lacks critical_warning, percentage_used or media_errors");
    CRITICAL.forEach((what, bit) => (critical & (1 << bit)) === 0 || wrong.push(what));
    // May be over 100: an estimate of the maker's.
    if (used >= wear * 100) wrong.push(`${used} % of its life are used`);
    if (mediaErrors > 0) wrong.push(`${mediaErrors} media error${mediaErrors === 1 ? "" : "s"}`);
  }
  if (defects !== null && defects >= reallocated) wrong.push(`${defects} grown defects`);
  const model = typeof said["model_name"] === "string" ? `${said["model_name"].slice(0, 60)}: ` : "";
  return wrong.length > 0 ? { of, verdict: "warn", because: `${model}${wrong.join(", ")}` } : { of, verdict: "good", because: `${model}nothing wrong by its own word` };
}

/** The disks of `smartctl --scan -j`, or null where that is none. */
export function parseScan(text: string): readonly Disk[] | null {
  const said = parsed(text);
  if (said === null) return null;
  return listOf(said["devices"]).map(mappingOf).flatMap(({ name, type }): Disk[] => (typeof name === "string" && name.startsWith("/dev/") ? [{ name, type: typeof type === "string" ? type : null }] : []));
}

export function smart(): Sensor {
  const last = new Map<string, Seen>();
  return {
    name: "smart",
    everyMs: ({ smartEvery }) => smartEvery,
    async look(eye, options) {
      const smartctl = findProgram("smartctl");
      const nothing = (because: string): readonly Seen[] => [{ of: null, verdict: "unknown", because }];
      if (smartctl === null) return nothing("smartctl is not installed (smartmontools)");
      const scan = await eye.run([smartctl, "--scan", "-j"]);
      const found = parseScan(scan.stdout);
      if (found === null) return nothing(`smartctl --scan: ${evidenceOf(scan)}`);
      // Older ones scan no NVMe unless asked.
      const nvme = (await namesIn(eye, "sys/class/nvme")).map((name): Disk => ({ name: `/dev/${name}`, type: "nvme" })).filter(({ name }) => !found.some((disk) => disk.name.startsWith(name)));
      const disks = [...found, ...nvme].slice(0, DISKS_MAX);
      if (disks.length === 0) return nothing("smartctl finds no disk that it could ask");
      const seen: Seen[] = [];
      for (const disk of disks) seen.push(await ask(smartctl, disk, eye, options));
      return seen;
    },
  };

  async function ask(smartctl: string, { name, type }: Disk, eye: Eye, options: HealthOptions): Promise<Seen> {
    const of = `${name.slice("/dev/".length)}${type?.includes(",") === true ? ` ${type}` : ""}`;
    const ran = await eye.run([smartctl, "-j", "-H", "-i", "-A", "-n", "standby", ...(type === null ? [] : ["-d", type]), name]);
    if (!("code" in ran.end)) return { of, verdict: "unknown", because: `smartctl: ${ran.end.why}` };
    // Its exit code is a set of bits, most of which speak of the disk: the JSON says more.
    const seen = judgeSmart(of, ran.stdout, options) ?? last.get(of) ?? { of, verdict: "unknown", because: "it sleeps, and is not woken for this" };
    last.set(of, seen);
    return seen;
  }
}

function parsed(text: string): Mapping | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Mapping) : null;
  } catch {
    return null;
  }
}

function mappingOf(value: unknown): Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Mapping) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}
