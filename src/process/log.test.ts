// The log for programs: one object a line, with the number by which the same event stands in the journal, in the stream, in
// messages and in answers, whatever is in the text.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

test("a line of the log is one line, has the event's number and that of its cause, and is parsed back as it was", () => {
  const told = { seq: 41, kind: "down", host: "пример", incident: "lusab-babad", because: "no banner\n\u001b[31m\"quoted\"\u2028", cause: 40 };
  const program = `import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)}; const log = createLog("json"); log.told(${JSON.stringify(told)}, 1_800_000_000_000); log.say("warning", "a\\nb");`;
  const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 0, stderr);
  const [line = "", said = "", rest] = stderr.split("\n");
  assert.equal(rest, "");
  assert.deepEqual(JSON.parse(line), { at: "2027-01-15T08:00:00.000Z", level: "warning", ...told });
  assert.deepEqual({ ...(JSON.parse(said) as object), at: "" }, { at: "", level: "warning", text: "a\nb" });
});
