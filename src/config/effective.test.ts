import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveOf, formatEffective } from "./effective.ts";
import { loadGood } from "./testing.ts";

const TEXT = `
armed: false
defaults: { timeout: 2s }
groups: { g: { hosts: [a], every: 10s } }
hosts:
  a: { address: "10.0.0.1:2222", power: [bmc, s/5 + s/6], retry: [5s, 10s, 30s], behind: sw, probes: [ping, { http: { url: "http://{address}/", headers: { Authorization: { env: TOKEN } } } }] }
  b: { address: "fd77::1" }
power:
  s: { driver: apc, address: 10.0.0.9, password: { env: TOKEN } }
  bmc: { driver: command, on: [x, "{host}"], off: [x], status: [x] }
`;

test("what holds is shown as it would be written, with the origin of each value", async () => {
  const config = await loadGood(TEXT, { env: { TOKEN: "hunter2" } });
  const effective = effectiveOf(config, "a");
  assert.ok(effective !== null);
  assert.deepEqual(formatEffective(effective), [
    `# a, host hash ${effective.hash}`,
    "address: 10.0.0.1:2222       # host",
    "group: g                     # groups",
    "power: [bmc@a/1, s/5 + s/6]  # host",
    "armed: false                 # armed: false at the top",
    "probes:                      # host",
    "  - ping: { count: 2, timeout: 2s }  (evidence only)",
    '  - http: { url: "http://10.0.0.1/", status: 200, headers: [Authorization], expires: 7d, timeout: 2s }',
    "rounds: 1 of 1               # built in",
    "every: 10s                   # group g",
    "timeout: 2s                  # defaults",
    "threshold: 4                 # retry ladder",
    "retry: [5s, 10s, 30s]        # host",
    "debounce: 40s                # built in",
    "boot: 5m                     # built in",
    "offFor: 5s                   # built in",
    "healthyFor: 10s              # built in",
    "offConfirm: 30s              # built in",
    "onConfirm: 30s               # built in",
    "settle: 30s                  # built in",
    "brakes.perHost.cycles: 3     # built in",
    "brakes.perHost.within: 6h    # built in",
    "behind: sw                   # host",
  ]);
});

test("a host without power says that it is watched only, and no host is no answer", async () => {
  const config = await loadGood(TEXT, { env: { TOKEN: "hunter2" } });
  const lines = formatEffective(effectiveOf(config, "b") ?? { host: "", hash: "", settings: [] }).join("\n");
  assert.match(lines, /^address: fd77::1 /m);
  assert.match(lines, /^group: ungrouped +# no group$/m);
  assert.match(lines, /^power: none: watched, never cut/m);
  assert.equal(effectiveOf(config, "c"), null);
});

test("a round may last as long as the slowest of its probes, or its time-out would never count", async () => {
  const config = await loadGood("hosts: { a: { address: 10.0.0.1, probes: [ping, { ssh: { timeout: 4s } }] } }");
  assert.equal(config.policy.hosts.get("a")?.timeoutMs, 4_000);
  assert.equal(config.shell.hosts.get("a")?.probes[0]?.timeoutMs, 1_000);
  const lines = formatEffective(effectiveOf(config, "a") ?? { host: "", hash: "", settings: [] });
  assert.ok(lines.some((line) => /^timeout: 4s +# the longest of its probes$/.test(line)), lines.join("\n"));
});
