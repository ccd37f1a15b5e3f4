// Reads a configuration: files, schemas, resolution, lints; then either the whole configuration with its warnings, or every
// mistake that was found, and never a part of a configuration.

import { LIMITS } from "../core/policy.ts";
import type { CarefulPolicy, Policy } from "../core/policy.ts";
import { AGENTS_PORT, formatAddress } from "./address.ts";
import type { AgentsConfig, AlertsConfig, Config, HistoryConfig, NetconsoleConfig, ReferenceSpec, ShellConfig, StatusPageConfig, StoreSpec } from "./config.ts";
import { resolveDataDir, SOCKET_PATH_BYTES_MAX, socketPathIn } from "./data-dir.ts";
import { resolveSignal } from "./careful-signal.ts";
import type { ReadFile } from "./files.ts";
import { gather } from "./gather.ts";
import type { Gathered } from "./gather.ts";
import { BUILT_IN_MS } from "./layers.ts";
import { lintAlerts } from "./lint-alerts.ts";
import { lintStore } from "./lint-store.ts";
import { lint } from "./lint.ts";
import { ProblemList } from "./problems.ts";
import type { Problem } from "./problems.ts";
import { resolveApi } from "./resolve-api.ts";
import { resolveAlerts } from "./resolve-alerts.ts";
import { membersOn, resolveStore } from "./resolve-store.ts";
import { resolveReboots } from "./resolve-reboots.ts";
import { resolveFleet } from "./resolve.ts";
import type { ResolvedFleet } from "./resolve.ts";
import { taskFor } from "./resolve-probes.ts";
import { careful as carefulSchema } from "./sections/careful.ts";
import { history as historySchema, keep as keepSchema } from "./sections/history.ts";
import { brakes as brakesSchema, ownName } from "./sections/watcher.ts";
import { SecretReader } from "./secrets.ts";
import type { Environment } from "./secrets.ts";
import { hostsOfSelf, thisMachine } from "./self.ts";
import type { Machine } from "./self.ts";
import { didYouMean } from "./suggest.ts";

export type LoadOptions = {
  /** Instead of this process's environment. */
  readonly env?: Environment;
  /** Instead of the disk, for the configuration, its includes (those named, not matched) and secret files. */
  readonly readFile?: ReadFile;
  /** Instead of this machine's interfaces and name. */
  readonly machine?: Machine;
  /** Instead of the wall clock, Unix milliseconds: what has expired by then. */
  readonly nowMs?: number;
  /** The longest boot of each host, in milliseconds, as a watcher has measured it. */
  readonly measured?: ReadonlyMap<string, number>;
};

export type Loaded = { readonly ok: true; readonly config: Config; readonly problems: readonly Problem[] } | { readonly ok: false; readonly problems: readonly Problem[] };

/** Loads a configuration file; never rejects for what is in it. */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<Loaded> {
  const problems = new ProblemList();
  const env = options.env ?? process.env;
  const machine = options.machine ?? thisMachine();
  const gathered = await gather(path, problems, options.readFile);
  if (gathered === null) return { ok: false, problems: problems.sorted() };
  if (gathered.hosts.size === 0 && !problems.failed && !gathered.declaresHosts) problems.add(gathered.at.place([]), "KEY_MISSING", "hosts is missing: which hosts are to be watched", "hosts: { web1: { address: 10.0.0.11, power: sucker/2 } }");
  const secrets = new SecretReader(env, problems, options.readFile);
  const fleet = await resolveFleet(gathered, secrets, problems);
  const references = await resolveReferences(gathered, secrets, problems);
  const signal = gathered.top.careful?.signal === undefined ? null : await resolveSignal(gathered.top.careful.signal, { directory: gathered.directory, place: (path) => gathered.at.place(["careful", "signal", ...path]) }, { secrets, problems });
  const alerts = await resolveAlerts({ gathered, secrets, problems, machine }, fleet);
  const certificates = { gathered, secrets, problems, nowMs: options.nowMs ?? Date.now() };
  const store = await resolveStore(certificates);
  const api = await resolveApi(certificates);
  const place = { ...resolvePaths(path, gathered, env, problems), file: path, files: gathered.files };
  const self = selfOf(gathered, fleet, machine, problems);
  await lint(gathered, fleet, references, self, options.measured ?? new Map(), problems);
  // Whoever has mistakes in that section mends those first; that there is none is told in any case.
  if (!problems.failed || !gathered.at.has(["alerts"])) lintAlerts(gathered, fleet, alerts, problems);
  if (store !== null) lintStore(gathered, store, fleet, problems);
  const statusPage = statusPageOf(gathered, fleet, problems);
  const reboots = resolveReboots(gathered, fleet, problems, options.nowMs ?? Date.now());
  const netconsole = netconsoleOf(gathered, fleet, problems);
  if (problems.failed || store === null || api === null) return { ok: false, problems: problems.sorted() };
  const shell: ShellConfig = {
    ...place,
    api, agents: agentsOf(gathered), alerts, store, references, signal, history: historyOf(gathered), netconsole, statusPage,
    reboots: reboots?.shell ?? { by: [], drain: null, undrain: null },
    hosts: new Map(fleet.hosts.map(({ policy, spec }) => [policy.name, spec])),
    devices: new Map([...fleet.devices].map(([name, { spec }]) => [name, spec])),
  };
  const origins = new Map(fleet.hosts.map((host) => [host.policy.name, host.origins]));
  return { ok: true, config: { policy: { ...policyOf(gathered, fleet, store, self, alerts, machine), ...(reboots === null ? {} : { reboots: reboots.policy }) }, shell, origins }, problems: problems.sorted() };
}


function policyOf(gathered: Gathered, fleet: ResolvedFleet, store: StoreSpec, self: ReadonlySet<string>, alerts: AlertsConfig, machine: Machine): Policy {
  const { top } = gathered;
  const { startup, maxUnhealthy, coolDown, concurrent, perHour } = top.brakes ?? brakesSchema.parse({});
  return {
    site: top.site ?? "upkeep",
    watcher: top.watcher?.name ?? ownName(machine.hostname),
    armed: top.armed ?? true,
    hosts: new Map(fleet.hosts.map(({ policy }) => [policy.name, { ...policy, self: self.has(policy.name), storeMembers: membersOn(store, policy) }])),
    devices: new Map([...fleet.devices].map(([name, { policy }]) => [name, policy])),
    brakes: { startupMs: startup, maxUnhealthy, coolDownMs: coolDown, concurrent, perHour },
    observers: top.observers ?? 3,
    shared: store.kind === "embedded" ? null : { ttlMs: store.ttlMs, members: store.members.length },
    lone: top.lone ?? "hold",
    careful: carefulPolicyOf(gathered),
    limits: { ...LIMITS, alarmEveryMs: alerts.repeatMs },
  };
}

function carefulPolicyOf({ top }: Gathered): CarefulPolicy {
  const { haltBound, returnAfter, returnCharge, stagger, signal } = top.careful ?? carefulSchema.parse({});
  return { haltBoundMs: haltBound, returnAfterMs: returnAfter, returnCharge, staggerMs: stagger, sensed: signal !== undefined };
}

function agentsOf({ top: { agents } }: Gathered): AgentsConfig {
  const asked = agents?.listen ?? null;
  const listen = asked === null ? null : { host: asked.host, port: asked.port ?? AGENTS_PORT };
  const told = agents?.address ?? (asked === null || /^(0\.0\.0\.0|::)$/.test(asked.host) || asked.port === 0 ? null : asked);
  return { listen, address: told === null ? null : formatAddress(told.host, told.port ?? listen?.port ?? AGENTS_PORT) };
}

function historyOf({ top }: Gathered): HistoryConfig {
  const { keep, maxSize } = top.history ?? historySchema.parse({});
  const { rounds, minutes, hours } = keep ?? keepSchema.parse({});
  return { roundsMs: rounds, minutesMs: minutes, hoursMs: hours, bytes: maxSize };
}

const NETCONSOLE_PORT = 6_666;

function netconsoleOf({ top, at }: Gathered, fleet: ResolvedFleet, problems: ProblemList): NetconsoleConfig | null {
  if (top.netconsole === undefined) return null;
  const { listen, hold, also = {} } = top.netconsole;
  const hosts = fleet.hosts.map(({ policy }) => policy.name);
  // While hosts have mistakes of their own they are missing here, and nobody is told that twice.
  for (const name of problems.failed ? [] : Object.keys(also)) if (!hosts.includes(name)) problems.add(at.place(["netconsole", "also", name]), "HOST_UNKNOWN", `there is no host ${name}`, didYouMean(name, hosts));
  return { listen: { host: listen?.host ?? "::", port: listen?.port ?? NETCONSOLE_PORT }, hold, also: new Map(Object.entries(also)) };
}

function statusPageOf({ top, at }: Gathered, fleet: ResolvedFleet, problems: ProblemList): StatusPageConfig | null {
  if (top.statusPage === undefined) return null;
  const { title, groups, history } = top.statusPage;
  const hosts = new Set(fleet.hosts.map(({ policy }) => policy.name));
  const known = new Set(fleet.hosts.map(({ policy }) => policy.group));
  const shown = new Set<string>();
  for (const [index, each] of groups.entries()) {
    const place = at.place(["statusPage", "groups", index]);
    if (each.group !== null && !known.has(each.group)) problems.add(place, "GROUP_UNKNOWN", `no host is in a group ${each.group}`, didYouMean(each.group, known));
    for (const host of each.hosts ?? []) if (!hosts.has(host)) problems.add(place, "HOST_UNKNOWN", `there is no host ${host}`, didYouMean(host, hosts));
    if (shown.has(each.as)) problems.add(place, "NAME_TAKEN", `two things on the status page are called ${each.as}`, "as: another name");
    shown.add(each.as);
  }
  return { title, historyDays: Math.ceil(history / 86_400_000), components: groups.map(({ group, hosts: members, as }) => ({ name: as, group, hosts: members ?? [] })) };
}

async function resolveReferences(gathered: Gathered, secrets: SecretReader, problems: ProblemList): Promise<readonly ReferenceSpec[]> {
  const references: ReferenceSpec[] = [];
  const ids = new Set<string>();
  for (const [index, { address, probe }] of (gathered.top.watcher?.references ?? []).entries()) {
    const place = gathered.at.place(["watcher", "references", index]);
    const found = await taskFor(probe, { name: address.host, address, place, directory: gathered.directory }, { secrets, problems });
    if (found === null) continue;
    const { task } = found;
    const base = `${task.kind} ${address.host}`;
    let id = base;
    for (let count = 2; ids.has(id); count += 1) id = `${base}#${count}`;
    ids.add(id);
    references.push({ id, address: address.host, timeoutMs: probe.timeoutMs ?? BUILT_IN_MS.timeout, ...task });
  }
  return references;
}

function resolvePaths(path: string, gathered: Gathered, env: Environment, problems: ProblemList): { dataDir: string; socketPath: string } {
  const dataDir = resolveDataDir(path, gathered.top.data, env);
  const socketPath = socketPathIn(dataDir);
  const bytes = Buffer.byteLength(socketPath);
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    problems.add(gathered.at.place(["data"]), "SOCKET_PATH_LONG", `the control socket ${socketPath} would have a path of ${bytes} bytes`, `the kernel allows ${SOCKET_PATH_BYTES_MAX}: choose a shorter data folder`);
  }
  return { dataDir, socketPath };
}

function selfOf(gathered: Gathered, fleet: ResolvedFleet, machine: Machine, problems: ProblemList): ReadonlySet<string> {
  const stated = gathered.top.watcher?.host ?? null;
  if (stated !== null && !gathered.hosts.has(stated)) {
    problems.add(gathered.at.place(["watcher", "host"]), "HOST_UNKNOWN", `no host is named ${stated}`, didYouMean(stated, gathered.hosts.keys()) ?? "leave it out when this watcher runs on no watched host");
  }
  return hostsOfSelf(fleet.hosts.map(({ policy }) => policy), stated, machine);
}
