// Who one end of the link is: an EC key of its own and a certificate that it has signed itself. Nobody vouches for it; the other
// end knows the SHA-256 of the public key (its pin) from an enrolment (ADR 30). Key and certificate stand in one file, so that
// there is never the one without the other, whenever the machine is switched off.
//
// Long before it ends another one is made, announced over the link while the first still proves who is speaking, and put in its
// place when the other end has it on record.

import { X509Certificate, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeCertificate } from "../protocol/certificate.ts";

const DAY_MS = 86_400_000;
export const VALID_MS = 400 * DAY_MS;
export const RENEW_BEFORE_MS = 130 * DAY_MS;
/** Before this was written nobody made a certificate by it: a machine that starts in 1970, without a clock, makes one that holds. */
const EPOCH_MS = Date.UTC(2026, 10, 1);
const CURRENT = "identity.pem";
const NEXT = "identity.next.pem";

export type Identity = {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo, DER), hexadecimal. */
  readonly pin: string;
  readonly notAfterMs: number;
};

/** The pin of whoever showed this certificate. */
export function pinOf(certificate: X509Certificate): string {
  return createHash("sha256").update(certificate.publicKey.export({ type: "spki", format: "der" })).digest("hex");
}

/** Whether a certificate is good at this time; null: it is. While the clock is not synchronised nothing expires. */
export function datesRefused(certificate: X509Certificate, now: { readonly wallMs: number; readonly synced: boolean }): string | null {
  if (!now.synced) return null;
  const at = new Date(now.wallMs).toISOString();
  if (now.wallMs > Date.parse(certificate.validTo)) return `the certificate was valid to ${certificate.validTo}, and it is ${at} here`;
  return now.wallMs < Date.parse(certificate.validFrom) ? `the certificate is valid from ${certificate.validFrom}, and it is ${at} here` : null;
}

/** The identity in this folder, or null where there is none that can be read. */
export function readIdentity(folder: string, which: "current" | "next" = "current"): Identity | null {
  try {
    const text = readFileSync(join(folder, which === "current" ? CURRENT : NEXT), "latin1");
    const key = createPrivateKey(text);
    const certificate = new X509Certificate(text.slice(text.indexOf("-----BEGIN CERTIFICATE-----")));
    if (!certificate.checkPrivateKey(key)) return null;
    return { key: key.export({ type: "pkcs8", format: "pem" }) as string, cert: certificate.toString(), pin: pinOf(certificate), notAfterMs: Date.parse(certificate.validTo) };
  } catch {
    return null;
  }
}

/** The identity in this folder, made where there is none. */
export function ownIdentity(folder: string, name: string, wallMs: number): Identity {
  return readIdentity(folder) ?? makeIdentity(folder, name, wallMs, CURRENT);
}

/** The one that comes after it, made where there is none and it is time; null: it is not time yet. */
export function nextIdentity(folder: string, name: string, wallMs: number): Identity | null {
  const next = readIdentity(folder, "next");
  const current = readIdentity(folder);
  if (next !== null) return next;
  return current === null || current.notAfterMs - wallMs > RENEW_BEFORE_MS ? null : makeIdentity(folder, name, wallMs, NEXT);
}

/** The next one is the current one from now on. */
export function promoteIdentity(folder: string): void {
  renameSync(join(folder, NEXT), join(folder, CURRENT));
  syncFolder(folder);
}

export function forgetIdentity(folder: string): void {
  for (const name of [CURRENT, NEXT]) rmSync(join(folder, name), { force: true });
}

function makeIdentity(folder: string, name: string, wallMs: number, file: string): Identity {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const notAfterMs = Math.max(wallMs, EPOCH_MS) + VALID_MS;
  const certificate = new X509Certificate(writeCertificate(
    { commonName: name.slice(0, 64), names: [], addresses: [], notBeforeMs: EPOCH_MS - DAY_MS, notAfterMs, serial: randomBytes(16), publicKey, client: true },
    (bytes) => sign("sha256", bytes, privateKey),
  ));
  const key = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeWhole(join(folder, file), `${key}${certificate.toString()}`);
  return { key, cert: certificate.toString(), pin: pinOf(certificate), notAfterMs: Date.parse(certificate.validTo) };
}

/** Whole or not at all, on the disk when this returns, and readable by us alone from its first byte on. */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
