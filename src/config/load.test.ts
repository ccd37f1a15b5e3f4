import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { LIMITS } from "../core/policy.ts";
import type { HostPolicy } from "../core/policy.ts";
import type { Config } from "./config.ts";
import { loadConfig } from "./load.ts";
import type { Loaded } from "./load.ts";
import { codesOf, loadGood, loadText, MACHINE } from "./testing.ts";

const DEVICES = `power:
  sucker: { driver: apc, address: 10.0.0.9, password: { env: PW } }
  sucker2: { driver: apc, address: "[fd77::9]:2323", username: admin, password: { env: PW }, dialect: shell, timeout: 2s, deadline: 20s, check: 1m }
  bmc: { driver: command, address: "{host}-bmc", on: [ipmi, "{address}", "on"], off: [ipmi, "{address}", "off"], status: [ipmi, "{address}"] }
`;
const env = { PW: "hunter2\n" };

function hostOf(config: Config, name: string): HostPolicy {
  const host = config.policy.hosts.get(name);
  assert.ok(host !== undefined, `host ${name}`);
  return host;
}

async function folder(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "upkeep-config-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), content, { mode: 0o600 });
  }
  return directory;
}

test("the smallest example of the design holds with the documented defaults", async () => {
  const text = await readFile(new URL("../../examples/smallest.yaml", import.meta.url), "utf8");
  const readSecrets = async (path: string): Promise<string> => (path === "/etc/upkeep/sucker.password" ? "hunter2\n" : text);
  const { policy, shell } = await loadGood(text, { readFile: readSecrets });
  const logos = hostOf({ policy } as Config, "logos");
  const { hash, ...rest } = logos;
  assert.match(hash, /^[0-9a-f]{16}$/);
  assert.deepEqual(rest, {
    name: "logos", address: "10.0.0.11", group: "ungrouped", behind: null, armed: true, everyMs: 5_000, timeoutMs: 1_000, threshold: 5, retryMs: [],
    debounceMs: 40_000, bootMs: 300_000, offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
    probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null, levels: [[{ device: "sucker", outlet: "2" }]],
    budget: { cycles: 3, withinMs: 21_600_000 }, self: false, storeMembers: 0,
  });
  assert.deepEqual([...policy.hosts.keys()], ["logos", "ethos", "pathos"]);
  assert.deepEqual(policy.devices.get("sucker"), { name: "sucker", driver: "apc", address: "10.0.0.9:23", maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true });
  assert.deepEqual(policy.brakes, { startupMs: 60_000, maxUnhealthy: 0.4, coolDownMs: 120_000, concurrent: 1, perHour: null });
  assert.deepEqual([policy.site, policy.watcher, policy.armed, policy.observers, policy.lone, policy.limits], ["upkeep", "watcher-1", true, 3, "hold", LIMITS]);
  assert.deepEqual(shell.api, { listen: { host: "127.0.0.1", port: 8_080 }, required: false, names: [], tls: "none" });
  assert.deepEqual(shell.alerts, { channels: [], routes: [], escalate: [], groupMs: 10_000, timeZone: null, deadman: null, repeatMs: 3_600_000 });
  const device = shell.devices.get("sucker");
  assert.ok(device?.driver === "apc" && device.options.password.reveal() === "hunter2", "one newline at the end is dropped");
});

test("a host goes before its group, a group before defaults, defaults before what is built in", async () => {
  const config = await loadGood(`
defaults: { every: 20s, boot: 3m, threshold: 4, probes: [ssh] }
groups: { g: { hosts: [a, b], every: 10s, boot: 2m, probes: [dns] } }
hosts:
  a: { address: h1, every: 7s, probes: [{ tcp: { port: 53 } }] }
  b: { address: h2 }
  c: { address: h3 }
`);
  const pick = (name: string): unknown[] => {
    const { everyMs, bootMs, threshold, debounceMs, probes, group } = hostOf(config, name);
    return [everyMs, bootMs, threshold, debounceMs, probes.map(({ id }) => id).join(), group];
  };
  assert.deepEqual(pick("a"), [7_000, 120_000, 4, 40_000, "tcp:53", "g"]);
  assert.deepEqual(pick("b"), [10_000, 120_000, 4, 40_000, "dns", "g"]);
  assert.deepEqual(pick("c"), [20_000, 180_000, 4, 40_000, "ssh", "ungrouped"]);
  const origins = config.origins.get("a");
  assert.deepEqual(["every", "boot", "threshold", "debounce"].map((key) => origins?.get(key)), ["host", "group g", "defaults", "built in"]);
});

test("groups that agree, and groups whose host says itself what holds, are no conflict", async () => {
  const config = await loadGood(`
groups:
  g: { hosts: [a], every: 10s, timeout: 2s }
  h: { hosts: [a, b], every: 20s, timeout: 2s }
hosts: { a: { address: h1, every: 7s }, b: { address: h2 } }
`);
  assert.deepEqual([hostOf(config, "a").everyMs, hostOf(config, "a").timeoutMs, hostOf(config, "a").group], [7_000, 2_000, "g"]);
});

test("budgets are taken part by part, `brakes` after `defaults`", async () => {
  const config = await loadGood(`
brakes: { perHost: { cycles: 7, within: 1h } }
defaults: { brakes: { perHost: { within: 2h } } }
hosts: { a: { address: h1, brakes: { perHost: { cycles: 1 } } }, b: { address: h2 } }
`);
  assert.deepEqual(hostOf(config, "a").budget, { cycles: 1, withinMs: 7_200_000 });
  assert.deepEqual(hostOf(config, "b").budget, { cycles: 7, withinMs: 7_200_000 });
});

test("the retry ladder sets the threshold, unless one is said as near to the host", async () => {
  const config = await loadGood(`
defaults: { threshold: 5 }
groups: { g: { hosts: [c], retry: [5s, 10s] } }
hosts:
  a: { address: h1, retry: [5s, 10s, 30s] }
  b: { address: h2, retry: [5s, 10s, 30s], threshold: 6 }
  c: { address: h3, threshold: 3 }
  d: { address: h4, retry: [] }
`);
  assert.deepEqual(["a", "b", "c", "d"].map((name) => hostOf(config, name).threshold), [4, 6, 3, 5]);
  assert.deepEqual(hostOf(config, "a").retryMs, [5_000, 10_000, 30_000]);
  assert.equal(config.origins.get("a")?.get("threshold"), "retry ladder");
});

test("probe ids are unique, and ping counts only alone or when it is required", async () => {
  const config = await loadGood(`
hosts:
  a: { address: h1, probes: [ping, ssh, { ssh: { port: 2222 } }, { tcp: { port: 53 } }, { tcp: { port: 53, send: x } }, dns, { http: { url: "http://{address}/" } }] }
  b: { address: h2, probes: [ping, { ping: { count: 5, required: true } }, ssh] }
  c: { address: h3, probes: [ping] }
  d: { address: "h4:2200", probes: [ssh, tcp, { ssh: { port: 22 } }], rounds: { good: 2 of 3 } }
`);
  assert.deepEqual(hostOf(config, "a").probes.map(({ id, counts }) => `${id}${counts ? "" : "?"}`), ["ping?", "ssh", "ssh#2", "tcp:53", "tcp:53#2", "dns", "http"]);
  assert.deepEqual(hostOf(config, "b").probes, [{ id: "ping", counts: false }, { id: "ping#2", counts: true }, { id: "ssh", counts: true }]);
  assert.deepEqual(hostOf(config, "c").probes, [{ id: "ping", counts: true }]);
  assert.equal(hostOf(config, "d").goodNeeded, 2);
  const ports = config.shell.hosts.get("d")?.probes.map((probe) => ("port" in probe.options ? probe.options.port : null));
  assert.deepEqual(ports, [2_200, 2_200, 22], "a port of the address is that of probes that name none");
  assert.equal(hostOf(config, "d").address, "h4");
});

test("options of probes arrive resolved, with a time-out each", async () => {
  const config = await loadGood(`
hosts:
  a:
    address: "fd77::21"
    timeout: 2s
    probes:
      - { tcp: { port: 6379, send: "PING\\r\\n", expect: "+PONG" } }
      - { dns: { name: a.example, type: AAAA, answer: "fd77::21", tcp: true, timeout: 3s } }
      - { http: { url: "http://{address}:8080/{host}", status: 204, body: /ok/i, headers: { X-Token: { env: PW } } } }
`, { env });
  assert.deepEqual(config.shell.hosts.get("a")?.probes.slice(0, 2), [
    { id: "tcp:6379", timeoutMs: 2_000, kind: "tcp", options: { port: 6_379, send: "PING\r\n", expect: "+PONG" } },
    { id: "dns", timeoutMs: 3_000, kind: "dns", options: { port: 53, name: "a.example", type: "AAAA", rcode: "NOERROR", answer: "fd77::21", tcp: true } },
  ]);
  const http = config.shell.hosts.get("a")?.probes[2];
  assert.ok(http?.kind === "http");
  assert.deepEqual([http.options.url, http.options.status, http.options.body, http.options.expiresMs], ["http://[fd77::21]:8080/a", 204, "/ok/i", 604_800_000]);
  assert.equal(http.options.headers["X-Token"]?.reveal(), "hunter2");
});

test("levels, feeds and one device a host", async () => {
  const config = await loadGood(`
hosts:
  a: { address: h1, power: [bmc, sucker/5 + sucker2/Left 5] }
  b: { address: h2, power: bmc }
  c: { address: h3, power: [] }
  d: { address: h4, power: [sucker/1, sucker/2], feeds: 1 }
${DEVICES}`, { env });
  assert.deepEqual(hostOf(config, "a").levels, [[{ device: "bmc@a", outlet: "1" }], [{ device: "sucker", outlet: "5" }, { device: "sucker2", outlet: "Left 5" }]]);
  assert.deepEqual(hostOf(config, "b").levels, [[{ device: "bmc@b", outlet: "1" }]]);
  assert.deepEqual(hostOf(config, "c").levels, []);
  assert.equal(hostOf(config, "d").levels.length, 2);
  assert.deepEqual([...config.policy.devices.keys()].sort(), ["bmc@a", "bmc@b", "sucker", "sucker2"]);
  assert.deepEqual(config.policy.devices.get("bmc@b"), { name: "bmc@b", driver: "command", address: "b-bmc", maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: false });
  const bmc = config.shell.devices.get("bmc@b");
  assert.deepEqual(bmc?.driver === "command" ? bmc.options : null, { on: ["ipmi", "b-bmc", "on"], off: ["ipmi", "b-bmc", "off"], status: ["ipmi", "b-bmc"] });
  assert.deepEqual(config.policy.devices.get("sucker2"), { name: "sucker2", driver: "apc", address: "[fd77::9]:2323", maxActMs: 20_000, checkEveryMs: 60_000, exclusiveSession: true });
});

test("feeds: 1 on every device says it for all hosts on them", async () => {
  const text = (feeds: string): string => `
hosts: { a: { address: h1, power: [p/1, q/1] } }
power:
  p: { driver: apc, address: 10.0.0.8, password: { env: PW }${feeds} }
  q: { driver: apc, address: 10.0.0.9, password: { env: PW }, feeds: 1 }
`;
  assert.equal((await loadText(text(", feeds: 1"), { env })).ok, true);
  assert.deepEqual(codesOf((await loadText(text(""), { env })).problems, "error"), ["2:41 LEVELS_ARE_FEEDS"]);
});

test("a range of hosts is as many hosts, each with its own name in address and power", async () => {
  const config = await loadGood(`hosts: { "web[08-11]": { address: "{host}.lan", power: bmc } }\ngroups: { g: { hosts: ["web[08-10]"] } }\n${DEVICES}`, { env });
  assert.deepEqual([...config.policy.hosts.values()].map(({ name, address, group, levels }) => [name, address, group, levels[0]?.[0]?.device]), [
    ["web08", "web08.lan", "g", "bmc@web08"], ["web09", "web09.lan", "g", "bmc@web09"], ["web10", "web10.lan", "g", "bmc@web10"], ["web11", "web11.lan", "ungrouped", "bmc@web11"],
  ]);
});

test("references are addresses to ping, or probes of their own", async () => {
  const { shell } = await loadGood(`
hosts: { a: { address: h1 } }
watcher: { references: [10.0.0.1, 10.0.0.1, { tcp: { address: 10.0.0.2, port: 22 } }, { dns: { address: "10.0.0.3:5353" } }, { http: { url: "http://[fd77::4]/x", timeout: 2s } }, { ssh: { address: "10.0.0.5:2222" } }] }
`);
  assert.deepEqual(shell.references.map(({ id, address, kind, timeoutMs }) => [id, address, kind, timeoutMs]), [
    ["ping 10.0.0.1", "10.0.0.1", "ping", 1_000], ["ping 10.0.0.1#2", "10.0.0.1", "ping", 1_000], ["tcp 10.0.0.2", "10.0.0.2", "tcp", 1_000],
    ["dns 10.0.0.3", "10.0.0.3", "dns", 1_000], ["http fd77::4", "fd77::4", "http", 2_000], ["ssh 10.0.0.5", "10.0.0.5", "ssh", 1_000],
  ]);
  assert.deepEqual(shell.references.at(-1)?.options, { port: 2_222 });
});

test("alerts, api and brakes arrive resolved", async () => {
  const { shell, policy } = await loadGood(`
hosts: { a: { address: h1 } }
alerts: { mail: { to: [root@localhost, ops@example.org], server: "mail.example.org:465", username: u, password: { env: PW } }, command: [/bin/sh, -c, x], deadman: "https://example.org/x", repeat: 30m }
api: { listen: "[::1]:0", required: true }
brakes: { perHour: 9, maxUnhealthy: 25%, concurrent: 2 }
site: lab
armed: false
`, { env });
  const [mail, command] = shell.alerts.channels;
  assert.ok(mail?.kind === "mail" && command?.kind === "command");
  assert.equal(mail.options.password?.reveal(), "hunter2");
  assert.deepEqual({ ...mail.options, password: null }, { to: ["root@localhost", "ops@example.org"], from: "upkeep@watcher-1", host: "mail.example.org", port: 465, username: "u", password: null, tls: "tls" });
  assert.deepEqual([command.options, shell.alerts.deadman?.url.reveal(), shell.alerts.deadman?.everyMs, shell.alerts.repeatMs], [{ run: ["/bin/sh", "-c", "x"], grouped: false }, "https://example.org/x", 60_000, 1_800_000]);
  assert.deepEqual(shell.api, { listen: { host: "::1", port: 0 }, required: true, names: [], tls: "none" });
  assert.deepEqual([policy.brakes.perHour, policy.brakes.maxUnhealthy, policy.brakes.concurrent, policy.site, policy.armed, policy.limits.alarmEveryMs], [9, 0.25, 2, "lab", false, 1_800_000]);
});

test("a password goes over the network encrypted unless it is told otherwise", async () => {
  const tlsOf = async (written: string): Promise<string | undefined> => {
    const [mail] = (await loadGood(`hosts: { a: { address: h1 } }\nalerts: { mail: { to: root, ${written} } }\n`, { env })).shell.alerts.channels;
    return mail?.kind === "mail" ? mail.options.tls : undefined;
  };
  assert.equal(await tlsOf("server: h"), "offered");
  assert.equal(await tlsOf("server: h, username: u, password: { env: PW }"), "starttls");
  assert.equal(await tlsOf("server: localhost, username: u, password: { env: PW }"), "offered");
  assert.equal(await tlsOf("server: h, username: u, password: { env: PW }, tls: none"), "none");
});

test("the API can be switched off", async () => {
  assert.equal((await loadGood("hosts: { a: { address: h1 } }\napi: { listen: null }\n")).shell.api.listen, null);
});

test("the host that the watcher runs on, what it hangs on, and all on their outlets are its own", async () => {
  const text = (watcher: string): string => `
watcher: ${watcher}
hosts:
  pi: { address: 10.0.0.5, behind: hyper }
  hyper: { address: 10.0.0.6, behind: switch, power: sucker/1 }
  switch: { address: 10.0.0.7, power: sucker/2 }
  other: { address: 10.0.0.8, power: sucker/3 }
${DEVICES}`;
  const selves = async (watcher: string, addresses: readonly string[]): Promise<string> => {
    const { policy } = await loadGood(text(watcher), { env, machine: { addresses, hostname: "nobody" } });
    return [...policy.hosts.values()].filter(({ self }) => self).map(({ name }) => name).join();
  };
  assert.equal(await selves("{}", ["127.0.0.1", "10.0.0.5"]), "pi,hyper,switch");
  assert.equal(await selves("{ host: hyper }", ["10.0.0.5"]), "hyper,switch");
  assert.equal(await selves("{ host: null }", ["10.0.0.99"]), "");
});

test("secrets come from files relative to the file that names them, and world-readable ones are linted", async (t) => {
  const directory = await folder(t, {
    "upkeep.yaml": "hosts: { a: { address: h1, power: p/1 }, b: { address: h2, power: q/1 } }\ninclude: sub/devices.yaml\n",
    "sub/devices.yaml": "power:\n  p: { driver: apc, address: 10.0.0.8, password: { file: p.secret } }\n  q: { driver: apc, address: 10.0.0.9, password: { file: q.secret } }\n",
    "sub/p.secret": "from-file\r\n", "sub/q.secret": " spaces stay \n",
  });
  await chmod(join(directory, "sub/q.secret"), 0o644);
  const loaded = await loadConfig(join(directory, "upkeep.yaml"), { env: {}, machine: MACHINE });
  assert.ok(loaded.ok, inspect(loaded.problems));
  const passwords = [...loaded.config.shell.devices.values()].map((device) => (device.driver === "apc" ? device.options.password.reveal() : ""));
  assert.deepEqual(passwords, ["from-file", " spaces stay "]);
  const lints = loaded.problems.filter(({ code }) => code === "SECRET_WORLD_READABLE");
  assert.deepEqual(lints.map(({ file, line, column }) => [file, line, column]), [[join(directory, "sub/devices.yaml"), 3, 50]]);
});

test("includes add hosts, groups and devices, in the order of names; problems name the right file", async (t) => {
  const directory = await folder(t, {
    "upkeep.yaml": "hosts: { a: { address: h1 } }\ninclude: [hosts.d/*.yaml, more.yaml]\n",
    "hosts.d/10-b.yaml": "hosts:\n  b: { address: h2 }\ngroups: { g: { hosts: [a, b, c] } }\n",
    "hosts.d/20-c.yaml": "hosts:\n  c: { address: h3 }\n",
    "hosts.d/ignored.txt": "no YAML: at: all",
    "more.yaml": "",
  });
  const path = join(directory, "upkeep.yaml");
  const good = await loadConfig(path, { env: {}, machine: MACHINE });
  assert.ok(good.ok, inspect(good.problems));
  assert.deepEqual([...good.config.policy.hosts.keys()], ["a", "b", "c"]);
  assert.deepEqual(good.config.shell.files.map((file) => file.slice(directory.length + 1)), ["upkeep.yaml", "hosts.d/10-b.yaml", "hosts.d/20-c.yaml", "more.yaml"]);

  await writeFile(join(directory, "hosts.d/20-c.yaml"), "hosts:\n  c: { address: h3 }\n  b: { address: h4 }\n  d: { adress: h5 }\ndefaults: { every: 5s }\nwat: 1\n");
  const bad = await loadConfig(path, { env: {}, machine: MACHINE });
  assert.equal(bad.ok, false);
  const told = bad.problems.filter(({ severity }) => severity === "error").map(({ file, line, column, code, message, hint }) => ({ at: `${file.slice(directory.length + 1)}:${line}:${column}`, code, text: `${message} ${hint}` }));
  assert.deepEqual(told.map(({ at, code }) => `${at} ${code}`), [
    "hosts.d/20-c.yaml:3:3 NAME_TAKEN", "hosts.d/20-c.yaml:4:3 KEY_MISSING", "hosts.d/20-c.yaml:4:8 KEY_UNKNOWN", "hosts.d/20-c.yaml:5:1 KEY_UNKNOWN", "hosts.d/20-c.yaml:6:1 KEY_UNKNOWN",
  ]);
  assert.match(told[0]?.text ?? "", /10-b\.yaml:2/);
  assert.match(told[3]?.text ?? "", /main file only/);
});

test("an include of itself, of the same file twice, or in a circle of links ends", async (t) => {
  const directory = await folder(t, { "upkeep.yaml": "hosts: { a: { address: h1 } }\ninclude: [\"*.yaml\", upkeep.yaml, b.yaml]\n", "b.yaml": "hosts: { b: { address: h2 } }\n" });
  await symlink(join(directory, "loop.yaml"), join(directory, "loop.yaml"));
  const loaded = await loadConfig(join(directory, "upkeep.yaml"), { env: {}, machine: MACHINE });
  assert.deepEqual(loaded.problems.filter(({ severity }) => severity === "error").map(({ code }) => code), ["FILE_UNREADABLE"], "only the link to itself is an error");
});

test("a pattern without files is a lint", async () => {
  const { problems } = await loadText("hosts: { a: { address: h1 } }\ninclude: nowhere-at-all.d/*.yaml\n");
  assert.ok(codesOf(problems, "warning").includes("2:10 INCLUDE_EMPTY"));
});

test("files that cannot be read, are no text, or are too large say so", async (t) => {
  const directory = await folder(t, { "latin1.yaml": "", "large.yaml": `# ${"x".repeat(1_100_000)}` });
  await writeFile(join(directory, "latin1.yaml"), Buffer.from("hosts:\n  a: { address: h1 } # caf\xe9\n", "latin1"));
  const codes = async (name: string): Promise<string> => {
    const { ok, problems } = await loadConfig(join(directory, name), { env: {}, machine: MACHINE });
    assert.equal(ok, false);
    return problems.map(({ code, line, column }) => `${line}:${column} ${code}`).join();
  };
  assert.equal(await codes("nowhere.yaml"), "1:1 FILE_UNREADABLE");
  assert.equal(await codes("."), "1:1 FILE_UNREADABLE");
  assert.equal(await codes("latin1.yaml"), "2:27 YAML_SYNTAX");
  assert.equal(await codes("large.yaml"), "1:1 FILE_TOO_LARGE");
  assert.ok((await loadConfig("/dev/zero", { env: {}, machine: MACHINE })).problems[0]?.code === "FILE_TOO_LARGE", "an endless file ends");
});

test("the data folder: $STATE_DIRECTORY, then data relative to the file, then beside it", async () => {
  const dataDir = async (text: string, environment: Record<string, string> = {}): Promise<string> => (await loadGood(text, { env: environment })).shell.dataDir;
  const hosts = "hosts: { a: { address: h1 } }\n";
  assert.equal(await dataDir(hosts), "/test/upkeep-data");
  assert.equal(await dataDir(`${hosts}data: state/here\n`), "/test/state/here");
  assert.equal(await dataDir(`${hosts}data: /srv/upkeep\n`), "/srv/upkeep");
  assert.equal(await dataDir(`${hosts}data: /srv/upkeep\n`, { STATE_DIRECTORY: "/var/lib/upkeep:/var/lib/other" }), "/var/lib/upkeep");
  assert.equal((await loadGood(`${hosts}data: d\n`)).shell.socketPath, "/test/d/upkeep.sock");
  const fits = `/${"x".repeat(107 - 1 - "/upkeep.sock".length)}`;
  assert.equal((await loadGood(`${hosts}data: ${fits}\n`)).shell.socketPath.length, 107);
  assert.equal((await loadText(`${hosts}data: ${fits}x\n`)).ok, false);
});

test("no secret is in a problem, in the printed configuration, or in its JSON", async () => {
  const secret = "hunter2";
  const texts = [
    `hosts: { a: { address: h1, power: p/1 } }\npower: { p: { driver: apc, address: h, password: ${secret} } }\n`,
    `hosts: { a: { address: h1, probes: [{ http: { url: "http://{address}/", headers: { Authorization: ${secret}, Cookie: [${secret}] } } }] } }\n`,
    `hosts: { a: { address: h1, probes: [{ http: { url: "http://{address}/", headers: "Authorization: ${secret}" } }] } }\n`,
    `hosts: { a: { address: h1, probes: [{ http: { url: "http://u:${secret}@h1/" } }] } }\n`,
    `hosts: { a: { address: h1, probes: [{ http: { url: "http://{address}/", headers: { "Authorization: ${secret}": x } } }] } }\n`,
    `hosts: {}\npower: { p: { driver: apc, address: h, password: [${secret}] } }\n`,
    `hosts: {}\npower: { p: { driver: apc, address: h, password: { file: { a: ${secret} } } } }\n`,
    `hosts: {}\npower: { p: { driver: apc, address: h, password: { env: VAR } } }\n`,
    `hosts: {}\nalerts: { mail: { to: root, username: u, password: ${secret} } }\n`,
    `hosts: {}\npower: { p: { driver: apc, address: h, password: *${secret} } }\n`,
  ];
  for (const text of texts) {
    const loaded = await loadText(text, { env: { VAR: `${secret}\n${secret}` } });
    assert.ok(loaded.problems.length > 0);
    const shown = [inspect(loaded, { depth: 20, showHidden: true }), JSON.stringify(loaded), JSON.stringify(loaded.ok ? [...loaded.config.shell.devices] : [])];
    for (const one of shown) assert.ok(!one.includes(secret), `${text}\n${one.slice(Math.max(0, one.indexOf(secret) - 200), one.indexOf(secret) + 50)}`);
  }
});

test("five thousand hosts load in bounded time", { timeout: 120_000 }, async () => {
  const hosts = `hosts: { "web[0001-5000]": { address: "{host}.lan", power: bmc } }\n`;
  const config = await loadGood(hosts + DEVICES, { env });
  assert.equal(config.policy.hosts.size, 5_000);
});

const KEYS = ["hosts", "power", "groups", "defaults", "watcher", "brakes", "alerts", "api", "include", "data", "a", "b", "s", "address", "driver", "probes", "rounds", "good", "retry", "threshold", "ssh", "tcp", "http", "url", "port", "password", "file", "env", "on", "off", "references", "mail", "to", "perHost", "cycles", "within", "__proto__", "constructor", "toString", "hasOwnProperty", "length"];
const SCALARS = ["10.0.0.1", "h:22", "s/1", "s/1 + s/2", "s", "5s", "0s", "40%", "2 of 3", "apc", "command", "{host}", "{address}", "http://{address}/", "web[1-3]", "a[", "", "true", "\u0000", "*.yaml", "/x/", "auto", "embedded"];

function configLike(): fc.Arbitrary<unknown> {
  const scalar = fc.oneof(fc.constantFrom(...SCALARS), fc.integer(), fc.boolean(), fc.constant(null), fc.string({ maxLength: 6 }), fc.double());
  return fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "small", withCrossShrink: true }, scalar, fc.array(tie("value"), { maxLength: 4 }), fc.dictionary(fc.constantFrom(...KEYS), tie("value"), { maxKeys: 6 })),
  })).value;
}

async function survives(loaded: Promise<Loaded>): Promise<void> {
  const { ok, problems } = await loaded;
  if (!ok) assert.ok(problems.some(({ severity }) => severity === "error"));
  for (const { line, column, message } of problems) assert.ok(line >= 1 && column >= 1 && message !== "");
}

test("no JSON makes it throw, and every refusal has an error with a place", async () => {
  const sections = fc.record({ hosts: configLike(), power: configLike(), groups: configLike(), defaults: configLike(), watcher: configLike(), alerts: configLike(), brakes: configLike(), api: configLike(), include: fc.constantFrom("nowhere.yaml", 5, null) }, { requiredKeys: [] });
  await fc.assert(fc.asyncProperty(fc.oneof(configLike(), sections, fc.json().map((text) => JSON.parse(text) as unknown)), (value) => survives(loadText(JSON.stringify(value), { env }))), { numRuns: 400 });
});

test("a good configuration with one value replaced never throws", async () => {
  const good = { hosts: { a: { address: "10.0.0.1", power: ["b", "s/5 + s/6"], probes: ["ping", { ssh: { port: 2 } }], rounds: { good: "1 of 1" }, retry: ["5s"], behind: "b" } }, groups: { g: { hosts: ["a"], every: "10s" } }, power: { s: { driver: "apc", address: "h", password: { env: "PW" } }, b: { driver: "command", on: ["x", "{host}"], off: ["x"], status: ["x"] } }, watcher: { references: ["10.0.0.9", { tcp: { address: "h", port: 1 } }] }, alerts: { mail: { to: "root" } }, brakes: { perHost: { cycles: 1 } } };
  const paths: (readonly string[])[] = [];
  const walk = (node: unknown, path: readonly string[]): void => {
    paths.push(path);
    if (typeof node === "object" && node !== null) for (const [key, member] of Object.entries(node)) walk(member, [...path, key]);
  };
  walk(good, []);
  assert.equal((await loadText(JSON.stringify(good), { env })).ok, true);
  await fc.assert(fc.asyncProperty(fc.constantFrom(...paths.slice(1)), configLike(), async (path, value) => {
    const copy = structuredClone(good) as Record<string, unknown>;
    let node: Record<string, unknown> = copy;
    for (const step of path.slice(0, -1)) node = node[step] as Record<string, unknown>;
    node[path.at(-1) ?? ""] = value;
    await survives(loadText(JSON.stringify(copy), { env }));
  }), { numRuns: 400 });
});

test("what makes zod itself throw is a problem like any other", async () => {
  const loaded = await loadText("hosts: { a: { address: h1, power: b/1 } }\npower: { b: { driver: command, on: { length: [{ toString: 0 }] }, off: [x] } }\n");
  assert.deepEqual(codesOf(loaded.problems, "error"), ["2:13 VALUE_INVALID"]);
});

test("no text makes it throw", async () => {
  await fc.assert(fc.asyncProperty(fc.string({ maxLength: 80 }), (text) => survives(loadText(text))), { numRuns: 150 });
});
