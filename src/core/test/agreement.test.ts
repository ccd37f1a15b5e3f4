// Agreement of several watchers (safety.md §2.3): the dead stay in n, a fresh `up` is a veto, an abstention counts for nobody.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Agreement, Electorate, Vote } from "../agreement.ts";
import { agree } from "../agreement.ts";

const electorate = (n: number, change: Partial<Electorate> = {}): Electorate => ({ assigned: Array.from({ length: n }, (_, at) => `w${at + 1}`), hash: "h", freshForMs: 11_000, lone: "hold", ...change });
/** `down w1, up w2 12s, abstain w3, down w4 other` */
function votes(text: string): Vote[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => {
    const [says, watcher, ...rest] = part.split(" ");
    const age = rest.find((word) => word.endsWith("s"));
    return { says: says as Vote["says"], watcher: watcher as string, hash: rest.includes("other") ? "h2" : "h", ageMs: age === undefined ? 1_000 : Number(age.slice(0, -1)) * 1_000 };
  });
}

test("who decides", () => {
  const cases: [number, string, Agreement["kind"]][] = [
    [1, "down w1", "down"],
    [1, "up w1", "short"],
    [1, "abstain w1", "short"],
    [1, "", "short"],
    [1, "down w1 12s", "short"],
    [1, "down w1 11s", "down"],
    [1, "down w1 other", "short"],
    [2, "down w1", "short"],
    [2, "down w1, down w2", "down"],
    [2, "down w1, up w2", "disagreement"],
    [2, "down w1, abstain w2", "short"],
    [3, "down w1", "short"],
    [3, "down w1, down w2", "down"],
    [3, "down w1, down w2, up w3", "disagreement"],
    [3, "down w1, down w2, up w3 12s", "down"],
    [3, "down w1, down w2, up w3 other", "down"],
    [3, "down w1, down w2, abstain w3", "down"],
    [3, "down w1, down w2 12s, down w3 other", "short"],
    [3, "up w1, up w2, up w3", "short"],
    [3, "down w1, down w1", "short"],
    [3, "down w1, down w9, down w8", "short"],
    [3, "down w1, down w2, up w9", "down"],
    [4, "down w1, down w2", "short"],
    [4, "down w1, down w2, down w3", "down"],
    [5, "down w1, down w2, down w3", "down"],
    [5, "down w1, down w2, down w3, up w4, down w5", "disagreement"],
    [3, "down w1, up w1, down w2", "disagreement"],
    [3, "up w1 12s, down w1, down w2", "down"],
    [3, "down w1, abstain w1, down w2", "short"],
  ];
  for (const [n, text, kind] of cases) assert.equal(agree(electorate(n), votes(text)).kind, kind, `${n}: ${text}`);
});

test("one alive of three holds, unless it was told to act; an alive one of another mind is alive", () => {
  const cases: [number, string, "hold" | "act", Agreement["kind"]][] = [
    [3, "down w1", "hold", "short"],
    [3, "down w1", "act", "down"],
    [3, "down w1, down w2 12s", "act", "down"],
    [3, "down w1, abstain w2", "act", "short"],
    [3, "down w1, down w2 other", "act", "short"],
    [3, "down w1, up w2", "act", "disagreement"],
    [3, "abstain w1", "act", "short"],
    [3, "up w1", "act", "short"],
    [5, "down w1, down w2", "act", "short"],
  ];
  for (const [n, text, lone, kind] of cases) assert.equal(agree(electorate(n, { lone }), votes(text)).kind, kind, `${n}: ${text}, ${lone}`);
});

test("what is said of it", () => {
  assert.deepEqual(agree(electorate(3), votes("down w1, down w2")), { kind: "down", votes: 2, of: 3 });
  assert.deepEqual(agree(electorate(3), votes("down w1, up w2")), { kind: "disagreement", of: 3, because: "1 of 3 say down, and w2 sees it up" });
  assert.deepEqual(agree(electorate(5), votes("down w1, up w2, up w3")), { kind: "disagreement", of: 5, because: "1 of 5 say down, and w2 and w3 see it up" });
  assert.deepEqual(agree(electorate(3), votes("down w1")), { kind: "short", of: 3, because: "1 of 3 say down, 2 are needed" });
});

const anyVote = fc.record({ watcher: fc.constantFrom("w1", "w2", "w3", "w4", "w5", "w9"), says: fc.constantFrom<Vote["says"]>("up", "down", "abstain"), hash: fc.constantFrom("h", "h2"), ageMs: fc.constantFrom(0, 5_000, 11_000, 11_001, 60_000) });
const anyElectorate = fc.record({ n: fc.integer({ min: 1, max: 5 }), lone: fc.constantFrom<"hold" | "act">("hold", "act") }).map(({ n, lone }) => electorate(n, { lone }));
const eligible = (who: Electorate, all: readonly Vote[]) => all.filter((vote) => who.assigned.includes(vote.watcher) && vote.hash === who.hash && vote.ageMs <= who.freshForMs);

test("never down with a fresh up, and never without its majority", () => {
  fc.assert(fc.property(anyElectorate, fc.array(anyVote, { maxLength: 10 }), (who, all) => {
    const { kind } = agree(who, all);
    const heard = eligible(who, all);
    if (heard.some((vote) => vote.says === "up")) assert.notEqual(kind, "down");
    const down = new Set(heard.filter((vote) => vote.says === "down").map((vote) => vote.watcher)).size;
    if (kind === "down" && who.lone === "hold") assert.ok(down >= Math.floor(who.assigned.length / 2) + 1);
    if (kind === "down") assert.ok(down >= 1);
  }), { numRuns: 3_000 });
});

test("any vote turned into an abstention, or gone, or grown old, never brings a down about", () => {
  fc.assert(fc.property(anyElectorate, fc.array(anyVote, { minLength: 1, maxLength: 8 }), fc.nat(7), (who, all, at) => {
    const index = at % all.length;
    const abstained = all.map((vote, n) => (n === index ? { ...vote, says: "abstain" as const } : vote));
    // A veto that is withdrawn is another matter: then the others may agree.
    if (all[index]?.says === "up") return;
    if (agree(who, all).kind !== "down") assert.notEqual(agree(who, abstained).kind, "down");
    const without = all.filter((_, n) => n !== index);
    if (agree(who, all).kind !== "down" && who.lone === "hold" && all[index]?.says === "down") assert.notEqual(agree(who, without).kind, "down");
  }), { numRuns: 2_000 });
});

test("the order of the votes says nothing", () => {
  fc.assert(fc.property(anyElectorate, fc.array(anyVote, { maxLength: 8 }), (who, all) => assert.equal(agree(who, all).kind, agree(who, [...all].reverse()).kind)));
});
