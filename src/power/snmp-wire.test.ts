import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import { SnmpWire } from "./snmp-wire.ts";

const signal = (): AbortSignal => AbortSignal.timeout(20_000);

async function agent(t: TestContext): Promise<{ readonly socket: Socket; readonly port: number; readonly got: Buffer[] }> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  t.after(() => socket.close());
  await once(socket, "listening");
  const got: Buffer[] = [];
  socket.on("message", (bytes) => got.push(bytes));
  return { socket, port: socket.address().port, got };
}

function send(wire: SnmpWire, text: string): Promise<Error | null> {
  const bytes = Buffer.from(text);
  return new Promise((resolve) => wire.send(bytes, 0, bytes.length, 0, "", resolve));
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) assert.ok(performance.now() < end);
}

test("of a command one datagram leaves, whatever the library above it tries", async (t) => {
  const { port, got } = await agent(t);
  const wire = await SnmpWire.open("localhost", port, false, signal()).catch(() => SnmpWire.open("127.0.0.1", port, false, signal()));
  t.after(() => wire.close());
  assert.equal(await send(wire, "get"), null);
  wire.allowOne();
  assert.equal(await send(wire, "set"), null);
  assert.match(String(await send(wire, "set again")), /sent once/);
  assert.match(String(await send(wire, "get")), /sent once/);
  wire.allowAll();
  assert.equal(await send(wire, "last"), null);
  await until(() => got.length >= 3);
  assert.deepEqual(got.map(String), ["get", "set", "last"]);
});

/** A response (or report) of SNMPv3 as its flags say, by hand: one BER element of less than 128 bytes after another. */
function third(flags: number, pdu: number): Buffer {
  const part = (tag: number, ...content: readonly Buffer[]): Buffer => Buffer.concat([Buffer.from([tag, Buffer.concat(content).length]), ...content]);
  const number = part(0x02, Buffer.from([1]));
  const empty = part(0x04);
  const data = (flags & 2) === 0 ? part(0x30, empty, empty, part(pdu, number, number, number, part(0x30))) : part(0x04, Buffer.alloc(8));
  return part(0x30, part(0x02, Buffer.from([3])), part(0x30, number, number, part(0x04, Buffer.from([flags])), number), part(0x04, part(0x30, empty, number, number, empty, empty, empty)), data);
}

test("to a question that was signed and encrypted only such an answer is let in, and a report; to others any", async (t) => {
  const { socket, port } = await agent(t);
  for (const onlyProtected of [true, false]) {
    const wire = await SnmpWire.open("127.0.0.1", port, onlyProtected, signal());
    t.after(() => wire.close());
    const heard: string[] = [];
    wire.on("message", (bytes: Buffer) => heard.push(bytes.toString("hex")));
    const asked = once(socket, "message") as Promise<[Buffer, { port: number }]>;
    await send(wire, "hello");
    const [, client] = await asked;
    const plain = third(0, 0xa2);
    const signed = third(1, 0xa2);
    const both = third(3, 0xa2);
    const report = third(0, 0xa8);
    for (const bytes of [Buffer.from("nonsense"), plain, signed, report, both]) socket.send(bytes, client.port, "127.0.0.1");
    await until(() => heard.includes(both.toString("hex")));
    assert.deepEqual(heard, (onlyProtected ? [report, both] : [plain, signed, report, both]).map((bytes) => bytes.toString("hex")));
  }
});

test("a stranger is not heard, and a closed port is told", async (t) => {
  const { socket, port } = await agent(t);
  const wire = await SnmpWire.open("127.0.0.1", port, false, signal());
  t.after(() => wire.close());
  const heard: Buffer[] = [];
  wire.on("message", (bytes: Buffer) => heard.push(bytes));
  const asked = once(socket, "message") as Promise<[Buffer, { port: number }]>;
  await send(wire, "hello");
  const [, client] = await asked;
  const stranger = createSocket("udp4");
  t.after(() => stranger.close());
  await new Promise((resolve) => stranger.send(third(0, 0xa2), client.port, "127.0.0.1", resolve));
  socket.send(third(3, 0xa2), client.port, "127.0.0.1");
  await until(() => heard.length > 0);
  assert.deepEqual(heard, [third(3, 0xa2)]);

  const closed = createSocket("udp4").bind(0, "127.0.0.1");
  await once(closed, "listening");
  const free = closed.address().port;
  closed.close();
  const nobody = await SnmpWire.open("127.0.0.1", free, false, signal());
  t.after(() => nobody.close());
  await send(nobody, "hello");
  await until(() => nobody.refused !== null);
  assert.match(nobody.refused ?? "", /nothing listens/);
});

test("an abort and a name that does not resolve are told before anything is sent", async () => {
  await assert.rejects(SnmpWire.open("127.0.0.1", 9, false, AbortSignal.abort()), (error) => error instanceof UpkeepError && error.code === "POWER_TIMEOUT");
  await assert.rejects(SnmpWire.open("nowhere.invalid", 9, false, signal()), (error) => error instanceof UpkeepError && error.code === "POWER_UNREACHABLE");
});
