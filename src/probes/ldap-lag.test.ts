import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lagAmong, parseContextCsn } from "./ldap-lag.ts";
import type { Csns, Lacking } from "./ldap-lag.ts";

const csn = (second: number): string => `202611291200${String(second).padStart(2, "0")}.000000Z#000000`;
const has = (servers: Readonly<Record<string, number>>): Csns => new Map(Object.entries(servers).map(([server, second]) => [server, csn(second)]));

test("values of contextCSN by the server that made the change; anything else is left out", () => {
  assert.deepEqual([...parseContextCsn([`${csn(1)}#001#000000`, Buffer.from(`${csn(2)}#00a#000000`), "nonsense", 7, null])], [["001", csn(1)], ["00a", csn(2)]]);
  assert.equal(parseContextCsn(undefined).size, 0);
  assert.equal(parseContextCsn(`${csn(1)}#001#000000`).size, 1);
});

test("lag is for how long a change has been missing, not how old it is", () => {
  const known = new Map<string, Lacking>();
  const at = (nowMs: number, own: Csns, peer: Csns | null): number => lagAmong(own, new Map(peer === null ? [] : [["b", peer]]), known, nowMs).forMs;
  assert.equal(at(0, has({ "001": 1 }), has({ "001": 1 })), 0);
  // A change of this moment, an hour after the one before.
  assert.equal(at(1_000, has({ "001": 1 }), has({ "001": 50 })), 0);
  assert.equal(at(6_000, has({ "001": 1 }), has({ "001": 51 })), 5_000, "newer changes do not begin it anew");
  assert.equal(at(7_000, has({ "001": 50 }), has({ "001": 52 })), 0, "what was missing first has come");
  assert.equal(at(9_000, has({ "001": 50 }), has({ "001": 52 })), 2_000);
  assert.equal(at(10_000, has({ "001": 50 }), null), 0, "a peer that is not heard proves nothing");
  assert.equal(at(11_000, has({ "001": 50 }), has({ "001": 52 })), 0, "and begins anew when it is back: this host could not get it meanwhile");
  assert.equal(at(12_000, has({ "001": 60 }), has({ "001": 52 })), 0);
  assert.equal(known.size, 0);
});

test("changes of a server that this one has never heard of are missing", () => {
  const known = new Map<string, Lacking>();
  lagAmong(has({ "001": 1 }), new Map([["b", has({ "001": 1, "002": 1 })]]), known, 0);
  const lag = lagAmong(has({ "001": 1 }), new Map([["b", has({ "001": 1, "002": 1 })]]), known, 3_000);
  assert.deepEqual([lag.forMs, lag.csn, lag.peer], [3_000, `${csn(1)}#002`, "b"]);
});

test("whoever has all that its peers have never lags, and nothing is remembered for ever", () => {
  const servers = fc.dictionary(fc.constantFrom("001", "002", "003"), fc.integer({ min: 0, max: 59 }));
  fc.assert(fc.property(fc.array(fc.tuple(servers, servers), { maxLength: 30 }), (looks) => {
    const known = new Map<string, Lacking>();
    for (const [index, [own, peer]] of looks.entries()) {
      const lag = lagAmong(has(own), new Map([["b", has(peer)]]), known, index * 1_000);
      const level = Object.entries(peer).every(([server, second]) => (own[server] ?? -1) >= second);
      if (level) assert.equal(lag.forMs, 0);
      assert.ok(known.size <= 3 && (!level || known.size === 0));
    }
  }));
});
