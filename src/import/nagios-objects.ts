// The object files of Nagios (and Icinga 1, Naemon, Shinken) as they stand: `define host { … }` with its place, templates not
// yet applied, and what else a main file names: `cfg_file`, `cfg_dir`, `resource_file`. Every file is read once, however often
// and in whatever circle it is named.

import { dirname, isAbsolute, join } from "node:path";
import type { NotCarried, Place } from "./imported.ts";
import { ImportError, baseName, filesBelow, readWhole } from "./source-file.ts";

export type NagiosObject = { readonly type: string; readonly fields: ReadonlyMap<string, string>; readonly place: Place };

export type NagiosFiles = {
  readonly objects: readonly NagiosObject[];
  /** `$USER1$` and its like, by name. */
  readonly resources: ReadonlyMap<string, string>;
  /** What could not be read. */
  readonly unread: readonly NotCarried[];
};

const OBJECTS_MAX = 100_000;
const FILES_MAX = 2_000;

/** Reads files and folders, and what main files among them name. */
export async function readNagios(paths: readonly string[]): Promise<NagiosFiles> {
  const objects: NagiosObject[] = [];
  const resources = new Map<string, string>();
  const unread: NotCarried[] = [];
  const seen = new Set<string>();
  const waiting: string[] = [];
  for (const path of paths) waiting.push(...(await filesBelow(path, /\.cfg$/, seen)));
  const done = new Set<string>();
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (done.has(file)) continue;
    if (done.size >= FILES_MAX) throw new ImportError(`more than ${FILES_MAX} files`);
    done.add(file);
    const from = dirname(file);
    const more: { readonly key: string; readonly target: string; readonly place: Place }[] = [];
    parse(await readWhole(file), baseName(file), objects, resources, unread, (key, path, place) => {
      more.push({ key, target: isAbsolute(path) ? path : join(from, path), place });
    });
    for (const { key, target, place } of more) {
      try {
        if (key === "resource_file") parse(await readWhole(target), baseName(target), objects, resources, unread, () => undefined);
        else waiting.push(...(await filesBelow(target, /\.cfg$/, seen)));
      } catch (error) {
        if (!(error instanceof ImportError)) throw error;
        unread.push({ ...place, what: `${key}=${target}`, why: error.message });
      }
    }
    if (objects.length > OBJECTS_MAX) throw new ImportError(`more than ${OBJECTS_MAX} objects`);
  }
  return { objects, resources, unread };
}

function parse(text: string, file: string, objects: NagiosObject[], resources: Map<string, string>, unread: NotCarried[], named: (key: string, path: string, place: Place) => void): void {
  let open: { type: string; fields: Map<string, string>; line: number } | null = null;
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index += 1) {
    const line = index + 1;
    let written = lines[index] as string;
    // A backslash at the end goes on in the next line.
    while (/(^|[^\\])\\$/.test(written) && index + 1 < lines.length) written = written.slice(0, -1) + (lines[(index += 1)] as string).trimStart();
    if (/^\s*[#;]/.test(written)) continue;
    const clean = written.replace(/(^|[^\\]);.*$/, "$1").replaceAll("\\;", ";").trim();
    if (clean === "") continue;
    if (open === null) {
      const [, type, rest = ""] = /^define\s+([A-Za-z_]+)\s*\{?\s*(.*)$/.exec(clean) ?? [];
      if (type !== undefined) {
        open = { type: type.toLowerCase(), fields: new Map(), line };
        if (rest === "}") open = close(open, file, objects);
        continue;
      }
      const [, key = "", value = ""] = /^([A-Za-z0-9_$]+)\s*=\s*(.*)$/.exec(clean) ?? [];
      if (/^\$\w+\$$/.test(key)) resources.set(key.slice(1, -1), value);
      else if (key === "cfg_file" || key === "cfg_dir" || key === "resource_file") named(key, value, { file, line });
      continue;
    }
    if (clean === "{") continue;
    if (clean === "}") {
      open = close(open, file, objects);
      continue;
    }
    const [, key = "", value = ""] = /^(\S+)\s*(.*)$/s.exec(clean) ?? [];
    open.fields.set(key.toLowerCase(), value.trim());
  }
  if (open !== null) unread.push({ file, line: open.line, what: `define ${open.type}`, why: "it does not end" });
}

function close(open: { type: string; fields: Map<string, string>; line: number }, file: string, objects: NagiosObject[]): null {
  objects.push({ type: open.type, fields: open.fields, place: { file, line: open.line } });
  return null;
}
