import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { ApcOptions } from "../power/apc.ts";
import type { CommandOptions } from "../power/command.ts";
import { openDevice, openProbe } from "./open.ts";
import { loadGood } from "./testing.ts";

const TEXT = `
hosts:
  a: { address: 10.0.0.1, power: [bare, sucker/1], probes: [ping, ssh, { tcp: { port: 1, send: a } }, { dns: { name: x } }, { http: { url: "http://{address}/", headers: { Authorization: { env: TOKEN } }, body: ok } }] }
power:
  sucker: { driver: apc, address: 10.0.0.9, password: { env: PW }, deadline: 10s }
  bare: { driver: command, on: [a], off: [b] }
  relay: { driver: command, on: [a], off: [b], status: [c], timeout: 2s }
`;
const env = { PW: "hunter2", TOKEN: "Bearer hunter3" };

test("a driver gets its options whole, and the secret only here", async () => {
  const { shell } = await loadGood(TEXT, { env });
  const device = shell.devices.get("sucker");
  assert.ok(device !== undefined && !inspect(device, { depth: 9 }).includes("hunter2"));
  const open = openDevice(device);
  assert.ok(open.driver === "apc");
  assert.deepEqual(open.options satisfies ApcOptions, { host: "10.0.0.9", port: 23, username: "apc", password: "hunter2", dialect: "auto", stepMs: 5_000, maxActMs: 10_000 });
});

test("a command device gets argument lists; without a status an empty one", async () => {
  const { shell } = await loadGood(TEXT, { env });
  const opened = ["relay", "bare"].map((name) => {
    const device = shell.devices.get(name);
    assert.ok(device !== undefined);
    const open = openDevice(device);
    assert.ok(open.driver === "command");
    return open.options satisfies CommandOptions;
  });
  assert.deepEqual(opened[0], { on: ["a"], off: ["b"], status: ["c"], stepMs: 2_000, maxActMs: 30_000 });
  assert.deepEqual(opened[1]?.status, []);
});

// That they are those of src/probes is for the compiler to say: probes/index.ts.
test("every probe gets the options that it takes, secrets open", async () => {
  const { shell } = await loadGood(TEXT, { env });
  const options = (shell.hosts.get("a")?.probes ?? []).map((probe) => openProbe(probe).options);
  assert.deepEqual(options, [
    { count: 2 }, { port: 22 }, { port: 1, send: "a" }, { port: 53, type: "A", rcode: "NOERROR", tcp: false, name: "x" },
    { url: "http://10.0.0.1/", status: 200, headers: { Authorization: "Bearer hunter3" }, expiresMs: 604_800_000, body: "ok" },
  ]);
});

test("the probes of files, clocks, agents and plugins: what is left out, and secrets open only here", async () => {
  const text = `
hosts:
  a:
    address: 10.0.0.1
    probes:
      - nfs
      - rpc: { program: 100005, version: 3 }
      - ntp: { maxOffset: 30s }
      - snmp: { oid: .1.3.6.1.2.1.1.3.0 }
      - snmp: { oid: 1.3.6.1, version: 3, user: u, authPassword: { env: LONG }, privacyPassword: { env: LONG }, equals: 1 }
      - plugin: { command: [check_x, "{address}"], env: { X_PASSWORD: { env: PW } } }
      - dhcp: { interface: eth0 }
`;
  const { shell } = await loadGood(text, { env: { ...env, LONG: "hunter2-and-more" } });
  const probes = shell.hosts.get("a")?.probes ?? [];
  assert.ok(!inspect(probes, { depth: 9 }).includes("hunter2"));
  const secret = { protocol: "sha256", password: "hunter2-and-more" };
  assert.deepEqual(probes.map((probe) => openProbe(probe).options), [
    { port: 2_049, transport: "tcp" },
    { program: 100_005, version: 3, transport: "tcp" },
    { port: 123, maxOffsetMs: 30_000 },
    { port: 161, version: "2c", community: "public", user: null, context: "", oid: "1.3.6.1.2.1.1.3.0" },
    { port: 161, version: "3", community: "public", user: { name: "u", auth: secret, privacy: { ...secret, protocol: "aes" } }, context: "", oid: "1.3.6.1", equals: "1" },
    { command: ["check_x", "{address}"], warning: "good", env: { X_PASSWORD: "hunter2" } },
    { interface: "eth0" },
  ]);
  assert.deepEqual(probes.map(({ id }) => id), ["nfs", "rpc:100005", "ntp", "snmp:1.3.6.1.2.1.1.3.0", "snmp:1.3.6.1", "plugin:check_x", "dhcp"]);
  assert.equal(probes.at(-1)?.timeoutMs, 4_000);
});
