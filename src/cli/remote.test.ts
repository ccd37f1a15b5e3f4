// The command line against a watcher elsewhere: by a token over TLS, trusted by its authority or by its fingerprint, and by
// nothing less; users, tokens and the audit trail as a person meets them.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { lacking, programPath } from "../../lab/third-party.ts";
import type { AuditLine, StatusReport, TokenReport, UserReport } from "../api/contract.ts";
import type { Api, Tls } from "../api/server.ts";
import { openApi } from "../api/server.ts";
import { openWorld, until } from "../api/world-for-tests.ts";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const folder = mkdtempSync(join(tmpdir(), "upkeep-remote-"));
after(() => rmSync(folder, { recursive: true, force: true }));

type Ran = { readonly exit: number; readonly out: string; readonly err: string };

function run(args: readonly string[], input = ""): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(UPKEEP, args, { cwd: folder, env: { PATH: process.env["PATH"] ?? "", HOME: folder, TZ: "UTC" }, timeout: 60_000 }, (error, out, err) => resolve({ exit: error === null ? 0 : typeof error.code === "number" ? error.code : -1, out, err }));
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

async function site(name: string, tls: Tls): Promise<{ api: Api; world: ReturnType<typeof openWorld>; url: string; config: string; state: string; troubles: string[]; here(args: readonly string[], input?: string): Promise<Ran>; close(): Promise<void> }> {
  const state = join(folder, name);
  mkdirSync(state, { mode: 0o700 });
  const config = join(folder, `${name}.yaml`);
  writeFileSync(config, `data: ${name}\nhosts: {}\n`);
  const world = openWorld();
  const troubles: string[] = [];
  const api = await openApi(world.sources, { socketPath: join(state, "upkeep.sock"), listen: { host: "127.0.0.1", port: 0 }, tls, onTrouble: (text) => troubles.push(text) });
  return {
    api, world, config, state, troubles, url: api.doors.url ?? "", here: (args, input) => run([...args, "-c", config], input), close: async () => {
      await api.close();
      await world.close();
    },
  };
}

test("users and tokens made here, used from elsewhere, and every step in the audit trail", async () => {
  const it = await site("whole", "own");
  try {
    const link = await it.here(["user", "set-up"]);
    assert.match(link.out, /^https:\/\/127\.0\.0\.1:\d+\/set-up#[A-Za-z0-9_-]{27}\n$/);
    assert.ok(link.err.includes(it.api.doors.fingerprint ?? "none"), link.err);
    assert.deepEqual([(await it.here(["user", "list"])).exit, (await it.here(["token", "list"])).exit], [1, 1]);
    assert.equal((await it.here(["user", "add", "opal", "--role", "operator"], "correct horse battery\n")).exit, 2, "the first one is an admin");
    writeFileSync(join(folder, "secret"), "correct horse battery\n");
    assert.deepEqual(await it.here(["user", "add", "riki", "--role", "admin", "--password-file", "secret"]), { exit: 0, out: "riki may log in now, as admin\n", err: "" });
    const short = await it.here(["user", "add", "opal", "--role", "operator"], "short\n");
    assert.deepEqual([short.exit, short.err], [2, "upkeep: a password has at least 10 characters\n"]);
    assert.equal((await it.here(["user", "add", "opal", "--role", "operator"], "correct horse battery\n")).exit, 0);
    assert.deepEqual((JSON.parse((await it.here(["user", "list", "--json"])).out) as UserReport[]).map(({ user, role }) => [user, role]), [["opal", "operator"], ["riki", "admin"]]);
    const made = await it.here(["token", "add", "cli", "--user", "opal", "--scope", "command", "--for", "90d"]);
    assert.match(made.out, /^upk_[a-z0-9]{8}_[A-Za-z0-9_-]{43}\n$/, "the token alone, for a file");
    writeFileSync(join(folder, "token"), made.out, { mode: 0o600 });

    const there = (...args: string[]) => run([...args, "--url", it.url, "--token-file", "token", "--fingerprint", it.api.doors.fingerprint ?? ""]);
    assert.match((await there("status")).out, /^guarded \d of 3/);
    // On a busy machine the virtual world is guarded a moment later.
    await until("guarded, by the authority", async () => {
      const { out, err } = await run(["--url", it.url, "--token-file", "token", "--ca", join(it.state, "api.crt"), "status", "--json"]);
      assert.equal(err, "");
      return (JSON.parse(out) as StatusReport).guarded === "3 of 3";
    });
    assert.deepEqual(await there("maintenance", "start", "logos", "--for", "1h", "--reason", "kernel"), { exit: 0, out: "maintenance for logos for 1 h\n", err: "" });
    assert.match((await there("events", "--limit", "5")).out, /maintenance for logos/);
    assert.match((await there("why", "logos")).out, /logos/);
    const refused = await there("power", "ethos", "off", "--reason", "disk");
    assert.equal(refused.exit, 4, "the name of a serving host is typed from elsewhere, too");
    assert.deepEqual(it.world.commands, []);
    const off = await there("power", "ethos", "off", "--reason", "disk", "--confirm", "ethos");
    assert.deepEqual([off.exit, it.world.commands], [0, ["off 3"]], off.err);
    const reload = await there("reload");
    assert.deepEqual([reload.exit, reload.err], [69, "upkeep: this takes the role admin, and yours is operator\n"]);
    assert.match((await there("user", "list")).err, /takes the role admin/);
    const other = await there("token", "add", "short", "--scope", "read", "--for", "1h", "--json");
    assert.equal((JSON.parse(other.out) as TokenReport).user, "opal", other.err);

    assert.deepEqual((await it.here(["user", "role", "opal", "viewer"])).out, "opal is viewer now\n");
    assert.match((await there("maintenance", "end", "logos")).err, /takes the role operator, and yours is viewer/);
    assert.equal((await it.here(["user", "password", "opal"], "another horse battery\n")).exit, 0);
    assert.equal((await it.here(["user", "remove", "opal"])).exit, 0);
    assert.deepEqual([(await there("status")).exit, (await there("status")).err], [69, "upkeep: there is no such token\n"]);
    assert.equal((await it.here(["user", "remove", "opal"])).exit, 2);
    const lines = (await it.here(["audit", "--limit", "500", "--json"])).out.trim().split("\n").map((line) => JSON.parse(line) as AuditLine);
    for (const [who, by, what, answer] of [[/./, "socket", "POST /v1/users user=riki role=admin password", /^done$/], ["opal (token cli)", "token", "POST /v1/commands kind=brake brake=maintenance scope=logos forMs=3600000 reason=kernel", /^exit 0/], ["opal (token cli)", "token", "POST /v1/reload", /^403/], [/./, "socket", "DELETE /v1/users/opal", /^done$/], ["nobody", "open", "GET /v1/status", /^401 there is no such token/]] as const) {
      assert.ok(lines.some((line) => (typeof who === "string" ? line.who === who : who.test(line.who)) && line.by === by && line.what === what && answer.test(line.answer)), `${what}\n${lines.map((line) => JSON.stringify(line)).join("\n")}`);
    }
    assert.match((await it.here(["audit"])).out, /opal \(token cli\) \(token from 127\.0\.0\.1\): POST \/v1\/commands/);
    assert.doesNotMatch(readFileSync(join(it.state, "access.db-wal")).toString("latin1"), /horse battery/);
  } finally {
    await it.close();
  }
});

test("a password that is typed is not shown, not even for a moment, and a slip changes nothing", { skip: lacking("script") }, async () => {
  const it = await site("typed", "none");
  try {
    /** At a terminal: an answer to each question, as soon as it stands there. */
    const typed = (user: string, answers: readonly string[]) => new Promise<string>((resolve, reject) => {
      const child = spawn(programPath("script") ?? "", ["-qec", `${UPKEEP} user add ${user} --role admin -c ${it.config}`, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"], env: { PATH: process.env["PATH"] ?? "", HOME: folder, TERM: "dumb" } });
      let shown = "";
      let asked = 0;
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        shown += text;
        if ((shown.match(/: /g)?.length ?? 0) <= asked || asked >= answers.length) return;
        child.stdin.write(answers[asked] ?? "");
        asked += 1;
      });
      child.on("error", reject);
      child.on("close", () => resolve(shown));
    });
    const good = await typed("riki", ["correct horse batterX\u007fy\r", "correct horse battery\r"]);
    assert.match(good, /riki may log in now, as admin/);
    assert.match(await typed("opal", ["correct horse battery\r", "another horse battery\r"]), /the two are not the same: nothing was changed/);
    assert.match(await typed("opal", ["correct ho\u0003"]), /nothing was changed/);
    assert.doesNotMatch(good, /horse/);
    assert.deepEqual((JSON.parse((await it.here(["user", "list", "--json"])).out) as UserReport[]).map(({ user }) => user), ["riki"]);
  } finally {
    await it.close();
  }
});

test("a token goes to nobody who is not known: another certificate, no authority, plain HTTP", async () => {
  const it = await site("trust", "own");
  try {
    writeFileSync(join(folder, "any-token"), `upk_aaaaaaaa_${"A".repeat(43)}\n`, { mode: 0o600 });
    const ask = (url: string, ...more: string[]) => run(["status", "--url", url, "--token-file", "any-token", ...more]);
    const unknown = await ask(it.url);
    assert.equal(unknown.exit, 69);
    assert.match(unknown.err, /nobody vouches .*SELF_SIGNED.*Nothing was asked of it/);
    assert.ok(unknown.err.includes(it.api.doors.fingerprint ?? "none"));
    const other = await ask(it.url, "--fingerprint", "AB".repeat(32));
    assert.match(other.err, /another one answers on 127\.0\.0\.1/);
    assert.match((await run(["audit", "-c", it.config])).out, /^$/, "nobody came");
    assert.match((await ask("http://watcher.example")).err, /does not go to watcher\.example in the clear/);
    for (const wrong of ["watcher.lan", "ftp://x", "https://user:secret@x", "https://x/path"]) assert.deepEqual(await ask(wrong), { exit: 2, out: "", err: "upkeep: --url is https://HOST:PORT\n" });
    assert.match((await ask(it.url, "--fingerprint", "12")).err, /64 hexadecimal digits/);
    assert.match((await run(["status", "--url", it.url, "--token-file", "not-there"])).err, /cannot be read/);
    assert.match((await run(["status", "--token-file", "any-token", "-c", it.config])).err, /goes with --url/);
    const closed = await ask("https://127.0.0.1:1");
    assert.deepEqual([closed.exit, /ECONNREFUSED/.test(closed.err)], [69, true]);
  } finally {
    await it.close();
  }
});
