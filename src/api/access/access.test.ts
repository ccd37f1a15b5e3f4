// Who may, on real sockets: the set-up, log-in with and without codes, sessions and tokens to their end, every row of the
// table for every standing, and what is kept and written down.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TOTP } from "otpauth";
import type { Answer, AuditLine, Session, SetUp, SetUpLink, TokenReport, UserChanged, UserReport } from "../contract.ts";
import { CSRF_HEADER } from "../contract.ts";
import type { Got, Opened } from "../doors-for-tests.ts";
import { ask, errorOf, follow, opened, post } from "../doors-for-tests.ts";
import { Access } from "./access.ts";
import type { Standing } from "../route.ts";
import { reaches } from "../route.ts";
import { ROUTES } from "../routes.ts";
import { until } from "../world-for-tests.ts";

const PASSWORD = "correct horse battery";
const JSON_HEADERS = { "content-type": "application/json" };

/** Made on the control socket. */
async function userOf(it: Opened, user: string, role: UserReport["role"], password = PASSWORD): Promise<UserReport> {
  const got = await post(it.control, "/v1/users", { user, role, password });
  assert.equal(got.status, 201, got.text);
  return got.json as UserReport;
}

type Held = { readonly session: Session; readonly cookie: string; /** As a page of ours sends it. */ readonly headers: Record<string, string> };

async function logIn(it: Opened, user: string, password = PASSWORD, code?: string): Promise<Held> {
  const got = await post(it.tcp, "/v1/session", { user, password, ...(code === undefined ? {} : { code }) });
  assert.equal(got.status, 200, got.text);
  return heldOf(got);
}

function heldOf(got: Got): Held {
  const session = got.json as Session;
  const cookie = cookieOf(got);
  return { session, cookie, headers: { ...JSON_HEADERS, cookie, [CSRF_HEADER]: session.csrf ?? "" } };
}

const cookieOf = (got: Got) => got.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";

async function tokenOf(it: Opened, user: string, scopes: TokenReport["scopes"], forMs: number | null = null): Promise<{ readonly headers: Record<string, string>; readonly report: TokenReport }> {
  const got = await post(it.control, "/v1/tokens", { name: "test", user, scopes, forMs });
  assert.equal(got.status, 201, got.text);
  const report = got.json as TokenReport;
  return { report, headers: { ...JSON_HEADERS, authorization: `Bearer ${report.secret}` } };
}

const brake = { by: "somebody else", command: { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "kernel" } };
const send = (it: Opened, headers: Record<string, string>, body: unknown = brake) => post(it.tcp, "/v1/commands", body, headers);
const audit = async (it: Opened) => (await ask(it.control, "GET", "/v1/audit?limit=1000")).text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as AuditLine);

test("the first user by a link: once, an admin, logged in; afterwards the door is shut for who has nothing", async () => {
  const it = await opened();
  try {
    assert.deepEqual((await ask(it.tcp, "GET", "/v1/set-up")).json, { needed: true } satisfies SetUp);
    assert.equal((await ask(it.tcp, "GET", "/v1/status")).status, 200, "open until then, on loopback");
    assert.deepEqual((await ask(it.tcp, "GET", "/v1/session")).json, { user: null, role: "viewer", csrf: null, totp: false, expires: null });
    assert.equal((await post(it.tcp, "/v1/set-up/link", {})).status, 405, "a link is not made over TCP");
    const old = (await post(it.control, "/v1/set-up/link", {})).json as SetUpLink;
    const link = (await post(it.control, "/v1/set-up/link", {})).json as SetUpLink;
    assert.equal(link.link, `http://127.0.0.1:${it.tcp.port}/set-up#${link.code}`);
    const request = { code: link.code, user: "riki", password: PASSWORD };
    assert.equal((await post(it.tcp, "/v1/set-up", { ...request, code: old.code })).status, 401, "the one before is void");
    assert.equal((await post(it.tcp, "/v1/set-up", { ...request, password: "short" })).status, 400);
    assert.equal((await post(it.tcp, "/v1/set-up", { ...request, user: "<b>riki</b>" })).status, 400);
    assert.equal((await post(it.tcp, "/v1/set-up", request, { ...JSON_HEADERS, origin: "http://evil.example" })).status, 403);
    const looker = await followAs(it, {});
    // Two at once with one link: one of them.
    const both = await Promise.all(["riki", "mallory"].map((user) => post(it.tcp, "/v1/set-up", { ...request, user })));
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 401]);
    const first = both.find(({ status }) => status === 200);
    assert.ok(first !== undefined);
    const held = heldOf(first);
    await looker.ended;
    assert.deepEqual([held.session.role, held.session.totp], ["admin", false]);
    assert.match(first.headers["set-cookie"]?.[0] ?? "", /^upkeep-[0-9a-f]{8}=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=2592000$/);
    assert.equal((await post(it.tcp, "/v1/set-up", request)).status, 409);
    assert.equal((await post(it.control, "/v1/set-up/link", {})).status, 409);
    assert.deepEqual((await ask(it.tcp, "GET", "/v1/set-up")).json, { needed: false });
    const nobody = await ask(it.tcp, "GET", "/v1/status");
    assert.deepEqual([nobody.status, errorOf(nobody), nobody.headers["www-authenticate"]], [401, "log in first", 'Bearer realm="upkeep"']);
    assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: held.headers })).status, 200);
    assert.equal((await ask(it.tcp, "GET", "/v1/health")).status, 200);
  } finally {
    await it.close();
  }
});

test("every row of the table, for every standing: exactly who may gets past the door", async () => {
  const it = await opened();
  try {
    await userOf(it, "root", "admin");
    for (const role of ["viewer", "operator", "admin"] as const) await userOf(it, `a-${role}`, role);
    const callers: (readonly [Standing, Record<string, string>])[] = [["anyone", JSON_HEADERS]];
    for (const role of ["viewer", "operator", "admin"] as const) {
      callers.push([role, (await logIn(it, `a-${role}`)).headers]);
      callers.push([role, (await tokenOf(it, `a-${role}`, [role === "viewer" ? "read" : role === "operator" ? "command" : "admin"])).headers]);
    }
    callers.push(["metrics", (await tokenOf(it, "root", ["metrics"])).headers], ["viewer", (await tokenOf(it, "root", ["read", "metrics"])).headers]);
    let [past, refused] = [0, 0];
    for (const { method, path, least } of ROUTES) {
      for (const [standing, headers] of callers) {
        // Nothing that ends a caller or goes on for ever is asked for whole.
        if (path === "/v1/session" || path === "/v1/set-up" || path === "/v1/stream") continue;
        // A body that is refused by whoever reads it.
        const body = method === "POST" || method === "PATCH" ? "[]" : undefined;
        const got = await ask(it.tcp, method, path.replace(":name", "nobody-of-that-name"), { headers: { ...headers, ...(body === undefined ? {} : { "content-length": "2" }) }, ...(body === undefined ? {} : { body }) });
        const stopped = got.status === 401 || (got.status === 403 && /this takes the role/.test(errorOf(got)));
        assert.equal(stopped, !reaches(standing, least), `${method} ${path} by ${standing}: ${got.status} ${got.text}`);
        if (stopped) assert.equal(got.status, standing === "anyone" ? 401 : 403, `${method} ${path} by ${standing}`);
        if (stopped) refused += 1;
        else past += 1;
      }
    }
    assert.ok(past > 50 && refused > 50, `${past} past, ${refused} refused`);
  } finally {
    await it.close();
  }
});

test("a command over TCP is the caller's, whatever the body says; the power of a serving host takes its name", async () => {
  const it = await opened();
  try {
    await userOf(it, "riki", "admin");
    await userOf(it, "opal", "operator");
    const opal = await logIn(it, "opal");
    assert.deepEqual([(await send(it, opal.headers)).json as Answer].map(({ exit, text }) => [exit, text]), [[0, "maintenance for logos for 60 s"]]);
    const [set] = [...it.world.watcher.state.brakes.values()];
    assert.equal(set?.by, "opal");
    const token = await tokenOf(it, "opal", ["command"]);
    assert.equal((await send(it, token.headers, { command: { kind: "unbrake", brake: "maintenance", scope: "logos" } })).status, 200, "by is not needed");
    await until("guarded", async () => ((await ask(it.control, "GET", "/v1/status")).json as { guarded: string }).guarded === "3 of 3");
    const off = { kind: "power", host: "ethos", action: "off", reason: "disk", again: false, confirm: null };
    const asked = (await send(it, opal.headers, { by: "x", command: off })).json as Answer;
    assert.deepEqual([asked.exit, asked.confirm], [4, "ethos"]);
    assert.deepEqual(it.world.commands, [], "nothing was switched");
    assert.equal(((await send(it, opal.headers, { by: "x", command: { ...off, confirm: "ethos" } })).json as Answer).exit, 0);
    await until("off", () => it.world.commands.includes("off 3"));
    assert.equal((await post(it.tcp, "/v1/reload", {}, opal.headers)).status, 403);
    assert.equal((await post(it.tcp, "/v1/reload", {}, (await logIn(it, "riki")).headers)).status, 200);
    const lines = await audit(it);
    const told = lines.filter(({ what }) => what.startsWith("POST /v1/commands")).map(({ who, by, from, answer }) => [who, by, from, answer.split(":")[0]]);
    assert.deepEqual(told, [["opal", "session", "127.0.0.1", "exit 0"], ["opal (token test)", "token", "127.0.0.1", "exit 0"], ["opal", "session", "127.0.0.1", "exit 4"], ["opal", "session", "127.0.0.1", "exit 0"]]);
    assert.ok(lines.some(({ who, what, answer }) => who === "opal" && what === "POST /v1/reload" && answer.startsWith("403 ")), "what was refused is there, too");
    assert.ok(lines.some(({ by, what }) => by === "socket" && what === "POST /v1/users user=opal role=operator password"));
    assert.doesNotMatch(JSON.stringify(lines), /correct horse|upk_/);
  } finally {
    await it.close();
  }
});

test("a session ends by log-out, a new password, another role, removal: at once, and with its streams", async () => {
  const it = await opened();
  try {
    await userOf(it, "root", "admin");
    const endings: readonly (readonly [string, (held: Held) => Promise<Got>])[] = [
      ["log-out", (held) => ask(it.tcp, "DELETE", "/v1/session", { headers: held.headers })],
      ["a new password", () => ask(it.control, "PATCH", "/v1/users/opal", { headers: JSON_HEADERS, body: JSON.stringify({ password: "another horse battery" }) })],
      ["another role", () => ask(it.control, "PATCH", "/v1/users/opal", { headers: JSON_HEADERS, body: JSON.stringify({ role: "viewer" }) })],
      ["removal", () => ask(it.control, "DELETE", "/v1/users/opal")],
    ];
    for (const [what, end] of endings) {
      await ask(it.control, "DELETE", "/v1/users/opal");
      await userOf(it, "opal", "operator");
      const held = await logIn(it, "opal");
      const token = await tokenOf(it, "opal", ["command"]);
      const stream = await followAs(it, held.headers);
      const other = await followAs(it, token.headers);
      assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: held.headers })).status, 200);
      const got = await end(held);
      assert.equal(got.status, 200, `${what}: ${got.text}`);
      const after = await ask(it.tcp, "GET", "/v1/status", { headers: held.headers });
      assert.deepEqual([after.status, errorOf(after)], [401, "the session has ended: log in again"], what);
      await stream.ended;
      if (what === "another role" || what === "removal") await other.ended;
      else other.close();
      const byToken = await send(it, token.headers);
      assert.equal(byToken.status, what === "removal" ? 401 : what === "another role" ? 403 : 200, `${what}: a token may what its owner may`);
    }
  } finally {
    await it.close();
  }
});

function followAs(it: Opened, headers: Record<string, string>) {
  return follow({ ...it.tcp, headers }, "/v1/events?follow=1&limit=0");
}

test("whoever changes himself says his password, and keeps the session that he does it in; nobody makes himself more", async () => {
  const it = await opened();
  try {
    await userOf(it, "root", "admin");
    await userOf(it, "opal", "operator");
    const [here, there] = [await logIn(it, "opal"), await logIn(it, "opal")];
    const change = (body: unknown, name = "opal", held = here) => ask(it.tcp, "PATCH", `/v1/users/${name}`, { headers: held.headers, body: JSON.stringify(body) });
    assert.equal(errorOf(await change({ password: "another horse battery" })), "now is needed: the present password");
    assert.equal((await change({ password: "another horse battery", now: "wrong" })).status, 401);
    assert.equal((await change({ role: "admin", now: PASSWORD })).status, 403);
    assert.equal((await change({ password: "another horse battery", now: PASSWORD }, "root")).status, 403);
    assert.equal((await change({ now: PASSWORD })).status, 400);
    assert.equal((await change({ password: "opal-opal-opal", now: PASSWORD })).status, 400);
    assert.equal((await change({ password: "another horse battery", now: PASSWORD })).status, 200);
    assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: here.headers })).status, 200);
    assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: there.headers })).status, 401);
    assert.equal((await post(it.tcp, "/v1/session", { user: "opal", password: PASSWORD })).status, 401);
    await logIn(it, "opal", "another horse battery");
    // The last admin stays one, over TCP.
    const root = await logIn(it, "root");
    for (const got of [await change({ role: "viewer" }, "root", root), await ask(it.tcp, "DELETE", "/v1/users/root", { headers: root.headers })]) {
      assert.equal(got.status, 409);
      assert.match(errorOf(got), /the last admin/);
    }
    assert.equal((await ask(it.control, "DELETE", "/v1/users/root")).status, 200, "on the socket everything goes");
  } finally {
    await it.close();
  }
});

test("one-time codes: set up by their first code, wanted from then on, each once; recovery codes; off again", async () => {
  const it = await opened();
  try {
    await userOf(it, "riki", "admin");
    const held = await logIn(it, "riki");
    const change = (body: unknown) => ask(it.tcp, "PATCH", "/v1/users/riki", { headers: held.headers, body: JSON.stringify(body) });
    assert.equal((await change({ totp: "enrol" })).status, 400);
    const begun = (await change({ totp: "enrol", now: PASSWORD })).json as UserChanged;
    assert.equal(begun.totp, false, "it does not hold before its first code");
    const phone = new TOTP({ secret: begun.enrolment?.secret ?? "" });
    assert.equal((await change({ code: "000000" })).status, 400);
    const code = phone.generate();
    const done = (await change({ code })).json as UserChanged;
    assert.deepEqual([done.totp, done.recovery?.length], [true, 8]);
    const without = await post(it.tcp, "/v1/session", { user: "riki", password: PASSWORD });
    assert.deepEqual([without.status, (without.json as { needs?: string }).needs], [401, "code"]);
    const wrongPassword = await post(it.tcp, "/v1/session", { user: "riki", password: "wrong", code });
    assert.deepEqual([wrongPassword.status, (wrongPassword.json as { needs?: string }).needs], [401, undefined], "who has the wrong password does not hear of codes");
    assert.equal((await post(it.tcp, "/v1/session", { user: "riki", password: PASSWORD, code })).status, 401, "used");
    const next = phone.generate({ timestamp: Date.now() + 30_000 });
    const both = await Promise.all([1, 2].map(() => post(it.tcp, "/v1/session", { user: "riki", password: PASSWORD, code: next })));
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 401], "two at once with one code");
    const [recovery = ""] = done.recovery ?? [];
    assert.equal((await post(it.tcp, "/v1/session", { user: "riki", password: PASSWORD, code: recovery })).status, 200);
    assert.equal((await post(it.tcp, "/v1/session", { user: "riki", password: PASSWORD, code: recovery })).status, 401);
    const file = readFileSync(join(it.folder, "access.db-wal")).toString("latin1");
    for (const secret of [PASSWORD, recovery, held.cookie.split("=")[1] ?? ""]) assert.ok(!file.includes(secret), "nothing that opens a door is kept as it is");
    assert.equal(((await change({ totp: "off", now: PASSWORD })).json as UserChanged).totp, false);
    await logIn(it, "riki");
    // Guesses at a code, by somebody who has the password.
    const again = (await change({ totp: "enrol", now: PASSWORD })).json as UserChanged;
    assert.equal((await change({ code: new TOTP({ secret: again.enrolment?.secret ?? "" }).generate() })).status, 200);
    const guesses: number[] = [];
    for (let n = 0; n < 8; n += 1) guesses.push((await post(it.tcp, "/v1/session", { user: "riki", password: PASSWORD, code: "123456" })).status);
    assert.ok(guesses.includes(429), guesses.join(" "));
  } finally {
    await it.close();
  }
});

test("tokens: what they may, until when, whose; what is made by one is never more", async () => {
  const it = await opened();
  try {
    await userOf(it, "root", "admin");
    await userOf(it, "opal", "operator");
    const opal = await logIn(it, "opal");
    const make = (body: unknown, headers = opal.headers) => post(it.tcp, "/v1/tokens", body, headers);
    const good = { name: "deploy", scopes: ["command"], forMs: 3_600_000 };
    for (const [wrong, status] of [[{ ...good, scopes: [] }, 400], [{ ...good, scopes: ["root"] }, 400], [{ ...good, forMs: 1 }, 400], [{ ...good, name: "a\nb" }, 400], [{ ...good, scopes: ["admin"] }, 403], [{ ...good, user: "root" }, 403], [{ ...good, more: 1 }, 400]] as const) assert.equal((await make(wrong)).status, status, JSON.stringify(wrong));
    const made = (await make(good)).json as TokenReport;
    const headers = { ...JSON_HEADERS, authorization: `Bearer ${made.secret}` };
    assert.equal((await send(it, headers)).status, 200);
    assert.equal((await make({ ...good, forMs: 7_200_000 }, headers)).status, 403, "longer than itself");
    assert.equal((await make({ ...good, forMs: null }, headers)).status, 403);
    assert.equal((await make({ ...good, scopes: ["read"], forMs: 60_000 }, headers)).status, 201);
    assert.deepEqual(((await ask(it.tcp, "GET", "/v1/tokens", { headers })).json as TokenReport[]).map(({ user, secret }) => [user, secret]), [["opal", undefined], ["opal", undefined]]);
    const roots = await tokenOf(it, "root", ["read"]);
    assert.equal((await ask(it.tcp, "DELETE", `/v1/tokens/${roots.report.id}`, { headers })).status, 404, "of somebody else's nothing is said");
    const less = await tokenOf(it, "opal", ["read"]);
    assert.equal((await ask(it.tcp, "DELETE", `/v1/tokens/${made.id}`, { headers: less.headers })).status, 403, "one that may less does not end one that may more");
    assert.equal((await ask(it.tcp, "GET", "/v1/session", { headers: (await tokenOf(it, "root", ["metrics"])).headers })).status, 403);
    assert.equal((await ask(it.tcp, "DELETE", `/v1/tokens/${made.id}`, { headers: opal.headers })).status, 200);
    const ended = await send(it, headers);
    assert.deepEqual([ended.status, errorOf(ended)], [401, "there is no such token"]);
    assert.equal((await post(it.control, "/v1/tokens", { name: "x", user: "opal", scopes: ["admin"], forMs: null })).status, 400, "no token of an operator may more than he");
    assert.equal((await post(it.control, "/v1/tokens", { name: "x", scopes: ["read"], forMs: null })).status, 400, "whose?");
  } finally {
    await it.close();
  }
});

test("what lives in access.db outlives the process; its clock ends sessions and tokens", async () => {
  const it = await opened();
  const { folder } = it;
  const world = it.world;
  await userOf(it, "riki", "admin");
  const held = await logIn(it, "riki");
  const token = await tokenOf(it, "riki", ["read"], 3_600_000);
  assert.equal(statSync(join(folder, "access.db")).mode & 0o777, 0o600);
  await it.api.close();
  const after = async (laterMs: number, headers: Record<string, string>) => {
    const now = () => ({ ...world.sources.now(), wallMs: Date.now() + laterMs });
    const again = await opened({ world, folder, sources: { ...world.sources, now } });
    const { status } = await ask(again.tcp, "GET", "/v1/status", { headers });
    const stays = await ask(again.control, "GET", "/v1/users");
    await again.api.close();
    assert.equal((stays.json as UserReport[]).length, 1);
    return status;
  };
  const hourMs = 3_600_000;
  assert.deepEqual([await after(0, held.headers), await after(0, token.headers)], [200, 200]);
  assert.deepEqual([await after(hourMs + 1_000, token.headers), await after(23 * hourMs, held.headers)], [401, 200]);
  assert.equal(await after(25 * hourMs, held.headers), 200, "it was used meanwhile");
  assert.equal(await after(52 * hourMs, held.headers), 401, "it was not");
  await world.close();
});

test("a file of users that cannot be read opens no door: it is set aside, TCP is shut, the socket makes new users", async () => {
  const it = await opened();
  const { folder, world } = it;
  await userOf(it, "riki", "admin");
  await it.api.close();
  writeFileSync(join(folder, "access.db"), "not a database, but long enough to be looked at as one. ".repeat(200));
  const again = await opened({ world, folder });
  assert.match(again.troubles.join("\n"), /set aside as access\.db\.corrupt-/);
  assert.equal((await ask(again.tcp, "GET", "/v1/status")).status, 401, "there were users: loopback is not open");
  assert.equal((await ask(again.control, "GET", "/v1/status")).status, 200);
  await again.api.close();
  const third = await opened({ world, folder });
  assert.equal((await ask(third.tcp, "GET", "/v1/status")).status, 401, "nor after another start");
  await userOf(third, "riki", "admin");
  const held = await logIn(third, "riki");
  assert.equal((await ask(third.tcp, "GET", "/v1/status", { headers: held.headers })).status, 200);
  await third.close();
});

test("on a disk that cannot be read nobody is known, it is told once, and what needs no name is answered", async () => {
  const it = await opened();
  const { folder, world } = it;
  await userOf(it, "riki", "admin");
  const token = await tokenOf(it, "riki", ["read"]);
  await it.api.close();
  const warnings: string[] = [];
  const access = new Access({ folder, issuer: "x", nowMs: () => Date.now(), warn: (text) => warnings.push(text) });
  const brought = { authorization: token.headers["authorization"], cookie: undefined, from: "127.0.0.1", loopback: true, secure: false };
  assert.equal(access.identify(brought).caller.role, "viewer");
  access.close();
  rmSync(join(folder, "access.db"));
  mkdirSync(join(folder, "access.db"));
  for (let n = 0; n < 3; n += 1) {
    const { caller, rejected } = access.identify(brought);
    assert.deepEqual([caller.role, rejected], ["anyone", "the users' file cannot be read now"]);
  }
  assert.equal(access.identify({ ...brought, authorization: undefined }).caller.role, "anyone", "there were users: loopback is not open");
  assert.equal(warnings.length, 1);
  await world.close();
});

test("of refusals that are alike three are written down, and how many there were", async () => {
  const it = await opened();
  try {
    await userOf(it, "riki", "admin");
    for (let n = 0; n < 20; n += 1) assert.equal((await ask(it.tcp, "GET", "/metrics", { headers: { authorization: "Bearer upk_old" } })).status, 401);
    await userOf(it, "opal", "viewer");
    const lines = await audit(it);
    assert.equal(lines.filter(({ what }) => what === "GET /metrics").length, 3);
    assert.match(lines.at(-1)?.answer ?? "", /^done \(and 17 refusals before it/);
  } finally {
    await it.close();
  }
});

test("no user may over TCP from elsewhere before there is one: health and the set-up, nothing else", async (t) => {
  const it = await opened({ listen: "0.0.0.0" });
  try {
    const address = Object.values(networkInterfaces()).flatMap((each) => each ?? []).find(({ internal, family }) => !internal && family === "IPv4")?.address;
    if (address === undefined) return t.skip("this machine has no address but loopback");
    const outside = { host: address, port: it.tcp.port, localAddress: address };
    assert.deepEqual([(await ask(outside, "GET", "/v1/health")).status, (await ask(outside, "GET", "/v1/set-up")).status], [200, 200]);
    for (const path of ["/v1/status", "/v1/events", "/metrics", "/v1/session", "/v1/hosts/logos"]) assert.equal((await ask(outside, "GET", path)).status, 401, path);
    assert.equal((await send({ ...it, tcp: outside }, JSON_HEADERS)).status, 401);
  } finally {
    await it.close();
  }
});
