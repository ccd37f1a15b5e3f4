// `store:` from text to what is opened; certificates are made by openssl, since Node can read them and make none.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { StoreSpec } from "./config.ts";
import { diffConfig } from "./diff.ts";
import { effectiveOf, formatEffective } from "./effective.ts";
import { openStoreSecrets } from "./open.ts";
import { formatProblem } from "./problems.ts";
import { membersOn } from "./resolve-store.ts";
import { codesOf, loadGood, loadText } from "./testing.ts";

const ONE = "hosts: { a: { address: 10.0.0.1 }, b: { address: \"fd77::1\" } }\nwatcher: { name: w, references: [192.0.2.254] }\nalerts: { command: [x] }\n";
const DAY_MS = 86_400_000;

async function specOf(store: string, env: Record<string, string> = {}): Promise<StoreSpec> {
  return (await loadGood(`${ONE}store: ${store}\n`, { env })).shell.store;
}

test("nothing said is the embedded store, and no watcher shares it", async () => {
  const { shell, policy } = await loadGood(ONE);
  assert.deepEqual([shell.store, policy.shared, policy.hosts.get("a")?.storeMembers], [{ kind: "embedded" }, null, 0]);
  assert.deepEqual(await specOf("embedded"), { kind: "embedded" });
});

test("endpoints are whole, with port and scheme; TLS follows from https, and from tls for those without a scheme", async () => {
  const plain = await specOf('{ etcd: { endpoints: [e1, "e2:4001", "http://e3", "[fd77::3]:2379", "fd77::4"] } }');
  assert.deepEqual(plain, {
    kind: "etcd", endpoints: ["http://e1:2379", "http://e2:4001", "http://e3:2379", "http://[fd77::3]:2379", "http://[fd77::4]:2379"], members: ["e1", "e2", "e3", "fd77::3", "fd77::4"],
    prefix: "/upkeep/", ttlMs: 10_000, callMs: 3_000, tls: null, auth: null,
  });
  for (const store of ['{ etcd: { endpoints: ["https://e1", e2] } }', "{ etcd: { endpoints: [e1, e2], tls: true } }", "{ etcd: { endpoints: [e1, e2], tls: {} } }"]) {
    const secure = await specOf(store);
    assert.ok(secure.kind === "etcd");
    assert.deepEqual([secure.endpoints, secure.tls], [["https://e1:2379", "https://e2:2379"], { ca: null, cert: null, key: null }], store);
    assert.deepEqual(openStoreSecrets(secure), { tls: {} });
  }
  const zookeeper = await specOf("{ zookeeper: { servers: [z1, \"z2:2182\"], prefix: /site/a, ttl: 20s, timeout: 5s, user: u, password: { env: PW } } }", { PW: "sesame" });
  assert.ok(zookeeper.kind === "zookeeper");
  assert.deepEqual([zookeeper.servers, zookeeper.prefix, zookeeper.ttlMs, zookeeper.callMs, openStoreSecrets(zookeeper)], [["z1:2181", "z2:2182"], "/site/a", 20_000, 5_000, { auth: { user: "u", password: "sesame" } }]);
  assert.doesNotMatch(JSON.stringify(zookeeper), /sesame/);
});

test("the policy knows how long a lease is, and on which hosts the store runs; the host hash does not", async () => {
  const alone = await loadGood(ONE);
  const config = await loadGood(`${ONE}store: { etcd: { endpoints: [A, "http://[fd77:0:0::1]:1", "fd77::1", e3], ttl: 5s } }\n`);
  assert.deepEqual(config.policy.shared, { ttlMs: 5_000, members: 4 });
  assert.deepEqual([...config.policy.hosts.values()].map(({ name, storeMembers }) => [name, storeMembers]), [["a", 1], ["b", 2]]);
  assert.equal(config.policy.hosts.get("a")?.hash, alone.policy.hosts.get("a")?.hash);
  assert.equal(membersOn(config.shell.store, { name: "x", address: "e3." }), 1);
  const effective = formatEffective(effectiveOf(config, "b") ?? { host: "", hash: "", settings: [] }).join("\n");
  assert.match(effective, /^observers: 3, lone: hold +# etcd$/m);
  assert.match(effective, /^store: 2 of 4 servers run on it +# etcd$/m);
  assert.deepEqual(diffConfig(alone, config).rest, ["store"]);
});

const folder = mkdtempSync(join(tmpdir(), "upkeep-store-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("certificates: of one pair, in time, in PEM, without a passphrase", { skip: hasOpenssl() ? false : "there is no openssl" }, async () => {
  for (const name of ["one", "two"]) openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`);
  openssl("ec", "-in", "one.key", "-aes256", "-passout", "pass:x", "-out", "locked.key");
  const pem = (name: string): string => readFileSync(join(folder, name), "utf8");
  const files = { "one.pem": pem("one.pem"), "one.key": pem("one.key"), "two.pem": pem("two.pem"), "two.key": pem("two.key"), "locked.key": pem("locked.key"), "both.pem": `comment\n${pem("one.pem")}\n${pem("two.pem")}`, "none.pem": "hello\n", "torn.pem": pem("one.pem").replace(/\n[A-Za-z0-9+/]{10}/, "\n") };
  const load = (tls: string, nowMs = Date.now()) => loadText(`${ONE}store:\n  etcd:\n    endpoints: [e1, e2, e3]\n    tls: ${tls}\n`, { files, nowMs });

  const good = await load("{ ca: both.pem, cert: one.pem, key: one.key }");
  assert.deepEqual(good.problems.map(formatProblem), []);
  assert.ok(good.ok && good.config.shell.store.kind === "etcd");
  assert.deepEqual(openStoreSecrets(good.config.shell.store).tls, { ca: files["both.pem"], cert: files["one.pem"], key: files["one.key"] });
  assert.doesNotMatch(JSON.stringify(good.config.shell), /PRIVATE KEY/);

  const wrong = [
    ["{ cert: one.pem, key: two.key }", /key of another certificate/], ["{ ca: none.pem }", /no certificate in PEM/], ["{ ca: torn.pem }", /no certificate in PEM/], ["{ cert: one.pem, key: one.pem }", /no private key in PEM/],
    ["{ cert: one.pem, key: locked.key }", /passphrase/],
  ] as const;
  for (const [tls, said] of wrong) {
    const { ok, problems } = await load(tls);
    assert.deepEqual([ok, codesOf(problems, "error").map((line) => line.split(" ")[1])], [false, ["CERTIFICATE_INVALID"]], tls);
    assert.match(problems.map(formatProblem).join("\n"), said);
  }
  const late = await load("{ ca: both.pem, cert: one.pem, key: one.key }", Date.now() + 40 * DAY_MS);
  assert.deepEqual(codesOf(late.problems, "error"), ["7:16 CERTIFICATE_INVALID", "7:32 CERTIFICATE_INVALID"]);
  assert.match(late.problems.map(formatProblem).join("\n"), /the certificate of CN=one has expired: it was valid to/);
  const soon = await load("{ cert: one.pem, key: one.key }", Date.now() + 20 * DAY_MS);
  assert.deepEqual([soon.ok, codesOf(soon.problems, "warning")], [true, ["7:18 CERTIFICATE_EXPIRES"]]);
  // A machine that starts in 1970 is set right later; that is no mistake of the configuration.
  assert.equal((await load("{ cert: one.pem, key: one.key }", 0)).ok, true);
});
