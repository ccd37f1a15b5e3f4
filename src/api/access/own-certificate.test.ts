// The certificate that a watcher makes: accepted by OpenSSL, used by Node, kept, renewed in time, with its key for itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { ownCertificate } from "./own-certificate.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2027, 0, 1);

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-certificate-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("OpenSSL takes it for every name and address that it was made for, and for no other", (t) => {
  const folder = folderFor(t);
  const names = ["watcher.lan", "10.77.0.5", "fd77::5", "::ffff:10.1.2.3"];
  const { cert, fingerprint, made } = ownCertificate(folder, names, NOW_MS);
  assert.equal(made, true);
  const file = join(folder, "api.crt");
  const seconds = String(NOW_MS / 1_000);
  const verify = (...more: string[]) => execFileSync("openssl", ["verify", "-x509_strict", "-attime", seconds, "-purpose", "sslserver", "-CAfile", file, ...more, file], { encoding: "utf8", stdio: "pipe" });
  for (const name of [["-verify_hostname", "watcher.lan"], ["-verify_hostname", "localhost"], ["-verify_ip", "10.77.0.5"], ["-verify_ip", "fd77::5"], ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]]) assert.match(verify(...name), /: OK\n$/, name.join(" "));
  for (const name of [["-verify_hostname", "evil.example"], ["-verify_ip", "10.77.0.6"], ["-verify_ip", "fd77::6"]]) assert.throws(() => verify(...name), /mismatch/, name.join(" "));
  assert.equal(execFileSync("openssl", ["x509", "-in", file, "-noout", "-fingerprint", "-sha256"], { encoding: "utf8" }).trim().split("=")[1], fingerprint);
  const read = new X509Certificate(cert);
  assert.equal(read.ca, false);
  assert.ok(read.verify(read.publicKey));
  assert.equal(read.checkIP("::ffff:10.1.2.3"), "::ffff:10.1.2.3");
});

test("it is kept, with its key for this user alone; made anew with the same key when a name is missing or its end is near", (t) => {
  const folder = folderFor(t);
  const first = ownCertificate(folder, ["watcher.lan"], NOW_MS);
  for (const file of ["api.key", "api.crt"]) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600);
  const again = ownCertificate(folder, ["watcher.lan"], NOW_MS + 700 * DAY_MS);
  assert.deepEqual([again.made, again.fingerprint, again.key], [false, first.fingerprint, first.key]);
  const named = ownCertificate(folder, ["watcher.lan", "new.lan"], NOW_MS);
  assert.deepEqual([named.made, named.key === first.key, named.fingerprint === first.fingerprint], [true, true, false]);
  const late = ownCertificate(folder, ["watcher.lan", "new.lan"], NOW_MS + 780 * DAY_MS);
  assert.deepEqual([late.made, late.key === first.key], [true, true]);
  assert.ok(Date.parse(new X509Certificate(late.cert).validTo) > NOW_MS + 1_500 * DAY_MS);
});

test("a machine that begins in 1970 makes one that still holds when its clock is right", (t) => {
  const folder = folderFor(t);
  const born = ownCertificate(folder, ["pi.lan"], 0);
  assert.equal(ownCertificate(folder, ["pi.lan"], NOW_MS).fingerprint, born.fingerprint);
});

test("what cannot be read is made anew: a torn key, a torn certificate, the certificate of another key", (t) => {
  const folder = folderFor(t);
  const first = ownCertificate(folder, ["a.lan"], NOW_MS);
  writeFileSync(join(folder, "api.crt"), first.cert.slice(0, 200));
  const second = ownCertificate(folder, ["a.lan"], NOW_MS);
  assert.deepEqual([second.made, second.key === first.key], [true, true]);
  writeFileSync(join(folder, "api.key"), "");
  const third = ownCertificate(folder, ["a.lan"], NOW_MS);
  assert.notEqual(third.key, first.key);
  assert.ok(new X509Certificate(third.cert).checkPrivateKey(createPrivateKey(third.key)));
});

test("many names, long names, names that are none", (t) => {
  const folder = folderFor(t);
  const { cert } = ownCertificate(folder, [`${"x".repeat(63)}.${"y".repeat(63)}.lan`, "not a name", "<b>", ...Array.from({ length: 100 }, (_, n) => `host-${n}.lan`)], NOW_MS);
  assert.equal(new X509Certificate(cert).checkHost("host-40.lan"), "host-40.lan");
  assert.doesNotMatch(cert, /<b>/);
});
