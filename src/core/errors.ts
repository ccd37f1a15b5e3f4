// Every operational failure of Upkeep, one line each. The code is stable and is what programs match on; the message is for people.

export const ERROR_CODES = {
  POWER_UNREACHABLE: "the power device cannot be connected to",
  POWER_BUSY: "the power device serves another session",
  POWER_LOGIN: "the power device refused the user name or password",
  POWER_NONSENSE: "the power device said something that is not in its protocol",
  POWER_TIMEOUT: "the power device did not answer in time",
  POWER_OUTLET: "the power device has no such outlet",
  CONFIG: "the configuration has errors",
  LEDGER_LOCKED: "another watcher holds this ledger",
  LEDGER_CORRUPT: "the ledger cannot be read",
  LEDGER_FULL: "the ledger's disk is full",
  LEDGER_IO: "the ledger cannot be written",
  HISTORY_IO: "the history cannot be read",
  SOCKET_PATH: "the control socket's path is too long or not usable",
  PORT_TAKEN: "the TCP interface cannot be opened, and the configuration requires it",
  ACCESS_IO: "the file of users cannot be read or written",
  NOT_RUNNING: "no watcher answers on the control socket",
  NAME_UNKNOWN: "the name does not resolve",
  STORE_UNREACHABLE: "the store of the watchers cannot be reached, or does not answer in time",
  STORE_REFUSED: "the store of the watchers refuses us, or is not the store that was meant",
  ALERT_FAILED: "an alert could not be delivered",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export class UpkeepError extends Error {
  override readonly name = "UpkeepError";
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** A programmer's error: the process ends and its supervisor starts it again from the ledger. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
