import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProblemCode } from "../problems.ts";
import { codesOf, loadGood, loadText, marked } from "../testing.ts";

const env = { PW: "long enough", SHORT: "short", C: "hunter2" };
const QUIET = "watcher: { name: w, references: [192.0.2.254] }\nalerts: { command: [page-me] }\nhosts: { a: { address: 10.0.0.1, power: s/5 } }\n";
const device = (settings: string): string => `${QUIET}power: { s: §{ driver: snmp-pdu, address: 10.0.0.9, ${settings} } }\n`;

const ERRORS: readonly (readonly [what: string, yaml: string, code: ProblemCode, hint?: RegExp])[] = [
  ["no community", device("model: auto"), "KEY_MISSING", /community: \{ file/],
  ["a user without SNMPv3", device("community: { env: C }, user: §bob").replace("§{ driver", "{ driver"), "VALUE_INVALID", /version: 3/],
  ["a community with SNMPv3", device("version: 3, community: §{ env: C }").replace("§{ driver", "{ driver"), "VALUE_INVALID", /two passwords/],
  ["SNMPv3 that is not encrypted", device("version: 3, user: bob, authPassword: { env: PW }"), "KEY_MISSING", /nothing less/],
  ["a password that SNMPv3 does not take", device("version: 3, user: bob, authPassword: { env: PW }, privacyPassword: §{ env: SHORT }").replace("§{ driver", "{ driver"), "SECRET_INVALID", /RFC 3414/],
  ["a model that is not there", device("community: { env: C }, model: §apc").replace("§{ driver", "{ driver"), "VALUE_INVALID"],
  ["a version that is not there", device("community: { env: C }, version: §2").replace("§{ driver", "{ driver"), "VALUE_INVALID"],
];

for (const [what, yaml, code, hint] of ERRORS) {
  test(`refused: ${what}`, async () => {
    const { text, places } = marked(yaml);
    const { ok, problems } = await loadText(text, { env });
    assert.equal(ok, false);
    assert.deepEqual(codesOf(problems, "error"), [`${places[0]} ${code}`]);
    if (hint !== undefined) assert.match(problems.find((problem) => problem.code === code)?.hint ?? "", hint);
    assert.doesNotMatch(JSON.stringify(problems), /hunter2|short"|long enough/);
  });
}

test("a community over the network is linted where it stands, and on loopback or with SNMPv3 it is not", async () => {
  const { text, places } = marked(device("version: 1, community: §{ env: C }").replace("§{ driver", "{ driver"));
  const { ok, problems } = await loadText(text, { env });
  assert.equal(ok, true);
  assert.deepEqual(codesOf(problems, "warning"), [`${places[0]} SNMP_PLAIN`]);
  for (const settings of ["version: 3, user: bob, authPassword: { env: PW }, privacyPassword: { env: PW }", "address: localhost, community: { env: C }"]) {
    const quiet = await loadText(device(settings).replace("§", "").replace(settings.startsWith("address") ? "address: 10.0.0.9, " : "§", ""), { env });
    assert.deepEqual(codesOf(quiet.problems, "warning"), [], settings);
  }
});

test("what is written becomes what the driver takes", async () => {
  const config = await loadGood(device('address: "[fd00::9]:1161", model: raritan, version: 3, user: bob, authPassword: { env: PW }, privacyProtocol: aes256, privacyPassword: { env: PW }').replace("§", "").replace("address: 10.0.0.9, ", ""), { env });
  const spec = config.shell.devices.get("s");
  assert.equal(config.policy.devices.get("s")?.address, "[fd00::9]:1161");
  assert.equal(config.policy.devices.get("s")?.exclusiveSession, false);
  assert.deepEqual(JSON.parse(JSON.stringify(spec?.options)), {
    host: "fd00::9", port: 1161, model: "raritan",
    access: { version: "3", user: "bob", authProtocol: "sha256", privacyProtocol: "aes256", authPassword: "[secret]", privacyPassword: "[secret]" },
  });
});

test("what outlets give is read where that is wanted, of drivers that have a meter, and within bounds", async () => {
  const metered = (setting: string, driver = "driver: snmp-pdu, address: 10.0.0.9, version: 1, community: { env: C }"): string => `${QUIET}power: { s: { ${driver}${setting} } }\n`;
  const read = async (setting: string) => (await loadGood(metered(setting), { env })).policy.devices.get("s")?.metered;
  assert.equal(await read(""), undefined);
  assert.deepEqual(await read(", metered: {}"), { belowWatts: 5, forMs: 30_000 });
  assert.deepEqual(await read(", metered: { below: 12.5W, for: 1m }"), { belowWatts: 12.5, forMs: 60_000 });
  const refused = async (text: string) => (await loadText(text, { env })).problems.filter(({ severity }) => severity === "error").map(({ code }) => code);
  for (const below of ["5", "0W", "5A", "500W", "-5W", "5 W"]) assert.deepEqual(await refused(metered(`, metered: { below: ${below} }`)), ["VALUE_INVALID"], below);
  for (const time of ["5s", "1h"]) assert.deepEqual(await refused(metered(`, metered: { for: ${time} }`)), ["DURATION_INVALID"], time);
  assert.deepEqual(await refused(metered(", metered: {}", "driver: apc, address: 10.0.0.9, username: apc, password: { env: PW }")), ["KEY_UNKNOWN"]);
});
