import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiConfig, Config } from "../config/config.ts";
import { Secret } from "../config/secret.ts";
import { loadGood } from "../config/testing.ts";
import { fixedParts, lateParts } from "./reconfigure.ts";

const load = (store: string, password = "one"): Promise<Config> => loadGood(`hosts: { a: { address: h } }\nstore: ${store}\n`, { env: { PW: password } });
const ETCD = "{ etcd: { endpoints: [e1, e2, e3], user: u, password: { env: PW } } }";

test("a running watcher keeps its doors; a certificate that was renewed by others is no reason to refuse", async () => {
  const withApi = (api: ApiConfig) => async (): Promise<Config> => {
    const config = await load("embedded");
    return { ...config, shell: { ...config.shell, api } };
  };
  const listen = { host: "0.0.0.0", port: 8_443 };
  const files = (cert: string) => withApi({ listen, required: false, names: [], tls: { cert, key: new Secret(`key of ${cert}`) } })();
  assert.deepEqual(fixedParts(await files("one"), await files("two")), []);
  for (const other of [{ listen, required: false, names: [], tls: "own" }, { listen, required: false, names: ["x.lan"], tls: { cert: "one", key: new Secret("k") } }, { listen: null, required: false, names: [], tls: "none" }] as const) {
    assert.deepEqual(fixedParts(await files("one"), await withApi(other)()), ["api cannot change while the watcher runs: restart it"]);
  }
});

test("a running watcher keeps its store; a password that was renewed is no reason to refuse the rest", async () => {
  const before = await load(ETCD);
  for (const store of ["embedded", ETCD.replace("e3", "e4"), ETCD.replace("user: u", "user: w"), ETCD.replace("user", "ttl: 20s, user"), ETCD.replace("user", "tls: true, user"), ETCD.replace("user", "prefix: /b, user"), "{ zookeeper: { servers: [e1, e2, e3] } }"]) {
    assert.deepEqual(fixedParts(before, await load(store)), ["store cannot change while the watcher runs: restart it"], store);
  }
  assert.deepEqual([fixedParts(before, await load(ETCD)), lateParts(before, await load(ETCD))], [[], []]);
  const renewed = await load(ETCD, "two");
  assert.deepEqual(fixedParts(before, renewed), []);
  assert.match(lateParts(before, renewed).join(), /^the password or the certificates .* next start on$/);
});
