// Builds the page: src/web → build/page, as the watcher serves it (and the package carries it). Names carry a hash of what is
// in the file, so a browser may keep each for ever, and index.html says which are meant; each lies there compressed too, so
// that the watcher never compresses anything. No script and no style is in the page itself: its policy allows none.
//
// `build/page` changes as a whole, by renaming: two builds at once, or one that is killed, leave a whole page.
// Run: bin/node24 scripts/build-page.ts

import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";
import { build } from "esbuild";
import type { PageManifest } from "../src/api/page-files.ts";
import { PAGES } from "../src/web/pages/index.ts";

const ROOT = join(import.meta.dirname, "..");
const SOURCE = join(ROOT, "src/web");
const TARGET = join(ROOT, "build/page");
/** Code of these comes with the first load, beside the shell. */
const FIRST = ["src/web/pages/fleet.tsx"];

export async function buildPage(target = TARGET): Promise<PageManifest> {
  mkdirSync(join(target, ".."), { recursive: true });
  const fresh = mkdtempSync(`${target}.new-`);
  try {
    const { metafile } = await build({
      entryPoints: [join(SOURCE, "main.tsx"), join(SOURCE, "style/page.css")], outdir: fresh, absWorkingDir: ROOT, tsconfig: join(SOURCE, "tsconfig.json"),
      bundle: true, splitting: true, format: "esm", platform: "browser", target: ["chrome123", "firefox120", "safari17.5"], minify: true, metafile: true, legalComments: "none", logLevel: "warning",
      entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", assetNames: "[name]-[hash]", jsx: "automatic", jsxImportSource: "preact", charset: "utf8",
      define: { "process.env.NODE_ENV": '"production"' },
    });
    const manifest = finish(fresh, metafile);
    const old = `${target}.old-${process.pid}`;
    rmSync(old, { recursive: true, force: true });
    try {
      renameSync(target, old);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    chmodSync(fresh, 0o755);
    renameSync(fresh, target);
    rmSync(old, { recursive: true, force: true });
    return manifest;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function finish(folder: string, metafile: Metafile): PageManifest {
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ path, name: basename(path), ...output }));
  const entry = (source: string) => {
    const found = outputs.find((output) => output.entryPoint === source);
    if (found === undefined) throw new Error(`nothing was built of ${source}`);
    return found;
  };
  const script = entry("src/web/main.tsx");
  const style = entry("src/web/style/page.css");
  const needed = new Set<string>();
  const need = (path: string): void => {
    if (needed.has(path)) return;
    needed.add(path);
    for (const { path: next, kind } of metafile.outputs[path]?.imports ?? []) if (kind === "import-statement") need(next);
  };
  for (const source of ["src/web/main.tsx", ...FIRST]) need(entry(source).path);
  const icon = readFileSync(join(SOURCE, "icon.svg"));
  const iconName = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
  writeFileSync(join(folder, iconName), icon);
  const preload = [...needed].filter((path) => path !== script.path).map((path) => `<link rel="modulepreload" href="/page/${basename(path)}">`).join("\n");
  const page = readFileSync(join(SOURCE, "index.html"), "utf8")
    .replace("{{icon}}", `/page/${iconName}`).replace("{{style}}", `/page/${style.name}`).replace("{{script}}", `/page/${script.name}`).replace("{{preload}}", preload);
  writeFileSync(join(folder, "index.html"), page);

  const files: Record<string, { bytes: number; gzipBytes: number; brotliBytes: number }> = {};
  for (const name of readdirSync(folder).sort()) {
    const bytes = readFileSync(join(folder, name));
    const gzip = gzipSync(bytes, { level: 9 });
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
    writeFileSync(join(folder, `${name}.gz`), gzip);
    writeFileSync(join(folder, `${name}.br`), brotli);
    files[name] = { bytes: bytes.length, gzipBytes: gzip.length, brotliBytes: brotli.length };
  }
  const gzipped = (names: readonly string[]) => names.reduce((sum, name) => sum + (files[name]?.gzipBytes ?? 0), 0);
  const manifest: PageManifest = { paths: PAGES.map((each) => each.path), first: { scriptBytes: gzipped([...needed].map((path) => basename(path))), styleBytes: gzipped([style.name]), pageBytes: gzipped(["index.html"]) }, files };
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
  return manifest;
}

if (import.meta.main) {
  const { first, files } = await buildPage();
  process.stdout.write(`build/page: ${Object.keys(files).length} files; the first load is ${(first.scriptBytes / 1_000).toFixed(1)} kB of script, ${(first.styleBytes / 1_000).toFixed(1)} kB of style, gzipped\n`);
}
