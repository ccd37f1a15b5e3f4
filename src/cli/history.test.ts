// `upkeep history` as a person and a script use it: the program as a process of its own, a real history behind a real socket.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { resultLine } from "../api/schema/past.ts";
import { differences } from "../api/schema/schema.ts";
import type { Api } from "../api/server.ts";
import { openApi } from "../api/server.ts";
import type { World } from "../api/world-for-tests.ts";
import { openWorld } from "../api/world-for-tests.ts";
import type { History } from "../journal/history.ts";
import { openHistory } from "../journal/history.ts";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const folder = mkdtempSync(join(tmpdir(), "upkeep-cli-history-"));
const config = join(folder, "upkeep.yaml");
const END_MS = Math.floor(Date.now() / 60_000) * 60_000;
const ROUNDS = 60_000;
const EVERY_MS = 1_000;

let world: World;
let history: History;
let api: Api;

type Ran = { readonly exit: number; readonly out: string; readonly err: string };

function start(words: readonly string[], env: Record<string, string> = {}) {
  return spawn(UPKEEP, [...words, "-c", config], { cwd: folder, env: { PATH: process.env["PATH"] ?? "", HOME: folder, TZ: "UTC", LANG: "C.UTF-8", ...env }, stdio: ["ignore", "pipe", "pipe"] });
}

function run(words: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = start(words, env);
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.on("close", (code) => resolve({ exit: code ?? -1, out, err }));
  });
}

before(async () => {
  mkdirSync(join(folder, "state"), { mode: 0o700 });
  writeFileSync(config, "data: state\nhosts: {}\n");
  world = openWorld();
  history = await openHistory({ dataDir: join(folder, "state"), onProblem: (text) => assert.fail(text) });
  for (let n = 0; n < ROUNDS; n += 1) {
    const atMs = END_MS - (ROUNDS - n) * EVERY_MS;
    const now = { bootMs: n * EVERY_MS + 10, wallMs: atMs + 10, bootId: "b", synced: true };
    const bad = n > ROUNDS - 1_800 && n < ROUNDS - 1_200;
    history.input({ kind: "round", round: { host: "logos", hash: "h", startedAtMs: n * EVERY_MS, endedAtMs: n * EVERY_MS + 10, references: "reached", results: [
      { probe: "ping", outcome: "good", sign: "answer", evidence: "", latencyMs: 0.25 },
      { probe: "http", outcome: bad ? "bad" : "good", sign: "answer", evidence: "", latencyMs: 3, perfdata: [{ label: "status", value: bad ? 503 : 200 }, { label: "it's, \"size\"", value: 1.5, unit: "kB" }] },
    ] } }, now);
    // No faster than the history's thread takes them: what falls behind is dropped, by design.
    if (n % 5_000 === 0) await history.flush();
  }
  await history.flush();
  assert.deepEqual(history.dropped(), { rows: 0, lines: 0, rounds: 0 });
  const past = { ...world.sources.history, hosts: () => history.hosts(), results: (query: Parameters<History["results"]>[0]) => history.results(query) };
  api = await openApi({ ...world.sources, history: past }, { socketPath: join(folder, "state", "upkeep.sock"), listen: null, onTrouble: () => {} });
});

after(async () => {
  await api.close();
  await world.close();
  await history.close();
  rmSync(folder, { recursive: true, force: true });
});

test("it draws: a host, its probes, the span, the strip; without UTF-8 in ASCII, without a terminal without colours", async () => {
  const [drawn, ascii, one] = await Promise.all([run(["history", "logos", "--since", "2h"]), run(["history", "logos", "--since", "2h"], { LC_ALL: "C" }), run(["history", "logos", "--probe", "http", "--step", "hour"])]);
  assert.deepEqual([drawn.exit, drawn.err, ascii.exit, one.exit], [0, "", 0, 0]);
  assert.match(drawn.out, /^logos · [0-9-]+ [0-9:]+ – .*UTC/);
  assert.match(drawn.out, /\nping · usually 0\.25 ms · 95 % in 0\.25 ms · longest 0\.25 ms · good 100 %\n/);
  assert.match(drawn.out, /✖✖✖/);
  assert.doesNotMatch(drawn.out, /\x1b/);
  assert.match(ascii.out, /^[\x20-\x7e\n]*$/);
  assert.match(ascii.out, /XXX/);
  assert.doesNotMatch(one.out, /ping/);
});

test("CSV and JSON: every line, in order, with what the probe measured", async () => {
  const span = ["--since", new Date(END_MS - 1_801_000).toISOString(), "--until", new Date(END_MS - 1_798_000).toISOString()];
  const [csv, json, byMinute] = await Promise.all([run(["history", "logos", "--csv", ...span]), run(["history", "logos", "--json", ...span]), run(["history", "logos", "--probe", "http", "--step", "minute", "--since", new Date(END_MS - 1_860_000).toISOString(), "--until", new Date(END_MS - 1_740_000).toISOString(), "--csv"])]);
  const at = (backMs: number): string => new Date(END_MS - backMs).toISOString();
  assert.equal(csv.out, [
    "at,host,probe,outcome,latencyMs,references,perfdata",
    ...[1_801_000, 1_800_000, 1_799_000].flatMap((backMs) => [`${at(backMs)},logos,ping,good,0.25,,`, `${at(backMs)},logos,http,${backMs === 1_799_000 ? "bad" : "good"},3,,"'status'=${backMs === 1_799_000 ? 503 : 200} 'it''s, ""size""'=1.5kB"`]), "",
  ].join("\r\n"));
  const lines = json.out.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  // As the description of the interface says; what the history writes goes out as it is.
  for (const line of lines) assert.equal(differences(resultLine, line), null);
  assert.deepEqual(lines.at(-1), { at: at(1_799_000), host: "logos", probe: "http", outcome: "bad", latencyMs: 3, perfdata: [{ label: "status", value: 503 }, { label: "it's, \"size\"", value: 1.5, unit: "kB" }] });
  assert.equal(byMinute.out, [
    "at,host,probe,stepMs,count,good,slow,bad,unknown,minMs,meanMs,p50Ms,p95Ms,maxMs",
    `${at(1_860_000)},logos,http,60000,60,60,0,0,0,3,3,3,3,3`, `${at(1_800_000)},logos,http,60000,60,1,0,59,0,3,3,3,3,3`, "",
  ].join("\r\n"));
});

test("an export of everything is read slowly, and is in nobody's memory", async () => {
  const child = start(["history", "export", "--since", "10d", "--step", "raw", "--json"]);
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const own = process.memoryUsage().arrayBuffers;
  let lines = 0;
  let mostKiB = 0;
  let pages = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    for (const byte of chunk) if (byte === 10) lines += 1;
    if ((pages += 1) % 20 === 0) {
      await pause(20);
      mostKiB = Math.max(mostKiB, Number(/^VmRSS:\s+(\d+)/m.exec(readStatus(child.pid))?.[1] ?? 0));
    }
  }
  assert.deepEqual([await ended, lines], [0, 2 * ROUNDS]);
  assert.ok(mostKiB > 0 && mostKiB < 200 * 1_024, `${mostKiB} KiB in the client`);
  assert.ok(process.memoryUsage().arrayBuffers - own < 32 << 20, "pages heap up in the watcher");
});

function readStatus(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return ""; // it has ended
  }
}

test("mistakes are said, with their exit codes; an answer that is no is 1", async () => {
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["history", "nobody"], 2, /there is no host nobody; hosts: logos, ethos, pathos/], [["history", "logos", "--since", "yesterday"], 2, /2h or 1d, or a time such as/], [["history", "logos", "--step", "day"], 2, /Allowed choices are raw, minute, hour/],
    [["history", "logos", "--since", "1h", "--until", "2h"], 2, /--since has to be before --until/], [["history"], 2, /missing required argument/], [["history", "ethos"], 1, /^$/],
  ];
  const all = await Promise.all(cases.map(([words]) => run(words)));
  cases.forEach(([words, exit, said], index) => {
    assert.equal(all[index]?.exit, exit, `${words.join(" ")}: ${all[index]?.err}`);
    assert.match(all[index]?.err ?? "", said, words.join(" "));
  });
  assert.match(all.at(-1)?.out ?? "", /^ethos: no results in this time/);
  // -c stands behind what is completed in `run`; here it belongs to the words.
  const completed = await new Promise<string>((resolve) => {
    const child = spawn(UPKEEP, ["__complete", "--", "-c", config, "history", ""], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.on("close", () => resolve(out));
  });
  assert.deepEqual(completed.trim().split("\n").sort(), ["ethos", "export", "logos", "pathos"]);
});
