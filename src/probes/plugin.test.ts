import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { thirdParty } from "../../lab/third-party.ts";
import { assertEvidence, closedPort, conformance, descriptors, noIcmp, tcpPeer, until } from "./conformance.ts";
import type { Setting } from "./conformance.ts";
import { judge, plugin } from "./plugin.ts";
import type { PluginOptions } from "./plugin.ts";
import type { Finding } from "./probe.ts";

const TARGET = { host: "patient", address: "10.0.0.21", family: 4 } as const;
const LIMIT_MS = 20_000;

function options(command: readonly string[], more: Partial<PluginOptions> = {}): PluginOptions {
  return { command, warning: "good", env: {}, ...more };
}

const shell = (script: string, more: Partial<PluginOptions> = {}): PluginOptions => options(["/bin/sh", "-c", script, "sh", "{address}"], more);

/** A plugin's pipes are closed once it has been killed and reaped, which takes a turn of the loop or two. */
const setting = (asked: PluginOptions) => (): Promise<Setting<PluginOptions>> =>
  Promise.resolve({ target: TARGET, options: asked, tools: { icmp: noIcmp }, peerDescriptors: 4, close: () => Promise.resolve() });

const folder = mkdtempSync(join(tmpdir(), `upkeep-plugin-${process.pid}-`));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const unreadable = join(folder, "not-executable");
writeFileSync(unreadable, "#!/bin/sh\nexit 0\n");
const noise = join(folder, "noise");
writeFileSync(noise, Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 7) & 0xff)));
chmodSync(noise, 0o755);

conformance(plugin, {
  right: setting(shell("echo 'SSH OK - fine | time=0.01s;;;0;10'")),
  silent: setting(shell("exec sleep 600")),
  odd: {
    "an exit of 0 with a text that says CRITICAL (the exit rules)": setting(shell("echo CRITICAL - all is lost; exit 0")),
    "an exit of 0 without a word": setting(shell("exit 0")),
    "a warning": setting(shell("echo 'DISK WARNING - 90%'; exit 1")),
    "megabytes, and then an exit of 0": setting(shell("head -c 20000000 /dev/zero; exit 0")),
    "a child left behind that holds the output open": setting(shell("sleep 613.5 & echo OK; exit 0")),
    "one that has left the group and holds it, too": setting(shell("setsid sleep 7 & echo OK; exit 0")),
    "bytes that are no text": setting(shell("head -c 5000 /dev/urandom; exit 0")),
    "what waits for its input, which is empty": setting(shell("cat; echo OK")),
  },
  wrong: {
    "an exit of 2": setting(shell("echo 'SSH CRITICAL - connection refused'; exit 2")),
    "an exit of 2 with a text that says OK": setting(shell("echo OK - never better; exit 2")),
    "a warning that is to be bad": setting(shell("echo WARNING; exit 1", { warning: "bad" })),
    "one that says OK and stays": setting(shell("echo OK; exec sleep 600")),
    "one that closes its output and stays": setting(shell("exec >&- 2>&-; exec sleep 600")),
    "output without end": setting(options(["/usr/bin/yes", "OK"])),
    "one that ignores every signal it can": setting(shell("trap '' TERM INT HUP QUIT PIPE; while :; do sleep 600; done")),
  },
  ours: {
    "an exit of 3": setting(shell("echo 'UNKNOWN - no such option'; exit 3")),
    "an exit of 4": setting(shell("echo OK; exit 4")),
    "an exit of 137": setting(shell("echo OK; exit 137")),
    "an exit of 255": setting(shell("exit 255")),
    "a death by signal": setting(shell("echo OK; kill -KILL $$")),
    "a segmentation fault": setting(shell("kill -SEGV $$")),
    "an exit of 2 without a text, as of a shell that cannot fork": setting(shell("echo 'sh: 1: Cannot fork' >&2; exit 2")),
    "an exit of 1 without a text, as of a script that failed": setting(shell("echo 'Traceback (most recent call last):' >&2; exit 1")),
    "an error of syntax": setting(shell("if")),
    "a program that is not there": setting(options(["/nonexistent/check_ssh", "-H", "{address}"])),
    "a file that may not be run": setting(options([unreadable])),
    "a folder": setting(options([folder])),
    "a file of noise": setting(options([noise])),
    "no command": setting(options([])),
  },
});

function look(asked: PluginOptions, signal = AbortSignal.timeout(LIMIT_MS)): Promise<Finding> {
  return plugin.run(TARGET, asked, { icmp: noIcmp }, signal);
}

test("the first line is the evidence, the numbers of all lines are kept, at most sixteen", async () => {
  const many = Array.from({ length: 20 }, (_, index) => `n${index}=${index}MB`).join(" ");
  const found = await look(shell(`printf '%s\\n' 'DISK OK - free | /=1MB;2;3 bad=x u=U' 'long text | home=2%' '${many}'`));
  assert.deepEqual([found.outcome, found.sign, found.evidence], ["good", "answer", "exit 0: DISK OK - free"]);
  assert.deepEqual(found.perfdata?.slice(0, 3), [{ label: "/", value: 1, unit: "MB" }, { label: "home", value: 2, unit: "%" }, { label: "n0", value: 0, unit: "MB" }]);
  assert.equal(found.perfdata?.length, 16);
});

test("{host} and {address} are replaced in every argument, and nothing in it is read by a shell or as a pattern", async () => {
  const found = await plugin.run({ host: "$&-db", address: "10.0.0.21", family: 4 }, options(["/bin/echo", "{host}", "-H{address}:{address}", "$(id)", "{other}", ";exit 2"]), { icmp: noIcmp }, AbortSignal.timeout(LIMIT_MS));
  assert.equal(found.evidence, "exit 0: $&-db -H10.0.0.21:10.0.0.21 $(id) {other} ;exit 2");
});

test("its environment is small, in the C locale, with what was added; that is hidden when it is printed", async () => {
  process.env["UPKEEP_TEST_LEAK"] = "leaked";
  const found = await look(shell("env | sort | tr '\\n' ' '", { env: { CHECK_PASSWORD: "hunter2-sesame" } }));
  assert.match(found.evidence, /CHECK_PASSWORD=\[redacted\] LANG=\S+ LC_ALL=C PATH=/);
  assert.doesNotMatch(found.evidence, /hunter2|LEAK/);
  const error = await look(shell("echo \"denied for $CHECK_PASSWORD\" >&2; exit 3", { env: { CHECK_PASSWORD: "hunter2-sesame" } }));
  assert.equal(error.evidence, "exit 3, unknown: denied for [redacted]");
});

test("given up, it ends with all that it has started", async () => {
  const controller = new AbortController();
  const file = join(folder, "pids");
  const running = look(shell(`trap '' TERM; (trap '' TERM; sleep 614.5) & (sleep 615.5 | sleep 616.5) & echo $! $$ > ${file}.new; mv ${file}.new ${file}; wait`), controller.signal);
  await until(() => existsSync(file), "the plugin did not start");
  controller.abort(new Error("enough"));
  await assert.rejects(running, /enough/);
  for (const pid of readFileSync(file, "utf8").trim().split(" ")) await until(() => !alive(pid), `${pid} lives`);
});

test("a hundred megabytes are read and thrown away", async () => {
  const beforeBytes = process.memoryUsage().rss;
  const found = await look(shell("echo OK; head -c 100000000 /dev/zero; exit 0"));
  assert.equal(found.outcome, "good");
  const grownBytes = process.memoryUsage().rss - beforeBytes;
  assert.ok(grownBytes < 60_000_000, `grown by ${grownBytes}`);
});

test("sixteen at once; the others wait, say so, and none is lost when all are given up", async () => {
  const before = descriptors();
  const controller = new AbortController();
  const told = Array.from({ length: 40 }, () => "");
  const held = Array.from({ length: 40 }, () => 0);
  const running = told.map((_, index) =>
    plugin.run(TARGET, shell("exec sleep 617.5"), { icmp: noIcmp }, controller.signal, (text, heldMs) => {
      told[index] = text;
      held[index] = heldMs ?? held[index] ?? 0;
    }),
  );
  await until(() => told.filter((text) => text === "running").length === 16, "sixteen did not start");
  assert.deepEqual(told.slice(16).map((text, index) => [text, held[16 + index]]), Array.from({ length: 24 }, () => ["waiting for its turn", Infinity]));
  controller.abort(new Error("enough"));
  for (const end of await Promise.allSettled(running)) assert.equal(end.status, "rejected");
  await until(() => descriptors() <= before, "descriptors left open");
  assert.equal((await look(shell("echo OK"))).outcome, "good");
});

test("whatever a plugin prints and however it ends, the evidence is printable, and only its exit makes it good", () => {
  const end = fc.oneof(fc.integer({ min: 0, max: 255 }).map((code) => ({ code })), fc.constant({ why: "killed by SIGKILL" }));
  fc.assert(
    fc.property(end, fc.string({ unit: "binary", maxLength: 300 }), fc.string({ maxLength: 50 }), fc.constantFrom("good" as const, "bad" as const), (how, stdout, said, warning) => {
      const found = judge({ end: how, stdout, said }, { warning, env: { SECRET: "hunter2" } });
      assertEvidence(found);
      const code = "code" in how ? how.code : -1;
      if (found.outcome === "good") assert.ok(code === 0 || (code === 1 && warning === "good"));
      if (found.outcome === "bad") assert.ok(code === 2 || (code === 1 && warning === "bad"));
    }),
    { numRuns: 1_000 },
  );
});

const PLUGINS = "/usr/lib/nagios/plugins";
const skip = existsSync(`${PLUGINS}/check_ssh`) ? false : "monitoring-plugins is not installed (bin/setup --lab installs it)";

test("real monitoring plugins: check_dummy, check_ssh, check_tcp, check_http, check_ping", { skip }, async (t) => {
  thirdParty("monitoring-plugins", [`${PLUGINS}/check_ssh`, "-V"]);
  const ssh = await tcpPeer((socket) => {
    socket.write("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    socket.resume();
  });
  const mute = await tcpPeer((socket) => socket.resume());
  const http = createServer((request, response) => response.writeHead(request.url === "/" ? 200 : 503).end("well")).listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => Promise.all([ssh.close(), mute.close(), new Promise((done) => http.close(done))]));
  const local = { host: "patient", address: "127.0.0.1", family: 4 } as const;
  const at = (name: string, ...rest: readonly (string | number)[]): PluginOptions => options([`${PLUGINS}/${name}`, ...rest.map(String)]);
  const web = (http.address() as AddressInfo).port;
  const cases: readonly (readonly [PluginOptions, string, RegExp, readonly string[]])[] = [
    [at("check_dummy", 0, "fine"), "good", /^exit 0: OK: fine$/, []],
    [at("check_dummy", 1, "nearly"), "good", /^exit 1, warning: WARNING: nearly$/, []],
    [at("check_dummy", 2, "lost"), "bad", /^exit 2, critical: CRITICAL: lost$/, []],
    [at("check_dummy", 3), "unknown", /^exit 3, unknown: UNKNOWN$/, []],
    [at("check_ssh", "-H", "{address}", "-p", ssh.port), "good", /^exit 0: SSH OK - OpenSSH_9\.2p1 Debian-2 \(protocol 2\.0\)$/, ["time"]],
    [at("check_ssh", "-H", "{address}", "-p", await closedPort()), "bad", /^exit 2, critical: connect to address 127\.0\.0\.1 and port \d+: Connection refused$/, []],
    [at("check_ssh", "-t", "1", "-H", "{address}", "-p", mute.port), "bad", /^exit 2, critical: CRITICAL - Socket timeout/, []],
    [at("check_tcp", "-H", "{address}", "-p", ssh.port), "good", /^exit 0: TCP OK - /, ["time"]],
    [at("check_http", "-H", "{host}", "-I", "{address}", "-p", web), "good", /^exit 0: HTTP OK: /, ["time", "size"]],
    [at("check_http", "-I", "{address}", "-p", web, "-u", "/down"), "bad", /^exit 2, critical: HTTP CRITICAL: .*503/, ["time", "size"]],
    [at("check_ping", "-4", "-H", "{address}", "-p", 1, "-w", "5000,80%", "-c", "9000,100%"), "good", /^exit 0: PING OK - /, ["rta", "pl"]],
    [at("check_ssh"), "unknown", /^exit 3, unknown: /, []],
  ];
  for (const [asked, outcome, evidence, labels] of cases) {
    const found = await plugin.run(local, asked, { icmp: noIcmp }, AbortSignal.timeout(LIMIT_MS));
    assert.equal(found.outcome, outcome, `${asked.command.join(" ")}: ${found.evidence}`);
    assert.match(found.evidence, evidence);
    assert.deepEqual((found.perfdata ?? []).map(({ label }) => label), labels, asked.command.join(" "));
  }
});

function alive(pid: string): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
