// Nagios: hosts, services, host groups and commands, with templates applied, as hosts with probes. A service is its command
// line with the macros put in (Nagios, "Understanding Macros"), and what that asks is decided in plugin-command.ts.
//
// Contacts, escalations, dependencies, time periods and the pace of checks are told once each and left: they are settings of
// another kind here (alerts, maintenance, `every`). The pace was chosen for forked plugins, so it is not carried over.

import { isName } from "../config/ranges.ts";
import { Collected, nameOf } from "./imported.ts";
import type { HostUnderWay, Imported, Place } from "./imported.ts";
import type { NagiosObject } from "./nagios-objects.ts";
import { readNagios } from "./nagios-objects.ts";
import { shellWords, understand } from "./plugin-command.ts";
import { ImportError } from "./source-file.ts";

type Fields = ReadonlyMap<string, string>;
type Whole = { readonly fields: Fields; readonly place: Place };

const TEMPLATES_DEEP_MAX = 32;
const LINE_MAX = 8_192;

const OTHER: Readonly<Record<string, string>> = {
  contact: "whom to call is written under alerts:", contactgroup: "whom to call is written under alerts:", timeperiod: "every hour is alike here; maintenance is started by hand", servicegroup: "only hosts have groups here",
  hostdependency: "write `behind` at the host", servicedependency: "probes of a host are judged together", hostescalation: "write it under alerts:", serviceescalation: "write it under alerts:",
  hostextinfo: "how Nagios draws it", serviceextinfo: "how Nagios draws it",
};

/** Reads object files, folders of them, or a main file. */
export async function importNagios(paths: readonly string[]): Promise<Imported> {
  const { objects, resources, unread } = await readNagios(paths);
  if (objects.length === 0) throw new ImportError(`${paths.join(", ")}: no define in it`);
  const collected = new Collected();
  for (const { file, line, what, why } of unread) collected.left({ file, line }, what, why);
  const templates = new Map<string, NagiosObject>();
  for (const object of objects) {
    const name = object.fields.get("name");
    if (name !== undefined) templates.set(`${object.type} ${name}`, object);
    const other = OTHER[object.type];
    if (other !== undefined && object.fields.get("register") !== "0") collected.leftOnce(object.place, `${object.type} definitions`, other);
  }
  const all = (type: string): readonly Whole[] => objects.filter((object) => object.type === type && object.fields.get("register") !== "0").map((object) => ({ fields: inherited(object, templates, collected), place: object.place }));
  const commands = new Map(all("command").map((command) => [command.fields.get("command_name") ?? "", command.fields.get("command_line") ?? ""]));
  const hosts = new Map<string, Whole>();
  for (const host of all("host")) {
    const name = host.fields.get("host_name");
    if (name === undefined) collected.left(host.place, "define host", "it has no host_name");
    else if (hosts.has(name)) collected.left(host.place, name, "it is defined twice; the first one counts");
    else hosts.set(name, host);
  }
  const groups = groupsOf(all("hostgroup"), hosts);
  const look = (called: string, host: HostUnderWay, owner: Whole, check: Whole, written: string): void => {
    const line = commandLine(written, commands, resources, owner.fields, check.fields);
    const what = `${owner.fields.get("host_name")}: ${called}`;
    if ("why" in line) return void collected.left(check.place, what, line.why);
    const found = understand(line);
    if ("why" in found) return void collected.left(check.place, what, found.why);
    collected.probe(host, found.probe, `${called}: ${written.split("!")[0]}`, check.place);
    for (const but of found.but) collected.leftOnce(check.place, `${line.program.slice(line.program.lastIndexOf("/") + 1)} in ${called}`, but);
  };
  for (const [name, owner] of hosts) {
    const address = owner.fields.get("address") ?? name;
    const host = collected.host(name, address, nameOf(name, owner.fields.get("alias") ?? name), owner.place);
    if (host === null) continue;
    const check = owner.fields.get("check_command");
    if (check !== undefined && check !== "") look("host check", host, owner, owner, check);
    const [parent, ...more] = split(owner.fields.get("parents"));
    if (parent !== undefined && hosts.has(parent)) host.behind = parent;
    if (more.length > 0) collected.left(owner.place, name, `of its parents only ${parent} becomes \`behind\``);
    const [group, ...others] = groups.get(name) ?? [];
    host.group = group ?? null;
    if (others.length > 0) collected.leftOnce(owner.place, `more than one group of a host`, `a host is in one group here; ${name} is in ${group}`);
  }
  for (const service of all("service")) {
    const called = service.fields.get("service_description") ?? "a service";
    const written = service.fields.get("check_command");
    const names = membersOf(service, hosts, groups);
    if (written === undefined || names.length === 0) {
      collected.left(service.place, called, written === undefined ? "it has no check_command" : "no host of these files has it");
      continue;
    }
    for (const name of names) {
      const host = collected.known(name);
      if (host !== null) look(called, host, hosts.get(name) as Whole, service, written);
    }
    if (service.fields.has("check_interval") || service.fields.has("normal_check_interval")) collected.leftOnce(service.place, "check_interval", "the pace was chosen for forked plugins; here it is `every`, 5 s by default");
    if (service.fields.has("event_handler")) collected.left(service.place, `${called}: event_handler`, "what is tried before power is written under remedies:");
  }
  return collected.finish();
}

/** With what it inherits: the object's own first, then each template in the order of `use`. */
function inherited(object: NagiosObject, templates: ReadonlyMap<string, NagiosObject>, collected: Collected, path: readonly NagiosObject[] = []): Fields {
  const fields = new Map(object.fields);
  for (const name of split(object.fields.get("use"))) {
    const template = templates.get(`${object.type} ${name}`);
    if (template === undefined) {
      collected.left(object.place, `use ${name}`, "there is no such template");
      continue;
    }
    if (template === object || path.includes(template) || path.length >= TEMPLATES_DEEP_MAX) {
      collected.left(object.place, `use ${name}`, "templates that use one another in a circle");
      continue;
    }
    for (const [key, value] of inherited(template, templates, collected, [...path, object])) {
      if (key === "name" || key === "register" || key === "use") continue;
      const own = fields.get(key);
      if (own === undefined) fields.set(key, value);
      else if (own.startsWith("+")) fields.set(key, `${own},${value.replace(/^\+/, "")}`);
    }
  }
  for (const [key, value] of fields) {
    if (value === "null") fields.delete(key);
    else if (path.length === 0 && value.startsWith("+")) fields.set(key, value.slice(1));
  }
  return fields;
}

function split(list: string | undefined): readonly string[] {
  return (list ?? "").split(",").map((each) => each.trim()).filter((each) => each !== "");
}

/** The groups of each host. */
function groupsOf(definitions: readonly Whole[], hosts: ReadonlyMap<string, Whole>): ReadonlyMap<string, readonly string[]> {
  const byName = new Map(definitions.map((group) => [group.fields.get("hostgroup_name") ?? "", group]));
  const of = new Map<string, string[]>();
  const put = (host: string, group: string): void => {
    const mine = of.get(host);
    if (mine === undefined) of.set(host, [group]);
    else if (!mine.includes(group)) mine.push(group);
  };
  for (const [name, { fields }] of hosts) for (const group of split(fields.get("hostgroups"))) put(name, group);
  const members = (name: string, seen: ReadonlySet<string>): readonly string[] => {
    const group = byName.get(name);
    if (group === undefined || seen.has(name)) return [];
    const within = new Set([...seen, name]);
    return [...named(split(group.fields.get("members")), hosts), ...split(group.fields.get("hostgroup_members")).flatMap((each) => members(each, within))];
  };
  for (const name of byName.keys()) for (const host of members(name, new Set())) put(host, name);
  return of;
}

/** Names, `*` and `!name` of a list. */
function named(list: readonly string[], hosts: ReadonlyMap<string, Whole>): readonly string[] {
  const not = new Set(list.filter((each) => each.startsWith("!")).map((each) => each.slice(1).trim()));
  const found = list.includes("*") ? [...hosts.keys()] : list.filter((each) => hosts.has(each));
  return found.filter((each) => !not.has(each));
}

function membersOf({ fields }: Whole, hosts: ReadonlyMap<string, Whole>, groups: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const wanted = split(fields.get("hostgroup_name"));
  const not = new Set(split(fields.get("host_name")).filter((each) => each.startsWith("!")).map((each) => each.slice(1)));
  const found = new Set(named(split(fields.get("host_name")), hosts));
  for (const [host, mine] of groups) if (hosts.has(host) && (wanted.includes("*") || mine.some((group) => wanted.includes(group))) && !mine.some((group) => wanted.includes(`!${group}`))) found.add(host);
  return [...found].filter((each) => !not.has(each));
}

type Line = { readonly program: string; readonly args: readonly string[] } | { readonly why: string };

function commandLine(written: string, commands: ReadonlyMap<string, string>, resources: ReadonlyMap<string, string>, host: Fields, service: Fields): Line {
  // `\!` is a `!` of an argument.
  const [name = "", ...args] = written.split(/(?<!\\)!/).map((each) => each.replaceAll("\\!", "!"));
  const line = commands.get(name.trim());
  if ([line ?? "", ...args].some((each) => each.length > LINE_MAX)) return { why: "its command line is too long" };
  if (line === undefined) return { why: `its command ${name.trim()} is not defined in these files` };
  let missing: string | null = null;
  const fill = (text: string, deep: number): string => text.replace(/\$([^$\s]*)\$/g, (_, macro: string) => {
    const value = valueOf(macro, args, resources, host, service);
    if (value === null) missing ??= macro;
    return value === null ? "" : deep > 0 && /^ARG\d+$/.test(macro) ? fill(value, deep - 1) : value;
  });
  const filled = fill(line, 1);
  if (missing !== null) return { why: /^USER\d+$/.test(missing) ? `its command holds $${String(missing)}$, which may be a secret` : `its command holds the macro $${String(missing)}$` };
  if (filled.length > LINE_MAX) return { why: "its command line is too long" };
  const words = shellWords(filled);
  const [program, ...rest] = words ?? [];
  return program === undefined ? { why: "its command needs a shell" } : { program, args: rest };
}

function valueOf(macro: string, args: readonly string[], resources: ReadonlyMap<string, string>, host: Fields, service: Fields): string | null {
  const [, number] = /^ARG(\d{1,2})$/.exec(macro) ?? [];
  if (number !== undefined) return args[Number(number) - 1]?.trim() ?? "";
  switch (macro) {
    case "": return "$";
    case "HOSTADDRESS": return "{address}";
    // Where Upkeep has to call it otherwise, its old name is what the plugin knows.
    case "HOSTNAME": return isName(host.get("host_name") ?? "") ? "{host}" : (host.get("host_name") ?? null);
    case "HOSTALIAS":
    case "HOSTDISPLAYNAME": return host.get("alias") ?? host.get("host_name") ?? null;
    case "SERVICEDESC": return service.get("service_description") ?? null;
    // The folder of the plugins, by its convention; the others are where passwords stand.
    case "USER1": return resources.get(macro) ?? "/usr/lib/nagios/plugins";
    default: {
      const [, of, own = ""] = /^_(HOST|SERVICE)(.+)$/.exec(macro) ?? [];
      const value = of === undefined ? undefined : (of === "HOST" ? host : service).get(`_${own.toLowerCase()}`);
      return value === undefined || /pass|secret|community|token/i.test(own) ? null : value;
    }
  }
}
