// The typed name: what stands between a slip of the finger and a serving host without power. Read from a terminal or from
// one piped line; nothing else counts as yes.

import { complain } from "./terminal.ts";

const TYPED_BYTES_MAX = 1_024;

/** Says what is asked and reads one line; null when there is none. */
export async function askName(sentence: string): Promise<string | null> {
  complain(sentence);
  const { stdin } = process;
  if (stdin.isTTY === true) process.stderr.write("> ");
  let typed = "";
  stdin.setEncoding("utf8");
  try {
    for await (const chunk of stdin as AsyncIterable<string>) {
      typed += chunk;
      if (typed.includes("\n") || typed.length > TYPED_BYTES_MAX) break;
    }
  } catch {
    return null;
  } finally {
    // Nothing more is read, and an open terminal must not keep this process.
    stdin.destroy();
  }
  const line = typed.split("\n")[0]?.trim() ?? "";
  return line === "" ? null : line;
}
