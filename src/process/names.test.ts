import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Answer, decode, encode } from "dns-packet";
import { type Names, type NamesOptions, createNames } from "./names.ts";

type Zone = Record<string, string[] | "SERVFAIL" | "silent">;

/** A name server on loopback that serves `zone`, which may be changed meanwhile; it notes what it is asked. */
async function nameServer(t: TestContext, zone: Zone): Promise<{ server: string; asked: string[] }> {
  const asked: string[] = [];
  const socket = dgram.createSocket("udp4");
  socket.on("message", (bytes, from) => {
    const query = decode(bytes);
    const question = query.questions?.[0];
    if (question === undefined) return;
    asked.push(`${question.name} ${question.type}`);
    const content = zone[question.name];
    if (content === "silent") return;
    const wanted = question.type === "A" ? "A" : "AAAA";
    const answers = (Array.isArray(content) ? content : [])
      .filter((address) => address.includes(":") === (wanted === "AAAA"))
      .map((data): Answer => ({ type: wanted, name: question.name, ttl: 1, data }));
    const rcode = content === "SERVFAIL" ? 2 : content === undefined ? 3 : 0;
    const reply = encode({ type: "response", ...(query.id === undefined ? {} : { id: query.id }), flags: 0x0180 | rcode, questions: [question], answers });
    socket.send(reply, from.port, from.address, () => undefined);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return { server: `127.0.0.1:${socket.address().port}`, asked };
}

type Setting = { names: Names; clock: { nowMs: number }; hosts(text: string): void };

function setting(t: TestContext, options: NamesOptions, texts: { hosts?: string; resolvConf?: string } = {}): Setting {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-names-${process.pid}-`));
  const hostsFile = join(folder, "hosts");
  const resolvConf = join(folder, "resolv.conf");
  writeFileSync(hostsFile, texts.hosts ?? "");
  writeFileSync(resolvConf, texts.resolvConf ?? "");
  const clock = { nowMs: 0 };
  const names = createNames({ nowMs: () => clock.nowMs, hostsFile, resolvConf, ...options });
  t.after(() => {
    names.close();
    rmSync(folder, { recursive: true });
  });
  return { names, clock, hosts: (text) => writeFileSync(hostsFile, text) };
}

/** Asks until the answer is another than `not`, as rounds do. */
async function until(names: Names, host: string, matches: (shown: string) => boolean): Promise<string> {
  const endsAtMs = performance.now() + 15_000;
  for (;;) {
    const found = names.address(host);
    const shown = "error" in found ? found.error : `${found.address} ${found.family}`;
    if (matches(shown)) return shown;
    assert.ok(performance.now() < endsAtMs, `${host} stays: ${shown}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const resolved = (shown: string): boolean => /^\S+ [46]$/.test(shown);
const failed = (shown: string): boolean => /does not resolve/.test(shown);

test("numeric addresses pass through, and nobody is asked", async (t) => {
  const { server, asked } = await nameServer(t, {});
  const { names } = setting(t, { servers: [server] });
  assert.deepEqual(names.address("10.0.0.1"), { address: "10.0.0.1", family: 4 });
  assert.deepEqual(names.address("fd00::1"), { address: "fd00::1", family: 6 });
  assert.deepEqual(names.address("fe80::1%eth0"), { address: "fe80::1%eth0", family: 6 });
  for (const bad of ["", "a b", "-a", "a..b", `${"a".repeat(64)}.org`, "a".repeat(300), "[::1]", "10.0.0.1:22"]) assert.ok("error" in names.address(bad), bad);
  assert.deepEqual(asked, []);
});

test("the hosts file comes before DNS, prefers IPv4, and is read again when it changes", async (t) => {
  const { server, asked } = await nameServer(t, { "db1.example.org": ["10.9.9.9"] });
  const { names, clock, hosts } = setting(t, { servers: [server] }, { hosts: "fd00::5 db1\n10.0.0.5\tdb1 DB1.example.org # the first\nnonsense db2\n10.0.0.6 db1\nfd00::7 six\n" });
  assert.deepEqual(names.address("db1"), { address: "10.0.0.5", family: 4 });
  assert.deepEqual(names.address("db1.Example.Org."), { address: "10.0.0.5", family: 4 });
  assert.deepEqual(names.address("six"), { address: "fd00::7", family: 6 });
  hosts("10.0.0.99 db1 and more\n");
  clock.nowMs += 1_000;
  assert.deepEqual(names.address("db1"), { address: "10.0.0.99", family: 4 });
  assert.deepEqual(asked, []);
});

test("localhost needs no file and no name server", async (t) => {
  const { server, asked } = await nameServer(t, {});
  const { names } = setting(t, { servers: [server] });
  assert.deepEqual(names.address("localhost"), { address: "127.0.0.1", family: 4 });
  assert.deepEqual(names.address("db.localhost"), { address: "127.0.0.1", family: 4 });
  assert.deepEqual(asked, []);
});

test("a name is an error until it is resolved, then an address; IPv6 only where there is no IPv4", async (t) => {
  const { server } = await nameServer(t, { "both.example.org": ["10.0.0.1", "fd00::1"], "six.example.org": ["fd00::6"] });
  const { names } = setting(t, { servers: [server] });
  assert.deepEqual(names.address("both.example.org"), { error: "both.example.org is not resolved yet" });
  assert.equal(await until(names, "both.example.org", resolved), "10.0.0.1 4");
  assert.equal(await until(names, "six.example.org", resolved), "fd00::6 6");
  assert.equal(await until(names, "none.example.org", failed), "none.example.org does not resolve: no such name");
});

test("it follows a change after the TTL, keeps the address in use of several, and keeps the last good one while DNS fails", async (t) => {
  const zone: Zone = { "db1.example.org": ["10.0.0.2", "10.0.0.1"] };
  const { server, asked } = await nameServer(t, zone);
  const { names, clock } = setting(t, { servers: [server] });
  assert.equal(await until(names, "db1.example.org", resolved), "10.0.0.1 4");
  const before = asked.length;
  zone["db1.example.org"] = ["10.0.0.9", "10.0.0.1"];
  assert.deepEqual(names.address("db1.example.org"), { address: "10.0.0.1", family: 4 });
  assert.equal(asked.length, before, "not asked again within the least TTL");
  clock.nowMs += 5_000;
  names.address("db1.example.org");
  await asking(asked, before);
  assert.equal(await until(names, "db1.example.org", resolved), "10.0.0.1 4");
  for (const outage of ["SERVFAIL", undefined] as const) {
    if (outage === undefined) delete zone["db1.example.org"];
    else zone["db1.example.org"] = outage;
    for (let turn = 0; turn < 3; turn += 1) {
      const count = asked.length;
      clock.nowMs += 60_000;
      assert.deepEqual(names.address("db1.example.org"), { address: "10.0.0.1", family: 4 });
      await asking(asked, count, () => names.address("db1.example.org"));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.deepEqual(names.address("db1.example.org"), { address: "10.0.0.1", family: 4 });
  }
  zone["db1.example.org"] = ["10.0.0.3"];
  clock.nowMs += 60_000;
  assert.equal(await until(names, "db1.example.org", (shown) => shown === "10.0.0.3 4"), "10.0.0.3 4");
});

test("a name whose server is silent holds no other up, and asks once at a time", async (t) => {
  const { server, asked } = await nameServer(t, { "slow.example.org": "silent", "quick.example.org": ["10.0.0.7"] });
  const { names } = setting(t, { servers: [server] });
  const startedAt = performance.now();
  for (let turn = 0; turn < 20; turn += 1) assert.ok("error" in names.address("slow.example.org"));
  assert.equal(await until(names, "quick.example.org", resolved), "10.0.0.7 4");
  assert.ok(performance.now() - startedAt < 1_400, "waited for the slow one");
  assert.ok(asked.filter((question) => question.startsWith("slow")).length <= 2);
  assert.equal(await until(names, "slow.example.org", failed), "slow.example.org does not resolve: the name server is silent");
});

test("a name server that refuses is an error in words, and is not asked at every look", async (t) => {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const server = `127.0.0.1:${socket.address().port}`;
  socket.close();
  const { names } = setting(t, { servers: [server] });
  assert.match(await until(names, "db1.example.org", failed), /cannot be reached|silent/);
});

test("short names are looked for in the search domains of resolv.conf", async (t) => {
  const { server, asked } = await nameServer(t, { "db1.lan.example.org": ["10.0.0.4"], "a.b": ["10.0.0.5"], "a.b.example.org": ["10.0.0.6"] });
  const { names } = setting(t, { servers: [server] }, { resolvConf: "domain ignored.example\nsearch example.org. lan.example.org\noptions rotate ndots:1\n" });
  assert.equal(await until(names, "db1", resolved), "10.0.0.4 4");
  assert.ok(asked.includes("db1.example.org A") && !asked.includes("db1 A"));
  assert.equal(await until(names, "a.b", resolved), "10.0.0.5 4"); // enough dots: as it stands first
  assert.equal(await until(names, "db1.", failed), "db1. does not resolve: no such name"); // absolute: no search
});

test("many names at once are all resolved", async (t) => {
  const zone: Zone = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`h${at}.example.org`, [`10.1.${at >> 8}.${at & 255}`]]));
  const { server } = await nameServer(t, zone);
  const { names } = setting(t, { servers: [server] });
  for (const name of Object.keys(zone)) names.address(name);
  for (const name of Object.keys(zone)) assert.ok(resolved(await until(names, name, resolved)));
});

test("after close nothing is asked", async (t) => {
  const { server, asked } = await nameServer(t, { "slow.example.org": "silent" });
  const { names } = setting(t, { servers: [server] });
  names.address("slow.example.org");
  names.close();
  names.address("other.example.org");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(asked.filter((question) => question.startsWith("other")), []);
});

/** The question before may still be on its way: who wants the address wants it again and again. */
async function asking(asked: readonly string[], before: number, want: () => unknown = () => undefined): Promise<void> {
  const endsAtMs = performance.now() + 10_000;
  while (asked.length === before) {
    assert.ok(performance.now() < endsAtMs, "not asked again");
    want();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
