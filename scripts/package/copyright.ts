// /usr/share/doc/upkeep/copyright: whose work is in the package, and on what terms (Debian Policy 12.5, the machine-readable
// form of DEP 5). The list is what the bundler put in, so that a new dependency is in it by itself; one whose terms cannot be
// found fails the build.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Work = {
  /** In the package, as DEP 5 writes it. */
  readonly files: string;
  /** The npm package's folder. */
  readonly folder: string;
};

type Manifest = { readonly name: string; readonly version: string; readonly license?: string; readonly author?: string | { readonly name?: string } };

export function copyright(works: readonly Work[]): string {
  return `${[
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: Upkeep",
    "Comment: Node.js, and what npm packages Upkeep is made of, are in this package as they were published.",
    "",
    "Files: *", "Copyright: The authors of Upkeep", "License: Apache-2.0",
    "",
    "License: Apache-2.0", " On Debian systems, the whole text of the Apache License, version 2.0,", " is in /usr/share/common-licenses/Apache-2.0.",
    ...works.flatMap(paragraph),
  ].join("\n")}\n`;
}

function paragraph({ files, folder }: Work): readonly string[] {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const terms = termsOf(folder, manifest);
  const holders = [...new Set(terms.split("\n").map((line) => line.trim()).filter((line) => /^(\(?c\)? |copyright)/i.test(line) && /\d{4}|contributors|by /i.test(line)))];
  const author = typeof manifest.author === "string" ? manifest.author : manifest.author?.name;
  return [
    "", `Files: ${files}`, `Copyright: ${(holders.length === 0 ? [author ?? `The authors of ${manifest.name}`] : holders).join("\n ")}`,
    `License: ${manifest.license ?? "other"}-${manifest.name.replace(/[^a-z0-9.-]+/gi, "-").replace(/^-/, "")}`, ...terms.split("\n").map((line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`)),
    `Comment: ${manifest.name} ${manifest.version}`,
  ];
}

/** The terms as the package states them: a file of its own, or the end of its README. */
function termsOf(folder: string, manifest: Manifest): string {
  const names = readdirSync(folder).sort();
  const own = names.find((name) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(name));
  if (own !== undefined) return readFileSync(join(folder, own), "utf8").trim();
  const readme = names.find((name) => /^readme/i.test(name));
  const [, said = ""] = /^#+ *licen[cs]e.*\n([\s\S]*?)(?=^#+ |(?![\s\S]))/im.exec(readme === undefined ? "" : readFileSync(join(folder, readme), "utf8")) ?? [];
  if (/Permission is hereby granted|Copyright/i.test(said)) return said.trim();
  if (manifest.license === "MIT") return MIT;
  throw new Error(`${manifest.name} ${manifest.version} does not say on what terms it may be handed on`);
}

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
