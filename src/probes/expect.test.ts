import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Expectation, type Match, compileExpectation, expectationOf, isCheap, watcherFor } from "./expect.ts";

function compiled(text: string): Expectation {
  const expectation = compileExpectation(text);
  assert.ok(typeof expectation !== "string", text);
  return expectation;
}

const match = (text: string, answer: string): Match => watcherFor(compiled(text))(Buffer.from(answer));

test("slashes at both ends make it a regular expression, anything else is taken literally", () => {
  assert.equal(match("+PONG", "+PONG\r\n"), "found");
  assert.equal(match("a.c", "abc"), "absent");
  assert.equal(match("/a.c/", "abc"), "found");
  assert.equal(match("/^ABC$/im", "x\nabc\n"), "found");
  assert.equal(match("/a.c", "/a.c"), "found"); // no closing slash
  assert.equal(match("/", "a/b"), "found");
  assert.equal(match("//", "http://"), "found"); // an empty expression would match everything
  assert.equal(match("/x/g", "/x/g"), "found"); // g and y would keep a position from one look to the next
  assert.equal(compileExpectation("/(/"), "not a regular expression");
});

test("compiled once for each options object", () => {
  const options = {};
  assert.equal(expectationOf(options, "/a/"), expectationOf(options, "/a/"));
  assert.notEqual(expectationOf(options, "/a/"), expectationOf({}, "/a/"));
});

test("however an answer is cut into pieces, a substring is found as soon as it is there", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 5, unit: fc.constantFrom("a", "b") }), fc.string({ maxLength: 60, unit: fc.constantFrom("a", "b") }), fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (needle, hay, steps) => {
      const look = watcherFor(compiled(needle));
      for (let end = 0; end < hay.length; ) {
        end = Math.min(hay.length, end + (steps.next().value ?? 1));
        assert.equal(look(Buffer.from(hay.slice(0, end))), hay.slice(0, end).includes(needle) ? "found" : "absent");
        if (hay.slice(0, end).includes(needle)) return;
      }
    }),
  );
});

test("an expression that backtracks for ever is stopped within its budget, and stays stopped", () => {
  const look = watcherFor(compiled("/^(a|a)*$/"));
  const answer = Buffer.from(`${"a".repeat(50)}!`);
  const startedAt = performance.now();
  assert.equal(look(answer), "spent");
  assert.equal(look(answer), "spent");
  assert.ok(performance.now() - startedAt < 2_000);
});

test("many small looks share one budget", () => {
  const look = watcherFor(compiled("/^(\\w+\\s?)*$/"));
  const startedAt = performance.now();
  let last: Match = "absent";
  for (let length = 1; length < 60 && last !== "spent"; length += 1) last = look(Buffer.from(`${"a".repeat(length)}!`));
  assert.equal(last, "spent");
  assert.ok(performance.now() - startedAt < 2_000);
});

test("what is let run without a limit is fast on the worst input there is for it", () => {
  for (const source of ["a*a*b", ".*.*=.*", "(.*)x", "a|aa|aaa", "a{1,30}a{1,30}b", "^220 .*ESMTP", "(a)(b)?", "(a*)*", "(.*)\\1b", "(?=a*)b"]) {
    const regex = new RegExp(source);
    for (const length of [10, 50, 99, 400, 999, 65_536]) {
      if (!isCheap(regex, length)) continue;
      const startedAt = performance.now();
      regex.test("a".repeat(length));
      assert.ok(performance.now() - startedAt < 200, `${source} over ${length}`);
    }
  }
  assert.equal(isCheap(/(a*)*/, 5), false);
  assert.equal(isCheap(/(.*)\1b/, 5), false);
  assert.equal(isCheap(/PONG/, 65_536), true);
});
