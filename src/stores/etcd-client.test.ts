// Calls against servers that only look like etcd: what is repeated and what never is, and that nothing which a server says
// can hurt. No etcd is needed for these.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import net from "node:net";
import { test } from "node:test";
import { EtcdClient } from "./etcd-client.ts";
import type { ClientOptions } from "./etcd-client.ts";
import { txnAnswer } from "./etcd-wire.ts";
import type { TxnAnswer } from "./etcd-wire.ts";
import { Fault } from "./fault.ts";

const FINE = '{"header":{"cluster_id":"17","revision":"5"},"succeeded":true}';
type Act = (request: IncomingMessage, response: ServerResponse, body: string) => void;
type Fake = { readonly endpoint: string; readonly bodies: string[]; close(): Promise<void> };

async function fake(act: Act): Promise<Fake> {
  const bodies: string[] = [];
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => void parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString();
      bodies.push(`${request.url} ${body}`);
      act(request, response, body);
    });
    request.on("error", () => undefined);
    response.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    bodies,
    endpoint: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const says = (text: string, status = 200): Act => (_request, response) => void response.writeHead(status).end(text);

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

async function withClient(acts: readonly Act[], body: (client: EtcdClient, fakes: readonly Fake[]) => Promise<void>, options: { readonly auth?: ClientOptions["auth"]; readonly before?: readonly string[] } = {}): Promise<void> {
  const fakes = await Promise.all(acts.map(fake));
  const client = new EtcdClient({ endpoints: [...(options.before ?? []), ...fakes.map(({ endpoint }) => endpoint)], ...(options.auth === undefined ? {} : { auth: options.auth }) });
  try {
    await body(client, fakes);
  } finally {
    client.close();
    for (const each of fakes) await each.close();
  }
}

function txn(client: EtcdClient, repeatable: boolean, ms = 20_000): Promise<TxnAnswer> {
  return client.call({ path: "/v3/kv/txn", body: { n: 1 }, schema: txnAnswer, repeatable, ms });
}

async function faultOf(call: Promise<unknown>): Promise<Fault> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  assert.fail("it was answered");
}

test("a write that was sent is not repeated at another endpoint; a read is", async () => {
  const breaks: Act = (request) => void request.socket.destroy();
  await withClient([breaks, says(FINE)], async (client, [first, second]) => {
    const fault = await faultOf(txn(client, false));
    assert.deepEqual([fault.kind, fault.sent], ["unreachable", true]);
    assert.equal(first?.bodies.length, 1);
    assert.equal(second?.bodies.length, 0);
    // The next call goes to the other endpoint, and stays there.
    assert.equal((await txn(client, false)).header.revision, 5);
    assert.equal(second?.bodies.length, 1);
  });
  await withClient([breaks, says(FINE)], async (client) => {
    assert.equal((await txn(client, true)).succeeded, true);
  });
});

test("a write that was answered in the middle of the way is not repeated either", async () => {
  const half: Act = (request, response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write(FINE, () => request.socket.destroy());
  };
  await withClient([half, says(FINE)], async (client, [, second]) => {
    const fault = await faultOf(txn(client, false));
    assert.equal(fault.sent, true);
    assert.equal(second?.bodies.length, 0);
  });
});

test("a write that could not be sent goes to the next endpoint", async () => {
  await withClient([says(FINE)], async (client, [only]) => {
    assert.equal((await txn(client, false)).header.revision, 5);
    assert.equal(only?.bodies.length, 1);
  }, { before: [await nobody(), await nobody()] });
});

test("nothing takes longer than its time, and it is divided among the endpoints of a read", async () => {
  const silent: Act = () => undefined;
  await withClient([silent, silent, says(FINE)], async (client, fakes) => {
    assert.equal((await txn(client, true, 3_000)).header.revision, 5);
    assert.deepEqual(fakes.map(({ bodies }) => bodies.length), [1, 1, 1]);
  });
  await withClient([silent], async (client) => {
    const beganMs = performance.now();
    const fault = await faultOf(txn(client, false, 300));
    assert.deepEqual([fault.kind, fault.sent], ["unreachable", true]);
    const tookMs = performance.now() - beganMs;
    assert.ok(tookMs >= 290 && tookMs < 10_000, `${tookMs} ms`);
  });
});

test("answers that are not etcd's are refused, each in one line", async () => {
  const nonsense = [
    "", "nope", "[]", "null", '{"header":{}}', '{"header":{"cluster_id":17}}', '{"header":{"cluster_id":"17","revision":"-1"}}',
    '{"header":{"cluster_id":"17","revision":"9007199254740993"}}', '{"header":{"cluster_id":"17","revision":"5"},"responses":[{"response_range":{"kvs":[{"key":"%%%","mod_revision":"1"}]}}]}',
    '{"header":{"cluster_id":"17","revision":"5"},"responses":{}}', "{".repeat(100_000), `"${"x\n".repeat(5_000)}`,
  ];
  for (const text of nonsense) {
    await withClient([says(text)], async (client) => {
      const fault = await faultOf(txn(client, false));
      assert.equal(fault.kind, "refused", text.slice(0, 50));
      assert.equal(fault.sent, true);
      assert.ok(fault.message.length < 600 && !fault.message.includes("\n"));
    });
  }
  for (const [text, status] of [["<html>", 502], ['{"code":"x"}', 500], ["", 404]] as const) {
    await withClient([says(text, status)], async (client) => assert.equal((await faultOf(txn(client, true))).kind, "refused"));
  }
});

test("an answer without an end is cut off", { timeout: 60_000 }, async () => {
  const flood: Act = (_request, response) => {
    const part = Buffer.alloc(1 << 20, 32);
    const pour = (): void => {
      while (!response.destroyed && response.write(part)) { /* until the other side does not take it */ }
    };
    response.writeHead(200).on("drain", pour);
    pour();
  };
  await withClient([flood], async (client) => assert.equal((await faultOf(txn(client, true, 50_000))).kind, "large"));
});

test("what the store itself refuses is not asked again elsewhere; what it could not do is, unless it is a write", async () => {
  const denied = says('{"code":7,"message":"etcdserver: permission denied"}', 403);
  const unavailable = says('{"code":14,"message":"etcdserver: request timed out"}', 503);
  await withClient([denied, says(FINE)], async (client, [, second]) => {
    const fault = await faultOf(txn(client, true));
    assert.deepEqual([fault.kind, fault.code], ["refused", 7]);
    assert.equal(second?.bodies.length, 0);
  });
  await withClient([unavailable, says(FINE)], async (client) => assert.equal((await txn(client, true)).header.revision, 5));
  await withClient([unavailable, says(FINE)], async (client, [, second]) => {
    assert.deepEqual((await faultOf(txn(client, false))).kind, "unreachable");
    assert.equal(second?.bodies.length, 0);
  });
});

test("an endpoint of another cluster is not listened to", async () => {
  const answers = [FINE, FINE.replace('"17"', '"18"')];
  await withClient([(_request, response) => void response.end(answers.shift() ?? FINE.replace('"17"', '"18"'))], async (client) => {
    await txn(client, true);
    assert.equal(client.cluster, "17");
    const fault = await faultOf(txn(client, true));
    assert.equal(fault.kind, "foreign");
    assert.match(fault.message, /cluster 18, and ours is 17/);
  });
});

test("a password that a server repeats does not get into an error; a token is asked for once and renewed when it ended", async () => {
  const auth = { user: "upkeep", password: "sesame-9" };
  await withClient([(_request, response, body) => void response.writeHead(400).end(JSON.stringify({ code: 3, message: `bad: ${body}` }))], async (client) => {
    const fault = await faultOf(txn(client, true));
    assert.ok(!fault.message.includes("sesame"), fault.message);
    assert.match(fault.message, /‹hidden›/);
  }, { auth });

  let tokens = 0;
  const store: Act = (request, response) => {
    if (request.url === "/v3/auth/authenticate") {
      tokens += 1;
      return void response.end(`{"header":{"cluster_id":"17"},"token":"token-${tokens}"}`);
    }
    if (request.headers.authorization !== "token-2") return void response.writeHead(401).end('{"code":16,"message":"etcdserver: invalid auth token"}');
    response.end(FINE);
  };
  await withClient([store], async (client) => {
    assert.equal((await txn(client, false)).header.revision, 5);
    assert.equal((await txn(client, false)).header.revision, 5);
    assert.equal(tokens, 2);
  }, { auth });
});

/** Streams from a server that answers as soon as it hears anything; why the stream ended, and its lines. */
async function streamed(answer: (socket: net.Socket) => void): Promise<{ readonly lines: readonly string[]; readonly ends: readonly string[] }> {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => answer(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new EtcdClient({ endpoints: [`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`] });
  try {
    const [lines, ends]: [string[], string[]] = [[], []];
    const over = Promise.withResolvers<void>();
    await client.stream("/v3/watch", {}, 20_000, (line) => void lines.push(line), (because) => {
      ends.push(because);
      over.resolve();
    });
    await over.promise;
    return { lines, ends };
  } finally {
    client.close();
    server.close();
  }
}

test("a stream: lines as they come, and one end", async () => {
  const { lines, ends } = await streamed((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n{"a":');
    setImmediate(() => {
      socket.write('1}\n{"b":2}\n\n{"c"');
      setImmediate(() => socket.end());
    });
  });
  assert.deepEqual(lines, ['{"a":1}', '{"b":2}']);
  assert.equal(ends.length, 1);
});

test("a line of a stream that never ends is cut off", { timeout: 60_000 }, async () => {
  const { lines, ends } = await streamed((socket) => {
    const part = Buffer.alloc(1 << 20, 32);
    const pour = (): void => {
      while (!socket.destroyed && socket.write(part)) { /* until the other side does not take it */ }
    };
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.on("drain", pour);
    pour();
  });
  assert.deepEqual(lines, []);
  assert.match(ends.join(), /a line longer than/);
});

test("a stream that is refused says how", async () => {
  await assert.rejects(streamed((socket) => void socket.end("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")), { kind: "refused", message: /HTTP 503 to a watch/ });
});
