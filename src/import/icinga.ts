// Icinga 2: hosts and services as they come out of objects, templates and apply rules, as hosts with probes. A check command of
// its template library is the plugin behind it with the options that its custom variables make (icinga2, "Plugin Check
// Commands"); what that asks is decided in plugin-command.ts, as for Nagios.

import { existsSync } from "node:fs";
import { glob } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import type { Assignment, Definition, Scope } from "./icinga-language.ts";
import { Unsupported, assign, parseIcinga } from "./icinga-language.ts";
import type { Dictionary, Value } from "./icinga-values.ts";
import { text, truth } from "./icinga-values.ts";
import { Collected, nameOf } from "./imported.ts";
import type { HostUnderWay, Imported, Place } from "./imported.ts";
import { understand } from "./plugin-command.ts";
import { ImportError, baseName, filesBelow, readWhole } from "./source-file.ts";

type Placed = Definition & { readonly file: string };

const FILES_MAX = 2_000;
const TEMPLATES_DEEP_MAX = 32;
const PLUGINS = "/usr/lib/nagios/plugins";

const OTHER: Readonly<Record<string, string>> = {
  User: "whom to call is written under alerts:", UserGroup: "whom to call is written under alerts:", Notification: "whom to call is written under alerts:", NotificationCommand: "alerts: command: runs a program",
  TimePeriod: "every hour is alike here", ScheduledDowntime: "maintenance is started by hand: upkeep maintenance start", Dependency: "write `behind` at the host", ServiceGroup: "only hosts have groups here",
  EventCommand: "what is tried before power is written under remedies:", Endpoint: "several watchers agree in a store: docs/guides/several-watchers.md", Zone: "several watchers agree in a store: docs/guides/several-watchers.md",
};

/** Options of the plugin by the command's variables; `""`: a flag. What it has no word for is not carried over. */
type Row = { readonly plugin: string; readonly prefix: string; readonly options: Readonly<Record<string, readonly [option: string, flag?: true]>>; readonly always?: readonly string[]; readonly address?: string | null };

const pace = { wrta: ["-w"], wpl: ["-w"], crta: ["-c"], cpl: ["-c"], packets: ["-p"], timeout: ["-t"] } as const;
const common = { port: ["-p"], wtime: ["-w"], ctime: ["-c"], timeout: ["-t"], warn: ["-w"], critical: ["-c"] } as const;
const ping: Row = { plugin: "check_ping", prefix: "ping_", options: pace };
const COMMANDS: Readonly<Record<string, Row>> = {
  hostalive: ping, hostalive4: ping, ping, ping4: ping,
  icmp: { plugin: "check_icmp", prefix: "icmp_", options: pace },
  fping4: { plugin: "check_fping", prefix: "fping_", options: pace },
  ssh: { plugin: "check_ssh", prefix: "ssh_", options: { port: ["-p"], timeout: ["-t"] } },
  tcp: { plugin: "check_tcp", prefix: "tcp_", options: { ...common, send: ["-s"], expect: ["-e"] } },
  http: { plugin: "check_http", prefix: "http_", options: { ...common, uri: ["-u"], ssl: ["-S", true], vhost: ["-H"], string: ["-s"], warn_time: ["-w"], critical_time: ["-c"] } },
  dns: { plugin: "check_dns", prefix: "dns_", options: { ...common, lookup: ["-H"], server: ["-s"], expected_answers: ["-a"] }, address: null },
  dig: { plugin: "check_dig", prefix: "dig_", options: { ...common, lookup: ["-l"], record_type: ["-T"], expected_address: ["-a"] } },
  pgsql: { plugin: "check_pgsql", prefix: "pgsql_", options: { port: ["-P"], database: ["-d"], username: ["-l"], password: ["-p"], timeout: ["-t"] } },
  ldap: { plugin: "check_ldap", prefix: "ldap_", options: { ...common, base: ["-b"], attr: ["-a"], pass: ["-P"] } },
  smtp: { plugin: "check_smtp", prefix: "smtp_", options: common },
  ssmtp: { plugin: "check_ssmtp", prefix: "ssmtp_", options: common },
  imap: { plugin: "check_imap", prefix: "imap_", options: common },
  simap: { plugin: "check_simap", prefix: "simap_", options: common },
  ntp_time: { plugin: "check_ntp_time", prefix: "ntp_", options: common },
  ntp_peer: { plugin: "check_ntp_peer", prefix: "ntp_", options: common },
  snmp: { plugin: "check_snmp", prefix: "snmp_", options: { ...common, oid: ["-o"], community: ["-C"], warn: ["-w"], crit: ["-c"] } },
};
/** Commands without a row that are known by the plugin's name alone: plugin-command.ts says why they are left. */
const BY_NAME = /^(disk|load|users|procs|swap|apt|mailq|file_age|icinga|cluster|nrpe|nscp|nscp_api|nscp-local.*|by_ssh|dummy|dhcp|ssl_validity|uptime|sensors|log)$/;

/** Reads `icinga2.conf`, or any files and folders of objects. */
export async function importIcinga(paths: readonly string[]): Promise<Imported> {
  const collected = new Collected();
  const definitions: Placed[] = [];
  const constants = new Map<string, Value>([["NodeName", hostname()], ["PluginDir", PLUGINS]]);
  await read(paths, definitions, constants, collected);
  if (definitions.length === 0) throw new ImportError(`${paths.join(", ")}: no object, template or apply rule in it`);
  const world = new World(definitions, constants, collected);
  for (const definition of definitions) {
    const why = OTHER[definition.type];
    if (why !== undefined && definition.kind !== "template") collected.leftOnce({ file: definition.file, line: definition.line }, `${definition.type} objects`, why);
    else if (definition.type === "CheckCommand" && definition.kind === "object") collected.left({ file: definition.file, line: definition.line }, `CheckCommand ${world.nameOf(definition)}`, "a command of your own; write it as { plugin: { command: […] } }");
  }
  world.carry();
  return collected.finish();
}

async function read(paths: readonly string[], definitions: Placed[], constants: Map<string, Value>, collected: Collected): Promise<void> {
  const waiting: string[] = [];
  const seen = new Set<string>();
  for (const path of paths) waiting.push(...(await filesBelow(path, /\.conf$/, seen)));
  const done = new Set<string>();
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (done.has(file)) continue;
    if (done.size >= FILES_MAX) throw new ImportError(`more than ${FILES_MAX} files`);
    done.add(file);
    const name = baseName(file);
    const parsed = parseIcinga(await readWhole(file), name);
    for (const definition of parsed.definitions) definitions.push({ ...definition, file: name });
    for (const { what, line } of parsed.beyond) collected.left({ file: name, line }, what, "this part of the language is not read");
    for (const { name: constant, value, line } of parsed.constants) {
      try {
        constants.set(constant, value((word) => constants.get(word)));
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        collected.left({ file: name, line }, constant, `${error.message} is not read`);
      }
    }
    for (const { path, recursive, line } of parsed.includes) {
      const target = isAbsolute(path) ? path : join(dirname(file), path);
      const found = recursive ? (existsSync(target) ? await filesBelow(target, /\.conf$/, seen) : []) : await matching(target);
      if (found.length === 0) collected.left({ file: name, line }, `include ${path}`, "there is no such file");
      waiting.push(...found);
    }
  }
}

async function matching(pattern: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const path of glob(pattern)) if (found.push(path) > FILES_MAX) break;
  return found.sort();
}

class World {
  readonly #definitions: readonly Placed[];
  readonly #constants: ReadonlyMap<string, Value>;
  readonly #collected: Collected;
  readonly #templates = new Map<string, Placed>();

  constructor(definitions: readonly Placed[], constants: ReadonlyMap<string, Value>, collected: Collected) {
    this.#definitions = definitions;
    this.#constants = constants;
    this.#collected = collected;
    for (const definition of definitions) if (definition.kind === "template") this.#templates.set(`${definition.type} ${this.nameOf(definition)}`, definition);
  }

  nameOf({ name }: Placed, scope: Scope = (word) => this.#constants.get(word)): string {
    try {
      return text(name?.(scope));
    } catch {
      return "";
    }
  }

  carry(): void {
    const hosts = new Map<string, { readonly fields: Dictionary; readonly place: Place }>();
    for (const definition of this.#definitions) {
      if (definition.kind !== "object" || definition.type !== "Host") continue;
      const name = this.nameOf(definition);
      const fields = this.#made(definition, new Map<string, Value>([["name", name], ["vars", new Map()], ["groups", []]]), null);
      if (fields !== null) hosts.set(name, { fields, place: placeOf(definition) });
    }
    for (const definition of this.#definitions) if (definition.type === "HostGroup" && definition.kind === "object") this.#group(definition, hosts);
    for (const [name, { fields, place }] of hosts) {
      const address = text(fields.get("address")) || text(fields.get("address6")) || name;
      const host = this.#collected.host(name, address, nameOf(name, text(fields.get("display_name")) || name), place);
      if (host === null) continue;
      const groups = fields.get("groups");
      host.group = Array.isArray(groups) ? text(groups[0]) || null : null;
      this.#check("host check", host, name, text(fields.get("check_command")), place, [fields]);
    }
    for (const definition of this.#definitions) {
      if (definition.type !== "Service" || definition.kind === "template") continue;
      if (definition.kind === "object") {
        const fields = this.#made(definition, new Map<string, Value>([["vars", new Map()]]), null);
        const owner = hosts.get(text(fields?.get("host_name")));
        if (fields === null) continue;
        if (owner === undefined) this.#collected.left(placeOf(definition), `Service ${this.nameOf(definition)}`, "no host of these files has it");
        else this.#service(this.nameOf(definition), text(fields.get("host_name")), fields, owner.fields, placeOf(definition));
      } else for (const [name, { fields }] of hosts) if (this.#apply(definition, name, fields) === "beyond") break;
    }
  }

  /** Applies a rule to a host. What it asks in words that are not read is told once. */
  #apply(definition: Placed, host: string, owner: Dictionary): "done" | "beyond" {
    const base: Scope = (word) => (word === "host" ? owner : this.#constants.get(word));
    const place = placeOf(definition);
    try {
      if (!this.#matches(definition, base)) return "done";
      const rows: (readonly [string, Value])[] = [];
      if (definition.each === null) rows.push(["", null]);
      else {
        const list = definition.each.of(base);
        if (list instanceof Map) rows.push(...list);
        else if (Array.isArray(list)) rows.push(...list.map((item): readonly [string, Value] => [text(item), null]));
      }
      for (const [key, value] of rows) {
        const scope: Scope = (word) => (word === definition.each?.key ? key : word === definition.each?.value ? value : base(word));
        const name = `${definition.name === null ? "" : text(definition.name(scope))}${key}`;
        const fields = this.#made(definition, new Map<string, Value>([["name", name], ["vars", new Map()]]), scope);
        if (fields !== null) this.#service(name, host, fields, owner, place);
      }
      return "done";
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#collected.left(place, `apply ${definition.type} ${this.nameOf(definition)}`, `${error.message} is not read`);
      return "beyond";
    }
  }

  #matches(definition: Placed, scope: Scope): boolean {
    const [assigned, ignored] = (["assign", "ignore"] as const).map((kind) => definition.body.flatMap((line) => (line.kind === kind ? [line.where] : [])));
    // A rule with `for` needs no `assign`.
    const wanted = assigned?.length === 0 ? definition.each !== null : assigned?.some((where) => truth(where(scope)));
    return wanted === true && ignored?.some((where) => truth(where(scope))) !== true;
  }

  #group(definition: Placed, hosts: ReadonlyMap<string, { readonly fields: Dictionary }>): void {
    const name = this.nameOf(definition);
    try {
      for (const { fields } of hosts.values()) {
        if (!this.#matches(definition, (word) => (word === "host" ? fields : this.#constants.get(word)))) continue;
        const before = fields.get("groups");
        fields.set("groups", [...(Array.isArray(before) ? before : []), name]);
      }
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#collected.left(placeOf(definition), `HostGroup ${name}`, `${error.message} is not read`);
    }
  }

  /** The attributes of an object, with what it imports; null (told) where a part cannot be read. */
  #made(definition: Placed, made: Dictionary, outer: Scope | null): Dictionary | null {
    const scope: Scope = (word) => made.get(word) ?? outer?.(word) ?? this.#constants.get(word);
    try {
      this.#fill(definition, made, scope, []);
      return made;
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#collected.left(placeOf(definition), `${definition.type} ${this.nameOf(definition)}`, `${error.message} is not read`);
      return null;
    }
  }

  #fill(definition: Placed, made: Dictionary, scope: Scope, path: readonly Placed[]): void {
    if (path.includes(definition) || path.length > TEMPLATES_DEEP_MAX) throw new Unsupported("a circle of templates");
    for (const line of definition.body) {
      if (line.kind === "set") assign(made, line satisfies Assignment, scope);
      else if (line.kind === "beyond") throw new Unsupported(`${line.what} (line ${line.line})`);
      else if (line.kind === "import") {
        const name = text(line.name(scope));
        const template = this.#templates.get(`${definition.type} ${name}`);
        if (template === undefined) this.#collected.leftOnce({ file: definition.file, line: line.line }, `import ${name}`, "there is no such template");
        else this.#fill(template, made, scope, [...path, definition]);
      }
    }
  }

  #service(called: string, host: string, fields: Dictionary, owner: Dictionary, place: Place): void {
    const underWay = this.#collected.known(host);
    if (underWay !== null) this.#check(called, underWay, host, text(fields.get("check_command")), place, [fields, owner]);
  }

  #check(called: string, host: HostUnderWay, owner: string, command: string, place: Place, layers: readonly Dictionary[]): void {
    const what = `${owner}: ${called}`;
    const left = (why: string): null => this.#collected.left(place, what, why);
    if (command === "") return called === "host check" ? undefined : void left("it has no check_command");
    const row = COMMANDS[command];
    if (/^(ping|hostalive|fping)6$/.test(command)) return void left("it asks by IPv6, and a host has one address here");
    if (row === undefined && !BY_NAME.test(command)) return void left(`the check command ${command} is not known here`);
    const args = row === undefined ? [] : argumentsOf(row, layers);
    if (typeof args === "string") return void left(args);
    const found = understand({ program: `${PLUGINS}/${row?.plugin ?? `check_${command}`}`, args });
    if ("why" in found) return void left(found.why);
    this.#collected.probe(host, found.probe, `${called}: ${command}`, place);
    for (const but of found.but) this.#collected.leftOnce(place, `${command} in ${called}`, but);
  }
}

/** The plugin's arguments, or why they cannot be known. */
function argumentsOf({ plugin, prefix, options, address = "-H" }: Row, layers: readonly Dictionary[]): readonly string[] | string {
  const variables = new Map<string, Value>();
  const [service] = layers;
  for (const layer of layers.toReversed()) {
    const vars = layer.get("vars");
    // What the host has for all its services need not be for this one: `http_vhosts` is a list for an apply rule.
    if (vars instanceof Map) for (const [name, value] of vars) if (name.startsWith(prefix) && (layer === service || name.slice(prefix.length) in options)) variables.set(name.slice(prefix.length), value);
  }
  const args: string[] = [];
  let named = false;
  for (const [name, value] of variables) {
    if (value === null || value === false || value === "") continue;
    if (name === "address") {
      if (text(value) !== "$address$") return "it asks another address than the host's";
      continue;
    }
    const option = options[name];
    if (option === undefined || value instanceof Map) return `its variable ${prefix}${name} is not known here`;
    const [flag, bare] = option;
    const given = Array.isArray(value) ? value.map((each) => text(each)).join(",") : text(value).replaceAll("$address$", "{address}");
    if (given.includes("$")) return `its variable ${prefix}${name} holds a macro`;
    if (flag === "-H" && plugin === "check_http") named = true;
    args.push(flag, ...(bare === true ? [] : [given]));
  }
  // A virtual host is asked at the host's address.
  if (address !== null) args.push(named ? "-I" : address, "{address}");
  else if (!args.includes("-s")) args.push("-s", "{address}");
  return args;
}

function placeOf({ file, line }: Placed): Place {
  return { file, line };
}
