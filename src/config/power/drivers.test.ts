// What each driver adds to the configuration: how settings are resolved, what identifies a device, and what is told where.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import { openDevice } from "../open.ts";
import { formatProblem } from "../problems.ts";
import { codesOf, loadGood, loadText, marked } from "../testing.ts";
import { DRIVER_NAMES, DRIVERS } from "./index.ts";

const env = { PW: "hunter2", LONG: "x".repeat(21) };
const QUIET = "watcher: { name: w, references: [192.0.2.254] }\nalerts: { command: [page-me] }\n";
const PRINT = "AB".repeat(32);

async function problems(yaml: string, severity: "error" | "warning"): Promise<{ found: readonly string[]; places: readonly string[]; told: string }> {
  const { text, places } = marked(yaml + QUIET);
  const loaded = await loadText(text, { env, files: { "ca.pem": "PEM" } });
  return { found: codesOf(loaded.problems, severity), places, told: loaded.problems.map(formatProblem).join("\n") };
}

test("each driver says what it is for, and has no setting that every device has", () => {
  for (const name of DRIVER_NAMES) {
    assert.match(DRIVERS[name].about, /^[A-Z].*\.$/);
    for (const shared of ["driver", "timeout", "deadline", "check", "feeds"]) assert.ok(!(shared in DRIVERS[name].settings.shape), `${name} ${shared}`);
  }
});

test("settings become options, secrets stay closed until then, and a device is known by where it is", async () => {
  const { shell, policy } = await loadGood(`
hosts:
  a: { address: h1, power: [bmc, pdu/3] }
  b: { address: h2, power: fish }
  c: { address: h3, power: ilo }
power:
  bmc: { driver: ipmi, address: "{host}-bmc", username: ADMIN, password: { file: "bmc/{host}.password" } }
  pdu: { driver: fence-agent, agent: fence_apc, options: { ip: 10.0.0.9, ipport: 2323, username: apc, password: { env: PW }, ssh: true, power-wait: 2 } }
  fish: { driver: redfish, url: "https://[fd77::9]:8443/redfish/v1/", system: "a b", username: root, password: { env: PW }, fingerprint: "sha256:${PRINT.toLowerCase()}", deadline: 40s }
  ilo: { driver: fence-agent, agent: fence_ilo4, options: { ip: "{host}-ilo", username: root, passwd: { env: PW } } }
`, { env, files: { "bmc/a.password": "sesame\n" } });
  const opened = (name: string): unknown => {
    const device = shell.devices.get(name);
    assert.ok(device !== undefined && !inspect(device, { depth: 9 }).includes("hunter2"), name);
    return openDevice(device);
  };
  assert.deepEqual(opened("bmc@a"), { driver: "ipmi", options: { host: "a-bmc", port: 623, username: "ADMIN", password: "sesame", privilege: "administrator", cipher: null, stepMs: 5_000, maxActMs: 30_000 } });
  assert.deepEqual(opened("pdu"), { driver: "fence-agent", options: { agent: "fence_apc", options: { ip: "10.0.0.9", ipport: "2323", username: "apc", ssh: "1", "power-wait": "2" }, secrets: { password: "hunter2" }, stepMs: 20_000, maxActMs: 60_000 } });
  assert.deepEqual(opened("fish"), { driver: "redfish", options: { host: "fd77::9", port: 8443, system: "/redfish/v1/Systems/a%20b", username: "root", password: "hunter2", auth: "basic", verify: true, ca: null, fingerprint: PRINT.match(/../g)?.join(":"), stepMs: 10_000, maxActMs: 40_000 } });
  assert.deepEqual(opened("ilo@c"), { driver: "fence-agent", options: { agent: "fence_ilo4", options: { ip: "c-ilo", username: "root" }, secrets: { passwd: "hunter2" }, stepMs: 20_000, maxActMs: 60_000 } });
  assert.deepEqual([...policy.devices.values()].map(({ name, address, exclusiveSession }) => [name, address, exclusiveSession]), [
    ["bmc@a", "a-bmc:623", false], ["ilo@c", "fence_ilo4 c-ilo", false], ["pdu", "fence_apc 10.0.0.9:2323", false], ["fish", "[fd77::9]:8443/redfish/v1/Systems/a%20b", false],
  ]);
  assert.deepEqual(policy.hosts.get("a")?.levels, [[{ device: "bmc@a", outlet: "1" }], [{ device: "pdu", outlet: "3" }]]);
  assert.deepEqual(policy.hosts.get("c")?.levels, [[{ device: "ilo@c", outlet: "-" }]], "an agent alone is no outlet 1");
});

const host = (power: string): string => `hosts: { a: { address: h1, power: ${power} } }\n`;
const fence = (options: string, agent = "fence_nowhere_at_all"): string => `${host("f/1")}power: { f: { driver: fence-agent, agent: ${agent}, options: { ${options} } } }\n`;
const fish = (rest: string): string => `${host("f")}power: { f: { driver: redfish, username: u, password: { env: PW }, ${rest} } }\n`;

const ERRORS: readonly (readonly [what: string, yaml: string, code: string, hint?: RegExp])[] = [
  ["an outlet of a BMC", `${host("§b/2")}power: { b: { driver: ipmi, address: h, username: u, password: { env: PW } } }\n`, "OUTLET_INVALID", /write b\)/],
  ["one BMC of two hosts", `hosts:\n  a: { address: h1, power: b }\n  c: { address: h2, power: §b }\npower: { b: { driver: ipmi, address: h, username: u, password: { env: PW } } }\n`, "OUTLET_SHARED"],
  ["one BMC under two names", `${host("[b, c]")}power:\n  b: { driver: ipmi, address: h, username: u, password: { env: PW } }\n  c: { driver: ipmi, address: §h:623, username: u, password: { env: PW } }\n`, "DEVICE_REPEATED"],
  ["a password that IPMI does not take", `${host("b")}power: { b: { driver: ipmi, address: h, username: u, password: §{ env: LONG } } }\n`, "SECRET_INVALID", /20 bytes/],
  ["a cipher without any protection", `${host("b")}power: { b: { driver: ipmi, address: h, username: u, password: { env: PW }, cipher: §0 } }\n`, "VALUE_INVALID"],
  ["a program that is no agent", fence("ip: h", "§/bin/rm"), "VALUE_INVALID", /fence_apc/],
  ["an action", fence("ip: h, action: §reboot"), "VALUE_INVALID", /what is to be done/],
  ["a method", fence("ip: h, method: §cycle"), "VALUE_INVALID", /before power drops/],
  ["a plug", fence("ip: h, plug: §3"), "VALUE_INVALID", /DEVICE\/OUTLET/],
  ["an old name of a plug", fence("ip: h, port: §3"), "VALUE_INVALID", /DEVICE\/OUTLET/],
  ["help", fence("ip: h, help: §true"), "VALUE_INVALID", /exit 0/],
  ["a debug file", fence("ip: h, debug-file: §/tmp/x"), "VALUE_INVALID", /secrets/],
  ["two lines", fence('ip: §"h\\naction=reboot"'), "VALUE_INVALID"],
  ["a list as an option", fence("ip: §[h]"), "VALUE_INVALID"],
  ["an agent's secret that is not there", fence("ip: h, password: §{ env: NOWHERE }"), "SECRET_MISSING"],
  ["a URL in the clear", fish("url: §\"http://h/\""), "VALUE_INVALID", /https/],
  ["a URL with a path", fish("url: §\"https://h/redfish/v1/Systems/1\""), "VALUE_INVALID", /of its own/],
  ["a URL with a password", fish("url: §\"https://u:p@h/\""), "VALUE_INVALID", /logs/],
  ["no URL", fish("url: §h"), "VALUE_INVALID", /https:\/\/HOST/],
  ["a fingerprint that is none", fish("url: \"https://h\", fingerprint: §abc"), "VALUE_INVALID", /openssl/],
  ["a certificate, and no check", fish(`url: "https://h", verify: §false, fingerprint: ${PRINT}`), "VALUE_INVALID", /verify/],
  ["authorities that are not there", fish("url: \"https://h\", ca: §no.pem"), "FILE_UNREADABLE"],
];

for (const [what, yaml, code, hint] of ERRORS) {
  test(`error, at its place: ${what}`, async () => {
    const { found, places, told } = await problems(yaml, "error");
    assert.deepEqual(found, [`${places[0]} ${code}`], told);
    if (hint !== undefined) assert.match(told, hint);
    assert.doesNotMatch(told, /hunter2/);
  });
}

function agentIn(t: TestContext, parameters: string): string {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-agent-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "fence_test");
  writeFileSync(path, `#!/bin/sh\nread -r line\n[ "$line" = action=metadata ] && [ $# = 0 ] || { echo reboot >>${folder}/log; exit 0; }\ncat <<'END'\n<resource-agent name="fence_test"><parameters>${parameters}</parameters><actions><action name="on"/><action name="off"/><action name="status"/></actions></resource-agent>\nEND\n`);
  chmodSync(path, 0o755);
  return path;
}

test("lint, at its place: options that an installed agent does not know, with the nearest name; what it lacks; what it is not", async (t) => {
  const path = agentIn(t, '<parameter name="ssl_insecure"/><parameter name="username" required="1" obsoletes="login"/><parameter name="login" required="1" deprecated="1"/>');
  const { found, places, told } = await problems(fence("§ssl_insecur: 1, §colour: red".replace("§ssl_insecur: 1", "ssl_insecur: §1").replace("§colour: red", "colour: §red"), `§${path}`), "warning");
  assert.deepEqual([...found].sort(), [`${places[0]} AGENT_UNUSABLE`, `${places[1]} AGENT_OPTION`, `${places[2]} AGENT_OPTION`].sort(), told);
  assert.match(told, /no option ssl_insecur: .*\(did you mean "ssl_insecure"\?\)/);
  assert.match(told, /needs username \(or login\)/);
  const right = await problems(fence("ssl-insecure: 1, login: x", path), "warning");
  assert.deepEqual(right.found, [], right.told);
  const dumb = await problems(fence("login: x", `§${agentIn(t, "<")}`), "warning");
  assert.deepEqual(dumb.found, [`${dumb.places[0]} AGENT_UNUSABLE`], dumb.told);
});

test("lint, at its place: an agent that is not installed, a password in the file, a certificate that is not checked", async () => {
  for (const [yaml, code] of [
    [fence("ip: h", "§fence_nowhere_at_all"), "COMMAND_MISSING"],
    [fence("ip: h", "§/nowhere/fence_x"), "COMMAND_MISSING"],
    [fish("url: \"https://h\", verify: §false"), "CERTIFICATE_UNCHECKED"],
  ] as const) {
    const { found, places, told } = await problems(yaml, "warning");
    // That a BMC stands alone here is told as well, and tried elsewhere.
    assert.deepEqual(found.filter((each) => !each.endsWith(" BMC_ALONE")), [`${places[0]} ${code}`], told);
  }
  const literal = await problems(fence("ip: h, passwd: §hunter2", "§fence_nowhere_at_all"), "warning");
  assert.deepEqual(literal.found, [`${literal.places[0]} COMMAND_MISSING`, `${literal.places[1]} SECRET_LITERAL`], literal.told);
  assert.doesNotMatch(literal.told, /hunter2/);
});
