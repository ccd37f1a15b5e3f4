// Where secrets come from: a file, a variable, or (linted) the configuration itself. Read once at load; a missing one is a
// configuration error, because a watcher that finds out at three in the morning that it has no password is no watcher.

import { isAbsolute, join } from "node:path";
import type { SecretInput } from "./fields.ts";
import { isWorldReadable, readBounded } from "./files.ts";
import type { ReadFile } from "./files.ts";
import type { Place, ProblemList } from "./problems.ts";
import { Secret } from "./secret.ts";

const SECRET_BYTES_MAX = 65_536;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads secrets, each file once. */
export class SecretReader {
  readonly #env: Environment;
  readonly #problems: ProblemList;
  readonly #readFile: ReadFile | undefined;
  readonly #files = new Map<string, Promise<string | { readonly wrong: string }>>();

  constructor(env: Environment, problems: ProblemList, readFile: ReadFile | undefined) {
    this.#env = env;
    this.#problems = problems;
    this.#readFile = readFile;
  }

  /** The secret, or null when it cannot be had; then that has been told. `lint` false: a literal is no mistake. */
  async read(input: SecretInput, place: Place, directory: string, lint = true): Promise<Secret | null> {
    if ("literal" in input) {
      if (lint) this.#problems.add(place, "SECRET_LITERAL", "a secret in the configuration itself", "write { file: … } or { env: … }");
      return this.#checked(input.literal, "the secret", place);
    }
    if ("env" in input) {
      const value = this.#env[input.env];
      if (value === undefined) this.#problems.add(place, "SECRET_MISSING", `the variable ${input.env} is not set`);
      return value === undefined ? null : this.#checked(dropNewline(value), `the variable ${input.env}`, place);
    }
    const path = isAbsolute(input.file) ? input.file : join(directory, input.file);
    const found = await this.#file(path);
    if (typeof found !== "string") {
      this.#problems.add(place, "SECRET_MISSING", `${path}: ${found.wrong}`);
      return null;
    }
    if (this.#readFile === undefined && (await isWorldReadable(path))) this.#problems.add(place, "SECRET_WORLD_READABLE", `everybody may read ${path}`, `chmod 640 ${path}`);
    return this.#checked(dropNewline(found), path, place);
  }

  /** A whole file, such as a key in PEM; `secret`: linted when everybody may read it. */
  async text(path: string, place: Place, secret: boolean): Promise<string | { readonly wrong: string }> {
    const found = await this.#file(path);
    if (secret && typeof found === "string" && this.#readFile === undefined && (await isWorldReadable(path))) this.#problems.add(place, "SECRET_WORLD_READABLE", `everybody may read ${path}`, `chmod 640 ${path}`);
    return found;
  }

  #file(path: string): Promise<string | { readonly wrong: string }> {
    const before = this.#files.get(path);
    if (before !== undefined) return before;
    const reading = readBounded(path, SECRET_BYTES_MAX, this.#readFile).then((read) => (read.ok ? new TextDecoder().decode(read.bytes) : { wrong: read.reason }));
    this.#files.set(path, reading);
    return reading;
  }

  #checked(text: string, what: string, place: Place): Secret | null {
    // A line break inside a password would be typed at the device as the end of it, and the rest as a command.
    const wrong = text === "" ? "is empty" : /[\p{Cc}]/u.test(text) ? "holds a line break or another control character" : text.length > 4_096 ? "is too long" : null;
    if (wrong === null) return new Secret(text);
    this.#problems.add(place, "SECRET_INVALID", `${what} ${wrong}`, "a secret is one line of text");
    return null;
  }
}

function dropNewline(text: string): string {
  return text.replace(/\r?\n$/, "");
}
