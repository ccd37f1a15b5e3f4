// The roster of agents: what a code is worth, and what becomes of it over restarts, a store that fails, and several watchers.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLedger } from "../../stores/embedded.ts";
import { pinRefused } from "../agents.ts";
import { Hand } from "./hand.ts";
import { Site } from "./several.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const code = (secret: string, forMs = HOUR_MS) => ({ kind: "agent-code", host: "logos", secret, forMs }) as const;
const enroll = (secret: string, pin: string, host = "logos") => ({ kind: "agent-enroll", host, secret, pin }) as const;

function withDoor(): Hand {
  const hand = Hand.running();
  hand.input({ kind: "door", door: { address: "10.0.0.2:7443", pins: ["w1"] } });
  return hand;
}

test("no door, no code; no such host, no code", () => {
  const hand = Hand.running();
  assert.equal(hand.command(code("s"))?.exit, 4);
  hand.input({ kind: "door", door: { address: null, pins: ["w1"] } });
  assert.equal(hand.command({ ...code("s"), host: "nobody" })?.exit, 2);
  assert.equal(hand.command(code("s"))?.exit, 0);
});

test("a code is good once, for one host, for its time, over a restart; the key that came by it needs none any more", () => {
  const hand = withDoor();
  hand.command(code("s1"));
  hand.command(code("s2"));
  assert.equal(hand.command(enroll("s1", "p"))?.exit, 4, "one that was made before is void");
  hand.restart();
  assert.equal(hand.command(enroll("s2", "p", "ethos"))?.exit, 4);
  assert.equal(hand.command(enroll("s2", "p"))?.exit, 0);
  assert.equal(hand.command(enroll("s2", "thief"))?.exit, 4);
  hand.restart();
  assert.equal(hand.command(enroll("s2", "p"))?.exit, 0, "the same key asks again");
  hand.command(code("s3"));
  hand.advance(HOUR_MS + 1_000);
  assert.equal(hand.command(enroll("s3", "q"))?.exit, 4, "its time is over");
});

test("a code whose age cannot be told has ended; a key of which that is true has not", () => {
  const hand = withDoor();
  hand.command(code("s1"));
  hand.command(enroll("s1", "p"));
  hand.command(code("s2"));
  hand.bootId = "boot-2";
  hand.synced = false;
  hand.restart();
  assert.equal(hand.command(enroll("s2", "q"))?.exit, 4);
  const record = hand.state.agents.get("logos");
  assert.ok(record !== undefined);
  assert.equal(pinRefused(record, "p", hand.now()), null);
  assert.match(pinRefused(record, "q", hand.now()) ?? "", /not the key/);
});

test("answered when it is durable; a store that fails makes the outcome unknown, and the code is not good twice", () => {
  const hand = withDoor();
  hand.command(code("s"));
  hand.storeFails = true;
  assert.equal(hand.command(enroll("s", "p"))?.exit, 5);
  hand.command(enroll("s", "thief"));
  hand.advance(5_000);
  assert.notEqual(hand.reply()?.exit ?? 5, 0);
  assert.deepEqual(hand.state.agents.get("logos")?.pins.map(({ pin }) => pin), ["p"]);
  hand.storeFails = false;
  hand.advance(5_000);
  assert.equal(hand.command(enroll("s", "p"))?.exit, 0);
  hand.restart();
  assert.equal(hand.command(enroll("s", "p"))?.exit, 0, "it was written after all");
});

test("a new key is good beside the old one, which ends after a week; a revoked agent renews nothing", () => {
  const hand = withDoor();
  hand.command(code("s"));
  hand.command(enroll("s", "p1"));
  assert.equal(hand.command({ kind: "agent-renew", host: "logos", pin: "p2" })?.exit, 0);
  const refused = (pin: string) => {
    const record = hand.state.agents.get("logos");
    assert.ok(record !== undefined);
    return pinRefused(record, pin, hand.now());
  };
  assert.deepEqual([refused("p1"), refused("p2")], [null, null]);
  hand.nowMs += 8 * DAY_MS;
  hand.wallMs += 8 * DAY_MS;
  assert.match(refused("p1") ?? "", /has expired/);
  assert.equal(refused("p2"), null);
  assert.equal(hand.command({ kind: "agent-revoke", host: "logos" })?.exit, 0);
  assert.match(refused("p2") ?? "", /revoked by anna/);
  assert.equal(hand.command({ kind: "agent-renew", host: "logos", pin: "p3" })?.exit, 4);
  assert.equal(hand.command(enroll("s", "p2"))?.exit, 4, "its key opens nothing any more");
});

test("with several watchers one enrolment is known to all, and of two who write at once a revocation stands", () => {
  const site = Site.running(2);
  const [one, other] = site.watchers;
  assert.ok(one !== undefined && other !== undefined);
  const exit = (watcher: typeof one, command: Parameters<typeof one.ask>[0]) => watcher.ask(command).exit;
  one.input({ kind: "door", door: { address: "10.0.0.2:7443", pins: ["w1"] } });
  other.input({ kind: "door", door: { address: "10.0.0.3:7443", pins: ["w2"] } });
  site.pass(5_000);
  assert.deepEqual([...other.state.doors.keys()].sort(), site.watchers.map(({ name }) => name).sort());
  assert.equal(exit(one, code("s")), 0);
  site.pass(5_000);
  assert.equal(exit(other, enroll("s", "p")), 4, "it is good at the watcher that made it");
  assert.equal(exit(one, enroll("s", "p")), 0);
  site.pass(5_000);
  assert.equal(other.state.agents.get("logos")?.pins[0]?.pin, "p");

  // Both in the same moment: one renews, the other revokes.
  one.input({ kind: "command", id: 9_001, by: "the agent", command: { kind: "agent-renew", host: "logos", pin: "p2" } });
  other.input({ kind: "command", id: 9_002, by: "anna", command: { kind: "agent-revoke", host: "logos" } });
  site.pass(30_000);
  for (const watcher of site.watchers) {
    assert.equal(watcher.state.agents.get("logos")?.revoked?.by, "anna", watcher.name);
    assert.ok(watcher.of("reply").some(({ id }) => id === 9_001 || id === 9_002));
  }
  other.kill();
  site.pass(60_000);
  assert.equal(exit(one, { kind: "forget-watcher", watcher: other.name }), 0);
  site.pass(5_000);
  assert.deepEqual([...one.state.doors.keys()], [one.name], "nobody goes on trusting its key");
});

test("a ledger with agents in it is read again by the next start", async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-roster-"));
  try {
    const hand = withDoor();
    hand.command(code("s"));
    const records = [...hand.records].filter(([key]) => key.startsWith("agent/") || key.startsWith("door/"));
    assert.equal(records.length, 2);
    const first = openLedger({ dataDir: join(folder, "data"), watcherName: "rikis", now: hand.now() });
    const done = await first.store.commit([], records.map(([key, { value }]) => ({ key, value })));
    assert.equal(done.kind, "committed");
    await first.store.close();
    const second = openLedger({ dataDir: join(folder, "data"), watcherName: "rikis", now: hand.now() });
    await second.store.close();
    assert.equal(second.wentBack, null);
    assert.deepEqual(second.records.map(({ key }) => key).filter((key) => /^(agent|door)/.test(key)).sort(), records.map(([key]) => key).sort());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
