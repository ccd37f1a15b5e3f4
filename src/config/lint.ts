// Lints: configurations that are valid and that somebody will regret. Each has a stable code and a place; none keeps a
// watcher from starting. What is outright dangerous is an error elsewhere (resolve.ts, resolve-power.ts).

import type { ReferenceSpec } from "./config.ts";
import { formatDuration } from "./duration.ts";
import { isExecutable } from "./files.ts";
import type { Gathered } from "./gather.ts";
import type { Place, ProblemList } from "./problems.ts";
import { DRIVERS } from "./power/index.ts";
import { PROBES } from "./probes/index.ts";
import type { ResolvedFleet, ResolvedHost } from "./resolve.ts";

const BRAKES_OFF = [["startup", 0, "0s"], ["coolDown", 0, "0s"], ["maxUnhealthy", 1, "100%"]] as const;

/** Lints of a configuration that has no errors in its hosts. */
export async function lint(gathered: Gathered, fleet: ResolvedFleet, references: readonly ReferenceSpec[], self: ReadonlySet<string>, measured: ReadonlyMap<string, number>, problems: ProblemList): Promise<void> {
  lintWhole(gathered, fleet, references, problems);
  for (const host of fleet.hosts) {
    if (!host.whole) continue;
    lintHost(host, fleet, self.has(host.policy.name), problems);
    lintMeasured(host, measured.get(host.policy.name), problems);
  }
  await lintDevices(fleet, problems);
  await lintPrograms(gathered, fleet, problems);
}

function lintWhole(gathered: Gathered, fleet: ResolvedFleet, references: readonly ReferenceSpec[], problems: ProblemList): void {
  const { top, at } = gathered;
  if (gathered.hosts.size === 0) problems.add(at.place(["hosts"], "key"), "NO_HOSTS", "no hosts: there is nothing to watch");
  if (!at.has(["watcher", "references"]) || gathered.top.watcher?.references.length === 0) {
    problems.add(at.place(["watcher", "references"], "key"), "NO_REFERENCES", "no references: the watcher cannot tell its own isolation from a dead host", "watcher: { references: [10.0.0.1] }, for instance the router");
  } else if (references.length > 0) {
    const watched = new Set(fleet.hosts.map(({ policy }) => policy.address));
    if (references.every(({ address }) => watched.has(address))) {
      problems.add(at.place(["watcher", "references"]), "REFERENCES_WATCHED", "every reference is a watched host: when they die, nothing is judged any more", "add one that is not watched, for instance the router");
    }
  }
  for (const [key, off, text] of BRAKES_OFF) {
    if (top.brakes?.[key] === off) problems.add(at.place(["brakes", key]), "BRAKE_OFF", `${key}: ${text} switches this brake off`);
  }
}

function lintHost(host: ResolvedHost, fleet: ResolvedFleet, self: boolean, problems: ProblemList): void {
  const { policy, entry } = host;
  const key = entry.at.place([], "key");
  if (host.probes.length > 0 && host.probes.every(({ spec }) => spec.kind === "ping")) {
    problems.add(host.placeOf("probes") ?? key, "PING_ONLY", `${policy.name} is only pinged: a network card may answer for a wedged host`, "add a probe of what it serves, such as ssh");
  }
  for (const { spec, place } of host.probes) {
    const found = PROBES[spec.kind].lint?.(spec.options, policy) ?? null;
    if (found !== null) problems.add(place, found.code, found.message, found.hint ?? null);
  }
  if (policy.levels.length > 0) {
    if (self) problems.add(key, "WATCHER_POWERED", `this watcher's own power hangs on ${policy.name}: it never cuts it`, "let another machine watch this host");
    lintPatience(host, key, problems);
    if (policy.levels.flat().every(({ device }) => sharesPower(device, fleet))) {
      problems.add(entry.at.place(["power"]), "BMC_ALONE", `only its own BMC can cut ${policy.name}: without power neither answers, and an off that nobody can read is never confirmed`, "a second level that has power of its own: [bmc, pdu/5]");
    }
  }
}

/** `boot` beside what this host has needed to come back. */
function lintMeasured({ policy, placeOf, entry }: ResolvedHost, neededMs: number | undefined, problems: ProblemList): void {
  if (neededMs === undefined || policy.levels.length === 0 || policy.bootMs === 0 || policy.bootMs >= neededMs) return;
  const needed = formatDuration(Math.ceil(neededMs / 1_000) * 1_000);
  problems.add(placeOf("boot") ?? entry.at.place([], "key"), "BOOT_UNDER_MEASURED", `boot of ${policy.name} is ${formatDuration(policy.bootMs)}, and it has needed ${needed}`, `boot: ${needed} or more`);
}

/** Devices that are one a host are declared once. */
function sharesPower(device: string, fleet: ResolvedFleet): boolean {
  const input = fleet.declared.get(device.replace(/@.*$/, ""))?.input ?? null;
  return input !== null && DRIVERS[input.driver].sharesPower?.(input) === true;
}

function lintPatience({ policy, placeOf }: ResolvedHost, key: Place, problems: ProblemList): void {
  for (const [setting, valueMs] of [["debounce", policy.debounceMs], ["boot", policy.bootMs]] as const) {
    if (valueMs === 0) problems.add(placeOf(setting) ?? key, "BRAKE_OFF", `${setting}: 0s switches this brake off`);
  }
  if (policy.budget.withinMs === 0) problems.add(placeOf("brakes.perHost.within") ?? key, "BRAKE_OFF", "within: 0s switches the budget of power cycles off");
  if (policy.bootMs > 0 && policy.bootMs < policy.debounceMs) {
    problems.add(placeOf("boot") ?? placeOf("debounce") ?? key, "BOOT_UNDER_DEBOUNCE", `boot (${formatDuration(policy.bootMs)}) is shorter than debounce (${formatDuration(policy.debounceMs)})`, "boot is how long the host may take to come back");
  }
}

/** What a driver says of a device that some host hangs on. */
async function lintDevices(fleet: ResolvedFleet, problems: ProblemList): Promise<void> {
  const needed = new Set(fleet.hosts.flatMap(({ policy }) => policy.levels.flat()).map(({ device }) => device.replace(/@.*$/, "")));
  for (const { name, entry, input } of fleet.declared.values()) {
    if (input === null || !needed.has(name)) continue;
    for (const { at, code, message, hint } of (await DRIVERS[input.driver].lint?.(input, name)) ?? []) problems.add(entry.at.place(at, at.length === 0 ? "key" : "value"), code, message, hint ?? null);
  }
}

async function lintPrograms(gathered: Gathered, fleet: ResolvedFleet, problems: ProblemList): Promise<void> {
  const programs: { program: unknown; place: Place }[] = [];
  const { command, channels = {} } = gathered.top.alerts ?? {};
  const at = (...path: readonly string[]): Place => gathered.at.place(["alerts", ...path, ...(gathered.at.has(["alerts", ...path, "run"]) ? ["run", 0] : [0])]);
  programs.push({ program: command?.run[0], place: at("command") });
  for (const [name, channel] of Object.entries(channels)) {
    programs.push({ program: channel.command?.run[0], place: at("channels", name, "command") }, { program: channel.apprise?.program, place: gathered.at.place(["alerts", "channels", name, "apprise", "program"]) });
  }
  for (const { input, entry } of fleet.declared.values()) {
    if (input === null) continue;
    for (const { at, program } of DRIVERS[input.driver].programs?.(input) ?? []) programs.push({ program, place: entry.at.place(at) });
  }
  for (const { spec, place } of fleet.hosts.flatMap((host) => host.probes)) {
    programs.push(...(PROBES[spec.kind].programs?.(spec.options) ?? []).map((program) => ({ program, place })));
  }
  for (const { program, place } of programs) {
    // A bare name is looked up in the watcher's own PATH, which is not known here.
    if (typeof program !== "string" || !program.startsWith("/") || program.includes("{")) continue;
    if (!(await isExecutable(program))) problems.add(place, "COMMAND_MISSING", `${program} is not here, or may not be run by this user`);
  }
}
