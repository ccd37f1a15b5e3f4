// Passwords: kept so that another implementation of argon2 agrees, checked in turn, refused when too many wait.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { lacking, programPath, thirdParty } from "../../../lab/third-party.ts";
import { Busy, Passwords, isOutdated, passwordProblem } from "./passwords.ts";

test("what was kept is known again, and nothing else is", async () => {
  const passwords = new Passwords();
  const kept = await passwords.hash("correct horse battery");
  assert.match(kept, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(kept, await passwords.hash("correct horse battery"), "salted");
  assert.equal(await passwords.verify("correct horse battery", kept), true);
  for (const wrong of ["correct horse batterz", "", "Correct horse battery", "correct horse battery ", "x".repeat(1_000)]) assert.equal(await passwords.verify(wrong, kept), false, wrong.slice(0, 30));
  assert.equal(await passwords.verify("correct horse battery", null), false);
  assert.equal(await passwords.verify("pässword é".normalize("NFD"), await passwords.hash("pässword é".normalize("NFC"))), true, "however the keyboard composes them");
});

test("the reference implementation keeps and knows the same", { skip: lacking("argon2") }, async () => {
  thirdParty("argon2, the reference implementation", ["dpkg-query", "-W", "argon2"]);
  const program = (password: string, salt: string, kib: number, passes: number) => execFileSync(programPath("argon2") ?? "", [salt, "-id", "-t", String(passes), "-k", String(kib), "-p", "1", "-l", "32", "-e"], { input: password, encoding: "utf8" }).trim();
  const passwords = new Passwords();
  const today = program("correct horse battery", "somesaltsomesalt", 19_456, 2);
  const stronger = program("correct horse battery", "othersaltothersalt", 32_768, 3);
  for (const kept of [today, stronger]) assert.deepEqual([await passwords.verify("correct horse battery", kept), await passwords.verify("correct horse batterz", kept)], [true, false], kept);
  assert.deepEqual([isOutdated(today), isOutdated(stronger), isOutdated(await passwords.hash("correct horse battery"))], [false, true, false]);
});

test("a kept text that somebody made up costs nothing and opens nothing", async () => {
  const passwords = new Passwords();
  const began = performance.now();
  for (const kept of ["", "plain", "$argon2id$v=19$m=9999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=19456,t=999,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=19456,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"]) assert.equal(await passwords.verify("password", kept), false, kept);
  assert.ok(performance.now() - began < 10_000);
});

test("of a thousand at once a few are computed, one after the other, and the rest are refused at once", async () => {
  const passwords = new Passwords();
  const all = await Promise.allSettled(Array.from({ length: 1_000 }, () => passwords.verify("wrong", null)));
  const refused = all.filter((each) => each.status === "rejected");
  assert.ok(refused.every((each) => each.reason instanceof Busy));
  assert.equal(all.length - refused.length, 8);
  assert.equal(await passwords.verify("wrong", null), false, "and it goes on");
});

test("passwords that would be guessed are refused, long and strange ones are not", () => {
  for (const [password, said] of [["short", /at least 10/], ["aaaaaaaaaaaa", /guessed/], ["ababababababab", /guessed/], ["riki-riki-1234", /guessed/], ["x1y2".repeat(65), /at most 256/]] as const) assert.match(passwordProblem(password, "riki") ?? "", said, password.slice(0, 20));
  for (const password of ["correct horse battery", "ночь улица фонарь", "😀😁😂🤣😃😄😅😆😉😊", " leading and trailing "]) assert.equal(passwordProblem(password, "riki"), null, password);
});
