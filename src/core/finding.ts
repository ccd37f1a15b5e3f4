// What an agent found out about its own host, in the one form in which it is shown, sent, and looked at by the watchers' probe
// `agent`. The latest finding of a subject is all that counts; an agent that says nothing has said nothing.

/** `unknown`: it could not be looked at. `warn`: for a person. Only `bad` may ever count against the host, and only where `mayCut` says so. */
export type FindingVerdict = "good" | "warn" | "bad" | "unknown";

export type HostFinding = {
  /** What it is about, the part's name first: `storage:/var`, `health:smart:sda`, `hung-tasks`. At most 128 printable characters. */
  readonly subject: string;
  readonly verdict: FindingVerdict;
  /** One sentence with its evidence; at most 300 printable characters. */
  readonly because: string;
  /** Of a bad one: whether power may be the cure. False for what only a person should look at. */
  readonly mayCut: boolean;
};

/** What a host tells the watchers before it does it; answered when that is durable there. */
export type Announcement =
  /** A planned shutdown: `event` names the outage, the same for all that one agent does about it. */
  | { readonly kind: "careful"; readonly event: string; readonly phase: "pre-fail" | "shutdown" | "normal"; readonly because: string; /** Off within so many milliseconds; null: not going off. */ readonly haltWithinMs: number | null }
  /** A reboot that somebody asked for. */
  | { readonly kind: "going-down"; readonly because: string; readonly withinMs: number };

/** What a watcher asks of a host's agent; carried out once an id. */
export type Order = { readonly id: string; readonly order: string; readonly subject: string | null; readonly reason: string; readonly limitMs: number };

export type OrderEnd = { readonly outcome: "done" | "failed" | "refused" | "unknown"; readonly evidence: string };
