// The store on a real etcd of three members, each in a network namespace of its own, watchers in theirs: members that are
// killed, stopped and cut off, watchers that are cut off, an answer that gets lost. The judge is a second watcher, and the
// store itself through etcdctl.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { StoredRecord } from "../src/core/io.ts";
import { committed, put } from "../src/stores/conformance.ts";
import { alive, retried, until } from "../src/stores/shared-conformance.ts";
import type { CommitResult } from "../src/stores/store.ts";
import type { EtcdCluster } from "./etcd.ts";
import { ETCD_PROGRAMS, startEtcd } from "./etcd.ts";
import type { Network } from "./netns.ts";
import { networkRefusal, startNetwork } from "./netns.ts";
import type { Client } from "./store-clients.ts";
import { openClient, writeOn } from "./store-clients.ts";
import { lacking, thirdParty } from "./third-party.ts";

const skip = lacking(...ETCD_PROGRAMS) || (networkRefusal() ?? false);
const TTL_MS = 6_000;
const CALL_MS = 3_000;
const WATCHERS = ["rikis", "hopuuj", "lusab"] as const;
type WatcherName = (typeof WATCHERS)[number];
const KEY = "ack/held:logos";
const ALIVE = "storm/fleet";

let network: Network;
let etcd: EtcdCluster;
let sites = 0;
const clients: Client[] = [];

before(async () => {
  if (skip !== false) return;
  thirdParty("etcd", ["etcd", "--version"]);
  network = await startNetwork();
  etcd = await startEtcd({ members: 3, network });
}, { timeout: 180_000 });

after(async () => {
  if (skip !== false) return;
  await etcd?.stop();
  network?.stop();
});

afterEach(async () => {
  if (skip !== false) return;
  for (const client of clients.splice(0)) await client.end();
  await network.faults.mendAll();
  for (const member of etcd.members) {
    member.thaw();
    if (!member.running) await member.start();
  }
  await etcd.leader();
});

function site(): string {
  sites += 1;
  return `/upkeep/cluster-${sites}`;
}

/** A client in a watcher's namespace. */
function client(watcher: WatcherName, prefix: string, at = etcd.endpoints): Promise<Client> {
  return openClient(network, watcher, { store: "etcd", at, prefix, ttlMs: TTL_MS, callMs: CALL_MS }, clients);
}

/** The watcher hears no member, nor the other way round. */
async function cutOff(watcher: WatcherName): Promise<void> {
  for (const { name } of etcd.members) await network.faults.part(name, watcher);
}

for (const how of ["killed", "stopped"] as const) {
  test(`the leader is ${how}: writes resume, and a watch has missed nothing`, { skip, timeout: 240_000 }, async () => {
    const prefix = site();
    const [writer, witness] = [await client("rikis", prefix), await client("hopuuj", prefix)];
    const leader = await etcd.leader();
    let count = 0;
    const before = await writeOn(KEY, writer, () => (count += 1) > 5);
    if (how === "killed") await leader.kill();
    else await leader.freeze();
    count = 0;
    const later = await writeOn(KEY, writer, () => (count += 1) > 5);
    const next = await etcd.leader({ without: [leader.name] });
    assert.notEqual(next.name, leader.name);
    const last = later.at(-1) ?? 0;
    const sees = (): boolean => witness.changes().some(({ revision }) => revision === last) || witness.of("snapshot").some(({ value }) => (value as readonly StoredRecord[]).some(({ revision }) => revision >= last));
    await until(sees);
    const revisions = witness.changes().map(({ revision }) => revision);
    assert.deepEqual(revisions, revisions.toSorted((a, b) => a - b));
    assert.equal(new Set(revisions).size, revisions.length);
    if (witness.of("snapshot").length === 0) for (const revision of [...before, ...later]) assert.ok(revisions.includes(revision), `revision ${revision} was missed`);
    assert.deepEqual([...witness.of("gone"), ...writer.of("gone")], []);
  });
}

test("a watcher that is cut off from the store loses its session by its own clock, before its records go; healed, it comes back", { skip, timeout: 240_000 }, async () => {
  const prefix = site();
  const [lonely, witness] = [await client("rikis", prefix), await client("hopuuj", prefix)];
  await lonely.ask({ do: "join" });
  committed(await lonely.commit([], [alive("rikis")]));
  await until(() => witness.changes().length === 1);
  await cutOff("rikis");
  await until(() => lonely.of("lost").length > 0 && lonely.of("blind").length > 0);
  await until(() => witness.changes().some(({ key, value }) => key === ALIVE && value === null));
  const [lost] = lonely.of("lost");
  const gone = witness.changes().find(({ value }) => value === null);
  const untilMs = lonely.of("held").at(-1)?.value as number;
  assert.ok((lost?.atMs ?? 0) >= untilMs && (lost?.atMs ?? 0) < untilMs + 5_000, "not at its own deadline");
  assert.ok((gone?.atMs ?? 0) > untilMs, `its record went ${untilMs - (gone?.atMs ?? 0)} ms before its deadline`);
  const refused = await lonely.commit([], [alive("too late")]);
  assert.equal(refused.kind, "failed");
  const written = committed(await witness.commit([{ key: ALIVE, revision: null }], [put(KEY, "taken over")]));
  await network.faults.mendAll();
  await until(() => lonely.of("snapshot").some(({ value }) => (value as readonly StoredRecord[]).some(({ revision }) => revision === written)));
  assert.equal(lonely.of("blind").length, 1);
  assert.equal(lonely.of("lost").length, 1);
  await lonely.ask({ do: "join" });
  committed(await lonely.commit([{ key: ALIVE, revision: null }], [alive("again")]));
});

test("a change of leader renews all leases, and our deadline does not believe it", { skip, timeout: 240_000 }, async () => {
  const prefix = site();
  const [lonely, witness] = [await client("rikis", prefix), await client("hopuuj", prefix)];
  await lonely.ask({ do: "join" });
  committed(await lonely.commit([], [alive("rikis")]));
  await until(() => witness.changes().length === 1);
  const leader = await etcd.leader();
  await cutOff("rikis");
  const cutUntilMs = (): number => lonely.of("held").at(-1)?.value as number;
  await leader.kill();
  await etcd.leader();
  await until(() => lonely.of("lost").length > 0);
  const [lost] = lonely.of("lost");
  assert.ok((lost?.atMs ?? 0) >= cutUntilMs() && (lost?.atMs ?? 0) < cutUntilMs() + 5_000, "not at its own deadline");
  await until(() => witness.changes().some(({ key, value }) => key === ALIVE && value === null) || witness.of("snapshot").length > 0);
  const gone = witness.changes().find(({ value }) => value === null);
  if (gone !== undefined) assert.ok(gone.atMs > cutUntilMs(), "its record went before its deadline");
});

test("a member is restarted: nobody loses anything, and it knows what was written without it", { skip, timeout: 240_000 }, async () => {
  const prefix = site();
  const [writer, witness] = [await client("rikis", prefix), await client("hopuuj", prefix)];
  const leader = await etcd.leader();
  const follower = etcd.members.find(({ name }) => name !== leader.name);
  assert.ok(follower !== undefined);
  await follower.kill();
  let count = 0;
  const revisions = await writeOn(KEY, writer, () => (count += 1) > 5);
  await follower.start();
  await etcd.leader();
  const late = await client("lusab", prefix, [follower.endpoint]);
  assert.deepEqual((await late.load()).map(({ revision }) => revision), [revisions.at(-1)]);
  const last = committed(await late.commit([{ key: KEY, revision: revisions.at(-1) ?? null }], [put(KEY, "late")]));
  await until(() => witness.changes().some(({ revision }) => revision === last));
  assert.deepEqual(witness.changes().map(({ revision }) => revision), [...revisions, last]);
});

test("who only reaches a minority: nothing is committed, read or heard there, and the session is lost; the majority goes on", { skip, timeout: 240_000 }, async () => {
  const prefix = site();
  const leader = await etcd.leader();
  const others = etcd.members.filter(({ name }) => name !== leader.name).map(({ endpoint }) => endpoint);
  // The old leader is the worst member to be left with: it believes in itself for a while.
  const minority = await client("rikis", prefix, [leader.endpoint]);
  const majority = await client("hopuuj", prefix, others);
  await minority.ask({ do: "join" });
  const before = committed(await minority.commit([], [put(KEY, "before"), alive("rikis")]));
  await etcd.isolate(leader.name);
  const refused = await minority.commit([{ key: KEY, revision: before }], [put(KEY, "of the minority")]);
  assert.equal(refused.kind, "failed");
  await assert.rejects(minority.load(), { code: "STORE_UNREACHABLE" });
  await retried(() => majority.commit([], [put("ack/held:ethos", "of the majority")]));
  await until(() => minority.of("lost").length > 0 && minority.of("blind").length > 0);
  await until(async () => (await majority.load().catch(() => [])).every(({ key }) => key !== ALIVE));
  await network.faults.mendAll();
  await until(() => minority.of("snapshot").length > 0);
  const records = await minority.load();
  // A proposal of the old leader that never had a majority is thrown away when it hears of the new one.
  assert.deepEqual(records.map(({ key, value }) => [key, (value as { by?: string }).by]), [[KEY, "before"], ["ack/held:ethos", "of the majority"]]);
  assert.deepEqual(minority.of("gone"), []);
});

test("a write whose answer gets lost: it has failed, it was made once, and nobody repeats it, though other members would answer", { skip, timeout: 240_000 }, async () => {
  const prefix = site();
  const [writer, witness] = [await client("rikis", prefix), await client("hopuuj", prefix)];
  let value = 1;
  let revision = committed(await writer.commit([], [put(KEY, String(value))]));
  let failed: CommitResult | null = null;
  // What the member says is lost that the writer talks to; which one that is, shows.
  for (const { name } of etcd.members) {
    const mend = await network.faults.cut(name, "rikis");
    const result = await writer.commit([{ key: KEY, revision }], [put(KEY, String(value + 1))]);
    await mend();
    value += 1;
    if (result.kind === "committed") {
      revision = result.revision;
      continue;
    }
    failed = result;
    break;
  }
  assert.equal(failed?.kind, "failed", JSON.stringify(failed));
  assert.match(failed?.kind === "failed" ? failed.evidence : "", /whether it was written is not known/);
  await until(() => witness.changes().length === value);
  const [record] = await writer.load();
  assert.equal((record?.value as { by?: string }).by, String(value));
  assert.equal(record?.revision, witness.changes().at(-1)?.revision);
  // Whoever tries again with what he knew is told; a last write shows that no second one came before it.
  assert.equal((await writer.commit([{ key: KEY, revision }], [put(KEY, "again")])).kind, "conflict");
  const last = committed(await witness.commit([{ key: KEY, revision: record?.revision ?? null }], [put(KEY, "last")]));
  await until(() => witness.changes().some((change) => change.revision === last));
  assert.deepEqual(witness.changes().map((change) => (change.value as { by?: string } | null)?.by), [...Array.from({ length: value }, (_, n) => String(n + 1)), "last"]);
});
