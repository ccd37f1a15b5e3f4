// The hung-task policy, in a tree that stands in for the machine's: what is set, what is left to others, and what comes back.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import type { HostFinding } from "../../core/finding.ts";
import type { PartWorld } from "../part.ts";
import { hungTasksIn, OWN_FILE } from "./hung-tasks.ts";
import { applied, overriddenBy, settingIn } from "./sysctl.ts";

const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function machine(files: Readonly<Record<string, string>> = {}, { detects = true, dryRun = false } = {}) {
  const root = mkdtempSync(join(tmpdir(), "upkeep-hung-"));
  folders.push(root);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  for (const folder of ["etc/sysctl.d", "state"]) mkdirSync(join(root, folder), { recursive: true });
  if (detects) for (const [name, value] of [["hung_task_panic", "0"], ["hung_task_timeout_secs", "120"]] as const) write(`proc/sys/kernel/${name}`, `${value}\n`);
  write("proc/sys/kernel/panic", "0\n");
  for (const [path, text] of Object.entries(files)) write(path, text);
  const found: HostFinding[] = [];
  let turn: () => void = () => {};
  const world = {
    options: { afterSeconds: 60, restartAfterSeconds: 10 }, folder: join(root, "state"), dryRun, say: () => {}, report: (finding: HostFinding) => found.push(finding),
    now: () => ({ bootMs: 0, wallMs: 0, bootId: "b", synced: true }), at: (_ms: number, then: () => void) => ((turn = then), () => {}),
  } as unknown as PartWorld<{ afterSeconds: number; restartAfterSeconds: number }>;
  const part = hungTasksIn(root);
  const kernel = () => ["hung_task_panic", "hung_task_timeout_secs", "panic"].map((name) => read(`proc/sys/kernel/${name}`).trim());
  return { root, write, read, kernel, found, start: () => part.start(world), minute: () => turn(), uninstall: () => part.uninstall?.(world), last: () => found.at(-1), own: join(root, OWN_FILE) };
}

test("set, kept in a file of ours, verified, and taken back", async () => {
  const host = machine();
  void host.start();
  assert.deepEqual(host.kernel(), ["1", "60", "10"]);
  assert.equal(settingIn(host.read(OWN_FILE), "kernel.hung_task_timeout_secs"), "60");
  assert.deepEqual(host.last(), { subject: "hung-tasks", verdict: "good", because: "the kernel panics when a task has hung for 60 s, and starts again 10 s after a panic", mayCut: false });
  void host.start();
  assert.equal(host.read("state/before.json").includes('"kernel.panic":"0"'), true, "what was before is that of the first time");
  await host.uninstall();
  assert.deepEqual([host.kernel(), existsSync(host.own), existsSync(join(host.root, "state/before.json"))], [["0", "120", "0"], false, false]);
});

test("a setting that changes is told, and not fought over; nor taken back, since it is somebody's", async () => {
  const host = machine();
  void host.start();
  host.write("proc/sys/kernel/panic", "0\n");
  host.minute();
  assert.equal(host.last()?.verdict, "warn");
  assert.match(host.last()?.because ?? "", /^kernel\.panic is 0 and not 10: somebody has changed it/);
  host.write("proc/sys/kernel/panic", "30\n");
  await host.uninstall();
  assert.deepEqual(host.kernel(), ["0", "120", "30"]);
});

test("who has the last word at boot is named, and is not overruled", () => {
  const host = machine({ "etc/sysctl.d/99-local.conf": "# ours\nkernel/panic = 0\n" });
  void host.start();
  assert.deepEqual([host.kernel(), existsSync(host.own)], [["0", "120", "0"], false]);
  assert.equal(host.last()?.because, "kernel.panic is 0 and should be 10: /etc/sysctl.d/99-local.conf sets it after /etc/sysctl.d/60-upkeep-agent.conf");
});

test("an earlier file, or a later one that agrees, is no obstacle", () => {
  const host = machine({ "usr/lib/sysctl.d/10-kernel.conf": "kernel.panic = 0\n", "etc/sysctl.conf": "kernel.panic=10\n" });
  void host.start();
  assert.equal(host.last()?.verdict, "good");
});

test("a kernel that does not notice, a file of that name that is not ours, a dry run: nothing is touched", async () => {
  const deaf = machine({}, { detects: false });
  void deaf.start();
  assert.match(deaf.last()?.because ?? "", /CONFIG_DETECT_HUNG_TASK/);
  const theirs = machine({ [OWN_FILE]: "kernel.panic = 3\n" });
  void theirs.start();
  assert.match(theirs.last()?.because ?? "", /somebody else's/);
  await theirs.uninstall();
  assert.equal(theirs.read(OWN_FILE), "kernel.panic = 3\n");
  const dry = machine({}, { dryRun: true });
  void dry.start();
  dry.minute();
  assert.match(dry.last()?.because ?? "", /^dry run: would be set/);
  for (const host of [theirs, dry]) assert.deepEqual(host.kernel(), ["0", "120", "0"]);
  assert.equal(existsSync(deaf.own) || existsSync(dry.own), false);
});

test("what may not be written is a word, and no end of the agent", () => {
  const host = machine();
  rmSync(join(host.root, "etc/sysctl.d"), { recursive: true });
  void host.start();
  assert.equal(host.last()?.verdict, "warn");
  assert.match(host.last()?.because ?? "", /cannot be set/);
});

test("files of settings: order, names that hide each other, ways of writing", () => {
  const file = (path: string, text = "") => ({ path, text });
  const order = applied([file("/etc/sysctl.d/60-a.conf"), file("/run/sysctl.d/10-b.conf"), file("/usr/lib/sysctl.d/60-a.conf"), file("/etc/sysctl.conf"), file("/usr/lib/sysctl.d/99-c.conf")]);
  assert.deepEqual(order.map(({ path }) => path), ["/run/sysctl.d/10-b.conf", "/etc/sysctl.d/60-a.conf", "/usr/lib/sysctl.d/99-c.conf", "/etc/sysctl.conf"]);
  const ways: readonly [string, string | null][] = [["kernel.panic=5", "5"], [" -kernel/panic = 5 ", "5"], ["kernel.*=7", "7"], ["#kernel.panic=5", null], [";kernel.panic=5", null], ["kernel.panic_on_oops=1", null], ["kernel.panic=1\nkernel.panic=2", "2"], ["kernel.[panic=1", null]];
  for (const [text, value] of ways) assert.equal(settingIn(text, "kernel.panic"), value, text);
  const own = file("/etc/sysctl.d/60-upkeep-agent.conf", "kernel.panic = 10");
  assert.equal(overriddenBy([own, file("/etc/sysctl.d/70-x.conf", "kernel.panic=0"), file("/etc/sysctl.d/80-y.conf", "kernel.panic=10")], own.path, "kernel.panic", "10"), null, "the last one agrees");
});
