// What `upkeep init` is given by a real terminal and a real standard input.

import { createInterface } from "node:readline";
import type { InitWorld } from "./commands/init.ts";
import { networksToOffer } from "../discovery/subnet.ts";
import { complain, print } from "./terminal.ts";

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
    networks: networksToOffer,
    discovery: async () => (await import("../discovery/discovery.ts")).openDiscovery(),
    progress(text) {
      // Where nobody sees it, it would only be in the way.
      if (process.stderr.isTTY) process.stderr.write(text === null ? "\r\u001b[K" : `\r\u001b[K${text}`);
    },
    note: complain,
    async interruptible(work) {
      const controller = new AbortController();
      const interrupt = (): void => controller.abort();
      // The second one ends the program, as ever.
      process.once("SIGINT", interrupt);
      try {
        return await work(controller.signal);
      } finally {
        process.removeListener("SIGINT", interrupt);
      }
    },
    ask: async () => (await import("./init-questions.ts")).terminalAsker(),
  };
}
