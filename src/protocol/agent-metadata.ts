// What a fence agent says of itself (FenceAgentAPI, "metadata"): its options with their old and new names, and its actions.
// Text in, facts out. Descriptions are thrown away; what is left is bounded, because agents are programs of other people.
//
// An option may be written with `-` or `_`. Many have two names of which one obsoletes the other: `ip` and `ipaddr`. Agents
// whose metadata is not well-formed XML cannot be used: nobody would know what they do with an option.

import sax from "sax";

export type AgentOption = {
  readonly name: string;
  readonly required: boolean;
  readonly default: string | null;
  /** There is a newer name for it. */
  readonly deprecated: boolean;
  /** The name that stands for the same option: the older of a new one, and the newer of an old one. */
  readonly alias: string | null;
};

export type AgentMetadata = {
  readonly name: string;
  readonly options: ReadonlyMap<string, AgentOption>;
  readonly actions: ReadonlySet<string>;
  /** It cuts off storage or network instead of power, and is switched on by the host itself. */
  readonly fabric: boolean;
};

const TEXT_MAX = 262_144;
const COUNT_MAX = 500;
const DEPTH_MAX = 16;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** The facts, or why there are none. */
export function parseAgentMetadata(text: string): AgentMetadata | { readonly wrong: string } {
  if (text.length > TEXT_MAX) return { wrong: "longer than any metadata" };
  // Some agents print a line of their own before it.
  const begin = text.search(/<\?xml|<resource-agent/);
  if (begin < 0) return { wrong: "no metadata was printed" };
  const options = new Map<string, AgentOption & { readonly obsoletes: string | null }>();
  const actions = new Set<string>();
  const open: string[] = [];
  let name: string | null = null;
  let fabric = false;
  let current: Omit<AgentOption, "default" | "alias"> & { readonly obsoletes: string | null } | null = null;
  let wrong: string | null = null;
  const reader = sax.parser(true);
  reader.onerror = (error) => {
    wrong ??= error.message.split("\n")[0] ?? "not XML";
    reader.error = null as unknown as Error;
  };
  reader.onopentag = ({ name: tag, attributes }) => {
    open.push(tag);
    const said = attributes as Readonly<Record<string, string>>;
    const named = said["name"] ?? "";
    if (open.length > DEPTH_MAX || options.size + actions.size > COUNT_MAX) wrong ??= "larger than any metadata";
    if (tag === "resource-agent") name = named;
    if ((tag === "parameter" || tag === "action") && !NAME.test(named)) wrong ??= `a ${tag} without a name`;
    if (tag === "parameter") current = { name: named, required: said["required"] === "1", deprecated: said["deprecated"] === "1", obsoletes: said["obsoletes"] ?? null };
    if (tag === "content" && current !== null) options.set(current.name, { ...current, default: said["default"] ?? null, alias: null });
    if (tag === "action") {
      actions.add(named);
      // `automatic`: the host switches itself on again when it joins; `on_target`: only the host itself can.
      if (named === "on" && (said["automatic"] === "1" || said["on_target"] === "1")) fabric = true;
    }
  };
  reader.onclosetag = (tag) => {
    open.pop();
    if (tag !== "parameter") return;
    if (current !== null && !options.has(current.name)) options.set(current.name, { ...current, default: null, alias: null });
    current = null;
  };
  reader.write(text.slice(begin)).close();
  if (wrong !== null) return { wrong };
  if (name === null || !NAME.test(name)) return { wrong: "not the metadata of an agent" };
  const alias = new Map<string, string>();
  for (const { name: newer, obsoletes } of options.values()) {
    if (obsoletes === null || obsoletes === newer) continue;
    alias.set(newer, obsoletes);
    alias.set(obsoletes, newer);
  }
  return {
    name, actions, fabric,
    options: new Map([...options.values()].map((option) => [option.name, { name: option.name, required: option.required, deprecated: option.deprecated, default: option.default, alias: alias.get(option.name) ?? null }])),
  };
}

/** The option of that name, with `-` and `_` interchangeable. */
export function agentOption({ options }: AgentMetadata, name: string): AgentOption | undefined {
  return options.get(name) ?? options.get(name.replaceAll("-", "_")) ?? options.get(name.replaceAll("_", "-"));
}

/** How an agent is told which outlet: the option's name, and whether it may be left out. Null: what it switches has one output. */
export function plugOption(metadata: AgentMetadata): string | null {
  const plug = metadata.options.get("plug") ?? metadata.options.get("port");
  // With `port_as_ip` an optional plug is another name for the device's address, and names no outlet.
  if (plug === undefined || (!plug.required && agentOption(metadata, "port_as_ip") !== undefined)) return null;
  return plug.name;
}

/** What `plug` is called, old and new: the outlet stands there, and nothing else may. */
export const PLUG_NAMES: ReadonlySet<string> = new Set(["plug", "port", "nodename"]);

/** Agents that fence by other means than power, which their metadata does not tell, and what they do instead. */
const OTHER_MEANS: ReadonlyMap<string, string> = new Map([
  ["fence_crosslink", "calls off whatever does not answer a ping, and switches nothing"],
  ["fence_compute", "tells OpenStack, and switches nothing"],
  ["fence_evacuate", "tells OpenStack, and switches nothing"],
  ["fence_sbd", "leaves a message on a disk, which only a host that works can read"],
]);

const NEEDED = ["on", "off", "status"] as const;

export type AgentFault = { readonly message: string; /** The option that it is about. */ readonly option: string | null };

/** Why an agent cannot be used with these options; empty: it can. */
export function agentFaults(metadata: AgentMetadata, given: readonly string[]): readonly AgentFault[] {
  const faults: AgentFault[] = [];
  const fault = (message: string, option: string | null = null): void => void faults.push({ message, option });
  const lacking = NEEDED.filter((action) => !metadata.actions.has(action));
  if (lacking.length > 0) fault(`${metadata.name} cannot ${lacking.join(", ")}`);
  const means = OTHER_MEANS.get(metadata.name);
  if (means !== undefined) fault(`${metadata.name} ${means}: that is not power`);
  else if (metadata.fabric) fault(`${metadata.name} cuts storage or network, not power: a wedged host would go on running`);
  const known = new Map<string, string>();
  for (const name of given) {
    const option = agentOption(metadata, name);
    if (option === undefined) {
      fault(`${metadata.name} has no option ${name}`, name);
      continue;
    }
    const twice = known.get(option.name) ?? (option.alias === null ? undefined : known.get(option.alias));
    if (twice !== undefined) fault(`${name} and ${twice} are one option of ${metadata.name}`, name);
    known.set(option.name, name);
  }
  for (const option of metadata.options.values()) {
    if (!option.required || option.default !== null || option.name === "action" || PLUG_NAMES.has(option.name)) continue;
    // Of two names the newer one is asked for.
    if (option.deprecated || known.has(option.name) || (option.alias !== null && known.has(option.alias))) continue;
    fault(`${metadata.name} needs ${option.name}${option.alias === null ? "" : ` (or ${option.alias})`}`);
  }
  return faults;
}
