// The page's files, as `scripts/build-page.ts` made them: read from the disk whenever they are asked for, because a browser
// keeps them for ever and a watcher has other uses for its memory. Nothing is served that does not stand in the manifest, so no
// path leads anywhere else; the addresses of the page itself stand there too, and each answers with the same file.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Asked, Reply } from "./route.ts";
import { missing } from "./route.ts";

/** What the build says of itself. */
export type PageManifest = {
  /** Addresses of the page: `/`, `/hosts/:host`. */
  readonly paths: readonly string[];
  /** What the first load of the fleet is, gzipped. */
  readonly first: { readonly scriptBytes: number; readonly styleBytes: number; readonly pageBytes: number };
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly gzipBytes: number; readonly brotliBytes: number }>>;
};

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const FILES = "/page/";

/** In a checkout, and beside the program of the package. */
const FOLDERS = [join(import.meta.dirname, "../../build/page"), join(import.meta.dirname, "page")];

/** What a path outside the interface leads to. */
export async function pageFile({ name: path }: Pick<Asked, "name">, folders: readonly string[] = FOLDERS): Promise<Reply> {
  const folder = folders.find((each) => existsSync(join(each, "manifest.json")));
  if (folder === undefined) {
    if (path !== "/") missing("there is nothing here; see /v1/status");
    return { kind: "text", status: 503, type: "text/plain; charset=utf-8", text: "The page has not been built: run bin/setup. What it would show: upkeep status, upkeep why HOST.\n" };
  }
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as PageManifest;
  const file = path.startsWith(FILES) ? path.slice(FILES.length) : manifest.paths.some((pattern) => fits(pattern, path)) ? "index.html" : "";
  if (!Object.hasOwn(manifest.files, file)) missing("there is nothing here; see /v1/status");
  const [bytes, gzip, brotli] = await Promise.all(["", ".gz", ".br"].map((end) => readFile(join(folder, file + end)))) as [Buffer, Buffer, Buffer];
  return { kind: "file", type: TYPES[extname(file)] ?? "application/octet-stream", etag: createHash("sha256").update(bytes).digest("base64url").slice(0, 22), forever: file !== "index.html", bytes, gzip, brotli };
}

function fits(pattern: string, path: string): boolean {
  const parts = path.replace(/(.)\/$/, "$1").split("/");
  const wanted = pattern.split("/");
  return parts.length === wanted.length && wanted.every((part, index) => (part.startsWith(":") ? parts[index] !== "" : part === parts[index]));
}
