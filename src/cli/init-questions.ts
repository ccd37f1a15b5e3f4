// The questions of `upkeep init`, in the order in which a person knows the answers: what switches the power, whom it feeds, what
// the watcher holds on to, whom it calls. Each device and each host is shown to the loader as soon as it is complete, and asked
// for again when that finds a mistake: nobody answers twenty questions to be told that the third was wrong.
//
// `Asker` stands between them and the terminal, so that tests answer for a person; the real one is @clack/prompts.

import { parseAddress } from "../config/address.ts";
import type { Draft, DraftDevice, DraftHost, DraftStore } from "../config/draft.ts";
import type { DriverFacts, DriverSetting } from "../config/driver-settings.ts";
import { isName, NAME_RULE } from "../config/ranges.ts";
import type { Candidate, FoundDevice } from "../discovery/discovery.ts";
import { defaultGateway } from "../discovery/subnet.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Answers } from "./init-answers.ts";
import { outletOf, secretFile, yamlValue } from "./init-answers.ts";
import type { Found } from "./init-discovery.ts";
import { notTaken, outletsByLabel, sameDevice } from "./init-discovery.ts";

export type Asker = {
  /** `check` says what is wrong with an answer, or null. An empty answer is `initial`, or empty. */
  text(question: string, how: { readonly initial?: string; readonly example?: string; readonly check?: (answer: string) => string | null }): Promise<string>;
  choose(question: string, options: readonly { readonly value: string; readonly label: string; readonly hint?: string }[]): Promise<string>;
  /** Any number of them, none too. */
  several(question: string, options: readonly { readonly value: string; readonly label: string; readonly hint?: string }[]): Promise<readonly string[]>;
  secret(question: string): Promise<string>;
  yes(question: string): Promise<boolean>;
  /** Tells why something is asked again. */
  note(text: string): void;
};

/** Whoever looks round the network while questions are asked. */
export type Finder = {
  /** Where could be looked. */
  sources(): readonly { readonly value: string; readonly label: string; readonly hint?: string }[];
  find(sources: readonly string[]): Promise<Found>;
  /** Asks the hosts of a draft that have no probes what they serve. */
  serve(draft: Draft): Promise<Draft>;
  /** What these serve. */
  look(candidates: readonly Candidate[]): Promise<readonly DraftHost[]>;
};

/** What is wrong with what is known so far, in sentences. */
export type Judge = (answers: Answers) => Promise<readonly string[]>;

const NO_MORE = "no more";
const FOUND = "found ";
/** Somebody to be watched while nobody has been named: documentation's own address (RFC 5737). */
const ANYBODY: DraftHost = { name: "anybody", address: "192.0.2.1", power: null };

/** All questions, in order. */
export async function askForDraft(asker: Asker, drivers: readonly DriverFacts[], judge: Judge, finder: Finder): Promise<Answers> {
  const typed = new Map<string, string>();
  const sources = await asker.several("Where shall I look for hosts and power devices? (nowhere: you name them)", finder.sources());
  const found: Found = sources.length === 0 ? { candidates: [], devices: [], said: [], gateway: null } : await finder.find(sources);
  for (const line of found.said) asker.note(line);
  let draft: Draft = { site: null, watcher: null, hosts: [], devices: [], references: [], mail: null, store: { kind: "embedded" } };
  /** Takes what has no mistake in it, with what was typed for it; of the rest it says what is wrong. */
  const takes = async (next: Draft, secrets: ReadonlyMap<string, string> = new Map()): Promise<boolean> => {
    const errors = await judge({ draft: next.hosts.length > 0 ? next : { ...next, hosts: [ANYBODY] }, typed: new Map([...typed, ...secrets]) });
    for (const error of errors) asker.note(error);
    if (errors.length > 0) return false;
    draft = next;
    for (const [file, secret] of secrets) typed.set(file, secret);
    return true;
  };
  for (;;) {
    const unused = found.devices.filter((each) => !draft.devices.some((device) => sameDevice(device, each)));
    const driver = await asker.choose(draft.devices.length === 0 ? "What switches the power of your hosts?" : "Another power device?", [
      ...unused.map((each, index) => ({ value: `${FOUND}${index}`, label: `${each.driver} at ${each.address}`, hint: each.seen })),
      ...drivers.map((facts) => ({ value: facts.driver, label: facts.driver, hint: facts.description })),
      { value: NO_MORE, label: draft.devices.length === 0 ? "nothing yet: only watch" : "no" },
    ]);
    const seen = driver.startsWith(FOUND) ? unused[Number(driver.slice(FOUND.length))] : undefined;
    const facts = drivers.find((each) => each.driver === (seen?.driver ?? driver));
    if (facts === undefined) break;
    const secrets = new Map<string, string>();
    await takes({ ...draft, devices: [...draft.devices, await askForDevice(asker, facts, draft.devices, secrets, seen)] }, secrets);
  }
  draft = { ...draft, deviceNotes: notTaken(draft.devices, found.devices) };
  const chosen = found.candidates.length === 0 ? [] : await asker.several("Which of these shall be watched?", found.candidates.map(({ name, address, sources: from }) => ({ value: address, label: `${name}  ${address}`, hint: from.join(", ") })));
  for (const host of chosen.length === 0 ? [] : await finder.look(found.candidates.filter(({ address }) => chosen.includes(address)))) {
    const suggested = outletsByLabel([host], draft.devices, found.devices).get(host.name);
    for (;;) {
      const power = draft.devices.length === 0 ? "" : await askForOutlet(asker, host.name, draft, suggested?.outlet);
      if (await takes({ ...draft, hosts: [...draft.hosts, { ...host, power: power === "" ? null : power }] })) break;
    }
  }
  for (;;) {
    const host = await askForHost(asker, draft);
    if (host === null) break;
    await takes({ ...draft, hosts: [...draft.hosts, host] });
  }
  if (draft.hosts.some(({ probes }) => probes === undefined) && (await asker.yes("Ask the hosts that you named what they serve, and write those probes?"))) await takes(await finder.serve(draft));
  const gateway = found.gateway ?? defaultGateway();
  for (;;) {
    const reference = await asker.text("What must answer before a host may be called dead? (the router, a switch; empty: nothing)", { ...(gateway === null ? {} : { initial: gateway }), check: addressOrEmpty });
    if (await takes({ ...draft, references: reference === "" ? [] : [reference] })) break;
  }
  for (;;) {
    const mail = await asker.text("Whom to call by mail? (empty: nobody yet)", { example: "you@example.org" });
    if (await takes({ ...draft, mail: mail === "" ? null : mail })) break;
  }
  while (!(await takes({ ...draft, store: await askForStore(asker) })));
  return { draft, typed };
}

async function askForDevice(asker: Asker, facts: DriverFacts, others: readonly DraftDevice[], typed: Map<string, string>, seen?: FoundDevice): Promise<DraftDevice> {
  const name = await asker.text("What is it called?", { initial: others.length === 0 ? "sucker" : `sucker${others.length + 1}`, check: (answer) => nameProblem(answer) ?? (others.some((each) => each.name === answer) ? "that name is taken" : null) });
  const settings: Record<string, unknown> = { ...(seen === undefined ? {} : knownOf(facts, seen)) };
  for (const setting of facts.settings) {
    // The rest has a default that is good for a first week; only who wants to switch by SNMP needs a community.
    if (setting.name in settings || !(setting.required || (seen?.driver === "snmp-pdu" && setting.name === "community"))) continue;
    settings[setting.name] = await askForSetting(asker, name, setting, typed);
  }
  return { name, driver: facts.driver, settings };
}

/** Settings that a look at the device has told, as far as its driver has them. */
export function knownOf({ settings }: DriverFacts, { address, settings: seen }: FoundDevice): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries({ address, ...seen }).filter(([name]) => settings.some((setting) => setting.name === name)));
}

async function askForSetting(asker: Asker, device: string, { name, kind, description, values }: DriverSetting, typed: Map<string, string>): Promise<unknown> {
  const question = `${name}: ${description}`;
  if (kind === "choice") return asker.choose(question, values.map((value) => ({ value, label: value })));
  if (kind === "secret") {
    const file = secretFile(device, name);
    typed.set(file, await asker.secret(`${name} of ${device} (goes into ${file}, mode 0600)`));
    return { file };
  }
  if (kind === "program") {
    const words = await asker.text(question, { example: "/usr/local/bin/relay off {outlet}", check: (answer) => (answer.trim() === "" ? "a program and its arguments" : null) });
    return words.trim().split(/\s+/);
  }
  const answer = await asker.text(question, { check: (given) => (given === "" ? "it has to be said" : null) });
  return name === "address" ? answer : yamlValue(answer);
}

/** Null when there are no more. */
async function askForHost(asker: Asker, { hosts, devices }: Draft): Promise<DraftHost | null> {
  const names = devices.map((device) => device.name);
  const name = await asker.text(hosts.length === 0 ? "The name of the first host" : "The next host (empty: no more)", {
    example: "logos",
    check: (answer) => (answer === "" && hosts.length > 0 ? null : (nameProblem(answer) ?? (hosts.some((each) => each.name === answer) ? "that name is taken" : null))),
  });
  if (name === "") return null;
  const address = await asker.text(`The address of ${name}`, { example: "10.0.0.11", check: (answer) => (answer === "" ? "an address or a name" : addressOrEmpty(answer)) });
  const outlet = names.length === 0 ? "" : await askForOutlet(asker, name, { devices });
  return { name, address, power: outlet === "" ? null : outlet };
}

/** Empty: none. */
async function askForOutlet(asker: Asker, host: string, { devices }: Pick<Draft, "devices">, initial?: string): Promise<string> {
  const names = devices.map((device) => device.name);
  const outlet = await asker.text(`The outlet of ${host} (${initial === undefined ? "empty" : "-"}: none, it is watched and never cut)`, { example: `${names[0]}/2`, ...(initial === undefined ? {} : { initial }) });
  return outlet === "" || outlet === "-" ? "" : outletOf(outlet, names);
}

async function askForStore(asker: Asker): Promise<DraftStore> {
  const kind = await asker.choose("How many watchers will there be?", [
    { value: "embedded", label: "one", hint: "records in its own data folder" },
    { value: "etcd", label: "several, on etcd" },
    { value: "zookeeper", label: "several, on ZooKeeper" },
  ]);
  if (kind !== "etcd" && kind !== "zookeeper") return { kind: "embedded" };
  const split = (answer: string): readonly string[] => answer.split(/[\s,]+/).filter((each) => each !== "");
  const servers = await asker.text(`All members of ${kind}`, { example: "10.0.0.31, 10.0.0.32, 10.0.0.33", check: (answer) => (split(answer).length === 0 ? "at least one address" : (split(answer).map(addressOrEmpty).find((wrong) => wrong !== null) ?? null)) });
  return { kind, servers: split(servers) };
}

function nameProblem(answer: string): string | null {
  return isName(answer) ? null : NAME_RULE;
}

function addressOrEmpty(answer: string): string | null {
  if (answer === "") return null;
  const parsed = parseAddress(answer);
  return parsed.ok ? null : parsed.hint;
}

/** A person at a terminal. */
export async function terminalAsker(): Promise<Asker> {
  const clack = await import("@clack/prompts");
  const answered = <Value>(value: Value): Exclude<Value, symbol> => {
    if (clack.isCancel(value)) throw new CliError(EXIT.no, "nothing was written");
    return value as Exclude<Value, symbol>;
  };
  return {
    async text(message, { initial, example, check }) {
      const validate = (given: string | undefined): string | undefined => check?.((given ?? "").trim() || (initial ?? "")) ?? undefined;
      return (answered(await clack.text({ message, validate, ...(initial === undefined ? {} : { defaultValue: initial }), placeholder: initial ?? example ?? "" })) ?? "").trim();
    },
    choose: async (message, options) => answered(await clack.select({ message, options: options.map((option) => ({ ...option })) })),
    several: async (message, options) => answered(await clack.multiselect({ message, options: options.map((option) => ({ ...option })), required: false, maxItems: 12 })),
    secret: async (message) => answered(await clack.password({ message, validate: (given) => (given === undefined || given === "" ? "it cannot be empty" : undefined) })),
    note: (text) => clack.log.warn(text),
    yes: async (message) => answered(await clack.confirm({ message })),
  };
}
