// The program as a few hundred kilobytes of JavaScript instead of a thousand files: an entry for the command line, one for
// the watcher and one for each of its threads, and what they share, or load when they need it, in pieces (`parts/`). A driver
// that no configuration names stays on the disk, as in a checkout.
//
// The entries keep their places in the tree (`src/watcher/start.mjs`), so that code which finds a file beside itself finds
// it here, too. For that, a module's own place is written into it before it becomes part of a piece: in the source tree
// `import.meta.dirname` is where the module is, in a piece it would be where the piece is.

import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";
import type { BuildResult, Metafile, Plugin } from "esbuild";

/** What is started by its path from outside: by the launcher, and by execve. Threads and children are found (`bundle`). */
export const ENTRIES: readonly string[] = ["src/cli/start.mjs", "src/watcher/start.mjs", "src/agent/start.mjs"];

/** Nothing is written there: esbuild wants to know where it would be. */
const OUT = "build/package";
const PIECES = "parts";
const BANNER = 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);';

/** What modules find by their place and the bundler cannot: other parts of the builder put it there (tree.ts). */
export const PROVIDED: readonly string[] = ["package.json", "bin/upkeep", "build/page"];
/** What only tests and a checkout have, of modules that are in the package for something else. */
const NOT_NEEDED: readonly string[] = ["lab/unpacked", "src/api/page", "src/node_modules/.cache/upkeep"];

export type Bundle = {
  /** Path under the root of the program → content. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Folders of npm packages, relative to the checkout, parts of which are in there. */
  readonly packages: readonly string[];
  /** What is started by its path. */
  readonly entries: readonly string[];
  /** Files that a module reads from its place in the tree: paths in the checkout. */
  readonly beside: readonly string[];
  /** What an entry, or another file of the bundle, has loaded before its first line runs: paths in the checkout. */
  atStart(file: string): ReadonlySet<string>;
};

export async function bundle(root: string): Promise<Bundle> {
  // A module that is started by its place (`new Worker(new URL("./worker.ts", import.meta.url))`) is an entry, too; and it
  // may start others.
  for (let entries = ENTRIES; ; ) {
    const { built, places } = await once(root, entries);
    const started = [...places].filter((path) => /\.(ts|mjs)$/.test(path) && !entries.includes(path));
    if (started.length > 0) {
      entries = [...entries, ...started.sort()];
      continue;
    }
    const files = new Map(built.outputFiles.map((file) => [relative(join(root, OUT), file.path), file.contents]));
    for (const entry of entries) {
      // What stands in an entry itself would be placed as if it stood in a piece.
      const own = Buffer.from(files.get(outputOf(entry)) ?? []).toString().replace(BANNER, "");
      if (own === "" || own.includes("import.meta")) throw new Error(`${entry} is not in the bundle, or asks for its own place: let it import what does`);
    }
    return { files, entries, beside: besides(root, [...places].filter((path) => !entries.includes(path))), packages: packagesOf(built.metafile), atStart: (file) => loadedBy(built.metafile, `${OUT}/${file}`) };
  }
}

async function once(root: string, entries: readonly string[]): Promise<{ readonly built: BuildResult<{ metafile: true; write: false }>; readonly places: ReadonlySet<string> }> {
  const places = new Set<string>();
  const built = await build({
    absWorkingDir: root,
    entryPoints: [...entries],
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    outdir: join(root, OUT),
    outbase: root,
    entryNames: "[dir]/[name]",
    chunkNames: `${PIECES}/[name]-[hash]`,
    outExtension: { ".js": ".mjs" },
    // Lines and names stay: a stack trace in the journal is evidence.
    minifySyntax: true,
    legalComments: "none",
    // A part of koffi is compiled, and finds it by its own place.
    external: ["koffi"],
    // Packages that are CommonJS ask for Node's own modules this way.
    banner: { js: BANNER },
    metafile: true,
    write: false,
    logLevel: "silent",
    plugins: [ownPlaces(root, places)],
  });
  return { built, places };
}

/** Where an entry is in the bundle. */
function outputOf(entry: string): string {
  return entry.replace(/\.ts$/, ".mjs");
}

function ownPlaces(root: string, places: Set<string>): Plugin {
  return {
    name: "own-places",
    setup({ onLoad }) {
      // Its folder would be written by whoever types a command, in a place that belongs to the package.
      onLoad({ filter: /src\/compile-cache\.mjs$/ }, async () => ({ contents: await readFile(join(root, "packaging/compile-cache.mjs"), "utf8"), loader: "js" }));
      onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path }) => {
        const module = relative(root, path);
        if (module.startsWith("..") || module.includes("node_modules/")) return null;
        const text = await readFile(path, "utf8");
        for (const place of placesIn(module, text)) places.add(place);
        return { contents: placed(module, text), loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}

/** A module's text with its place in the tree, as seen from a piece, instead of the piece's own. */
export function placed(module: string, text: string): string {
  const place = relative(PIECES, module);
  return text
    // Required by its name: bundled like an import, if it is not left outside.
    .replaceAll('createRequire(import.meta.url)("', 'require("')
    // A thread or a child that starts in TypeScript.
    .replace(/(new URL\("[^"]+)\.ts", import\.meta\.url\)/g, '$1.mjs", import.meta.url)')
    .replace(/\bimport\.meta\.(url|dirname)\b/g, (_, what: string) => (what === "url" ? `new URL(${JSON.stringify(place)}, import.meta.url).href` : `decodeURIComponent(new URL(${JSON.stringify(dirname(place))}, import.meta.url).pathname)`));
}

/** What a module asks for by its own place, as far as it says so in so many words. */
export function placesIn(module: string, text: string): readonly string[] {
  return [...text.matchAll(/new URL\("([^"]+)", import\.meta\.url\)|join\(import\.meta\.dirname, "([^"]+)"\)/g)].map(([, beside, under]) => join(dirname(module), beside ?? under ?? ""));
}

/** The files among places. A folder that nobody provides would be missed at run time. */
function besides(root: string, places: readonly string[]): readonly string[] {
  const others = places.filter((path) => !PROVIDED.includes(path) && !NOT_NEEDED.includes(path)).sort();
  const lost = others.filter((path) => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() !== true);
  if (lost.length > 0) throw new Error(`a module asks for ${lost.join(", ")} by its place: say in scripts/package/bundle.ts whether that is provided, or not needed in the package`);
  return others;
}

function loadedBy(metafile: Metafile, start: string): ReadonlySet<string> {
  const outputs = new Set<string>();
  const walk = (path: string): void => {
    const output = metafile.outputs[path];
    if (output === undefined || outputs.has(path)) return;
    outputs.add(path);
    // An entry waits for one thing that it loads once the compile cache is there.
    const waits = (kind: string): boolean => kind === "import-statement" || (kind === "dynamic-import" && path === start && output.entryPoint !== undefined);
    for (const each of output.imports) if (waits(each.kind)) walk(each.path);
  };
  walk(start);
  return new Set([...outputs].flatMap((path) => Object.entries(metafile.outputs[path]?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([input]) => input)));
}

function packagesOf(metafile: Metafile): readonly string[] {
  const folders = new Set<string>();
  for (const output of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder);
    }
  }
  return [...folders].sort();
}
