// One device, one session: what is asked together, how long a session is kept, and how it ends when another watcher may log
// in. Time stands still until it is moved.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActOutcome, ReadResult } from "../core/io.ts";
import type { PowerDevice, Reading } from "../power/power.ts";
import { DeviceQueue } from "./device-queue.ts";
import type { Clock } from "./ports.ts";
import { VirtualClock } from "../process/virtual-clock.ts";

type Device = {
  readonly queue: DeviceQueue;
  readonly clock: VirtualClock;
  /** `open`, `read 1`, `off 1`, `close`, in the order in which the device saw them. */
  readonly seen: string[];
  /** Sessions that are open. */
  sessions: number;
  /** The next answer of the device is held until this is called. */
  answer: (() => void) | null;
  hold: boolean;
};

function device(): Device {
  const clock = new VirtualClock();
  const ports: Clock = { now: () => ({ bootMs: clock.nowMs(), wallMs: 0, bootId: "b", synced: true }), at: (atMs, then) => clock.at(atMs, then) };
  const seen: string[] = [];
  const wait = (signal: AbortSignal) => new Promise<void>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    if (made.hold) made.answer = resolve;
    else resolve();
  });
  const power: PowerDevice = {
    open: async (signal) => {
      seen.push("open");
      await wait(signal);
      made.sessions += 1;
      assert.equal(made.sessions, 1, "two sessions at once");
      const reading = (outlet: string): Reading => ({ outlet, state: "on", label: null });
      return {
        read: async (outlets, reading_) => {
          seen.push(`read ${outlets.join(",")}`);
          await wait(reading_);
          return outlets.map(reading);
        },
        set: async (outlet, action, fire, setting) => {
          const went = await fire(reading(outlet), () => seen.push(`${action} ${outlet}`));
          if (!went) return { kind: "refused", by: "gate", evidence: "not let go" };
          await wait(setting);
          return { kind: "accepted", evidence: "Success" };
        },
        close: async () => {
          made.sessions -= 1;
          seen.push("close");
        },
      };
    },
  };
  const made: Device = { queue: new DeviceQueue(() => power, ports), clock, seen, sessions: 0, answer: null, hold: false };
  return made;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const read = (at: Device, outlet = "1") => new Promise<ReadResult>((resolve) => at.queue.read([outlet], 30_000, resolve));
const codeOf = (result: ReadResult | ActOutcome): string => ("code" in result ? result.code : "kind" in result ? result.kind : "ok");

function act(at: Device, letGo: () => Promise<boolean> = async () => true): Promise<ActOutcome> {
  return new Promise((resolve) => {
    at.queue.act("1", "off", 30_000, async (_reading, write) => {
      const go = await letGo();
      try {
        if (go) write();
      } catch {
        // As the watcher does: the driver finds out that its session is over.
      }
      return go;
    }, resolve);
  });
}

test("a session is kept for the next request, and logged out of when nobody comes", async () => {
  const at = device();
  assert.equal((await read(at)).ok, true);
  await at.clock.advance(2_000);
  assert.equal((await read(at, "2")).ok, true);
  assert.deepEqual([at.seen, at.sessions], [["open", "read 1", "read 2"], 1]);
  await at.clock.advance(2_600);
  assert.deepEqual([at.seen.at(-1), at.sessions], ["close", 0]);
});

test("hanging up ends a session that is only kept", async () => {
  const at = device();
  await read(at);
  at.queue.hangUp();
  await settle();
  assert.deepEqual([at.seen, at.sessions], [["open", "read 1", "close"], 0]);
  at.queue.hangUp();
  await settle();
  assert.equal(at.seen.length, 3);
  assert.equal((await read(at)).ok, true, "what comes later opens another");
});

test("hanging up aborts a read, fails what waits behind it, and leaves no session", async () => {
  const at = device();
  await read(at);
  await settle();
  at.hold = true;
  const reads = [read(at, "1"), read(at, "2")];
  const waits = act(at);
  await settle();
  assert.deepEqual(at.seen, ["open", "read 1", "read 1"]);
  const began = at.seen.length;
  at.queue.hangUp();
  const results = await Promise.all([...reads, waits]);
  await settle();
  assert.deepEqual(results.map(codeOf), ["POWER_BUSY", "POWER_BUSY", "POWER_BUSY"]);
  assert.deepEqual([at.seen.slice(began), at.sessions], [["close"], 0]);
});

test("hanging up while the device is logged in to leaves no session", async () => {
  const at = device();
  at.hold = true;
  const result = read(at);
  await settle();
  assert.deepEqual(at.seen, ["open"]);
  at.queue.hangUp();
  assert.equal(codeOf(await result), "POWER_BUSY");
  await settle();
  assert.equal(at.sessions, 0);
  at.hold = false;
  assert.equal((await read(at)).ok, true);
});

test("hanging up while it waits at the gate: nothing is written, even if it is let go after that", async () => {
  for (const go of [false, true]) {
    const at = device();
    let open: (go: boolean) => void = () => assert.fail("not at the gate");
    const outcome = act(at, () => new Promise((resolve) => { open = resolve; }));
    await settle();
    at.queue.hangUp();
    open(go);
    assert.match(codeOf(await outcome), go ? /POWER_BUSY/ : /refused/);
    await settle();
    assert.deepEqual([at.seen, at.sessions], [["open", "close"], 0]);
  }
});

test("an act whose byte has gone out is heard to its end, and then the session is over", async () => {
  const at = device();
  await read(at);
  await settle();
  at.hold = true;
  const outcome = act(at);
  await settle();
  assert.equal(at.seen.at(-1), "off 1");
  const later = read(at);
  at.queue.hangUp();
  assert.equal(codeOf(await later), "POWER_BUSY");
  assert.equal(at.sessions, 1);
  at.hold = false;
  at.answer?.();
  assert.deepEqual(await outcome, { kind: "accepted", evidence: "Success" });
  await settle();
  assert.deepEqual([at.seen.at(-1), at.sessions], ["close", 0]);
});

test("a device is lent with no session of ours open, and what waits is asked afterwards", async () => {
  const it = device();
  const read = new Promise<ReadResult>((done) => it.queue.read(["1"], 5_000, done));
  const lent = it.queue.lend(5_000, async (power, signal) => {
    const session = await power.open(signal);
    it.seen.push("lent");
    await session.close();
    return "recorded";
  });
  const after = new Promise<ReadResult>((done) => it.queue.read(["2"], 5_000, done));
  assert.equal((await read).ok, true);
  assert.equal(await lent, "recorded");
  assert.equal((await after).ok, true);
  assert.deepEqual(it.seen, ["open", "read 1", "close", "open", "lent", "close", "open", "read 2"]);
});

test("an act ends a loan at once, and a loan that fails is told and holds nobody up", async () => {
  const it = device();
  it.hold = true;
  const lent = it.queue.lend(60_000, (power, signal) => power.open(signal));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(it.seen, ["open"]);
  it.hold = false;
  const outcome = new Promise<ActOutcome>((done) => {
    it.queue.act("1", "off", 5_000, async (_, write) => {
      write();
      return true;
    }, done);
  });
  await assert.rejects(lent, /given up for a command/);
  assert.equal((await outcome).kind, "accepted");
  assert.deepEqual(it.seen, ["open", "open", "off 1"]);
  await assert.rejects(it.queue.lend(5_000, () => Promise.reject(new Error("no"))), /no/);
  assert.equal((await new Promise<ReadResult>((done) => it.queue.read(["1"], 5_000, done))).ok, true);
  await it.queue.close();
  await assert.rejects(it.queue.lend(5_000, async () => "never"), /POWER|too many|wait/);
});

test("a meter is asked within the session, after an act that waits, and one that has none is told as such", async () => {
  const made = device();
  const heard: unknown[] = [];
  made.hold = true;
  made.queue.read(["1"], 10_000, () => {});
  made.queue.meter(["1"], 10_000, (result) => heard.push(result));
  made.queue.act("1", "off", 10_000, (_, write) => (write(), Promise.resolve(true)), () => {});
  made.hold = false;
  made.answer?.();
  for (let turns = 0; turns < 200 && heard.length === 0; turns += 1) await new Promise(setImmediate);
  assert.deepEqual(heard, [{ ok: false, code: "POWER_NONSENSE", evidence: "its driver does not read what is drawn" }]);
  assert.deepEqual(made.seen.slice(0, 3), ["open", "read 1", "off 1"]);
  await made.queue.close();
});
