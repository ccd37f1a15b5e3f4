// The section `agent`: what an agent does on its own host. Each part has a file here and its name in PARTS; it compiles only
// while src/agent/parts.ts has the same names with the same options.

import { z } from "zod";
import { about, address, name, text } from "../fields.ts";
import { netconsole } from "./netconsole.ts";
import { careful } from "./careful.ts";
import { health } from "./health.ts";
import { keep } from "./keep.ts";
import { orphans } from "./orphans.ts";
import { reboot } from "./reboot.ts";
import type { AgentPartSchema, OptionsOf } from "./part-schema.ts";
import { hungTasks } from "./hung-tasks.ts";
import { storage } from "./storage.ts";
import { selfFence } from "./self-fence.ts";

const parts = {
  storage,
  hungTasks,
  netconsole,
  selfFence,
  careful,
  health,
  keep,
  orphans,
  reboot,
} as const satisfies Readonly<Record<string, AgentPartSchema>>;

/** The parts of an agent, for code that treats all alike. */
export const AGENT_PARTS: Readonly<Record<string, AgentPartSchema>> = parts;

/** What each part takes, by its name. */
export type AgentPartOptions = { readonly [Name in keyof typeof parts]: OptionsOf<(typeof parts)[Name]> };

const written = Object.fromEntries(Object.entries(AGENT_PARTS).map(([part, { settings }]) => [part, settings.optional()])) as { readonly [Name in keyof typeof parts]: z.ZodOptional<(typeof parts)[Name]["settings"]> };

export const agent = z.strictObject({
  name: name("This host's name, as the watchers call it; the machine's where it is left out.").optional(),
  watchers: z.array(address("A watcher's door for agents, `HOST` or `HOST:PORT` (7443).")).max(9).meta(about("The watchers that this agent tells, and takes orders from once it is enrolled. None: it works alone.", { default: [] }, "list of addresses")).default([]),
  data: text("The folder of the agent's state, relative to this file; `$STATE_DIRECTORY` goes before it. Left out: `upkeep-agent-data` beside this file, `/var/lib/upkeep-agent` for a file under `/etc`.", { max: 4_096 }).optional(),
  ...written,
});

export type AgentInput = z.output<typeof agent>;
