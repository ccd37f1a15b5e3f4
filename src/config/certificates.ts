// Certificates and keys in PEM, read and looked at when the configuration is: one that has expired, or a key that is another's,
// is an error here, because at night the other end would only say "refused". One that is not valid yet is none: a machine
// without a clock of its own starts in 1970 and is set right later.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { isAbsolute, join } from "node:path";
import type { Gathered } from "./gather.ts";
import type { ProblemList } from "./problems.ts";
import type { SecretReader } from "./secrets.ts";

export type Path = readonly (string | number)[];
export type Work = { readonly gathered: Gathered; readonly secrets: SecretReader; readonly problems: ProblemList; readonly nowMs: number };

const DAY_MS = 86_400_000;
export const EXPIRES_SOON_MS = 14 * DAY_MS;

/** A file as it is; null when it cannot be read, which has been told. `secret`: linted when everybody may read it. */
export async function pemOf(name: string, at: Path, secret: boolean, { gathered, secrets, problems }: Work): Promise<string | null> {
  const path = isAbsolute(name) ? name : join(gathered.directory, name);
  const place = gathered.at.place(at);
  const found = await secrets.text(path, place, secret);
  if (typeof found === "string") return found;
  problems.add(place, "FILE_UNREADABLE", `${path}: ${found.wrong}`);
  return null;
}

/** At least one; null when there is none, which has been told. */
export function certificatesIn(pem: string, at: Path, { gathered, problems }: Work): readonly X509Certificate[] | null {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // Told below, in the same words.
  }
  problems.add(gathered.at.place(at), "CERTIFICATE_INVALID", "there is no certificate in PEM in this file", "-----BEGIN CERTIFICATE----- …");
  return null;
}

/** Whether the one that is valid longest still is; `otherwise`: what happens when it is not. */
export function stillValid(certificates: readonly X509Certificate[] | undefined, at: Path, otherwise: string, { gathered, problems, nowMs }: Work): boolean {
  const [longest] = (certificates ?? []).toSorted((one, other) => Date.parse(other.validTo) - Date.parse(one.validTo));
  if (longest === undefined) return true;
  const leftMs = Date.parse(longest.validTo) - nowMs;
  const name = longest.subject.replaceAll("\n", ", ").slice(0, 100);
  if (leftMs <= 0) problems.add(gathered.at.place(at), "CERTIFICATE_INVALID", `the certificate of ${name} has expired: it was valid to ${longest.validTo}`, "put a new one in its place");
  else if (leftMs < EXPIRES_SOON_MS) problems.add(gathered.at.place(at), "CERTIFICATE_EXPIRES", `the certificate of ${name} is valid to ${longest.validTo}`, otherwise);
  return leftMs > 0;
}

/** Whether the key is the certificate's. */
export function belong(key: string, certificate: X509Certificate, at: Path, { gathered, problems }: Work): boolean {
  const place = gathered.at.place(at);
  try {
    if (certificate.checkPrivateKey(createPrivateKey(key))) return true;
    problems.add(place, "CERTIFICATE_INVALID", "this is the key of another certificate", "cert and key belong together");
  } catch {
    // What the library says may quote the file.
    problems.add(place, "CERTIFICATE_INVALID", /ENCRYPTED/.test(key) ? "the key is protected by a passphrase" : "there is no private key in PEM in this file", "a watcher that starts by itself needs a key without one");
  }
  return false;
}
