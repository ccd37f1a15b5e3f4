import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonical } from "./host-hash.ts";
import { loadGood } from "./testing.ts";

const env = { PW: "hunter2", OTHER: "hunter2", TOKEN: "t" };

function text({ host = "", rest = "", device = "", address = "10.0.0.1" }: { host?: string; rest?: string; device?: string; address?: string } = {}): string {
  return `hosts: { a: { address: "${address}", power: s/1${host} }, b: { address: h2 } }\n${rest}power: { s: { driver: apc, address: 10.0.0.9, password: { env: PW }${device} } }\n`;
}

async function hashOf(yaml: string, environment: Record<string, string> = env, hostname = "watcher-1"): Promise<string> {
  const { policy } = await loadGood(yaml, { env: environment, machine: { addresses: [], hostname } });
  return policy.hosts.get("a")?.hash ?? "";
}

const CHANGES = {
  address: text({ address: "10.0.0.2" }),
  "the address's port": text({ address: "10.0.0.1:2222" }),
  probes: text({ host: ", probes: [ssh]" }),
  "an option of a probe": text({ host: ", probes: [ping, { ssh: { port: 2222 } }]" }),
  "whether ping counts": text({ host: ", probes: [{ ping: { required: true } }, ssh]" }),
  "the time-out of a probe": text({ host: ", probes: [ping, { ssh: { timeout: 2s } }]" }),
  "the round rule": text({ host: ", rounds: { good: 1 of 1 }" }),
  threshold: text({ host: ", threshold: 3" }),
  "the outlet": text().replace("s/1", "s/2"),
  "a second feed": text().replace("s/1", "s/1 + s/2"),
  "the device's address": text().replace("10.0.0.9", "10.0.0.8"),
  group: text({ rest: "groups: { g: { hosts: [a] } }\n" }),
  "the budget": text({ host: ", brakes: { perHost: { cycles: 2 } }" }),
  "the budget of the fleet": text({ rest: "brakes: { perHost: { within: 1h } }\n" }),
};

for (const [what, changed] of Object.entries(CHANGES)) {
  test(`another ${what} is another hash`, async () => {
    assert.notEqual(await hashOf(changed), await hashOf(text()));
  });
}

const SAME = {
  "the pace": text({ host: ", every: 9s, timeout: 2s" }),
  "the times of an operation": text({ host: ", boot: 9m, offFor: 9s, debounce: 1m, settle: 1s" }),
  "arming": text({ host: ", armed: false" }),
  "what it hangs on": text({ host: ", behind: b" }),
  "the defaults, said": text({ host: ", probes: [ping, ssh], threshold: 5, brakes: { perHost: { cycles: 3, within: 6h } }" }),
  "the order of options": text({ host: ", probes: [{ ping: { required: false, count: 2 } }, { ssh: { port: 22 } }]" }),
  "another host": text().replace("h2", "h3"),
  "the user and the times of the device": text({ device: ", username: root, timeout: 1s, check: 1m" }),
  "where the secret is": text().replace("env: PW", "env: OTHER"),
  "who watches": text({ rest: "watcher: { name: other, host: a }\n" }),
};

for (const [what, changed] of Object.entries(SAME)) {
  test(`${what}: the same hash`, async () => {
    assert.equal(await hashOf(changed), await hashOf(text()));
  });
}

test("a secret's value is not in the hash, where it comes from is", async () => {
  const yaml = (header: string): string => text({ host: `, probes: [{ http: { url: "http://{address}/", headers: { Authorization: ${header} } } }]` });
  assert.equal(await hashOf(yaml("{ env: TOKEN }")), await hashOf(yaml("{ env: TOKEN }"), { ...env, TOKEN: "another" }));
  assert.notEqual(await hashOf(yaml("{ env: TOKEN }")), await hashOf(yaml("{ env: OTHER }")));
  assert.equal(await hashOf(yaml("one")), await hashOf(yaml("two")), "a literal leaves nothing of itself");
});

test("two watchers on different machines have the same hashes", async () => {
  assert.equal(await hashOf(text(), env, "here"), await hashOf(text(), env, "there"));
});

test("the hash of the smallest host does not change from release to release", async () => {
  // Seen-healthy and proofs of outlets hang on it: another value here costs every installation all of them.
  assert.equal(await hashOf(text()), "00b2412cb14924f8");
});

test("the hash of a host with every probe of the first release does not change either", async () => {
  const { policy } = await loadGood(`hosts:
  a: { address: "10.0.0.1", power: s/1, probes: [ping, ssh, { ping: { required: true, count: 3 } }, { ssh: { port: 2222 } }, { tcp: { port: 53, send: a, expect: b } }, dns, { dns: { name: x, answer: y, tcp: true } }, { http: { url: "http://{address}/", body: x, headers: { Authorization: { env: PW }, Accept: text, Cookie: { file: x } } } }] }
  b: { address: "10.0.0.2:80", power: s/2, probes: [tcp] }
power: { s: { driver: apc, address: 10.0.0.9, password: { env: PW } } }
`, { env, files: { x: "c\n" } });
  assert.deepEqual(["a", "b"].map((name) => policy.hosts.get(name)?.hash), ["13735adc8737466f", "9dda634ae7f3d647"]);
});

test("the canonical form does not know the order of keys, and knows everything else", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
    const turned = Object.fromEntries(Object.entries(value).reverse());
    assert.equal(canonical(turned), canonical(value));
    assert.deepEqual(JSON.parse(canonical(value)), JSON.parse(JSON.stringify(value)));
  }));
});
