import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startQemu } from "../../lab/qemu.ts";
import type { Qemu } from "../../lab/qemu.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { UpkeepError } from "../core/errors.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";
import { qmp } from "./qmp.ts";

const SKIP = lacking("qemu-system-x86_64");

async function started(): Promise<Qemu> {
  thirdParty("QEMU", [programPath("qemu-system-x86_64") ?? "", "--version"]);
  return await startQemu();
}

async function rig(stepMs: number): Promise<PowerRig> {
  const qemu = await started();
  return {
    device: qmp.create({ socket: qemu.socket, on: qemu.on, stepMs, maxActMs: 30_000 }),
    outlet: "1", other: "1", unknown: "2",
    secrets: ["hunter2"],
    commands: () => qemu.commands().map((command) => `${command} 1`),
    truth: async () => {
      for (let turn = 0; turn < 100 && qemu.truth() === "on" && qemu.commands().at(-1) === "off"; turn++) await new Promise((resolve) => setTimeout(resolve, 20));
      return qemu.truth();
    },
    loseAnswer: () => (qemu.faults.loseAnswer = true),
    loseCommand: () => (qemu.faults.loseCommand = true),
    hang: () => (qemu.faults.silent = true),
    close: () => qemu.close(),
  };
}

powerConformance("qmp", () => rig(20_000), () => rig(900), SKIP);

const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};
const failsWith = (code: string, message: RegExp) => (error: unknown): boolean => error instanceof UpkeepError && error.code === code && message.test(error.message);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "upkeep-qmp-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const options = (socket: string, stepMs = 5_000) => ({ socket, on: ["/bin/true"], stepMs, maxActMs: 30_000 });

test("off is what the kernel says: no socket in a folder that is there; without the folder nobody knows", async (t) => {
  const place = folder(t);
  const session = await qmp.create(options(join(place, "qmp"))).open(signal());
  assert.equal((await session.read(["1"], signal()))[0]?.state, "off");
  assert.deepEqual(await session.set("1", "off", yes, signal()), { kind: "unknown", evidence: "nothing was sent: no QEMU is there to quit" });
  const nowhere = await qmp.create(options(join(place, "no/qmp"))).open(signal());
  await assert.rejects(nowhere.read(["1"], signal()), failsWith("POWER_UNREACHABLE", /nobody knows/));
});

test("a socket that is bound and whose file was removed is unknown, not off", async (t) => {
  const place = folder(t);
  const server = createServer().listen(join(place, "qmp"));
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  rmSync(join(place, "qmp"));
  const session = await qmp.create(options(join(place, "qmp"))).open(signal());
  assert.equal((await session.read(["1"], signal()))[0]?.state, "unknown");
});

test("a second client is told that it is busy, and so is whoever comes third", { skip: SKIP }, async (t) => {
  const qemu = await started();
  t.after(() => qemu.close());
  const first = await qmp.create(options(qemu.socket)).open(signal());
  const others = await Promise.allSettled([1, 2].map(() => qmp.create(options(qemu.socket, 500)).open(signal())));
  for (const other of others) assert.ok(other.status === "rejected" && failsWith("POWER_BUSY", /one client/)(other.reason));
  assert.equal((await first.read(["1"], signal()))[0]?.state, "on");
  await first.close();
});

test("nonsense, a line without an end, and who hangs up are told as such", async (t) => {
  const place = folder(t);
  for (const [index, [says, code]] of ([["hello\n", "POWER_NONSENSE"], ["[1]\n7\n", "POWER_NONSENSE"], ["x".repeat(100_000), "POWER_NONSENSE"], [null, "POWER_UNREACHABLE"]] as const).entries()) {
    const socket = join(place, `s${index}`);
    const server = createServer((client) => void client.on("error", () => {}).end(says ?? "")).listen(socket);
    t.after(() => server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    await assert.rejects(qmp.create(options(socket, 700)).open(signal()), failsWith(code, /./), String(says).slice(0, 10));
  }
});

test("a QEMU that ends by itself reads off in the same session, and one that was started reads on", { skip: SKIP }, async (t) => {
  const qemu = await started();
  t.after(() => qemu.close());
  const session = await qmp.create({ ...options(qemu.socket, 20_000), on: qemu.on }).open(signal());
  assert.equal((await session.read(["1"], signal()))[0]?.state, "on");
  await session.set("1", "off", yes, signal());
  const state = async (): Promise<string | undefined> => (await session.read(["1"], signal()))[0]?.state;
  for (const end = performance.now() + 20_000; (await state()) !== "off"; await new Promise((resolve) => setTimeout(resolve, 20))) assert.ok(performance.now() < end);
  assert.equal((await session.set("1", "on", yes, signal())).kind, "accepted");
  assert.equal(await state(), "on");
  await session.close();
  // Nothing of the session is left: the next client is greeted.
  const next = connect(qemu.socket);
  t.after(() => next.destroy());
  assert.match(String(await new Promise((resolve) => next.once("data", resolve))), /"QMP"/);
});
