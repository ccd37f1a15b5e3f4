// Calls against servers that only look like ZooKeeper: what is repeated and what never is, and that nothing which a server
// says, or does not say, can hurt. No ZooKeeper is needed for these.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { Fault } from "./fault.ts";
import { until } from "./shared-conformance.ts";
import type { ClientOptions, SessionOptions } from "./zookeeper-client.ts";
import { serverOf, ZookeeperClient } from "./zookeeper-client.ts";
import type { Connection } from "./zookeeper-connection.ts";
import { ERR, frame, Frames, OP, Reader, XID } from "./zookeeper-wire.ts";

type Asked = { readonly xid: number; readonly op: number };
/** What a fake says to a request; null: nothing. */
type Act = (asked: Asked, socket: Socket) => Buffer | null;
type Fake = { readonly at: string; readonly asked: Asked[]; /** Session and password of each handshake. */ readonly sessions: string[]; close(): Promise<void> };

const SESSION_MS = 600;

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function answer(xid: number, zxid: number, code: number, body: Buffer = Buffer.alloc(0)): Buffer {
  return frame(int(xid), int(0), int(zxid), int(code), body);
}

function handshake(session: number, timeoutMs = SESSION_MS): Buffer {
  return frame(int(0), int(timeoutMs), int(0), int(session), int(16), Buffer.alloc(16, 7), Buffer.of(0));
}

/** Answers pings and everything else with success. */
const fine: Act = ({ xid, op }) => (op === OP.ping ? answer(xid, 0, 0) : op === OP.multi ? answer(xid, 9, 0, Buffer.from("ffffffff01ffffffff", "hex")) : op === OP.sync ? answer(xid, 9, 0, int(-1)) : answer(xid, 9, ERR.NO_NODE));

async function fake(act: Act, greet: (turn: number) => Buffer | null = () => handshake(17)): Promise<Fake> {
  const asked: Asked[] = [];
  const sessions: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const frames = new Frames(1_000_000);
    let greeted = false;
    socket.on("data", (part) => {
      for (const body of frames.add(part)) {
        const reader = new Reader(body);
        if (!greeted) {
          greeted = true;
          sessions.push(body.subarray(16, 24).toString("hex") + body.subarray(28, 44).toString("hex"));
          const greeting = greet(sessions.length);
          if (greeting !== null) socket.write(greeting);
          continue;
        }
        const each = { xid: reader.int(), op: reader.int() };
        asked.push(each);
        const said = act(each, socket);
        if (said !== null) socket.write(said);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    asked, sessions, at: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function withClient(fakes: readonly Promise<Fake>[], body: (client: ZookeeperClient, fakes: readonly Fake[]) => Promise<void>, more: Partial<ClientOptions & SessionOptions> = {}): Promise<void> {
  const all = await Promise.all(fakes);
  const client = new ZookeeperClient({ servers: all.map(({ at }) => at), sessionMs: SESSION_MS, keep: false, nowMs: () => performance.now(), ...more });
  try {
    await body(client, all);
  } finally {
    client.close();
    for (const each of all) await each.close();
  }
}

const within = (ms: number): number => performance.now() + ms;
const write = (connection: Connection, leftMs: () => number): Promise<unknown> => connection.multi([], leftMs());
const read = (connection: Connection, leftMs: () => number): Promise<unknown> => connection.exists("/a", leftMs());

async function fault(calling: Promise<unknown>): Promise<Fault> {
  const error: unknown = await calling.then(() => assert.fail("it was answered"), (reason: unknown) => reason);
  assert.ok(error instanceof Fault, String(error));
  return error;
}

const silentTo = (op: number): Act => (asked, socket) => (asked.op === op ? null : fine(asked, socket));

test("a transaction that was sent is never sent again, though another server would take it", () =>
  withClient([fake(silentTo(OP.multi)), fake(fine)], async (client, [first, second]) => {
    const failed = await fault(client.run({ repeatable: false, endMs: within(400) }, write));
    assert.equal(failed.sent, true);
    assert.match(failed.message, /no answer within/);
    assert.equal(first?.asked.filter(({ op }) => op === OP.multi).length, 1);
    assert.deepEqual(second?.asked, []);
    // The next one goes to the other.
    await client.run({ repeatable: false, endMs: within(2_000) }, write);
    assert.equal(second?.asked.length, 1);
  }));

test("a transaction that was sent and not answered because the connection broke is not sent again either", () =>
  withClient([fake(({ op }, socket) => (op === OP.multi ? (socket.destroy(), null) : null)), fake(fine)], async (client, [, second]) => {
    const failed = await fault(client.run({ repeatable: false, endMs: within(2_000) }, write));
    assert.equal(failed.sent, true);
    assert.deepEqual(second?.asked, []);
  }));

test("while nothing of it was sent, it goes on to the next server", () =>
  withClient([fake(fine, () => null), fake(fine)], async (client, [, second]) => {
    await client.run({ repeatable: false, endMs: within(1_000) }, write);
    assert.equal(second?.asked.filter(({ op }) => op === OP.multi).length, 1);
  }));

test("what may be done twice goes on to the next server, and one that is frozen does not use up all the time", () =>
  withClient([fake(silentTo(OP.exists)), fake(fine)], (client) => client.run({ repeatable: true, endMs: within(1_000) }, read).then(() => undefined)));

test("what a server has decided is not asked of another", () =>
  withClient([fake(({ xid }) => answer(xid, 3, ERR.NO_AUTH)), fake(fine)], async (client, [, second]) => {
    const failed = await fault(client.run({ repeatable: true, endMs: within(1_000) }, read));
    assert.equal(failed.code, ERR.NO_AUTH);
    assert.deepEqual(second?.asked, []);
  }));

for (const answers of [false, true]) {
  test(`a quiet server that ${answers ? "answers pings is kept" : "does not even answer a ping is left"}`, () =>
    withClient([fake((asked, socket) => (asked.op === OP.ping && !answers ? null : fine(asked, socket)))], async (client, [only]) => {
      let over: string | null = null;
      await client.run({ repeatable: true, endMs: within(2_000) }, (connection, leftMs) => {
        connection.whenOver((because) => { over = because; });
        return read(connection, leftMs);
      });
      const pings = (): number => only?.asked.filter(({ op, xid }) => op === OP.ping && xid === XID.ping).length ?? 0;
      await until(() => over !== null || pings() >= 4);
      if (answers) assert.equal(over, null);
      else assert.match(over ?? "", /silent/);
      assert.equal(pings(), answers ? 4 : 1);
    }));
}

test("a kept session goes on over the next connection with its password, and ends for good when it is over; others begin anew", async () => {
  const breaking: Act = (asked, socket) => (asked.op === OP.sync ? (socket.destroy(), null) : fine(asked, socket));
  for (const keep of [true, false]) {
    await withClient([fake(breaking, (turn) => handshake(turn === 3 ? 0 : 17))], async (client, [only]) => {
      const broken = await fault(client.run({ repeatable: true, endMs: within(2_000) }, (connection, leftMs) => connection.sync("/", leftMs())));
      assert.equal(broken.kind, "unreachable");
      await client.run({ repeatable: true, endMs: within(2_000) }, read);
      await fault(client.run({ repeatable: true, endMs: within(2_000) }, (connection, leftMs) => connection.sync("/", leftMs())));
      const over = await fault(client.run({ repeatable: true, endMs: within(2_000) }, read));
      assert.equal(over.code, ERR.SESSION_EXPIRED);
      assert.equal(over.sent, false);
      const [fresh, known] = ["00".repeat(24), `${"00".repeat(7)}11${"07".repeat(16)}`];
      assert.deepEqual(only?.sessions, keep ? [fresh, known, known] : [fresh, fresh, fresh]);
    }, { keep });
  }
});

for (const [what, act] of Object.entries<Act>({
  "an answer to another question": ({ xid }) => answer(xid + 1, 0, 0),
  "two answers to one question": ({ xid }) => Buffer.concat([answer(xid, 0, ERR.NO_NODE), answer(xid, 0, ERR.NO_NODE)]),
  "an answer with bytes too many": ({ xid }) => answer(xid, 0, 0, Buffer.alloc(200)),
  "an answer that is cut off": ({ xid }) => answer(xid, 0, 0, Buffer.alloc(10)),
  "a frame without an end": () => int(0x7fffffff),
  "a frame without a header": () => frame(Buffer.alloc(3)),
  "an event that is none": () => frame(int(-1), Buffer.alloc(12), Buffer.from("no event")),
})) {
  test(`${what} ends the connection, and nothing else`, () =>
    withClient([fake(act)], async (client) => {
      let over = false;
      // The first of two answers may be right.
      await client.run({ repeatable: true, endMs: within(2_000) }, (connection, leftMs) => {
        connection.whenOver(() => { over = true; });
        return read(connection, leftMs);
      }).catch((error: unknown) => assert.match(String(error), /this is not ZooKeeper/));
      await until(() => over);
    }));
}

test("a handshake that is none is a refusal, and a password is not told", () =>
  withClient([fake(fine, () => frame(Buffer.alloc(5_000)))], async (client) => {
    const failed = await fault(client.run({ repeatable: true, endMs: within(1_000) }, read));
    assert.equal(failed.kind, "refused");
    assert.match(failed.message, /not ZooKeeper: a frame of 5000 bytes/);
  }));

test("a refused password: said so, without it", () =>
  withClient([fake(({ xid, op }) => (op === OP.auth ? answer(xid, 0, ERR.AUTH_FAILED) : null))], async (client) => {
    const failed = await fault(client.run({ repeatable: true, endMs: within(1_000) }, read));
    assert.equal(failed.code, ERR.AUTH_FAILED);
    assert.ok(!`${failed.message} ${failed.stack}`.includes("sesame"));
  }, { auth: { user: "upkeep", password: "sesame" } }));

test("a close ends what is under way, dials and handshakes too", async () => {
  for (const greet of [() => null, () => handshake(17)]) {
    await withClient([fake(() => null, greet)], async (client) => {
      const calling = fault(client.run({ repeatable: true, endMs: within(60_000) }, read));
      setTimeout(() => client.close(), 50);
      const beganMs = performance.now();
      assert.equal((await calling).kind, "closed");
      assert.ok(performance.now() - beganMs < 10_000);
      assert.equal((await fault(client.run({ repeatable: true, endMs: within(1_000) }, read))).kind, "closed");
    });
  }
});

test("a server is HOST:PORT", () => {
  assert.deepEqual(["zk1", "zk1.example.org:2182", "10.0.0.1:1", "[fd77::1]:2181"].map((text) => serverOf(text).name), ["zk1:2181", "zk1.example.org:2182", "10.0.0.1:1", "[fd77::1]:2181"]);
  for (const text of ["", ":2181", "zk1:", "zk1:0", "zk1:65536", "zk1:123456", "fd77::1", "http://zk1", "me:sesame@zk1:1", "zk1:2181/chroot", "a,b"]) {
    assert.throws(() => serverOf(text), (error: Error) => !error.message.includes("sesame"), text);
  }
});
