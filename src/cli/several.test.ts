// What people are shown of several watchers: `status`, `why`, `watcher list` and `watcher forget`, as processes of their own
// against a control socket that says what a watcher among three would say.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { CommandRequest, HostReport, StatusReport, VoteReport, WatcherReport, WhyReport } from "../api/contract.ts";
import { parseCommand } from "../api/command-schema.ts";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const AT = "2026-11-22T08:00:00.000Z";
const folder = mkdtempSync(join(tmpdir(), "upkeep-cli-several-"));
const config = join(folder, "upkeep.yaml");

const watcher = (name: string, more: Partial<WatcherReport> = {}): WatcherReport => ({ watcher: name, self: false, started: "2026-11-22T05:00:00.000Z", stopping: false, alive: true, ready: true, version: "0.1.0", inCharge: 1, observes: 3, cannot: [], blind: false, ...more });
const vote = (name: string, says: VoteReport["says"], because: string): VoteReport => ({ watcher: name, says, because });

function host(name: string, more: Partial<HostReport> = {}): HostReport {
  return {
    host: name, verdict: "up", counter: 0, threshold: 5, since: "2026-11-22T07:00:00.000Z", guarded: true, why: null, wanted: "on", brakes: [], power: [], incident: null, inCharge: "watch-a",
    observers: [vote("watch-a", "up", "SSH-2.0-OpenSSH"), vote("watch-b", "up", "SSH-2.0-OpenSSH"), vote("watch-c", "up", "")], need: 2, address: "10.0.0.11", group: "ungrouped", round: null, probes: [], wantedOff: null, careful: null, held: null, operation: null,
    lastOperation: null, offByOthers: [], budget: { cycles: 0, of: 3, withinMs: 21_600_000 }, bootMs: 300_000, bootLongestMs: null, ...more,
  };
}

const CALM: StatusReport = {
  site: "rack-4", at: AT, guarded: "3 of 3", hosts: [host("logos"), host("ethos", { inCharge: "watch-b" }), host("pathos", { observers: [vote("watch-b", "up", ""), vote("watch-c", "up", "")] })],
  watchers: [watcher("watch-a", { self: true, inCharge: 2 }), watcher("watch-b"), watcher("watch-c", { inCharge: 0 })], devices: [], brakes: [], storms: [], reboots: null, alarms: [], ledger: { ok: true, why: null },
  store: { ok: true, why: null, heldUntil: AT, unreadable: [] }, power: { state: "unknown", because: "", charge: null, goodSince: null }, armed: true,
};
const SPLIT = [vote("watch-a", "down", "no banner within 1 s"), vote("watch-b", "up", "SSH-2.0-OpenSSH"), vote("watch-c", null, "is not there")];
const TROUBLE: StatusReport = {
  ...CALM, guarded: "0 of 2", hosts: [host("logos", { observers: SPLIT, guarded: false, why: "a disagreement" }), host("ethos", { inCharge: null })],
  watchers: [
    watcher("watch-a", { self: true }), watcher("watch-b", { ready: false, version: "0.2.0", cannot: ["sucker"] }), watcher("watch-c", { alive: false, started: null, inCharge: 0 }), watcher("watch-d", { blind: true }), watcher("watch-e\u001b[2J", { stopping: true }),
  ],
  ledger: { ok: false, why: "etcd: no majority" },
  store: { ok: false, why: "etcd: no majority", heldUntil: null, unreadable: [{ key: "vote/x/y", why: "it is of version 2" }] },
};

let status = CALM;
const asked: CommandRequest[] = [];
const server = createServer((request, response) => {
  const url = new URL(request.url ?? "", "http://x");
  const answer = (body: unknown) => response.end(`${JSON.stringify(body)}\n`);
  if (request.method === "POST") {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part)).on("end", () => {
      const body = JSON.parse(text) as CommandRequest;
      const parsed = parseCommand(body, null);
      assert.ok(parsed.ok, JSON.stringify(parsed));
      asked.push(body);
      const gone = body.command.kind === "forget-watcher" && body.command.watcher === "watch-c";
      answer({ exit: gone ? 0 : 4, text: gone ? "watch-c is forgotten" : "watch-b is there", incident: null, operation: null, confirm: null, event: 7 });
    });
  } else if (url.pathname.startsWith("/v1/why/")) {
    const found = status.hosts[0];
    assert.ok(found !== undefined);
    answer({ kind: "host", at: AT, host: found, seen: ["It was seen."], next: ["Nothing."], open: null, events: [], missing: null, kernel: null } satisfies WhyReport);
  } else {
    const only = url.searchParams.get("host");
    answer({ ...status, hosts: status.hosts.filter((each) => only === null || each.host === only) });
  }
});

before(async () => {
  mkdirSync(join(folder, "data"));
  writeFileSync(config, "data: data\nhosts: {}\n");
  server.listen(join(folder, "data", "upkeep.sock"));
  await once(server, "listening");
});
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

async function up(...args: readonly string[]): Promise<{ readonly exit: number | null; readonly out: string; readonly err: string }> {
  const child = spawn(UPKEEP, args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env["PATH"] ?? "", HOME: folder, TZ: "UTC", UPKEEP_CONFIG: config } });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (part: string) => (out += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (err += part));
  const [exit] = (await once(child, "close")) as [number | null];
  return { exit, out, err };
}

test("a calm fleet: who is in charge of whom, and who watches", async () => {
  status = CALM;
  const { exit, out, err } = await up("status");
  assert.deepEqual([exit, err], [0, ""]);
  assert.match(out, /^guarded 3 of 3 {2}rack-4 · watch-a, watch-b, watch-c · /);
  assert.match(out, /^logos +● up +0\/5 .*by watch-a$/m);
  assert.match(out, /^ethos .*by watch-b$/m);
  assert.match(out, /^pathos +● up +– /m, "what others watch is not counted here");
  assert.doesNotMatch(out, /say down|The store/);
  assert.match(out, /^WATCHER +STATE +FOR +IN CHARGE OF +WATCHES\nwatch-a +● alive +3 h +2 +3 +this one$/m);
});

test("trouble: who disagrees, who is not there, what the store says; and nothing drives the terminal", async () => {
  status = TROUBLE;
  const { exit, out } = await up("status");
  assert.equal(exit, 1);
  assert.match(out, /^logos .*1 of 3 say down, 2 have to; watch-b says up, watch-c says nothing · by watch-a$/m);
  assert.match(out, /^ethos .*nobody is in charge$/m);
  assert.match(out, /^watch-b +○ joining .*version 0\.2\.0 · until it has made its first rounds the others decide without it · does not reach sucker$/m);
  assert.match(out, /^watch-c +✖ not there .*gone for good\? upkeep watcher forget watch-c$/m);
  assert.match(out, /^watch-d +○ blind .*prove nothing/m);
  assert.match(out, /^watch-e\?\[2J +▼ stopping/m);
  assert.match(out, /^The store of the watchers: etcd: no majority\. Nothing new is begun while that lasts; power that is owed is restored all the same\.$/m);
  assert.match(out, /^vote\/x\/y in the store cannot be read: it is of version 2$/m);
  assert.doesNotMatch(out, /The ledger cannot|\u001b/);
});

test("status HOST and why HOST have each watcher's word in a sentence", async () => {
  status = TROUBLE;
  const [one, why] = await Promise.all([up("status", "logos"), up("why", "logos")]);
  for (const { out } of [one, why]) {
    assert.match(out, /^ *It is watched by watch-a, watch-b and watch-c; 2 of 3 have to say that it is down\. watch-a is in charge of its power\.$/m);
    assert.match(out, /^ *✖ watch-a says down: no banner within 1 s$/m);
    assert.match(out, /^ *● watch-b says up: SSH-2\.0-OpenSSH$/m);
    assert.match(out, /^ *○ watch-c is not there$/m);
  }
  assert.match(why.out, /^What the watchers say$/m);
});

test("watcher list and forget", async () => {
  status = TROUBLE;
  const [list, json, forgotten, kept] = await Promise.all([up("watcher", "list"), up("watcher", "list", "--json"), up("watcher", "forget", "watch-c"), up("watcher", "forget", "watch-b")]);
  assert.equal(list.exit, 1, "one is not there");
  assert.match(list.out, /^watch-c +✖ not there/m);
  assert.deepEqual((JSON.parse(json.out) as WatcherReport[]).map((each) => each.watcher), TROUBLE.watchers.map((each) => each.watcher));
  assert.deepEqual([forgotten.exit, forgotten.out, kept.exit, kept.err], [0, "watch-c is forgotten\n", 4, "upkeep: watch-b is there\n"]);
  assert.deepEqual(asked.map(({ command }) => command).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)), [{ kind: "forget-watcher", watcher: "watch-b" }, { kind: "forget-watcher", watcher: "watch-c" }]);
  status = CALM;
  assert.equal((await up("watcher", "list")).exit, 0);
  const usage = await up("watcher", "forget");
  assert.deepEqual([usage.exit, /missing required argument 'watcher'/.test(usage.err)], [2, true]);
  assert.equal((await up("__complete", "--", "watcher", "forget", "watch-")).out, "watch-a\nwatch-b\nwatch-c\n");
  assert.equal((await up("__complete", "--", "watcher", "")).out, "list\nforget\n");
});
