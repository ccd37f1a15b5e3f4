// What the tests of several stores need: a store that does not open, and certificates, good and bad.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { UpkeepError } from "../core/errors.ts";
import type { SharedStore } from "./store.ts";

/** Why it did not open. */
export async function refusal(opening: Promise<SharedStore>): Promise<UpkeepError> {
  let store: SharedStore;
  try {
    store = await opening;
  } catch (error) {
    assert.ok(error instanceof UpkeepError, String(error));
    return error;
  }
  await store.close();
  assert.fail("it opened");
}

/** Paths of PEM files. */
export type Pair = { readonly cert: string; readonly key: string };

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** A certificate authority of its own. */
export function authority(folder: string, name: string): Pair {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", `/CN=${name}`, "-keyout", key, "-out", cert);
  return { cert, key };
}

/** For 127.0.0.1 and for clients; `days` may be negative: then it ended yesterday. */
export function issue(folder: string, by: Pair, name: string, days: number): Pair {
  const [cert, key, request, extensions] = ["crt", "key", "csr", "ext"].map((kind) => join(folder, `${name}.${kind}`)) as [string, string, string, string];
  writeFileSync(extensions, "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=${name}`, "-keyout", key, "-out", request);
  openssl("x509", "-req", "-in", request, "-CA", by.cert, "-CAkey", by.key, "-CAcreateserial", "-days", String(days), "-extfile", extensions, "-out", cert);
  return { cert, key };
}
