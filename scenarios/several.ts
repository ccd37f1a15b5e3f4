// Scenarios of several watchers: as those of one (run.ts), on a small world of several cores and one store (core/test/several.ts).
// A script says `TIME EVENT`, or `at PHASE EVENT` for the moment in which an operation stands there on record; `holder` is
// whoever is in charge then, `another` the first of the others.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../src/core/io.ts";
import type { Policy } from "../src/core/policy.ts";
import { hostPolicy } from "../src/core/test/hand.ts";
import type { Watcher } from "../src/core/test/several.ts";
import { Site } from "../src/core/test/several.ts";

const FOLDER = join(import.meta.dirname, "several");
/** Lines that would only fill the page. */
const QUIET = new Set(["vote", "suspect", "probe-passed", "started", "healthy", "store-ok"]);

export function severalScenarios(): readonly string[] {
  return readdirSync(FOLDER).filter((name) => name.endsWith(".scenario")).sort();
}

export function regenerateSeveral(name: string): { was: string; is: string } {
  const was = readFileSync(join(FOLDER, name), "utf8");
  const [prose = "", script = ""] = was.split(/^---$/m);
  return { was, is: `${prose.trimEnd()}\n---\n${script.trim()}\n---\n${play(script.trim().split("\n")).join("\n")}\n` };
}

function play(lines: readonly string[]): readonly string[] {
  const setting = (word: string) => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  const change: Partial<Policy> = { lone: setting("lone") === "act" ? "act" : "hold" };
  const hosts = lines.filter((line) => line.startsWith("host ")).map((line) => {
    const [, name = "", device = "sucker", outlet = "1", members = "0"] = line.split(/[ /]/);
    return hostPolicy({ name, probes: [{ id: "ssh", counts: true }], bootMs: 60_000, levels: [[{ device, outlet }]], storeMembers: Number(members) });
  });
  const site = new Site(Number(setting("watchers") ?? 3), hosts, change);
  for (const watcher of site.watchers) watcher.start();
  site.pass(60_000);
  site.journal.length = 0;
  for (const line of lines) {
    const [when = "", ...words] = line.split(" ");
    if (["watchers", "lone", "host"].includes(when)) continue;
    if (when === "at") site.until(() => site.operations().some((operation) => operation.phase === words[0]), 600_000);
    else site.pass(Math.max(0, Number.parseFloat(when) * 1_000 - site.nowMs));
    const event = when === "at" ? words.slice(1) : words;
    if (event.length === 0) continue;
    const holder = event.includes("holder") ? site.holder : null;
    const who = holder ?? (event.includes("another") ? site.watchers.find((watcher) => watcher.running && watcher !== site.holder) : undefined);
    const said = event.map((word) => (word === "holder" || word === "another" ? (who?.name ?? word) : word));
    site.journal.push(`${(site.nowMs / 1_000).toFixed(3)} # ${said.join(" ")}`);
    happen(site, said);
  }
  return site.journal.filter((line) => !QUIET.has(line.split(" ")[2] ?? "")).map((line) => line.replace(/^(\d+\.\d{3})/, (time) => `${Number(time).toFixed(2).padStart(8)}s`));
}

function happen(site: Site, [what = "", name = "", ...rest]: readonly string[]): void {
  const watcher = site.watchers.find((each) => each.name === name);
  switch (what) {
    case "wedge":
      return site.wedge(name);
    case "kill":
      return watcher?.kill();
    case "start":
      return watcher?.start();
    case "sleep":
      return sleep(site, watcher as Watcher, Number.parseFloat(rest[0] ?? "0") * 1_000);
    case "cut":
      return rest[1] === "store" ? site.cut(watcher as Watcher) : void watcher?.cutFrom.add(rest[1] ?? "");
    case "mend":
      return rest[1] === "store" ? site.mend(watcher as Watcher) : void watcher?.cutFrom.delete(rest[1] ?? "");
    case "store":
      site.storeAway = name === "away";
      for (const each of site.watchers) if (name === "away") each.due({ kind: "blind", because: "no majority" });
      else site.mend(each);
      return;
    case "ask": {
      const reply = (watcher as Watcher).ask(JSON.parse(rest.join(" ")) as Command);
      return void site.journal.push(`${(site.nowMs / 1_000).toFixed(3)} = ${name} answers ${reply.exit}: ${reply.text}`);
    }
    default:
      throw new Error(`a scenario says ${what}, which nobody understands`);
  }
}

function sleep(site: Site, watcher: Watcher, ms: number): void {
  const { session } = watcher;
  watcher.pause(ms);
  if (session !== null) site.in(10_000, () => site.end(session));
}

if (process.argv[1] === import.meta.filename && process.argv[2] === "--write") {
  for (const name of severalScenarios()) {
    const { was, is } = regenerateSeveral(name);
    if (was === is) continue;
    writeFileSync(join(FOLDER, name), is);
    process.stdout.write(`written: several/${name}\n`);
  }
}
