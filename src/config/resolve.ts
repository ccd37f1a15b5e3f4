// From what stands in the files to what holds: every host with its groups and defaults applied, its probes and its power
// resolved, and its hash taken. Mistakes of meaning are found here: names that nobody has, values that contradict each other.

import { parseAddress } from "./address.ts";
import type { HostPolicy } from "../core/policy.ts";
import type { HostSpec, RemedySpec } from "./config.ts";
import type { At } from "./expect.ts";
import { parseParts } from "./expect.ts";
import type { Entry, Gathered } from "./gather.ts";
import { hostHash } from "./host-hash.ts";
import { Layers, reportConflicts } from "./layers.ts";
import type { Chosen, Layer, Simple } from "./layers.ts";
import type { Place, ProblemList } from "./problems.ts";
import { PROBES } from "./probes/index.ts";
import { goodNeeded, resolveProbes } from "./resolve-probes.ts";
import type { Resolved } from "./resolve-probes.ts";
import { declareDevices, PowerResolver } from "./resolve-power.ts";
import type { Declared, DeviceInstance, PowerOfHost } from "./resolve-power.ts";
import { group as groupSchema, host as hostSchema } from "./sections/hosts.ts";
import type { GroupInput, HostInput } from "./sections/hosts.ts";
import { defaults as defaultsSchema } from "./sections/tunables.ts";
import type { RemedyInput } from "./sections/remedies.ts";
import type { SecretReader } from "./secrets.ts";
import { didYouMean } from "./suggest.ts";

export /** Discard, where most cards' tools send (AMD's white paper names none). */
const WAKE_PORT = 9;
const UNGROUPED = "ungrouped";

export type ResolvedHost = {
  readonly entry: Entry;
  /** All but `self`, which needs every host. */
  readonly policy: HostPolicy;
  readonly spec: HostSpec;
  readonly origins: ReadonlyMap<string, string>;
  readonly probes: readonly Resolved[];
  readonly power: PowerOfHost;
  /** All groups that it is in, the one in which storms are judged first. */
  readonly groups: readonly string[];
  /** False when some of its settings are wrong, which has been told. */
  readonly whole: boolean;
  /** Where a value was said, for the lints; null where it is built in. */
  placeOf(setting: string): Place | null;
};

export type ResolvedFleet = { readonly hosts: readonly ResolvedHost[]; readonly devices: ReadonlyMap<string, DeviceInstance>; readonly declared: ReadonlyMap<string, Declared> };

type Group = { readonly name: string; readonly layer: Layer; readonly members: GroupInput["hosts"] };

type ParsedHost = {
  readonly entry: Entry;
  readonly input: Partial<HostInput>;
  readonly whole: boolean;
  readonly layers: Layers;
  readonly groups: readonly Group[];
  readonly power: PowerOfHost;
};

/** What all of it works with. */
type Work = { readonly gathered: Gathered; readonly secrets: SecretReader; readonly problems: ProblemList; readonly devices: ReadonlyMap<string, DeviceInstance> };

/** Stands in where the address is missing or wrong, so that the other settings can be judged all the same. */
const UNKNOWN_ADDRESS = { host: "unknown.invalid", port: 1 };

/** All hosts and devices; those with mistakes are missing from the result, and told. */
export async function resolveFleet(gathered: Gathered, secrets: SecretReader, problems: ProblemList): Promise<ResolvedFleet> {
  const defaultsAt: At = { place: (path, part) => gathered.at.place(["defaults", ...path], part) };
  const defaults = parseParts(defaultsSchema, gathered.top.defaults ?? {}, defaultsAt, problems);
  const defaultsLayer: Layer = { origin: "defaults", values: defaults.value, broken: defaults.broken, at: defaultsAt, directory: gathered.directory };
  const groups = parseGroups(gathered, problems);
  const members = membersOf(groups, gathered, problems);
  const declared = declareDevices(gathered.power, problems);
  const power = new PowerResolver(declared, secrets, problems);
  const conflicts = new Set<string>();
  const several = new Set<string>();
  const parsed: ParsedHost[] = [];
  for (const entry of gathered.hosts.values()) {
    const { value, broken } = parseParts(hostSchema, entry.raw, entry.at, problems);
    const levels = power.levels(entry, broken.has("power") ? null : (value.power ?? []), value.feeds);
    const own: Layer = { origin: "host", values: value, broken, at: entry.at, directory: entry.directory };
    const mine = members.get(entry.name) ?? [];
    reportConflicts(entry.name, value, mine.map(({ layer }) => layer), conflicts, problems);
    reportSeveral(entry.name, mine, several, problems);
    const whole = [own, defaultsLayer, ...mine.map(({ layer }) => layer)].every((layer) => layer.broken.size === 0);
    parsed.push({ entry, input: value, whole, layers: new Layers(own, mine.map(({ layer }) => layer), defaultsLayer), groups: mine, power: levels });
  }
  const devices = await power.instances();
  const hosts: ResolvedHost[] = [];
  for (const host of parsed) {
    const resolved = await resolveHost(host, { gathered, secrets, problems, devices });
    if (resolved !== null) hosts.push(resolved);
  }
  return { hosts, devices, declared };
}

async function resolveHost(host: ParsedHost, work: Work): Promise<ResolvedHost | null> {
  const { entry, input, whole, layers, groups, power } = host;
  const { gathered, problems, devices } = work;
  const stated = input.address ?? UNKNOWN_ADDRESS;
  const address = parseAddress(stated.host.replaceAll("{host}", entry.name));
  if (!address.ok) {
    problems.add(entry.at.place(["address"]), "ADDRESS_INVALID", address.message, address.hint);
    return null;
  }
  const where = { host: address.value.host, port: stated.port };
  const chosen = new Map<string, Chosen<unknown>>();
  const choose = <K extends Simple>(key: K): ReturnType<typeof layers.choose<K>> => {
    const found = layers.choose(key);
    chosen.set(key, found);
    return found;
  };
  const fleetBudget = gathered.top.brakes?.perHost;
  const brakesAt: At = { place: (path, part) => gathered.at.place(["brakes", ...path.slice(1)], part) };
  const cycles = layers.budget("cycles", { value: fleetBudget?.cycles, at: brakesAt });
  const within = layers.budget("within", { value: fleetBudget?.within, at: brakesAt });
  chosen.set("brakes.perHost.cycles", cycles).set("brakes.perHost.within", within);

  const every = choose("every");
  const timeout = choose("timeout");
  const probeList = choose("probes");
  const probes = await resolveProbes(entry, where, { probes: probeList, timeout }, work);
  checkPace(every, timeout, probes, entry, problems);
  // A round lasts as long as its slowest probe may: judged by less, a time-out of that probe would never count.
  const longestMs = Math.max(timeout.value, ...probes.map(({ spec }) => spec.timeoutMs));
  if (longestMs > timeout.value) chosen.set("timeout", { ...timeout, value: longestMs, origin: "the longest of its probes" });
  const threshold = thresholdOf(layers, problems);
  chosen.set("threshold", threshold);
  const needed = goodNeeded(choose("rounds"), probes, probeList.certain && probes.length === probeList.value.length, entry.name, problems);
  const group = groups[0]?.name ?? UNGROUPED;
  const budget = { cycles: cycles.value, withinMs: within.value };
  const bootMs = choose("boot").value;
  const remedies = named(choose("remedies").value);
  const policy: HostPolicy = {
    name: entry.name,
    hash: hostHash({ address: where.host, port: where.port, probes, goodNeeded: needed, threshold: threshold.value, levels: power.levels, devices, group, budget }),
    address: where.host, group, behind: choose("behind").value, armed: choose("armed").value,
    everyMs: every.value, timeoutMs: longestMs, threshold: threshold.value, retryMs: choose("retry").value,
    debounceMs: choose("debounce").value, bootMs, offForMs: choose("offFor").value, healthyForMs: choose("healthyFor").value,
    offConfirmMs: choose("offConfirm").value, onConfirmMs: choose("onConfirm").value, settleMs: choose("settle").value,
    probes: probes.map(({ spec, counts }) => ({ id: spec.id, counts, ...(PROBES[spec.kind].abstains === true ? { abstains: true as const } : {}) })), goodNeeded: needed, levels: power.levels, budget, self: false, storeMembers: 0,
    ...(remedies.length === 0 ? {} : { remedies: remedies.map(({ name, limitMs, waitMs }) => ({ name, limitMs, waitMs: waitMs ?? bootMs })) }),
  };
  const origins = new Map([...chosen].map(([key, { origin }]) => [key, origin]));
  const spec: HostSpec = { address: where.host, port: where.port, probes: probes.map((probe) => probe.spec), remedies: remedies.map(({ spec }) => spec), wake: input.wake === undefined ? null : { mac: input.wake.mac, host: input.wake.address.host, port: input.wake.address.port ?? WAKE_PORT } };
  return { entry, whole, policy, spec, origins, probes, power, groups: groups.map(({ name }) => name), placeOf: (setting) => chosen.get(setting)?.place?.() ?? null };
}

/** A second of one kind is `ssh#2`, as with probes. */
function named(remedies: readonly RemedyInput[]): readonly { readonly name: string; readonly limitMs: number; readonly waitMs: number | null; readonly spec: RemedySpec }[] {
  return remedies.map(({ limitMs, waitMs, ...task }, at) => {
    const before = remedies.slice(0, at).filter(({ kind }) => kind === task.kind).length;
    const name = before === 0 ? task.kind : `${task.kind}#${before + 1}`;
    return { name, limitMs, waitMs, spec: { name, ...task } };
  });
}

function parseGroups(gathered: Gathered, problems: ProblemList): readonly Group[] {
  return [...gathered.groups.values()].map((entry) => {
    const { value, broken } = parseParts(groupSchema, entry.raw, entry.at, problems);
    const { hosts: members = [], ...values } = value;
    return { name: entry.name, layer: { origin: `group ${entry.name}`, values, broken, at: entry.at, directory: entry.directory }, members };
  });
}

function membersOf(groups: readonly Group[], gathered: Gathered, problems: ProblemList): ReadonlyMap<string, readonly Group[]> {
  const members = new Map<string, Group[]>();
  for (const group of groups) {
    for (const { name, item } of group.members) {
      if (!gathered.hosts.has(name)) {
        problems.add(group.layer.at.place(["hosts", item]), "HOST_UNKNOWN", `no host is named ${name}`, didYouMean(name, gathered.hosts.keys()) ?? "hosts stand under hosts:");
        continue;
      }
      const mine = members.get(name) ?? [];
      if (!mine.includes(group)) mine.push(group);
      members.set(name, mine);
    }
  }
  return members;
}

function reportSeveral(host: string, groups: readonly Group[], seen: Set<string>, problems: ProblemList): void {
  const [first, second] = groups;
  if (first === undefined || second === undefined || seen.has(`${first.name} ${second.name}`)) return;
  seen.add(`${first.name} ${second.name}`);
  problems.add(second.layer.at.place(["hosts"], "key"), "GROUPS_SEVERAL", `${host} is in the groups ${first.name} and ${second.name}: storms are judged in ${first.name}`);
}

function thresholdOf(layers: Layers, problems: ProblemList): Chosen<number> {
  const threshold = layers.choose("threshold");
  const retry = layers.choose("retry");
  const climbed = retry.value.length + 1;
  if (retry.value.length === 0 || threshold.value === climbed || !retry.certain || !threshold.certain) return threshold;
  // The ladder says how often to look before the verdict; a threshold said further away from the host was not meant for it.
  if (threshold.rank > retry.rank) return { ...retry, value: climbed, origin: "retry ladder" };
  if (threshold.place !== null) {
    const under = threshold.value < climbed;
    problems.add(threshold.place(), under ? "THRESHOLD_UNDER_RETRY" : "THRESHOLD_OVER_RETRY",
      under ? `threshold ${threshold.value} is reached before the ${retry.value.length} retries are over` : `threshold ${threshold.value} goes beyond the ${retry.value.length} retries`,
      `leave threshold out: with this ladder it is ${climbed}`);
  }
  return threshold;
}

function checkPace(every: Chosen<number>, timeout: Chosen<number>, probes: readonly Resolved[], entry: Entry, problems: ProblemList): void {
  const hint = "rounds of one host never overlap";
  if (!every.certain) return;
  if (timeout.certain && timeout.value > every.value) {
    problems.add(timeout.place?.() ?? every.place?.() ?? entry.at.place([], "key"), "TIMEOUT_OVER_EVERY", `timeout is longer than every${timeout.place === null ? " (it is 1s where nothing is said)" : ""}`, hint);
  }
  for (const { input, spec, place } of probes) {
    if (input.timeoutMs !== null && input.timeoutMs > every.value) problems.add(place, "TIMEOUT_OVER_EVERY", `the timeout of ${spec.id} is longer than every`, hint);
  }
}
