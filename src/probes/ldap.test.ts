import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { freePort, startDaemon } from "../../lab/daemon.ts";
import type { Daemon, DaemonPlan } from "../../lab/daemon.ts";
import { run, whichProgram } from "../../lab/child.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { CERTIFICATE, KEY } from "./certificates.fixture.ts";
import { NASTY, assertEvidence, conformance, noIcmp, tcpPeer, tcpSettings, until } from "./conformance.ts";
import { ldap } from "./ldap.ts";
import type { LdapOptions } from "./ldap.ts";
import type { Finding } from "./probe.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const PLAIN = { tls: "none", base: "", peers: [], maxLagMs: 60_000 } as const;

/** BER by hand: short lengths are enough here. */
const ber = (tag: number, ...parts: readonly (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  assert.ok(body.length < 128);
  return Buffer.concat([Buffer.from([tag, body.length]), body]);
};
const result = (tag: number, code: number, text = ""): Buffer => ber(tag, Buffer.from([0x0a, 1, code]), ber(4, ""), ber(4, text));
const reply = (id: number, operation: Buffer): Buffer => ber(0x30, Buffer.from([2, 1, id]), operation);
const ENTRY = ber(0x64, ber(4, ""), ber(0x30));
/** The message number of a request that has come whole, or null. */
const messageOf = (read: Buffer): number | null => (read.length >= 2 && read.length >= 2 + (read[1] ?? 0) ? (read[4] ?? null) : null);

conformance(
  ldap,
  tcpSettings(
    (port): LdapOptions => ({ ...PLAIN, port }),
    (read) => {
      const id = messageOf(read);
      return id === null ? null : Buffer.concat([reply(id, ENTRY), reply(id, result(0x65, 0))]);
    },
  ),
);

conformance(
  { ...ldap, name: "ldap with a peer that is not there" },
  tcpSettings(
    (port): LdapOptions => ({ ...PLAIN, port, base: "dc=x", peers: [{ host: "127.0.0.1", port: 1 }] }),
    (read) => {
      const id = messageOf(read);
      return id === null ? null : Buffer.concat([reply(id, ENTRY), reply(id, result(0x65, 0))]);
    },
  ),
);

conformance(
  { ...ldap, name: "ldap with a bind and a filter" },
  tcpSettings(
    (port): LdapOptions => ({ ...PLAIN, port, base: "dc=x", bind: "cn=x", password: "y", filter: "(a=b)" }),
    ...[[result(0x61, 0)], [ENTRY, result(0x65, 0)], [ENTRY, result(0x65, 0)]].map((operations) => (read: Buffer): Buffer | null => {
      const id = messageOf(read);
      return id === null ? null : Buffer.concat(operations.map((operation) => reply(id, operation)));
    }),
  ),
);

/** A server that answers every request with these operations. */
async function answering(operations: (type: number) => readonly Buffer[], options: Partial<LdapOptions> = {}): Promise<Finding> {
  const peer = await tcpPeer((socket) => socket.on("data", (bytes: Buffer) => {
    const id = messageOf(bytes);
    if (id !== null) socket.write(Buffer.concat(operations(bytes[5] ?? 0).map((operation) => reply(id, operation))));
  }));
  try {
    return await ldap.run(LOOPBACK, { ...PLAIN, port: peer.port, ...options }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  } finally {
    await peer.close();
  }
}

test("what a server says of itself is bad, what it says of us proves nothing", async () => {
  const broken = await answering(() => [result(0x65, 80, "internal error")]);
  assert.deepEqual([broken.outcome, broken.sign], ["bad", "answer"], broken.evidence);
  for (const code of [1, 2, 3, 8, 11, 13, 32, 34, 48, 49, 50, 51, 52, 53]) {
    const found = await answering(() => [result(0x65, code, "words")]);
    assert.deepEqual([found.outcome, found.sign], ["unknown", "answer"], found.evidence);
  }
  const password = await answering((type) => [result(type + 1, 49, "sesame is wrong")], { bind: "cn=x", password: "sesame" });
  assert.deepEqual([password.outcome, /sesame/.test(password.evidence)], ["unknown", false], password.evidence);
  assert.equal((await answering(() => [result(0x65, 0)])).outcome, "unknown", "an entry that may not be read");
});

test("what is not LDAP is never good and ends at the latest with the connection", async () => {
  for (const wrong of [NASTY, "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]), Buffer.from([0x30, 0x80, 0x02]), ""]) {
    for (const options of [{}, { bind: "cn=x", password: "y" }]) {
      const peer = await tcpPeer((socket) => void socket.once("data", () => socket.end(wrong)));
      const found = await ldap.run(LOOPBACK, { ...PLAIN, port: peer.port, ...options }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
      await peer.close();
      assertEvidence(found);
      assert.deepEqual([found.outcome, found.sign], ["bad", "answer"], found.evidence);
    }
  }
});

test("random bytes never throw and are never good", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(reply(2, ENTRY), reply(3, result(0x65, 0)), ENTRY)), { maxLength: 5 }), async (chunks) => {
      const peer = await tcpPeer((socket) => void socket.once("data", () => socket.end(Buffer.concat(chunks))));
      const found = await ldap.run(LOOPBACK, { ...PLAIN, port: peer.port, bind: "cn=x", password: "y" }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
      await peer.close();
      assertEvidence(found);
      assert.notEqual(found.outcome, "good", found.evidence);
    }),
    { numRuns: 100 },
  );
});

test("StartTLS that is refused or no answer at all", async () => {
  const refused = await answering((type) => [result(type + 1, 2, "unsupported")], { tls: "starttls" });
  assert.deepEqual([refused.outcome, refused.evidence], ["unknown", 'LDAP server turned us away: "no StartTLS: result 2"']);
  const peer = await tcpPeer((socket) => void socket.once("data", () => socket.end("what?")));
  const nonsense = await ldap.run(LOOPBACK, { ...PLAIN, port: peer.port, tls: "starttls" }, { icmp: noIcmp }, AbortSignal.timeout(10_000));
  await peer.close();
  assert.deepEqual([nonsense.outcome, nonsense.evidence], ["bad", "not LDAP: no answer to StartTLS"]);
});

const missing = lacking("slapd", "ldapadd");
const slapd = whichProgram("slapd") ?? "";
const ADMIN = "cn=admin,dc=lab,dc=test";
const SUFFIX = "dc=lab,dc=test";

/** One of two servers that write and replicate from each other. */
function plan(id: number, other: number, tlsPort: number): DaemonPlan {
  return {
    name: `slapd${id}`,
    files: (folder) => ({
      "slapd.conf": `include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile ${folder}/pid
argsfile ${folder}/args
TLSCertificateFile ${folder}/cert
TLSCertificateKeyFile ${folder}/key
serverID ${id}
database mdb
maxsize 16777216
suffix "${SUFFIX}"
rootdn "${ADMIN}"
rootpw sesame
directory ${folder}/db
index objectClass,entryUUID,entryCSN eq
overlay syncprov
syncrepl rid=00${other} provider=ldap://127.0.0.1:${other} bindmethod=simple binddn="${ADMIN}" credentials=sesame searchbase="${SUFFIX}" type=refreshAndPersist retry="1 +" timeout=1
multiprovider on
`.replace(`rid=00${other}`, `rid=00${3 - id}`),
      "db/.keep": "", key: KEY, cert: CERTIFICATE,
    }),
    argv: (folder, port) => [slapd, "-h", `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tlsPort}`, "-f", `${folder}/slapd.conf`, "-d", "0"],
  };
}

async function add(port: number, entry: string): Promise<void> {
  const ran = await run([whichProgram("ldapadd") ?? "", "-x", "-H", `ldap://127.0.0.1:${port}`, "-D", ADMIN, "-w", "sesame"], { input: entry, timeoutMs: 30_000 });
  assert.equal(ran.code, 0, ran.stderr);
}

test("a real pair of slapds that replicate: bind, search, TLS, a wrong password, lag, stopped", { skip: missing }, async () => {
  thirdParty("OpenLDAP slapd", ["dpkg-query", "-W", "-f=slapd ${Version}\n", "slapd"]);
  const [first, second, firstTls, secondTls] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const servers: Daemon[] = [];
  const look = (options: Partial<LdapOptions>): Promise<Finding> => ldap.run(LOOPBACK, { ...PLAIN, port: first, ...options }, { icmp: noIcmp }, AbortSignal.timeout(20_000));
  try {
    servers.push(await startDaemon(plan(1, second, firstTls), first), await startDaemon(plan(2, first, secondTls), second));
    await add(first, `dn: ${SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: lab\ndc: lab\n`);

    const bound = { bind: ADMIN, password: "sesame", base: SUFFIX } as const;
    assert.deepEqual(await look({}), { outcome: "good", sign: "answer", evidence: "read the root entry" });
    assert.deepEqual(await look(bound), { outcome: "good", sign: "answer", evidence: `bound, read ${SUFFIX}` });
    assert.equal((await look({ base: SUFFIX, filter: "(o=lab)" })).outcome, "good");
    assert.deepEqual(await look({ base: SUFFIX, filter: "(o=nobody)" }), { outcome: "bad", sign: "answer", evidence: "no entry that matches the filter" });
    assert.equal((await look({ ...bound, tls: "starttls" })).outcome, "good");
    assert.equal((await look({ ...bound, tls: "ldaps", port: firstTls })).outcome, "good");
    const wrong = await look({ ...bound, password: "open it" });
    assert.deepEqual([wrong.outcome, wrong.sign], ["unknown", "answer"], wrong.evidence);
    assert.equal((await look({ base: "dc=elsewhere" })).outcome, "unknown");

    const compared: LdapOptions = { ...PLAIN, port: first, base: SUFFIX, peers: [{ host: "127.0.0.1", port: second }], maxLagMs: 1_000 };
    const level = async (wanted: (finding: Finding) => boolean): Promise<Finding> => {
      let found = await look(compared);
      for (let tries = 0; tries < 600 && !wanted(found); tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        found = await ldap.run(LOOPBACK, compared, { icmp: noIcmp }, AbortSignal.timeout(20_000));
      }
      assert.ok(wanted(found), JSON.stringify(found));
      return found;
    };
    const together = await level(({ evidence }) => /level with its peers/.test(evidence));
    assert.deepEqual([together.outcome, together.perfdata], ["good", [{ label: "lag", value: 0, unit: "s" }]]);

    // The second goes on writing while the first cannot hear it: the first is started anew with no way to its peer.
    const [one] = servers.splice(0, 1);
    await one?.stop();
    servers.push(await startDaemon({ ...plan(1, 1, firstTls) }, first));
    await add(first, `dn: ${SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: lab\ndc: lab\n`).catch(() => undefined);
    await add(second, `dn: cn=new,${SUFFIX}\nobjectClass: person\ncn: new\nsn: new\n`);
    const behind = await level(({ outcome }) => outcome === "bad");
    assert.match(behind.evidence, /^lags: for \d+ s without \d{14}\.\d{6}Z#\w+#\w{3}, which 127\.0\.0\.1 has$/);
    assert.ok((behind.perfdata?.[0]?.value ?? 0) > 1);

    // A peer that is silent is not waited for, and proves nothing.
    await standstill(servers[0]?.process);
    const unheard = await look(compared);
    assert.deepEqual([unheard.outcome, /not heard: 127\.0\.0\.1/.test(unheard.evidence)], ["good", true], unheard.evidence);

    await standstill(servers[1]?.process);
    const controller = new AbortController();
    const told: string[] = [];
    const silent = ldap.run(LOOPBACK, compared, { icmp: noIcmp }, controller.signal, (text) => told.push(text));
    await until(() => told.includes("connected"), "its kernel did not accept");
    controller.abort(new Error("enough"));
    await assert.rejects(silent, /enough/);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
});
