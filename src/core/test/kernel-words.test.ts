import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { KernelSign } from "../kernel-words.ts";
import { KERNEL_SIGNS, REASON_CHARS, inKernelWords, recognise, weightiest } from "../kernel-words.ts";

/** Lines as kernels have printed them, by what they are; where from, as `version, machine or report`. */
const SAID: readonly (readonly [from: string, text: string, sign: KernelSign | null, reason?: string])[] = [
  ["6.1, Debian 12, sysrq", "Kernel panic - not syncing: sysrq triggered crash", "panic", "sysrq triggered crash"],
  ["4.4.138, rockpro64, ayufan-rock64/linux-build#267", "Kernel panic - not syncing: hung_task: blocked tasks", "panic", "hung_task: blocked tasks"],
  ["5.10.140, sonic-buildimage#17358", "Kernel panic - not syncing: softlockup: hung tasks", "panic", "softlockup: hung tasks"],
  ["6.6.87, microsoft/WSL#13258", "Kernel panic - not syncing: Fatal machine check", "panic", "Fatal machine check"],
  ["any", "Kernel panic - not syncing: Fatal exception in interrupt", "panic"],
  ["any", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "panic"],
  ["any", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b", "panic"],
  ["any", "Rebooting in 10 seconds..", "rebooting", "Rebooting in 10 seconds.."],
  ["6.1", "reboot: Restarting system", "rebooting", "Restarting system"],
  ["3.10", "Restarting system.", "rebooting"],
  ["6.1, sysrq b", "sysrq: Resetting", "rebooting", "Resetting"],
  ["4.9, sysrq b", "SysRq : Resetting", "rebooting"],
  ["6.1", "reboot: Power down", "halted", "Power down"],
  ["6.1", "reboot: System halted", "halted"],
  ["6.1, panic=0", "---[ end Kernel panic - not syncing: sysrq triggered crash ]---", "halted", "Kernel panic - not syncing: sysrq triggered crash"],
  ["arm64", "Starting crashdump kernel...", "kdump"],
  ["6.1, the kernel that dumps", "Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0-13-amd64 root=/dev/vda1 ro reset_devices systemd.unit=kdump-tools-dump.service elfcorehdr=0x73000000", "kdump", "elfcorehdr=0x73000000"],
  ["kexec -e", "kexec_core: Starting new kernel", "rebooting"],
  ["4.14.17, raspberrypi/linux#1587", "INFO: task kworker/u8:0:5 blocked for more than 120 seconds.", "hung-task", "task kworker/u8:0:5 blocked for more than 120 seconds."],
  ["3.0.8, MIPS/CI20_linux#8", "INFO: task kinteractiveup:64 blocked for more than 120 seconds.", "hung-task"],
  ["6.8.1, systemd/systemd#32000", "INFO: task khugepaged:136 blocked for more than 122 seconds.", "hung-task"],
  ["5.10.140, sonic-buildimage#17358", "watchdog: BUG: soft lockup - CPU#2 stuck for 23s! [kworker/2:1:25629]", "lockup", "soft lockup - CPU#2 stuck for 23s! [kworker/2:1:25629]"],
  ["4.4, open-power/skiboot#136", "NMI watchdog: BUG: soft lockup - CPU#113 stuck for 22s! [kopald:854]", "lockup"],
  ["sonic-buildimage#14725", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 2", "lockup"],
  ["6.18.33, oxidecomputer/propolis#1153", "rcu: INFO: rcu_preempt self-detected stall on CPU", "stall"],
  ["4.4, open-power/skiboot#136", "INFO: rcu_sched self-detected stall on CPU", "stall"],
  ["3.11.6, openzfs/zfs#1850", "INFO: rcu_sched self-detected stall on CPU { 2}  (t=21001 jiffies g=8727 c=8726 q=223)", "stall"],
  ["3.x, openzfs/zfs#557", "INFO: rcu_sched_state detected stalls on CPUs/tasks: { 2} (detected by 7, t=15002 jiffies)", "stall"],
  ["4.x, RTAI#13", "INFO: rcu_sched detected stalls on CPUs/tasks:", "stall"],
  ["6.x", "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 21 jiffies s: 1 root: 0x2/.", "stall"],
  ["ublue-os/bazzite#5546", "mce: [Hardware Error]: CPU 7: Machine Check Exception: 5 Bank 0", "machine-check", "CPU 7: Machine Check Exception: 5 Bank 0"],
  ["ublue-os/bazzite#5546", "mce: [Hardware Error]: Machine check: Processor context corrupt", "machine-check"],
  ["andikleen/mcelog#70", "mce: [Hardware Error]: Machine check events logged", "machine-check"],
  ["andikleen/mcelog#70", "mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 4: a600000000020408", "machine-check"],
  ["radiasoft/devops#134", "EDAC MC1: 1 CE memory scrubbing error on CPU_SrcID#1_Ha#0_Chan#0_DIMM#0 (channel:0 slot:0 page:0xee30a0 offset:0x0 grain:32 syndrome:0x0)", "machine-check"],
  ["6.1", "BUG: kernel NULL pointer dereference, address: 0000000000000000", "oops"],
  ["4.19", "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008", "oops"],
  ["5.15", "BUG: unable to handle page fault for address: ffffb0e5c0a7f000", "oops"],
  ["6.1", "Oops: 0002 [#1] PREEMPT SMP PTI", "oops"],
  ["5.15", "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP PTI", "oops"],
  ["4.4", "general protection fault: 0000 [#1] SMP", "oops"],
  ["any", "kernel BUG at fs/ext4/inode.c:2721!", "oops"],
  ["any", "invalid opcode: 0000 [#1] SMP NOPTI", "oops"],
  ["arm", "Unable to handle kernel paging request at virtual address fffffffffffffff0", "oops"],
  ["arm64", "Internal error: Oops: 96000004 [#1] PREEMPT SMP", "oops"],
  ["linuxppc/issues#137", "Oops: Machine check, sig: 7 [#1]", "oops"],
  ["6.1", "Out of memory: Killed process 1234 (mysqld) total-vm:1855504kB, anon-rss:402392kB, file-rss:0kB, shmem-rss:0kB, UID:106 pgtables:1024kB oom_score_adj:0", "out-of-memory"],
  ["4.9", "Out of memory: Kill process 1234 (mysqld) score 431 or sacrifice child", "out-of-memory"],
  ["6.1", "Memory cgroup out of memory: Killed process 77 (java) total-vm:1kB, anon-rss:1kB", "out-of-memory"],
  ["6.1", "node invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0", "out-of-memory"],
  ["borgbackup/borg#2494", "blk_update_request: I/O error, dev sda, sector 106553248", "io-error"],
  ["6.x, QubesOS/qubes-issues#7795", "I/O error, dev sda, sector 3652355936 op 0x1:(WRITE) flags 0x0 phys_seg 1 prio class 2", "io-error"],
  ["SickChill/sickchill#7362", "blk_update_request: critical medium error, dev sda, sector 5117604744 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 0", "io-error"],
  ["longhorn/longhorn#193", "Buffer I/O error on dev sdb, logical block 0, lost async page write", "io-error"],
  ["QubesOS/qubes-issues#7795", "Buffer I/O error on device dm-4, logical block 2920458", "io-error"],
  ["aristanetworks/sonic#90", "EXT4-fs error (device loop1): ext4_journal_check_start:83: Detected aborted journal", "io-error"],
  ["aristanetworks/sonic#90", "EXT4-fs (loop1): Remounting filesystem read-only", "read-only", "(loop1): Remounting filesystem read-only"],
  ["kubernetes/node-problem-detector#845", "XFS (dm-4): I/O Error Detected. Shutting down filesystem", "read-only"],
  ["5.15", "XFS (dm-4): Corruption of in-memory data (0x8) detected at xfs_defer_finish_noroll+0x12e/0x1d0 (fs/xfs/libxfs/xfs_defer.c:533).  Shutting down filesystem.", "read-only"],
  ["softdog", "softdog: Initiating system reboot", "watchdog"],
  ["any", "watchdog: watchdog0: watchdog did not stop!", "watchdog"],
  // What only looks like it.
  ["a program's fault", "traps: app[1234] general protection fault ip:7f00 sp:7ffd error:0 in libc.so[7f00+1000]", null],
  ["a program's fault", "app[1234]: segfault at 0 ip 00005581 sp 00007ffc error 4 in app[5581+1000]", null],
  ["a quotation", "systemd[1]: message: Kernel panic - not syncing: sysrq triggered crash", null],
  ["an argument", "Command line: BOOT_IMAGE=/vmlinuz panic=10 oops=panic crashkernel=256M", null],
  ["reserved at every boot", "Reserving 256MB of memory at 1776MB for crashkernel (System RAM: 2047MB)", null],
  ["a warning", "WARNING: CPU: 0 PID: 1 at kernel/workqueue.c:1440 __queue_work+0x3a/0x3f0", null],
  ["the line after a hung task", "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.", null],
  ["the end of a trace", "---[ end trace 0000000000000000 ]---", null],
  ["an orderly shutdown begins", "systemd-shutdown[1]: Rebooting.", null],
];

test("what kernels of many versions have printed", () => {
  for (const [from, text, sign, reason] of SAID) {
    const word = recognise(text, true);
    assert.equal(word?.sign ?? null, sign, `${from}: ${text}`);
    if (reason !== undefined) assert.equal(word?.reason, reason, `${from}: ${text}`);
    if (sign !== null) assert.deepEqual(recognise(text, null), word, "the plain format");
  }
  for (const sign of KERNEL_SIGNS) assert.ok(SAID.some(([, , each]) => each === sign), `no line for ${sign}`);
});

test("after how many seconds it boots anew", () => {
  assert.equal(recognise("Rebooting in 1 seconds..", true)?.rebootsInMs, 1_000);
  assert.equal(recognise("Rebooting in 10 seconds..", true)?.rebootsInMs, 10_000);
  assert.equal(recognise("reboot: Restarting system", true)?.rebootsInMs, null);
});

test("what a program says is no word of the kernel, but that it dumps", () => {
  for (const [, text] of SAID) assert.equal(recognise(text, false), null, text);
  assert.equal(recognise("kdump: saving vmcore-dmesg.txt to /sysroot/var/crash/", false)?.sign, "kdump");
  assert.equal(recognise("kdump-tools[301]: running makedumpfile -F -c -d 31 /proc/vmcore", false)?.sign, "kdump");
  assert.equal(recognise("kdump[402]: saving vmcore", true)?.sign, "kdump");
  assert.equal(recognise("kdump-tools: Loaded kdump kernel.", false), null, "at every boot");
});

test("of all that a dying kernel says the panic names its death", () => {
  const words = ["EXT4-fs (vda): Remounting filesystem read-only", "BUG: kernel NULL pointer dereference, address: 0", "Oops: 0002 [#1] PREEMPT SMP PTI", "Kernel panic - not syncing: Fatal exception", "Rebooting in 10 seconds.."].map((text) => recognise(text, true)).filter((word) => word !== null);
  assert.equal(weightiest(words)?.reason, "Fatal exception");
  assert.equal(weightiest([]), null);
  for (const sign of KERNEL_SIGNS) assert.equal(weightiest([{ sign }])?.sign, sign, `${sign} has a weight`);
});

test("whatever a stranger sends: a short answer, soon", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 1_200 }), fc.constantFrom(...SAID.map(([, text]) => text)).chain((text) => fc.string({ maxLength: 300 }).map((more) => text + more))), fc.constantFrom(true, false, null), (text, byKernel) => {
      const beganMs = performance.now();
      const word = recognise(text, byKernel);
      assert.ok(performance.now() - beganMs < 200, "an expression that goes on for ever");
      if (word === null) return;
      assert.ok(word.reason.length <= REASON_CHARS && inKernelWords(word).length < REASON_CHARS + 60);
    }),
    { numRuns: 2_000 },
  );
});
