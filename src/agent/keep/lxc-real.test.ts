// LXC for real: a container that is started, seen, stopped and started again.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run, whichProgram } from "../../../lab/child.ts";
import { lacking, thirdParty } from "../../../lab/third-party.ts";
import { childGuard } from "../../child/child.ts";
import { systemClock } from "../../process/system-clock.ts";
import { container } from "./container.ts";

const NAME = `upkeep-lab-${process.pid}`;
const HOME = join("/var/lib/lxc", NAME);
after(async () => {
  if (whichProgram("lxc-stop") !== null) await run(["lxc-stop", "-n", NAME, "-k"]);
  rmSync(HOME, { recursive: true, force: true });
});

test("a container of LXC is started, outlives the child that started it, and is stopped", { skip: process.getuid?.() !== 0 ? "LXC needs root" : lacking("lxc-start", "lxc-info", "lxc-stop", "busybox") }, async () => {
  thirdParty("LXC", ["lxc-start", "--version"]);
  const root = join(HOME, "rootfs");
  for (const folder of ["dev", "proc", "sys", "bin"]) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(whichProgram("busybox") ?? "", join(root, "bin/busybox"));
  writeFileSync(join(HOME, "config"), `lxc.uts.name = box\nlxc.rootfs.path = dir:${root}\nlxc.init.cmd = /bin/busybox sleep 905\nlxc.net.0.type = empty\nlxc.apparmor.profile = unconfined\n`);
  const kept = container("lxc", NAME, { guard: childGuard(), folder: "/nonexistent", now: systemClock().now }, { startMs: 60_000, stopMs: 2_000 });
  const look = () => kept.look(AbortSignal.timeout(60_000));
  assert.equal((await look()).state, "down");
  for (let round = 0; round < 2; round += 1) {
    const started = await kept.start(AbortSignal.timeout(60_000));
    assert.ok(started.ok, started.evidence);
    // Beyond what the guard of its child does at that child's end.
    await sleep(500);
    assert.deepEqual(await look(), { state: "up", evidence: `container ${NAME} is running` });
    const stopped = await kept.stop(AbortSignal.timeout(60_000));
    assert.ok(stopped.ok, stopped.evidence);
    assert.equal((await look()).state, "down");
  }
  // What is stopped already is.
  assert.ok((await kept.stop(AbortSignal.timeout(60_000))).ok);
  assert.equal((await container("lxc", "no-such-container", { guard: childGuard(), folder: "/nonexistent", now: systemClock().now }, { startMs: 5_000, stopMs: 5_000 }).look(AbortSignal.timeout(60_000))).state, "unknown");
});
