// `agent.keep`: what is kept running on the host, by name.

import { isAbsolute } from "node:path";
import { isIP } from "node:net";
import { z } from "zod";
import type { KeepPolicy } from "../../core/keep.ts";
import type { ProbeTask } from "../config.ts";
import { expectations } from "../expect.ts";
import { about, address, argv, duration, flag, name, text, whole } from "../fields.ts";
import { NAME_PATTERN } from "../ranges.ts";
import { taskFor } from "../resolve-probes.ts";
import { oneProbe } from "../sections/probes.ts";
import { defineAgentPart } from "./part-schema.ts";

/** What is kept, by who runs it. */
export type KeptSpec =
  | { readonly kind: "unit" | "docker" | "podman" | "lxc"; readonly name: string }
  | { readonly kind: "command"; readonly argv: readonly string[]; readonly user: string | undefined; readonly directory: string; readonly env: Readonly<Record<string, string>>; readonly output: string | undefined };

export type KeepService = {
  readonly policy: KeepPolicy;
  readonly kept: KeptSpec;
  readonly everyMs: number;
  readonly startMs: number;
  readonly stopMs: number;
  /** Null: that it runs is enough. */
  readonly health: { readonly task: ProbeTask; readonly address: string; readonly timeoutMs: number } | null;
  readonly after: readonly string[];
};

/** In the part's folder, after a service's name: where a person says that it is to be left alone (`upkeep agent hold`), and that it is to be tried again (`release`). */
export const HELD_SUFFIX = ".held";
export const RELEASED_SUFFIX = ".released";

const DAY_MS = 86_400_000;

const unitName = z.string().regex(/^[A-Za-z0-9:_.\\@-]{1,255}$/).refine((value) => !value.startsWith("-"));
expectations.add(unitName, { says: "a unit of systemd such as nginx.service" });
const containerName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/);
expectations.add(containerName, { says: "the name of a container" });
const path = (description: string) => text(description, { max: 4_096 }).superRefine((value, ctx) => {
  if (!isAbsolute(value)) ctx.addIssue({ code: "custom", message: `${JSON.stringify(value)} is not a path from the root`, params: { hint: "it begins with /" } });
});

const service = z.strictObject({
  unit: unitName.meta(about("A unit of systemd.", {}, "unit")).optional(),
  nspawn: containerName.meta(about("A container of systemd-nspawn, as `machinectl` names it: the unit `systemd-nspawn@NAME.service`.", {}, "name")).optional(),
  lxc: containerName.meta(about("A container of LXC.", {}, "name")).optional(),
  docker: containerName.meta(about("A container of Docker that has been made (`docker create`). Leave its own restart policy off.", {}, "name")).optional(),
  podman: containerName.meta(about("A container of Podman, likewise.", {}, "name")).optional(),
  command: argv("A program that nobody else looks after; it must stay in the foreground.").optional(),
  user: name("The user, with its groups, that the command runs as. Left out: root.").optional(),
  directory: path("The folder that the command is started in.").default("/"),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(4_096)).meta(about("What the command finds in its environment beside PATH and LANG.", {}, "mapping")).default({}),
  output: path("The file that the command's output is appended to. Left out: thrown away.").optional(),
  health: oneProbe.meta(about("A probe by which it is judged, as hosts have them; without one it is enough that it runs.", {}, "probe")).optional(),
  address: address("Whom the probe asks; a numeric address.", { default: "127.0.0.1" }).optional(),
  after: z.array(name("Another service that is kept.")).max(16).meta(about("It is started only while these run and serve.", { default: [] }, "list of names")).default([]),
  every: duration("How often to look.", { minMs: 100, maxMs: DAY_MS, default: "5s" }).default(5_000),
  timeout: duration("How long the probe's answer may take, where it does not say so itself.", { minMs: 10, maxMs: 600_000, default: "2s" }).default(2_000),
  threshold: whole("So many bad looks in a row are a failure.", 1, 1_000, { default: 3 }).default(3),
  startup: duration("How long after a start the probe may be bad.", { maxMs: DAY_MS, default: "30s" }).default(30_000),
  startLimit: duration("How long a start may take.", { minMs: 100, maxMs: DAY_MS, default: "90s" }).default(90_000),
  stopLimit: duration("How long a stop may take; a command is killed then.", { minMs: 100, maxMs: DAY_MS, default: "30s" }).default(30_000),
  backoff: duration("The pause before it is started again; doubled with each start that does not last.", { maxMs: DAY_MS, default: "1s" }).default(1_000),
  backoffMax: duration("The longest pause.", { maxMs: DAY_MS, default: "5m" }).default(300_000),
  stableFor: duration("A start that has been good for so long has lasted.", { maxMs: DAY_MS, default: "1m" }).default(60_000),
  tries: whole("After so many starts within `within` it is given up, and a person is called.", 1, 1_000, { default: 5 }).default(5),
  within: duration("The time in which starts are counted.", { minMs: 1_000, maxMs: 7 * DAY_MS, default: "10m" }).default(600_000),
  always: flag("Also what somebody stopped in order, or what ended by itself without an error, is started again.", { default: false }).default(false),
});
expectations.add(service, { says: "a service: { unit: nginx.service }, { command: [/usr/bin/x] }, …" });

const KINDS = ["unit", "nspawn", "lxc", "docker", "podman", "command"] as const;
const services = z.record(z.string().regex(new RegExp(NAME_PATTERN)), service.meta(about("What is kept running, by one of `unit`, `nspawn`, `lxc`, `docker`, `podman`, `command`."))).meta(about("What is kept running on this host, by name: started again where it is."));
expectations.add(services, { says: "a mapping of services by name" });

export const keep = defineAgentPart({
  settings: services,
  async resolve(written, { host, directory, problems, place, secrets }) {
    const resolved: KeepService[] = [];
    for (const [key, settings] of Object.entries(written)) {
      const kept = keptOf(settings);
      if (typeof kept === "string") {
        problems.add(place([key]), "KEY_MISSING", `${key}: ${kept}`, `one of ${KINDS.join(", ")}`);
        continue;
      }
      if (kept.kind !== "command") for (const only of ["user", "output"] as const) if (settings[only] !== undefined) problems.add(place([key, only]), "VALUE_INVALID", `${only} is for a command`);
      for (const other of settings.after) if (written[other] === undefined || other === key) problems.add(place([key, "after"]), "VALUE_INVALID", `${key} cannot come after ${other}`, "another service under keep");
      const at = settings.address ?? { host: "127.0.0.1", port: null };
      if (isIP(at.host) === 0) problems.add(place([key, "address"]), "ADDRESS_INVALID", `${at.host} is not numeric: nothing is looked up here`);
      const found = settings.health === undefined ? null : await taskFor(settings.health, { name: host, address: at, place: place([key, "health"]), directory }, { secrets, problems });
      const { threshold, startup, backoff, backoffMax, stableFor, tries, within, always } = settings;
      resolved.push({
        policy: { name: key, threshold, startupMs: startup, backoffMs: backoff, backoffMaxMs: Math.max(backoff, backoffMax), stableMs: stableFor, tries, withinMs: within, always },
        kept, everyMs: settings.every, startMs: settings.startLimit, stopMs: settings.stopLimit, after: settings.after,
        health: found === null || settings.health === undefined ? null : { task: found.task, address: at.host, timeoutMs: settings.health.timeoutMs ?? settings.timeout },
      });
    }
    const circle = circleIn(new Map(resolved.map(({ policy, after }) => [policy.name, after])));
    if (circle !== null) problems.add(place([circle, "after"]), "VALUE_INVALID", `${circle} would wait for itself`, "take one `after` out of the circle");
    return { services: resolved };
  },
});

function keptOf(settings: z.output<typeof service>): KeptSpec | string {
  const kinds = KINDS.filter((kind) => settings[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined) return "what is to be kept running";
  if (kinds.length > 1) return `${kinds.join(" and ")} at once`;
  const { command, user, directory, env, output } = settings;
  if (kind === "command") return { kind, argv: command ?? [], user, directory, env, output };
  return kind === "nspawn" ? { kind: "unit", name: `systemd-nspawn@${settings.nspawn}.service` } : { kind, name: settings[kind] ?? "" };
}

/** One that comes after itself, or null. */
function circleIn(after: ReadonlyMap<string, readonly string[]>): string | null {
  const reaches = (from: string, to: string, seen: Set<string>): boolean => (after.get(from) ?? []).some((next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))));
  return [...after.keys()].find((each) => reaches(each, each, new Set())) ?? null;
}
