// Everything that can be wrong with a virtual PDU, as plain data that can be set at any time on the running device. Each
// fault is one that a real device, or the cable to it, has: the names say what is wrong, never how a client should take it.
// The schema is the type: the control line of the command gets the same checks as a test that sets fields by hand.

import { z } from "zod";

const milliseconds = z.number().int().min(0).max(3_600_000);
/** Keyed by outlet number; JSON knows only strings, and JavaScript looks both up alike. */
const perOutlet = <T extends z.ZodType>(value: T) => z.record(z.string().regex(/^\d+$/), value);
const which = z.enum(["on", "off", "both"]);
const how = z.enum(["reset", "close", "silence"]);

const cutSchema = z.strictObject({
  /** The n-th byte or line of a connection, or the n-th switching command since the fault was set. */
  at: z.enum(["byte", "line", "command"]),
  n: z.number().int().min(1),
  /**
   * before: it is lost, the device never acts on it. after: the device acts on it and the answer is lost.
   * Commands only: `effect`, the answer is withheld and the cut comes when the relay has moved; `answer`, right after the acknowledgement.
   */
  side: z.enum(["before", "after", "effect", "answer"]).default("after"),
  /** reset: RST. close: FIN. silence: a cable that carries nothing any more, in either direction. */
  how: how.default("reset"),
  /** How often it happens before the fault is gone. */
  times: z.number().int().min(1).default(1),
});

const holdSchema = z.strictObject({
  ms: milliseconds,
  /** Hold from the bytes that complete this text on; without it everything is held (a long cable). */
  match: z.string().min(1).max(80).optional(),
  /** How often a match is held before the fault is gone; without it, always. */
  times: z.number().int().min(1).optional(),
});

const faultsSchema = z.strictObject({
  /** Before every answer; what the client sends meanwhile waits. */
  answerDelayMs: milliseconds,
  /** Between the acceptance of a confirmed line and the relay. */
  effectDelayMs: z.union([milliseconds, z.strictObject({ on: milliseconds, off: milliseconds })]),
  cut: cutSchema.nullable(),
  /** A line delivered late: the device gets the bytes so much later, and acts on them even when the client has gone. */
  hold: holdSchema.nullable(),
  /** How long a client that vanished without logging out goes on holding the one session. */
  ghostMs: milliseconds,
  /** What becomes of a second session. reset and close: at once. after-login: once it has logged in. allow: a device that serves several. */
  secondSession: z.enum(["reset", "close", "after-login", "allow"]),
  /** Bytes of noise in 100 bytes of output. */
  garbage: z.number().min(0).max(1000),
  /** The status shown is so old. */
  staleMs: milliseconds,
  /** The status shown is this, whatever the relay does; `commanded`: whatever was last acknowledged. */
  lying: perOutlet(z.enum(["on", "off", "commanded"])),
  /** Acknowledged and never done. */
  ignores: perOutlet(which),
  /** Refused in words. */
  rejects: perOutlet(which),
  /** Names shown instead of the outlet's own: another host's. */
  labels: perOutlet(z.string().max(40)),
  /** Outlets that the device does not know. */
  missing: z.array(z.number().int().min(1)),
  /** Accepts the connection and never says a word. */
  mute: z.boolean(),
  /** Hangs up at once. */
  hangUp: z.boolean(),
  refusePassword: z.boolean(),
});

/** The faults of a running device: set a field and it holds from that moment. */
export type Faults = z.infer<typeof faultsSchema>;
export type Cut = z.infer<typeof cutSchema>;
/** What a test or a control line may give: some fields, cuts without their defaults. */
export type FaultPatch = Partial<z.input<typeof faultsSchema>>;

/** A device with nothing wrong: one session, the second closed at once as real firmware does (EOF at the log-in). */
export function noFaults(): Faults {
  return {
    answerDelayMs: 0, effectDelayMs: 0, cut: null, hold: null, ghostMs: 0, secondSession: "close", garbage: 0, staleMs: 0,
    lying: {}, ignores: {}, rejects: {}, labels: {}, missing: [], mute: false, hangUp: false, refusePassword: false,
  };
}

/** Sets the given faults on `faults` and leaves the others; throws with the path of whatever is not a fault. */
export function setFaults(faults: Faults, patch: unknown): void {
  const checked = faultsSchema.partial().safeParse(patch);
  if (!checked.success) throw new Error(`not faults: ${z.prettifyError(checked.error).replaceAll("\n", " ")}`);
  Object.assign(faults, checked.data);
}

/** Does a per-outlet fault on `on`, `off` or `both` concern this state? */
export function concerns(fault: z.infer<typeof which> | undefined, state: "on" | "off"): boolean {
  return fault === "both" || fault === state;
}
