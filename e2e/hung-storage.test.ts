// A real agent in a virtual machine (lab/guest-agent.ts) whose disks are made to fail: read-only by the administrator, suspended
// below the file system, frozen above it, one that takes what is written and gives nothing back, and at last one that stops
// answering. The agent must name each; the kernel, by the policy that the agent has set, must panic for the last one and
// start again, and hold the policy from boot on.
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
  storage: { mounts: [/srv, /srv2], every: 2s, deadline: 5s, frozen: 9s }
  hungTasks: { after: 25s, restartAfter: 2s }
`;
const POLICY = "kernel.hung_task_panic kernel.hung_task_timeout_secs kernel.panic";
const BOOT = `mount -t ext4 /dev/vdc /srv
dmsetup create below --table "0 $(cat /sys/block/vdd/size) linear /dev/vdd 0"
mount -t ext4 /dev/dm-0 /srv2
echo "before the agent:" $(sysctl -n ${POLICY})
`;
const DISK_BYTES = 32 * 1024 * 1024;
/** Emulated, on a machine that others use. */
const LIMIT_MS = 120_000;

test("a disk that stops answering: the agent sees it, the kernel panics by its policy, and the policy holds after the restart", { skip: guestRefusal() ?? false }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-hung-storage-"));
  const guest = await startAgentGuest({ name: "logos", folder, settings: { "upkeep.yaml": CONFIG }, disks: [DISK_BYTES, DISK_BYTES], modules: ["dm_mod"], boot: BOOT });
  let from = 0;
  let beganMs = 0;
  const told = (what: RegExp): Promise<void> => guest.says(what, from, LIMIT_MS);
  /** From now on, and the clock with it. */
  const begin = (): void => {
    from = guest.console.length;
    beganMs = performance.now();
  };
  const measured = (what: string): void => t.diagnostic(`${what}: ${Math.round(performance.now() - beganMs)} ms`);
  /** Bytes a second; 0 is no bound. One byte is none at all. */
  const throttle = (read: number, write: number): Promise<unknown> => guest.qmp("block_set_io_throttle", { device: "disk0", bps: 0, bps_rd: read, bps_wr: write, iops: 0, iops_rd: 0, iops_wr: 0 });
  const policy = async (): Promise<string> => (await guest.sh(`sysctl -n ${POLICY}`)).trim().replaceAll(/\s+/g, " ");
  try {
    begin();
    guest.powerOn();
    await told(/before the agent: 0 120 0\s/);
    await told(/upkeep: agent of logos: storage, hungTasks/);
    for (const subject of ["storage:/srv", "storage:/srv2", "hung-tasks"]) await told(new RegExp(`${subject}: good, `));
    measured("from power on to the first findings");
    assert.equal(await policy(), "1 25 2");

    // The administrator makes it read-only, when no look has a file open there: a word, and not power. A look that was quicker than
    // the list of mounts has said so in dd's words.
    begin();
    await guest.sh("until mount -o remount,ro /srv2; do sleep 0.2; done");
    await told(/storage:\/srv2: warn, (it is mounted read-only|writing: .*Read-only file system)/);
    begin();
    await guest.sh("mount -o remount,rw /srv2");
    await told(/storage:\/srv2: good/);

    // Suspended below the file system, which nobody has told: it hangs in the middle, and comes back.
    begin();
    await guest.sh("dmsetup suspend --nolockfs --noflush below");
    await told(/storage:\/srv2: bad, .*\(waits in \w+\).*\(power may be the cure\)/);
    measured("from the device's suspension to the verdict, with every 2 s and deadline 5 s, emulated");
    begin();
    await guest.sh("dmsetup resume below");
    await told(/storage:\/srv2: good/);

    // Frozen above the disk: a person's business first.
    begin();
    await guest.sh("fsfreeze --freeze /srv2");
    await told(/storage:\/srv2: warn, .* somebody has frozen it/);
    assert.doesNotMatch(guest.console.slice(from), /storage:\/srv2: bad/);
    await told(/storage:\/srv2: bad, .*\(power may be the cure\)/);
    measured("from the freeze to the verdict, with frozen 9 s");
    begin();
    await guest.sh("fsfreeze --unfreeze /srv2");
    await told(/storage:\/srv2: good/);

    // Direct I/O: who waits for it is woken often enough that the kernel never calls it hung (blk_io_schedule), however short its
    // patience. Three times that it sees nothing; at the end, the same patience makes it panic.
    await guest.sh("sysctl -w kernel.hung_task_timeout_secs=6");
    begin();
    await throttle(1, 0);
    await told(/storage:\/srv: bad, what was written has not been read back for \d+ s \(waits in \w+\).*\(power may be the cure\)/);
    measured("from the disk's last read to the verdict");
    await guest.sh("sleep 18");
    assert.doesNotMatch(guest.console, /Kernel panic|blocked for more than/);
    measured("and the kernel had not said a word after");
    await throttle(0, 0);
    await told(/storage:\/srv: good/);
    await guest.sh("sysctl -w kernel.hung_task_timeout_secs=25");

    // The disk itself answers no more.
    begin();
    await throttle(0, 1);
    await told(/storage:\/srv: bad, a write has not reached the disk for \d+ s \(waits in \w+\).*\(power may be the cure\)/);
    measured("from the disk's last answer to the verdict");
    assert.doesNotMatch(guest.console, /Kernel panic/);
    await told(/Kernel panic - not syncing: hung_task: blocked tasks/);
    measured("to the panic, with 25 s");
    assert.doesNotMatch(guest.console.slice(from), /storage:\/srv2: bad/, "the other disk was never taken for a broken one");
    await throttle(0, 0);
    await told(/before the agent: 1 25 2\s/);
    await told(/guest: ready/);
    measured("to the next boot");
    for (const subject of ["storage:/srv", "storage:/srv2", "hung-tasks"]) await guest.says(new RegExp(`${subject}: good, `), guest.console.lastIndexOf("guest: ready"), LIMIT_MS);
    measured("to the agent's first findings in it");
    assert.equal(await policy(), "1 25 2");
  } finally {
    await guest.stop();
    rmSync(folder, { recursive: true });
  }
});
