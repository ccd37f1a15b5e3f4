// The store on etcd by both suites, against a real server on loopback, and what only this one must do: fail clearly when the
// endpoint, the certificate or the password is wrong, keep within etcd's bounds, and go on after compaction.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { after, test } from "node:test";
import type { EtcdCluster, EtcdTls } from "../../lab/etcd.ts";
import { ETCD_PROGRAMS, startEtcd } from "../../lab/etcd.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import type { RecordKey } from "../core/records.ts";
import { committed, found, put, remove, storeConformance } from "./conformance.ts";
import type { EtcdOptions } from "./etcd.ts";
import { openEtcd } from "./etcd.ts";
import { alive, joined, reached, sharedStoreConformance, sighted, until } from "./shared-conformance.ts";
import type { SharedStore } from "./store.ts";
import type { Pair } from "./store.fixture.ts";
import { authority, issue, refusal } from "./store.fixture.ts";

const skip = lacking(...ETCD_PROGRAMS);
const TTL_MS = 5_000;
const CALL_MS = 5_000;

let server: Promise<EtcdCluster> | null = null;
let sites = 0;
after(async () => (await server)?.stop());

/** One server for the whole file. */
function etcd(): Promise<EtcdCluster> {
  if (server === null) thirdParty("etcd", ["etcd", "--version"]);
  return (server ??= startEtcd({ members: 1 }));
}

async function only(): Promise<{ cluster: EtcdCluster; member: EtcdCluster["members"][number] }> {
  const cluster = await etcd();
  const [member] = cluster.members;
  assert.ok(member !== undefined);
  return { cluster, member };
}

function site(): string {
  sites += 1;
  return `/upkeep/site-${sites}`;
}

async function options(prefix: string, more: Partial<EtcdOptions> = {}): Promise<EtcdOptions> {
  return { endpoints: (await etcd()).endpoints, prefix, ttlMs: TTL_MS, callMs: CALL_MS, leased: new Set(["storm"]), nowMs: () => performance.now(), ...more };
}

async function ctl(...args: string[]): Promise<string> {
  const ran = await (await etcd()).ctl(args);
  assert.equal(ran.code, 0, `etcdctl ${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
}

async function withStore(more: Partial<EtcdOptions>, body: (store: SharedStore, prefix: string) => Promise<void>): Promise<void> {
  const prefix = site();
  const store = await openEtcd(await options(prefix, more));
  try {
    await body(store, prefix);
  } finally {
    await store.close();
  }
}

storeConformance("etcd", async () => {
  const prefix = site();
  return { open: async () => openEtcd(await options(prefix)), dispose: async () => undefined };
}, skip);

sharedStoreConformance("etcd", async () => {
  const prefix = site();
  const { member } = await only();
  return {
    ttlMs: TTL_MS, callMs: CALL_MS,
    open: async (more = {}) => openEtcd(await options(prefix, more)),
    openElsewhere: async () => openEtcd(await options(`${prefix}-b`)),
    plant: async (key, text) => void (text === null ? await ctl("del", `${prefix}/record/${key}`) : await ctl("put", `${prefix}/record/${key}`, text)),
    freeze: async () => member.freeze(),
    thaw: async () => member.thaw(),
    wipe: async () => void (await ctl("del", "--prefix", `${prefix}/`)),
    dispose: async () => undefined,
  };
}, skip);

test("wrong endpoints: an error that names each, in time", { skip }, async () => {
  const closed = createServer();
  closed.listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as { port: number };
  closed.close();
  const silent = createServer((socket) => socket.on("error", () => undefined));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const silentPort = (silent.address() as { port: number }).port;
  const web = createServer((socket) => socket.on("error", () => undefined).once("data", () => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n")));
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const webPort = (web.address() as { port: number }).port;
  try {
    const endpoints = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${silentPort}`];
    const beganMs = performance.now();
    const unreachable = await refusal(openEtcd(await options("/x", { endpoints, callMs: 1_000 })));
    assert.ok(performance.now() - beganMs < 10_000);
    assert.equal(unreachable.code, "STORE_UNREACHABLE");
    assert.match(unreachable.message, new RegExp(`:${port}: .*ECONNREFUSED.*:${silentPort}: no answer within`));
    const foreign = await refusal(openEtcd(await options("/x", { endpoints: [`http://127.0.0.1:${webPort}`] })));
    assert.equal(foreign.code, "STORE_REFUSED");
    assert.match(foreign.message, /not an answer of etcd: HTTP 404 nope/);
    const plain = await refusal(openEtcd(await options("/x", { endpoints: [(await etcd()).endpoints[0]?.replace("http:", "https:") ?? ""] })));
    assert.match(plain.message, /TLS|SSL/);
    for (const text of ["127.0.0.1:2379", "ftp://a:1", "http://a:1/path", "http://me:sesame@127.0.0.1:1", ""]) {
      const refused = await refusal(openEtcd(await options("/x", { endpoints: [text] })));
      assert.equal(refused.code, "STORE_REFUSED");
      assert.ok(!refused.message.includes("sesame"), refused.message);
    }
    // A node that is down does not keep anybody from the ones that are up.
    const store = await openEtcd(await options("/x/y", { endpoints: [...endpoints, ...(await etcd()).endpoints] }));
    committed(await store.commit([], [put("ack/a", "b")]));
    await store.close();
  } finally {
    silent.close();
    web.close();
  }
});

test("what etcd would refuse for its size is told before anything is sent", { skip }, () => withStore({}, async (store) => {
  const many = (count: number): RecordKey[] => Array.from({ length: count }, (_, n): RecordKey => `ack/${n}`);
  const before = committed(await store.commit([], [put("ack/x", "x")]));
  const tooMany = await store.commit([], many(129).map((key) => put(key, "a")));
  assert.match(tooMany.kind === "failed" ? tooMany.evidence : "", /129 writes are more than the 128 .* nothing was sent/);
  const tooGuarded = await store.commit(many(128).map((key) => ({ key, revision: null })), [put("ack/x", "y")]);
  assert.match(tooGuarded.kind === "failed" ? tooGuarded.evidence : "", /128 guards are more than the 127 .* nothing was sent/);
  const tooLarge = await store.commit([], [put("ack/x", "z".repeat(1_600_000))]);
  assert.match(tooLarge.kind === "failed" ? tooLarge.evidence : "", /larger than .* nothing was sent/);
  // The bounds themselves are taken.
  const most = committed(await store.commit(many(127).map((key) => ({ key, revision: null })), many(128).map((key) => put(key, "a"))));
  assert.equal(most, before + 1);
  const conflict = await store.commit(many(127).map((key, n) => ({ key, revision: n === 126 ? before : most })), []);
  assert.match(conflict.kind === "conflict" ? conflict.evidence : "", /^ack\/126 is at revision/);
  committed(await store.commit([], [put("ack/x", "z".repeat(1_570_000))]));
}));

test("more records than fit in one answer are all loaded", { skip }, () => withStore({ callMs: 60_000 }, async (store) => {
  // Two pages of small ones, then more in one page than is read in one answer: 23 records of 1.5 MB are 46 MB in base64.
  const keys = Array.from({ length: 640 }, (_, n): RecordKey => `ack/${n}`);
  for (let at = 0; at < keys.length; at += 128) committed(await store.commit([], keys.slice(at, at + 128).map((key) => put(key, "a"))));
  assert.equal((await store.load()).length, keys.length);
  for (const key of keys.slice(0, 23)) committed(await store.commit([], [put(key, "x".repeat(1_500_000))]));
  const records = await store.load();
  assert.equal(new Set(records.map(({ key }) => key)).size, keys.length);
  assert.equal(records.length, keys.length);
}));

test("after a compaction that it has missed, a watch reads everything anew", { skip }, () => withStore({}, async (store) => {
  committed(await store.commit([], [put("ack/a", "0")]));
  await store.load();
  for (let n = 1; n <= 5; n += 1) committed(await store.commit([], [put("ack/a", String(n))]));
  const revision = committed(await store.commit([], [remove("ack/a"), put("ack/b", "kept")]));
  await ctl("compaction", String(revision));
  const seen = sighted(store);
  await until(() => seen.snapshots.length > 0);
  assert.deepEqual(seen.snapshots, [1]);
  assert.deepEqual(seen.changes, []);
  assert.deepEqual(seen.troubles, []);
  await reached(seen, committed(await store.commit([], [put("ack/b", "again")])));
  assert.equal(seen.latest("ack/b"), "again");
}));

test("a session that the store has ended is lost at once, and its writes are not made", { skip }, () => withStore({}, async (store, prefix) => {
  const session = await joined(store);
  const idle = await openEtcd(await options(prefix));
  const idleSession = await joined(idle);
  committed(await store.commit([], [alive("one")]));
  for (const id of (await ctl("lease", "list")).match(/^[0-9a-f]{10,}$/gm) ?? []) await ctl("lease", "revoke", id);
  const refused = await store.commit([], [put("ack/a", "b"), alive("two")]);
  assert.equal(refused.kind, "failed");
  assert.match(refused.kind === "failed" ? refused.evidence : "", /lease not found; nothing was written|needs a session/);
  await until(() => session.lost.length === 1);
  await until(() => idleSession.lost.length === 1);
  assert.match(idleSession.lost.join(), /the store says that the session is over/);
  await idle.close();
  assert.deepEqual(await found(store), {});
}));

test("a restarted server is another connection, not another store", { skip }, async () => {
  const { cluster, member } = await only();
  await withStore({}, async (store) => {
    const seen = sighted(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1")])));
    await member.kill();
    await member.start();
    await cluster.leader();
    await until(async () => (await store.commit([], [put("ack/a", "2")])).kind === "committed");
    await until(() => seen.latest("ack/a") === "2");
    assert.deepEqual(seen.gone, []);
  });
});

test("a server whose data were lost is not the store any more", { skip }, async () => {
  const { cluster, member } = await only();
  await withStore({}, async (store) => {
    const seen = sighted(store);
    const session = await joined(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1")])));
    await member.kill();
    await member.start({ wiped: true });
    await cluster.leader();
    await until(() => seen.gone.length > 0);
    assert.equal((await store.commit([], [put("ack/a", "2")])).kind, "failed");
    assert.equal(session.lost.length, 1);
    assert.equal((await ctl("get", "--prefix", "--keys-only", "/")).trim(), "");
  });
});

test("a server that was restored from a backup is not the store any more, though cluster and prefix are the same", { skip }, async () => {
  const { cluster, member } = await only();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-etcd-backup-"));
  try {
    await withStore({}, async (store) => {
      const seen = sighted(store);
      committed(await store.commit([], [put("ack/a", "1")]));
      await ctl("snapshot", "save", join(folder, "backup"));
      await reached(seen, committed(await store.commit([], [put("ack/a", "2")])));
      await member.kill();
      await member.start({ restoredFrom: join(folder, "backup") });
      await cluster.leader();
      await until(() => seen.gone.length > 0);
      assert.match(seen.gone.join(), /went back from revision \d+ to \d+/);
      assert.equal((await store.commit([], [put("ack/a", "3")])).kind, "failed");
      assert.equal(seen.latest("ack/a"), "2");
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a user and a password: right, wrong, missing; a token that ended is renewed", { skip }, async () => {
  const cluster = await startEtcd({ members: 1 });
  const [member] = cluster.members;
  assert.ok(member !== undefined);
  const run = async (...args: string[]): Promise<void> => {
    const ran = await cluster.ctl(args);
    assert.equal(ran.code, 0, ran.stderr);
  };
  try {
    for (const args of [["user", "add", "root:top"], ["role", "add", "upkeep"], ["user", "add", "upkeep:sesame"], ["role", "grant-permission", "upkeep", "--prefix=true", "readwrite", "/upkeep/"], ["user", "grant-role", "upkeep", "upkeep"], ["user", "grant-role", "root", "root"], ["auth", "enable"]]) await run(...args);
    const to = async (prefix: string, auth?: EtcdOptions["auth"]): Promise<EtcdOptions> => options(prefix, { endpoints: cluster.endpoints, ...(auth === undefined ? {} : { auth }) });
    for (const refused of [
      await refusal(openEtcd(await to("/upkeep/a", { user: "upkeep", password: "sesame, open" }))),
      await refusal(openEtcd(await to("/upkeep/a"))),
      await refusal(openEtcd(await to("/elsewhere", { user: "upkeep", password: "sesame" }))),
    ]) {
      assert.equal(refused.code, "STORE_REFUSED");
      assert.match(refused.message, /authentication failed|user name is empty|permission denied/);
      assert.ok(!`${refused.message} ${String(refused.cause)}`.includes("sesame"));
    }
    const store = await openEtcd(await to("/upkeep/a", { user: "upkeep", password: "sesame" }));
    try {
      const seen = sighted(store);
      const session = await joined(store);
      await reached(seen, committed(await store.commit([], [put("ack/a", "1"), alive("one")])));
      // The tokens of a member are in its memory only.
      await member.kill();
      await member.start();
      await until(async () => (await store.commit([], [put("ack/a", "2")])).kind === "committed");
      await until(() => seen.latest("ack/a") === "2");
      assert.ok(session.lost.length <= 1);
      await store.leave();
    } finally {
      await store.close();
    }
  } finally {
    await cluster.stop();
  }
});

test("TLS with a client certificate: right, missing, expired on either side, another authority", { skip: skip === false ? lacking("openssl") : skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-etcd-tls-"));
  const clusters: EtcdCluster[] = [];
  try {
    const [ours, others] = [authority(folder, "ours"), authority(folder, "others")];
    const good = issue(folder, ours, "server", 30);
    const client = issue(folder, ours, "client", 30);
    const start = async (cert: Pair): Promise<EtcdCluster> => {
      const tls: EtcdTls = { ca: ours.cert, cert: cert.cert, key: cert.key, clientCert: client.cert, clientKey: client.key };
      const cluster = await startEtcd({ members: 1, tls });
      clusters.push(cluster);
      return cluster;
    };
    const cluster = await start(good);
    const pem = (pair: Pair, ca = ours): NonNullable<EtcdOptions["tls"]> => ({ ca: readFileSync(ca.cert, "utf8"), cert: readFileSync(pair.cert, "utf8"), key: readFileSync(pair.key, "utf8") });
    const to = async (tls: NonNullable<EtcdOptions["tls"]>, endpoints = cluster.endpoints): Promise<EtcdOptions> => options("/upkeep", { endpoints, tls });
    const store = await openEtcd(await to(pem(client)));
    const seen = sighted(store);
    await joined(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1")])));
    await store.leave();
    await store.close();

    const refused = {
      missing: await refusal(openEtcd(await to({ ca: readFileSync(ours.cert, "utf8") }))),
      expired: await refusal(openEtcd(await to(pem(issue(folder, ours, "expired", -1))))),
      stranger: await refusal(openEtcd(await to(pem(issue(folder, others, "stranger", 30))))),
      authority: await refusal(openEtcd(await to(pem(client, others)))),
    };
    for (const [what, error] of Object.entries(refused)) {
      assert.equal(error.code, "STORE_REFUSED", `${what}: ${error.message}`);
      assert.ok(!error.message.includes("BEGIN"), what);
    }
    assert.match(refused.authority.message, /certificate/);
    // A server whose own certificate has expired; no etcd, since it is not asked anything.
    const expired = issue(folder, ours, "expired-server", -1);
    const tlsServer = createTlsServer({ cert: readFileSync(expired.cert), key: readFileSync(expired.key) });
    tlsServer.on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
    await once(tlsServer, "listening");
    const error = await refusal(openEtcd(await to(pem(client), [`https://127.0.0.1:${(tlsServer.address() as { port: number }).port}`])));
    tlsServer.close();
    assert.equal(error.code, "STORE_REFUSED", error.message);
    assert.match(error.message, /certificate has expired/);
  } finally {
    for (const cluster of clusters) await cluster.stop();
    rmSync(folder, { recursive: true });
  }
});
