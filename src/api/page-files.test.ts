// The page's files over a real socket: only what the manifest names, each address of the page with the same file, and what a
// watcher without a page says.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { buildPage } from "../../scripts/build-page.ts";
import { ask, newPath, opened } from "./doors-for-tests.ts";
import { pageFile } from "./page-files.ts";

test("every address of the page, and every file that it names, is served as it was built", async () => {
  const folder = newPath();
  const manifest = await buildPage(folder);
  const page = async (name: string) => {
    const reply = await pageFile({ name }, [`${folder}-none`, folder]);
    assert.ok(reply.kind === "file");
    return reply;
  };
  const first = await page("/");
  const text = first.bytes.toString();
  assert.deepEqual([first.forever, first.type], [false, "text/html; charset=utf-8"]);
  assert.equal(gunzipSync(first.gzip as Buffer).toString(), text);
  for (const path of ["/hosts/db1.example.org", "/hosts/%E2%82%AC", "/incidents/lusab-babad", "/incidents/"]) assert.equal((await page(path)).bytes.toString(), text);
  const named = [...text.matchAll(/(?:href|src)="(\/page\/[^"]+)"/g)].map((match) => match[1] as string);
  assert.ok(named.length >= 4, text);
  for (const path of named) assert.ok((await page(path)).forever, path);
  // The policy of the page allows nothing that stands in its own text.
  assert.doesNotMatch(text, /<style|style="|<script(?![^>]*src=)|\son[a-z]+=/);
  assert.ok(manifest.first.scriptBytes < 60_000, `the first load is ${manifest.first.scriptBytes} bytes of script, gzipped`);
  assert.ok(!text.includes("uPlot"));
});

test("nothing else is served", async () => {
  const folder = newPath();
  await buildPage(folder);
  writeFileSync(`${folder}/secret.js`, "secret");
  for (const name of ["/page/secret.js", "/page/../manifest.json", "/page/manifest.json", "/page/", "/page/__proto__", "/page/constructor", "/hosts", "/hosts/a/b", "/hosts/", "/etc/passwd", "", "*"]) {
    await assert.rejects(() => pageFile({ name }, [folder]), /nothing here/, name);
  }
});

test("a watcher whose page was not built says so, and is a watcher all the same", async () => {
  const reply = await pageFile({ name: "/" }, [newPath()]);
  assert.deepEqual([reply.kind, reply.kind === "text" && reply.status], ["text", 503]);
  const broken = newPath();
  mkdirSync(broken);
  writeFileSync(`${broken}/manifest.json`, "{");
  await assert.rejects(() => pageFile({ name: "/" }, [broken]), SyntaxError);
  rmSync(broken, { recursive: true });
});

test("over TCP, with any words behind the question mark", async () => {
  const { tcp, close } = await opened();
  const got = await ask(tcp, "GET", "/?q=db&only=down");
  // In a checkout whose page was never built the answer is the one above.
  assert.match(String(got.headers["content-type"]), got.status === 200 ? /text\/html/ : /text\/plain/);
  assert.match(String(got.headers["content-security-policy"]), /default-src 'none'/);
  await close();
});
