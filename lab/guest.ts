// A virtual machine with a watcher in it, for the deaths that a process cannot die: the kernel's panic, and the power of the
// machine itself. QEMU without KVM (a guest within a guest has none), Debian's kernel, ext4 on a disk that forgets what was
// not flushed (volatile-disk.ts). It stands in a node of the lab's network, with that node's address as its own, so that the
// power device and the hosts are other machines to it. Needs root: ask `guestRefusal` first.
//
// A panic leaves the disk its power: only what the kernel had not written is lost, and the machine starts again by itself
// (panic=1). A power cut is `kill -9` of QEMU and the loss of the disk's cache in the same moment.

import type { ChildProcess } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, whichProgram } from "./child.ts";
import { guestRefusal, KERNEL, makeGuestImage, PARTS } from "./guest-image.ts";
import type { LabNode } from "./netns.ts";
import { thirdParty } from "./third-party.ts";
import { startVolatileDisk } from "./volatile-disk.ts";
import type { VolatileDisk } from "./volatile-disk.ts";
import { within } from "./virtual-host.ts";

export { guestRefusal };

export type GuestOptions = {
  /** Its place in the network; nothing else may run there. */
  readonly node: LabNode;
  /** For its disks and sockets; the caller removes it. */
  readonly folder: string;
  /** Files of /etc/upkeep by name: `upkeep.yaml`, whose `data` should lie under /data, and its secrets. */
  readonly settings: Readonly<Record<string, string>>;
  /** What lies under /data from the first start on: a folder. */
  readonly data?: string;
};

export type Guest = {
  readonly disk: VolatileDisk;
  /** Everything that its console showed. */
  readonly console: string;
  /** Whether a QEMU runs; after a panic it goes on. */
  readonly powered: boolean;
  /** Switches it on; the kernel starts. */
  powerOn(): void;
  /** Everything that the guest has written reaches its disk: once, when what V8 compiled stands there. */
  sync(): Promise<void>;
  /** A panic by the console's SysRq; resolves when the kernel has said so. */
  panic(): Promise<void>;
  /** Power gone, and with it each 4 KiB that were not flushed and of which `isLost` says so. */
  powerOff(isLost: () => boolean): Promise<void>;
  /** Resolves when its console shows this after `from` bytes of it. */
  says(what: RegExp, from: number, withinMs: number): Promise<void>;
  stop(): Promise<void>;
};

const MEMORY_MIB = 320;
const DISK_BYTES = 96 * 1024 * 1024;
const PANICS_WITHIN_MS = 10_000;
const SYNCED_WITHIN_MS = 30_000;
const TRIES = 3;
/** Ctrl-A b on a multiplexed console is a break (QEMU's documentation, "Keys in the character backend multiplexer"). */
const BREAK = "\x01b";

export async function startGuest({ node, folder, settings, data: contents }: GuestOptions): Promise<Guest> {
  thirdParty("QEMU", ["qemu-system-x86_64", "--version"]);
  thirdParty("Linux, Debian's, in QEMU", ["cat", join(PARTS, "kernel")]);
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "program.ext4");
  await makeGuestImage(program, folder, settings);
  const data = join(folder, "data.ext4");
  writeFileSync(data, "");
  truncateSync(data, DISK_BYTES);
  await must([whichProgram("mke2fs") ?? "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", ...(contents === undefined ? [] : ["-d", contents]), data]);
  const disk = await startVolatileDisk(data, DISK_BYTES, join(folder, "disk.sock"));
  await bridge(node);

  let child: ChildProcess | null = null;
  let shown = "";
  const listeners = new Set<() => void>();

  const says = (what: RegExp, from: number, withinMs: number): Promise<void> => {
    let look: () => void = () => undefined;
    const seen = new Promise<void>((resolve) => {
      look = () => {
        if (what.test(shown.slice(from))) resolve();
      };
      listeners.add(look);
      look();
    });
    return within(withinMs, seen, () => `the guest does not say ${what} within ${withinMs} ms; its last words:\n${shown.slice(-2_000)}`).finally(() => listeners.delete(look));
  };
  const powerOn = (): void => {
    if (child !== null) return;
    const qemu = node.spawn([
      "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", "tcg,tb-size=512", "-cpu", "Nehalem", "-m", `${MEMORY_MIB}`,
      "-kernel", join(PARTS, "vmlinux"), "-initrd", join(PARTS, "initramfs"),
      "-append", `${KERNEL} panic=1 guest.address=${node.address}/16`,
      "-serial", "mon:stdio",
      "-blockdev", `driver=file,node-name=program,filename=${program},read-only=on`, "-device", "virtio-blk-pci,drive=program",
      "-blockdev", `driver=nbd,node-name=data,server.type=unix,server.path=${disk.socketPath}`, "-device", "virtio-blk-pci,drive=data,write-cache=on",
      "-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=net,mac=02:77:00:01:00:01",
      "-device", "virtio-rng-pci",
    ], { stdio: ["pipe", "pipe", "pipe"] });
    child = qemu;
    const hear = (bytes: Buffer): void => {
      shown += bytes.toString("latin1");
      for (const look of [...listeners]) look();
    };
    qemu.stdout?.on("data", hear);
    qemu.stderr?.on("data", hear);
    qemu.stdin?.on("error", () => undefined);
    qemu.once("exit", (code, signal) => {
      if (child !== qemu) return;
      child = null;
      hear(Buffer.from(`guest: QEMU ended by itself (${code ?? signal})\n`));
    });
  };
  /** SysRq by the console, until it is heard. */
  const order = async (key: string, answer: RegExp, withinMs: number): Promise<void> => {
    const from = shown.length;
    for (let tries = 1; ; tries += 1) {
      if (child === null) throw new Error("a machine without power hears nothing");
      child.stdin?.write(`${BREAK}${key}`);
      try {
        return await says(answer, from, withinMs);
      } catch (error) {
        if (tries === TRIES) throw error;
      }
    }
  };
  const kill = async (): Promise<void> => {
    const qemu = child;
    child = null;
    if (qemu === null) return;
    const gone = new Promise<void>((resolve) => qemu.once("exit", () => resolve()));
    qemu.kill("SIGKILL");
    await gone;
  };
  return {
    disk, powerOn, says,
    get console() { return shown; },
    get powered() { return child !== null; },
    sync: () => order("s", /Emergency Sync complete/, SYNCED_WITHIN_MS),
    panic: () => order("c", /Kernel panic/, PANICS_WITHIN_MS),
    async powerOff(isLost) {
      // The order of a cut: nothing that QEMU writes after this reaches the disk.
      child?.kill("SIGKILL");
      await disk.cutPower(isLost);
      await kill();
    },
    async stop() {
      await kill();
      await disk.close();
    },
  };
}

/** The node's own place on the switch becomes the guest's: its address is taken away here and given to the guest. */
export async function bridge(node: LabNode): Promise<void> {
  for (const line of [
    "link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0", "addr flush dev eth0", "link set eth0 master br0",
    "tuntap add dev tap0 mode tap", "link set tap0 master br0", "link set tap0 up", "link set br0 up",
  ]) {
    const { code, stderr } = await node.exec(["ip", ...line.split(" ")]);
    if (code !== 0) throw new Error(`ip ${line}: ${stderr}`);
  }
}
