// One-time codes as another program makes them: good once, within a step of its time, and no others.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { lacking, programPath, thirdParty } from "../../../lab/third-party.ts";
import { enrol, recoveryCodes, stepOf, useRecovery } from "./totp.ts";

const NOW_MS = Date.UTC(2027, 0, 1, 12, 0, 10);
const STEP_MS = 30_000;

test("the codes of oathtool: this step's, the one before and the one after, each once, and no earlier one after a later", { skip: lacking("oathtool") }, async () => {
  thirdParty("oathtool", ["oathtool", "--version"]);
  const { secret, uri } = await enrol("Upkeep homelab", "riki");
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.ok(uri.startsWith("otpauth://totp/Upkeep%20homelab:riki?") && uri.includes(`secret=${secret}`), uri);
  const code = (atMs: number) => execFileSync(programPath("oathtool") ?? "", ["--totp", "--base32", "-N", `@${Math.floor(atMs / 1_000)}`, "-"], { input: secret, encoding: "utf8" }).trim();
  const step = Math.floor(NOW_MS / STEP_MS);
  assert.equal(await stepOf(secret, code(NOW_MS), 0, NOW_MS), step);
  assert.equal(await stepOf(secret, code(NOW_MS - STEP_MS), 0, NOW_MS), step - 1);
  assert.equal(await stepOf(secret, code(NOW_MS + STEP_MS), 0, NOW_MS), step + 1);
  assert.equal(await stepOf(secret, ` ${code(NOW_MS).replace(/...$/, " $&")}`, 0, NOW_MS), step, "as people type it");
  for (const farMs of [-3 * STEP_MS, 3 * STEP_MS, 86_400_000]) assert.equal(await stepOf(secret, code(NOW_MS + farMs), 0, NOW_MS), null);
  assert.equal(await stepOf(secret, code(NOW_MS), step, NOW_MS), null, "used");
  assert.equal(await stepOf(secret, code(NOW_MS - STEP_MS), step, NOW_MS), null, "older than the one that was used");
  assert.equal(await stepOf(secret, code(NOW_MS + STEP_MS), step, NOW_MS), step + 1);
  for (const wrong of ["", "12345", "1234567", "abcdef", "１２３４５６", `${code(NOW_MS)}0`]) assert.equal(await stepOf(secret, wrong, 0, NOW_MS), null, wrong);
});

test("recovery codes: each once, however they are typed, and what is kept does not show them", () => {
  const { codes, kept } = recoveryCodes();
  assert.equal(new Set(codes).size, 8);
  for (const code of codes) assert.ok(!kept.join(" ").includes(code.replaceAll("-", "")));
  const [first = "", second = ""] = codes;
  const left = useRecovery(first.toUpperCase().replaceAll("-", " "), kept);
  assert.equal(left?.length, 7);
  assert.equal(useRecovery(first, left ?? []), null);
  assert.equal(useRecovery(second, left ?? [])?.length, 6);
  for (const wrong of ["", "00000-00000-00000-00000", `${second}0`, "-"]) assert.equal(useRecovery(wrong, kept), null, wrong);
});
