// Getting at a store on ZooKeeper, against real servers: wrong servers, passwords, certificates, and what others find there.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { lacking } from "../../lab/third-party.ts";
import type { ZookeeperCluster } from "../../lab/zookeeper.ts";
import { startZookeeper, zookeeperLacking } from "../../lab/zookeeper.ts";
import { only, options, plant, site, stopZookeeper, withStore, zookeeper } from "../../lab/zookeeper-site.ts";
import { committed, put } from "./conformance.ts";
import { alive, joined, reached, sighted } from "./shared-conformance.ts";
import type { Pair } from "./store.fixture.ts";
import { authority, issue, refusal } from "./store.fixture.ts";
import type { ZookeeperOptions } from "./zookeeper.ts";
import { openZookeeper } from "./zookeeper.ts";
import { Layout } from "./zookeeper-layout.ts";

const skip = zookeeperLacking();

after(stopZookeeper);

async function listening(onConnection: (socket: Socket) => void): Promise<{ readonly server: Server; readonly at: string }> {
  const server = createServer((socket) => onConnection(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, at: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("wrong servers: an error that names each, in time", { skip }, async () => {
  const closed = await listening(() => undefined);
  closed.server.close();
  const silent = await listening(() => undefined);
  const web = await listening((socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nnope\n")));
  const leaving = await listening((socket) => socket.once("data", () => socket.destroy()));
  try {
    const servers = [closed.at, silent.at];
    const beganMs = performance.now();
    const unreachable = await refusal(openZookeeper(await options("/x", { servers, callMs: 1_000 })));
    assert.ok(performance.now() - beganMs < 10_000);
    assert.equal(unreachable.code, "STORE_UNREACHABLE");
    assert.match(unreachable.message, new RegExp(`${closed.at}.*ECONNREFUSED.*${silent.at}: no answer within`));
    const foreign = await refusal(openZookeeper(await options("/x", { servers: [web.at] })));
    assert.equal(foreign.code, "STORE_REFUSED");
    assert.match(foreign.message, /this is not ZooKeeper: a frame of/);
    // What a server without a majority does.
    const refused = await refusal(openZookeeper(await options("/x", { servers: [leaving.at] })));
    assert.equal(refused.code, "STORE_UNREACHABLE");
    assert.match(refused.message, /closed the connection before it had answered/);
    const secured = await refusal(openZookeeper(await options("/x", { tls: {}, callMs: 2_000 })));
    assert.match(secured.message, /TLS|SSL|no connection within/);
    for (const text of ["http://127.0.0.1:1", "me:sesame@127.0.0.1:1", "127.0.0.1:0", "127.0.0.1:65536", "a b:1", "a,b", ""]) {
      const bad = await refusal(openZookeeper(await options("/x", { servers: [text] })));
      assert.equal(bad.code, "STORE_REFUSED");
      assert.ok(!bad.message.includes("sesame"), bad.message);
    }
    // A server that is down does not keep anybody from the ones that are up.
    const store = await openZookeeper(await options("/x/y", { servers: [...servers, ...(await zookeeper()).endpoints], callMs: 3_000 }));
    committed(await store.commit([], [put("ack/a", "b")]));
    await store.close();
  } finally {
    for (const { server } of [silent, web, leaving]) server.close();
  }
});

test("a prefix that is none, or somebody else's", { skip }, async () => {
  for (const prefix of ["", "/", "//", "/a//b", "/a/../b", "/a/.", "/zookeeper", "/zookeeper/quota", "/a\u0000b", "/\ud800", `/${"x".repeat(200)}`]) {
    assert.equal((await refusal(openZookeeper(await options(prefix)))).code, "STORE_REFUSED", JSON.stringify(prefix));
  }
  const { cluster } = await only();
  const prefix = site();
  for (const path of ["/upkeep", prefix, `${prefix}/identity`]) await cluster.cli(["create", path, "theirs"]);
  const theirs = await refusal(openZookeeper(await options(prefix)));
  assert.equal(theirs.code, "STORE_REFUSED");
  assert.match(theirs.message, /identity is not ours/);
  const half = site();
  for (const path of [half, `${half}/record`]) await cluster.cli(["create", path, ""]);
  const halfMade = await refusal(openZookeeper(await options(half)));
  assert.equal(halfMade.code, "STORE_REFUSED");
  assert.match(halfMade.message, /cannot be made/);
});

test("ZooKeeper's own command line reads a record as it is, and what it writes is told", { skip }, () => withStore({}, async (store, prefix) => {
  const { cluster } = await only();
  const layout = new Layout(prefix);
  const write = put("ack/held:logos", "by Upkeep");
  const revision = committed(await store.commit([], [write]));
  const read = await cluster.cli(["get", "-s", layout.pathOf("ack/held:logos")]);
  assert.equal(read.code, 0, read.stderr);
  assert.ok(read.stdout.includes(JSON.stringify(write.value)), read.stdout);
  assert.match(read.stdout, new RegExp(`mZxid = 0x${revision.toString(16)}\\b`));
  assert.match(layout.pathOf("ack/held:logos"), /\/record\/[0-3][0-9a-f]\/ack%2Fheld:logos$/);
  await store.load();
  const seen = sighted(store);
  const set = await cluster.cli(["set", layout.pathOf("ack/held:logos"), JSON.stringify(put("ack/held:logos", "by hand").value)]);
  assert.equal(set.code, 0, set.stderr);
  await reached(seen, revision + 1);
  assert.equal(seen.latest("ack/held:logos"), "by hand");
  // A node that is no record's, or not where it belongs, is nobody's business.
  await plant(prefix, "ack/held:logos", null);
  const stray = await cluster.cli(["create", `${layout.shelves[0]}/ack%2fheld:logos`, "{}"]);
  assert.equal(stray.code, 0, stray.stderr);
  assert.deepEqual(await store.load(), []);
}));

test("a user and a password: right, wrong, missing; others cannot read or write", { skip }, async () => {
  const prefix = "/secured/site";
  const auth = { user: "upkeep", password: "sesame" };
  const store = await openZookeeper(await options(prefix, { auth }));
  try {
    const seen = sighted(store);
    await joined(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1"), alive("one")])));
    for (const wrong of [{ auth: { user: "upkeep", password: "sesame, open" } }, { auth: { user: "upkeeper", password: "sesame" } }, {}]) {
      const refused = await refusal(openZookeeper(await options(prefix, wrong)));
      assert.equal(refused.code, "STORE_REFUSED");
      assert.match(refused.message, /NO_AUTH/);
      assert.ok(!`${refused.message} ${String(refused.cause)}`.includes("sesame"));
    }
    const { cluster } = await only();
    const stranger = await cluster.cli(["get", new Layout(prefix).pathOf("ack/a")]);
    assert.match(stranger.stdout + stranger.stderr, /Insufficient permission|NoAuth/);
    const friend = await openZookeeper(await options(prefix, { auth }));
    assert.equal((await friend.load()).length, 2);
    await friend.close();
    await store.leave();
  } finally {
    await store.close();
  }
});

test("TLS with a client certificate: right, missing, expired on either side, another authority", { skip: skip === false ? lacking("openssl") : skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-zookeeper-tls-"));
  let cluster: ZookeeperCluster | null = null;
  try {
    const [ours, others] = [authority(folder, "ours"), authority(folder, "others")];
    const good = issue(folder, ours, "server", 30);
    const client = issue(folder, ours, "client", 30);
    const certAndKey = join(folder, "server.pem");
    writeFileSync(certAndKey, readFileSync(good.key, "utf8") + readFileSync(good.cert, "utf8"));
    cluster = await startZookeeper({ members: 1, tls: { ca: ours.cert, certAndKey } });
    const servers = cluster.endpoints;
    const pem = (pair: Pair, ca = ours): NonNullable<ZookeeperOptions["tls"]> => ({ ca: readFileSync(ca.cert, "utf8"), cert: readFileSync(pair.cert, "utf8"), key: readFileSync(pair.key, "utf8") });
    const to = (tls: NonNullable<ZookeeperOptions["tls"]>, at = servers): Promise<ZookeeperOptions> => options("/upkeep", { servers: at, tls });
    const store = await openZookeeper(await to(pem(client)));
    const seen = sighted(store);
    await joined(store);
    await reached(seen, committed(await store.commit([], [put("ack/a", "1"), alive("one")])));
    await store.leave();
    await store.close();

    const refused = {
      missing: await refusal(openZookeeper(await to({ ca: readFileSync(ours.cert, "utf8") }))),
      expired: await refusal(openZookeeper(await to(pem(issue(folder, ours, "expired", -1))))),
      stranger: await refusal(openZookeeper(await to(pem(issue(folder, others, "stranger", 30))))),
      authority: await refusal(openZookeeper(await to(pem(client, others)))),
    };
    for (const [what, error] of Object.entries(refused)) {
      assert.equal(error.code, "STORE_REFUSED", `${what}: ${error.message}`);
      assert.ok(!error.message.includes("BEGIN"), what);
    }
    assert.match(refused.authority.message, /certificate/);
    // A server whose own certificate has expired; no ZooKeeper, since it is not asked anything.
    const expired = issue(folder, ours, "expired-server", -1);
    const tlsServer = createTlsServer({ cert: readFileSync(expired.cert), key: readFileSync(expired.key) });
    tlsServer.on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
    await once(tlsServer, "listening");
    const error = await refusal(openZookeeper(await to(pem(client), [`127.0.0.1:${(tlsServer.address() as AddressInfo).port}`])));
    tlsServer.close();
    assert.equal(error.code, "STORE_REFUSED", error.message);
    assert.match(error.message, /certificate has expired/);
  } finally {
    await cluster?.stop();
    rmSync(folder, { recursive: true });
  }
});
