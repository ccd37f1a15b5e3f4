// Which Host headers are ours. What a stranger's page can make a browser send is never among them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hostOf, isOurs } from "./host-header.ts";

const NAMES = new Set(["watcher.lan"]);

test("ours: localhost, loopback, the address that was connected to, configured names; with any port", () => {
  for (const header of ["localhost", "localhost:8080", "LOCALHOST:9000", "localhost.", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3", "[::1]", "[::1]:8080", "10.0.0.5:8080", "10.0.0.5", "watcher.lan", "Watcher.LAN:8080", "watcher.lan."]) {
    assert.equal(isOurs(header, "10.0.0.5", NAMES), true, header);
  }
  assert.equal(isOurs("10.0.0.5", "::ffff:10.0.0.5", NAMES), true, "an IPv4 address at a socket of both families");
  assert.equal(isOurs("[fd77::1]:80", "fd77::1", NAMES), true);
});

test("not ours: other names, other addresses, nothing, nonsense", () => {
  for (const header of [undefined, "", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.6", "8.8.8.8:8080", "[fd77::2]", "[::1", "::1", "[localhost]", "localhost:", "localhost:x", "localhost@evil", "a b", "watcher.lan.evil", "127.0.0.1/", "0x7f000001", "2130706433", "localhost\0"]) {
    assert.equal(isOurs(header, "10.0.0.5", NAMES), false, String(header));
  }
  assert.equal(isOurs("10.0.0.5", undefined, NAMES), false, "the connection is gone");
});

test("any bytes: no exception, and only what parses whole is anybody's", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 80 }), fc.constantFrom("", "localhost", "[::1]:"), (text, prefix) => {
    const host = hostOf(prefix + text);
    if (host !== null) assert.match(host, /^[a-z0-9._:-]+$/);
    if (isOurs(text, "10.0.0.5", NAMES)) assert.match(text, /^(localhost|127\.|\[::1\]|10\.0\.0\.5|watcher\.lan)/i);
  }), { numRuns: 2_000 });
});
