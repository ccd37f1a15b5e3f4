// Each source by a sample of its own, attacks on all of them, and the sample configurations that Debian ships with Nagios and
// Icinga. Whatever is read, what is written is taken by the real loader, is disarmed, and holds no secret of the source.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { runImport } from "../cli/commands/import.ts";
import type { ImportSource } from "../cli/commands/import.ts";
import { CliError } from "../cli/exit.ts";
import { run } from "../cli/program.ts";
import { draftText } from "../config/draft.ts";
import { nameFrom, oneLine } from "../config/names.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/config.ts";
import { isName } from "../config/ranges.ts";
import { probeProblem } from "./imported.ts";
import { shellWords, understand } from "./plugin-command.ts";

const SAMPLES = join(import.meta.dirname, "samples");
let folder = "";
let files = 0;
before(() => void (folder = mkdtempSync(join(tmpdir(), "upkeep-import-test-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

type Got = { readonly text: string; readonly config: Config; readonly list: readonly string[]; readonly told: readonly string[] };

async function imported(source: ImportSource, ...paths: readonly string[]): Promise<Got> {
  const out = join(folder, `${(files += 1)}/upkeep.yaml`);
  const told: string[] = [];
  assert.equal(await runImport(source, paths, { out }, (line) => told.push(line), () => Date.UTC(2026, 10, 29)), 0);
  const text = readFileSync(out, "utf8");
  const loaded = await loadConfig(out);
  assert.ok(loaded.ok, `${text}\n${JSON.stringify(loaded.problems)}`);
  assert.equal(loaded.config.policy.armed, false);
  for (const host of loaded.config.policy.hosts.values()) assert.deepEqual(host.levels, [], "nothing has power");
  assert.doesNotMatch(text + told.join("\n"), /hunter2|not-for-anybody/, "no secret of the source");
  return { text, config: loaded.config, list: told.slice(0, -2), told };
}

async function refused(source: ImportSource, path: string | readonly string[], says: RegExp, exit = 2): Promise<void> {
  await assert.rejects(runImport(source, [path].flat(), { out: join(folder, `${(files += 1)}/upkeep.yaml`) }, () => undefined), (error) => {
    assert.ok(error instanceof CliError, String(error));
    assert.equal(error.exit, exit, error.message);
    assert.match(error.message, says);
    return true;
  });
}

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, `${(files += 1)}-${name}`);
  writeFileSync(path, text);
  return path;
}

const probesOf = ({ text }: Got): readonly string[] => text.split("\n").filter((line) => /^ {4}probes:/.test(line)).map((line) => line.trim());
const said = ({ list }: Got, ...patterns: readonly RegExp[]): void => {
  for (const pattern of patterns) assert.ok(list.some((line) => pattern.test(line)), `${pattern} is not in\n${list.join("\n")}`);
};

describe("Uptime Kuma", () => {
  test("the backup of version 1", async () => {
    const got = await imported("uptime-kuma", join(SAMPLES, "uptime-kuma.json"));
    assert.deepEqual([...got.config.policy.hosts.keys()], ["door.example.org", "Word", "Names", "Data", "Zurich-Buro-31m", "x-evil-armed-true"]);
    assert.deepEqual(probesOf(got).slice(0, 4), [
      'probes: [ { http: { url: https://door.example.org/ } } ]',
      'probes: [ { http: { url: http://10.0.0.21/, body: /\\/welcome\\// } }, ping, ssh, { snmp: { oid: 1.3.6.1.2.1.1.3.0, min: 100 } } ]',
      "probes: [ { dns: { name: www.example.org, type: AAAA } } ]",
      "probes: [ { postgres: { port: 5433 } } ]",
    ]);
    assert.equal(got.config.policy.hosts.get("Word")?.everyMs, 20_000, "the shortest of its three");
    assert.equal(got.config.policy.hosts.get("door.example.org")?.group, "Servers");
    said(got, /^uptime-kuma\.json:3: notificationList: /, /^uptime-kuma\.json:11: Login \(http\): its URL holds a user name/, /^uptime-kuma\.json:12: Basic .*headers/, /^uptime-kuma\.json:13: Data .*its query/, /json:14: Not now .*paused/, /json:15: Mirror .*upside down/, /json:16: Pushed .*waits to be told/, /json:6: Door .*200-299/, /json:20: Its secret .*a secret/, /json:18: .*as a name; the host is called x-evil-armed-true/);
    assert.ok(!/[\u202e\u001b]/.test(got.text + got.told.join("")), "nothing that a terminal obeys");
  });

  test("the database, as a copy, with what is only in its write-ahead log", async () => {
    const path = join(folder, "kuma.db");
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
      CREATE TABLE monitor (id INTEGER PRIMARY KEY, name TEXT, active BOOLEAN, interval INTEGER, url TEXT, type TEXT, hostname TEXT, port INTEGER, keyword TEXT, upside_down BOOLEAN, accepted_statuscodes_json TEXT, dns_resolve_type TEXT, dns_resolve_server TEXT, method TEXT, headers TEXT, basic_auth_user TEXT, database_connection_string TEXT, parent INTEGER);
      INSERT INTO monitor (id, name, active, interval, type, hostname, upside_down) VALUES (7, 'Box', 1, 30, 'ping', '10.0.0.21', 0), (8, 'Off', 0, 30, 'ping', '10.0.0.22', 0);
      INSERT INTO monitor (id, name, active, interval, type, url, method, accepted_statuscodes_json) VALUES (9, 'Web', 1, 30, 'http', 'http://10.0.0.21/a', 'GET', '["201"]');`);
    try {
      const got = await imported("uptime-kuma", path);
      assert.deepEqual(probesOf(got), ["probes: [ ping, { http: { url: http://10.0.0.21/a, status: 201 } } ]"]);
      said(got, /^kuma\.db:monitor 8: Off .*paused/);
    } finally {
      database.close();
    }
  });

  test("what is neither is refused", async () => {
    await refused("uptime-kuma", file("a.json", "{"), /neither a database nor JSON/);
    await refused("uptime-kuma", file("b.json", "{}"), /no monitorList/);
    await refused("uptime-kuma", file("c.db", "SQLite format 3\0and then nothing of it"), /cannot be read as a database/);
    await refused("uptime-kuma", join(folder, "nowhere"), /no such file/);
    await refused("uptime-kuma", "/dev/zero", /is no file/);
    await refused("uptime-kuma", file("d.json", '{"monitorList":[{"type":"push","active":true}]}'), /no check .* could be carried over/, 1);
    const view = join(folder, "view.db");
    const database = new DatabaseSync(view);
    database.exec("CREATE VIEW monitor AS WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever) SELECT n AS id FROM forever");
    database.close();
    await refused("uptime-kuma", view, /no table monitor/);
  });
});

describe("Gatus", () => {
  test("endpoints with conditions, fields that nobody knows", async () => {
    const got = await imported("gatus", join(SAMPLES, "gatus.yaml"));
    assert.deepEqual(probesOf(got), [
      "probes: [ { http: { url: https://www.example.org/health, status: 204, body: all is well, expires: 48h } } ]",
      "probes: [ { dns: { name: www.example.org, type: A, rcode: NOERROR, answer: 10.0.0.21 } } ]",
      "probes: [ { tcp: { port: 6379 } }, ping ]",
      "probes: [ { ssh: { port: 2222 } } ]",
    ]);
    assert.equal(got.config.policy.hosts.get("cache")?.everyMs, 15_000);
    said(got, /^gatus\.yaml:2: alerting: /, /^gatus\.yaml:11: front door: the condition \[RESPONSE_TIME\] < 300: /, /:13: alerts of endpoints: /, /:25: with a key: its URL holds what looks like a secret/, /:28: posted: it sends POST/, /:32: from the environment: /, /:37: json: the condition/, /:35: json: nothing that it asks for/, /:38: a socket: Upkeep has no probe for wss:/, /:41: switched off: /, /:48: new fields: colour is not known here/);
  });

  test("a folder; anchors that blow up; no endpoints", async () => {
    const path = join(folder, "gatus");
    mkdirSync(join(path, "..data"), { recursive: true });
    writeFileSync(join(path, "..data/a.yaml"), "endpoints: [{ name: a, url: 'icmp://10.0.0.1', conditions: ['[CONNECTED] == true'] }]\n");
    symlinkSync("..data/a.yaml", join(path, "a.yaml"));
    symlinkSync("..", join(path, "round"));
    assert.equal((await imported("gatus", path)).config.policy.hosts.size, 1, "each file once");
    await refused("gatus", file("c.yaml", "a: 1\n"), /no endpoints/);
    await refused("gatus", file("d.yaml", "endpoints: [\n"), /d\.yaml:2: /);
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]", ...[..."bcdefgh"].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[index]}`).join(",")}]`), "endpoints: [{ name: *h, url: 'icmp://10.0.0.1', conditions: [] }]"].join("\n");
    const got = await imported("gatus", file("bomb.yaml", bomb));
    assert.equal(got.config.policy.hosts.size, 1);
  });
});

describe("Nagios", () => {
  test("templates, groups, macros, what names what in a circle", async () => {
    const got = await imported("nagios", join(SAMPLES, "nagios/nagios.cfg"));
    assert.deepEqual([...got.config.policy.hosts.keys()], ["switch-a", "web1", "db-1"]);
    assert.deepEqual(probesOf(got), [
      "probes: [ ping ]",
      'probes: [ ping, { ssh: { port: 2222 } }, { http: { url: "http://{address}/health", body: it is well } } ]',
      'probes: [ ping, { ssh: { port: 2222 } }, { plugin: { command: [ /usr/lib/nagios/plugins/check_oracle, --tns, "{address}", --sid, ORCL ] } } ]',
    ]);
    assert.equal(got.config.policy.hosts.get("web1")?.behind, "switch-a");
    assert.equal(got.config.policy.hosts.get("web1")?.group, "web");
    said(got, /hosts\.cfg:\d+: odd: "10\.0\.0\.300" is not an address/, /use nothing-of-that-name: there is no such template/, /db 1: Piped: its command needs a shell/, /web1: Behind a log-in: its command holds \$USER3\$/, /db 1: Disk: it reports what an agent measured/, /db 1: as a name; the host is called db-1/, /check_interval: /);
  });

  test("nagios takes the sample too", { skip: lacking("nagios4") }, () => {
    thirdParty("nagios4", [programPath("nagios4") as string, "--version"]);
    const home = mkdtempSync(join(folder, "nagios-"));
    const own = readFileSync(join(SAMPLES, "nagios/hosts.cfg"), "utf8").replace("anything,nothing-of-that-name", "anything");
    writeFileSync(join(home, "hosts.cfg"), own);
    const main = join(home, "nagios.cfg");
    writeFileSync(main, [`cfg_file=${home}/hosts.cfg`, `cfg_file=${SAMPLES}/nagios/services.cfg`, `resource_file=${SAMPLES}/nagios/resource.cfg`, `log_file=${home}/log`, `check_result_path=${home}`, `temp_file=${home}/temp`, `lock_file=${home}/lock`, `object_cache_file=${home}/cache`, `status_file=${home}/status`, "check_external_commands=0", `nagios_user=${process.getuid?.()}`, `nagios_group=${process.getgid?.()}`, ""].join("\n"));
    const out = execFileSync(programPath("nagios4") as string, ["-v", main], { encoding: "utf8", timeout: 60_000 });
    assert.match(out, /Checked 4 hosts/);
    assert.match(out, /Total Errors:\s+0/);
  });

  test("templates and groups in a circle, an object that does not end, a line of a megabyte", async () => {
    const got = await imported("nagios", file("circle.cfg", `define host {
  name a
  use b
  register 0
}
define host {
  name b
  use a
  check_command ping
  register 0
}
define host {
  host_name h
  use a
  address 10.0.0.1
}
define hostgroup {
  hostgroup_name g
  hostgroup_members k
  members h
}
define hostgroup {
  hostgroup_name k
  hostgroup_members g
}
define command {
  command_name ping
  command_line /usr/lib/nagios/plugins/check_ping -H $HOSTADDRESS$
}
define host {
  host_name ${"x".repeat(1_000_000)}
  address 10.0.0.2
  check_command ping
}
define service {
  host_name h`));
    assert.equal(got.config.policy.hosts.size, 2);
    said(got, /templates that use one another in a circle/, /define service: it does not end/);
    assert.ok(got.list.every((line) => line.length < 1_000));
    await refused("nagios", file("none.cfg", "hello\n"), /no define in it/);
  });
});

describe("Icinga 2", () => {
  test("objects, templates, apply rules", async () => {
    const got = await imported("icinga", join(SAMPLES, "icinga/icinga2.conf"));
    assert.deepEqual([...got.config.policy.hosts.keys()], ["web1", "db1.example.org"]);
    assert.deepEqual(probesOf(got), [
      'probes: [ ping, { ssh: { port: 2222 } }, { http: { url: "http://{address}/health", body: well } }, { http: { url: "https://{address}:8443/" } } ]',
      "probes: [ ping, postgres ]",
    ]);
    assert.equal(got.config.policy.hosts.get("web1")?.group, "linux");
    said(got, /icinga2\.conf:4: include nowhere\.conf: /, /hosts\.conf:\d+: Host clever: if \(line \d+\) is not read/, /apply Service loop: the function regex/, /web1: log-in: its arguments hold what looks like a secret/, /web1: disk: it looks at the machine/, /CheckCommand own: /, /User objects: /);
  });

  test("what does not end, or is nested for ever, is an error with its line", async () => {
    await refused("icinga", file("a.conf", 'object Host "x" {\n  address = "10.0.0.1"\n'), /a\.conf:3: .* does not end/);
    await refused("icinga", file("b.conf", `const X = ${"(".repeat(5_000)}`), /nested too deeply/);
    await refused("icinga", file("c.conf", '/* never\n'), /c\.conf:1: /);
    await refused("icinga", file("d.conf", "\n\n\u0001"), /d\.conf:3: .* is not understood/);
    const got = await imported("icinga", file("e.conf", `object Host "h" { address = "10.0.0.1"\n check_command = "hostalive" }\napply Service "s" { check_command = "ssh"\n assign where match("${"*a".repeat(40)}b", "${"a".repeat(60)}") || true }\n`));
    assert.deepEqual(probesOf(got), ["probes: [ ping, ssh ]"]);
  });
});

describe("what Debian ships", () => {
  // Unpacked and not installed (lab/unpacked.txt): nobody's machine needs a Nagios.
  const from = (name: string, path: string): string => join(import.meta.dirname, "../../lab/unpacked", name, path);
  const without = (...folders: readonly string[]): string | false => (folders.every((each) => existsSync(each)) ? false : "not unpacked: nagios4-common, icinga2-common (bin/setup --lab does it)");
  const objects = from("nagios4-common", "etc/nagios4/objects");
  const examples = from("nagios4-common", "usr/share/doc/nagios4-common/examples/template-object");
  const commands = "/usr/share/monitoring-plugins/templates-basic";
  const icinga = from("icinga2-common", "etc/icinga2/icinga2.conf");

  test("every object file of nagios4 and of the plugins", { skip: without(objects, examples, commands) }, async () => {
    const got = await imported("nagios", objects, commands);
    assert.deepEqual([...got.config.policy.hosts.keys()], ["localhost", "hplj2605dn", "linksys-srw224p", "winserver"]);
    assert.equal(probesOf(got)[0], 'probes: [ ping, ssh, { http: { url: "http://{address}/" } } ]');
    assert.ok(got.list.length >= 20, "what looks at a disk, a load, a user is in the list");
    await refused("nagios", [examples], /could be carried over/, 1);
  });

  test("every file of icinga2, its template library included", { skip: without(icinga) }, async () => {
    const got = await imported("icinga", icinga);
    assert.deepEqual(probesOf(got), ['probes: [ ping, ssh, { http: { url: "http://{address}/" } } ]']);
    // No host in it: understood to the end, and nothing to carry over.
    await refused("icinga", from("icinga2-common", "usr/share/icinga2/include"), /could be carried over/, 1);
  });
});

test("a file of Icinga that closes what was never opened is read to its end", async () => {
  const got = await imported("icinga", file("closed.conf", `}\n)]}\nobject Host "h" {\n address = "10.0.0.1"\n check_command = "hostalive"\n}\n}`));
  assert.equal(got.config.policy.hosts.size, 1);
});

test("a rule whose head is beyond what is read is left, and the next is read", async () => {
  const got = await imported("icinga", file("head.conf", `object Host "h" {\n address = "10.0.0.1"\n check_command = "hostalive"\n vars[f("x")] = 1\n}\napply Service for (x in get_objects(Host)) {\n check_command = "ssh"\n}\nobject Host "k" { address = "10.0.0.2"\n check_command = "hostalive" }\n`));
  assert.deepEqual([...got.config.policy.hosts.keys()], ["k"]);
  said(got, /head\.conf:6: apply the function get_objects \(line 6\): this part of the language is not read/, /head\.conf:1: Host h: the function f/);
});

describe("the command", () => {
  test("--json: one object with the list; nothing is overwritten; what is nested for ever is refused", async () => {
    const out = join(folder, "json/upkeep.yaml");
    const told: string[] = [];
    assert.equal(await runImport("gatus", [join(SAMPLES, "gatus.yaml")], { out, json: true }, (line) => told.push(line)), 0);
    const said = JSON.parse(told.join("\n")) as { file: string; armed: boolean; hosts: number; probes: number; checks: number; notCarried: { file: string; line: number; what: string; why: string }[] };
    assert.deepEqual([said.file, said.armed, said.hosts, said.probes, said.checks], [out, false, 4, 5, 5]);
    assert.deepEqual(said.notCarried[0], { file: "gatus.yaml", line: 2, what: "alerting", why: "whom to call is written under alerts:" });
    await assert.rejects(runImport("gatus", [join(SAMPLES, "gatus.yaml")], { out }, () => undefined), /--force/);
    assert.equal(await runImport("gatus", [join(SAMPLES, "gatus.yaml")], { out, force: true }, () => undefined), 0);
    await refused("gatus", file("deep.yaml", `endpoints: ${"[".repeat(200_000)}`), /nested too deeply|deep\.yaml:1/);
    await refused("icinga", file("deep.conf", `const X = ${"!".repeat(200_000)}true`), /nested too deeply/);
    await refused("uptime-kuma", file("deep.json", `{"monitorList":${"[".repeat(200_000)}`), /neither a database nor JSON/);
  });

  test("by the command line, with several files", async () => {
    const out = join(folder, "by-command-line.yaml");
    assert.equal(await run(["import", "nagios", join(SAMPLES, "nagios/hosts.cfg"), join(SAMPLES, "nagios/services.cfg"), "--out", out, "--json"], "0.0.0"), 0);
    assert.ok((await loadConfig(out)).ok);
    assert.equal(await run(["import", "gatus", join(SAMPLES, "gatus.yaml"), "another", "--out", out], "0.0.0"), 2);
  });
});

describe("damaged files", () => {
  const samples: readonly (readonly [ImportSource, string, string?])[] = [["uptime-kuma", "uptime-kuma.json"], ["gatus", "gatus.yaml"], ["nagios", "nagios/services.cfg", "nagios/hosts.cfg"], ["nagios", "nagios/hosts.cfg", "nagios/services.cfg"], ["icinga", "icinga/conf.d/services.conf", "icinga/conf.d/hosts.conf"], ["icinga", "icinga/conf.d/hosts.conf"]];
  const PIECES = ["", "{", "}", "[", "]", '"', "'", "\n", ":", "$", "*", "!", "&a", "\\", ";", "=", "null", "-1", "\u0000", "\ud800", "define host {", "apply Service ", "assign where ", "<<: *a", "x".repeat(300)];

  for (const [source, name, beside] of samples) {
    test(`${name}: read or refused, in words`, async () => {
      const whole = readFileSync(join(SAMPLES, name), "utf8");
      const path = file("damaged", "");
      const out = join(folder, "damaged.yaml");
      let read = 0;
      await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length), fc.nat(40), fc.constantFrom(...PIECES)), { minLength: 1, maxLength: 3 }), async (cuts) => {
        writeFileSync(path, cuts.reduce((text, [at, length, piece]) => text.slice(0, at) + piece + text.slice(at + length), whole));
        try {
          await runImport(source, [path, ...(beside === undefined ? [] : [join(SAMPLES, beside)])], { out, force: true }, (line) => assert.doesNotMatch(line, /[\x00-\x1f]/));
          read += 1;
        } catch (error) {
          assert.ok(error instanceof CliError, String((error as Error).stack));
          assert.notEqual(error.exit, 3, `the loader would not take it: ${error.message}`);
        }
      }), { numRuns: 40 });
      // JSON forgives nothing.
      assert.ok(read > 0 || name.endsWith(".json"));
    });
  }
});

describe("command lines", () => {
  test("what a shell would take apart, and what needs one", () => {
    assert.deepEqual(shellWords(`/p/check_x -a 'b c' "d \\"e\\"" f\\ g ''`), ["/p/check_x", "-a", "b c", 'd "e"', "f g", ""]);
    for (const line of ["a | b", "a; b", "a `b`", 'a "$b"', "a > b", "a 'b", "a *"]) assert.equal(shellWords(line), null, line);
  });

  test("plugins as probes", () => {
    const asked = (line: string): unknown => {
      const [program = "", ...args] = shellWords(line) ?? [];
      const found = understand({ program: `/p/${program}`, args });
      return "why" in found ? found.why : found.probe;
    };
    assert.deepEqual(asked("check_tcp -H {address} -p 6379 -s PING -e +PONG -w 1 -c 2"), { tcp: { port: 6379, send: "PING", expect: "+PONG" } });
    assert.deepEqual(asked("check_http -S -H {address} -p 8443 -u x"), { http: { url: "https://{address}:8443/x" } });
    assert.deepEqual(asked("check_http -H www.example.org -I {address}"), { plugin: { command: ["/p/check_http", "-H", "www.example.org", "-I", "{address}"] } });
    assert.deepEqual(asked("check_dns -H www.example.org -s {address}"), { dns: { name: "www.example.org" } });
    assert.deepEqual(asked("check_dig --lookup=x.org -H {address} -T MX"), { plugin: { command: ["/p/check_dig", "--lookup=x.org", "-H", "{address}", "-T", "MX"] } });
    assert.deepEqual(asked("check_simap -H {address}"), { imap: { tls: true } });
    assert.deepEqual(asked("check_ldap -H {address} -b dc=example,dc=org -3"), { ldap: { base: "dc=example,dc=org" } });
    assert.deepEqual(asked("check_ntp_time -H {address} -w 0.5 -c 1"), "ntp");
    assert.deepEqual(asked("check_ssh -4 {address}"), "ssh");
    assert.match(String(asked("check_snmp -H {address} -o 1.3.6.1.2.1.1.3.0 -C hunter2")), /secret/);
    for (const way of ["--community hunter2", "--community=hunter2", "-Chunter2", "-C public --authpasswd=hunter2"]) assert.match(String(asked(`check_snmp -H {address} -o sysUpTime.0 ${way}`)), /secret/, way);
    assert.deepEqual(asked("check_snmp -H {address} -o sysUpTime.0 --community=public"), { snmp: { oid: "1.3.6.1.2.1.1.3.0" } });
    assert.match(String(asked("check_anything --password=hunter2 {address}")), /secret/);
    assert.match(String(asked("check_disk -w 10%")), /runs on/);
    assert.match(String(asked("check_http -H {address} -C 14")), /certificate/);
    assert.match(String(asked("check_ssh 10.9.9.9")), /does not name the host/);
  });
});

describe("names and comments of strangers", () => {
  test("a name is right, and no two are alike", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: "binary", maxLength: 200 }), { maxLength: 20 }), (texts) => {
      const taken = new Set<string>();
      const names = texts.map((text) => nameFrom(text, taken));
      assert.ok(names.every(isName), JSON.stringify(names));
      assert.equal(new Set(names.map((name) => name.toLowerCase())).size, names.length);
    }));
  });

  test("whatever stands in a comment, a name or a value, the file says what was meant", async () => {
    const hostile = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.constantFrom("a\narmed: true", "x\r\nhosts: {}", "\u2028armed: true", "\u0085armed: true", "# }", "'\"", "*a", "&a b", "!!js/function x", "{address}", "- [", "\u001b]0;x\u0007", "x".repeat(5_000)));
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(hostile, hostile, hostile), { minLength: 1, maxLength: 4 }), async (rows) => {
      const taken = new Set<string>();
      const hosts = rows.map(([name, note, body], index) => ({ name: nameFrom(name, taken), address: `10.0.0.${index + 1}`, power: null, notes: [note, name], probes: ["ping", { http: { url: "http://{address}/", body: `x${body.slice(0, 500)}` } }].filter((probe) => probeProblem(probe) === null) }));
      const text = draftText({ madeBy: "import x\narmed: true", site: null, watcher: null, hosts, devices: [], references: [], mail: null, store: { kind: "embedded" } }, 0);
      const loaded = await loadConfig("/x/upkeep.yaml", { readFile: async () => text });
      assert.ok(loaded.ok, `${text}\n${JSON.stringify(loaded.problems)}`);
      assert.equal(loaded.config.policy.armed, false);
      assert.deepEqual([...loaded.config.policy.hosts.keys()].sort(), hosts.map(({ name }) => name).sort());
      assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/, "nothing that a terminal or an editor obeys");
    }), { numRuns: 150 });
    assert.equal(oneLine("a\r\nb\u001b[31m"), "a b [31m");
  });
});
