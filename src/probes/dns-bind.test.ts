// The dns probe against BIND: what an authoritative server says of its zone, of others, and when it is stopped or gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { withDaemon } from "../../lab/daemon.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { assertEvidence, noIcmp } from "./conformance.ts";
import { dns } from "./dns.ts";
import type { DnsOptions } from "./dns.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;

const ZONE = `$TTL 60
@ IN SOA ns.example.test. root.example.test. 1 3600 600 86400 60
@ IN NS ns.example.test.
ns IN A 192.0.2.53
www IN A 192.0.2.80
www IN A 192.0.2.81
mail IN MX 10 www.example.test.
`;

test("a real BIND: its zone over UDP and TCP, names that are not there, zones that are not its own; stopped and gone", { skip: lacking("named") }, async () => {
  thirdParty("BIND named", ["named", "-v"]);
  await withDaemon({
    name: "named",
    files: (folder, port) => ({
      "named.conf": `options { directory "${folder}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none; session-keyfile "${folder}/session.key"; dnssec-validation no; };
controls { };
zone "example.test" { type primary; file "zone"; };
`,
      zone: ZONE,
    }),
    argv: (folder) => ["/usr/sbin/named", "-g", "-n", "1", "-c", `${folder}/named.conf`],
    ready: (log) => log.includes("running"),
  }, async (daemon) => {
    const look = async (more: Partial<DnsOptions>) => {
      const finding = await dns.run(LOOPBACK, { port: daemon.port, type: "A", rcode: "NOERROR", tcp: false, ...more }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
      assertEvidence(finding);
      return finding;
    };
    const outcome = async (more: Partial<DnsOptions>): Promise<string> => (await look(more)).outcome;
    for (let tries = 0; (await outcome({ name: "www.example.test" })) !== "good" && tries < 200; tries += 1) await pause(50);
    for (const tcp of [false, true]) {
      assert.equal(await outcome({ name: "www.example.test", tcp }), "good");
      assert.equal(await outcome({ name: "www.example.test", answer: "192.0.2.81", tcp }), "good");
      assert.equal(await outcome({ name: "www.example.test", answer: "192.0.2.82", tcp }), "bad");
      assert.equal(await outcome({ name: "nobody.example.test", tcp }), "bad");
      assert.equal(await outcome({ name: "nobody.example.test", rcode: "NXDOMAIN", tcp }), "good");
      assert.equal(await outcome({ name: "www.example.org", tcp }), "bad");
      assert.equal(await outcome({ tcp }), "good", "without a name any well-formed answer will do, a refusal too");
    }
    assert.match((await look({ name: "www.example.org" })).evidence, /REFUSED/);
    assert.equal(await outcome({ name: "mail.example.test", type: "MX" }), "good");
    await standstill(daemon.process);
    try {
      await assert.rejects(dns.run(LOOPBACK, { port: daemon.port, type: "A", rcode: "NOERROR", tcp: false, name: "www.example.test" }, { icmp: noIcmp }, AbortSignal.timeout(800)), "silence");
    } finally {
      daemon.process.kill("SIGCONT");
    }
    await daemon.stop();
    assert.equal(await outcome({ name: "www.example.test" }), "bad");
    assert.equal(await outcome({ name: "www.example.test", tcp: true }), "bad");
  });
});
