// The proof that the virtual SNMP PDU is one: the fence agents of Debian, which know the hardware, take it for what it says it
// is, and find the outlets by themselves. No agent knows the tables of rPDU2, Raritan, CyberPower, Server Technology or of
// Eaton's later PDUs; for those there is only net-snmp's own client, which knows no PDU.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, test, type TestContext } from "node:test";
import { startSnmpPdu, type SnmpPdu, type SnmpPduOptions } from "./snmp-pdu.ts";
import { SNMP_TABLES, type SnmpTableName } from "./snmp-tables.ts";
import { lacking, programPath, thirdParty } from "./third-party.ts";

type Run = { readonly status: number | null; readonly out: string; readonly err: string };

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

async function start(t: TestContext, options: SnmpPduOptions): Promise<SnmpPdu> {
  thirdParty("snmpd (net-snmp)", [programPath("snmpd") ?? "", "-v"]);
  const pdu = await startSnmpPdu(options);
  t.after(() => pdu.close());
  return pdu;
}

const edges = (pdu: SnmpPdu): string[] => pdu.log.all("edge").map((edge) => `${edge.outlet} ${edge.state}`);

function fence(t: TestContext, agent: string, pdu: SnmpPdu, action: string, more: readonly string[] = []): Promise<Run> {
  const options = ["ipaddr=127.0.0.1", `ipport=${pdu.port}`, "community=private", "port=2", `action=${action}`, "shell_timeout=15", "power_timeout=15", ...more];
  return run(t, agent, [], `${options.join("\n")}\n`);
}

const AGENTS: readonly { readonly agent: string; readonly table: SnmpTableName }[] = [
  { agent: "fence_apc_snmp", table: "apc-rpdu" },
  { agent: "fence_apc_snmp", table: "apc-masterswitch" },
  { agent: "fence_tripplite_snmp", table: "tripp-lite" },
];

describe("fence agents over SNMP", { concurrency: 3 }, () => {
  for (const { agent, table } of AGENTS) {
    test(`${agent} accepts ${table}`, { skip: lacking(agent, "snmpd", "snmpget") }, async (t) => {
      thirdParty(`${agent} (fence-agents)`, [programPath(agent) ?? "", "--version"]);
      const pdu = await start(t, { table, names: { 2: "logos" } });
      const off = await fence(t, agent, pdu, "off");
      assert.deepEqual([off.status, off.out.trim()], [0, "Success: Powered OFF"], off.err);
      assert.equal((await fence(t, agent, pdu, "status")).status, 2);
      const on = await fence(t, agent, pdu, "on");
      assert.deepEqual([on.status, on.out.trim()], [0, "Success: Powered ON"], on.err);
      assert.deepEqual(edges(pdu), ["2 off", "2 on"]);
      assert.equal((await fence(t, agent, pdu, "status")).status, 0);
      const list = await fence(t, agent, pdu, "list");
      assert.match(list.out, /(^|\n)2,logos\n/, list.err);
      const wrong = await fence(t, agent, pdu, "status", ["community=wrong", "shell_timeout=2"]);
      assert.equal(wrong.status, 1);
      pdu.faults.ignores = { 2: "off" };
      assert.equal((await fence(t, agent, pdu, "off", ["power_timeout=2"])).status, 1, "an off that is only acknowledged");
      assert.deepEqual(edges(pdu), ["2 off", "2 on"]);
    });
  }
});

test("net-snmp's own client reads and writes every table, and a command that no row has is refused", { skip: lacking("snmpd", "snmpget", "snmpset") }, async (t) => {
  thirdParty("snmpget (net-snmp)", [programPath("snmpget") ?? "", "-V"]);
  await Promise.all((Object.keys(SNMP_TABLES) as SnmpTableName[]).map(async (table) => {
    const pdu = await start(t, { table, outlets: 3 });
    const { columns, row } = SNMP_TABLES[table];
    const target = `127.0.0.1:${pdu.port}`;
    const [control] = columns.filter((column) => "write" in column);
    assert.ok(control !== undefined);
    const value = Object.entries(control.write).find(([, order]) => order === "off")?.[0] ?? "";
    const client = ["-v2c", "-c", "private", "-t", "10", "-On"];
    const set = await run(t, "snmpset", [...client, target, `.${control.oid}.${row}2`, "i", value]);
    assert.equal(set.status, 0, set.err);
    assert.deepEqual(edges(pdu), ["2 off"], table);
    const wrong = await run(t, "snmpset", [...client, target, `.${control.oid}.${row}2`, "i", "77"]);
    assert.match(wrong.err, /wrongValue/);
    const typed = await run(t, "snmpset", [...client, target, `.${control.oid}.${row}2`, "s", value]);
    assert.match(typed.err, /wrongType/);
    for (const column of columns) {
      if (column.holds !== "state" || "write" in column) continue;
      const get = await run(t, "snmpget", [...client, target, `.${column.oid}.${row}2`]);
      assert.equal(get.out.trim(), `.${column.oid}.${row}2 = INTEGER: ${column.off}`, get.err);
    }
  }));
});
