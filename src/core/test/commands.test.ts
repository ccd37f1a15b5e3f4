// What people ask for: each is answered once, with a sentence and an exit code, after what it changed is durable.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "../io.ts";
import type { HostRecord } from "../records.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const fence = (host: string, change: Partial<Extract<Command, { kind: "fence" }>> = {}): Command => ({ kind: "fence", host, reason: "hangs", again: false, confirm: null, ...change });
const power = (host: string, action: "on" | "off" | "cycle", change: Partial<Extract<Command, { kind: "power" }>> = {}): Command => ({ kind: "power", host, action, reason: "work", again: false, confirm: null, ...change });
const put = (brake: Extract<Command, { kind: "brake" }>["brake"], scope: string, forMs: number | null = null): Command => ({ kind: "brake", brake, scope, forMs, reason: "" });
const two = () => policyOf([hostPolicy({ name: "logos" }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]);

function changeRecord(hand: Hand, change: Partial<HostRecord>): void {
  hand.state = { ...hand.state, hosts: hand.state.hosts.with("logos", { ...hand.host(), record: { ...hand.record(), ...change } }) };
}

test("every command to nobody is a usage error that names who there is", () => {
  const commands: Command[] = [fence("nobody"), power("nobody", "on"), power("nobody", "off"), { kind: "confirm-off", host: "nobody", confirm: "nobody", reason: "" }, { kind: "release", host: "nobody" }, put("maintenance", "nobody"), put("kdump", "nobody")];
  for (const command of commands) {
    const hand = Hand.running(two());
    const reply = hand.command(command);
    assert.equal(reply?.exit, 2, command.kind);
    assert.match(reply?.text ?? "", /there is no host nobody; hosts: logos, ethos/);
    assert.equal(hand.told("command-refused").length, 1);
  }
});

test("what there is nothing to do for is no, in a sentence", () => {
  const cases: [Command, RegExp][] = [
    [{ kind: "release", host: "logos" }, /^logos is not held$/],
    [{ kind: "storm-proceed" }, /^there is no storm$/],
    [{ kind: "ack", alarm: "held:logos" }, /^there is no alarm held:logos$/],
    [{ kind: "unbrake", brake: "maintenance", scope: "logos" }, /^there is no maintenance for logos$/],
    [{ kind: "unbrake", brake: "disarmed", scope: "*" }, /^there is no disarmed for the whole fleet$/],
  ];
  for (const [command, text] of cases) {
    const reply = Hand.running(two()).command(command);
    assert.equal(reply?.exit, 1, command.kind);
    assert.match(reply?.text ?? "", text);
  }
});

test("an answer comes when what was changed is durable, and not before", () => {
  const changes: Command[] = [put("maintenance", "logos"), put("disarmed", "*"), fence("logos", { confirm: "logos" }), power("logos", "off", { confirm: "logos" }), power("logos", "on"), { kind: "confirm-off", host: "logos", confirm: "logos", reason: "" }];
  for (const command of changes) {
    const hand = Hand.running(two());
    hand.auto.delete("store");
    assert.equal(hand.command(command), undefined, `${command.kind} is not answered yet`);
    while (hand.state.pending.size > 0) hand.store();
    assert.equal(hand.reply()?.exit, 0, command.kind);
  }
});

test("wanted off that was acknowledged is in the ledger", () => {
  const hand = Hand.running(two());
  hand.auto.delete("store");
  hand.command(power("logos", "off", { confirm: "logos" }));
  while (hand.reply() === undefined) hand.store();
  assert.equal((hand.records.get("host/logos")?.value as HostRecord).wanted.state, "off");
});

test("an answer comes once, also when another transaction takes along what was changed", () => {
  const hand = Hand.running(two());
  changeRecord(hand, { hold: { kind: "budget", because: "spent", since: { bootMs: 1, wallMs: 1, bootId: "boot-1" }, sticky: true } });
  hand.auto.delete("store");
  // A transaction is under way, so that the release has to wait; then an operation takes the host's record along.
  hand.command(put("maintenance", "ethos"));
  hand.command({ kind: "release", host: "logos" });
  hand.command(fence("logos", { confirm: "logos" }));
  while (hand.state.pending.size > 0) hand.store();
  hand.advance(1_000);
  while (hand.state.pending.size > 0) hand.store();
  const ids = hand.of("reply").map((reply) => reply.id);
  assert.deepEqual([...ids].sort(), [...new Set(ids)].sort());
  assert.equal(ids.length, 3);
  assert.equal((hand.records.get("host/logos")?.value as HostRecord).hold, null);
});

test("what cannot be recorded is said to be of unknown outcome", () => {
  for (const command of [put("maintenance", "logos"), fence("logos", { confirm: "logos" })]) {
    const hand = Hand.running(two());
    hand.storeFails = true;
    const reply = hand.command(command);
    assert.equal(reply?.exit, 5, command.kind);
    assert.match(reply?.text ?? "", /could not be recorded: disk full$/);
    hand.advance(30_000);
    assert.deepEqual(hand.bytes(), [], "and nothing is cut on it");
  }
});

test("a watcher that is stopping takes no command", () => {
  const hand = Hand.running(two());
  hand.auto.delete("store");
  hand.bad("logos", 5);
  hand.input({ kind: "stop" });
  for (const command of [fence("ethos"), put("maintenance", "logos"), power("ethos", "on")]) assert.equal(hand.command(command)?.exit, 4);
});

// ---- cuts --------------------------------------------------------------------------------------------------------------

test("a serving host wants its name typed, exactly; a host that does not serve does not", () => {
  for (const confirm of [null, "", "logo", "LOGOS", "ethos"]) {
    const hand = Hand.running(two());
    const reply = hand.command(fence("logos", { confirm }));
    assert.deepEqual([reply?.exit, reply?.confirm], [4, "logos"], String(confirm));
    assert.match(reply?.text ?? "", /logos is serving right now: type its name/);
    assert.equal(hand.state.operations.size, 0);
  }
  const dead = Hand.running(two());
  dead.bad("logos", 2);
  assert.equal(dead.command(fence("logos"))?.exit, 0);
});

test("each brake that is overridden is named, before the name is typed and after", () => {
  const hand = Hand.running(two());
  hand.command(put("disarmed", "*"));
  const asked = hand.command(fence("logos"));
  assert.match(asked?.text ?? "", /overrides disarmed \(disarmed by anna for another 24 h\)/);
  const done = hand.command(fence("logos", { confirm: "logos" }));
  assert.equal(done?.exit, 0);
  assert.match(done?.text ?? "", /^operation \d+ begins; overrides disarmed \(/);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
});

test("what is under way is merged with or waited for, whatever is asked", () => {
  type Case = [string, (hand: Hand) => void, Command, number, RegExp];
  const cycling = (hand: Hand) => void hand.command(fence("logos", { confirm: "logos" }));
  const switchingOff = (hand: Hand) => {
    hand.auto.delete("act");
    hand.command(power("logos", "off", { confirm: "logos" }));
  };
  const switchingOn = (hand: Hand) => {
    hand.auto.delete("act");
    hand.command(power("logos", "on"));
  };
  const cases: Case[] = [
    ["cycle during a cycle", cycling, fence("logos", { confirm: "logos" }), 0, /^merged with operation 1, which is under way/],
    ["cycle again during a cycle", cycling, fence("logos", { confirm: "logos", again: true }), 0, /^merged with operation 1/],
    ["off during a cycle", cycling, power("logos", "off", { confirm: "logos" }), 4, /^operation 1 \(cycle, .*is under way: wait/],
    ["on during a cycle", cycling, power("logos", "on"), 0, /^operation 1 restores its power already/],
    ["off during an off", switchingOff, power("logos", "off", { confirm: "logos" }), 0, /^merged with operation 1/],
    ["cycle during an off", switchingOff, fence("logos", { confirm: "logos" }), 4, /^operation 1 \(off, intended\) is under way: wait/],
    ["on during an off", switchingOff, power("logos", "on"), 4, /switches it off right now/],
    ["cycle during an on", switchingOn, fence("logos", { confirm: "logos" }), 4, /^operation 1 \(on, on-sent\) is under way: wait/],
    ["on during an on", switchingOn, power("logos", "on"), 0, /^operation 1 restores its power already/],
  ];
  for (const [name, before, command, exit, text] of cases) {
    const hand = Hand.running(two());
    before(hand);
    const reply = hand.command(command);
    assert.equal(reply?.exit, exit, `${name}: ${reply?.text}`);
    assert.match(reply?.text ?? "", text, name);
    assert.equal(hand.state.operations.size, 1, name);
  }
});

test("within three minutes of a cycle another is merged with it, and `again` repeats it", () => {
  const hand = Hand.running(two());
  hand.command(fence("logos", { confirm: "logos" }));
  hand.keep("logos", "good", 60_000);
  assert.equal(hand.record().lastOperation?.outcome, "recovered");
  assert.match(hand.command(fence("logos", { confirm: "logos" }))?.text ?? "", /^merged: operation 1 ended \(recovered\) .* ago; --again to repeat it$/);
  assert.equal(hand.command(fence("logos", { confirm: "logos", again: true }))?.exit, 0);
  hand.keep("logos", "good", 60_000);
  assert.equal(hand.bytes().length, 4);
  const later = Hand.running(two());
  later.command(fence("logos", { confirm: "logos" }));
  later.keep("logos", "good", 300_000);
  assert.match(later.command(fence("logos", { confirm: "logos" }))?.text ?? "", /begins/, "after three minutes it is another request");
  const withdrawn = Hand.running(two());
  withdrawn.unreachable.add("sucker");
  withdrawn.command(fence("logos", { confirm: "logos" }));
  withdrawn.keep("logos", "good", 15_000);
  withdrawn.unreachable.clear();
  assert.match(withdrawn.command(fence("logos", { confirm: "logos" }))?.text ?? "", /begins/, "one that came to nothing is nothing to merge with");
});

test("power off lasts, power on ends it, a cycle of what is wanted off ends with power on", () => {
  const hand = Hand.running(two());
  assert.equal(hand.command(power("logos", "off", { confirm: "logos" }))?.exit, 0);
  hand.keep("logos", "bad", 60_000);
  assert.deepEqual(hand.bytes(), ["off sucker/2"]);
  assert.equal(hand.record().wanted.state, "off");
  assert.deepEqual([hand.told("down"), hand.told("refused"), hand.told("suspect")], [[], [], []], "it is no trouble");
  assert.equal(hand.record().cycles.length, 0, "and no cycle");
  hand.command(power("logos", "on"));
  hand.keep("logos", "good", 20_000);
  assert.deepEqual([hand.record().wanted.state, hand.outlets.get("sucker/2"), hand.state.operations.size], ["on", "on", 0]);
  hand.command(power("logos", "off", { confirm: "logos" }));
  hand.keep("logos", "bad", 20_000);
  hand.command(power("logos", "cycle"));
  hand.keep("logos", "bad", 30_000);
  assert.deepEqual([hand.record().wanted.state, hand.outlets.get("sucker/2")], ["on", "on"]);
});

test("power on of what is on changes nothing: no byte, no edge, no incident", () => {
  const hand = Hand.running(two());
  assert.equal(hand.command(power("logos", "on"))?.exit, 0);
  hand.keep("logos", "good", 30_000);
  assert.deepEqual([hand.bytes(), hand.record().lastEdge, hand.of("incident")], [[], null, []]);
  assert.equal(hand.state.operations.size, 0);
});

test("power on is never braked", () => {
  const hand = Hand.running(two());
  hand.command(power("logos", "off", { confirm: "logos" }));
  hand.advance(20_000);
  for (const brake of ["disarmed", "maintenance", "inhibit"] as const) hand.command(put(brake, "*"));
  hand.storeFails = true;
  hand.command(power("logos", "on"));
  hand.advance(20_000);
  hand.storeFails = false;
  hand.advance(20_000);
  assert.equal(hand.record().wanted.state, "on");
});

test("a fence that comes to nothing is a closed incident, and says so", () => {
  const hand = Hand.running(two());
  hand.unreachable.add("sucker");
  hand.command(fence("logos", { confirm: "logos" }));
  hand.advance(15_000);
  assert.equal(hand.host().incident, null);
  assert.equal(hand.last("incident").record.outcome, "withdrawn");
});

// ---- confirm-off ----------------------------------------------------------------------------------------------------------

test("confirm-off wants the name typed, and ends what is open in every phase", () => {
  const refused = Hand.running(two()).command({ kind: "confirm-off", host: "logos", confirm: "logo", reason: "" });
  assert.deepEqual([refused?.exit, refused?.confirm], [4, "logos"]);
  for (const atMs of [-1, 0, 500, 2_000, 7_000, 20_000]) {
    const hand = Hand.running(two());
    if (atMs < 0) hand.auto.delete("act");
    hand.bad("logos", 5);
    hand.advance(Math.max(0, atMs));
    const before = hand.bytes().length;
    hand.auto.add("act");
    assert.equal(hand.command({ kind: "confirm-off", host: "logos", confirm: "logos", reason: "cable pulled" })?.exit, 0);
    hand.keep("logos", "bad", 60_000);
    assert.equal(hand.state.operations.size, 0, `${atMs}`);
    assert.equal(hand.bytes().length, before, `${atMs}: nothing more is sent`);
    assert.equal(hand.record().wanted.state, "off");
    assert.equal(hand.host().incident, null);
    assert.equal(hand.last("incident").record.outcome, "confirmed off");
    assert.deepEqual([...hand.state.alarms.keys()], [], `${atMs}: nobody is called any more`);
  }
});

test("confirm-off of a host that has just answered says so", () => {
  const hand = Hand.running(two());
  hand.round("logos", "good");
  assert.match(hand.command({ kind: "confirm-off", host: "logos", confirm: "logos", reason: "" })?.text ?? "", /counts as off, although it answered 0 ms ago/);
});

// ---- brakes by command ------------------------------------------------------------------------------------------------------

test("brakes last as long as was asked, or as they are meant to", () => {
  const cases: [Command, string][] = [
    [put("disarmed", "*"), "disarmed for the whole fleet for 24 h"],
    [put("disarmed", "logos", 7_200_000), "disarmed for logos for 2 h"],
    [put("maintenance", "logos"), "maintenance for logos for 60 min"],
    [put("inhibit", "logos", 90_000), "inhibit for logos for 90 s"],
    [put("kdump", "logos"), "kdump for logos for 10 min"],
    [put("kdump", "logos", 36_000_000), "kdump for logos for 10 min"],
    [put("going-down", "logos", 36_000_000), "going-down for logos for 60 min, and no longer than 5 min once it is gone"],
  ];
  for (const [command, text] of cases) assert.equal(Hand.running(two()).command(command)?.text.replace("1 h", "60 min"), text, text);
});

test("the brake of everybody is ended for everybody", () => {
  const hand = Hand.running(two());
  hand.command(put("disarmed", "*"));
  const one = hand.command({ kind: "unbrake", brake: "disarmed", scope: "logos" });
  assert.deepEqual([one?.exit, one?.text], [4, "the whole fleet is under disarmed: end that with --all"]);
  assert.equal(hand.command({ kind: "unbrake", brake: "disarmed", scope: "*" })?.exit, 0);
});

test("a crash dump holds once in an incident, and never for more than ten minutes", () => {
  const hand = Hand.running(two());
  hand.bad("logos", 2);
  assert.equal(hand.command(put("kdump", "logos", 3_600_000))?.exit, 0);
  assert.equal(hand.command(put("kdump", "logos"))?.exit, 4, "while it holds");
  assert.equal(hand.command(put("kdump", "*"))?.exit, 2, "of everybody there is none");
  hand.keep("logos", "bad", 600_000);
  assert.equal(hand.command(put("kdump", "logos"))?.exit, 4, "in the same incident");
  hand.keep("logos", "bad", 30_000);
  assert.ok(hand.bytes().includes("off sucker/2"));
  hand.keep("logos", "good", 120_000);
  assert.equal(hand.command(put("kdump", "logos"))?.exit, 0, "in the next");
});

test("a crash dump of months ago does not forbid today's after a restart", () => {
  const hand = Hand.running(two());
  hand.command(put("kdump", "logos"));
  hand.command({ kind: "unbrake", brake: "kdump", scope: "logos" });
  hand.advance(86_400_000);
  hand.restart();
  hand.keep("logos", "bad", 10_000);
  assert.equal(hand.command(put("kdump", "logos"))?.exit, 0);
});

test("release makes the budget whole, counts from zero and ends the call", () => {
  const hand = Hand.running(two());
  const at = { bootMs: hand.nowMs, wallMs: hand.wallMs, bootId: "boot-1" };
  changeRecord(hand, { cycles: [at, at, at] });
  hand.bad("logos", 5);
  assert.ok(hand.state.alarms.has("held:logos"));
  assert.equal(hand.command({ kind: "release", host: "logos" })?.exit, 0);
  assert.deepEqual([hand.record().hold, hand.record().cycles, hand.host().counter, hand.state.alarms.has("held:logos")], [null, [], 0, false]);
  assert.equal(hand.of("alarm-over").length, 1);
});
