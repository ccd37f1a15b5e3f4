// The whole file. `root` describes it for editors and the reference page; `top` is what the loader parses first, with hosts,
// groups and devices left raw: those are parsed one by one, so that a mistake in one hides none in another.

import { z } from "zod";
import { agent } from "../agent/index.ts";
import { expectations } from "../expect.ts";
import { about, choice, flag, text, whole } from "../fields.ts";
import { NAME_PATTERN } from "../ranges.ts";
import { agents } from "./agents.ts";
import { api } from "./api.ts";
import { history } from "./history.ts";
import { group, host } from "./hosts.ts";
import { device } from "./power.ts";
import { defaults } from "./tunables.ts";
import { statusPage } from "./status-page.ts";
import { store } from "./store.ts";
import { alerts } from "./alerts.ts";
import { brakes, watcher } from "./watcher.ts";

const pattern = z.string().min(1).max(4_096);
const include = z.union([pattern.transform((one): readonly string[] => [one]), z.array(pattern).min(1).max(100).transform((all): readonly string[] => all)]);
expectations.add(include, { says: "a file name or pattern such as hosts.d/*.yaml, or a list of them" });

const single = {
  site: text("What this installation is called, in status and alerts.", { max: 100, default: "upkeep" }).default("upkeep"),
  data: text("The folder of all state, relative to this file; made with mode 0700. `$STATE_DIRECTORY` goes before it. Left out: `upkeep-data` beside this file, `/var/lib/upkeep` for a file under `/etc`.", { max: 4_096 }).optional(),
  armed: flag("Whether anything may be cut at all. `false`: everything is decided and told, nothing is done.", { default: true }).default(true),
  watcher: watcher.meta(about("The watcher itself.")).optional(),
  api: api.meta(about("Where the watcher can be asked over TCP.")).optional(),
  store: store.meta(about("Where the records are: `embedded` in the data folder, which means one watcher; `{ etcd: … }` or `{ zookeeper: … }` where several agree.", { default: "embedded" }, "`embedded`, or mapping")).default("embedded"),
  observers: whole("By how many watchers each host is watched, where there are several; more than half of them have to say that it is down.", 1, 9, { default: 3 }).default(3),
  lone: choice(["hold", "act"], "What the last one alive of several watchers does: `hold` calls a person, `act` cuts by its own word.", { default: "hold" }).default("hold"),
  brakes: brakes.meta(about("What keeps the watcher from cutting too much.")).optional(),
  include: include.meta(about("Files with more `hosts`, `groups` and `power`, relative to this one; `*` and `?` as in a shell.", {}, "file pattern, or list")).optional(),
  alerts: alerts.meta(about("Whom to call, and how.")).optional(),
  history: history.meta(about("What is kept of probe results, and in how much room.")).optional(),
  statusPage: statusPage.meta(about("A page for the public at `/status`, without a log-in.")).optional(),
  agents: agents.meta(about("The agents of hosts, and how they reach this watcher (docs/guides/agents.md).")).optional(),
  agent: agent.meta(about("What `upkeep agent` does on this machine; a host that runs no watcher needs nothing else in its file.")).optional(),
};

const aboutDefaults = about("What holds for every host unless its group or itself says otherwise.");
const aboutGroups = about("Hosts that share settings, by the group's name. A storm is judged in each group; hosts in no group form one.");
const aboutPower = about("Power devices, by name.");
const aboutHosts = about("The hosts to watch, by name. A range such as `web[01-40]` is as many hosts; in their address and power `{host}` is the name of each.");

const mappingOf = (says: string): z.ZodRecord<z.ZodString, z.ZodUnknown> => {
  const schema = z.record(z.string(), z.unknown());
  expectations.add(schema, { says });
  return schema;
};

const topShape = {
  ...single,
  defaults: z.unknown().optional(),
  groups: mappingOf("a mapping of groups by name").optional(),
  power: mappingOf("a mapping of power devices by name").optional(),
  hosts: mappingOf("a mapping of hosts by name").optional(),
};

export const top = z.strictObject(topShape);

/** What an included file may hold. */
export const included = z.strictObject({ hosts: topShape.hosts, groups: topShape.groups, power: topShape.power });

/** The file as a whole, for the JSON Schema. */
export const root = z.strictObject({
  site: single.site,
  hosts: z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._,[\]-]{0,62}$/), host).meta(aboutHosts).optional(),
  power: z.record(z.string().regex(new RegExp(NAME_PATTERN)), device).meta(aboutPower).optional(),
  defaults: defaults.meta(aboutDefaults).optional(),
  groups: z.record(z.string().regex(new RegExp(NAME_PATTERN)), group).meta(aboutGroups).optional(),
  include: single.include,
  armed: single.armed,
  brakes: single.brakes,
  watcher: single.watcher,
  alerts: single.alerts,
  api: single.api,
  data: single.data,
  history: single.history,
  statusPage: single.statusPage,
  store: single.store,
  observers: single.observers,
  lone: single.lone,
  agents: single.agents,
  agent: single.agent,
}).meta({ title: "Upkeep's configuration", ...about("The configuration of an Upkeep watcher: one YAML file. Durations are written `500ms`, `5s`, `2m`, `1h30m`, `1d`.") });

export type TopInput = z.output<typeof top>;
