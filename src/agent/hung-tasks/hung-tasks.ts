// The part `hungTasks`: a kernel in which something waits for ever is made to panic, and a kernel that has panicked to start
// again, by settings of the kernel's own (kernel documentation, admin-guide/sysctl/kernel.rst). They stand in a file of ours in
// /etc/sysctl.d, so that they hold before this agent runs and without it.
//
// Nobody is overruled: where another file has the last word, or somebody has changed a setting since, that is told and
// left. What was before is kept from the first time on, and comes back with `upkeep agent uninstall`.

import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { AgentPartOptions } from "../../config/agent/index.ts";
import type { HostFinding } from "../../core/finding.ts";
import type { Part, PartWorld } from "../part.ts";
import { overriddenBy, SYSCTL_CONF, SYSCTL_FOLDERS } from "./sysctl.ts";
import type { SettingFile } from "./sysctl.ts";

type Options = AgentPartOptions["hungTasks"];
type World = Pick<PartWorld<Options>, "options" | "folder" | "dryRun" | "report" | "say" | "at" | "now">;
type Settings = Readonly<Record<string, string>>;

const SUBJECT = "hung-tasks";
export const OWN_FILE = "/etc/sysctl.d/60-upkeep-agent.conf";
const HEAD = "# Written by the agent of upkeep, and taken away by `upkeep agent uninstall`. Changes here are lost: give a later file another value.";
const BEFORE = "before.json";
const LOOK_EVERY_MS = 60_000;
const DETECTS = "kernel.hung_task_panic";

/** `root`: where the file system begins; a test has one of its own. */
export function hungTasksIn(root: string): Part<Options> {
  return {
    name: "hungTasks",
    start(world) {
      world.report(install(root, world));
      let takeBack = (): void => {};
      const later = (): void => {
        takeBack = world.at(world.now().bootMs + LOOK_EVERY_MS, () => {
          // A dry run has set nothing that could have changed.
          if (!world.dryRun) world.report(compare(root, world.options));
          later();
        });
      };
      later();
      return { stop: () => (takeBack(), Promise.resolve()) };
    },
    uninstall(world) {
      takeAway(root, world);
      return Promise.resolve();
    },
  };
}

export const hungTasks: Part<Options> = hungTasksIn("/");

function wanted({ afterSeconds, restartAfterSeconds }: Options): Settings {
  return { [DETECTS]: "1", "kernel.hung_task_timeout_secs": String(afterSeconds), "kernel.panic": String(restartAfterSeconds) };
}

function inWords({ afterSeconds, restartAfterSeconds }: Options): string {
  return `the kernel panics when a task has hung for ${afterSeconds} s, and starts again ${restartAfterSeconds} s after a panic`;
}

function finding(verdict: HostFinding["verdict"], because: string): HostFinding {
  return { subject: SUBJECT, verdict, because, mayCut: false };
}

/** Sets what is not set, unless somebody else has the last word. */
function install(root: string, world: World): HostFinding {
  const { options, folder, dryRun, say } = world;
  const settings = wanted(options);
  const refused = refusal(root, settings);
  if (refused !== null) return finding("warn", refused);
  try {
    const own = textOr(join(root, OWN_FILE));
    const text = `${HEAD}\n${Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join("")}`;
    if (dryRun) return finding("unknown", `dry run: ${own === text ? "set at boot" : "would be set"}: ${inWords(options)}`);
    const before = Object.fromEntries(Object.keys(settings).map((key) => [key, readSetting(root, key)]));
    // Of the first time, and never of what we have set ourselves.
    if (textOr(join(folder, BEFORE)) === null) replace(join(folder, BEFORE), JSON.stringify(before), 0o600);
    if (own !== text) {
      replace(join(root, OWN_FILE), text, 0o644);
      say("info", `${OWN_FILE}: ${inWords(options)}`);
    }
    for (const [key, value] of Object.entries(settings)) if (readSetting(root, key) !== value) writeFileSync(settingPath(root, key), value);
  } catch (error) {
    return finding("warn", `the kernel's settings cannot be set: ${error instanceof Error ? error.message : String(error)}`);
  }
  return compare(root, options);
}

/** Why nothing may be set, or null. */
function refusal(root: string, settings: Settings): string | null {
  if (readSetting(root, DETECTS) === null) return "this kernel does not notice hung tasks (it was built without CONFIG_DETECT_HUNG_TASK)";
  const own = textOr(join(root, OWN_FILE));
  return own !== null && !own.startsWith(HEAD) ? `${OWN_FILE} is somebody else's: nothing is set` : overridden(root, settings);
}

/** What holds now, against what should. */
function compare(root: string, options: Options): HostFinding {
  const settings = wanted(options);
  const refused = refusal(root, settings);
  if (refused !== null) return finding("warn", refused);
  const [key, value] = Object.entries(settings).find(([name, should]) => readSetting(root, name) !== should) ?? [];
  if (key === undefined) return finding("good", inWords(options));
  return finding("warn", `${key} is ${readSetting(root, key) ?? "not there"} and not ${value}: somebody has changed it since it was set`);
}

function overridden(root: string, settings: Settings): string | null {
  const files = settingFiles(root);
  // As if ours were there already: it is the later ones that count.
  const all = files.some(({ path }) => path === OWN_FILE) ? files : [{ path: OWN_FILE, text: "" }, ...files];
  for (const [key, value] of Object.entries(settings)) {
    const by = overriddenBy(all, OWN_FILE, key, value);
    if (by !== null) return `${key} is ${readSetting(root, key) ?? "not there"} and should be ${value}: ${by} sets it after ${OWN_FILE}`;
  }
  return null;
}

function takeAway(root: string, { folder, dryRun, say }: World): void {
  const own = textOr(join(root, OWN_FILE));
  const before = JSON.parse(textOr(join(folder, BEFORE)) ?? "{}") as Readonly<Record<string, string | null>>;
  if (dryRun) return say("info", `dry run: would remove ${OWN_FILE} and set ${Object.entries(before).map(([key, value]) => `${key} = ${value}`).join(", ")}`);
  if (own?.startsWith(HEAD) === true) rmSync(join(root, OWN_FILE));
  for (const [key, value] of Object.entries(before)) {
    // What somebody has changed since is theirs.
    const ours = own === null ? null : new RegExp(`^${key.replaceAll(".", "\\.")} = (.*)$`, "m").exec(own)?.[1];
    if (value !== null && ours !== undefined && readSetting(root, key) === ours) writeFileSync(settingPath(root, key), value);
  }
  rmSync(join(folder, BEFORE), { force: true });
}

function settingFiles(root: string): readonly SettingFile[] {
  const inFolders = SYSCTL_FOLDERS.flatMap((folder) => {
    try {
      return readdirSync(join(root, folder)).filter((name) => name.endsWith(".conf")).map((name) => `${folder}/${name}`);
    } catch {
      return [];
    }
  });
  return [...inFolders, SYSCTL_CONF].flatMap((path) => {
    const text = textOr(join(root, path));
    return text === null ? [] : [{ path, text }];
  });
}

function settingPath(root: string, key: string): string {
  return join(root, "proc/sys", key.replaceAll(".", "/"));
}

function readSetting(root: string, key: string): string | null {
  return textOr(settingPath(root, key))?.trim() ?? null;
}

function textOr(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Whole or not at all, whenever the machine dies. */
function replace(path: string, text: string, mode: number): void {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  const file = openSync(beside, "wx", mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
