// Everything that can be wrong with a configuration, one line each, and how a problem is told.
//
// Problems are collected and reported together, never thrown one at a time: who mends a file at three in the morning wants
// the whole list. The code decides the severity, so that one mistake cannot be an error in one place and a warning in
// another. An error keeps the watcher from starting (or the old configuration in force); a warning never does.

export const PROBLEM_CODES = {
  FILE_UNREADABLE: ["error", "the file cannot be read"],
  FILE_TOO_LARGE: ["error", "the file, or a part of it, is larger than the limits allow"],
  YAML_SYNTAX: ["error", "the file is not YAML, or not UTF-8"],
  YAML_DUPLICATE: ["error", "one key stands twice in one mapping"],
  YAML_ALIAS: ["error", "an alias names no anchor before it, or the aliases unfold to too much"],
  KEY_UNKNOWN: ["error", "there is no such setting"],
  KEY_MISSING: ["error", "a setting without a default is missing"],
  VALUE_INVALID: ["error", "the value is of the wrong kind or out of range"],
  DURATION_INVALID: ["error", "not a duration such as `500ms`, `5s`, `1h30m`"],
  PERCENT_INVALID: ["error", "not a share such as `40%`"],
  ADDRESS_INVALID: ["error", "not an address: `HOST`, `HOST:PORT` or `[V6]:PORT`"],
  NAME_INVALID: ["error", "not a name, or not a range of names such as `web[01-40]`"],
  OUTLET_INVALID: ["error", "not an outlet: `device/N`, or `device` where it has one output"],
  AFTER_CIRCLE: ["error", "hosts that are each started after the other"],
  NAME_TAKEN: ["error", "two hosts, groups or devices have one name"],
  HOST_UNKNOWN: ["error", "no such host"],
  GROUP_UNKNOWN: ["error", "no such group"],
  DEVICE_UNKNOWN: ["error", "no such power device"],
  GROUP_CONFLICT: ["error", "two groups of one host want different values"],
  OUTLET_REPEATED: ["error", "one outlet stands twice in the power of one host"],
  OUTLET_SHARED: ["error", "one outlet feeds two hosts: a cut for one would cut the other"],
  DEVICE_REPEATED: ["error", "one device under two names: two sessions would race on it"],
  LEVELS_ARE_FEEDS: ["error", "two outlets as successive levels: a host with two feeds would not lose power at either"],
  FEEDS_MISMATCH: ["error", "a level cuts fewer or more outlets than the host has feeds"],
  TIMEOUT_OVER_EVERY: ["error", "a time-out longer than the pace of the rounds: they would overlap"],
  TIMEOUT_OVER_DEADLINE: ["error", "one dialogue step of a device may take longer than its whole action"],
  THRESHOLD_UNDER_RETRY: ["error", "a threshold that is reached before the retry ladder has been climbed"],
  ROUNDS_MISMATCH: ["error", "a round rule that does not fit the probes that count"],
  PROBE_INCOMPLETE: ["error", "a probe lacks what it needs to ask"],
  SECRET_MISSING: ["error", "the file or variable that should hold a secret is not there"],
  SECRET_INVALID: ["error", "the secret is empty, too long, or of several lines"],
  CERTIFICATE_INVALID: ["error", "a certificate or key cannot be used: not PEM, expired, or not of one pair"],
  CHANNEL_UNKNOWN: ["error", "a route names a channel that is not there"],
  TEMPLATE_INVALID: ["error", "a template with a mistake: a field that does not exist, or a lone brace"],
  SOCKET_PATH_LONG: ["error", "the control socket's path is longer than the 107 bytes that the kernel allows"],
  THRESHOLD_OVER_RETRY: ["warning", "a threshold beyond the retry ladder: the rest of the rounds go at `every`"],
  SECRET_LITERAL: ["warning", "a secret stands in the configuration itself"],
  SECRET_WORLD_READABLE: ["warning", "everybody on this machine can read the file that holds a secret"],
  PASSWORD_IN_CLEAR: ["warning", "a probe sends a password unencrypted to another machine"],
  CERTIFICATE_EXPIRES: ["warning", "a certificate expires within 14 days, or that of the API has expired"],
  CERTIFICATE_UNCHECKED: ["warning", "the certificate of a device is not checked, and a password goes there"],
  STORE_FEW: ["warning", "the store has one server, or an even number of them: it bears no failure, or no more than with one less"],
  STORE_TOGETHER: ["warning", "most servers of the store are on one host, or hang on one power device"],
  API_PLAIN: ["warning", "passwords for the API go over the network in the clear"],
  STORE_PLAIN: ["warning", "a password goes to the store in the clear"],
  SNMP_PLAIN: ["warning", "a community that may switch power goes over the network in the clear"],
  WATCHER_UNNAMED: ["warning", "several watchers, and this one has no name of its own in its configuration"],
  NO_HOSTS: ["warning", "nothing to watch"],
  NO_REFERENCES: ["warning", "no references: the watcher cannot tell its own isolation from a dead host"],
  REFERENCES_WATCHED: ["warning", "every reference is a watched host: when it dies, nothing is judged any more"],
  NO_ALERTS: ["warning", "no alerts: nobody would be called"],
  ROUTES_GAP: ["warning", "alarms that no route takes: they go to all channels"],
  CHANNEL_UNUSED: ["warning", "a channel that no route names"],
  ALERTS_PLAIN: ["warning", "alerts and the secret that allows them go over the network in the clear"],
  PING_ONLY: ["warning", "only ping: a network card may answer it for a wedged host"],
  HTTP_OTHER_HOST: ["warning", "the URL is not of this host: it could be cut for another's failure"],
  BRAKE_OFF: ["warning", "a brake is switched off"],
  BOOT_UNDER_DEBOUNCE: ["warning", "`boot` shorter than `debounce`"],
  BOOT_UNDER_MEASURED: ["warning", "`boot` shorter than this host has needed to come back"],
  OFF_UNCONFIRMABLE: ["warning", "the device cannot tell whether an outlet is off: no cut can be confirmed, so its hosts are not guarded"],
  BMC_ALONE: ["warning", "only its own BMC can cut this host: when power fails, both are silent, and no cut can be confirmed"],
  WATCHER_POWERED: ["warning", "the watcher would cut its own power: this host is not guarded by it"],
  DEVICE_UNUSED: ["warning", "no host is powered by this device"],
  INCLUDE_EMPTY: ["warning", "the include pattern matches no file"],
  GROUPS_SEVERAL: ["warning", "a host of several groups is counted in the first when a storm is judged"],
  AGENT_OPTION: ["warning", "a fence agent does not know an option that it is given: it would not be used"],
  AGENT_UNUSABLE: ["warning", "a fence agent that cannot be used: it cannot switch power and tell its state, or lacks an option"],
  COMMAND_MISSING: ["warning", "there is no such program on this machine, or it may not be run"],
} as const satisfies Record<string, readonly ["error" | "warning", string]>;

export type ProblemCode = keyof typeof PROBLEM_CODES;

/** One mistake or one lint, at one place. Lines and columns count from 1. */
export type Problem = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: "error" | "warning";
  readonly code: ProblemCode;
  readonly message: string;
  /** What would be right, or null. */
  readonly hint: string | null;
};

/** Anything that can say where it stands in a file. */
export type Place = { readonly file: string; readonly line: number; readonly column: number };

/** More than this from one load is noise, most likely not a configuration at all. */
const PROBLEMS_MAX = 200;
const TEXT_MAX = 300;

/** The list under construction; the same problem at the same place is kept once. */
export class ProblemList {
  readonly #problems = new Map<string, Problem>();
  #leftOff = 0;

  add(place: Place, code: ProblemCode, message: string, hint: string | null = null): void {
    const { file, line, column } = place;
    const problem: Problem = { file, line, column, severity: PROBLEM_CODES[code][0], code, message: printable(message), hint: hint === null ? null : printable(hint) };
    const key = JSON.stringify([file, line, column, code, problem.message]);
    if (this.#problems.has(key)) return;
    // Errors are never crowded out by warnings: the count of errors alone decides whether the configuration holds.
    if (this.#problems.size >= PROBLEMS_MAX && (problem.severity === "warning" || this.failed)) this.#leftOff += 1;
    else this.#problems.set(key, problem);
  }

  get failed(): boolean {
    for (const problem of this.#problems.values()) if (problem.severity === "error") return true;
    return false;
  }

  /** All problems in the order of files first met, then of lines. */
  sorted(): readonly Problem[] {
    const problems = [...this.#problems.values()];
    const files = new Map<string, number>();
    for (const problem of problems) if (!files.has(problem.file)) files.set(problem.file, files.size);
    problems.sort((a, b) => (files.get(a.file) ?? 0) - (files.get(b.file) ?? 0) || a.line - b.line || a.column - b.column);
    const last = problems.at(-1);
    if (this.#leftOff > 0 && last !== undefined) problems.push({ ...last, message: `${last.message}; and ${this.#leftOff} more problems that are not listed` });
    return problems;
  }
}

/** `FILE:LINE:COLUMN: error|warning CODE message (hint)`: one line a problem, as compilers do, so that editors can jump to it. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, severity, code, message, hint } = problem;
  return `${file}:${line}:${column}: ${severity} ${code} ${message}${hint === null ? "" : ` (${hint})`}`;
}

function printable(text: string): string {
  // What a file says may end up on a terminal: control characters are shown, not obeyed.
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
  return shown.length > TEXT_MAX ? `${shown.slice(0, TEXT_MAX)}…` : shown;
}
