// The proof that the virtual PDU speaks as the hardware does: foreign clients, written against the hardware, take it for
// one. fence_apc drives it through the `telnet` program in both menus and the newer shell; powermand with the device files
// that it ships; Python's telnetlib in the plain shell, which is how the first of the scripts behind Upkeep did it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { startApcPdu, type ApcPdu, type ApcPduOptions } from "./apc-pdu.ts";
import { lacking, programPath, thirdParty } from "./third-party.ts";

type Run = { readonly status: number | null; readonly out: string; readonly err: string };

/** Runs a foreign program with nothing of our environment but a path: FenceAgentAPI variables must not leak in. */
function run(t: TestContext, name: string, argv: readonly string[], input = ""): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(programPath(name) ?? name, argv, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" }, stdio: ["pipe", "pipe", "pipe"], timeout: 60_000, killSignal: "SIGKILL" });
    t.after(() => child.kill("SIGKILL"));
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, out, err }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

async function start(t: TestContext, options: ApcPduOptions): Promise<ApcPdu> {
  const pdu = await startApcPdu(options);
  t.after(() => pdu.close());
  return pdu;
}

const edges = (pdu: ApcPdu): string[] => pdu.log.all("edge").map((edge) => `${edge.outlet} ${edge.state}`);

/** fence_apc, told on standard input and always with an action (field.md §2); patient, since the machine may be busy. */
async function fenceApc(t: TestContext, pdu: ApcPdu, action: string, more: readonly string[] = []): Promise<Run> {
  const options = ["ipaddr=127.0.0.1", `ipport=${pdu.port}`, "login=apc", "passwd=apc", "port=2", `action=${action}`, "login_timeout=15", "shell_timeout=15", ...more];
  const result = await run(t, "fence_apc", [], `${options.join("\n")}\n`);
  // The agent is slow to leave, or leaves without logging out: the next one needs the one session.
  await pdu.log.until("released", (record) => record.connection === pdu.log.all("open").length);
  return result;
}

function fenceAgents(): void {
  thirdParty("fence_apc (fence-agents)", [programPath("fence_apc") ?? "", "--version"]);
  thirdParty("telnet (inetutils)", [programPath("telnet") ?? "", "--version"]);
}

const DEVICES: readonly { readonly what: string; readonly options: ApcPduOptions; readonly brief?: boolean }[] = [
  { what: "menu2", options: { dialect: "menu2" } },
  { what: "menu3", options: { dialect: "menu3" } },
  { what: "shell (v6)", options: { dialect: "shell" } },
  { what: "menu2, an account for outlets alone", options: { dialect: "menu2", account: "outlet-user" }, brief: true },
  { what: "menu3, 24 outlets that page", options: { dialect: "menu3", outlets: 24 }, brief: true },
  { what: "menu3, telnet in line mode: Ctrl-C comes as IP and TIMING-MARK", options: { dialect: "menu3", echo: false }, brief: true },
];

describe("third-party clients", { concurrency: 6 }, () => {
  for (const { what, options, brief } of DEVICES) {
    test(`fence_apc accepts ${what}`, { skip: lacking("fence_apc", "telnet") }, async (t) => {
      fenceAgents();
      const pdu = await start(t, { ...options, names: { 2: "logos", 3: "web server" } });
      const off = await fenceApc(t, pdu, "off");
      assert.deepEqual([off.status, off.out.trim()], [0, "Success: Powered OFF"], off.err);
      assert.deepEqual(edges(pdu), ["2 off"]);
      const status = await fenceApc(t, pdu, "status");
      assert.deepEqual([status.status, status.out.trim()], [2, "Status: OFF"], status.err);
      const again = await fenceApc(t, pdu, "off");
      assert.deepEqual([again.status, again.out.trim()], [0, "Success: Already OFF"], again.err);
      if (brief !== true) {
        const on = await fenceApc(t, pdu, "on");
        assert.deepEqual([on.status, on.out.trim()], [0, "Success: Powered ON"], on.err);
        const reboot = await fenceApc(t, pdu, "reboot");
        assert.deepEqual([reboot.status, reboot.out.trim()], [0, "Success: Rebooted"], reboot.err);
        assert.deepEqual(edges(pdu), ["2 off", "2 on", "2 off", "2 on"], "its reboot is off and on");
        assert.equal((await fenceApc(t, pdu, "status")).status, 0);
      }
      const list = await fenceApc(t, pdu, "list");
      assert.equal(list.status, 0, list.err);
      assert.deepEqual(list.out.trim().split("\n"),
        pdu.state().outlets.map(({ outlet, label }) => `${outlet},${label}`));
      assert.equal(pdu.state().sessionsMax, 1);
      assert.ok(pdu.log.all("command").every((command) => ["on", "off"].includes(command.action)));
    });
  }

  test("fence_apc fails, and does not read off, on a wrong password, a busy device, an outlet that ignores off", { skip: lacking("fence_apc", "telnet") }, async (t) => {
    fenceAgents();
    const pdu = await start(t, { dialect: "shell", faults: { refusePassword: true } });
    assert.equal((await fenceApc(t, pdu, "status", ["login_timeout=3", "shell_timeout=3"])).status, 1);
    pdu.faults.refusePassword = false;
    pdu.faults.ignores = { 2: "off" };
    const ignored = await fenceApc(t, pdu, "off", ["power_timeout=2"]);
    assert.equal(ignored.status, 1);
    assert.equal(pdu.log.all("command").at(-1)?.outcome, "ignored");
    const holder = connect(pdu.port, pdu.address);
    t.after(() => holder.destroy());
    await pdu.log.until("open", (open) => open.connection === 3);
    const options = ["ipaddr=127.0.0.1", `ipport=${pdu.port}`, "login=apc", "passwd=apc", "port=2", "action=status", "login_timeout=2"];
    assert.equal((await run(t, "fence_apc", [], `${options.join("\n")}\n`)).status, 1);
    assert.equal(pdu.log.all("open").at(-1)?.admitted, false);
    assert.deepEqual(edges(pdu), []);
  });

  test("powermand accepts menu2 (apc7900.dev), menu3 (apc7900v3.dev) and 24 outlets that page (apcpdu3.dev)", { skip: lacking("powermand", "powerman") }, async (t) => {
    thirdParty("powerman", [programPath("powermand") ?? "", "-V"]);
    const two = await start(t, { dialect: "menu2" });
    const three = await start(t, { dialect: "menu3" });
    const big = await start(t, { dialect: "menu3", outlets: 24 });
    const server = await powermand(t, [
      ...["apc7900", "apc7900v3", "apcpdu3"].map((file) => `include "/etc/powerman/${file}.dev"`),
      `device "two" "apc7900" "127.0.0.1:${two.port}"`, `device "three" "apc7900v3" "127.0.0.1:${three.port}"`, `device "big" "apcpdu3" "127.0.0.1:${big.port}"`,
      `node "t[1-8]" "two" "[1-8]"`, `node "h[1-8]" "three" "[1-8]"`, `node "b[1-24]" "big" "[1-24]"`,
    ]);
    const powerman = async (...argv: readonly string[]): Promise<string> => {
      const result = await run(t, "powerman", ["-h", server, ...argv]);
      assert.equal(result.status, 0, result.out + result.err);
      return result.out.replaceAll(/ +/g, " ").trim();
    };
    assert.match(await powerman("-q"), /^on: b\[1-24\],h\[1-8\],t\[1-8\]\s+off:\s+unknown:$/);
    assert.equal(await powerman("-0", "t2,h2,b24"), "Command completed successfully");
    for (const [pdu, outlet] of [[two, 2], [three, 2], [big, 24]] as const) assert.deepEqual(edges(pdu), [`${outlet} off`]);
    assert.match(await powerman("-q"), /\s+off: b24,h2,t2\s+unknown:$/);
    await powerman("-1", "t2,h2,b24");
    assert.match(await powerman("-q"), /\s+off:\s+unknown:$/);
    await powerman("-c", "t3,h3");
    for (const pdu of [two, three]) {
      assert.deepEqual(edges(pdu), ["2 off", "2 on", "3 off", "3 on"]);
      // It revokes pending commands before each of its own.
      assert.deepEqual(pdu.log.all("command").map((command) => command.action).slice(0, 4), ["cancel", "off", "cancel", "on"]);
      assert.equal(pdu.state().sessionsMax, 1);
    }
  });

  test("Python's telnetlib accepts the plain shell, by a password with -c", { skip: lacking("python3") }, async (t) => {
    const program = [
      "import sys, telnetlib",
      "conn = telnetlib.Telnet('127.0.0.1', int(sys.argv[1]), 20)",
      "def ask(text, prompt): conn.write(text + b'\\r'); return conn.read_until(prompt, 20).decode()",
      "conn.read_until(b'User Name : ', 20); ask(b'apc', b'Password  : '); ask(b'apc -c', b'APC> ')",
      "print(ask(b'reboot 2', b'APC> ')); print(ask(b'off 3', b'APC> ')); print(ask(b'status 3', b'APC> ')); conn.write(b'quit\\r'); print(conn.read_all().decode())",
    ].join("\n");
    const has = await run(t, "python3", ["-W", "ignore", "-c", "import telnetlib"]);
    if (has.status !== 0) return t.skip("this Python has no telnetlib any more (removed in 3.13)");
    thirdParty("telnetlib (Python)", [programPath("python3") ?? "", "--version"]);
    const pdu = await start(t, { dialect: "menu3", rebootMs: 20, names: { 3: "ethos" } });
    const result = await run(t, "python3", ["-W", "ignore", "-c", program, String(pdu.port)]);
    assert.equal(result.status, 0, result.err);
    assert.match(result.out, /OK\r\n[^]*OK\r\n[^]*OK\r\n3:OFF:ethos\r\n[^]*Bye/);
    await pdu.idle();
    assert.deepEqual(edges(pdu).toSorted(), ["2 off", "2 on", "3 off"]);
  });
});

/** powermand in the foreground, on a configuration of its own and a port that was free a moment ago; where it listens. */
async function powermand(t: TestContext, configuration: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-powerman-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "powerman.conf");
  for (let attempt = 1; attempt <= 3; attempt++) {
    const port = await freePort();
    writeFileSync(path, `listen "127.0.0.1:${port}"\n${configuration.join("\n")}\n`);
    const child = spawn(programPath("powermand") ?? "", ["-f", "-c", path], { stdio: "ignore" });
    t.after(() => child.kill("SIGKILL"));
    let ended = false;
    child.once("exit", () => (ended = true));
    const endMs = performance.now() + 10_000;
    while (!ended && performance.now() < endMs) {
      if (await answers(port)) return `127.0.0.1:${port}`;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    child.kill("SIGKILL");
  }
  throw new Error("powermand does not listen");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    }).once("error", () => resolve(false));
  });
}
