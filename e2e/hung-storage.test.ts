// A real agent in a virtual machine (lab/guest-agent.ts) whose disks are made to fail: read-only by the administrator, suspended
// below the file system, and at last one that stops answering. The agent must name each; the kernel, by the policy that
// the agent has set, must panic for the last one and start again, and hold the policy from boot on.
//
// Nothing here is a matter of speed, but for one order: the agent sees a hung write before the kernel gives up.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { guestRefusal, startAgentGuest } from "../lab/guest-agent.ts";

const CONFIG = `agent:
  data: /data/agent
  storage: { mounts: [/srv, /srv2], every: 2s, deadline: 8s, frozen: 8s }
  hungTasks: { after: 45s, restartAfter: 2s }
`;
const BOOT = `mount -t ext4 /dev/vdc /srv
dmsetup create below --table "0 $(cat /sys/block/vdd/size) linear /dev/vdd 0"
mount -t ext4 /dev/mapper/below /srv2 || mount -t ext4 /dev/dm-0 /srv2
`;
const DISK_BYTES = 32 * 1024 * 1024;
/** Emulated, on a machine that others use. */
const LIMIT_MS = 600_000;

test("a disk that stops answering: the agent sees it, the kernel panics by its policy, and the policy holds after the restart", { skip: guestRefusal() ?? false }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-hung-storage-"));
  const guest = await startAgentGuest({ name: "logos", folder, settings: { "upkeep.yaml": CONFIG }, disks: [DISK_BYTES, DISK_BYTES], modules: ["dm_mod"], boot: BOOT });
  const told = (what: RegExp, from: number): Promise<void> => guest.says(what, from, LIMIT_MS);
  try {
    guest.powerOn();
    await told(/upkeep: agent of logos: storage, hungTasks/, 0);
    for (const subject of ["storage:/srv", "storage:/srv2", "hung-tasks"]) await told(new RegExp(`${subject}: (good|warn), `), 0);
    assert.equal((await guest.sh("sysctl -n kernel.hung_task_panic kernel.hung_task_timeout_secs kernel.panic")).trim().replaceAll(/\s+/g, " "), "1 45 2");

    // The administrator makes it read-only, when no look has a file open there: a word, and not power.
    let from = guest.console.length;
    await guest.sh("until mount -o remount,ro /srv2; do sleep 0.2; done");
    await told(/storage:\/srv2: warn, it is mounted read-only/, from);
    from = guest.console.length;
    await guest.sh("mount -o remount,rw /srv2");
    await told(/storage:\/srv2: (good|warn, a write took)/, from);

    // Suspended below the file system, which nobody has told: it hangs in the middle, and comes back.
    from = guest.console.length;
    await guest.sh("dmsetup suspend --nolockfs --noflush below");
    await told(/storage:\/srv2: bad, .*\(waits in \w+\)/, from);
    await guest.sh("dmsetup resume below");
    await told(/storage:\/srv2: (good|warn)/, from);
    assert.doesNotMatch(guest.console, /Kernel panic/);

    // The disk itself answers no more.
    from = guest.console.length;
    const beganMs = performance.now();
    await guest.qmp("block_set_io_throttle", { id: "dev0", bps: 0, bps_rd: 0, bps_wr: 1, iops: 0, iops_rd: 0, iops_wr: 0 });
    await told(/storage:\/srv: bad, a write has not reached the disk for \d+ s \(waits in \w+\)/, from);
    t.diagnostic(`from the disk's last answer to the verdict: ${Math.round(performance.now() - beganMs)} ms, with every 2 s and deadline 8 s, emulated`);
    await told(/Kernel panic - not syncing: hung_task: blocked tasks/, from);
    t.diagnostic(`to the panic: ${Math.round(performance.now() - beganMs)} ms, with 45 s`);
    assert.doesNotMatch(guest.console.slice(from), /storage:\/srv2: bad/, "the other disk was never taken for a broken one");
    await guest.qmp("block_set_io_throttle", { id: "dev0", bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 });
    await told(/guest: ready/, from);
    t.diagnostic(`to the next boot: ${Math.round(performance.now() - beganMs)} ms`);
    assert.equal((await guest.sh("sysctl -n kernel.hung_task_panic kernel.hung_task_timeout_secs kernel.panic")).trim().replaceAll(/\s+/g, " "), "1 45 2", "before the agent runs");
    from = guest.console.lastIndexOf("guest: ready");
    await told(/storage:\/srv: (good|warn)/, from);
    await told(/hung-tasks: good/, from);
  } finally {
    await guest.stop();
    rmSync(folder, { recursive: true });
  }
});
