import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { diesWithUs } from "../../lab/child.ts";
import { standstill } from "../../lab/standstill.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { closedPort, conformance, noIcmp } from "./conformance.ts";
import { udpPeer, udpSettings } from "./conformance-udp.ts";
import { ntp } from "./ntp.ts";
import type { NtpOptions } from "./ntp.ts";
import type { Finding } from "./probe.ts";

const LOOPBACK = { host: "patient", address: "127.0.0.1", family: 4 } as const;
const LIMIT_MS = 10_000;

type Answer = { readonly first?: number; readonly stratum?: number; readonly id?: string; readonly aheadMs?: number };

function answer(question: Buffer, { first = 0x24, stratum = 2, id = "", aheadMs = 0 }: Answer = {}): Buffer {
  const packet = Buffer.alloc(48);
  packet.writeUInt8(first, 0);
  packet.writeUInt8(stratum, 1);
  packet.write(id, 12, "latin1");
  question.copy(packet, 24, 40, 48);
  const seconds = (Date.now() + aheadMs) / 1_000 + 2_208_988_800;
  for (const at of [32, 40]) {
    packet.writeUInt32BE(Math.floor(seconds) % 0x1_0000_0000, at);
    packet.writeUInt32BE(Math.floor((seconds % 1) * 0x1_0000_0000), at + 4);
  }
  return packet;
}

conformance(
  ntp,
  udpSettings((port) => ({ port }), {
    right: (question) => answer(question),
    another: (question) => answer(Buffer.alloc(question.length, 7)),
  }),
);

async function look(given: Answer, more: Partial<NtpOptions> = {}, synced = true): Promise<Finding> {
  const peer = await udpPeer((question, say) => say(answer(question, given)));
  try {
    return await ntp.run(LOOPBACK, { port: peer.port, ...more }, { icmp: noIcmp, clockSynced: () => synced }, AbortSignal.timeout(LIMIT_MS));
  } finally {
    await peer.close();
  }
}

test("a server that has lost its sources lives; only maxStratum makes it bad", async () => {
  for (const given of [{ stratum: 16 }, { stratum: 0 }, { stratum: 0, id: "INIT" }, { first: 0xe4 }]) {
    const found = await look(given);
    assert.deepEqual([found.outcome, found.perfdata], ["good", []], found.evidence);
    assert.match(found.evidence, /^not synchronised/);
    assert.equal((await look(given, { maxStratum: 15 })).outcome, "bad");
  }
  assert.equal((await look({ stratum: 4 }, { maxStratum: 4 })).outcome, "good");
  const far = await look({ stratum: 5 }, { maxStratum: 4 });
  assert.deepEqual([far.outcome, far.evidence.replace(/offset -?[\d.]+/, "offset X")], ["bad", "stratum 5, offset X ms (at most stratum 4)"]);
});

test("a server that turns us away lives, and cannot be judged", async () => {
  for (const id of ["RATE", "DENY", "RSTR"]) {
    const found = await look({ stratum: 0, id, first: 0xe4 }, { maxStratum: 3 });
    assert.deepEqual([found.outcome, found.sign, found.evidence], ["unknown", "answer", `the server turns us away: ${id}`]);
  }
});

test("an offset speaks against the server only while our own clock is synchronised", async () => {
  const within = await look({ aheadMs: 400 }, { maxOffsetMs: 2_000 });
  assert.equal(within.outcome, "good");
  assert.deepEqual(within.perfdata?.map(({ label, unit }) => [label, unit]), [["offset", "ms"], ["stratum", undefined]]);
  for (const aheadMs of [60_000, -60_000]) {
    const beyond = await look({ aheadMs }, { maxOffsetMs: 2_000 });
    assert.deepEqual([beyond.outcome, beyond.sign], ["bad", "answer"], beyond.evidence);
    assert.match(beyond.evidence, /^stratum 2, offset -?\d+ s \(at most 2000 ms\)$/);
    const ours = await look({ aheadMs }, { maxOffsetMs: 2_000 }, false);
    assert.equal(ours.outcome, "unknown");
    assert.match(ours.evidence, /this watcher's clock, which is not synchronised itself$/);
  }
  assert.equal((await look({ stratum: 16 }, { maxOffsetMs: 2_000 })).outcome, "bad");
});

const skip = lacking("chronyd");

test("a real chronyd: synchronised to itself, an hour ahead, without a source, stopped, gone", { skip }, async (t) => {
  thirdParty("chrony", [programPath("chronyd") ?? "", "--version"]);
  const synced = await chronyd(t, ["local stratum 5"]);
  const found = await until(synced.port, {});
  assert.equal(found.outcome, "good");
  assert.match(found.evidence, /^stratum 5, offset -?[\d.]+ ms$/);
  assert.ok(Math.abs(found.perfdata?.[0]?.value ?? NaN) < 1_000, found.evidence);
  assert.equal((await lookAt(synced.port, { maxStratum: 4 })).outcome, "bad");
  assert.equal((await lookAt(synced.port, { maxOffsetMs: 1_000 })).outcome, "good");
  await standstill(synced.child);
  await assert.rejects(ntp.run(LOOPBACK, { port: synced.port }, { icmp: noIcmp }, AbortSignal.timeout(200)));
  synced.child.kill("SIGCONT");
  await synced.stop();
  assert.deepEqual(await lookAt(synced.port, {}), { outcome: "bad", sign: "refused", evidence: "connection refused" });

  const lost = await chronyd(t, []);
  const without = await until(lost.port, {});
  assert.deepEqual([without.outcome, without.evidence], ["good", "not synchronised"]);
  assert.equal((await lookAt(lost.port, { maxStratum: 15 })).outcome, "bad");
});

test("a real chronyd whose clock is an hour ahead", { skip: lacking("chronyd", "faketime") }, async (t) => {
  thirdParty("chrony", [programPath("chronyd") ?? "", "--version"]);
  const ahead = await chronyd(t, ["local stratum 5"], ["faketime", "-f", "+1h"]);
  const found = await until(ahead.port, {});
  assert.match(found.evidence, /^stratum 5, offset 3\d\d\d s$/);
  assert.equal((await lookAt(ahead.port, { maxOffsetMs: 60_000 })).outcome, "bad");
});

function lookAt(port: number, more: Partial<NtpOptions>): Promise<Finding> {
  return ntp.run(LOOPBACK, { port, ...more }, { icmp: noIcmp, clockSynced: () => true }, AbortSignal.timeout(LIMIT_MS));
}

/** The first finding that is no refusal. */
async function until(port: number, more: Partial<NtpOptions>): Promise<Finding> {
  for (const endsAtMs = performance.now() + LIMIT_MS; ; await pause(30)) {
    const found = await lookAt(port, more);
    if (found.sign !== "refused") return found;
    assert.ok(performance.now() < endsAtMs, "chronyd did not start");
  }
}

async function chronyd(t: TestContext, lines: readonly string[], wrapper: readonly string[] = []): Promise<{ port: number; child: ReturnType<typeof spawn>; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-chrony-${process.pid}-`));
  const port = await closedPort();
  writeFileSync(join(folder, "conf"), [`port ${port}`, "bindaddress 127.0.0.1", "cmdport 0", "bindcmdaddress /", "allow 127.0.0.1", `pidfile ${folder}/pid`, ...lines, ""].join("\n"));
  // -x: it never sets this machine's clock. Bound twice: faketime has it as a child of its own.
  const [program = "", ...rest] = [...diesWithUs(), ...wrapper, ...diesWithUs(), programPath("chronyd") ?? "", "-x", "-d", "-u", "root", "-f", join(folder, "conf")];
  const child = spawn(program, rest, { stdio: "ignore" });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  t.after(stop);
  return { port, child, stop };
}
