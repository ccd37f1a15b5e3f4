// Builds the documentation: build/docs/index.html and what it leads to.
// Run: npm run docs [-- FOLDER]

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { site } from "./docs/site.ts";

const ROOT = join(import.meta.dirname, "..");
const target = resolve(process.argv[2] ?? join(ROOT, "build/docs"));
const files = site(ROOT);
// Only what was built before: a folder that somebody named may hold something else.
if (process.argv[2] === undefined) rmSync(target, { recursive: true, force: true });
for (const [path, content] of files) {
  mkdirSync(dirname(join(target, path)), { recursive: true });
  writeFileSync(join(target, path), content);
}
process.stdout.write(`${join(target, "index.html")}: ${files.size} files\n`);
