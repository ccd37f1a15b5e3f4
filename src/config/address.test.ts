import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatAddress, parseAddress } from "./address.ts";

const GOOD = [
  ["10.0.0.11", "10.0.0.11", null], ["10.0.0.11:23", "10.0.0.11", 23], ["web1", "web1", null], ["web1.lan.example.org:8080", "web1.lan.example.org", 8080],
  ["fd77::1", "fd77::1", null], ["[fd77::1]", "fd77::1", null], ["[fd77::1]:23", "fd77::1", 23], ["::1", "::1", null], ["fe80::1%eth0", "fe80::1%eth0", null],
  ["my_host", "my_host", null], ["localhost:0", "localhost", 0], ["3com.example", "3com.example", null],
] as const;

for (const [text, host, port] of GOOD) {
  test(`${text} is an address`, () => {
    assert.deepEqual(parseAddress(text), { ok: true, value: { host, port } });
  });
}

for (const text of ["", "10.0.0.256", "10.0.0", "1.2.3.4.5", "web1:", "web1:x", "web1:65536", "web1:-1", "[web1]:23", "[fd77::1", "[fd77::1]x", "fd77:::1", "fd77::1:23x", "http://web1", "web 1", "a..b", "-a", "a-", "web1/2", "a\u0000b", "ü.example", "x".repeat(64), `${"x.".repeat(130)}x`, "123", "[::1]:99999"]) {
  test(`${JSON.stringify(text.slice(0, 30))} is no address`, () => {
    const result = parseAddress(text);
    assert.equal(result.ok, false);
    if (!result.ok) assert.notEqual(result.hint, "");
  });
}

test("an address is read back from how it is shown", () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(fc.property(host, fc.option(fc.integer({ min: 1, max: 65_535 })), (name, port) => {
    fc.pre(name.length <= 253 && parseAddress(name).ok);
    assert.deepEqual(parseAddress(formatAddress(name, port)), { ok: true, value: { host: name, port } });
  }));
});

test("no text makes the parser throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]:.0-9a-f%]{0,40}$/)), (text) => {
    parseAddress(text);
  }));
});
