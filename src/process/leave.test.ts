import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

test("the process ends at once with its code, whatever else would still run, and what it said has left", () => {
  const script = `import { leave } from ${JSON.stringify(new URL("leave.ts", import.meta.url).href)};
process.on("exit", () => { for (;;); });
setInterval(() => {}, 1_000);
process.stdout.write("x".repeat(100_000) + "\\n");
process.stderr.write("why\\n");
leave(69);`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script], { timeout: 30_000, encoding: "utf8" });
  assert.deepEqual([status, signal, stdout.length, stderr], [69, null, 100_001, "why\n"]);
});
