// Waiting for an operation: its lines of the journal as they come, and its end as the watcher's state says it. The lines are
// for the reader; what decides the exit code is the operation's own record, because a sentence can be misread.

import type { Answer, EventLine, HostReport } from "../api/contract.ts";
import { PATHS } from "../api/contract.ts";
import type { Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Options } from "./options.ts";
import { clock, complain, paint, print, printJson, printable } from "./terminal.ts";

const LOOK_EVERY_MS = 2_000;
/** An owed on goes on for ever; the one who waits for it does not. */
const WAIT_MAX_MS = 15 * 60_000;
/** Rounds go on beside the operation and are not its lines. */
const ENDS = new Set(["held", "withdrawn", "recovered", "done"]);
const ASIDE = new Set(["healthy", "probe-passed", "suspect", "better", "blind", "sees", "guarded", "unguarded"]);

export type End = { readonly exit: number; readonly outcome: "on" | "off" | "withdrawn" | "held" | "unknown"; readonly text: string };

/** Runs `ask`, follows the host's journal from before it, and waits until the operation that it began is over. */
export async function awaitOperation(client: Client, options: Options, host: string, ask: () => Promise<Answer>): Promise<number> {
  let look = (): void => {};
  /** How the last operation ended, in the journal's words. */
  let said: string | null = null;
  /** Lines that came while a name was being typed: shown after it. */
  let waiting: EventLine[] | null = [];
  const show = (event: EventLine): void => {
    if (ENDS.has(event.kind)) said = event.because;
    if (options.json !== true && !ASIDE.has(event.kind)) print(`${paint("dim", clock(event.at))}  ${event.kind.padEnd(15)} ${printable(event.because)}`);
  };
  const lines = await client.follow(`${PATHS.events}?follow=1&limit=0&host=${encodeURIComponent(host)}`, (line) => {
    const event = JSON.parse(line) as EventLine;
    if (waiting === null) show(event);
    else waiting.push(event);
    look();
  });
  try {
    const answer = await ask();
    if (answer.exit !== EXIT.yes || answer.operation === null) return tell(answer, null, options);
    for (const event of waiting) if (event.kind !== "command-refused") show(event);
    waiting = null;
    const { operation } = answer;
    const deadlineMs = Date.now() + WAIT_MAX_MS;
    for (;;) {
      const end = await endOf(client, host, operation);
      if (end !== null) return tell(answer, said === null || end.exit === EXIT.yes ? end : { ...end, text: `${end.text} (${said})` }, options);
      if (Date.now() > deadlineMs) return tell(answer, { exit: EXIT.unknown, outcome: "unknown", text: `operation ${operation} is still under way after ${WAIT_MAX_MS / 60_000} min; see: upkeep why ${host}` }, options);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY_MS);
        look = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    lines.close();
  }
}

async function endOf(client: Client, host: string, operation: number): Promise<End | null> {
  try {
    return judge(await client.get<HostReport>(`${PATHS.hosts}/${encodeURIComponent(host)}`), operation);
  } catch (error) {
    // The operation is in the ledger: a watcher that starts again takes it up. What came of it cannot be told from here.
    const said = error instanceof CliError ? error.message : String(error);
    return { exit: EXIT.unknown, outcome: "unknown", text: `what came of operation ${operation} is not known: ${said}` };
  }
}

/** What has come of an operation, or null while it goes on. */
export function judge(host: HostReport, operation: number): End | null {
  const open = host.operation;
  if (open !== null && open.operation === operation) {
    if (open.phase !== "booting") return null;
    if (open.contradiction !== null) return { exit: EXIT.unknown, outcome: "on", text: `power is on again, and the off was contradicted: ${open.contradiction}` };
    if (open.withdrawing !== null) return { exit: EXIT.refused, outcome: "on", text: `power is on; withdrawn: ${open.withdrawing}` };
    if (open.kind === "cycle" && !open.offWasConfirmed) return { exit: EXIT.unknown, outcome: "on", text: "power is on, and that it was off in between could not be confirmed" };
    return { exit: EXIT.yes, outcome: "on", text: `power is on again, confirmed; ${host.host} boots` };
  }
  const last = host.lastOperation;
  if (last === null || last.operation !== operation) return { exit: EXIT.unknown, outcome: "unknown", text: `operation ${operation} is over, and its outcome is not remembered; see: upkeep events --host ${host.host}` };
  switch (last.outcome) {
    case "withdrawn":
      return { exit: EXIT.refused, outcome: "withdrawn", text: `operation ${operation} was withdrawn before anything was cut` };
    case "held":
      return { exit: EXIT.unknown, outcome: "held", text: `it did not go well, and ${host.host} ${host.held === null ? "was held until it was seen healthy" : "is held"}` };
    case "recovered":
      return { exit: EXIT.yes, outcome: "on", text: `power was cut and restored, and ${host.host} is back in service` };
    case "done":
      return last.kind === "off" ? { exit: EXIT.yes, outcome: "off", text: `${host.host} is off, confirmed` } : { exit: EXIT.yes, outcome: "on", text: `power of ${host.host} is on, confirmed` };
  }
}

function tell(answer: Answer, end: End | null, options: Options): number {
  const exit = end?.exit ?? answer.exit;
  if (options.json === true) printJson(end === null ? answer : { ...answer, exit, outcome: end.outcome, text: end.text });
  else if (exit === EXIT.yes) print(printable(end?.text ?? answer.text));
  else complain(printable(end?.text ?? answer.text));
  return exit;
}
