import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DATAGRAM_BYTES, KernelLines, LINE_CHARS, REST_WITHIN_MS } from "./netconsole.ts";
import type { KernelLine } from "./netconsole.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");
const take = (...datagrams: readonly string[]): readonly KernelLine[] => {
  const lines = new KernelLines();
  return [...datagrams.flatMap((datagram, at) => lines.take(bytes(datagram), at)), ...lines.due(1e9)];
};
const texts = (...datagrams: readonly string[]): readonly string[] => take(...datagrams).map(({ text }) => text);

test("a record of the extended format: level, number, time, text (ABI/testing/dev-kmsg)", () => {
  assert.deepEqual(take("0,1305,93841730,-;Kernel panic - not syncing: sysrq triggered crash\n"), [{ text: "Kernel panic - not syncing: sysrq triggered crash", level: 0, byKernel: true, sequence: 1305, uptimeUs: 93_841_730, torn: false }]);
  assert.deepEqual(take("6,339,5140900,-,caller=T1;NET: Registered PF_INET6 protocol family\n")[0]?.text, "NET: Registered PF_INET6 protocol family");
  assert.deepEqual(take("6.4.0,6,444,501151268,-;netconsole: network logging started\n").map(({ text, level, sequence }) => ({ text, level, sequence })), [{ text: "netconsole: network logging started", level: 6, sequence: 444 }], "the kernel's release before it, since 6.4");
  assert.deepEqual(take("4,10,1,c;one\n", "4,11,2,+;two\n").map(({ text }) => text), ["one", "two"], "pieces of a line, as kernels to 4.9 mark them");
});

test("what a program writes to /dev/kmsg is told from the kernel", () => {
  // systemd writes with the facility of daemons: 3 << 3 | 6.
  assert.deepEqual(take("30,500,9000000,-;systemd[1]: Reached target Multi-User System.\n").map(({ level, byKernel }) => ({ level, byKernel })), [{ level: 6, byKernel: false }]);
  assert.equal(take("12,501,9000001,-;Kernel panic - not syncing: a joke\n")[0]?.byKernel, false, "echo > /dev/kmsg is facility 1");
  assert.equal(take("Kernel panic - not syncing: a joke\n")[0]?.byKernel, null, "the plain format does not tell");
});

test("the dictionary is no part of the text, and what is escaped is as it was", () => {
  assert.deepEqual(texts("6,207,2105221,-;usb 1-1: Product: QEMU USB Tablet\n SUBSYSTEM=usb\n DEVICE=c189:1\n"), ["usb 1-1: Product: QEMU USB Tablet"]);
  assert.deepEqual(texts("6,1,1,-;one\\x0atwo\\x0a\n"), ["one", "two"], "a record of several lines");
  assert.deepEqual(texts("6,1,1,-;caf\\xc3\\xa9 \\x5cx41\n"), ["café \\x41"]);
  assert.deepEqual(texts("6,1,1,-;red \\x1b[31m\n"), ["red \\u{1b}[31m"], "no terminal takes it for more than text");
});

test("a record in fragments, in any order, and with one that never comes", () => {
  const [one, two] = ["6,416,1758426,-,ncfrag=0/33;the first chunk,", "6,416,1758426,-,ncfrag=16/33; the 2nd chunk. \n"] as const;
  assert.deepEqual(take(one, two).map(({ text, torn }) => ({ text, torn })), [{ text: "the first chunk, the 2nd chunk.", torn: false }]);
  assert.deepEqual(texts(two, one), ["the first chunk, the 2nd chunk."]);
  assert.deepEqual(texts(one, one, two), ["the first chunk, the 2nd chunk."], "one comes twice");
  const lines = new KernelLines();
  assert.deepEqual(lines.take(bytes(one), 1_000), []);
  assert.equal(lines.dueAtMs, 1_000 + REST_WITHIN_MS);
  assert.deepEqual(lines.due(1_000 + REST_WITHIN_MS).map(({ text, torn }) => ({ text, torn })), [{ text: "the first chunk, …", torn: true }]);
  assert.equal(lines.dueAtMs, null);
  assert.deepEqual(lines.take(bytes(two), 9_000), [], "its other half alone, too late");
  assert.deepEqual(lines.due(20_000).map(({ text }) => text.trim()), ["…  the 2nd chunk."]);
});

test("plain text: printk's time, syslog's prefix, several lines, and one that is cut at 1000 bytes", () => {
  assert.deepEqual(take("[   93.841730] Kernel panic - not syncing: sysrq triggered crash\n"), [{ text: "Kernel panic - not syncing: sysrq triggered crash", level: null, byKernel: null, sequence: null, uptimeUs: 93_841_730, torn: false }]);
  assert.deepEqual(take("<0>[  840.275175] Kernel panic - not syncing: hung_task: blocked tasks\n").map(({ level, byKernel, text }) => [level, byKernel, text]), [[0, true, "Kernel panic - not syncing: hung_task: blocked tasks"]]);
  assert.deepEqual(texts("[    1.000000][    T1] with a caller\n"), ["with a caller"]);
  assert.deepEqual(texts("one\ntwo\n\nthree\n"), ["one", "two", "three"]);
  const long = `[    5.000000] ${"x".repeat(985)}`;
  assert.deepEqual(texts(`${long}`, `yyy\n`), [`${"x".repeat(985)}yyy`]);
  assert.deepEqual(texts("[    5.000000] half a line", "[    6.000000] another\n"), ["half a line", "another"], "the next line began before it had an end");
  const lines = new KernelLines();
  assert.deepEqual(lines.take(bytes("[    5.000000] the last that it said"), 0), []);
  assert.deepEqual(lines.due(REST_WITHIN_MS).map(({ text }) => text), ["the last that it said"], "and nothing came after it");
});

test("what only looks like a header is text", () => {
  for (const text of ["6,1,1;no flag", "6,1,1,x;another flag", "a,1,1,-;no level", "6,1,-;too few", ";", "6,12345678901234567890123,1,-;a number of no kernel"]) assert.deepEqual(texts(`${text}\n`), [text]);
});

test("a stranger's bytes: nothing throws, what comes out is printable and short, what is kept is bounded", () => {
  const header = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 6 }), fc.nat({ max: 9_000 }), fc.nat({ max: 9_000 }), fc.string()).map(([prefix, sequence, offset, total, text]) => bytes(`${prefix},${sequence},1,-,ncfrag=${offset}/${total};${text}`));
  const plain = fc.tuple(fc.constantFrom("", "<4>", "[    1.000000] ", "6,1,1,-;"), fc.string({ unit: "binary", maxLength: 400 }), fc.constantFrom("", "\n", "\n\n")).map(([head, text, end]) => bytes(head + text + end));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(header, plain, fc.uint8Array({ maxLength: DATAGRAM_BYTES + 100 })), fc.nat({ max: 3_000 })), { maxLength: 60 }), (datagrams) => {
      const lines = new KernelLines();
      let nowMs = 0;
      for (const [datagram, laterMs] of datagrams) {
        nowMs += laterMs;
        const out = lines.take(datagram, nowMs);
        assert.ok(out.length <= 64 * 6, `${out.length} lines of one datagram`);
        for (const { text, level } of out) {
          assert.ok(text.length > 0 && text.length <= LINE_CHARS);
          assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}]/u.test(text), JSON.stringify(text));
          assert.ok(level === null || (level >= 0 && level <= 7));
        }
      }
      lines.due(nowMs + REST_WITHIN_MS);
      assert.equal(lines.dueAtMs, null, "nothing waits for ever");
    }),
    { numRuns: 400 },
  );
});

test("a record is put together from its pieces as a kernel cuts it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 3_000 }).filter((text) => text.trim() !== "" && !/[\\;\t]/.test(text)), fc.integer({ min: 1, max: 900 }), (text, chunk) => {
      const body = bytes(`${text}\n`);
      const datagrams: string[] = [];
      for (let at = 0; at < body.length; at += chunk) datagrams.push(`4,7,1000,-,ncfrag=${at}/${body.length};${Buffer.from(body.subarray(at, at + chunk)).toString("utf8")}`);
      const [line, ...more] = take(...(datagrams.length === 1 ? [`4,7,1000,-;${text}\n`] : datagrams));
      assert.deepEqual(more, []);
      assert.equal(line?.text, text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS - 1)}…`.trimEnd() : text.trimEnd());
      assert.equal(line?.torn, false);
    }),
  );
});
