// The part `hungTasks`: what the kernel does with itself when something in it waits for ever.

import { z } from "zod";
import { about, duration } from "../fields.ts";
import { defineAgentPart } from "./part-schema.ts";

export const hungTasks = defineAgentPart({
  settings: z.strictObject({
    after: duration("A task that has stood in state D for so long makes the kernel panic (`kernel.hung_task_timeout_secs`).", { minMs: 5_000, maxMs: 86_400_000, default: "2m" }).default(120_000),
    restartAfter: duration("So long after a panic, any panic, the machine starts again (`kernel.panic`).", { minMs: 1_000, maxMs: 3_600_000, default: "10s" }).default(10_000),
  }).meta(about("The hung-task policy: the kernel panics when a task waits for ever, and starts again ([guide](../guides/hung-storage.md)).")),
  resolve: ({ after, restartAfter }) => ({ afterSeconds: Math.ceil(after / 1_000), restartAfterSeconds: Math.ceil(restartAfter / 1_000) }),
});
