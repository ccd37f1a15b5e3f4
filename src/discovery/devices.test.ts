// Power devices told from outside: the virtual ones that third-party clients accept, net-snmp's agent, OpenIPMI's ipmi_sim. What
// is asserted beside what was found is what the device saw: no log-in, no command, nothing but questions. Then what is none.

import assert from "node:assert/strict";
import dgram from "node:dgram";
import { createServer } from "node:https";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { startApcPdu } from "../../lab/apc-pdu.ts";
import { startIpmiSim } from "../../lab/ipmi-sim.ts";
import { selfSigned, startRedfishBmc } from "../../lab/redfish-bmc.ts";
import { SNMP_TABLES } from "../../lab/snmp-tables.ts";
import type { SnmpTableName } from "../../lab/snmp-tables.ts";
import { startSnmpPdu } from "../../lab/snmp-pdu.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { snmpEnvelope } from "../protocol/snmp.ts";
import { devicesAt } from "./devices.ts";
import type { DeviceOptions, FoundDevice } from "./devices.ts";
import { look } from "./look.ts";
import { scan } from "./scan.ts";
import { openIcmp } from "../probes/ping.ts";

const LOOPBACK = "127.0.0.1";
const LIMIT_MS = 120_000;

/** A port of each protocol where nobody is. */
async function nobody(): Promise<{ readonly tcp: number; readonly udp: number }> {
  const [server, socket] = [net.createServer(), dgram.createSocket("udp4")];
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve));
  const found = { tcp: (server.address() as AddressInfo).port, udp: socket.address().port };
  await Promise.all([new Promise((resolve) => server.close(resolve)), new Promise<void>((resolve) => socket.close(resolve))]);
  return found;
}

/** Asks these ports and no others. Whoever is there may take long, on a busy machine; whoever is not is not waited for long. */
function devices(ports: NonNullable<DeviceOptions["ports"]>, { community = "public", waitMs = 30_000 } = {}): Promise<readonly FoundDevice[]> {
  return devicesAt(LOOPBACK, { community, waitMs, ports: { snmp: null, telnet: null, ipmi: null, redfish: null, ...ports } }, AbortSignal.timeout(LIMIT_MS));
}

const BRIEFLY = { waitMs: 500 };

describe("told by what they say", { concurrency: 6 }, () => {
  for (const table of Object.keys(SNMP_TABLES) as SnmpTableName[]) {
    test(`an SNMP PDU with the tables of ${table}: its model, outlets and labels, by questions alone`, { skip: lacking("snmpd") }, async () => {
      thirdParty("snmpd (net-snmp)", [programPath("snmpd") as string, "--version"]);
      const pdu = await startSnmpPdu({ table, outlets: 4, names: { 1: "logos", 3: "ethos \u001b[31m" } });
      try {
        const [found, ...more] = await devices({ snmp: pdu.port });
        assert.deepEqual(more, []);
        assert.equal(found?.driver, "snmp-pdu");
        assert.equal(found?.settings["model"], table);
        assert.equal(found?.outlets.length, 4);
        assert.deepEqual(found?.outlets[0], { outlet: "1", label: "logos" });
        assert.ok(!/[\u0000-\u001f]/.test(JSON.stringify(found.outlets.map(({ label }) => label))), "labels are printable");
        assert.ok(pdu.requests().length > 0);
        for (const request of pdu.requests()) assert.ok(["get", "get-next"].includes(snmpEnvelope(request)?.pdu ?? ""), "a question");
      } finally {
        await pdu.close();
      }
    });
  }

  test("an APC console: its banner, no log-in, and the one session is free again", async () => {
    const pdu = await startApcPdu({ dialect: "menu3", outlets: 8, user: "apc", password: "sesame", onSwitch: () => Promise.resolve() });
    try {
      assert.deepEqual(await devices({ telnet: pdu.port }), [{ address: `${LOOPBACK}:${pdu.port}`, driver: "apc", settings: {}, seen: "asks for a User Name on its console, as APC devices do", outlets: [] }]);
      await pdu.log.until("close");
      assert.deepEqual([pdu.log.all("open").length, pdu.log.all("login").length, pdu.log.all("command").length], [1, 0, 0]);
    } finally {
      await pdu.close();
    }
  });

  test("a management controller by its pong", { skip: lacking("ipmi_sim") }, async () => {
    thirdParty("ipmi_sim (OpenIPMI)", [programPath("ipmi_sim") as string, "-c", "/nonexistent"]);
    const bmc = await startIpmiSim();
    try {
      const found = await devices({ ipmi: bmc.port });
      assert.deepEqual(found.map(({ driver, address }) => [driver, address]), [["ipmi", `${LOOPBACK}:${bmc.port}`]]);
      assert.deepEqual(bmc.commands(), []);
    } finally {
      await bmc.close();
    }
  });

  test("a Redfish service by its root", async () => {
    const bmc = await startRedfishBmc();
    try {
      const [found] = await devices({ redfish: bmc.port });
      assert.deepEqual([found?.driver, found?.settings], ["redfish", { url: `https://${LOOPBACK}:${bmc.port}` }]);
      assert.match(found?.seen ?? "", /^speaks Redfish/);
      assert.deepEqual([bmc.requests(), bmc.sessions(), bmc.commands()], [["GET /redfish/v1/"], 0, []]);
    } finally {
      await bmc.close();
    }
  });
});

describe("what is none", { concurrency: 6 }, () => {
  test("nobody at any of the ports", async () => {
    const { tcp, udp } = await nobody();
    assert.deepEqual(await devices({ snmp: udp, telnet: tcp, ipmi: udp, redfish: tcp }, BRIEFLY), []);
  });

  test("a snmpd of a server, a wrong community", { skip: lacking("snmpd") }, async () => {
    const server = await startSnmpPdu({ table: "apc-rpdu", sysObjectId: "1.3.6.1.4.1.8072.3.2.10" });
    try {
      assert.deepEqual(await devices({ snmp: server.port }), []);
      assert.deepEqual(await devices({ snmp: server.port }, { community: "nobody-knows-it", ...BRIEFLY }), []);
    } finally {
      await server.close();
    }
  });

  test("who says a megabyte, says nothing, says a log-in, hangs up, or answers pongs of others", async () => {
    const servers = [
      (socket: net.Socket) => void socket.write(Buffer.alloc(1 << 20, "\u001b[2Jx")),
      () => undefined,
      (socket: net.Socket) => void socket.write("Debian GNU/Linux 12\r\nhost login: "),
      (socket: net.Socket) => void socket.destroy(),
      // Every byte a request for an option.
      (socket: net.Socket) => void socket.write(Buffer.from(Array(30_000).fill([255, 253, 1]).flat() as number[])),
    ];
    await Promise.all(servers.map(async (serve) => {
      const sockets = new Set<net.Socket>();
      const server = net.createServer((socket) => {
        sockets.add(socket.on("error", () => undefined));
        serve(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
      const { port } = server.address() as AddressInfo;
      assert.deepEqual(await devices({ telnet: port, redfish: port }, BRIEFLY), []);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }));
    const liar = dgram.createSocket("udp4");
    liar.on("message", (_message, { port, address }) => {
      const pong = Buffer.alloc(28, 0xff);
      liar.send(pong, port, address);
      liar.send(Buffer.from("0600ff06000011be40fe0010", "hex"), port, address);
    });
    await new Promise<void>((resolve) => liar.bind(0, LOOPBACK, resolve));
    assert.deepEqual(await devices({ ipmi: liar.address().port, snmp: liar.address().port }, BRIEFLY), []);
    liar.close();
  });

  test("a web server that is no Redfish: HTML, JSON of another kind, a body without an end", async () => {
    const { key, cert } = selfSigned();
    await Promise.all(["<html>", "[]", "null", '{"RedfishVersion":7}', JSON.stringify({ RedfishVersion: "1.0", x: "x".repeat(200_000) })].map(async (body) => {
      const server = createServer({ key, cert }, (_request, answer) => answer.end(body));
      await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
      assert.deepEqual(await devices({ redfish: (server.address() as AddressInfo).port }), [], body.slice(0, 30));
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    }));
  });
});

describe("looking at hosts", { concurrency: 2 }, () => {
  test("what serves is written; a hostile banner is one line; a web server that wants a log-in is taken at its word", async () => {
    const ssh = net.createServer((socket) => void socket.on("error", () => undefined).write(`SSH-2.0-x${"y".repeat(200)} # : armed: true\r\n`));
    const flood = net.createServer((socket) => void socket.on("error", () => undefined).write(Buffer.alloc(1 << 20, "a")));
    const { createServer: createHttp } = await import("node:http");
    const web = createHttp((_request, answer) => answer.writeHead(401, { server: "x\u0080" }).end("no"));
    const servers = [ssh, flood, web];
    for (const server of servers) await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const [a, b, c] = servers.map((server) => (server.address() as AddressInfo).port) as [number, number, number];
    const closed = await nobody();
    const icmp = openIcmp();
    try {
      const found = await look(LOOPBACK, { icmp }, AbortSignal.timeout(LIMIT_MS), [
        { kind: "ssh", settings: { port: a } }, { kind: "ssh", settings: { port: b } }, { kind: "smtp", settings: { port: b } }, { kind: "redis", settings: { port: closed.tcp } },
        { kind: "http", settings: { url: `http://{address}:${c}/` } }, { kind: "dns", settings: { port: closed.udp } },
      ], 30_000);
      assert.deepEqual(found.map(({ probe }) => probe), [{ ssh: { port: a } }, { http: { url: `http://{address}:${c}/`, status: 401 } }]);
      for (const { evidence } of found) assert.match(evidence, /^[\x20-\x7e\u2026]{1,250}$/);
    } finally {
      icmp.close();
      for (const server of servers) {
        server.close();
        if ("closeAllConnections" in server) server.closeAllConnections();
      }
    }
  });

  test("a scan ends when it is told to, with what it has, and holds no descriptor", async () => {
    const icmp = openIcmp();
    const quiet = { ...icmp, refusal: () => "not here" };
    // TEST-NET-1 (RFC 5737): nobody is there, and nothing comes back.
    const addresses = Array.from({ length: 254 }, (_, at) => `192.0.2.${at + 1}`);
    const stop = new AbortController();
    let asked = 0;
    const found = await scan({ addresses: ["127.0.0.9", ...addresses], icmp: quiet, waitMs: 60_000, progress: (so) => {
      asked = so;
      stop.abort();
    } }, stop.signal);
    assert.deepEqual(found.filter((address) => address.startsWith("127")), ["127.0.0.9"], "a refusal is an answer");
    assert.ok(asked <= 129, `${asked}`);
    assert.deepEqual(process.getActiveResourcesInfo().filter((each) => each === "TCPConnectWrap"), [], "no connection is left under way");
    icmp.close();
  });
});
