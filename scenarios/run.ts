// Scenarios: plain-text transcripts, events in, decisions and reasons out. A file has three parts, divided by `---`: what it
// shows, in prose; the script (script.ts); and the transcript that the core gives. `bin/node24 scenarios/run.ts --write` writes
// the third part again; the test compares it letter by letter.
//
// In a transcript `#` is what happens in the world, `!` a command at a device, `=` an answer to a person, `@` a call to one,
// `>` what `upkeep status` says; all else is the journal.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { World } from "./world.ts";

const FOLDER = import.meta.dirname;

export function scenarios(): readonly string[] {
  return readdirSync(FOLDER).filter((name) => name.endsWith(".scenario")).sort();
}

/** The file as it should read, given its prose and script. */
export function regenerate(name: string): { was: string; is: string } {
  const was = readFileSync(join(FOLDER, name), "utf8");
  const [prose = "", script = ""] = was.split(/^---$/m);
  const lines = new World().run(script);
  return { was, is: `${prose.trimEnd()}\n---\n${script.trim()}\n---\n${lines.join("\n")}\n` };
}

if (process.argv[2] === "--write") {
  for (const name of scenarios()) {
    const { was, is } = regenerate(name);
    if (was === is) continue;
    writeFileSync(join(FOLDER, name), is);
    process.stdout.write(`written: ${name}\n`);
  }
}
