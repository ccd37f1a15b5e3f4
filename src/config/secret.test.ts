import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { Secret } from "./secret.ts";

const TEXT = "hunter2-and-more";

test("a secret shows in no way of printing it", () => {
  const secret = new Secret(TEXT);
  const holder = { device: { password: secret }, list: [secret], map: new Map([["a", secret]]) };
  const shown = [
    String(secret), `${secret}`, "" + secret, JSON.stringify(secret), JSON.stringify(holder), inspect(secret), inspect(holder, { depth: 9, showHidden: true }),
    inspect(holder, { depth: 9, customInspect: false, showHidden: true }), format("%s %o %O %j %d", secret, secret, secret, secret, secret), Object.keys(secret).join(), String(new Error(`login with ${secret}`)),
    JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
  ];
  for (const text of shown) assert.ok(!text.includes("hunter2"), text);
  assert.equal(inspect({ password: secret }), "{ password: [secret] }");
  assert.equal(JSON.stringify({ password: secret }), '{"password":"[secret]"}');
});

test("the text comes out by reveal alone", () => {
  assert.equal(new Secret(TEXT).reveal(), TEXT);
});

test("a clone holds nothing", () => {
  assert.ok(!JSON.stringify(structuredClone({ password: new Secret(TEXT) })).includes("hunter2"));
});

test("secrets compare by what they are", () => {
  assert.ok(new Secret(TEXT).equals(new Secret(TEXT)));
  assert.ok(!new Secret(TEXT).equals(new Secret(`${TEXT}x`)));
});
