// The watcher's process: what it loads, and that it is the process that was started.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const CONFIG = `
data: ./data
watcher: { name: w }
api: { listen: null }
hosts: { h: { address: 127.0.0.1, probes: [{ ssh: { port: 9 } }], power: p/1 } }
power: { p: { driver: command, on: ["true"], off: ["true"], status: ["true"] } }
`;

/** Resolves when the watcher says that it is ready. */
async function watching(t: TestContext, words: (config: string) => readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-start-"));
  const config = join(folder, "upkeep.yaml");
  writeFileSync(config, CONFIG);
  const child = spawn(UPKEEP, words(config), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(folder, { recursive: true, force: true });
  });
  let [out, complaint] = ["", ""];
  child.stderr.on("data", (text: Buffer) => (complaint += text.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (text: Buffer) => {
      out += text.toString();
      if (out.includes("upkeep: watching 1 hosts")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`exit ${code}: ${out}${complaint}`)));
  });
  return child;
}

async function stopped(child: ChildProcess): Promise<number | null> {
  const [[code]] = await Promise.all([once(child, "exit"), child.kill("SIGTERM")]);
  return code as number | null;
}

test("the watcher has the number of the process that was started, and its flags wherever `watch` stands among the words", { timeout: 60_000 }, async (t) => {
  for (const words of [(config: string) => ["watch", "-c", config], (config: string) => ["-c", config, "watch", "--log", "text"]]) {
    const child = await watching(t, words);
    const line = readFileSync(`/proc/${child.pid}/cmdline`, "utf8").split("\0");
    assert.ok(line.some((word) => word.endsWith("/src/watcher/start.mjs")), line.join(" "));
    assert.ok(line.includes("--optimize-for-size"), line.join(" "));
    assert.equal(await stopped(child), 0);
  }
});

test("where nothing compiled can be kept the watcher starts all the same", { timeout: 60_000 }, async (t) => {
  const child = await watching(t, (config) => ["watch", "-c", config], { NODE_DISABLE_COMPILE_CACHE: "1" });
  assert.equal(await stopped(child), 0);
});

test("an idle watcher loads neither schema nor command line, TLS nor mail", async () => {
  const look = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ resolve: (specifier, context, next) => { const found = next(specifier, context); loaded.push(found.url); return found; } });
    await import(${JSON.stringify(new URL("./daemon.ts", import.meta.url).href)});
    console.log(JSON.stringify({ loaded, builtin: process.moduleLoadList }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", look], { maxBuffer: 16 << 20 });
  const { loaded, builtin } = JSON.parse(stdout) as { loaded: string[]; builtin: string[] };
  assert.ok(loaded.some((url) => url.endsWith("/src/core/step.ts")), "the look sees nothing");
  assert.deepEqual(loaded.filter((url) => /\/node_modules\/(zod|yaml|commander|nodemailer)\/|\/src\/(cli|config\/(load|schema|gather))\b/.test(url) && !url.endsWith("/load-apart.ts")), []);
  assert.deepEqual(builtin.filter((name) => /^NativeModule (https|_tls_wrap|internal\/deps\/undici\/undici)$/.test(name)), []);
});
