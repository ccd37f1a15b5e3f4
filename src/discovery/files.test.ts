// What stands on a machine about others, in samples of each format; files that are huge, are none, or lie.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { readLines } from "./files.ts";
import type { FileKind } from "./files.ts";
import { candidatesOf, isMachine } from "./sightings.ts";
import { addressesIn, offered, oursOnly } from "./subnet.ts";
import { readTail } from "./tail.ts";

const NOW = Date.UTC(2026, 10, 29, 12);
const EPOCH = NOW / 1_000;
const short = (kind: FileKind, text: string): readonly string[] => readLines(kind, text, NOW).sightings.map(({ address, names }) => `${address} ${names.join(",")}`.trim());

let folder = "";
before(() => void (folder = mkdtempSync(join(tmpdir(), "upkeep-found-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("formats", () => {
  test("known_hosts: names and addresses, ports, patterns, marks; hashed ones are counted", () => {
    const text = `# mine
logos,10.0.0.11 ssh-ed25519 AAAA
[ethos.example.org]:2222,[10.0.0.12]:2222 ssh-ed25519 AAAA
*.example.org,!bad ssh-rsa AAAA
@cert-authority *.example.org ssh-rsa AAAA
|1|abcdefghijklmnopqrstuvwxyz0=|abcdefghijklmnopqrstuvwxyz0= ssh-ed25519 AAAA
|1|x|y ssh-ed25519 AAAA
pathos ssh-ed25519 AAAA
127.0.0.1 ssh-ed25519 AAAA`;
    assert.deepEqual(short("known-hosts", text), ["10.0.0.11 logos", "10.0.0.12 ethos.example.org", "null pathos"]);
    assert.equal(readLines("known-hosts", text, NOW).hashed, 2);
  });

  test("known_hosts as ssh-keygen hashes it", () => {
    const path = join(folder, "known_hosts");
    writeFileSync(path, "logos,10.0.0.11 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqRcJHQFLXhWzX4LlLmBhvDmxCHhnIeAmnnqGuTPyNi\n");
    execFileSync("ssh-keygen", ["-H", "-f", path], { stdio: "ignore", timeout: 20_000 });
    const read = readLines("known-hosts", execFileSync("cat", [path], { encoding: "utf8" }), NOW);
    assert.deepEqual([read.sightings.length, read.hashed], [0, 2], "a line for the name and one for the address");
  });

  test("/etc/hosts and the table of neighbours", () => {
    assert.deepEqual(short("hosts", "127.0.0.1 localhost\n::1 ip6-localhost\n10.0.0.11 logos.example.org logos # ours\nff02::1 ip6-allnodes\nfd00::7 seven\n0.0.0.0 blocked.example.com\n"), ["10.0.0.11 logos.example.org,logos", "fd00::7 seven"]);
    assert.deepEqual(short("neighbours", `IP address       HW type     Flags       HW address            Mask     Device
10.0.0.11        0x1         0x2         52:54:00:00:00:0b     *        eth0
10.0.0.12        0x1         0x0         00:00:00:00:00:00     *        eth0\n`), ["10.0.0.11"]);
  });

  test("leases of dnsmasq, dhcpd, Kea and systemd-networkd", () => {
    assert.deepEqual(short("leases", `${EPOCH + 60} 52:54:00:00:00:0b 10.0.0.11 logos 01:52\n0 52:54:00:00:00:0c 10.0.0.12 * *\n${EPOCH - 60} 52:54:00:00:00:0d 10.0.0.13 gone *\nduid 00:01\n`), ["10.0.0.11 logos", "10.0.0.12"]);
    assert.deepEqual(short("leases", `# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
lease 10.0.0.11 {
  starts 0 2026/11/29 11:00:00;
  ends 0 2026/11/29 13:00:00;
  binding state active;
  next binding state free;
  hardware ethernet 52:54:00:00:00:0b;
  client-hostname "logos";
}
lease 10.0.0.12 {
  ends never;
  binding state active;
}
lease 10.0.0.13 {
  ends 0 2026/11/29 13:00:00;
  binding state active;
  client-hostname "freed";
}
lease 10.0.0.13 {
  ends 0 2026/11/29 11:30:00;
  binding state free;
}
lease 10.0.0.14 {
  ends 0 2026/11/29 11:00:00;
  binding state active;
}
`), ["10.0.0.11 logos", "10.0.0.12"]);
    assert.deepEqual(short("leases", `address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.0.0.11,52:54:00:00:00:0b,,3600,${EPOCH + 60},1,0,0,logos.example.org.,0,,0
10.0.0.12,52:54:00:00:00:0c,,3600,${EPOCH + 60},1,0,0,first,0,,0
10.0.0.12,52:54:00:00:00:0c,,0,${EPOCH},1,0,0,first,0,,0
10.0.0.13,52:54:00:00:00:0d,,3600,${EPOCH + 60},1,0,0,,1,,0
`), ["10.0.0.11 logos.example.org."]);
    assert.deepEqual(short("leases", JSON.stringify({ BootID: "x", Address: [10, 0, 0, 1], PrefixLength: 24, Leases: [{ ClientId: [1], Address: [10, 0, 0, 11], Hostname: "logos" }, { Address: [10, 0, 0, 300] }, null, { Address: "10.0.0.12" }] })), ["10.0.0.11 logos", "10.0.0.12"]);
  });

  test("whatever stands there, nothing throws and nothing is no address", () => {
    const kinds: readonly FileKind[] = ["known-hosts", "hosts", "neighbours", "leases"];
    fc.assert(fc.property(fc.constantFrom(...kinds), fc.array(fc.oneof(fc.string({ unit: "binary", maxLength: 80 }), fc.constantFrom("lease 10.0.0.1 {", "}", "{", '{"Leases":[', "address,hwaddr,", "10.0.0.1,,,1,1,", "|1|", "10.0.0.1 a", "1 2 10.0.0.1 \u001b[2J")), { maxLength: 12 }), (kind, lines) => {
      for (const { address } of readLines(kind, lines.join("\n"), NOW).sightings) assert.ok(address === null || isMachine(address));
    }));
  });
});

describe("files", () => {
  test("a hundred megabytes of leases: their end, in bounded memory", async () => {
    const path = join(folder, "huge.leases");
    const file = openSync(path, "w");
    ftruncateSync(file, 100 * 1_024 ** 2);
    writeSync(file, `\n0 52:54:00:00:00:0b 10.0.0.11 logos *\n`, 100 * 1_024 ** 2);
    closeSync(file);
    const tail = await readTail(path);
    assert.ok("text" in tail && !tail.whole);
    assert.ok(tail.text.length <= 8 * 1_024 ** 2);
    assert.deepEqual(short("leases", tail.text), ["10.0.0.11 logos"]);
  });

  test("a pipe that nobody writes to, a device, a folder, a link in a circle: told at once", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    symlinkSync("circle", join(folder, "circle"));
    symlinkSync("/dev/zero", join(folder, "zero"));
    for (const path of [pipe, folder, "/dev/zero", join(folder, "zero"), join(folder, "circle"), join(folder, "nowhere")]) {
      const tail = await readTail(path);
      assert.ok("why" in tail, path);
    }
    assert.ok("text" in (await readTail("/proc/net/arp")), "files of /proc say that they are empty");
  });
});

describe("sightings", () => {
  test("whose they are: private networks, and those of this machine", () => {
    const ours = oursOnly({ eth0: [{ address: "203.0.113.9", netmask: "255.255.255.0", family: "IPv4", mac: "", internal: false, cidr: "203.0.113.9/24" }, { address: "2001:db8:7::9", netmask: "ffff:ffff:ffff:ffff::", family: "IPv6", mac: "", internal: false, cidr: "2001:db8:7::9/64", scopeid: 0 }] });
    for (const address of ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::7", "203.0.113.200", "2001:db8:7::1"]) assert.ok(ours(address), address);
    for (const address of ["140.82.121.3", "172.32.0.1", "203.0.114.1", "2001:db8:8::1", "x"]) assert.ok(!ours(address), address);
  });

  test("one host an address, with its best name; what has only a name is of the machine of that name", () => {
    const sightings = [
      { address: "10.0.0.12", names: [], source: "the scan" },
      { address: "10.0.0.2", names: ["web.example.org"], source: "a lease" },
      { address: "10.0.0.12", names: ["ethos.example.org."], source: "a lease" },
      { address: "10.0.0.13", names: ["web"], source: "/etc/hosts" },
      { address: null, names: ["ETHOS"], source: "known_hosts" },
      { address: null, names: ["nobody"], source: "known_hosts" },
      { address: "10.0.0.1", names: ["router"], source: "/etc/hosts" },
      { address: "fd00::13", names: ["web.example.org"], source: "/etc/hosts" },
      { address: "fd00::14", names: ["six"], source: "/etc/hosts" },
      { address: "10.0.0.14", names: ["Büro\u001b[2J 3\nx: y"], source: "a lease" },
    ];
    assert.deepEqual(candidatesOf(sightings, new Set(["10.0.0.1"])).map(({ address, name, sources }) => `${address} ${name} ${sources.join("+")}`), ["10.0.0.2 web a lease", "10.0.0.12 ethos the scan+a lease+known_hosts", "10.0.0.13 web-2 /etc/hosts", "10.0.0.14 Buro-2J-3-x-y a lease", "fd00::14 six /etc/hosts"]);
  });

  test("networks", () => {
    const count = (text: string, own: readonly string[] = []): number | string => {
      const found = addressesIn(text, own);
      return "why" in found ? found.why : found.addresses.length;
    };
    assert.equal(count("10.0.0.0/24"), 254);
    assert.equal(count("10.0.0.17/20"), 4_094);
    assert.equal(count("10.0.0.4/31"), 2);
    assert.equal(count("192.168.1.7"), 1);
    assert.deepEqual((addressesIn("10.0.0.9/29", []) as { addresses: string[] }).addresses, ["10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14"]);
    assert.match(String(count("10.0.0.0/19")), /8,192 addresses/);
    assert.match(String(count("0.0.0.0/0")), /at most/);
    assert.match(String(count("203.0.113.0/24")), /other people/);
    assert.equal(count("203.0.113.0/24", ["203.0.112.0/20"]), 254, "one's own network is nobody else's");
    assert.deepEqual(["10.77.3.9/16", "10.0.0.9/24", "10.0.9.9/20"].map(offered), ["10.77.3.0/24", "10.0.0.0/24", "10.0.0.0/20"]);
    for (const wrong of ["", "10.0.0.0/33", "10.0.0/24", "fd00::/64", "10.0.0.0/24; x", "10.0.0.0/-1"]) assert.match(String(count(wrong)), /no IPv4 network/, wrong);
  });
});
