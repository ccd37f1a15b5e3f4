// The interface's TLS as it follows from where it listens and what the configuration says, with certificates that openssl made.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { lacking } from "../../lab/third-party.ts";
import { formatProblem } from "./problems.ts";
import { codesOf, loadText } from "./testing.ts";

const ONE = "alerts: { mail: { to: root } }\nwatcher: { references: [10.0.0.1] }\nhosts: { a: { address: 10.0.0.2 } }\n";
const DAY_MS = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), "upkeep-api-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("TLS off loopback, none on it; files and none as they are asked for", async () => {
  const tlsOf = async (api: string) => {
    const loaded = await loadText(`${ONE}api: ${api}\n`);
    assert.ok(loaded.ok, loaded.problems.map(formatProblem).join("\n"));
    return [loaded.config.shell.api.tls, codesOf(loaded.problems, "warning").map((line) => line.split(" ")[1]).join()];
  };
  for (const listen of ["127.0.0.1:8080", "127.9.9.9:1", "localhost:8080", "[::1]:8080"]) assert.deepEqual(await tlsOf(`{ listen: "${listen}" }`), ["none", ""], listen);
  for (const listen of ["0.0.0.0:8443", "10.0.0.5:8443", "[::]:8443", "watcher.lan:8443"]) assert.deepEqual(await tlsOf(`{ listen: "${listen}" }`), ["own", ""], listen);
  assert.deepEqual(await tlsOf(`{ listen: "0.0.0.0:80", tls: none }`), ["none", "API_PLAIN"]);
  assert.deepEqual(await tlsOf("{ tls: none }"), ["none", ""]);
  assert.deepEqual(await tlsOf("{ listen: null }"), ["none", ""]);
  const named = await loadText(`${ONE}api: { names: [watcher.example.org, watcher, 10.0.0.5] }\n`);
  assert.deepEqual(named.ok && named.config.shell.api.names, ["watcher.example.org", "watcher", "10.0.0.5"]);
});

test("a pair that fits is taken, on loopback, too; one that does not is an error; one that has expired is none", { skip: lacking("openssl") }, async () => {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  for (const name of ["one", "two"]) openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`);
  const files = Object.fromEntries(["one.pem", "one.key", "two.pem", "two.key"].map((name) => [name, readFileSync(join(folder, name), "utf8")]));
  const load = (tls: string, nowMs = Date.now()) => loadText(`${ONE}api:\n  tls: ${tls}\n`, { files, nowMs });
  const good = await load("{ cert: one.pem, key: one.key }");
  assert.deepEqual(good.problems.map(formatProblem), []);
  assert.ok(good.ok && typeof good.config.shell.api.tls === "object");
  assert.deepEqual([good.config.shell.api.tls.cert, good.config.shell.api.tls.key.reveal()], [files["one.pem"], files["one.key"]]);
  assert.doesNotMatch(JSON.stringify(good.config), /PRIVATE KEY/);
  const crossed = await load("{ cert: one.pem, key: two.key }");
  assert.deepEqual([crossed.ok, codesOf(crossed.problems, "error")], [false, ["5:30 CERTIFICATE_INVALID"]]);
  for (const days of [20, 40]) {
    const late = await load("{ cert: one.pem, key: one.key }", Date.now() + days * DAY_MS);
    assert.deepEqual([late.ok, codesOf(late.problems, "warning")], [true, ["5:16 CERTIFICATE_EXPIRES"]], "a watcher whose page nobody trusts still watches");
  }
});
