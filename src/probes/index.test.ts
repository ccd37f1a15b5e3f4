import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { loadProbes } from "./index.ts";
import type { ProbeName } from "./index.ts";

/** What a process has loaded that has loaded these probes. */
function loadedWith(names: readonly ProbeName[]): { readonly tls: boolean; readonly ldapts: boolean; readonly pg: boolean } {
  const script = `
    const { loadProbes } = await import(${JSON.stringify(new URL("index.ts", import.meta.url).href)});
    await loadProbes(${JSON.stringify(names)});
    const { createRequire } = await import("node:module");
    const files = Object.keys(createRequire("/").cache);
    const has = (part) => files.some((file) => file.includes(part));
    console.log(JSON.stringify({ tls: process.moduleLoadList.includes("NativeModule tls"), ldapts: process.moduleLoadList.includes("NativeModule util") && has("/ldapts/"), pg: has("/pg/") }));
  `;
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8", timeout: 60_000 })) as ReturnType<typeof loadedWith>;
}

test("a probe has the name that the configuration knows it by", async () => {
  const names: readonly ProbeName[] = ["ping", "tcp", "ssh", "dns", "http", "postgres", "ldap", "redis", "smtp", "imap", "tls", "ups"];
  for (const [name, probe] of await loadProbes(names)) assert.equal(probe.name, name);
});

test("what is heavy is loaded by those who use it: neither TLS nor a library for plain conversations", () => {
  assert.deepEqual(loadedWith(["ping", "tcp", "ssh", "dns", "redis", "smtp", "imap", "ups", "postgres"]), { tls: false, ldapts: false, pg: false });
  assert.equal(loadedWith(["tls"]).tls, true, "this test sees what is loaded");
});
