import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect } from "../io.ts";
import { KERNEL_SIGNS, recognise } from "../kernel-words.ts";
import type { BrakeRecord } from "../records.ts";
import { explain } from "../explain.ts";
import { Hand, hostPolicy, policyOf } from "./hand.ts";

const PANIC = "Kernel panic - not syncing: Fatal exception";
const REBOOT = "Rebooting in 10 seconds..";
const KDUMP = "Starting crashdump kernel...";

function says(hand: Hand, text: string, { host = "logos", holds = true } = {}): readonly Effect[] {
  const word = recognise(text, true);
  assert.ok(word !== null, text);
  return hand.input({ kind: "kernel", host, word, holds });
}

const quick = (): Hand => Hand.running(policyOf([hostPolicy({ name: "logos", bootMs: 120_000 }), hostPolicy({ name: "ethos", levels: [[{ device: "sucker", outlet: "3" }]] })]));
const brake = (hand: Hand): BrakeRecord | undefined => hand.state.brakes.get("brake/kdump/logos");
const offs = (hand: Hand): number => hand.bytes().filter((byte) => byte === "off sucker/2").length;
const reasons = (hand: Hand): string => explain(hand.state, hand.policy, hand.now(), "logos")?.next.join(" ") ?? "";

test("a word is told with its host, and changes nothing else", () => {
  for (const text of [PANIC, "INFO: task kworker/u8:0:5 blocked for more than 120 seconds.", "reboot: Power down", "EXT4-fs (vda): Remounting filesystem read-only", "Out of memory: Killed process 1 (x)"]) {
    const hand = quick();
    hand.bad("logos", 3);
    const before = hand.state;
    const effects = says(hand, text);
    assert.deepEqual(effects.map((effect) => effect.kind), ["tell"], text);
    const [told] = hand.told("kernel");
    assert.ok(told?.endsWith("(netconsole)"), told);
    assert.deepEqual({ ...hand.state, seq: before.seq, hosts: null }, { ...before, hosts: null }, text);
    assert.deepEqual(hand.state.hosts.get("logos"), before.hosts.get("logos"), text);
  }
});

test("no word hastens an off, and a panic alone holds none back", () => {
  const [plain, noisy] = [quick(), quick()];
  for (const hand of [plain, noisy]) {
    for (let round = 0; round < 8; round += 1) {
      if (hand === noisy) for (const text of [PANIC, "reboot: Power down", "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [x:1]"]) says(hand, text);
      hand.keep("logos", "bad", 5_000);
      assert.equal(offs(hand), round < 4 ? 0 : 1, `round ${round}`);
    }
  }
  assert.deepEqual(noisy.bytes(), plain.bytes());
});

test("who says that he boots anew is left alone for a boot, from the first word on, and once in a trouble", () => {
  const hand = quick();
  says(hand, PANIC);
  says(hand, REBOOT);
  hand.keep("logos", "bad", 60_000);
  assert.match(reasons(hand), /boots anew in 10 s \(netconsole\); 60 s to go/);
  says(hand, REBOOT);
  says(hand, "reboot: Restarting system");
  hand.keep("logos", "bad", 55_000);
  assert.equal(offs(hand), 0);
  says(hand, REBOOT);
  hand.keep("logos", "bad", 10_000);
  assert.equal(offs(hand), 1, "a boot after the first word");
});

test("a word that came long before the first bad sign leaves the trouble one of its own", () => {
  const hand = quick();
  says(hand, REBOOT);
  hand.keep("logos", "unknown", 200_000);
  hand.keep("logos", "bad", 15_000);
  says(hand, REBOOT);
  hand.keep("logos", "bad", 115_000);
  assert.equal(offs(hand), 0);
  hand.keep("logos", "bad", 15_000);
  assert.equal(offs(hand), 1);
});

test("a good round that began after the word ends what it holds; one that was under way does not", () => {
  const hand = quick();
  says(hand, REBOOT);
  hand.round("logos", "good", { startedAtMs: hand.nowMs - 500 });
  assert.equal(hand.state.hosts.get("logos")?.saidReboot?.over, false);
  hand.advance(5_000);
  hand.round("logos", "good");
  assert.equal(hand.state.hosts.get("logos")?.saidReboot?.over, true);
  hand.keep("logos", "bad", 30_000);
  assert.equal(offs(hand), 1);
});

test("a crash dump holds ten minutes, once, also where it was said before the first bad sign", () => {
  const hand = quick();
  says(hand, KDUMP);
  assert.equal(brake(hand)?.until?.lengthMs, 600_000);
  assert.equal(brake(hand)?.by, "netconsole");
  for (let minute = 0; minute < 9; minute += 1) {
    hand.keep("logos", "bad", 60_000);
    says(hand, KDUMP);
    assert.equal(offs(hand), 0, `minute ${minute}`);
  }
  hand.keep("logos", "bad", 70_000);
  assert.equal(offs(hand), 1, "it has run out, and was not renewed");
});

test("a restart forgets neither the dump nor that there was one", () => {
  const hand = quick();
  hand.bad("logos", 5);
  says(hand, KDUMP);
  hand.restart();
  assert.equal(brake(hand)?.by, "netconsole");
  hand.keep("logos", "bad", 620_000);
  assert.equal(brake(hand), undefined);
  says(hand, KDUMP);
  assert.equal(brake(hand), undefined, "in the same incident");
});

test("a host that serves does not dump: the next good round ends it, and a person's own dump is not touched", () => {
  const hand = quick();
  says(hand, KDUMP);
  hand.round("logos", "good", { startedAtMs: hand.nowMs });
  assert.notEqual(brake(hand), undefined, "a round that began in the same moment");
  hand.advance(5_000);
  hand.round("logos", "good");
  assert.equal(brake(hand), undefined);
  assert.match(hand.told("brake-ended").at(-1) ?? "", /it serves/);
  hand.advance(60_000);
  hand.command({ kind: "brake", brake: "kdump", scope: "logos", forMs: null, reason: "" });
  says(hand, KDUMP);
  assert.equal(brake(hand)?.by, "anna", "hers stays as it is");
  hand.keep("logos", "good", 30_000);
  assert.equal(brake(hand)?.by, "anna");
});

test("no word takes a brake away or makes it longer", () => {
  const hand = quick();
  for (const kind of ["disarmed", "maintenance", "inhibit", "going-down", "kdump"] as const) hand.command({ kind: "brake", brake: kind, scope: "logos", forMs: 300_000, reason: "" });
  const before = hand.state.brakes;
  assert.equal(before.size, 5);
  for (const sign of KERNEL_SIGNS) for (const rebootsInMs of [null, 86_400_000]) hand.input({ kind: "kernel", host: "logos", word: { sign, reason: "x", rebootsInMs }, holds: true });
  assert.deepEqual(hand.state.brakes, before);
});

test("where the configuration does not let it, nothing is held back; what is said of nobody is not told", () => {
  const hand = quick();
  says(hand, REBOOT, { holds: false });
  says(hand, KDUMP, { holds: false });
  assert.equal(brake(hand), undefined);
  assert.deepEqual(says(hand, PANIC, { host: "nobody" }), []);
  hand.keep("logos", "bad", 30_000);
  assert.equal(offs(hand), 1);
});
