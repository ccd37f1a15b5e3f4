// Which mounts are tried, and on what they lie: by the text of mountinfo and a /sys made of a table.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chosenMounts, kindOf, parseMounts } from "./mounts.ts";
import type { Mount, Sys } from "./mounts.ts";

const TEXT = `22 26 0:21 / /sys rw,relatime - sysfs sysfs rw
26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
41 26 254:0 /run/netns /run/netns rw,relatime shared:1 - ext4 /dev/vda rw
42 26 8:17 / /srv/with\\040blank rw - xfs /dev/sdb1 rw
43 26 8:17 / /again rw - xfs /dev/sdb1 rw
44 26 0:40 / /home rw - nfs4 filer:/home rw,hard
45 26 0:41 / /mnt/s rw - fuse.sshfs me@there:/ rw
46 26 0:42 / /tmp rw - tmpfs tmpfs rw
47 26 7:3 / /snap/core/1 ro - squashfs /dev/loop3 ro
48 26 0:43 /@ /pool rw - btrfs /dev/mapper/crypt rw
49 26 0:43 /@home /pool/home rw - btrfs /dev/mapper/crypt rw
50 26 8:33 / /old rw - ext4 /dev/sdc1 ro,errors=remount-ro
51 26 43:0 / /far rw - ext4 /dev/nbd0 rw
52 26 8:49 / /san rw - xfs /dev/sdd1 rw
53 26 253:7 / /mirror rw - ext4 /dev/mapper/mirror rw
54 26 0:50 / / rw - overlay overlay rw
55 54 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
bad line`;

const PCI = "/sys/devices/pci0000:00/0000:00:01.0";
const REAL: Record<string, string> = {
  "/sys/dev/block/254:0": `${PCI}/virtio1/block/vda`,
  "/sys/dev/block/8:17": `${PCI}/ata1/host0/target0/block/sdb/sdb1`,
  "/sys/dev/block/8:33": `${PCI}/ata2/host1/target1/block/sdc/sdc1`,
  "/sys/dev/block/43:0": "/sys/devices/virtual/block/nbd0",
  "/sys/dev/block/8:49": "/sys/devices/platform/host3/session1/target3/block/sdd/sdd1",
  "/sys/dev/block/253:7": "/sys/devices/virtual/block/dm-7",
  "/sys/dev/block/7:0": "/sys/devices/virtual/block/loop0",
  "/sys/dev/block/7:1": "/sys/devices/virtual/block/loop1",
  "/sys/dev/block/259:0": "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
  "/sys/dev/block/252:0": "/sys/devices/virtual/block/zram0",
  "/dev/mapper/crypt": "/dev/dm-0",
  "/sys/class/block/dm-0": "/sys/devices/virtual/block/dm-0",
  "/sys/devices/virtual/block/dm-0/slaves/vda3": `${PCI}/virtio1/block/vda/vda3`,
  "/sys/devices/virtual/block/dm-7/slaves/sdb": `${PCI}/ata1/host0/target0/block/sdb`,
  "/sys/devices/virtual/block/dm-7/slaves/nbd0": "/sys/devices/virtual/block/nbd0",
};
const LISTS: Record<string, readonly string[]> = { "/sys/devices/virtual/block/dm-0/slaves": ["vda3"], "/sys/devices/virtual/block/dm-7/slaves": ["sdb", "nbd0"], "/sys/devices/virtual/nvme-subsystem/nvme-subsys0": ["nvme0", "nvme0n1", "power"] };
const READS: Record<string, string> = {
  [`${PCI}/ata1/host0/target0/block/sdb/sdb1/partition`]: "1", [`${PCI}/ata2/host1/target1/block/sdc/sdc1/partition`]: "1", [`${PCI}/virtio1/block/vda/vda3/partition`]: "3",
  "/sys/devices/platform/host3/session1/target3/block/sdd/sdd1/partition": "1",
  "/sys/devices/virtual/block/loop0/loop/backing_file": "/home/image\n", "/sys/devices/virtual/block/loop1/loop/backing_file": "/var/image\n",
  "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0/transport": "tcp\n",
};
const sys: Sys = { real: (path) => REAL[path] ?? null, list: (path) => LISTS[path] ?? [], read: (path) => READS[path] ?? null };
const mounts = parseMounts(TEXT);

test("auto: writable file systems on block devices, once a device, no part of one, nothing of a network", () => {
  const chosen = chosenMounts(mounts, null, [], sys);
  assert.deepEqual(chosen.map(({ path, kind }) => [path, kind]), [["/", "local"], ["/far", "remote"], ["/san", "remote"], ["/pool", "local"], ["/again", "local"], ["/mirror", "remote"]]);
  assert.deepEqual(chosenMounts(mounts, null, ["/far", "/san", "/pool/home", "/again"], sys).map(({ path }) => path), ["/", "/mirror"], "a file system is left out under all its names");
});

test("what was watched and has become read-only is watched on", () => {
  assert.equal(chosenMounts(mounts, null, [], sys, new Set(["/old"])).find(({ path }) => path === "/old")?.readOnly, true);
});

test("a path by name is that of the mount that it lies in, whatever that is", () => {
  const asked = ["/", "/home/me", "/srv/with blank/", "/tmp", "/mnt/s/x", "/homely"];
  assert.deepEqual(chosenMounts(mounts, asked, [], sys).map(({ asked: path, path: mount, kind }) => [path, mount, kind]), [
    ["/", "/", "local"], ["/home/me", "/home", "network"], ["/srv/with blank/", "/srv/with blank", "local"], ["/tmp", "/tmp", "memory"], ["/mnt/s/x", "/mnt/s", "network"], ["/homely", "/", "local"],
  ]);
  assert.deepEqual(chosenMounts([], ["/"], [], sys), []);
});

test("on what a disk lies: what is not known to be in this machine is not", () => {
  const on = (device: string, type = "ext4", source = "/dev/x"): Mount => ({ path: "/m", device, root: "/", type, source, readOnly: false });
  const cases: readonly [Mount, string][] = [
    [on("7:1"), "local"], [on("7:0"), "network"], [on("259:0"), "remote"], [on("252:0"), "memory"], [on("99:9"), "unclear"],
    [on("0:60", "zfs", "tank/data"), "unclear"], [on("0:61", "btrfs", "/dev/gone"), "unclear"], [on("0:62", "overlay", "overlay"), "overlay"], [on("8:1", "fuseblk", "/dev/sda1"), "user"], [on("0:63", "ext4", "none"), "unclear"],
  ];
  for (const [mount, kind] of cases) assert.equal(kindOf(mount, mounts, sys), kind, `${mount.type} on ${mount.device}`);
  const circle: Sys = { ...sys, real: (path) => (path === "/sys/dev/block/1:1" || path.endsWith("slaves/a") ? "/sys/devices/virtual/block/a" : null), list: () => ["a"] };
  assert.equal(kindOf(on("1:1"), mounts, circle), "unclear", "devices that lie on themselves");
});

test("any text is read without a throw", () => {
  fc.assert(fc.property(fc.string(), fc.array(fc.string(), { maxLength: 20 }), (text, words) => {
    for (const each of [text, `1 2 ${words.join(" ")} - ${words.join(" ")}`]) for (const mount of parseMounts(each)) kindOf(mount, [], sys);
  }), { numRuns: 1_000 });
});
