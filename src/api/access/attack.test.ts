// What an enemy may send: wrong passwords by the thousand, other people's cookies, pages of other sites, tokens and bodies of
// every kind, connections that say nothing or never read. The watcher goes on turning, the control socket answers, and what
// was tried is told.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { AuditLine, Session, TokenReport } from "../contract.ts";
import { CSRF_HEADER } from "../contract.ts";
import type { Got, Opened } from "../doors-for-tests.ts";
import { ask, errorOf, opened, post } from "../doors-for-tests.ts";
import { until } from "../world-for-tests.ts";

const PASSWORD = "correct horse battery";
const JSON_HEADERS = { "content-type": "application/json" };
const TRIES = 1_000;
const COMMAND = { by: "x", command: { kind: "brake", brake: "disarmed", scope: "*", forMs: 60_000, reason: "" } };

/** Thirty-two at a time, from a thread of its own, so that the loop that is measured is the watcher's. */
const FLOOD = `
  const { parentPort, workerData: { port, tries } } = require("node:worker_threads");
  const http = require("node:http");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const statuses = new Map();
  let [sent, unpunctual] = [0, 0];
  const attempt = () => new Promise((resolve) => {
    const n = sent++;
    const body = JSON.stringify({ user: n % 2 === 0 ? "opal" : "nobody" + n, password: "guess number " + n });
    const request = http.request({ host: "127.0.0.1", port, agent, method: "POST", path: "/v1/session", headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (response) => {
      statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1);
      if (response.statusCode === 429 && !/^[1-9][0-9]*$/.test(response.headers["retry-after"] ?? "")) unpunctual += 1;
      response.resume().on("end", resolve);
    });
    request.on("error", resolve);
    request.end(body);
  });
  const flood = async () => { while (sent < tries) await attempt(); };
  Promise.all(Array.from({ length: 32 }, flood)).then(() => { agent.destroy(); parentPort.postMessage({ statuses: [...statuses], unpunctual }); });
`;

async function withUsers(): Promise<Opened & { headers: Record<string, string>; token: string }> {
  const it = await opened();
  for (const [user, role] of [["root", "admin"], ["opal", "operator"]]) assert.equal((await post(it.control, "/v1/users", { user, role, password: PASSWORD })).status, 201);
  const got = await post(it.tcp, "/v1/session", { user: "opal", password: PASSWORD });
  const token = (await post(it.control, "/v1/tokens", { name: "t", user: "opal", scopes: ["command"], forMs: null })).json as TokenReport;
  const cookie = got.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  return { ...it, headers: { ...JSON_HEADERS, cookie, [CSRF_HEADER]: (got.json as Session).csrf ?? "" }, token: token.secret ?? "" };
}

const audit = async (it: Opened) => (await ask(it.control, "GET", "/v1/audit?limit=5000")).text.trim().split("\n").map((line) => JSON.parse(line) as AuditLine);

test("wrong passwords by the thousand: the loop keeps turning, rounds go on, the socket answers, the rest is told to wait", async () => {
  const it = await withUsers();
  const lag = monitorEventLoopDelay({ resolution: 5 });
  try {
    await until("rounds", () => it.world.watcher.state.seq > 3);
    lag.enable();
    const began = performance.now();
    const slowest = { socketMs: 0, sessionMs: 0 };
    const worker = new Worker(FLOOD, { eval: true, workerData: { port: it.tcp.port, tries: TRIES } });
    const flooded = once(worker, "message") as Promise<[{ statuses: readonly (readonly [number, number])[]; unpunctual: number }]>;
    const over = { yet: false };
    const look = async (): Promise<void> => {
      while (!over.yet) {
        for (const [key, door, headers] of [["socketMs", it.control, {}], ["sessionMs", it.tcp, it.headers]] as const) {
          const askedMs = performance.now();
          assert.equal((await ask(door, "GET", "/v1/health", { headers })).status, 200);
          slowest[key] = Math.max(slowest[key], performance.now() - askedMs);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const looking = look();
    const [{ statuses: counted, unpunctual }] = await flooded;
    over.yet = true;
    await looking;
    const statuses = new Map(counted);
    assert.equal(unpunctual, 0, "whoever is refused is told when to come again");
    lag.disable();
    const seconds = (performance.now() - began) / 1_000;
    const computed = statuses.get(401) ?? 0;
    assert.deepEqual([...statuses.keys()].toSorted(), [401, 429]);
    // Ten of this address, and one every six seconds.
    assert.ok(computed <= 11 + seconds / 6, `${computed} passwords were looked at in ${seconds.toFixed(1)} s`);
    // How fast a turn is says more of the machine; that there is one in time for the watchdog must hold on every machine.
    assert.ok(lag.max / 1e6 < 5_000, `the longest turn took ${(lag.max / 1e6).toFixed(1)} ms`);
    assert.ok(slowest.socketMs < 10_000, `the socket took ${slowest.socketMs.toFixed(0)} ms`);
    const held = await post(it.tcp, "/v1/commands", COMMAND, it.headers);
    assert.equal(held.status, 200, "who has a session is not concerned");
    const lines = await audit(it);
    const refused = lines.filter(({ what, answer }) => what.startsWith("POST /v1/session") && !answer.startsWith("done"));
    assert.ok(refused.length >= 60 && refused.length <= 62 + seconds, `${refused.length} lines of ${TRIES}`);
    console.log(`# ${TRIES} tries in ${seconds.toFixed(1)} s: ${computed} computed; loop lag p99 ${(lag.percentile(99) / 1e6).toFixed(1)} ms, max ${(lag.max / 1e6).toFixed(1)} ms; socket ${slowest.socketMs.toFixed(0)} ms at the slowest`);
  } finally {
    await it.close();
  }
});

test("a name that there is costs no more and no less than one that there is not, and says nothing else", async () => {
  const it = await withUsers();
  try {
    const took = async (user: string) => {
      const began = performance.now();
      const got = await post(it.tcp, "/v1/session", { user, password: "not the password" });
      assert.deepEqual([got.status, errorOf(got)], [401, "the user's name or the password is wrong"]);
      return performance.now() - began;
    };
    const [known, unknown]: [number[], number[]] = [[], []];
    for (let n = 0; n < 4; n += 1) {
      known.push(await took("opal"));
      unknown.push(await took("nobody"));
    }
    const [least, other] = [Math.min(...known), Math.min(...unknown)];
    // A hash is tens of milliseconds; an answer without one is one or two.
    assert.ok(other > least / 3 && least > other / 3, `${least.toFixed(1)} and ${other.toFixed(1)} ms`);
  } finally {
    await it.close();
  }
});

test("forged, cut, swapped and old credentials are nobody's", async () => {
  const it = await withUsers();
  try {
    const [name = "", secret = ""] = (it.headers["cookie"] ?? "").split("=");
    const flipped = `${secret.slice(0, -2)}${secret.endsWith("AA") ? "BB" : "AA"}`;
    const cookies = [`${name}=${flipped}`, `${name}=${secret.slice(1)}`, `${name}=${secret}x`, `${name}=`, `${name}`, `other=${secret}`, `__Host-${name}=${secret}`, `${name}=${secret}%00`, `${name}="${secret}"`, `x=1; ${name}=${"A".repeat(43)}`, "=".repeat(5_000), ";".repeat(5_000), `${name}=' OR 1=1 --`];
    for (const cookie of cookies) assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: { ...it.headers, cookie } })).status, 401, cookie.slice(0, 80));
    assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: { cookie: `a=b; ${name}=${secret} ; c=d` } })).status, 200);
    const [, id = "", rest = ""] = /^upk_(.{8})_(.*)$/.exec(it.token) ?? [];
    const tokens = [`upk_${id}_${rest.slice(0, -1)}${rest.endsWith("A") ? "B" : "A"}`, `upk_aaaaaaaa_${rest}`, `upk_${id}_${rest.slice(1)}`, rest, "", `upk_${id}_`, `${it.token} `.repeat(3), `upk_'; DROP TABLE tokens; --_${rest}`];
    for (const token of tokens) assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: { authorization: `Bearer ${token}` } })).status, 401, token);
    for (const authorization of [`Basic ${Buffer.from(`opal:${PASSWORD}`).toString("base64")}`, it.token, `Token ${it.token}`, `Bearer ${it.token}, Bearer ${it.token}`]) assert.equal((await ask(it.tcp, "GET", "/v1/health", { headers: { authorization } })).status, 401, "what was brought and is wrong is never nobody");
    assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: { authorization: `bearer ${it.token}` } })).status, 200);
    assert.equal((await ask(it.tcp, "GET", "/v1/users", { headers: { authorization: `Bearer ${it.token}`, cookie: "" } })).status, 403);
    // A token in a place where it is logged by others counts for nothing.
    assert.equal((await ask(it.tcp, "GET", `/v1/status?token=${it.token}`)).status, 401);
  } finally {
    await it.close();
  }
});

test("a page of another site gets nothing done by a cookie, and a token does not care", async () => {
  const it = await withUsers();
  try {
    const host = `127.0.0.1:${it.tcp.port}`;
    const tries: readonly (readonly [string, Record<string, string>, number])[] = [
      ["no word", { [CSRF_HEADER]: "" }, 403], ["another word", { [CSRF_HEADER]: "A".repeat(43) }, 403],
      ["another origin", { origin: "http://evil.example" }, 403], ["another port of this machine", { origin: `http://127.0.0.1:${it.tcp.port + 1}` }, 403], ["https of the same name", { origin: `https://${host}` }, 200],
      ["null", { origin: "null" }, 403], ["a suffix", { origin: `http://${host}.evil.example` }, 403], ["a user", { origin: `http://${host}@evil.example` }, 403],
      ["another site", { "sec-fetch-site": "cross-site" }, 403], ["a sister", { "sec-fetch-site": "same-site" }, 403], ["ours", { origin: `http://${host}`, "sec-fetch-site": "same-origin" }, 200],
      ["a form", { "content-type": "application/x-www-form-urlencoded" }, 415], ["plain text", { "content-type": "text/plain" }, 415],
    ];
    for (const [what, headers, status] of tries) assert.equal((await post(it.tcp, "/v1/commands", COMMAND, { ...it.headers, ...headers })).status, status, what);
    const { [CSRF_HEADER]: _word, ...bare } = it.headers;
    assert.equal((await post(it.tcp, "/v1/commands", COMMAND, bare)).status, 403);
    assert.equal((await ask(it.tcp, "DELETE", "/v1/session", { headers: bare })).status, 403, "nobody is logged out from elsewhere");
    assert.equal((await post(it.tcp, "/v1/session", { user: "opal", password: PASSWORD }, { ...JSON_HEADERS, origin: "http://evil.example" })).status, 403, "nor logged in");
    assert.equal((await post(it.tcp, "/v1/commands", COMMAND, { ...JSON_HEADERS, authorization: `Bearer ${it.token}`, origin: "https://dashboard.example" })).status, 200);
    for (const method of ["HEAD", "GET"]) assert.equal((await ask(it.tcp, method, "/v1/commands", { headers: it.headers })).status, 405, "a link does nothing");
    const options = await ask(it.tcp, "OPTIONS", "/v1/commands", { headers: { ...it.headers, origin: "http://evil.example", "access-control-request-method": "POST" } });
    assert.equal(options.status, 405);
    assert.deepEqual(Object.keys(options.headers).filter((each) => each.startsWith("access-control")), []);
    for (const override of ["x-http-method-override", "x-method-override", "x-http-method"]) assert.equal((await ask(it.tcp, "GET", "/v1/tokens", { headers: { ...it.headers, [override]: "DELETE" } })).status, 200);
  } finally {
    await it.close();
  }
});

test("paths, bodies and names of every kind: refused with a sentence, and the log of the audit trail stays one line each", async () => {
  const it = await withUsers();
  try {
    for (const path of ["//v1/users", "/v1//users", "/V1/users", "/v1/users/", "/v1/users/../users", "/v1/health/../users", "/v1/%75sers", "/v1/users%2f", "/v1/users;x=1", "/v1/users%00", "/v1/users#x", "/./v1/audit", "/v1/health/%2e%2e/users", "http://evil.example/v1/users", "/v1/session/../tokens/x"]) {
      const got = await ask(it.tcp, "GET", path);
      // What looks like no path of the interface may be one of the page, which everybody may load and which holds nothing.
      assert.ok([400, 401, 404, 405].includes(got.status) || String(got.headers["content-type"]).startsWith("text/html"), `${path}: ${got.status}`);
      assert.doesNotMatch(got.text, /"role"/, path);
    }
    for (const user of ["opal\nroot (session): everything is well", "<script>alert(1)</script>", "\u001b[2J", "'; DROP TABLE users; --", "../../etc/passwd", "a".repeat(100), "Ωpal", "\u202elapo", "__proto__", "constructor"]) {
      const got = await post(it.tcp, "/v1/session", { user, password: "whatever it is" });
      assert.ok(got.status === 401 || got.status === 429, `${user}: ${got.status} ${got.text}`);
      assert.equal((await post(it.control, "/v1/users", { user, role: "admin", password: PASSWORD })).status, user === "constructor" ? 201 : 400, user);
    }
    for (const body of ["", "null", "[]", "1", '"x"', "{", '{"user":{"$ne":null},"password":{"$ne":null}}', '{"user":"opal"}', '{"user":"opal","password":["correct horse battery"]}', '{"__proto__":{"role":"admin"},"user":"opal","password":"x"}', "\ufeff{}", "[".repeat(8_000)]) {
      const got = await post(it.tcp, "/v1/session", body);
      assert.ok(got.status === 400 || got.status === 429, `${body.slice(0, 40)}: ${got.status} ${got.text}`);
    }
    const large = await post(it.tcp, "/v1/session", { user: "opal", password: "x".repeat(100_000) }).catch((error: unknown) => error as Error);
    if (!(large instanceof Error)) assert.equal(large.status, 413);
    const lines = await audit(it);
    assert.ok(lines.length > 20);
    for (const line of lines) assert.doesNotMatch(JSON.stringify([line.who, line.what, line.answer]), /\\[nrtu]|\u202e|whatever it is/);
    assert.deepEqual(it.troubles, []);
  } finally {
    await it.close();
  }
});

test("hundreds of connections that say nothing, say half, or never read: the control socket and who comes later are answered", async () => {
  const it = await withUsers();
  const sockets: net.Socket[] = [];
  try {
    const connect = (text: string) => {
      const socket = net.connect(it.tcp);
      socket.on("error", () => {});
      // Seen to its end; those of the last hundred are paused.
      socket.resume();
      socket.on("connect", () => socket.write(text));
      sockets.push(socket);
      return socket;
    };
    for (let n = 0; n < 150; n += 1) connect("");
    for (let n = 0; n < 100; n += 1) connect(`POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user":`);
    for (let n = 0; n < 100; n += 1) {
      const socket = connect(`GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${it.token}\r\n\r\n`.repeat(50));
      socket.pause();
    }
    for (let n = 0; n < 20; n += 1) {
      const began = performance.now();
      assert.equal((await ask(it.control, "GET", "/v1/status")).status, 200);
      assert.ok(performance.now() - began < 10_000);
    }
    await until("there is room again", async () => (await ask(it.tcp, "GET", "/v1/status", { headers: { authorization: `Bearer ${it.token}` } }).catch(() => null) as Got | null)?.status === 200, 30_000);
    await until("who said nothing is gone", () => sockets.slice(0, 250).every((socket) => socket.destroyed || socket.readableEnded), 30_000);
  } finally {
    for (const socket of sockets) socket.destroy();
    await it.close();
  }
});
