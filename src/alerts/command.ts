// Alerts by any program: the text on standard input, the facts in the environment, exit code 0 means that it was taken. It is
// run as every child is (src/child): no shell, nothing of our environment but what is named here, killed with all that it
// started when its time is over. So no text from outside can become a command and no secret of the watcher reaches it.

import type { Guard } from "../child/child.ts";
import { childGuard, evidenceOf, runChild } from "../child/child.ts";
import type { Channel, Delivery } from "./channel.ts";
import type { Message, Sender } from "./message.ts";
import { oneLine } from "./message.ts";

export type CommandLimits = { readonly totalMs: number };

export type CommandOptions = {
  /** The program and its arguments. */
  readonly run: readonly string[];
  /** Several messages as one. A program that opens and closes something for each alarm must not have them so. */
  readonly grouped: boolean;
};

const LIMITS: CommandLimits = { totalMs: 30_000 };
const INHERITED = ["HOME", "USER", "LOGNAME", "LC_ALL", "TZ"] as const;

export function commandChannel(name: string, { run, grouped }: CommandOptions, sender: Sender, limits: CommandLimits = LIMITS): Channel {
  return {
    name, kind: "command", grouped,
    deliver: (message, _, signal) => deliverBy(run, environment(message, sender), `${message.subject}\n\n${message.body}`, limits.totalMs, signal),
  };
}

let guard: Guard | null = null;

/** Runs a program that is to take a text; its last words are the evidence. */
export async function deliverBy(argv: readonly string[], env: Readonly<Record<string, string>>, input: string, limitMs: number, signal: AbortSignal): Promise<Delivery> {
  guard ??= childGuard();
  const ran = await runChild(guard, argv, { limitMs, input, env: { ...inherited(), ...env }, keepBytes: 0 }, signal);
  if ("code" in ran.end && ran.end.code === 0) return { kind: "delivered", note: null, left: [] };
  return { kind: "failed", evidence: `${argv[0]}: ${oneLine(evidenceOf(ran))}` };
}

function inherited(): Record<string, string> {
  return Object.fromEntries(INHERITED.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }));
}

/** Letters, digits and underscores are all that stands in the names; the values are text on one line. */
function environment(message: Message, { site, watcher }: Sender): Record<string, string> {
  return {
    UPKEEP_ID: message.id,
    UPKEEP_ALARM: oneLine(message.alarm),
    UPKEEP_KIND: message.kind,
    UPKEEP_SEVERITY: message.severity,
    UPKEEP_STATE: message.state,
    UPKEEP_EVENT: message.event === null ? "" : String(message.event),
    UPKEEP_COUNT: String(message.count),
    UPKEEP_HOST: oneLine(message.host ?? ""),
    UPKEEP_INCIDENT: oneLine(message.incident ?? ""),
    UPKEEP_SUBJECT: oneLine(message.subject),
    UPKEEP_SITE: oneLine(site),
    UPKEEP_WATCHER: oneLine(watcher),
  };
}
