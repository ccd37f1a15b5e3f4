// The port to whatever cuts and restores power. A driver knows one family of devices and nothing of hosts, incidents or
// brakes; it reads outlets, and it switches one when the executor lets it.
//
// The order of acts (safety.md §4.1) is the port's contract: `set` logs in, navigates and reads the outlet first, and only
// then calls `fire` with what it read and with the one write that cannot be undone. `fire` decides, records, and calls the
// write itself, so no driver can be late or early: between the record and the byte there is one synchronous call.

/** Three states; unknown is never treated as off (field.md §1.21). */
export type OutletState = "on" | "off" | "unknown";

export type Reading = {
  /** As asked for. */
  readonly outlet: string;
  readonly state: OutletState;
  /** The device's own name for the outlet, where it has one. */
  readonly label: string | null;
};

/** What an outlet gives at this moment, in watts, as the device tells it and not judged yet; null: it does not, or not in a number. */
export type Draw = { readonly outlet: string; readonly watts: number | null };

/**
 * Calls `write` synchronously and resolves true, or resolves false and never calls it: then the driver backs out
 * (Esc, no YES, no child) and returns `refused` by `gate`.
 */
export type Fire = (read: Reading, write: () => void) => Promise<boolean>;

export type SetOutcome =
  /** The device acknowledged. That is not yet a proof: the core reads back. */
  | { readonly kind: "accepted"; readonly evidence: string }
  /** By the gate: nothing was written. By the device: it said no, in words. */
  | { readonly kind: "refused"; readonly by: "gate" | "device"; readonly evidence: string }
  /** Written, or perhaps written, and no answer that can be trusted. */
  | { readonly kind: "unknown"; readonly evidence: string };

/** One log-in at a device. Calls never overlap: the executor queues them. Every call ends when `signal` does. */
export type PowerSession = {
  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]>;
  /** What the outlets give (core/meters.ts); only drivers with the capability have it. Rejects where the device does not answer. */
  meter?(outlets: readonly string[], signal: AbortSignal): Promise<readonly Draw[]>;
  /** Rejects only before `fire` was called (could not navigate or read); after it, every end is a SetOutcome. */
  set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome>;
  /** Logs out politely within a second, then destroys the connection. Never rejects. */
  close(): Promise<void>;
};

/** Hears a dialogue as it goes, secrets and all, for a recording (recording.ts); whatever it is given it only keeps. */
export type Tap = { said(text: string): void; heard(text: string): void };

export type PowerDevice = {
  /** Connects and logs in. Rejects with an UpkeepError: POWER_UNREACHABLE, POWER_BUSY, POWER_LOGIN, POWER_NONSENSE. */
  open(signal: AbortSignal, tap?: Tap): Promise<PowerSession>;
};

/**
 * What devices of one family are by nature, where that changes behaviour elsewhere. It is said once, beside the settings of
 * the driver (config/power), because the core must know it of devices that were never reached; left out, the default holds.
 */
export type Capabilities = {
  /** One session at a time by the device's own nature: who holds it excludes everybody else. Default: false, the careful one. */
  readonly exclusiveSession: boolean;
  /** Its outputs follow the machine: they read off once its system has halted, as a BMC's or a hypervisor's do. Default: false, an outlet is off by somebody's hand. */
  readonly followsHost: boolean;
  /** Some of its devices tell what an outlet gives: `meter` of a session. Default: false. */
  readonly metered: boolean;
};

/** What every driver is made from. `options` were validated by the driver's own schema; secrets are already resolved in them. */
export type PowerDriver<Options> = {
  readonly name: string;
  /** What proves this driver: a device, a recording, a third-party program, or "none". Printed on its page. */
  readonly testedOn: readonly string[];
  create(options: Options): PowerDevice;
};
