// The sensors against what they are for: an ext4 that the kernel turned read-only for an error, a full file system, a kill for
// want of memory, this machine's own kernel, disks and monitors, and units that failed in a real systemd.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { lacking, thirdParty } from "../../../lab/third-party.ts";
import { must, run } from "../../../lab/child.ts";
import { makeMemoryLimit, memoryLimitRefusal } from "../../../lab/memory-limit.ts";
import { startNetwork } from "../../../lab/netns.ts";
import { nspawnRefusal, startSystemdMachine } from "../../../lab/nspawn.ts";
import { childGuard, runChild } from "../../child/child.ts";
import { bootNow } from "../../process/boot-clock.ts";
import { oom } from "./oom.ts";
import { readOnly } from "./read-only.ts";
import { reboot } from "./reboot.ts";
import type { Eye, HealthOptions, Seen } from "./sensor.ts";
import { clock } from "./clock.ts";
import { edac } from "./edac.ts";
import { smart } from "./smart.ts";
import { space } from "./space.ts";
import { temperature } from "./temperature.ts";
import { units } from "./units.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-health-real-"));
after(() => rmSync(folder, { recursive: true }));
const OPTIONS: HealthOptions = { every: 60_000, skip: [], mayCut: [], disk: 0.9, inodes: 0.9, fullWithin: 14_400_000, smartEvery: 3_600_000, reallocated: 10, wear: 0.9, correctedPerHour: 10, clockWithin: 1_000, mounts: undefined };
const guard = childGuard();
const eye: Eye = { root: "/", nowMs: bootNow, run: (argv) => runChild(guard, argv, { limitMs: 20_000 }, AbortSignal.timeout(60_000)) };
const of = (seen: readonly Seen[], what: string | null): Seen | undefined => seen.find((each) => each.of === what);
const rootless = process.getuid?.() === 0 ? false : "mounting needs root";

async function mounted(argv: readonly string[], point: string, body: () => Promise<void>): Promise<void> {
  mkdirSync(point);
  await must(["mount", ...argv, point]);
  try {
    await body();
  } finally {
    await must(["umount", point]);
  }
}

test("an ext4 that the kernel turned read-only for an error is grave; one that a person remounted is not", { skip: rootless || lacking("mkfs.ext4", "losetup") }, async () => {
  const image = join(folder, "disk");
  await must(["truncate", "-s", "16M", image]);
  await must(["mkfs.ext4", "-q", "-e", "remount-ro", image]);
  const point = join(folder, "var");
  await mounted(["-o", "loop", image], point, async () => {
    const sensor = readOnly();
    assert.equal(of(await sensor.look(eye, OPTIONS), point)?.verdict, "good");
    await must(["mount", "-o", "remount,ro", point]);
    assert.match(of(await sensor.look(eye, OPTIONS), point)?.because ?? "", /^read-only, and it could be written to before; ext4 counts no error: somebody may have remounted it$/);
    await must(["mount", "-o", "remount,rw", point]);
    assert.equal(of(await sensor.look(eye, OPTIONS), point)?.verdict, "good");
    const device = basename((await must(["findmnt", "-n", "-o", "SOURCE", point])).trim());
    writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, "planted");
    const seen = of(await sensor.look(eye, OPTIONS), point);
    assert.equal(seen?.verdict, "grave", JSON.stringify(seen));
    assert.match(seen?.because ?? "", /an error that ext4 has counted|emergency_ro/);
  });
});

test("a full file system, in bytes and in inodes", { skip: rootless }, async () => {
  const point = join(folder, "full");
  await mounted(["-t", "tmpfs", "-o", "size=8m,nr_inodes=100", "upkeep-lab"], point, async () => {
    const sensor = space();
    const look = async () => of(await sensor.look(eye, { ...OPTIONS, mounts: [point] }), point);
    assert.deepEqual(await look(), { of: point, verdict: "good", because: "under 10 % used" });
    writeFileSync(join(point, "file"), Buffer.alloc(7_800_000));
    assert.match((await look())?.because ?? "", /^9[0-9] % of 8 MiB are used/);
    rmSync(join(point, "file"));
    for (let file = 0; file < 95; file += 1) writeFileSync(join(point, `${file}`), "");
    assert.match((await look())?.because ?? "", /of its inodes are used, [0-9] are left$/);
  });
  assert.equal(of(await space().look(eye, { ...OPTIONS, mounts: [join(folder, "nowhere")] }), join(folder, "nowhere"))?.verdict, "unknown");
});

test("a process that the kernel killed for want of memory", { skip: memoryLimitRefusal() ?? false }, async () => {
  const sensor = oom();
  assert.equal((await sensor.look(eye, OPTIONS))[0]?.verdict, "good");
  const limit = makeMemoryLimit(`upkeep-${process.pid}-oom`, 64 * 2 ** 20);
  try {
    await run([...limit.enter, "sh", "-c", "head -c 200000000 /dev/zero | tail"]);
  } finally {
    limit.remove();
  }
  const [seen] = await sensor.look(eye, OPTIONS);
  assert.match(seen?.because ?? "", /^the kernel killed (a process|[0-9]+ processes) for want of memory/);
});

test("this machine's own kernel, disks and monitors are understood or named as absent", { skip: lacking("smartctl") }, async () => {
  thirdParty("smartctl (smartmontools)", ["smartctl", "--version"]);
  for (const sensor of [smart(), edac(), temperature(), reboot(), clock(), space(), readOnly()]) {
    const seen = await sensor.look(eye, OPTIONS);
    assert.ok(seen.length > 0, sensor.name);
    for (const { because } of seen) assert.ok(because !== "" && !/undefined|NaN|\[object/.test(because), `${sensor.name}: ${because}`);
  }
});

test("units that failed, in a real systemd", { skip: nspawnRefusal() ?? false }, async () => {
  const network = await startNetwork();
  try {
    const machine = await startSystemdMachine(await network.node("sick"), join(import.meta.dirname, "../../.."));
    try {
      const inside: Eye = { ...eye, run: async (argv) => {
        const ran = await machine.exec(argv);
        return { end: { code: ran.code ?? 255 }, stdout: ran.stdout, whole: true, said: ran.stdout + ran.stderr };
      } };
      // The folder that says that systemd runs is looked for here; the question goes into the machine.
      mkdirSync(join(folder, "host/run/systemd/system"), { recursive: true });
      const look = async (): Promise<Seen | undefined> => (await units().look({ ...inside, root: join(folder, "host") }, OPTIONS))[0];
      await machine.exec(["systemctl", "reset-failed"]);
      assert.deepEqual(await look(), { of: null, verdict: "good", because: "no unit has failed" });
      await machine.exec(["systemd-run", "--wait", "--quiet", "--unit=upkeep-lab-sick", "false"]);
      assert.deepEqual(await look(), { of: null, verdict: "warn", because: "failed: upkeep-lab-sick.service" });
    } finally {
      await machine.stop();
    }
  } finally {
    network.stop();
  }
});
