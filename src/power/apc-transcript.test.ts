import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EVIDENCE_CHARACTERS_MAX, Transcript } from "./apc-transcript.ts";

test("a session is one line with what was heard and what was said", () => {
  const transcript = new Transcript(["operator", "hunter2"]);
  transcript.heard("\n\nUser Name : ");
  transcript.said("user name");
  transcript.heard("operator\n\nPassword  : ");
  transcript.said("password");
  transcript.heard("*******\n\n-------------- Control Console --------------\n     1- Device Manager\n> ");
  assert.equal(
    transcript.evidence(),
    "User Name : «user name» [hidden] | Password : «password» ******* | --- Control Console --- | 1- Device Manager | >",
  );
});

test("an echoed password is hidden, also letter by letter and when the line is cut in the middle of it", () => {
  const transcript = new Transcript(["apc", "hunter2 -c"]);
  for (const letter of "say hunter2 -c again: hunter2 -c, hunter2 -c. hunter2") transcript.heard(letter);
  assert.equal(transcript.evidence(), "say [hidden] again: [hidden], [hidden]. [hidden]");
});

test("the first letters of a secret are not a secret", () => {
  const transcript = new Transcript(["hunter2"]);
  transcript.heard("press h");
  assert.equal(transcript.evidence(), "press h");
});

test("evidence begins at the mark, and a secret that lies across it is hidden all the same", () => {
  const transcript = new Transcript(["hunter2"]);
  transcript.heard("what came before, hunt");
  transcript.mark();
  transcript.heard("er2> ");
  transcript.said("off 3");
  transcript.heard("OK");
  assert.equal(transcript.evidence(), "> «off 3» OK");
});

test("no cutting of any text lets a secret through, and evidence is bounded and printable", () => {
  const secret = fc.string({ minLength: 4, maxLength: 20, unit: fc.constantFrom("a", "b", "c", "1", "%") });
  fc.assert(
    fc.property(secret, secret, fc.array(fc.oneof(fc.string({ maxLength: 60 }), fc.constant("\u0000first"), fc.constant("\u0000second"), fc.constant("x".repeat(1500))), { maxLength: 30 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }), (first, second, parts, steps) => {
      const text = parts.join("").replaceAll("\u0000first", first).replaceAll("\u0000second", second);
      const transcript = new Transcript([first, second]);
      for (let at = 0, turn = 0; at < text.length; turn++) {
        const length = steps[turn % steps.length] as number;
        transcript.heard(text.slice(at, at + length));
        at += length;
        if (turn % 50 === 0) assert.ok(!transcript.evidence().includes(first));
      }
      const evidence = transcript.evidence();
      assert.ok(!evidence.includes(first) && !evidence.includes(second), `${JSON.stringify([first, second])} in ${evidence}`);
      assert.ok(evidence.length <= EVIDENCE_CHARACTERS_MAX);
      assert.match(evidence, /^[\x20-\x7e\u00a1-\u00ff…]*$/);
    }),
    { numRuns: 300 },
  );
});
