// What an agent does not load: its memory is on every host, for years.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

test("an agent with careful shutdown alone loads neither schema nor command line, neither TLS nor SQLite", { timeout: 120_000 }, async () => {
  const look = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ resolve: (specifier, context, next) => { const found = next(specifier, context); loaded.push(found.url); return found; } });
    await import(${JSON.stringify(new URL("./daemon.ts", import.meta.url).href)});
    await import(${JSON.stringify(new URL("./careful/index.ts", import.meta.url).href)});
    console.log(JSON.stringify({ loaded, builtin: process.moduleLoadList }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", look], { maxBuffer: 16 << 20 });
  const { loaded, builtin } = JSON.parse(stdout) as { loaded: string[]; builtin: string[] };
  assert.ok(loaded.some((url) => url.endsWith("/src/core/careful.ts")), "the look sees nothing");
  assert.deepEqual(loaded.filter((url) => /\/node_modules\/(zod|yaml|commander)\/|\/src\/(watcher|journal|stores|cli|link|config\/(load|schema|gather))\b/.test(url) && !url.endsWith("/load-apart.ts")), []);
  assert.deepEqual(builtin.filter((name) => /^NativeModule (https|_tls_wrap|sqlite|internal\/deps\/undici\/undici)$/.test(name)), []);
});
