// `upkeep init`: a first configuration, from flags or from questions. What is written has passed the real loader before it
// reaches the disk, is disarmed, and overwrites nothing unless told to. A password is typed or read from standard input, never
// taken from the command line, and goes into a file of its own with mode 0600.
//
// With --scan and --from it looks round first: what it finds is chosen by a person, or taken whole with --yes. It asks, and
// switches nothing.
//
// The schema and the prompts are loaded when they are needed: this command is the only one that wants them.

import { readFile } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import type { Draft, DraftDevice, DraftHost, DraftStore } from "../../config/draft.ts";
import type { DriverFacts, DriverSetting } from "../../config/driver-settings.ts";
import { besides, judged, refuseToOverwrite, writeDraft } from "../draft-file.ts";
import type { Judged } from "../draft-file.ts";
import type { Discovery, Source } from "../../discovery/discovery.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Answers } from "../init-answers.ts";
import { outletOf, secretFile, yamlValue } from "../init-answers.ts";
import type { Asker } from "../init-questions.ts";

export type InitOptions = {
  readonly out?: string;
  readonly host?: readonly string[];
  readonly scan?: readonly string[];
  readonly from?: readonly string[];
  readonly community?: string;
  readonly power?: readonly string[];
  readonly set?: readonly string[];
  readonly secret?: readonly string[];
  readonly reference?: readonly string[];
  readonly mail?: string;
  readonly site?: string;
  readonly name?: string;
  readonly store?: string;
  readonly look?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
};

/** The world as this command needs it. */
export type InitWorld = {
  print(line: string): void;
  nowMs(): number;
  readonly terminal: boolean;
  /** One line of standard input; null at its end. */
  readLine(): Promise<string | null>;
  /** The questions; loaded when they are asked. */
  ask(): Promise<Asker>;
  /** Networks that this machine is in, as far as they may be scanned. */
  networks(): readonly string[];
  /** Loaded when somebody wants it. */
  discovery(): Promise<Discovery>;
  /** What is going on, in one line that the next replaces; null: it is over. */
  progress(text: string | null): void;
  /** What was found out on the way, beside the result. */
  note(line: string): void;
  /** Runs with a signal that Ctrl-C aborts: then what was found so far counts. */
  interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
};

const DEFAULT_OUT = "upkeep.yaml";

/** Runs `upkeep init`; resolves with the exit status. */
export async function runInit(options: InitOptions, world: InitWorld): Promise<number> {
  const path = resolve(options.out ?? DEFAULT_OUT);
  const sources = await (await import("../init-find.ts")).sourcesOf(options);
  const byFlags = (options.host ?? []).length > 0 || sources.length > 0;
  const nobody = !world.terminal || options.yes === true;
  if (!byFlags && nobody) {
    throw new CliError(EXIT.usage, "init has nobody to ask here: name at least one host, for instance upkeep init --power sucker=apc:10.0.0.9 --secret sucker.password=- --host logos=10.0.0.11,2 --reference 10.0.0.1 --mail you@example.org, or say where to look: --scan 10.0.0.0/24 --yes (upkeep init --help)");
  }
  if (sources.length > 0 && !world.terminal && options.yes !== true) throw new CliError(EXIT.usage, "nobody can choose here among what --scan and --from find: --yes takes all of it");
  if (options.force !== true) await refuseToOverwrite([path]);
  const { driverFacts } = await import("../../config/driver-settings.ts");
  const drivers = driverFacts();
  const { draftText, endOfFirstWeek } = await import("../../config/draft.ts");
  const judge = (answers: Answers): Promise<Judged> => judged(path, draftText(answers.draft, world.nowMs()), besides(path, answers));
  let answers: Answers;
  if (byFlags) answers = await found(await fromFlags(options, drivers, world), sources, options, world);
  else {
    const [{ askForDraft }, { finderOf }] = await Promise.all([import("../init-questions.ts"), import("../init-find.ts")]);
    answers = await askForDraft(await world.ask(), drivers, async (partial) => (await judge(partial)).errors, finderOf(world));
  }
  const { errors, warnings } = await judge(answers);
  if (errors.length > 0) throw new CliError(EXIT.configuration, `nothing was written, because of\n${errors.map((error) => `  ${error}`).join("\n")}`);
  const text = draftText(answers.draft, world.nowMs());
  const secrets = besides(path, answers);
  if (options.force !== true) await refuseToOverwrite([...secrets.keys()]);
  if (byFlags && world.terminal && options.yes !== true && options.json !== true) {
    world.print(text);
    if (!(await (await world.ask()).yes(`Write this to ${path}?`))) throw new CliError(EXIT.no, "nothing was written");
  }
  await writeDraft(path, text, secrets, options.force === true);
  const steps: (readonly [string, string])[] = [
    [`upkeep check -c ${path}`, "what is not yet as it should be"],
    [`upkeep watch -c ${path}`, "the watcher, in the foreground (as a service: docs/guides/systemd.md)"],
    [`upkeep status -c ${path}`, "whether every host is guarded, and why not"],
  ];
  const fed = answers.draft.hosts.find(({ power }) => power !== null);
  // A drill that is there today: the outlet counts as proved when the host came back.
  if (fed !== undefined) steps.push([`upkeep power ${fed.name} cycle -c ${path}`, "whether it is the right outlet: off and on again, once for each host, before you arm"]);
  const next = steps.map(([command]) => command);
  if (options.json === true) {
    world.print(JSON.stringify({ file: path, secrets: [...secrets.keys()], armed: false, until: endOfFirstWeek(world.nowMs()), hosts: answers.draft.hosts.length, devices: answers.draft.devices.length, problems: warnings, next }));
    return EXIT.yes;
  }
  world.print(`wrote ${[path, ...secrets.keys()].join(" and ")}; disarmed: until you write armed: true it decides and tells, and cuts nothing`);
  world.print("next:");
  for (const [command, what] of steps) world.print(`  ${command}    ${what}`);
  return EXIT.yes;
}

/** With what the sources know, if any are named. */
async function found(answers: Answers, sources: readonly Source[], options: InitOptions, world: InitWorld): Promise<Answers> {
  if (sources.length === 0) return options.look === true ? { ...answers, draft: await (await import("../init-find.ts")).withLooks(answers.draft, world) } : answers;
  const { withFound, withLooks } = await import("../init-find.ts");
  const community = options.community === undefined ? "public" : options.community === "-" ? await oneLine(world, "--community") : (await readFile(options.community, "utf8").catch(() => "")).trim();
  if (community === "") throw new CliError(EXIT.usage, `--community ${options.community}: there is no community in it`);
  const draft = await withFound(answers.draft, sources, { community, all: options.yes === true || !world.terminal }, world);
  if (draft.hosts.length === 0) throw new CliError(EXIT.no, "nothing was written: no host was found or chosen");
  return { ...answers, draft: options.look === true ? await withLooks(draft, world) : draft };
}

async function fromFlags(options: InitOptions, drivers: readonly DriverFacts[], world: InitWorld): Promise<Answers> {
  const typed = new Map<string, string>();
  const devices = new Map<string, { readonly facts: DriverFacts; readonly settings: Record<string, unknown> }>();
  for (const flag of options.power ?? []) {
    const [, name = "", driver = "", address] = /^([^=]+)=([^:]+)(?::(.+))?$/.exec(flag) ?? [];
    const facts = drivers.find((each) => each.driver === driver);
    if (facts === undefined) throw usage("--power", flag, `NAME=DRIVER:ADDRESS, with one of the drivers ${drivers.map((each) => each.driver).join(", ")}`);
    if (devices.has(name)) throw usage("--power", flag, "each device once");
    devices.set(name, { facts, settings: address === undefined ? {} : { address } });
  }
  /** `DEVICE.SETTING=VALUE`. */
  const settingOf = (option: string, flag: string, hint: string): { readonly device: string; readonly settings: Record<string, unknown>; readonly setting: DriverSetting; readonly value: string } => {
    const [, device = "", key = "", value = ""] = /^(.+)\.([A-Za-z]+)=(.+)$/s.exec(flag) ?? [];
    const found = devices.get(device);
    const setting = found?.facts.settings.find((each) => each.name === key);
    if (found === undefined) throw usage(option, flag, `DEVICE.SETTING=${hint}, with a device that --power names`);
    if (setting === undefined) throw usage(option, flag, `the driver ${found.facts.driver} has ${found.facts.settings.map((each) => each.name).join(", ")}`);
    return { device, settings: found.settings, setting, value };
  };
  for (const flag of options.set ?? []) {
    const { settings, setting, value } = settingOf("--set", flag, "VALUE");
    if (setting.kind === "secret") throw new CliError(EXIT.usage, `--set ${setting.name}: a secret is not for the command line, where everybody sees it: --secret DEVICE.${setting.name}=FILE, or =- to read it from standard input`);
    settings[setting.name] = await yamlValue(value);
  }
  for (const flag of options.secret ?? []) {
    const { device, settings, setting, value } = settingOf("--secret", flag, "FILE");
    if (setting.kind !== "secret") throw usage("--secret", flag, `${setting.name} is no secret: --set says it`);
    const file = value === "-" ? secretFile(device, setting.name) : isAbsolute(value) ? value : resolve(value);
    if (value === "-") typed.set(file, await oneLine(world, `${device}.${setting.name}`));
    settings[setting.name] = { file };
  }
  for (const [name, { facts, settings }] of devices) {
    const missing = facts.settings.filter((setting) => setting.required && !(setting.name in settings));
    if (missing.length === 0) continue;
    throw new CliError(EXIT.usage, `${name} (${facts.driver}) lacks ${missing.map((setting) => setting.kind === "secret" ? `--secret ${name}.${setting.name}=FILE (or =- to read it from standard input)` : setting.name === "address" ? `its address: --power ${name}=${facts.driver}:ADDRESS` : `--set ${name}.${setting.name}=…`).join(", ")}`);
  }
  const draft: Draft = {
    site: options.site ?? null,
    watcher: options.name ?? null,
    hosts: (options.host ?? []).map((flag) => hostOf(flag, [...devices.keys()])),
    devices: [...devices].map(([name, { facts, settings }]): DraftDevice => ({ name, driver: facts.driver, settings })),
    references: options.reference ?? [],
    mail: options.mail ?? null,
    store: storeOf(options.store),
  };
  return { draft, typed };
}

function hostOf(flag: string, devices: readonly string[]): DraftHost {
  const [, name = "", address = "", outlet] = /^([^=]+)=([^,]+)(?:,(.+))?$/.exec(flag) ?? [];
  if (name === "") throw usage("--host", flag, "NAME=ADDRESS, or NAME=ADDRESS,OUTLET");
  return { name, address, power: outlet === undefined ? null : outletOf(outlet, devices) };
}

function storeOf(flag: string | undefined): DraftStore {
  if (flag === undefined || flag === "embedded") return { kind: "embedded" };
  const [, kind, servers = ""] = /^(etcd|zookeeper)=(.+)$/.exec(flag) ?? [];
  if (kind !== "etcd" && kind !== "zookeeper") throw usage("--store", flag, "embedded, etcd=HOST,HOST,HOST or zookeeper=HOST,HOST,HOST");
  return { kind, servers: servers.split(",").map((each) => each.trim()) };
}

async function oneLine(world: InitWorld, what: string): Promise<string> {
  const line = await world.readLine();
  if (line === null || line === "") throw new CliError(EXIT.usage, `${what}: standard input has no line for it`);
  return line;
}

function usage(option: string, flag: string, wanted: string): CliError {
  return new CliError(EXIT.usage, `${option} ${JSON.stringify(flag.slice(0, 120))}: write ${wanted}`);
}
