// What changes something: commands, reload, a recording. Who asks is who was found out to be asking; only on the control socket,
// where whoever may use it may do everything, is it what the request says.

import type { Answer } from "./contract.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal, json, missing, nameOf } from "./route.ts";

/** How long a command may take to become durable before its outcome is called unknown. */
const COMMAND_LIMIT_MS = 30_000;

export async function command({ body, caller }: Asked, { watcher }: Served): Promise<Reply> {
  // Loaded with the first command: the schema brings zod, 4 MB that most watchers never need.
  const { parseCommand } = await import("./command-schema.ts");
  const parsed = parseCommand(body, caller.by === "socket" ? null : nameOf(caller));
  if (!parsed.ok) throw new Refusal(400, parsed.error);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve({ exit: 5, text: "asked for, but not known to be recorded within 30 s: see `upkeep status`", incident: null, operation: null, confirm: null, event: null }), COMMAND_LIMIT_MS);
  });
  try {
    const { exit, text, incident, operation, confirm, event } = await Promise.race([watcher.command(parsed.by, parsed.command), late]);
    return json({ exit, text, incident, operation, confirm, event } satisfies Answer);
  } catch (error) {
    // The core does not fail on a command: this is an assertion, and the process must end as it would from a timer.
    setImmediate(() => {
      throw error;
    });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

export async function reload(_asked: Asked, served: Served): Promise<Reply> {
  return json(await served.reload());
}

export async function record({ name }: Asked, served: Served): Promise<Reply> {
  return json((await served.record(name)) ?? missing(`no power device is named ${name}`));
}
