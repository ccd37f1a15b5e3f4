// A secret from a person: typed without showing, twice where a slip would lock somebody out; or a line of a file or a pipe.
// Never an argument, which every process of the machine can read.

import { readFileSync, statSync } from "node:fs";
import { CliError, EXIT } from "./exit.ts";

const BYTES_MAX = 4_096;

/** A new password. `file`: read it there; `-`: from standard input. */
export async function newPassword(file: string | undefined, user: string): Promise<string> {
  if (file !== undefined && file !== "-") return oneLine(readBounded(file));
  if (file === "-" || process.stdin.isTTY !== true) return oneLine(await piped());
  const first = await typed(`New password of ${user}: `);
  if ((await typed("Once more: ")) !== first) throw new CliError(EXIT.usage, "the two are not the same: nothing was changed");
  return first;
}

/** A line that is not shown as it is typed. */
export async function askSecret(prompt: string): Promise<string> {
  return process.stdin.isTTY === true ? typed(prompt) : oneLine(await piped());
}

function typed(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  // First of all: whoever types as soon as he is asked must not see it.
  stdin.setRawMode(true);
  stderr.write(prompt);
  stdin.setEncoding("utf8");
  stdin.resume();
  return new Promise((resolve, reject) => {
    let text = "";
    const end = (settle: () => void) => {
      stdin.off("data", hear);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      settle();
    };
    const hear = (chunk: string): void => {
      for (const letter of chunk) {
        if (letter === "\r" || letter === "\n" || letter === "\u0004") return end(() => resolve(text));
        if (letter === "\u0003") return end(() => reject(new CliError(EXIT.usage, "nothing was changed")));
        if (letter === "\u007f" || letter === "\b") text = [...text].slice(0, -1).join("");
        else if (letter === "\u0015") text = "";
        else if (letter >= " " && text.length < BYTES_MAX) text += letter;
      }
    };
    stdin.on("data", hear);
  });
}

let rest: string | null = null;

/** The next line of standard input. */
async function piped(): Promise<string> {
  if (rest === null) {
    rest = "";
    process.stdin.setEncoding("utf8");
    for await (const chunk of process.stdin as AsyncIterable<string>) {
      rest += chunk;
      if (rest.length > BYTES_MAX) break;
    }
  }
  const end = rest.indexOf("\n");
  const line = end < 0 ? rest : rest.slice(0, end);
  rest = end < 0 ? "" : rest.slice(end + 1);
  return line;
}

function readBounded(path: string): string {
  try {
    if (statSync(path).size > BYTES_MAX) throw new Error("it is too long for a password");
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CliError(EXIT.usage, `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function oneLine(text: string): string {
  const line = text.replace(/\r?\n$/, "");
  if (line === "" || /[\r\n]/.test(line)) throw new CliError(EXIT.usage, line === "" ? "no password was given" : "a password is one line");
  return line;
}
