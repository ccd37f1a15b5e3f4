// A shared store as the watcher's process holds it: when it may start there at all, what it hears, how it joins again, what it
// remembers, and what it takes along from the time when it worked alone. The store is in memory; the data folder is real.

import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import type { Input, StoredRecord, Write } from "../core/io.ts";
import type { AliveRecord, AnyRecord, BrakeRecord, HostRecord, MetaRecord, Operation, RecordKey } from "../core/records.ts";
import { stamp } from "../core/time.ts";
import { folderIdentity } from "../journal/folder-id.ts";
import { openHistoryFile } from "../journal/history-file.ts";
import { HISTORY_NAME } from "../journal/history.ts";
import type { Memory } from "../journal/went-back.ts";
import { openLedger } from "../stores/embedded.ts";
import { MemoryCluster } from "./memory-store.fixture.ts";
import type { SharedPlace } from "./shared-place.ts";
import { openSharedPlace } from "./shared-place.ts";
import { systemClock } from "../process/system-clock.ts";

const clock = systemClock();
const root = mkdtempSync(join(tmpdir(), "upkeep-place-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => join(root, `w${(folders += 1)}`);

type Rig = { readonly cluster: MemoryCluster; readonly dataDir: string; readonly said: string[]; readonly stop: AbortController; open(name?: string): Promise<SharedPlace | null>; must(name?: string): Promise<SharedPlace> };

function rig(t: TestContext, dataDir = folder(), cluster = new MemoryCluster(), ttlMs = 200): Rig {
  const said: string[] = [];
  const stop = new AbortController();
  const opened: SharedPlace[] = [];
  t.after(async () => {
    stop.abort();
    for (const place of opened) await place.close();
  });
  const open = async (watcher = "a") => {
    const place = await openSharedPlace({
      dataDir, site: "here", watcher, version: "1", clock, prefix: "/x", ttlMs, callMs: 100, signal: stop.signal, onWait: () => undefined,
      say: (_level, text) => said.push(text), open: (options) => cluster.open(options),
    });
    if (place !== null) opened.push(place);
    return place;
  };
  return { cluster, dataDir, said, stop, open, must: async (name) => (await open(name)) ?? assert.fail("ended before it was open") };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 20_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) if (performance.now() > endMs) assert.fail(`not within 20 s: ${what}`);
}

const host = (more: Partial<HostRecord> = {}): HostRecord => ({
  v: 1, learned: { hash: "h", seenHealthyAt: stamp(clock.now()), passed: ["ssh"], proved: [] }, wanted: { state: "on" }, hold: null, cycles: [], unconfirmed: [], forgiven: [], cutIn: null, lastEdge: null, lastOperation: null,
  offByOthers: [], lastKdump: null, bootsMs: [], ...more,
});
const alive = (watcher: string, folder_: string): AliveRecord => ({ v: 1, watcher, folder: folder_, since: stamp(clock.now()), cannot: [], blind: false });
const disarmed = (): BrakeRecord => ({ v: 1, kind: "disarmed", scope: "*", by: "upkeep", reason: "time went back", since: stamp(clock.now()), until: null });
const meta = (ledger: string): MetaRecord => ({ v: 1, ledger, created: stamp(clock.now()), nextIncident: 3, nextToken: 9 });
const refused = (code: "STORE_REFUSED" | "STORE_UNREACHABLE", message = "no") => new UpkeepError(code, message);

test("it starts with what is there, hands over in its order what was said before and after the start, and has a session then", async (t) => {
  const { cluster, must, dataDir, stop } = rig(t);
  cluster.put("host/logos", host());
  const place = await must();
  const { records, wentBack, ledger, fleet } = place.beginning;
  assert.deepEqual([records.map(({ key }) => key), wentBack, ledger], [["host/logos"], null, "memory:1"]);
  assert.equal(fleet?.folder, folderIdentity(join(dataDir, "folder.id")));
  cluster.put("host/ethos", host());
  cluster.last.options.onUnreadable?.([{ key: "vote/x/b", revision: 3, kind: "newer", because: "v 2" }]);
  const heard: Input[] = [];
  place.feed((input) => heard.push(input));
  cluster.put("host/ethos", null);
  cluster.last.tell((sight) => sight.snapshot([]));
  assert.deepEqual(heard.map(({ kind }) => kind), ["changes", "unreadable", "changes", "snapshot"]);
  await until("a session", () => heard.at(-1)?.kind === "session");
  assert.deepEqual(heard[1], { kind: "unreadable", records: [{ key: "vote/x/b", kind: "newer", because: "v 2" }] });
  stop.abort();
  assert.deepEqual((await place.store.commit([], [{ key: "host/x", value: host() }])).kind, "committed", "SIGTERM is the watcher's to serve, with the store");
});

test("a store that is away is waited for, with a word; SIGTERM ends the waiting; one that refuses ends the start", async (t) => {
  const away = rig(t);
  away.cluster.trouble = refused("STORE_UNREACHABLE", "etcd: http://e1:2379: connect ECONNREFUSED");
  const opening = away.open();
  await until("said", () => away.said.length > 0);
  assert.deepEqual(away.said, ["waiting for the store of the watchers: etcd: http://e1:2379: connect ECONNREFUSED"]);
  await assert.rejects(rig(t, away.dataDir).open(), { code: "LEDGER_LOCKED" }, "the folder is held meanwhile");
  away.cluster.trouble = null;
  assert.ok(await opening);
  assert.equal(away.said.at(-1), "the store of the watchers is reached");

  const stopped = rig(t);
  stopped.cluster.trouble = refused("STORE_UNREACHABLE");
  const never = stopped.open();
  await until("said", () => stopped.said.length > 0);
  stopped.stop.abort();
  assert.equal(await never, null);
  assert.equal(stopped.cluster.clients.size, 0);

  const shut = rig(t);
  shut.cluster.trouble = refused("STORE_REFUSED", "etcd: authentication failed");
  await assert.rejects(shut.open(), { code: "STORE_REFUSED", message: "etcd: authentication failed" });
  shut.cluster.trouble = null;
  assert.ok(await shut.must(), "and holds nothing afterwards");
});

test("a session that is lost is joined again until it is there, and not after leaving", async (t) => {
  const { cluster, must, said } = rig(t);
  const place = await must();
  const heard: Input[] = [];
  place.feed((input) => heard.push(input));
  const kinds = () => heard.map((input) => (input.kind === "session" ? input.session.kind : input.kind));
  await until("joined", () => kinds().length === 1);
  cluster.last.lose("its time to live was over");
  await until("joined again", () => kinds().length === 3);
  assert.deepEqual(kinds(), ["held", "lost", "held"]);
  cluster.noSession = refused("STORE_UNREACHABLE", "no majority");
  cluster.last.lose("again");
  await until("said", () => said.length > 0);
  assert.deepEqual(said, ["no session in the store of the watchers: no majority"]);
  cluster.noSession = null;
  await until("joined at last", () => kinds().at(-1) === "held");
  cluster.put("alive/a", alive("a", "f"));
  await place.leave();
  assert.equal(cluster.last.joined, false);
});

test("another watcher of this name: waited for while it may be dead, refused when it lives; a process of our own folder is dead", async (t) => {
  const dying = rig(t);
  dying.cluster.put("alive/a", alive("a", "another folder"));
  const opening = dying.open();
  await until("said", () => dying.said.length > 0);
  dying.cluster.put("alive/a", null);
  assert.ok(await opening);

  const living = rig(t);
  living.cluster.put("alive/a", alive("a", "another folder"));
  await assert.rejects(living.open(), (error: UpkeepError) => error.code === "STORE_REFUSED" && /^another watcher named a runs \(since \d{4}-.*\): give each its own watcher\.name$/.test(error.message));

  const own = rig(t);
  const first = await own.must();
  await first.close();
  own.cluster.put("alive/a", alive("a", first.beginning.fleet?.folder ?? ""));
  const second = await own.must();
  assert.deepEqual([own.said, second.beginning.fleet?.folder], [[], first.beginning.fleet?.folder]);
  assert.notEqual(second.beginning.fleet?.life, first.beginning.fleet?.life);
});

test("the identity of a data folder goes with its file, not with a copy of it", () => {
  const [one, copy] = [mkdtempSync(join(root, "id-")), mkdtempSync(join(root, "id-"))];
  const id = folderIdentity(join(one, "folder.id"));
  assert.equal(folderIdentity(join(one, "folder.id")), id);
  assert.equal(statSync(join(one, "folder.id")).mode & 0o777, 0o600);
  copyFileSync(join(one, "folder.id"), join(copy, "folder.id"));
  assert.notEqual(folderIdentity(join(copy, "folder.id")), id);
  appendFileSync(join(one, "folder.id"), "x");
  assert.notEqual(folderIdentity(join(one, "folder.id")), id);
  assert.deepEqual(readdirSync(one), ["folder.id"]);
});

// ---- time went back -----------------------------------------------------------------------------------------------------

function remember(dataDir: string, memory: Memory): void {
  const { file } = openHistoryFile(join(dataDir, HISTORY_NAME), 0);
  file.remember(memory);
  file.close();
}

/** Opens, starts, and gives what the history would remember. */
async function remembered(place: SharedPlace): Promise<Memory[]> {
  const memories: Memory[] = [];
  place.onDurable((memory) => memories.push(memory));
  place.feed(() => undefined);
  return memories;
}

test("what is durable is remembered, and another store or an older one is known by it", async (t) => {
  const { cluster, must, dataDir } = rig(t);
  const place = await must();
  const memories = await remembered(place);
  assert.deepEqual(memories, [{ watcher: "a", ledger: "memory:1", revision: 0 }]);
  await place.store.commit([], [{ key: "host/x", value: host() }]);
  cluster.put("host/y", host());
  assert.deepEqual(memories.at(-1), { watcher: "a", ledger: "memory:1", revision: 2 });
  await place.close();

  const found = async (memory: Memory | null): Promise<string | null> => {
    if (memory !== null) remember(dataDir, memory);
    const again = await must();
    const { wentBack } = again.beginning;
    await again.close();
    return wentBack;
  };
  assert.equal(await found({ watcher: "a", ledger: "memory:1", revision: 2 }), null);
  cluster.put("host/y", null);
  assert.equal(await found(null), null, "what was deleted is no reason");
  assert.match((await found({ watcher: "a", ledger: "memory:1", revision: 9 })) ?? "", /the store is at revision 3, and the history remembers revision 9: it was restored from a backup/);
  assert.match((await found({ watcher: "a", ledger: "memory:0", revision: 1 })) ?? "", /another store than the one that the history remembers/);
});

test("a store that time went back for is not remembered before it is on record that everything is disarmed", async (t) => {
  const { must, dataDir, cluster } = rig(t);
  await (await must()).close();
  remember(dataDir, { watcher: "a", ledger: "memory:0", revision: 1 });
  const place = await must();
  const memories = await remembered(place);
  await place.store.commit([], [{ key: "host/x", value: host() }]);
  assert.equal(memories.length, 0);
  await place.store.commit([], [{ key: "brake/disarmed/*", value: disarmed() }]);
  assert.equal(memories.at(-1)?.ledger, "memory:1");
  await place.close();
  // Another watcher may have said so before.
  remember(dataDir, { watcher: "a", ledger: "memory:0", revision: 1 });
  const second = await must();
  const later = await remembered(second);
  assert.deepEqual([second.beginning.wentBack === null, later], [false, []]);
  await second.store.commit([], [{ key: "host/x", value: host() }]);
  assert.equal(later.at(-1)?.revision, cluster.revision);
});

test("opened anew it is another store: what the old one says is not heard, time went back, and the new one is followed", async (t) => {
  const { cluster, must, said } = rig(t);
  const place = await must();
  const heard: Input[] = [];
  place.feed((input) => heard.push(input));
  const memories: Memory[] = [];
  place.onDurable((memory) => memories.push(memory));
  const old = cluster.last;
  await until("joined", () => heard.length === 1);
  cluster.wipe("memory:2");
  assert.deepEqual(heard.map(({ kind }) => kind), ["session", "blind", "gone"]);
  cluster.trouble = refused("STORE_REFUSED", "not yet");
  const reopening = place.reopen("the store was wiped");
  await until("said", () => said.length > 0);
  assert.ok(old.closed);
  const before = heard.length;
  cluster.trouble = null;
  cluster.put("host/new", host());
  assert.equal(await reopening, true);
  assert.equal(heard.length, before);
  const { records, wentBack, ledger, fleet } = place.beginning;
  assert.deepEqual([records.map(({ key }) => key), wentBack, ledger, fleet?.knew], [["host/new"], "the store was wiped", "memory:2", "memory:1"]);
  const next: Input[] = [];
  place.feed((input) => next.push(input));
  await until("joined", () => next.length === 1);
  assert.deepEqual([next.map(({ kind }) => kind), memories.length], [["session"], 1]);
  await place.store.commit([], [{ key: "brake/disarmed/*", value: disarmed() }]);
  assert.equal(memories.at(-1)?.ledger, "memory:2");
  assert.equal(next.at(-1)?.kind, "changes");

  cluster.trouble = refused("STORE_UNREACHABLE", "away");
  const ended = place.reopen("again");
  await until("said again", () => said.at(-1)?.includes("away") === true);
  await place.leave();
  assert.equal(await ended, false);
});

// ---- from the embedded ledger --------------------------------------------------------------------------------------------

const HELD: readonly Write[] = [
  { key: "host/logos", value: host({ hold: { kind: "budget", because: "3 cycles in 6 h", since: stamp(clock.now()), sticky: true } }) },
  { key: "brake/maintenance/ethos", value: { v: 1, kind: "maintenance", scope: "ethos", by: "root", reason: "disk", since: stamp(clock.now()), until: null } },
  { key: "storm/fleet", value: { v: 1, set: "fleet", because: "many", since: stamp(clock.now()), proceedBy: null } },
  { key: "lock/sucker", value: { v: 1, device: "sucker", operation: 1, token: 2, watcher: "a" } },
];

/** A data folder in which a watcher has worked alone. */
async function alone(writes: readonly Write[]): Promise<string> {
  const dataDir = folder();
  const { store } = openLedger({ dataDir, watcherName: "a", now: clock.now(), reserve: { bytes: 4_096, retryMs: 60_000 } });
  const committed = await store.commit([], [{ key: "meta/ledger", value: meta(store.identity) }, ...writes]);
  assert.equal(committed.kind, "committed");
  const { identity: ledger } = store;
  store.onDurable((memory) => remember(dataDir, memory));
  await store.close();
  assert.notEqual(ledger, "");
  return dataDir;
}

const keysIn = (records: readonly StoredRecord[]): string[] => records.map(({ key }) => key).sort();

test("an embedded ledger goes along, hundreds of hosts and all, and its file is put away", async (t) => {
  const many = Array.from({ length: 300 }, (_, n): Write => ({ key: `host/web${n}`, value: host() }));
  const dataDir = await alone([...HELD, ...many]);
  const { cluster, must, said } = rig(t, dataDir);
  const place = await must();
  const { records, wentBack, fleet } = place.beginning;
  assert.equal(wentBack, null);
  assert.deepEqual(keysIn(records), keysIn(cluster.held()));
  assert.deepEqual(keysIn(records), [...HELD, ...many].map(({ key }) => key).filter((key) => !key.startsWith("lock/")).concat("meta/ledger").sort());
  const value = (key: RecordKey): AnyRecord | undefined => cluster.records.get(key)?.value;
  assert.equal((value("host/logos") as HostRecord).hold?.because, "3 cycles in 6 h");
  assert.deepEqual([(value("storm/fleet") as { watcher?: string }).watcher, value("storm/fleet")?.written?.by, value("storm/fleet")?.written?.life], ["a", "a", fleet?.life]);
  assert.equal((value("meta/ledger") as MetaRecord).nextToken, 9);
  assert.match(said.join("\n"), /the ledger of this data folder is in the store now: 303 records/);
  const files = readdirSync(dataDir);
  assert.ok(files.includes("ledger.moved.sqlite") && !files.some((name) => /^ledger\.(sqlite|reserve)/.test(name)), files.join());
  assert.equal(readFileSync(join(dataDir, "ledger.moved.sqlite")).subarray(0, 15).toString(), "SQLite format 3");
  // Killed before the history knew of it: the memory is still of the ledger, and that is no reason to disarm.
  await place.close();
  assert.equal((await must()).beginning.wentBack, null);
});

test("a move that was interrupted goes on where it stopped", async (t) => {
  const many = Array.from({ length: 120 }, (_, n): Write => ({ key: `host/web${n}`, value: host() }));
  const dataDir = await alone(many);
  const { cluster, open, must, said } = rig(t, dataDir);
  let commits = 0;
  const write = cluster.write.bind(cluster);
  cluster.write = (writes, session) => {
    commits += 1;
    const revision = write(writes, session);
    if (commits === 2) cluster.trouble = refused("STORE_UNREACHABLE", "cut off");
    return revision;
  };
  const opening = open();
  await until("said", () => said.length > 0);
  assert.equal(cluster.records.has("meta/ledger"), false);
  assert.ok(readdirSync(dataDir).includes("ledger.sqlite"));
  cluster.trouble = null;
  const place = await opening;
  assert.equal(place?.beginning.records.length, 121);
  await place?.close();
  assert.equal((await must()).beginning.records.length, 121);
});

test("nothing is moved with an operation open, into a store that is in use, or over somebody else's records", async (t) => {
  const operation = { v: 1, id: 7, host: "logos", phase: "on-sent" } as Operation;
  const open = rig(t, await alone([...HELD, { key: "op/7", value: operation }]));
  await assert.rejects(open.open(), { code: "STORE_REFUSED", message: /an operation is open in the ledger .*op\/7.*store: embedded/ });
  assert.deepEqual([open.cluster.records.size, readdirSync(open.dataDir).includes("ledger.sqlite")], [0, true]);

  const used = rig(t, await alone(HELD));
  used.cluster.put("meta/ledger", meta("another"));
  await assert.rejects(used.open(), { code: "STORE_REFUSED", message: /3 records.*in use already.*empty prefix/ });
  assert.equal(used.cluster.records.size, 1);

  const foreign = rig(t, await alone(HELD));
  foreign.cluster.put("host/logos", { ...host(), written: { by: "b", life: "l", at: stamp(clock.now()) } } as AnyRecord);
  await assert.rejects(foreign.open(), { code: "STORE_REFUSED", message: /host\/logos stands in the store already/ });

  const raced = rig(t, await alone(HELD));
  const write = raced.cluster.write.bind(raced.cluster);
  raced.cluster.write = (writes, session) => {
    const revision = write(writes, session);
    if (session === null && !raced.cluster.records.has("meta/ledger")) write([{ key: "meta/ledger", value: meta("another") }], null);
    return revision;
  };
  await assert.rejects(raced.open(), { code: "STORE_REFUSED", message: /another watcher has begun/ });
});

test("a ledger that is gone or corrupt where one is remembered: time went back", async (t) => {
  const missing = rig(t, await alone(HELD));
  rmSync(join(missing.dataDir, "ledger.sqlite"));
  assert.match((await missing.must()).beginning.wentBack ?? "", /the ledger is missing, and the history remembers it/);
  const corrupt = rig(t, await alone(HELD));
  appendFileSync(join(corrupt.dataDir, "ledger.sqlite"), "");
  const bytes = readFileSync(join(corrupt.dataDir, "ledger.sqlite"));
  bytes.fill(0x55, 100, 3_000);
  rmSync(join(corrupt.dataDir, "ledger.sqlite"));
  appendFileSync(join(corrupt.dataDir, "ledger.sqlite"), bytes);
  assert.match((await corrupt.must()).beginning.wentBack ?? "", /the ledger is corrupt: .*set aside as/);
});

test("a prefix under which another site keeps its records is refused, in clear words", async (t) => {
  const { cluster, open } = rig(t);
  const meta: MetaRecord = { v: 1, ledger: "x", created: stamp(clock.now()), nextIncident: 1, nextToken: 1, site: "there" };
  cluster.put("meta/ledger", meta);
  await assert.rejects(open(), (error: UpkeepError) => error.code === "STORE_REFUSED" && /records of the site there, and this is here/.test(error.message));
});
