// The certificate that a watcher makes for itself, so that nobody's password ever crosses a network in the clear because there
// was no certificate yet (ADR 19.3). It is kept in the data folder with its key, names this machine as it can be called, and is
// made anew before it ends or when a configured name is missing in it. The key stays the same then.
//
// Nobody vouches for it but its fingerprint, which the watcher prints: who compares it once knows whom he talks to.

import type { KeyObject } from "node:crypto";
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { syncFolder } from "../../journal/data-folder.ts";
import { writeCertificate } from "../../protocol/certificate.ts";

const KEY_FILE = "api.key";
const CERTIFICATE_FILE = "api.crt";
const DAY_MS = 86_400_000;
/** Some browsers refuse more than 825 days. */
const VALID_MS = 800 * DAY_MS;
const RENEW_BEFORE_MS = 30 * DAY_MS;
/** Before this was written nobody made a certificate by it: a machine that starts in 1970, without a clock, makes one that holds. */
const EPOCH_MS = Date.UTC(2026, 10, 1);
const NAMES_MAX = 64;

/** PEM, and the SHA-256 of the certificate as browsers show it. */
export type OwnCertificate = { readonly cert: string; readonly key: string; readonly fingerprint: string; readonly made: boolean };

/** The certificate in this folder, made or renewed where that is needed. `names`: hosts and addresses that it must hold. */
export function ownCertificate(folder: string, names: readonly string[], nowMs: number): OwnCertificate {
  const keyPath = join(folder, KEY_FILE);
  const certificatePath = join(folder, CERTIFICATE_FILE);
  const key = readKey(keyPath);
  if (key !== null) {
    const cert = readCertificate(certificatePath, key);
    if (cert !== null && Date.parse(cert.validTo) - nowMs > RENEW_BEFORE_MS && names.every((name) => holds(cert, name))) {
      return { cert: cert.toString(), key: pemOf(key), fingerprint: cert.fingerprint256, made: false };
    }
  }
  const usedKey = key ?? generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
  if (key === null) writePrivate(keyPath, pemOf(usedKey));
  const cert = make(usedKey, [...names, ...thisMachine()], nowMs);
  writePrivate(certificatePath, cert.toString());
  syncFolder(folder);
  return { cert: cert.toString(), key: pemOf(usedKey), fingerprint: cert.fingerprint256, made: true };
}

function make(key: KeyObject, asked: readonly string[], nowMs: number): X509Certificate {
  const all = [...new Set(asked.map((name) => name.toLowerCase()))].slice(0, NAMES_MAX);
  const fromMs = Math.max(nowMs, EPOCH_MS);
  const names = all.filter((name) => isIP(name) === 0 && /^[a-z0-9_*-]+(\.[a-z0-9_-]+)*$/.test(name) && name.length <= 253);
  return new X509Certificate(writeCertificate({
    // RFC 5280, upper bound of a common name: 64.
    commonName: (names.find((name) => name.length <= 64) ?? "upkeep"),
    names,
    addresses: all.filter((name) => isIP(name) !== 0).map(addressBytes),
    // A clock that is slow is no reason to distrust it.
    notBeforeMs: EPOCH_MS - DAY_MS, notAfterMs: fromMs + VALID_MS,
    serial: randomBytes(16),
    publicKey: createPublicKey(key).export({ type: "spki", format: "der" }),
  }, (bytes) => sign("sha256", bytes, key)));
}

/** What this machine is called, and its addresses as they are now. */
function thisMachine(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []).map(({ address }) => address.replace(/%.*$/, ""));
  return [hostname(), "localhost", "127.0.0.1", "::1", ...addresses];
}

function holds(cert: X509Certificate, name: string): boolean {
  return (isIP(name) === 0 ? cert.checkHost(name) : cert.checkIP(name)) !== undefined;
}

function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split(".").map(Number));
  // Written out in full: each group of the URL's canonical form, the gap filled with zeros.
  const [head = "", tail = ""] = (URL.parse(`http://[${address}]/`)?.hostname ?? "[::]").slice(1, -1).split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail)];
  const whole = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Uint8Array.from(whole.flatMap((group) => [group >> 8, group & 0xff]));
}

function readKey(path: string): KeyObject | null {
  try {
    const key = createPrivateKey(readFileSync(path, "utf8"));
    return key.asymmetricKeyType === "ec" ? key : null;
  } catch {
    // Absent, or broken by somebody: another one is made.
    return null;
  }
}

function readCertificate(path: string, key: KeyObject): X509Certificate | null {
  try {
    const certificate = new X509Certificate(readFileSync(path));
    return certificate.checkPrivateKey(key) ? certificate : null;
  } catch {
    return null;
  }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** Whole or not at all, and readable by us alone from its first byte on. */
function writePrivate(path: string, text: string): void {
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}
