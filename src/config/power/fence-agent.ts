// The settings of `fence-agent`. Which options an agent has only the agent knows; what must never be among them is known for
// all: an action or a method (both can mean a reboot), the outlet (which stands in the host's `power`), what makes an agent
// wait, print help and exit 0, or write what it says into a file.
//
// `upkeep check` asks an agent that is installed here for its options, and tells those that it does not know. The watcher asks
// again where it runs; a device whose agent cannot be used there is not readable, and its hosts are not guarded.

import { z } from "zod";
import { childGuard, runChild } from "../../child/child.ts";
import { findAgent } from "../../child/find-program.ts";
import { agentFaults, parseAgentMetadata, PLUG_NAMES } from "../../protocol/agent-metadata.ts";
import type { AgentMetadata } from "../../protocol/agent-metadata.ts";
import { expectations } from "../expect.ts";
import { about, parsed, secret } from "../fields.ts";
import type { SecretInput } from "../fields.ts";
import type { Secret } from "../secret.ts";
import { didYouMean } from "../suggest.ts";
import { defineDriver } from "./device-schema.ts";
import type { DeviceLint } from "./device-schema.ts";

const RESERVED: ReadonlyMap<string, string> = new Map(Object.entries({
  action: "Upkeep says what is to be done", option: "Upkeep says what is to be done", method: "a cycle may report success before power drops, and is never asked for",
  delay: "an action that comes late is the wrong one", verbose: "secrets would be printed", verbose_level: "secrets would be printed", debug: "secrets would be written", debug_file: "secrets would be written",
  help: "it would exit 0 and do nothing", version: "it would exit 0 and do nothing", usage: "it would exit 0 and do nothing", plug_separator: "one outlet a run", separator: "one outlet a run", port_as_ip: "say where it is by ip",
}));
const SENSITIVE = /passw(or)?d$|secret|token|api_?key|community|hexadecimal_kg/i;
/** No plug is called so. */
const ALONE = "-";
/** Agents that speak to a BMC. */
const ON_BOARD = /(^|\/)fence_(ipmilan(plus)?|idrac|drac5?|ilo[0-9a-z_]*|imm|redfish|rsa|rsb|amt(_ws)?)$/;
const METADATA_LIMIT_MS = 10_000;
const METADATA_BYTES = 262_144;

const agent = parsed((value) => (/^(\/[A-Za-z0-9._/-]*\/)?fence_[A-Za-z0-9_.-]{1,60}$/.test(value) ? { ok: true as const, value } : { ok: false as const, message: `${JSON.stringify(value.slice(0, 60))} is not the name of a fence agent`, hint: "a name such as fence_apc, or the path of one" }), "VALUE_INVALID", "a fence agent such as fence_apc");

const value = z.union([z.boolean().transform((flag): SecretInput => ({ literal: flag ? "1" : "0" })), z.number().transform((number): SecretInput => ({ literal: String(number) })), secret("A value of an option.")]);
expectations.add(value, { says: "text, a number, true or false, or a secret: { file: … } or { env: … }", secret: true });
const options = z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/), value);
expectations.add(options, { says: "a mapping of the agent's options", secret: true });

export const fenceAgent = defineDriver({
  about: "Any installed fence agent (`fence_apc`, `fence_ipmilan`, …).",
  settings: z.strictObject({
    agent: agent.meta(about("The agent: its name, such as `fence_ipmilan`, or its path.", {}, "name of an agent")),
    options: options.meta(about("The agent's own options by their old or new names, as its metadata has them: `fence_NAME -o metadata`. The outlet and the action are not among them. A password is `{ file: … }` or `{ env: … }`. With `{host}` in one there is one device a host.", {}, "mapping")),
  }),
  times: { timeout: "20s", deadline: "1m" },
  placed: true,
  sharesPower: (settings) => ON_BOARD.test(settings.agent),
  // Whether it has outlets only the agent knows; the runtime refuses one where there is none, and none where there are some.
  outputs: () => ({ outlet: "may", unnamed: ALONE }),
  async resolve(settings, asked) {
    const plain: Record<string, string> = {};
    const secrets: Record<string, Secret> = {};
    for (const [name, input] of Object.entries(settings.options)) {
      const at = ["options", name];
      const reserved = RESERVED.get(name.replaceAll("-", "_"));
      if (reserved !== undefined) return asked.refuse("VALUE_INVALID", `${name} cannot be set: ${reserved}`, at);
      if (PLUG_NAMES.has(name)) return asked.refuse("VALUE_INVALID", `${name} is the outlet, which stands in the power of a host`, at, "power: DEVICE/OUTLET");
      if (!("literal" in input) || SENSITIVE.test(name)) secrets[name] = await asked.secret(input, at);
      else if (/\p{Cc}/u.test(input.literal)) return asked.refuse("VALUE_INVALID", `${name} holds a control character`, at, "one line of text");
      else plain[name] = asked.fill(input.literal);
    }
    return { options: { agent: settings.agent, options: plain, secrets }, address: identityOf(settings.agent, plain) };
  },
  lint: (settings, name) => lintAgent(settings.agent, Object.keys(settings.options), name),
  programs: (settings) => [{ at: ["agent"], program: settings.agent }],
});

/** The agent and where it points; one that points nowhere is told apart by all that it is told. */
function identityOf(agentName: string, options: Readonly<Record<string, string>>): string {
  const host = options["ip"] ?? options["ipaddr"];
  const { ipport } = options;
  const where = host !== undefined ? `${host}${ipport === undefined ? "" : `:${ipport}`}` : Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, text]) => `${key}=${text}`).join(" ");
  return `${agentName} ${where}`.trim();
}

/** Each agent is asked once, however many devices it drives; this thread or command ends soon. */
const asked = new Map<string, Promise<AgentMetadata | { readonly wrong: string }>>();

function metadataOf(program: string): Promise<AgentMetadata | { readonly wrong: string }> {
  const before = asked.get(program);
  if (before !== undefined) return before;
  const asking = runChild(childGuard(), [program], { limitMs: METADATA_LIMIT_MS, input: "action=metadata\n", keepBytes: METADATA_BYTES }, AbortSignal.timeout(2 * METADATA_LIMIT_MS)).then((ran) => parseAgentMetadata(ran.stdout));
  asked.set(program, asking);
  return asking;
}

async function lintAgent(agentName: string, given: readonly string[], device: string): Promise<readonly DeviceLint[]> {
  const program = findAgent(agentName);
  if (program === null) return agentName.startsWith("/") ? [] : [{ at: ["agent"], code: "COMMAND_MISSING", message: `no fence agent ${agentName} is installed here`, hint: "Debian has them in fence-agents" }];
  const metadata = await metadataOf(program);
  const so = `the hosts on ${device} would not be guarded`;
  if ("wrong" in metadata) return [{ at: ["agent"], code: "AGENT_UNUSABLE", message: `${agentName} does not say what it is (${metadata.wrong}): ${so}` }];
  return agentFaults(metadata, given).map(({ message, option }) => {
    if (option === null) return { at: ["agent"], code: "AGENT_UNUSABLE", message: `${message}: ${so}` };
    const hint = didYouMean(option, metadata.options.keys());
    return { at: ["options", option], code: "AGENT_OPTION", message: `${message}: ${so}`, ...(hint === null ? {} : { hint }) };
  });
}
