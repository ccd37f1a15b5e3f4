// What goes into the core and what comes out of it. The shell turns the world into inputs and carries effects out; it
// decides nothing. An effect that must not happen before a record is durable is not emitted before the `stored` input
// for that record has come: write before act is in the order of these messages, not in the shell's discipline.

import type { KernelWord } from "./kernel-words.ts";
import type { OutletRef } from "./policy.ts";
import type { AnyRecord, IncidentRecord, RecordKey } from "./records.ts";
import type { ProbeResult, Round } from "./round.ts";
import type { RenewRequest } from "./self-fence.ts";

// ---- in ------------------------------------------------------------------------------------------------------------

export type StoredRecord = { readonly key: RecordKey; readonly value: AnyRecord; readonly revision: number };

export type ReadResult =
  | { readonly ok: true; readonly readings: readonly { readonly outlet: string; readonly state: "on" | "off" | "unknown"; readonly label: string | null }[] }
  | { readonly ok: false; readonly code: string; readonly evidence: string };

/** Watts, as the device tells them; null: it does not. */
export type MeterResult =
  | { readonly ok: true; readonly draws: readonly { readonly outlet: string; readonly watts: number | null }[] }
  | { readonly ok: false; readonly code: string; readonly evidence: string };

export type ActOutcome =
  | { readonly kind: "accepted"; readonly evidence: string }
  | { readonly kind: "refused"; readonly by: "gate" | "device"; readonly evidence: string }
  | { readonly kind: "unknown"; readonly evidence: string }
  /** Nothing was written: connection, log-in, navigation or reading failed, or the session was lost before the gate. */
  | { readonly kind: "failed"; readonly code: string; readonly evidence: string }
  /** Nothing was written: more than `checkWindow` had passed since the swap. */
  | { readonly kind: "stale"; readonly evidence: string };

export type Command =
  | { readonly kind: "fence"; readonly host: string; readonly reason: string; readonly again: boolean; readonly confirm: string | null }
  | { readonly kind: "power"; readonly host: string; readonly action: "on" | "off" | "cycle"; readonly reason: string; readonly again: boolean; readonly confirm: string | null }
  | { readonly kind: "confirm-off"; readonly host: string; readonly confirm: string; readonly reason: string }
  | { readonly kind: "brake"; readonly brake: "disarmed" | "maintenance" | "inhibit" | "going-down" | "kdump"; readonly scope: string; readonly forMs: number | null; readonly reason: string }
  | { readonly kind: "unbrake"; readonly brake: "disarmed" | "maintenance" | "inhibit" | "going-down" | "kdump"; readonly scope: string }
  | { readonly kind: "release"; readonly host: string }
  | { readonly kind: "storm-proceed" }
  | { readonly kind: "ack"; readonly alarm: string }
  | { readonly kind: "lease-grant"; readonly service: string; readonly host: string; readonly reason: string }
  | { readonly kind: "lease-move"; readonly service: string; readonly host: string; readonly reason: string }
  | { readonly kind: "lease-release"; readonly service: string; readonly reason: string; /** Somebody has looked that it does not run there: its name. */ readonly confirm: string | null }
  | { readonly kind: "forget-watcher"; readonly watcher: string }
  /** `hosts` null: all. `window`: as people write it; null: at any time. */
  | { readonly kind: "reboots-start"; readonly hosts: readonly string[] | null; readonly needed: boolean; readonly window: string | null; readonly self: boolean; readonly reason: string }
  | { readonly kind: "reboots-stop" }
  | { readonly kind: "reboots-continue" }
  /** What a host's agent announces of its careful shutdown (ADR 28): about to decide, decided, taken back. `event` names the outage, by the agent. Answered when it is durable: then it is heard. */
  | { readonly kind: "careful"; readonly host: string; readonly event: string; readonly phase: "pre-fail" | "shutdown" | "normal"; readonly haltWithinMs: number | null; readonly reason: string }
  /** A person has what was shut down with care started now; null: all of it. */
  | { readonly kind: "careful-return"; readonly host: string | null }
  // Of agents (core/agents.ts): `secret` is a hash, never what it is made of.
  | { readonly kind: "agent-code"; readonly host: string; readonly secret: string; readonly forMs: number }
  | { readonly kind: "agent-enroll"; readonly host: string; readonly secret: string; readonly pin: string }
  | { readonly kind: "agent-renew"; readonly host: string; readonly pin: string }
  | { readonly kind: "agent-revoke"; readonly host: string };

export type Input =
  | {
      readonly kind: "start";
      readonly records: readonly StoredRecord[];
      /** How long this machine has been up, milliseconds. */
      readonly uptimeMs: number;
      /** Why time went back (safety.md §3.9), or null. */
      readonly wentBack: string | null;
      /** The last sequence number that the history knows. */
      readonly seq: number;
      /** A 32-bit seed for names of incidents, from the ledger's identity. */
      readonly ledger: string;
      /** With several watchers: the identity of this data folder, a name of this process that no other one has had, and the store that it remembers. */
      readonly fleet?: { readonly folder: string; readonly life: string; readonly version: string; readonly knew?: string | null };
    }
  | { readonly kind: "policy" }
  | { readonly kind: "round"; readonly round: Round }
  | { readonly kind: "late"; readonly host: string; readonly hash: string; readonly startedAtMs: number; readonly results: readonly ProbeResult[] }
  | { readonly kind: "stored"; readonly txn: number; readonly result: "committed"; readonly revision: number; /** Boot-time clock when the transaction was sent: a swap is as old as that. */ readonly sentMs: number }
  | { readonly kind: "stored"; readonly txn: number; readonly result: "conflict" | "failed"; readonly evidence: string }
  | { readonly kind: "ready"; readonly act: number; readonly state: "on" | "off" | "unknown"; readonly label: string | null }
  | { readonly kind: "acted"; readonly act: number; readonly outcome: ActOutcome }
  | { readonly kind: "readings"; readonly read: number; readonly device: string; readonly startedAtMs: number; readonly result: ReadResult }
  /** The answer to `meter`. */
  | { readonly kind: "metered"; readonly meter: number; readonly device: string; readonly startedAtMs: number; readonly result: MeterResult }
  | { readonly kind: "remedied"; readonly host: string; readonly remedy: string; readonly outcome: "done" | "failed" | "unknown"; readonly evidence: string }
  | { readonly kind: "touched"; readonly touch: number; readonly answered: "yes" | "no" | "unknown"; readonly evidence: string }
  | { readonly kind: "tick"; readonly key: string }
  | { readonly kind: "clock" }
  | { readonly kind: "command"; readonly id: number; readonly by: string; readonly command: Command }
  | { readonly kind: "stop" }
  /** Why the past is not recorded, or null: it is. It decides nothing; somebody should know. */
  | { readonly kind: "history"; readonly failure: string | null }
  /** What became of an order (effect `order`). failed: certainly not done. */
  | { readonly kind: "ordered"; readonly host: string; readonly order: string; readonly outcome: "done" | "failed" | "unknown"; readonly evidence: string }
  /** What a host's agent says of its boot, whenever that changes: its identity, and why it needs another; `pending` null: it needs none. Nothing here: no agent speaks. */
  | { readonly kind: "boot"; readonly host: string; readonly boot: { readonly bootId: string; readonly pending: string | null } | null }
  /** This watcher's own sense of the site's power, said again at least every 30 s: what is older is unknown. `charge`: of its UPS, 0…1. */
  | { readonly kind: "power-sense"; readonly state: PowerSense; readonly because: string; readonly charge: number | null }
  /** The agent of a host asks for its leases; `contact` finds the way back. */
  | { readonly kind: "lease-renew"; readonly contact: string; readonly host: string; readonly request: RenewRequest }
  /** Where agents reach this watcher and how they know it; null: it takes none. */
  | { readonly kind: "door"; readonly door: { readonly address: string | null; readonly pins: readonly string[] } | null }
  /** A host's kernel has said something that is recognised (netconsole); anybody who can send a datagram can have said it. `holds`: it may hold an off back. */
  | { readonly kind: "kernel"; readonly host: string; readonly word: KernelWord; readonly holds: boolean }
  // Of a shared store only (src/stores/store.ts).
  | { readonly kind: "session"; readonly session: { readonly kind: "held"; readonly untilMs: number } | { readonly kind: "lost"; readonly because: string } }
  | { readonly kind: "changes"; readonly changes: readonly { readonly key: RecordKey; readonly value: AnyRecord | null; readonly revision: number }[] }
  | { readonly kind: "snapshot"; readonly records: readonly StoredRecord[] }
  | { readonly kind: "blind"; readonly because: string }
  /** It is not the store any more that was opened: nothing can be recorded there. */
  | { readonly kind: "gone"; readonly because: string }
  /** All records that this version cannot read, whenever that changes. */
  | { readonly kind: "unreadable"; readonly records: readonly { readonly key: string; readonly kind: "newer" | "damaged"; readonly because: string }[] };

export type PowerSense = "good" | "lost" | "unknown";

// ---- out -----------------------------------------------------------------------------------------------------------

/** A line of the journal: what was seen, decided, refused or done, in a sentence. */
export type Told = {
  readonly seq: number;
  readonly kind: ToldKind;
  readonly host: string | null;
  readonly incident: string | null;
  readonly because: string;
  /** Sequence number of the line that led to this one; null at the head of a chain. */
  readonly cause: number | null;
};

export type ToldKind =
  | "started" | "stopping" | "time-went-back" | "policy" | "clock"
  | "probe-passed" | "suspect" | "better" | "healthy" | "down" | "blind" | "sees"
  | "refused" | "delayed" | "remedy" | "remedy-answer" | "storm" | "storm-over" | "storm-proceed"
  | "intended" | "off-sent" | "off-confirmed" | "off-unconfirmed" | "on-sent" | "on-confirmed" | "late-off" | "contradicted"
  | "withdrawn" | "next-level" | "held" | "recovered" | "done" | "released" | "device-answer" | "device-failed" | "device-ok" | "resumed"
  | "outlet" | "off-by-others" | "label" | "guarded" | "unguarded"
  | "brake" | "brake-ended" | "command" | "command-refused" | "wanted"
  | "careful" | "power-sense" | "return" | "metered"
  | "agent" | "watcher" | "vote" | "charge" | "disagreement" | "kernel" | "lease"
  | "store-failed" | "store-ok" | "history-failed" | "history-ok" | "alarm" | "alarm-over" | "acknowledged" | "owed"
  | "reboots";

export type AlarmKind = "held" | "storm" | "unguarded" | "owed-on" | "disagreement" | "time-went-back" | "ledger" | "history" | "disarmed" | "cut" | "foreign" | "reboots" | "return";

/** A call to a person: what happened, what was done, what is asked. Repeated until it ends or is acknowledged. */
export type Alarm = {
  /** `held:logos`, `storm:fleet` … : one alarm a key. */
  readonly alarm: string;
  readonly kind: AlarmKind;
  readonly severity: "critical" | "warning" | "info";
  readonly host: string | null;
  readonly incident: string | null;
  readonly happened: string;
  readonly done: string;
  readonly asked: string;
};

export type Write = { readonly key: RecordKey; readonly value: AnyRecord | null };

export type Effect =
  /** Commit atomically if every guard holds (`revision` null: the key must be absent), then input `stored`. */
  | { readonly kind: "store"; readonly txn: number; readonly guards: readonly { readonly key: RecordKey; readonly revision: number | null }[]; readonly writes: readonly Write[]; readonly because: string; readonly cause: number }
  /** Log in, navigate, read, then input `ready` and wait for `fire` or `cancel`; ends with input `acted`. */
  | { readonly kind: "act"; readonly act: number; readonly operation: number; readonly outlet: OutletRef; readonly action: "on" | "off"; readonly maxActMs: number; readonly because: string; readonly cause: number }
  /** Write the irreversible byte now, if no more than `withinMs` has passed since `sinceMs` (boot-time clock) and it is not `beforeMs` (the end of our lease) yet; else `acted: stale`. Null: no bound (an owed on). */
  | { readonly kind: "fire"; readonly act: number; readonly sinceMs: number; readonly withinMs: number | null; readonly beforeMs: number | null; readonly because: string; readonly cause: number }
  | { readonly kind: "cancel"; readonly act: number; readonly because: string; readonly cause: number }
  | { readonly kind: "read"; readonly read: number; readonly device: string; readonly outlets: readonly string[]; readonly because: string; readonly cause: number }
  /** What do these outlets give? Ends with input `metered`. */
  | { readonly kind: "meter"; readonly meter: number; readonly device: string; readonly outlets: readonly string[]; readonly because: string; readonly cause: number }
  /** Does anything answer at the host's own address? Ends with input `touched`. */
  | { readonly kind: "touch"; readonly touch: number; readonly host: string; readonly because: string; readonly cause: number }
  /** Try something softer than power; ends with input `remedied`. Its record is durable. */
  | { readonly kind: "remedy"; readonly host: string; readonly remedy: string; readonly limitMs: number; readonly because: string; readonly cause: number }
  /**
   * Have a host do something, by its agent or by whatever else is configured; ends with input `ordered`. Its record is durable. `again`:
   * it may have been given before, so that only who knows orders by their names may carry it out; of the others the answer is `unknown`.
   */
  | { readonly kind: "order"; readonly host: string; readonly order: "reboot" | "drain" | "undrain"; readonly id: string; readonly limitMs: number; readonly again: boolean; readonly because: string; readonly cause: number }
  /** Wake-on-LAN for a host that has no power device. Its record is durable; nothing is confirmed by it. */
  | { readonly kind: "rouse"; readonly host: string; readonly because: string; readonly cause: number }
  | { readonly kind: "tell"; readonly told: Told }
  | { readonly kind: "alarm"; readonly alarm: Alarm; readonly again: boolean; readonly because: string; readonly cause: number }
  | { readonly kind: "alarm-over"; readonly alarm: Alarm; readonly because: string; readonly cause: number }
  /** Input `tick` with this key at or soon after `atMs`. */
  | { readonly kind: "wake"; readonly key: string; readonly atMs: number }
  /** Start the host's next round then instead of at its usual pace. */
  | { readonly kind: "pace"; readonly host: string; readonly atMs: number }
  | { readonly kind: "incident"; readonly record: IncidentRecord }
  | { readonly kind: "reply"; readonly id: number; readonly exit: 0 | 1 | 2 | 4 | 5; readonly text: string; readonly incident: string | null; readonly operation: number | null; /** The host's name must be typed before this is done. */ readonly confirm: string | null }
  /** Make rounds of these hosts, and of no others (several watchers; without this effect: of all). */
  | { readonly kind: "observe"; readonly hosts: readonly string[] }
  /** Another watcher may log in at this device from now on: end the session there at once. */
  | { readonly kind: "hang-up"; readonly device: string; readonly because: string; readonly cause: number }
  /** The store is gone and nothing is owed any more: open it anew and start again from what it says. */
  | { readonly kind: "reopen"; readonly because: string }
  /** To the agent that asked: what it may run for as long as it said, counted from when it asked, and what it has to give back. */
  | { readonly kind: "lease-answer"; readonly contact: string; readonly host: string; readonly n: number; readonly granted: readonly { readonly service: string; readonly epoch: number }[]; readonly giveBack: readonly { readonly service: string; readonly epoch: number }[]; readonly because: string; readonly cause: number }
  /** SIGTERM has been served: nothing is open past off. */
  | { readonly kind: "exit"; readonly because: string };
