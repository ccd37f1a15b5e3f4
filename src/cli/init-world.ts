// What `upkeep init` is given by a real terminal and a real standard input.

import { createInterface } from "node:readline";
import type { InitWorld } from "./commands/init.ts";
import { print } from "./terminal.ts";

export function initWorld(): InitWorld {
  let lines: AsyncIterator<string> | null = null;
  return {
    print,
    nowMs: Date.now,
    terminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
    async readLine() {
      lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
      const { value, done } = await lines.next();
      return done === true ? null : value;
    },
    ask: async () => (await import("./init-questions.ts")).terminalAsker(),
  };
}
