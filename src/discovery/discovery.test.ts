// The sources together, with a real name server: whoever answers a scan is called what the server calls it, this machine is no
// candidate, and an end that comes early has what there was.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { withDaemon } from "../../lab/daemon.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { openDiscovery, ownAddresses, sourceOf } from "./discovery.ts";

// Every address of 127/8 is this machine, and answers; which are one's own is said by the interface.
const NET = `127.${1 + (process.pid % 250)}.7`;

test("a scan, a file, and the names that dnsmasq has", { skip: lacking("dnsmasq") }, async () => {
  thirdParty("dnsmasq", [programPath("dnsmasq") as string, "--version"]);
  const reversed = (last: number): string => `${last}.${NET.split(".").reverse().join(".")}.in-addr.arpa`;
  await withDaemon({
    name: "dnsmasq",
    files: () => ({ leases: `0 52:54:00:00:00:0b ${NET}.9 no-loopback *\n0 52:54:00:00:00:0c 10.0.0.12 ethos *\n0 52:54:00:00:00:0d ${[...ownAddresses().addresses][0]} myself *\n0 52:54:00:00:00:0e 198.51.100.7 stranger *\n` }),
    argv: (_folder, port) => [programPath("dnsmasq") as string, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file", `--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces", `--ptr-record=${reversed(1)},web1.example.org`, `--ptr-record=${reversed(2)},evil name: { armed`],
  }, async ({ folder, port }) => {
    const discovery = openDiscovery(Date.now, [`127.0.0.1:${port}`]);
    try {
      const sources = [{ kind: "scan" as const, subnet: `${NET}.0/30` }, { kind: "leases" as const, file: join(folder, "leases") }, { kind: "hosts" as const, file: "/nowhere" }];
      const { candidates, said } = await discovery.gather(sources, AbortSignal.timeout(60_000), () => undefined);
      const named = candidates.map(({ address, name }) => `${address} ${name}`);
      assert.deepEqual(named.slice(0, 2), ["10.0.0.12 ethos", `${NET}.1 web1`]);
      assert.equal(named.length, 3);
      assert.match(named[2] as string, /^[0-9.]+ [A-Za-z0-9._-]+$/, "whatever the server calls it");
      assert.deepEqual(said.filter((line) => line.startsWith("/nowhere")), ["/nowhere: there is no such file"]);
      assert.ok(said.some((line) => line.startsWith(`${NET}.0/30: 2 of 2 addresses answer`)), said.join("\n"));
      assert.ok(said.some((line) => line.startsWith("one public address was left out")), said.join("\n"));
      const early = await discovery.gather(sources, AbortSignal.abort(), () => undefined);
      assert.deepEqual(early.candidates, []);
    } finally {
      discovery.close();
    }
  });
});

test("sources by their names", () => {
  assert.deepEqual(sourceOf("leases=/var/lib/x=y"), { kind: "leases", file: "/var/lib/x=y" });
  assert.deepEqual(sourceOf("known-hosts"), { kind: "known-hosts", file: null });
  for (const wrong of ["", "nmap", "=x", "hosts ", "Hosts"]) assert.equal(sourceOf(wrong), null, wrong);
});
