// The door of the command line: what bin/upkeep starts, by way of start.mjs.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./program.ts";

// A reader that has seen enough (`upkeep events | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 70));

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string };
process.exitCode = await run(process.argv.slice(2), version);
