// What the command line hands to a command: options as commander parsed them, absent where they were not given.

export type Options = {
  readonly config?: string;
  /** Another watcher than this machine's, and what proves who asks and who answers. */
  readonly url?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly fingerprint?: string;
  readonly json?: boolean;
  readonly reason?: string;
  readonly again?: boolean;
  /** The host's name, typed. */
  readonly confirm?: string;
  /** False with `--no-wait`. */
  readonly wait?: boolean;
  readonly all?: boolean;
  /** Milliseconds. */
  readonly for?: number;
  /** Of `history` a moment, Unix milliseconds; else how long ago, milliseconds. */
  readonly since?: number;
  readonly limit?: number;
  readonly host?: string;
  readonly follow?: boolean;
  readonly kdump?: boolean;
  // history
  readonly until?: number;
  readonly probe?: string;
  readonly step?: "raw" | "minute" | "hour";
  readonly csv?: boolean;
  // report
  readonly month?: { readonly fromMs: number; readonly toMs: number };
  readonly by?: "host" | "group";
  readonly each?: "month" | "day";
  readonly outagesPerDay?: number;
  // notice
  readonly text?: string;
  readonly textFile?: string;
  readonly severity?: "info" | "maintenance" | "disturbance" | "outage";
  readonly component?: readonly string[];
  /** A file to write to. */
  readonly out?: string;
  // user, token
  readonly role?: "viewer" | "operator" | "admin";
  readonly passwordFile?: string;
  readonly off?: boolean;
  readonly user?: string;
  readonly scope?: readonly ("metrics" | "read" | "command" | "admin")[];
  // check
  readonly effective?: string;
  readonly strict?: boolean;
  readonly schema?: boolean;
  // watch
  readonly log?: "text" | "json";
  // agent
  readonly dryRun?: boolean;
  readonly keepKey?: boolean;
  /** Where a watcher takes agents in: HOST or HOST:PORT. */
  readonly watcher?: string;
  // lab
  readonly processes?: boolean;
  readonly once?: boolean;
  readonly dialect?: "menu2" | "menu3" | "shell";
  // sim
  readonly seed?: number;
  readonly seeds?: number;
  readonly fleet?: boolean;
  readonly watchers?: number;
};
