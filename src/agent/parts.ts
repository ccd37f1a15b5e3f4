// Every part of an agent, by its name in the configuration (src/config/agent/index.ts). A new one: its file or folder here,
// its file there, and a line in either list. A part is loaded where the configuration names it.

import type { AgentPartOptions } from "../config/agent/index.ts";
import type { Part } from "./part.ts";

type Loads = { readonly [Name in keyof AgentPartOptions]: () => Promise<Part<AgentPartOptions[Name]>> };

export const PARTS: Loads = {
  reboot: () => import("./reboot.ts").then(({ reboot }) => reboot),
};
