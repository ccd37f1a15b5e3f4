// Every part of an agent, by its name in the configuration (src/config/agent/index.ts). A new one: its file or folder here,
// its file there, and a line in either list. A part is loaded where the configuration names it.

import type { AgentPartOptions } from "../config/agent/index.ts";
import type { Part } from "./part.ts";

type Loads = { readonly [Name in keyof AgentPartOptions]: () => Promise<Part<AgentPartOptions[Name]>> };

export const PARTS: Loads = {
  storage: async () => (await import("./storage/storage.ts")).storage,
  hungTasks: async () => (await import("./hung-tasks/hung-tasks.ts")).hungTasks,
  netconsole: async () => (await import("./netconsole/netconsole.ts")).netconsole,
  selfFence: async () => (await import("./self-fence/self-fence.ts")).selfFence,
  careful: async () => (await import("./careful/index.ts")).part,
  health: async () => (await import("./health/health.ts")).health,
  keep: async () => (await import("./keep/keep.ts")).keep,
  orphans: async () => (await import("./orphans/orphans.ts")).orphans,
  reboot: () => import("./reboot.ts").then(({ reboot }) => reboot),
};
