// Both doors on real sockets, before a real Watcher: what the control socket takes, what TCP refuses, and that everything
// that comes in is bounded.

import assert from "node:assert/strict";
import { existsSync, renameSync, statSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import type { Answer, EventLine, Health, StatusReport, WhyReport } from "./contract.ts";
import { ask, errorOf, folder, follow, newPath, opened, post } from "./doors-for-tests.ts";
import { checkSocketPath, openApi } from "./server.ts";
import { openWorld, until } from "./world-for-tests.ts";

test("looking: status, hosts, health, why, incidents, events over both doors", async () => {
  const it = await opened();
  try {
    for (const door of [it.control, it.tcp]) {
      const status = await until("all guarded", async () => {
        const got = await ask(door, "GET", "/v1/status");
        assert.equal(got.status, 200);
        return (got.json as StatusReport).guarded === "3 of 3" ? (got.json as StatusReport) : null;
      });
      assert.deepEqual(status.hosts.map((host) => host.host), ["logos", "ethos", "pathos"]);
      const one = (await ask(door, "GET", "/v1/status?host=ethos")).json as StatusReport;
      assert.deepEqual([one.hosts.map((host) => host.host), one.guarded], [["ethos"], "3 of 3"]);
      assert.equal(((await ask(door, "GET", "/v1/hosts/ethos")).json as { host: string }).host, "ethos");
      const health = await ask(door, "GET", "/v1/health");
      assert.deepEqual([health.status, (health.json as Health).ok, (health.json as Health).watcher], [200, true, "rikis-hopuuj"]);
      assert.equal(((await ask(door, "GET", "/v1/why/logos")).json as WhyReport).kind, "host");
      assert.deepEqual((await ask(door, "GET", "/v1/incidents")).json, []);
      const events = (await ask(door, "GET", "/v1/events?host=logos")).text.trim().split("\n").map((line) => JSON.parse(line) as EventLine);
      assert.deepEqual(Object.keys(events[0] ?? {}).slice(0, 6), ["seq", "at", "kind", "host", "because", "incident"]);
      assert.ok(events.every((event) => event.host === "logos") && events.some((event) => event.kind === "guarded"));
      const head = await ask(door, "HEAD", "/v1/status");
      assert.deepEqual([head.status, head.text], [200, ""]);
    }
  } finally {
    await it.close();
  }
});

test("what is asked wrongly is refused with a sentence", async () => {
  const it = await opened();
  try {
    const cases: readonly (readonly [string, number, RegExp])[] = [
      ["/v1", 404, /nothing here/], ["/v1/nothing/x", 404, /nothing here/], ["/v2/status", 404, /nothing/],
      ["/v1/hosts/nobody", 404, /there is no host nobody; hosts: logos, ethos, pathos/], ["/v1/status?host=nobody", 404, /no host nobody/],
      ["/v1/why/nobody", 404, /no host and no incident nobody/], ["/v1/incidents/lusab-babad", 404, /no incident lusab-babad/],
      ["/v1/status?hots=logos", 400, /no parameter hots here; parameters: host/], ["/v1/status?host=logos&host=ethos", 400, /twice/],
      ["/v1/events?since=yesterday", 400, /ISO 8601/], ["/v1/events?limit=-1", 400, /whole number/], ["/v1/events?limit=1e3", 400, /whole number/], ["/v1/events?limit=10001", 400, /from 0 to 10000/],
      ["/v1/events?follow=yes", 400, /0 or 1/], ["/v1/events?host=nobody", 404, /no host/], ["/v1/hosts/%ff", 400, /encoded/], ["/v1/hosts/..%2f..%2fetc", 404, /no host/],
    ];
    for (const [path, status, said] of cases) {
      const got = await ask(it.control, "GET", path);
      assert.equal(got.status, status, path);
      assert.match(errorOf(got), said, path);
    }
    assert.equal((await ask(it.control, "GET", "/v1/commands")).status, 405);
    assert.equal((await ask(it.control, "DELETE", "/v1/status")).status, 405);
    assert.equal((await post(it.control, "/v1/status", {})).status, 405);
    assert.deepEqual(it.troubles, []);
  } finally {
    await it.close();
  }
});

test("commands: strictly what the core knows, by whom, and nothing else", async () => {
  const it = await opened();
  try {
    const good = { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "kernel" };
    const wrong: readonly (readonly [string, unknown])[] = [
      ["not an object", []], ["no command", { by: "riki" }], ["no by", { command: good }], ["unknown kind", { by: "riki", command: { kind: "explode" } }],
      ["unknown field", { by: "riki", command: { ...good, force: true } }], ["unknown field beside", { by: "riki", command: good, as: "root" }],
      ["unknown brake", { by: "riki", command: { ...good, brake: "gravity" } }], ["no time", { by: "riki", command: { ...good, forMs: 0 } }], ["half a millisecond", { by: "riki", command: { ...good, forMs: 0.5 } }],
      ["a text for a time", { by: "riki", command: { ...good, forMs: "1h" } }], ["longer than ten years", { by: "riki", command: { ...good, forMs: 1e15 } }], ["a long reason", { by: "riki", command: { ...good, reason: "x".repeat(501) } }],
      ["by is long", { by: "x".repeat(101), command: good }], ["no scope", { by: "riki", command: { ...good, scope: "" } }], ["a power action that does not exist", { by: "riki", command: { kind: "power", host: "logos", action: "reboot", reason: "", again: false, confirm: null } }],
      ["a fence without its fields", { by: "riki", command: { kind: "fence", host: "logos" } }],
    ];
    for (const [what, body] of wrong) {
      const got = await post(it.control, "/v1/commands", body);
      assert.equal(got.status, 400, what);
      assert.match(errorOf(got), /^not a command: /, what);
    }
    assert.equal((await post(it.control, "/v1/commands", "{")).status, 400);
    assert.equal((await post(it.control, "/v1/commands", "")).status, 400);
    assert.equal((await post(it.control, "/v1/commands", { by: "riki", command: good }, { "content-type": "text/plain" })).status, 415);
    assert.equal((await post(it.control, "/v1/commands", { by: "riki", command: good }, {})).status, 415);
    assert.equal(it.world.watcher.state.brakes.size, 0, "none of these did anything");

    const answer = (await post(it.control, "/v1/commands", { by: "riki\u001b[2J\u202e@pts/3", command: { ...good, reason: "line\none\u0007" } })).json as Answer;
    assert.deepEqual([answer.exit, answer.confirm], [0, null]);
    assert.match(answer.text, /^maintenance for logos for 60 s$/);
    const [brake] = [...it.world.watcher.state.brakes.values()];
    assert.deepEqual([brake?.by, brake?.reason], ["riki?[2J?@pts/3", "line?one?"], "nothing that moves a cursor is kept");
    assert.deepEqual(((await post(it.control, "/v1/commands", { by: "riki", command: { kind: "release", host: "nobody" } })).json as Answer).exit, 2);
    assert.deepEqual(((await post(it.control, "/v1/commands", { by: "riki", command: { kind: "release", host: "logos" } })).json as Answer).exit, 1);
  } finally {
    await it.close();
  }
});

test("a body without an end is cut off, and the next request is answered", async () => {
  const it = await opened();
  try {
    const got = await post(it.control, "/v1/commands", JSON.stringify({ by: "riki", filler: "x".repeat(20_000) })).catch((error: unknown) => error as Error);
    // The answer may lose the race against the reset of a connection that is still being written to.
    if (!(got instanceof Error)) assert.equal(got.status, 413);
    assert.equal((await ask(it.control, "GET", "/v1/health")).status, 200);
    const header = await ask(it.tcp, "GET", "/v1/health", { headers: { "x-long": "x".repeat(9_000) } }).catch((error: unknown) => error as Error);
    assert.ok(header instanceof Error || header.status === 400 || header.status === 431);
  } finally {
    await it.close();
  }
});

test("TCP is read-only: nothing but GET and HEAD, whatever the path", async () => {
  const it = await opened();
  try {
    const command = { by: "riki", command: { kind: "brake", brake: "disarmed", scope: "*", forMs: null, reason: "" } };
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      for (const path of ["/v1/commands", "/v1/reload", "/v1/status", "/anything"]) {
        const body = JSON.stringify(command);
        const got = await ask(it.tcp, method, path, { headers: { "content-type": "application/json", "content-length": String(body.length) }, body });
        assert.equal(got.status, 405, `${method} ${path}`);
        assert.match(errorOf(got), /read-only/);
        assert.equal(got.headers.allow, "GET, HEAD");
      }
    }
    for (const path of ["/v1/commands", "/v1/reload"]) assert.equal((await ask(it.tcp, "GET", path)).status, 405);
    assert.equal(it.world.watcher.state.brakes.size, 0);
  } finally {
    await it.close();
  }
});

test("TCP answers only to this machine's names, and tells no other origin anything", async () => {
  const it = await opened({ names: ["watcher.lan"] });
  try {
    const { port } = it.tcp as { port: number };
    for (const host of ["localhost", `localhost:${port}`, "localhost:9000", `127.0.0.1:${port}`, "[::1]:1", "watcher.lan", "WATCHER.lan:80"]) assert.equal((await ask(it.tcp, "GET", "/v1/status", { headers: { host } })).status, 200, host);
    for (const host of ["evil.example", `evil.example:${port}`, "localhost.evil.example", "10.9.9.9", "0.0.0.0"]) {
      const got = await ask(it.tcp, "GET", "/v1/status", { headers: { host } });
      assert.equal(got.status, 403, host);
      assert.match(errorOf(got), /another name/);
    }
    const raw = await exchange(net.connect(it.tcp as { port: number; host: string }), "GET /v1/status HTTP/1.0\r\n\r\n");
    assert.match(raw, /^HTTP\/1\.1 403 /, "no Host at all");
    const got = await ask(it.tcp, "GET", "/v1/status", { headers: { origin: "http://evil.example" } });
    assert.deepEqual(Object.keys(got.headers).filter((header) => header.startsWith("access-control")), []);
    assert.deepEqual([got.headers["cross-origin-resource-policy"], got.headers["x-content-type-options"], got.headers["cache-control"]], ["same-origin", "nosniff", "no-store"]);
  } finally {
    await it.close();
  }
});

function exchange(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => (got += chunk));
    socket.on("close", () => resolve(got));
    socket.on("error", () => {});
    socket.on("connect", () => socket.write(text));
  });
}

test("nonsense and half a request: refused, and a connection that says nothing does not stay", async () => {
  const it = await opened();
  try {
    assert.match(await exchange(net.connect(it.tcp as { port: number; host: string }), "\u0000\u0001\u0002\r\n\r\n"), /^HTTP\/1\.1 400 /);
    const began = performance.now();
    const silent = exchange(net.connect(it.tcp as { port: number; host: string }), "");
    const half = exchange(net.connect((it.control as { socketPath: string }).socketPath), "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    assert.equal(await silent, "", "a browser takes what is said unasked for the answer to what it asks next");
    assert.match(await half, /^HTTP\/1\.1 408 /);
    const tookMs = performance.now() - began;
    assert.ok(tookMs > 3_000 && tookMs < 20_000, `cut after ${Math.round(tookMs)} ms`);
    assert.equal((await ask(it.control, "GET", "/v1/health")).status, 200);
  } finally {
    await it.close();
  }
});

test("the socket is a file of 0660; what is stale goes, what is not a socket stays", async () => {
  const path = newPath();
  const stale = net.createServer();
  await new Promise<void>((resolve) => stale.listen(path, resolve));
  // A copy of the listening socket's file, as a killed watcher leaves it: nobody listens behind it any more.
  const left = newPath();
  renameSync(path, left);
  await new Promise<void>((resolve) => stale.close(() => resolve()));
  assert.ok(existsSync(left));
  const it = await opened({ path: left });
  assert.equal(statSync(left).mode & 0o777, 0o660);
  assert.equal((await ask(it.control, "GET", "/v1/health")).status, 200);
  await it.close();
  assert.ok(!existsSync(left), "closed: the file is gone");

  const file = newPath();
  writeFileSync(file, "precious");
  const world = openWorld();
  await assert.rejects(openApi(world.sources, { socketPath: file, listen: null, onTrouble: () => {} }), (error: unknown) => error instanceof UpkeepError && error.code === "SOCKET_PATH" && /is not a socket: it is left alone/.test(error.message));
  assert.equal(statSync(file).size, 8);
  await assert.rejects(openApi(world.sources, { socketPath: join(folder, "no-such-folder", "s"), listen: null, onTrouble: () => {} }), (error: unknown) => error instanceof UpkeepError && error.code === "SOCKET_PATH");
  await world.close();
});

test("a path that the kernel does not take is an error before anything else", () => {
  assert.doesNotThrow(() => checkSocketPath(`/${"x".repeat(106)}`));
  for (const path of [`/${"x".repeat(107)}`, `/${"é".repeat(54)}`]) assert.throws(() => checkSocketPath(path), (error: unknown) => error instanceof UpkeepError && error.code === "SOCKET_PATH" && /the kernel takes 107/.test(error.message));
});

test("a port that is taken: no TCP, said so, and the control socket works", async () => {
  const holder = net.createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const { port } = holder.address() as net.AddressInfo;
  const world = openWorld();
  const socketPath = newPath();
  const troubles: string[] = [];
  const api = await openApi(world.sources, { socketPath, listen: { host: "127.0.0.1", port }, onTrouble: (text) => troubles.push(text) });
  try {
    assert.equal(api.tcp, null);
    assert.equal(api.tcpProblem, `the API cannot listen on 127.0.0.1 port ${port}: another program has it`);
    assert.deepEqual(troubles, [api.tcpProblem]);
    assert.equal((await ask({ socketPath }, "GET", "/v1/health")).status, 200);
  } finally {
    await api.close();
    await world.close();
    await new Promise<void>((resolve) => holder.close(() => resolve()));
  }
});

test("reload: what the callback says; over TCP it is not there", async () => {
  const it = await opened();
  try {
    assert.deepEqual((await post(it.control, "/v1/reload", {})).json, { accepted: true, problems: [] });
    it.world.reloads = { accepted: false, problems: ["upkeep.yaml:3:1: error UNKNOWN_KEY there is no key hsots"] };
    assert.deepEqual((await post(it.control, "/v1/reload", {})).json, it.world.reloads);
  } finally {
    await it.close();
  }
});

test("record: what the callback says, on the control socket only; an unknown device is not there", async () => {
  const it = await opened();
  try {
    assert.deepEqual((await post(it.control, "/v1/record/sucker", {})).json, { text: "upkeep recording 1\n" });
    assert.equal((await post(it.control, "/v1/record/succer", {})).status, 404);
    assert.equal((await ask(it.control, "GET", "/v1/record/sucker")).status, 405);
    assert.equal((await post(it.tcp, "/v1/record/sucker", {})).status, 405);
  } finally {
    await it.close();
  }
});

test("health is 503 while the ledger cannot be written, and says why", async () => {
  const it = await opened();
  try {
    it.world.storeFailure = "no space left on device";
    // Anything durable: the answer to the command says that it could not be recorded.
    const answer = (await post(it.control, "/v1/commands", { by: "riki", command: { kind: "brake", brake: "inhibit", scope: "*", forMs: 60_000, reason: "" } })).json as Answer;
    assert.equal(answer.exit, 5);
    assert.match(answer.text, /could not be recorded: no space left on device/);
    const got = await ask(it.tcp, "GET", "/v1/health");
    assert.deepEqual([got.status, (got.json as Health).ok, (got.json as Health).why], [503, false, "the ledger cannot be written: no space left on device"]);
    assert.deepEqual(((await ask(it.tcp, "GET", "/v1/status")).json as StatusReport).ledger, { ok: false, why: "no space left on device" });
  } finally {
    await it.close();
  }
});

test("closing ends followers, too", async () => {
  const it = await opened();
  const following = await follow(it.control, "/v1/events?follow=1");
  await it.api.close();
  await following.ended;
  await assert.rejects(ask(it.control, "GET", "/v1/health"));
  await it.world.close();
});

test("before the watcher has started nothing is taken for granted", async () => {
  const world = openWorld();
  const it = await opened({ world, sources: { ...world.sources, watcher: { state: { ...world.watcher.state, started: false }, policy: world.watcher.policy, command: () => Promise.reject(new Error("assertion failed: command before start")), listen: () => () => {} } } });
  try {
    const got = await post(it.control, "/v1/commands", { by: "riki", command: { kind: "storm-proceed" } });
    assert.deepEqual([got.status, errorOf(got)], [503, "the watcher is starting: ask again in a moment"]);
    assert.equal((await ask(it.tcp, "GET", "/v1/health")).status, 503);
  } finally {
    await it.close();
  }
});
