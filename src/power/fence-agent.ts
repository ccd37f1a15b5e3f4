// The driver for every fence agent that somebody has already written (FenceAgentAPI): one program a run, told on standard
// input what to do. An agent that is told nothing, or a word that it does not know, reboots the host and exits 0 (tried), so
// every run names one of five actions, and nothing is ever among its arguments, which would switch it to another language.
//
// What an agent is by nature it says itself: the metadata is read when the device is first opened, well before it is needed.
// One that cannot switch power on and off and tell which, or that does not know an option that we were given, is not used: it
// would ignore the option and act all the same. An action that ended well proves nothing; the core reads back.

import { childGuard, evidenceOf, runChild } from "../child/child.ts";
import type { Ran } from "../child/child.ts";
import { findAgent } from "../child/find-program.ts";
import { UpkeepError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { agentFaults, agentOption, parseAgentMetadata, plugOption } from "../protocol/agent-metadata.ts";
import type { AgentMetadata } from "../protocol/agent-metadata.ts";
import type { PowerDevice, PowerDriver, PowerSession, Tap } from "./power.ts";
import { ProgramSession } from "./program-session.ts";
import type { ProgramRun, Programs } from "./program-session.ts";

export type FenceAgentOptions = {
  /** Its name, or its path. */
  readonly agent: string;
  readonly options: Readonly<Record<string, string>>;
  /** More options, whose values are never shown. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The limit of one run. */
  readonly stepMs: number;
  readonly maxActMs: number;
};

type Action = "on" | "off" | "status" | "metadata";

const METADATA_BYTES = 262_144;
/** The outlet of a device that stands alone in a host's power (config/power/fence-agent.ts). */
const ALONE = "-";

/** What agents say when they fail (fencing.py, `fail`), and what that is to us. Everything else: not reached. */
const SAID: readonly { readonly text: RegExp; readonly code: ErrorCode }[] = [
  { text: /unable to obtain correct plug status|plug is not available|can not find vm uuid|have to enter (existing machine|plug number)/i, code: "POWER_OUTLET" },
  { text: /have to set login password|correct privileges|authentication fail|invalid user ?name or password|permission denied/i, code: "POWER_LOGIN" },
  { text: /timed out/i, code: "POWER_TIMEOUT" },
];

/** Any installed fence agent. */
export const fenceAgent: PowerDriver<FenceAgentOptions> = {
  name: "fence-agent",
  testedOn: [
    "fence_apc 4.12.1 against the virtual APC PDU of this repository",
    "fence_ipmilan 4.12.1 against OpenIPMI's ipmi_sim",
    "fence_redfish 4.12.1 against the virtual BMC of this repository",
    "fence_dummy 4.12.1",
    "the metadata of all 84 agents of Debian 12's fence-agents",
  ],
  create: (options) => new FenceAgentDevice(options),
};

class FenceAgentDevice implements PowerDevice {
  readonly #options: FenceAgentOptions;
  #known: { readonly program: string; readonly metadata: AgentMetadata } | null = null;

  constructor(options: FenceAgentOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal, tap?: Tap): Promise<PowerSession> {
    if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
    const { agent } = this.#options;
    const program = findAgent(agent);
    if (program === null) throw new UpkeepError("POWER_UNREACHABLE", `cannot run ${agent}: no such fence agent is installed`);
    // A recording has it all from the beginning.
    if (this.#known?.program !== program || tap !== undefined) this.#known = { program, metadata: await readMetadata(program, this.#options, signal, tap) };
    return new ProgramSession(programsOf(program, this.#known.metadata, this.#options), tap);
  }
}

async function readMetadata(program: string, { agent, options, secrets, stepMs, maxActMs }: FenceAgentOptions, signal: AbortSignal, tap?: Tap): Promise<AgentMetadata> {
  const input = inputOf("metadata", {});
  tap?.said(JSON.stringify({ argv: [program], input }));
  const ran = await runChild(childGuard(), [program], { limitMs: Math.min(stepMs, maxActMs), input, keepBytes: METADATA_BYTES }, signal);
  tap?.heard(JSON.stringify(ran));
  if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
  const metadata = ran.whole ? parseAgentMetadata(ran.stdout) : { wrong: "longer than any metadata" };
  if ("wrong" in metadata || !("code" in ran.end) || ran.end.code !== 0) throw new UpkeepError("POWER_NONSENSE", `${agent} does not say what it is: ${"wrong" in metadata ? `${metadata.wrong}; ` : ""}${evidenceOf({ end: ran.end, said: ran.said.slice(-200) })}`);
  const faults = agentFaults(metadata, [...Object.keys(options), ...Object.keys(secrets)]);
  if (faults.length > 0) throw new UpkeepError("POWER_UNREACHABLE", `not used: ${faults.slice(0, 3).map(({ message }) => message).join("; ")}`);
  return metadata;
}

function programsOf(program: string, metadata: AgentMetadata, { agent, options, secrets, stepMs, maxActMs }: FenceAgentOptions): Programs {
  const given = Object.fromEntries(Object.entries({ ...options, ...secrets }).map(([name, value]) => [agentOption(metadata, name)?.name ?? name, value]));
  const plug = plugOption(metadata);
  const run = (action: Action, outlet: string): ProgramRun => ({ argv: [program], input: inputOf(action, plug === null ? given : { ...given, [plug]: outlet }) });
  return {
    stepMs, maxActMs,
    secrets: Object.values(secrets),
    checkOutlet(outlet) {
      if (plug === null && outlet !== ALONE) throw new UpkeepError("POWER_OUTLET", `${agent} switches one output, and knows no outlet "${shown(outlet)}": write the device alone`);
      if (plug !== null && outlet === ALONE) throw new UpkeepError("POWER_OUTLET", `${agent} switches outlets: write DEVICE/OUTLET`);
      // A comma joins plugs, of which the combined status is on while any is not off; quotes and spaces at the ends are cut off.
      if (plug !== null && !/^[^\p{C}\s,;"'#=-]([^\p{C},;"]{0,62}[^\p{C}\s,;"])?$/u.test(outlet)) throw new UpkeepError("POWER_OUTLET", `outlet "${shown(outlet)}" cannot be told to a fence agent: one plug, without commas, quotes or spaces around it`);
    },
    status: (outlet) => run("status", outlet),
    switch: (outlet, action) => run(action, outlet),
    stateOf(ran, evidence) {
      const state = stateOf(ran);
      if (state !== null) return state;
      const { code } = SAID.find(({ text }) => text.test(ran.said)) ?? { code: "why" in ran.end && ran.end.why.startsWith("no end") ? "POWER_TIMEOUT" as const : "POWER_UNREACHABLE" as const };
      throw new UpkeepError(code, `${agent} status: ${evidence}`);
    },
    outcomeOf: ({ end }) => ("code" in end && end.code === 0 ? "accepted" : "unknown"),
  };
}

/** `status` exits 0 for on and 2 for off (FenceAgentAPI). Null: neither can be believed. */
function stateOf({ end, stdout, said }: Ran): "on" | "off" | null {
  if (!("code" in end)) return null;
  const word = /^Status: (ON|OFF)\s*$/im.exec(stdout)?.[1]?.toUpperCase();
  if (end.code === 0) return word === "OFF" ? null : "on";
  if (end.code !== 2 || word === "ON") return null;
  // An interpreter that cannot read the agent exits 2, too: it complains, and says nothing else.
  return word === undefined && stdout.trim() === "" && said.trim() !== "" ? null : "off";
}

/** The agent's standard input: `name=value` a line. */
function inputOf(action: Action, options: Readonly<Record<string, string>>): string {
  // Last value wins, so the action stands behind all that a configuration could have smuggled in.
  return `${Object.entries(options).map(([name, value]) => `${name}=${quoted(value)}\n`).join("")}action=${action}\n`;
}

/** Agents cut spaces off a line, and one pair of quotes off a value (fencing.py, `_parse_input_stdin`). */
function quoted(value: string): string {
  return value !== value.trim() || /^".*"$/.test(value) ? `"${value}"` : value;
}

function shown(outlet: string): string {
  return outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
}
