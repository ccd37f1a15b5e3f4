// `upkeep agent status` from a folder as an agent leaves it: nobody there, somebody there, enrolled or not, what is held.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ownIdentity } from "../../link/identity.ts";
import { lockFile } from "../../process/file-lock.ts";

const UPKEEP = join(import.meta.dirname, "../../../bin/upkeep");
const LIMIT_MS = 60_000;

const asked = (config: string, ...args: readonly string[]) => new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
  execFile(UPKEEP, ["agent", "status", "-c", config, ...args], { timeout: LIMIT_MS }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })).stdin?.end();
});

test("nobody there; not enrolled; enrolled, with a service that is held; a configuration without an agent", async () => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-agent-status-"));
  const config = join(folder, "upkeep.yaml");
  const data = join(folder, "data");
  writeFileSync(config, "agent: { name: logos, data: ./data, watchers: [127.0.0.1], keep: { web: { unit: nginx.service } } }\n");
  try {
    const nobody = await asked(config);
    assert.equal(nobody.code, 1, nobody.stderr);
    assert.match(nobody.stdout, /^no agent of logos runs on .*data: systemctl start upkeep-agent, or upkeep agent\nit does: keep\nit is not enrolled: upkeep agent code logos at a watcher/);

    mkdirSync(data);
    const release = lockFile(join(data, "lock"));
    ownIdentity(join(data, "link"), "logos", Date.now());
    mkdirSync(join(data, "link/watchers"), { recursive: true });
    writeFileSync(join(data, "link/watchers/rikis.json"), JSON.stringify({ watcher: "rikis", store: "s", address: "127.0.0.1:7443", pins: ["0".repeat(64)] }));
    mkdirSync(join(data, "keep"));
    writeFileSync(join(data, "keep/web.held"), "new version");
    const there = await asked(config);
    assert.equal(there.code, 0, there.stdout);
    assert.match(there.stdout, new RegExp(`^the agent of logos runs \\(process ${process.pid}\\)`));
    assert.match(there.stdout, /knows by their keys: rikis \(127\.0\.0\.1:7443\)\nits key is good until \d{4}-\d\d-\d\d\nweb is held: new version \(upkeep agent release web\)/);
    const { running, pid, enrolled, held } = JSON.parse((await asked(config, "--json")).stdout) as { readonly running: boolean; readonly pid: number; readonly enrolled: boolean; readonly held: readonly unknown[] };
    assert.deepEqual({ running, pid, enrolled, held }, { running: true, pid: process.pid, enrolled: true, held: [{ service: "web", reason: "new version" }] });
    release?.();
    assert.equal((await asked(config)).code, 1, "it looks at the lock, and not at a file that is left behind");

    writeFileSync(config, "hosts: {}\n");
    const without = await asked(config);
    assert.equal(without.code, 3);
    assert.match(without.stderr, /there is no section agent/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
