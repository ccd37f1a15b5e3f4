// Asking the watcher for something: sent with who asks, and once more with the host's name when that must be typed first.

import type { Answer, Command } from "../api/contract.ts";
import { PATHS } from "../api/contract.ts";
import { askName } from "./ask.ts";
import type { Client } from "./client.ts";
import { EXIT } from "./exit.ts";
import type { Options } from "./options.ts";
import { complain, print, printJson, printable } from "./terminal.ts";
import { who } from "./who.ts";

/** Sends a command as it is. */
export function send(client: Client, command: Command): Promise<Answer> {
  return client.post<Answer>(PATHS.commands, { by: who(), command });
}

/** Sends a command that may need a typed name: `make` puts that into it. */
export async function sendConfirmed(client: Client, options: Options, make: (confirm: string | null) => Command): Promise<Answer> {
  const answer = await send(client, make(options.confirm ?? null));
  if (answer.confirm === null || answer.exit === EXIT.yes || options.confirm !== undefined) return answer;
  const typed = await askName(answer.text);
  if (typed !== answer.confirm) return { ...answer, text: typed === null ? "no name was typed: nothing is done" : `${printable(typed)} is not ${answer.confirm}: nothing is done` };
  return send(client, make(typed));
}

/** Shows what came of it, and gives the exit code. */
export function show(answer: Answer, options: Options): number {
  if (options.json === true) printJson(answer);
  else if (answer.exit === EXIT.yes) print(printable(answer.text));
  else complain(printable(answer.text));
  return answer.exit;
}
