// Judging what real machines said: texts of kernels, of smartctl and of systemctl as they were, and what is no such text.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { childGuard, runChild } from "../../child/child.ts";
import type { HostFinding } from "../../core/finding.ts";
import { judgeClock } from "./clock.ts";
import { edac, judgeEdac } from "./edac.ts";
import { watchHealth } from "./health.ts";
import { ownFileSystems, parseFstab, parseMountinfo } from "./mounts.ts";
import { judgeOom, oom } from "./oom.ts";
import { judgeReadOnly, readOnly } from "./read-only.ts";
import { flavourOf, judgeReboot, newerKernel, reboot } from "./reboot.ts";
import type { Eye, HealthOptions, Seen, Sensor } from "./sensor.ts";
import { judgeSmart, parseScan } from "./smart.ts";
import { fullInMs, judgeSpace, parseStat, space } from "./space.ts";
import { judgeTemperatures, temperature } from "./temperature.ts";
import { judgeUnits, units } from "./units.ts";

const root = mkdtempSync(join(tmpdir(), "upkeep-health-"));
after(() => rmSync(root, { recursive: true }));
const OPTIONS: HealthOptions = { every: 60_000, skip: [], mayCut: [], disk: 0.9, inodes: 0.9, fullWithin: 14_400_000, smartEvery: 3_600_000, reallocated: 10, wear: 0.9, correctedPerHour: 10, clockWithin: 1_000, mounts: undefined };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let clockMs = 0;
const guard = childGuard();
const eye = (folder: string): Eye => ({ root: folder, nowMs: () => clockMs, run: (argv) => runChild(guard, argv, { limitMs: 20_000 }, AbortSignal.timeout(60_000)) });
/** A tree of the kernel's files. */
function tree(name: string, files: Readonly<Record<string, string>>): Eye {
  const folder = join(root, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  mkdirSync(folder, { recursive: true });
  return eye(folder);
}
const verdicts = (seen: readonly Seen[]): string[] => seen.map(({ of, verdict }) => `${of ?? "-"} ${verdict}`);
const look = (sensor: Sensor, through: Eye): Promise<readonly Seen[]> => sensor.look(through, OPTIONS);

// A Debian 12 server with LVM, a data disk, a bind mount of it, a snap, NFS, and what belongs to no disk.
const MOUNTINFO = `22 28 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 28 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw,errors=remount-ro
26 28 0:25 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=3274048k,mode=755,inode64
31 28 254:1 / /var rw,relatime shared:31 - ext4 /dev/mapper/vg-var ro,errors=remount-ro
40 28 8:17 / /srv/my\\040data ro,relatime shared:40 - xfs /dev/sdb1 rw,attr2,inode64
41 28 8:17 /exports /exports rw,relatime shared:40 - xfs /dev/sdb1 rw,attr2,inode64
50 28 7:3 / /snap/core/17200 ro,nodev,relatime shared:50 - squashfs /dev/loop3 ro,errors=continue
60 28 0:52 / /mnt/nas rw,relatime shared:60 - nfs4 10.0.0.9:/volume1 rw,vers=4.2
70 28 8:33 / /new ro,relatime shared:70 - ext4 /dev/sdc1 emergency_ro
garbage
`;
const FSTAB = `# /etc/fstab: static file system information.
/dev/mapper/vg-root /               ext4    errors=remount-ro 0       1
/dev/mapper/vg-var  /var            ext4    defaults        0       2
UUID=0a1b-2c3d  /srv/my\\040data/ xfs defaults 0 2
LABEL=new /new ext4 ro,noauto 0 0
/dev/sr0 none swap sw 0 0
`;

test("of mounts, the host's own file systems are taken, each once", () => {
  assert.deepEqual(ownFileSystems(parseMountinfo(MOUNTINFO)).map(({ point }) => point), ["/", "/run", "/var", "/exports", "/new"]);
  assert.deepEqual([...parseFstab(FSTAB)], [["/", true], ["/var", true], ["/srv/my data", true], ["/new", false]]);
  assert.deepEqual(parseMountinfo("\u0000\u0001 - \n - - -"), []);
});

test("read-only is grave only by the kernel's own word that an error was the reason", () => {
  const mounts = parseMountinfo(MOUNTINFO);
  const wanted = parseFstab(FSTAB);
  const judged = (errors: [string, number][], written: string[] = []) => verdicts(judgeReadOnly(mounts, { wanted, written: new Set(written), errors: new Map(errors) }));
  assert.deepEqual(judged([["254:1", 3]]), ["/ good", "/run good", "/var grave", "/exports good"]);
  // By hand: ext4 has counted nothing. And nobody wants /new written to, until it has been.
  assert.deepEqual(judged([["254:1", 0]], ["70"]), ["/ good", "/run good", "/var warn", "/exports good", "/new grave"]);
  assert.match(judgeReadOnly(mounts, { wanted, written: new Set(), errors: new Map([["254:1", 1]]) })[2]?.because ?? "", /^read-only after an error that ext4 has counted, and fstab wants it written to$/);
});

test("the sensor for read-only follows the device to what ext4 counts, and lives without an fstab", async () => {
  const through = tree("ro", { "proc/self/mountinfo": MOUNTINFO, "etc/fstab": FSTAB, "sys/fs/ext4/dm-1/errors_count": "12\n" });
  mkdirSync(join(root, "ro/sys/dev/block"), { recursive: true });
  symlinkSync("../../devices/virtual/block/dm-1", join(root, "ro/sys/dev/block/254:1"));
  assert.deepEqual(verdicts(await look(readOnly(), through)), ["/ good", "/run good", "/var grave", "/exports good"]);
  assert.deepEqual(verdicts(await look(readOnly(), tree("ro-no-fstab", { "proc/self/mountinfo": MOUNTINFO }))), ["/ good", "/run good", "/exports good"]);
  assert.deepEqual(verdicts(await look(readOnly(), tree("ro-nothing", {}))), ["- unknown"]);
});

test("space: the threshold, inodes, the trend, and nonsense", () => {
  assert.deepEqual(parseStat("4096 65536000 30000000 26000000 16777216 16000000\n"), { bytes: 268_435_456_000, availableBytes: 106_496_000_000, usedBytes: 145_555_456_000, inodes: 16_777_216, freeInodes: 16_000_000 });
  for (const nonsense of ["", "4096 1 2 0 0 0", "a b c d e f", "0 0 0 0 0 0", "4096 10 5 5 10 11", "4096 10 5 5 10"]) assert.equal(parseStat(nonsense), null, nonsense);
  const full = (usedShare: number, inodesUsed = 0.1) => ({ bytes: 1e12, usedBytes: 1e12 * usedShare, availableBytes: 1e12 * (1 - usedShare), inodes: 1_000, freeInodes: Math.round(1_000 * (1 - inodesUsed)) });
  const judge = (usedShare: number, told = false, inodesUsed?: number) => judgeSpace("/", full(usedShare, inodesUsed), [], told, OPTIONS).verdict;
  assert.deepEqual([judge(0.89), judge(0.9), judge(0.885, true), judge(0.87, true), judge(0.1, false, 0.95)], ["good", "warn", "warn", "good", "warn"]);
  assert.match(judgeSpace("/", full(0.95), [], false, OPTIONS).because, /^95 % of 931 GiB are used, 46\.6 GiB are left$/);
  // btrfs and others have no inodes to count.
  assert.equal(judgeSpace("/", { ...full(0.5), inodes: 0, freeInodes: 0 }, [], false, OPTIONS).verdict, "good");
  const samples = Array.from({ length: 31 }, (_, minute) => ({ atMs: minute * MINUTE, availableBytes: 4e11 - minute * 4e9 }));
  assert.equal(Math.round((fullInMs(samples) ?? 0) / MINUTE), 70);
  assert.match(judgeSpace("/", full(0.72), samples, false, OPTIONS).because, /full in 70 min/);
  assert.equal(judgeSpace("/", full(0.3), samples, false, OPTIONS).verdict, "good");
  assert.equal(fullInMs(samples.slice(0, 10)), null, "ten minutes are no trend");
  assert.equal(fullInMs(samples.map(({ atMs }) => ({ atMs, availableBytes: 5 }))), null);
});

test("a mount that hangs is asked ever more seldom and holds up nothing", async () => {
  let asked = 0;
  const hangs: Eye = { root, nowMs: () => clockMs, run: () => ((asked += 1), Promise.resolve({ end: { why: "no end within 20000 ms" }, stdout: "", whole: true, said: "" })) };
  const sensor = space();
  const begun = clockMs;
  for (; clockMs < begun + 6 * HOUR; clockMs += MINUTE) assert.deepEqual(verdicts(await sensor.look(hangs, { ...OPTIONS, mounts: ["/srv"] })), ["/srv unknown"]);
  assert.ok(asked >= 6 && asked <= 12, `${asked} children in six hours`);
});

test("memory errors: corrected ones by their growth, uncorrected ones at once", async () => {
  const judge = (corrected: number, uncorrected: number, hour: number[]) => judgeEdac({ name: "mc0", corrected, uncorrected }, hour.map((each, at) => ({ atMs: at, corrected: each })), OPTIONS).verdict;
  assert.deepEqual([judge(0, 0, []), judge(5_000, 0, []), judge(5_000, 0, [4_995]), judge(5_010, 0, [5_000]), judge(0, 1, [])], ["good", "good", "good", "warn", "grave"]);
  assert.equal(judge(3, 0, [5_000]), "good", "counts were reset");
  const through = tree("edac", { "sys/devices/system/edac/mc/mc0/ce_count": "7\n", "sys/devices/system/edac/mc/mc0/ue_count": "0\n", "sys/devices/system/edac/mc/mc1/ce_count": "-1\n", "sys/devices/system/edac/mc/mc1/ue_count": "?\n", "sys/devices/system/edac/mc/power/x": "" });
  const sensor = edac();
  assert.deepEqual(verdicts(await look(sensor, through)), ["mc0 good", "mc1 unknown"]);
  writeFileSync(join(root, "edac/sys/devices/system/edac/mc/mc0/ce_count"), "19\n");
  clockMs += 30 * MINUTE;
  assert.deepEqual((await look(sensor, through))[0], { of: "mc0", verdict: "warn", because: "12 memory errors were corrected in the last hour, 19 since the machine was started" });
  clockMs += 2 * HOUR;
  assert.deepEqual(verdicts(await look(sensor, through)), ["mc0 good", "mc1 unknown"]);
  assert.deepEqual(await look(edac(), tree("no-edac", {})), [{ of: null, verdict: "unknown", because: "no memory controller that counts errors (EDAC) is here" }]);
});

test("kills for want of memory are told for an hour, and those before the agent not at all", async () => {
  const through = tree("oom", { "proc/vmstat": "nr_free_pages 1\noom_kill 4\n" });
  const sensor = oom();
  assert.deepEqual(verdicts(await look(sensor, through)), ["- good"]);
  writeFileSync(join(root, "oom/proc/vmstat"), "oom_kill 6\n");
  clockMs += MINUTE;
  assert.match((await look(sensor, through))[0]?.because ?? "", /killed 2 processes/);
  clockMs += 59 * MINUTE;
  assert.deepEqual(verdicts(await look(sensor, through)), ["- warn"]);
  clockMs += 3 * MINUTE;
  assert.deepEqual(verdicts(await look(sensor, through)), ["- good"]);
  assert.deepEqual(verdicts(await look(oom(), tree("oom-garbage", { "proc/vmstat": "oom_kill many\n" }))), ["- unknown"]);
  assert.equal(judgeOom([]).verdict, "good");
});

test("a reboot is pending by the package manager's word or by a newer kernel of the same kind", async () => {
  const debian = { running: "6.1.0-28-amd64", modules: ["6.1.0-28-amd64", "6.1.0-31-amd64", "6.12.9-cloud-amd64", "extra"], boot: ["vmlinuz-6.1.0-28-amd64", "vmlinuz-6.1.0-31-amd64", "vmlinuz-6.12.9-cloud-amd64", "grub"] };
  assert.equal(newerKernel(debian), "6.1.0-31-amd64");
  assert.equal(newerKernel({ ...debian, boot: ["vmlinuz-6.1.0-28-amd64"] }), null, "modules without a kernel");
  assert.equal(newerKernel({ running: "6.1.0-9-amd64", modules: ["6.1.0-9-amd64", "6.1.0-10-amd64"], boot: [] }), "6.1.0-10-amd64");
  assert.equal(newerKernel({ running: "6.12.12-1-amd64", modules: ["6.12.43+deb13-amd64", "6.1.0-31-amd64"], boot: [] }), "6.12.43+deb13-amd64");
  assert.equal(newerKernel({ running: "6.10.3-200.fc40.x86_64", modules: ["6.11.4-301.fc41.x86_64"], boot: [] }), "6.11.4-301.fc41.x86_64");
  assert.equal(newerKernel({ running: "6.10.3-arch1-1", modules: ["6.10.5-arch1-1"], boot: [] }), "6.10.5-arch1-1", "the running one's modules are gone");
  assert.equal(newerKernel({ running: "6.18.44-of-a-hypervisor", modules: ["6.19.0-1-amd64"], boot: [] }), null);
  assert.equal(newerKernel({ running: "6.1.0-31-amd64", modules: [], boot: [] }), null, "a container");
  assert.equal(flavourOf("5.15.0-122-generic"), "generic");
  assert.deepEqual(judgeReboot("reboot-required", "linux-image-6.1.0-31-amd64\nlibc6\nlibc6\n", null), { of: null, verdict: "warn", because: "a reboot is required by linux-image-6.1.0-31-amd64, libc6" });
  const through = tree("reboot", { "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n", "lib/modules/6.1.0-28-amd64/x": "", "boot/vmlinuz-6.1.0-28-amd64": "" });
  const sensor = reboot();
  assert.deepEqual(await look(sensor, through), [{ of: null, verdict: "good", because: "no reboot is pending; the kernel is 6.1.0-28-amd64" }]);
  tree("reboot", { "lib/modules/6.1.0-31-amd64/x": "", "boot/vmlinuz-6.1.0-31-amd64": "" });
  clockMs += HOUR;
  assert.deepEqual(verdicts(await look(sensor, through)), ["- warn"]);
  tree("reboot", { "run/reboot-required": "*** System restart required ***\n", "run/reboot-required.pkgs": "dbus\n" });
  assert.match((await look(sensor, through))[0]?.because ?? "", /required by dbus$/);
  assert.deepEqual(verdicts(await look(reboot(), tree("reboot-garbage", { "proc/sys/kernel/osrelease": "\u0000" }))), ["- unknown"]);
});

test("the clock by the kernel's bound; one that has just been started is still asking", () => {
  const judge = (state: Parameters<typeof judgeClock>[0], uptimeMs = 2 * HOUR) => judgeClock(state, uptimeMs, OPTIONS).verdict;
  assert.deepEqual([judge({ synced: true, maxErrorMs: 80 }), judge({ synced: true, maxErrorMs: 1_200 }), judge({ synced: false, maxErrorMs: 16_000 }), judge({ synced: false, maxErrorMs: 16_000 }, MINUTE), judge(null)], ["good", "warn", "warn", "unknown", "unknown"]);
});

test("failed units by systemctl's list", async () => {
  assert.equal(judgeUnits("").verdict, "good");
  assert.deepEqual(judgeUnits("nginx.service          loaded failed failed A high performance web server\nfoo@a\\x2db.service not-found failed failed foo\n").because, "failed: nginx.service, foo@a\\x2db.service");
  assert.equal(judgeUnits("System has not been booted with systemd as init system (PID 1). Can't operate.").verdict, "unknown");
  assert.deepEqual(await look(units(), tree("no-systemd", { "run/utmp": "" })), [{ of: null, verdict: "unknown", because: "no systemd runs here" }]);
});

test("temperatures: the hottest in tens, the critical mark, and a sensor that is not connected", async () => {
  const file = (chip: number, name: string, text: string): [string, string] => [`sys/class/hwmon/hwmon${chip}/${name}`, `${text}\n`];
  const through = tree("hwmon", Object.fromEntries([file(0, "name", "coretemp"), file(0, "temp1_label", "Package id 0"), file(0, "temp1_input", "54000"), file(0, "temp1_crit", "100000"), file(1, "name", "nct6775"), file(1, "temp7_input", "-128000"), file(1, "temp2_input", "255000"), file(1, "temp3_input", "N/A"), file(1, "fan1_input", "900")]));
  assert.deepEqual(verdicts(await look(temperature(), through)), ["nct6775 temp2 unknown", "nct6775 temp3 unknown", "nct6775 temp7 unknown", "- good"]);
  assert.equal((await look(temperature(), through)).at(-1)?.because, "the hottest is under 60 °C: coretemp Package id 0");
  writeFileSync(join(root, "hwmon/sys/class/hwmon/hwmon0/temp1_input"), "101000\n");
  assert.deepEqual((await look(temperature(), through)).find(({ verdict }) => verdict === "warn"), { of: "coretemp Package id 0", verdict: "warn", because: "101 °C; its critical mark is 100 °C" });
  assert.deepEqual(verdicts(judgeTemperatures("")), ["- unknown"]);
});

const attribute = (id: number, name: string, raw: string, whenFailed = "") => ({ id, name, value: 100, worst: 100, thresh: 5, when_failed: whenFailed, raw: { value: Number.parseInt(raw, 10), string: raw } });
const ata = (passed: boolean, table: readonly object[], exit = 0) => JSON.stringify({ smartctl: { version: [7, 3], exit_status: exit }, device: { name: "/dev/sda", type: "sat", protocol: "ATA" }, model_name: "Hitachi HDS721050DLE630", smart_status: { passed }, ata_smart_attributes: { revision: 16, table } });
const nvme = (log: object) => JSON.stringify({ smartctl: { exit_status: 0 }, model_name: "Samsung SSD 970 EVO 500GB", smart_status: { passed: true, nvme: { value: 0 } }, nvme_smart_health_information_log: { critical_warning: 0, temperature: 35, available_spare: 99, available_spare_threshold: 10, percentage_used: 3, media_errors: 0, num_err_log_entries: 62, ...log } });
const messages = (exit: number, ...texts: string[]) => JSON.stringify({ smartctl: { exit_status: exit, messages: texts.map((string) => ({ string, severity: "error" })) } });

test("disks by smartctl's JSON, and by its refusals", () => {
  const judge = (text: string) => judgeSmart("sda", text, OPTIONS);
  assert.equal(judge(ata(true, [attribute(5, "Reallocated_Sector_Ct", "0"), attribute(197, "Current_Pending_Sector", "0"), attribute(198, "Offline_Uncorrectable", "0")]))?.verdict, "good");
  assert.equal(judge(ata(true, [attribute(5, "Reallocated_Sector_Ct", "3 (0 2)")]))?.verdict, "good", "a few are no news");
  assert.deepEqual(judge(ata(false, [attribute(5, "Reallocated_Sector_Ct", "1975", "now"), attribute(197, "Current_Pending_Sector", "8"), attribute(198, "Offline_Uncorrectable", "0")], 216)), { of: "sda", verdict: "warn", because: "Hitachi HDS721050DLE630: it says itself that it is failing, Reallocated_Sector_Ct is beyond its threshold, 1975 reallocated sectors, 8 pending sectors" });
  assert.equal(judge(nvme({}))?.verdict, "good");
  assert.match(judge(nvme({ media_errors: 7 }))?.because ?? "", /7 media errors$/);
  assert.match(judge(nvme({ critical_warning: 0b1001, percentage_used: 104 }))?.because ?? "", /: its spare is used up, it has become read-only, 104 % of its life are used$/);
  assert.equal(judge(nvme({ critical_warning: "lots" }))?.verdict, "unknown");
  assert.match(judge(JSON.stringify({ model_name: "SEAGATE ST4000NM0043", smart_status: { passed: true }, scsi_grown_defect_list: 56 }))?.because ?? "", /56 grown defects/);
  assert.equal(judge(messages(2, "Device is in STANDBY mode, exit(2)")), null);
  assert.deepEqual(judge(messages(2, "Smartctl open device: /dev/sda failed: Permission denied")), { of: "sda", verdict: "unknown", because: "Smartctl open device: /dev/sda failed: Permission denied" });
  assert.equal(judge(messages(1, "/dev/vda: Unable to detect device type"))?.verdict, "unknown");
  for (const nonsense of ["", "{", "[]", "null", "{}", '{"smart_status":7,"ata_smart_attributes":{"table":[null,3]}}']) assert.equal(judge(nonsense)?.verdict, "unknown", nonsense);
  assert.deepEqual(parseScan('{"devices":[{"name":"/dev/sda","type":"scsi"},{"name":"/dev/bus/0","type":"megaraid,4"},{"name":7},null]}'), [{ name: "/dev/sda", type: "scsi" }, { name: "/dev/bus/0", type: "megaraid,4" }]);
  assert.equal(parseScan("smartctl: not found"), null);
});

test("what is grave asks for power only where the configuration says so, what is gone is forgotten, and a look that does not end is told", async () => {
  const told: HostFinding[] = [];
  const forgotten: string[] = [];
  const timers: { atMs: number; run: () => void }[] = [];
  let turn = 0;
  const sensors: Sensor[] = [
    { name: "fs-read-only", look: () => Promise.resolve((turn += 1) === 1 ? [{ of: "/var", verdict: "grave" as const, because: "x" }] : []) },
    { name: "edac", look: () => Promise.resolve([{ of: "mc0", verdict: "grave" as const, because: "y" }]) },
    { name: "oom", look: () => Promise.reject(new Error("EIO")) },
    { name: "units", look: () => new Promise(() => {}) },
  ];
  clockMs = 0;
  const running = watchHealth({ options: { ...OPTIONS, mayCut: ["fs-read-only"] }, guard, now: () => ({ bootMs: clockMs, wallMs: 0, bootId: "b", synced: true }), at: (atMs: number, then: () => void) => {
    const timer = { atMs, run: then };
    timers.push(timer);
    return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0);
  }, report: (finding: HostFinding) => told.push(finding), forget: (subject: string) => forgotten.push(subject) } as never, sensors, root);
  for (; clockMs <= 65_000; clockMs += 250) {
    for (const timer of timers.filter(({ atMs }) => atMs <= clockMs)) {
      timers.splice(timers.indexOf(timer), 1);
      timer.run();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await running.stop();
  const of = (subject: string) => told.findLast((finding) => finding.subject === subject);
  assert.deepEqual(of("health:fs-read-only:/var"), { subject: "health:fs-read-only:/var", verdict: "bad", because: "x", mayCut: true });
  assert.deepEqual(of("health:edac:mc0"), { subject: "health:edac:mc0", verdict: "warn", because: "y", mayCut: false });
  assert.deepEqual(forgotten, ["health:fs-read-only:/var"]);
  assert.deepEqual([of("health:oom")?.verdict, of("health:oom")?.because], ["unknown", "EIO"]);
  assert.match(of("health:units")?.because ?? "", /the look does not end/);
  assert.deepEqual(timers, [], "a part that was stopped leaves nothing behind");
});
