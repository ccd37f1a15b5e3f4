// A configuration that was drafted on its way to the disk: shown to the real loader first, never over a file that is there,
// whole or not at all, and its secrets beside it in files of their own, which are never readable by others in between.

import { constants } from "node:fs";
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Problem } from "../config/problems.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Answers } from "./init-answers.ts";

const SECRET_MODE = 0o600;
/** A configuration names no secret, and says where to strike all the same. */
const CONFIG_MODE = 0o640;

/** Writes a draft and what was typed for it. */
export async function writeDraft(path: string, text: string, secrets: ReadonlyMap<string, string>, overwrite: boolean): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  for (const [file, secret] of secrets) await write(file, `${secret}\n`, SECRET_MODE, overwrite);
  await write(path, text, CONFIG_MODE, overwrite);
}

/** What was typed, by the whole path of the file that it goes to. */
export function besides(path: string, { typed }: Answers): ReadonlyMap<string, string> {
  return new Map([...typed].map(([file, secret]) => [resolve(dirname(path), file), secret]));
}

export type Judged = { readonly errors: readonly string[]; readonly warnings: readonly Problem[] };

/** The real loader's word on what is to be written. */
export async function judged(path: string, text: string, secrets: ReadonlyMap<string, string>): Promise<Judged> {
  const { loadConfig } = await import("../config/load.ts");
  const { problems } = await loadConfig(path, { readFile: async (file) => (file === path ? text : secrets.get(resolve(file)) ?? readFile(file)) });
  const lines = text.split("\n");
  const errors = problems.filter(({ severity }) => severity === "error").map(({ line, message, hint }) => `${message}${hint === null ? "" : ` (${hint})`}: ${(lines[line - 1] ?? "").trim()}`);
  return { errors, warnings: problems.filter(({ severity }) => severity === "warning") };
}

/** Says which of these is there already. */
export async function refuseToOverwrite(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const there = await stat(path).then(() => true, () => false);
    if (there) throw new CliError(EXIT.usage, `${path} is there already: --force overwrites it, --out names another file`);
  }
}

/** Whole or not at all, and never readable by others in between. */
async function write(path: string, text: string, mode: number, overwrite: boolean): Promise<void> {
  const target = overwrite ? join(dirname(path), `.${basename(path)}.${process.pid}`) : path;
  const file = await open(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  if (overwrite) await rename(target, path);
}
