// What is in the package, and where (Filesystem Hierarchy Standard 3.0; Debian Policy 9.1): the program under /usr/lib/upkeep
// with its places as in a checkout, so that nothing in it has to know which of the two it runs from; what systemd, the shells
// and `man` look for where they look. Nothing under /etc: a configuration that somebody else wrote guards nobody.

import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { SCRIPTS } from "../../src/cli/commands/completion.ts";
import { buildPage } from "../build-page.ts";
import { site } from "../docs/site.ts";
import { npmPackage } from "./architecture.ts";
import type { Architecture } from "./architecture.ts";
import { bundle } from "./bundle.ts";
import { copyright } from "./copyright.ts";
import type { PackedFile } from "./deb.ts";
import { manPages } from "./man.ts";

export const HOME = "usr/lib/upkeep";
const DOC = "usr/share/doc/upkeep";

/** Where the shells look for completions. */
const COMPLETIONS: Readonly<Record<string, string>> = {
  bash: "usr/share/bash-completion/completions/upkeep",
  zsh: "usr/share/zsh/vendor-completions/_upkeep",
  fish: "usr/share/fish/vendor_completions.d/upkeep.fish",
};

/** What koffi is when it runs; its sources and what builds it stay out. */
const KOFFI = ["package.json", "index.js", "index.cjs", "src/koffi/index.js", "src/koffi/index.cjs", "src/koffi/src/static.js", "src/koffi/src/static.cjs"];

/** What the page is made of besides our own; package.test.ts looks whether these are all. */
export const PAGE_PACKAGES: readonly string[] = ["preact", "@preact/signals", "@preact/signals-core", "uplot", "uqr"];

export type Contents = { readonly root: string; readonly architecture: Architecture; /** Upkeep's own. */ readonly version: string; readonly debianVersion: string; readonly maintainer: string; readonly epochS: number };

export async function contents(what: Contents): Promise<readonly PackedFile[]> {
  const { root, architecture, version, epochS } = what;
  const node = await npmPackage(root, `node-linux-${architecture.node}`);
  const koffi = join(root, "node_modules/koffi");
  const compiled = await npmPackage(root, `@koromix/koffi-linux-${architecture.node}`);
  const { files, beside, packages } = await bundle(root);
  const built = [...files].map(([path, content]): PackedFile => ({ path: `${HOME}/${path}`, content }));
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const inside = (folder: string, pattern: string, target: string): PackedFile[] => globSync(pattern, { cwd: join(root, folder), withFileTypes: false }).map((path) => ({ path: `${target}/${path}`, content: { from: join(root, folder, path) } }));
  const date = new Date(epochS * 1_000);
  const works = [
    { files: `${HOME}/bin/node`, folder: node },
    ...[koffi, compiled].map((folder) => ({ files: `${HOME}/node_modules/${folder === koffi ? "koffi" : `@koromix/koffi-linux-${architecture.node}`}/*`, folder })),
    ...packages.map((folder) => ({ files: `${HOME}/parts/*`, folder: join(root, folder) })),
    ...PAGE_PACKAGES.map((name) => ({ files: `${HOME}/build/page/*`, folder: join(root, "node_modules", name) })),
  ];
  return [
    { path: "usr/bin/upkeep", content: { link: "../lib/upkeep/bin/upkeep" } },
    { path: `${HOME}/bin/upkeep`, content: { from: join(root, "packaging/upkeep") }, executable: true },
    { path: `${HOME}/bin/node`, content: { from: join(node, "bin/node") }, executable: true },
    { path: `${HOME}/package.json`, content: `${JSON.stringify({ name: "upkeep", version, type: "module" })}\n` },
    ...built,
    ...(await page()),
    ...beside.map((path): PackedFile => ({ path: `${HOME}/${path}`, content: { from: join(root, path) } })),
    ...KOFFI.map((path): PackedFile => ({ path: `${HOME}/node_modules/koffi/${path}`, content: { from: join(koffi, path) } })),
    ...["package.json", "index.js", `linux_${architecture.node}/koffi.node`].map((path): PackedFile => ({ path: `${HOME}/node_modules/@koromix/koffi-linux-${architecture.node}/${path}`, content: { from: join(compiled, path) } })),
    ...["upkeep-watch", "upkeep-agent"].map((unit): PackedFile => ({ path: `usr/lib/systemd/system/${unit}.service`, content: read(`packaging/systemd/${unit}.service`).replaceAll("/opt/upkeep/bin/upkeep", "/usr/bin/upkeep") })),
    ...["sysusers.d/upkeep.conf", "tmpfiles.d/upkeep.conf", "sysctl.d/50-upkeep.conf"].map((path): PackedFile => ({ path: `usr/lib/${path}`, content: read(`packaging/${path}`) })),
    ...Object.entries(COMPLETIONS).map(([shell, path]): PackedFile => ({ path, content: `${SCRIPTS[shell] ?? ""}\n` })),
    ...[...(await manPages(version, date.toISOString().slice(0, 10)))].map(([name, page]): PackedFile => ({ path: `usr/share/man/man${name.slice(-1)}/${name}.gz`, content: packed(page) })),
    { path: "usr/share/upkeep/upkeep.schema.json", content: read("docs/reference/upkeep.schema.json") },
    ...inside("packaging/prometheus", "!(*.test).yaml", "usr/share/upkeep/prometheus"),
    ...inside("packaging/grafana", "*", "usr/share/upkeep/grafana"),
    ...inside("examples", "**/*.yaml", `${DOC}/examples`),
    ...[...site(root)].map(([path, content]): PackedFile => ({ path: `${DOC}/html/${path}`, content })),
    { path: `${DOC}/copyright`, content: copyright(works) },
    { path: `${DOC}/changelog.gz`, content: packed(read("CHANGELOG.md")) },
    { path: `${DOC}/changelog.Debian.gz`, content: packed(changelog(what, date)) },
    { path: "usr/share/lintian/overrides/upkeep", content: read("packaging/debian/lintian-overrides").replaceAll("$CPU", architecture.node) },
  ];
}

/** The page, built anew: what lies in build/page may be of another day. */
async function page(): Promise<readonly PackedFile[]> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-page-"));
  try {
    await buildPage(join(folder, "page"));
    return readdirSync(join(folder, "page")).map((name) => ({ path: `${HOME}/build/page/${name}`, content: readFileSync(join(folder, "page", name)) }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** deb-changelog(5). What is new in Upkeep stands in its own. */
function changelog({ debianVersion, maintainer }: Contents, date: Date): string {
  const stamp = date.toUTCString().replace("GMT", "+0000");
  return `upkeep (${debianVersion}) unstable; urgency=medium\n\n  * As in changelog.gz.\n\n -- ${maintainer}  ${stamp}\n`;
}

/** Without a name and a time in it, and as small as it gets. */
function packed(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}
