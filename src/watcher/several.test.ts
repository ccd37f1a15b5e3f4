// The watcher's process on a real etcd: it waits for the store, joins it and leaves it, refuses a name that is taken, and goes
// on in the same process when the store is wiped under it. What several of them decide together is the core's, and is tried
// elsewhere (src/core/test, sim, lab).

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { EtcdCluster } from "../../lab/etcd.ts";
import { ETCD_PROGRAMS, startEtcd } from "../../lab/etcd.ts";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import type { StatusReport } from "../api/contract.ts";
import { replay } from "../journal/replay.ts";

const skip = lacking(...ETCD_PROGRAMS);
const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const LIMIT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "upkeep-several-"));
let server: Promise<EtcdCluster> | null = null;
const processes = new Set<ChildProcess>();

after(async () => {
  for (const child of processes) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await (await server)?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function etcd(): Promise<EtcdCluster> {
  if (server === null) thirdParty("etcd", ["etcd", "--version"]);
  return (server ??= startEtcd({ members: 1 }));
}

async function ctl(...args: string[]): Promise<string> {
  const ran = await (await etcd()).ctl(args);
  assert.equal(ran.code, 0, `etcdctl ${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
}

type Running = { readonly name: string; readonly home: string; readonly data: string; upkeep(...args: readonly string[]): Promise<string>; readonly child: ChildProcess; readonly out: () => string; readonly err: () => string; status(): Promise<StatusReport>; ended(signal?: NodeJS.Signals): Promise<number | null> };

let homes = 0;

/** A watcher of this name, with a data folder of its own unless one is given. `prefix` null: it works alone. */
function watch(name: string, prefix: string | null, endpoints: readonly string[], home = join(folder, String((homes += 1)))): Running {
  mkdirSync(home, { recursive: true });
  const config = join(home, "upkeep.yaml");
  const data = join(home, "data");
  writeFileSync(config, `
data: ./data
watcher: { name: ${name} }
api: { listen: null }
store: ${prefix === null ? "embedded" : `{ etcd: { endpoints: ${JSON.stringify(endpoints)}, prefix: ${prefix}, ttl: 5s, timeout: 2s } }`}
hosts: { h: { address: 127.0.0.1, every: 1s, timeout: 500ms, probes: [{ tcp: { port: 9 } }], power: p/1 } }
power: { p: { driver: command, on: ["true"], off: ["true"], status: ["true"] } }
`);
  const child = spawn(UPKEEP, ["watch", "-c", config, "--log", "text"], { stdio: ["ignore", "pipe", "pipe"] });
  processes.add(child);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const exit = new Promise<number | null>((resolve) => {
    child.on("close", (code) => {
      processes.delete(child);
      resolve(code);
    });
  });
  const upkeep = async (...args: readonly string[]): Promise<string> => {
    const asked = spawn(UPKEEP, [...args, "-c", config], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    asked.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    await once(asked, "close");
    return text;
  };
  return {
    name, home, data, child, upkeep, out: () => out, err: () => err,
    status: async () => JSON.parse(await upkeep("status", "--json")) as StatusReport,
    ended: (signal) => {
      if (signal !== undefined) child.kill(signal);
      return exit;
    },
  };
}

async function until<Value>(what: string, holds: () => Value | Promise<Value>, said: () => string): Promise<NonNullable<Exclude<Value, false>>> {
  for (const endMs = performance.now() + LIMIT_MS; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const value = await holds();
    if (value !== false && value !== null && value !== undefined) return value as NonNullable<Exclude<Value, false>>;
    if (performance.now() > endMs) assert.fail(`not within ${LIMIT_MS / 1_000} s: ${what}\n${said()}`);
  }
}

const ready = (watcher: Running) => until(`${watcher.name} is ready`, () => watcher.out().includes("upkeep: watching 1 hosts"), watcher.err);
const keys = async (prefix: string): Promise<readonly string[]> => (await ctl("get", "--prefix", "--keys-only", `${prefix}record/`)).split("\n").filter((line) => line !== "").map((line) => line.slice(`${prefix}record/`.length));

test("two watchers know of each other; one that is stopped is gone from the store at once", { skip, timeout: 180_000 }, async () => {
  const prefix = "/two/";
  const { endpoints } = await etcd();
  const [one, other] = [watch("one", prefix, endpoints), watch("other", prefix, endpoints)];
  await Promise.all([ready(one), ready(other)]);
  const status = await until("both are known", async () => {
    const found = await one.status();
    return found.watchers.filter(({ alive }) => alive).length === 2 && found;
  }, one.err);
  assert.deepEqual(status.watchers.map(({ watcher, self }) => [watcher, self]), [["one", true], ["other", false]]);
  assert.equal(status.store?.ok, true);
  assert.deepEqual((await keys(prefix)).filter((key) => key.startsWith("alive/")), ["alive/one", "alive/other"]);
  assert.equal(await other.ended("SIGTERM"), 0, other.err());
  // Its lease had seconds left: what is gone now was given up.
  assert.deepEqual((await keys(prefix)).filter((key) => key.startsWith("alive/")), ["alive/one"]);
  await until("it is missed", async () => (await one.status()).watchers.some(({ watcher, alive }) => watcher === "other" && !alive), one.err);
  assert.equal(await one.ended("SIGTERM"), 0, one.err());
  const replayed = replay(one.data);
  assert.equal(replayed.kind, "same", JSON.stringify(replayed));
});

test("a name that is taken, and a prefix that is somebody else's: exit 69, in words; the one that runs is not disturbed", { skip, timeout: 180_000 }, async () => {
  const prefix = "/names/";
  const { endpoints } = await etcd();
  const first = watch("twin", prefix, endpoints);
  await ready(first);
  await until("it is in the store", async () => (await keys(prefix)).includes("alive/twin"), first.err);
  const second = watch("twin", prefix, endpoints);
  assert.equal(await second.ended(), 69, second.err());
  assert.match(second.err(), /another watcher named twin runs \(since .*\): give each its own watcher\.name \(STORE_REFUSED\)/);
  assert.equal(second.out(), "");
  assert.equal((await first.status()).store?.ok, true);
  // Killed and started again on its own data folder it need not wait for what it left behind.
  await first.ended("SIGKILL");
  const again = watch("twin", prefix, endpoints, first.home);
  await ready(again);
  await until("it has a session again", async () => (await again.status()).store?.ok === true, again.err);
  assert.doesNotMatch(again.err(), /waiting/);
  assert.equal(await again.ended("SIGTERM"), 0, again.err());
  await ctl("put", "/foreign/identity", "not ours");
  const foreign = watch("x", "/foreign/", endpoints);
  assert.equal(await foreign.ended(), 69);
  assert.match(foreign.err(), /somebody else uses this prefix/);
});

test("a store that is away is waited for before anything is watched, and SIGTERM ends that", { skip, timeout: 180_000 }, async () => {
  const closed = createServer();
  closed.listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as { port: number };
  closed.close();
  const watcher = watch("early", "/early/", [`http://127.0.0.1:${port}`]);
  await until("it says what it waits for", () => /waiting for the store of the watchers: etcd: .*ECONNREFUSED/.test(watcher.err()), watcher.err);
  assert.equal(watcher.out(), "");
  assert.equal(await watcher.ended("SIGTERM"), 0);
  assert.match(watcher.err(), /ended before anything was watched/);
});

test("wiped while it runs: the same process opens the store anew, disarmed, and its doors stay open", { skip, timeout: 180_000 }, async () => {
  const prefix = "/wiped/";
  const watcher = watch("w", prefix, (await etcd()).endpoints);
  await ready(watcher);
  await until("it is in the store", async () => (await keys(prefix)).includes("alive/w"), watcher.err);
  const { pid } = watcher.child;
  await ctl("del", "--prefix", prefix);
  const status = await until("it is disarmed", async () => {
    const found = await watcher.status();
    return found.brakes.some(({ brake, scope }) => brake === "disarmed" && scope === "*") && found.store?.ok === true && found;
  }, watcher.err);
  assert.equal(watcher.child.pid, pid);
  assert.match(watcher.err(), /the store is opened anew/);
  assert.match(watcher.err(), /time-went-back .*wiped/);
  assert.deepEqual(status.watchers.map(({ watcher: name, alive }) => [name, alive]), [["w", true]]);
  await until("what it knows is in the new store", async () => (await keys(prefix)).includes("brake/disarmed/*"), watcher.err);
  assert.equal(await watcher.ended("SIGTERM"), 0, watcher.err());
  const replayed = replay(watcher.data);
  assert.equal(replayed.kind, "same", JSON.stringify(replayed));
});

test("from working alone to etcd: brakes and history go along, and the old ledger is put away", { skip, timeout: 180_000 }, async () => {
  const alone = watch("veteran", null, []);
  await ready(alone);
  await alone.upkeep("maintenance", "start", "h", "--for", "2h", "--reason", "new disk");
  assert.equal(await alone.ended("SIGTERM"), 0, alone.err());
  const among = watch("veteran", "/moved/", (await etcd()).endpoints, alone.home);
  await ready(among);
  assert.match(among.err(), /the ledger of this data folder is in the store now/);
  const status = await until("it has a session", async () => {
    const found = await among.status();
    return found.store?.ok === true && found;
  }, among.err);
  assert.deepEqual(status.brakes.map(({ brake, scope, reason }) => [brake, scope, reason]), [["maintenance", "h", "new disk"]]);
  const lines = (await among.upkeep("events", "--json", "--limit", "1000")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as { seq: number; kind: string; because: string });
  assert.ok(lines.some(({ kind, because }) => kind === "brake" && because.includes("new disk")), "the past is still there");
  assert.equal(lines.filter(({ kind }) => kind === "started").length, 2);
  assert.deepEqual(lines.map(({ seq }) => seq), lines.map(({ seq }) => seq).toSorted((one, other) => one - other));
  assert.ok(!lines.some(({ kind }) => kind === "time-went-back"));
  const files = readdirSync(among.data);
  assert.ok(files.includes("ledger.moved.sqlite") && !files.includes("ledger.sqlite"), files.join());
  assert.equal(await among.ended("SIGTERM"), 0, among.err());
  // And once more, with nothing left to move.
  const again = watch("veteran", "/moved/", (await etcd()).endpoints, alone.home);
  await ready(again);
  assert.deepEqual((await again.status()).brakes.map(({ brake }) => brake), ["maintenance"]);
  assert.equal(await again.ended("SIGTERM"), 0, again.err());
});

test("a record of a newer version: it abstains, is in charge of nothing, says so, and goes on when the record is gone", { skip, timeout: 180_000 }, async () => {
  const prefix = "/newer/";
  const watcher = watch("old", prefix, (await etcd()).endpoints);
  await ready(watcher);
  const inCharge = async () => (await watcher.status()).watchers[0]?.inCharge;
  await until("it is in charge", async () => (await inCharge()) === 1, watcher.err);
  await ctl("put", `${prefix}record/op/17`, '{"v":2,"what":"a later release knows"}');
  const status = await until("it has given everything up", async () => {
    const found = await watcher.status();
    return found.watchers[0]?.inCharge === 0 && found;
  }, watcher.err);
  assert.deepEqual(status.store?.unreadable.map(({ key }) => key), ["op/17"]);
  assert.match(JSON.stringify(status.alarms), /op\/17 cannot be read by this version of Upkeep.*abstains/);
  assert.match(status.guarded, /^0 of/);
  await ctl("del", `${prefix}record/op/17`);
  await until("it goes on", async () => (await inCharge()) === 1, watcher.err);
  await until("the alarm is over", async () => !(await watcher.status()).alarms.some(({ alarm }) => alarm.includes("newer")), watcher.err);
  assert.equal(await watcher.ended("SIGTERM"), 0, watcher.err());
});
