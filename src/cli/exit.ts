// How a command ends (contracts.md): 0 yes · 1 the answer is no · 2 usage · 3 configuration · 4 refused by a brake ·
// 5 outcome unknown · 69 not available.

import { UpkeepError } from "../api/contract.ts";

export const EXIT = { yes: 0, no: 1, usage: 2, configuration: 3, refused: 4, unknown: 5, unavailable: 69, internal: 70 } as const;

/** Ends the command with a sentence on standard error. */
export class CliError extends Error {
  readonly exit: number;
  /** Nobody listens where the watcher would. */
  readonly notRunning: boolean;
  constructor(exit: number, message: string, notRunning = false) {
    super(message);
    this.exit = exit;
    this.notRunning = notRunning;
  }
}

/** The exit code of an error that ended a command, and what is said about it. */
export function exitOf(error: unknown): { readonly exit: number; readonly message: string } {
  if (error instanceof CliError) return { exit: error.exit, message: error.message };
  if (error instanceof UpkeepError) return { exit: error.code === "CONFIG" ? EXIT.configuration : EXIT.unavailable, message: error.message };
  return { exit: EXIT.internal, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
