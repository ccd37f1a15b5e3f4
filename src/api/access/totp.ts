// One-time codes of a phone (RFC 6238: SHA-1, six digits, thirty seconds, which every application knows) and the recovery codes
// for the day when the phone is lost. A code is good once: the step of the last one is kept, and only later ones count.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const SECRET_BYTES = 20;
/** Phones' clocks and ours differ: one step to either side (RFC 6238 §5.2). */
const WINDOW = 1;
const STEP_MS = 30_000;
const RECOVERY_CODES = 8;
const RECOVERY_BYTES = 10;

export type Enrolment = { readonly secret: string; /** For a phone's camera. */ readonly uri: string };

/** A new secret, in base 32. */
export async function enrol(issuer: string, user: string): Promise<Enrolment> {
  const { Secret, TOTP } = await load();
  const secret = new Secret({ buffer: Uint8Array.from(randomBytes(SECRET_BYTES)).buffer });
  return { secret: secret.base32, uri: new TOTP({ issuer, label: user, secret }).toString() };
}

/** The step of a right code that has not been used, or null. `lastStep`: that of the last one that was. */
export async function stepOf(secret: string, code: string, lastStep: number, nowMs: number): Promise<number | null> {
  const digits = code.replace(/[\s-]/g, "");
  if (!/^[0-9]{6}$/.test(digits)) return null;
  const { Secret, TOTP } = await load();
  const delta = new TOTP({ secret: Secret.fromBase32(secret) }).validate({ token: digits, window: WINDOW, timestamp: nowMs });
  if (delta === null) return null;
  const step = Math.floor(nowMs / STEP_MS) + delta;
  return step > lastStep ? step : null;
}

/** Codes to write down, and what is kept of them. They are random: a fast hash keeps them as well as a slow one. */
export function recoveryCodes(): { readonly codes: readonly string[]; readonly kept: readonly string[] } {
  const codes = Array.from({ length: RECOVERY_CODES }, () => randomBytes(RECOVERY_BYTES).toString("hex").replace(/(.{5})(?=.)/g, "$1-"));
  return { codes, kept: codes.map(keep) };
}

/** What is left when this code has been used; null: it is none of them. */
export function useRecovery(code: string, kept: readonly string[]): readonly string[] | null {
  const asked = Buffer.from(keep(code));
  const left = kept.filter((each) => !timingSafeEqual(Buffer.from(each), asked));
  return left.length === kept.length ? null : left;
}

function keep(code: string): string {
  return createHash("sha256").update(code.toLowerCase().replace(/[^0-9a-f]/g, "")).digest("hex");
}

/** Loaded with the first user who has one. */
function load(): Promise<typeof import("otpauth")> {
  return import("otpauth");
}
