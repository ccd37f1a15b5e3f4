// A virtual machine with a real agent in it: QEMU without KVM, Debian's kernel, this checkout's program, disks that can be made
// to hang from outside, and a shell for whoever plays the administrator. For what only a kernel can show: hung tasks, panics,
// watchdogs, netconsole, a disk that stops answering. `guestRefusal` says why a machine cannot run it.
//
// The kernel's parameter `panic=1` is not given: whether it starts again after a panic is what the agent's policy decides.

import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { diesWithUs, labEnv, must, whichProgram } from "./child.ts";
import { bridge } from "./guest.ts";
import { guestRefusal, KERNEL, makeGuestImage, PARTS } from "./guest-image.ts";
import type { LabNode } from "./netns.ts";
import { thirdParty } from "./third-party.ts";
import { within } from "./virtual-host.ts";

export { guestRefusal };

export type AgentGuestOptions = {
  readonly name: string;
  /** For its disks and sockets; the caller removes it. */
  readonly folder: string;
  /** Files of /etc/upkeep by name: `upkeep.yaml` with a section `agent` whose `data` should lie under /data or /run. */
  readonly settings: Readonly<Record<string, string>>;
  /** Its place in the network; left out, it has none. */
  readonly node?: LabNode;
  /** Sizes of its further disks, ext4, unmounted: /dev/vdc, /dev/vdd …; in QMP they are `disk0`, `disk1` … */
  readonly disks?: readonly number[];
  /** Loaded at boot: dm_mod, loop, softdog, i6300esb, netconsole. */
  readonly modules?: readonly string[];
  /** Run at every boot before the agent, by sh: mounts, for instance. */
  readonly boot?: string;
  /** More of QEMU's arguments: `-device i6300esb -action watchdog=reset`. */
  readonly qemu?: readonly string[];
  /** This machine's programs in the guest, beside sh, dd, rm, flock and dmsetup (busybox's shell prefers busybox's own). */
  readonly programs?: readonly string[];
};

export type AgentGuest = {
  /** Everything that its console showed, of all its boots. */
  readonly console: string;
  readonly powered: boolean;
  /** Why it was off or began anew, each time, in QEMU's words (QMP's event SHUTDOWN): `guest-shutdown`, `guest-reset` … Of a power cut nothing is said. */
  readonly shutdowns: readonly string[];
  /** Its own disk, /data, as a file of this machine. */
  readonly disk: string;
  powerOn(): void;
  /** Power gone at once; of one that has switched itself off nothing is left to go. */
  powerOff(): Promise<void>;
  /** Resolves when its console shows this after `from` characters of it. */
  says(what: RegExp, from: number, withinMs: number): Promise<void>;
  /** Runs a line in the guest's shell; what it printed. A line that hangs keeps the shell: put it behind `&`. */
  sh(line: string, withinMs?: number): Promise<string>;
  /** One command of QMP; its answer. */
  qmp(execute: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  stop(): Promise<void>;
};

const MEMORY_MIB = 320;
const DATA_BYTES = 96 * 1024 * 1024;
const SHELL_WITHIN_MS = 120_000;

export async function startAgentGuest(options: AgentGuestOptions): Promise<AgentGuest> {
  const { name, folder, node, disks = [] } = options;
  thirdParty("QEMU", ["qemu-system-x86_64", "--version"]);
  thirdParty("Linux, Debian's, in QEMU", ["cat", join(PARTS, "kernel")]);
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "program.ext4");
  await makeGuestImage(program, folder, options.settings, { init: "guest-agent-init.sh", hostname: name, modules: true, programs: ["sh", "dd", "rm", "flock", "dmsetup", ...(options.programs ?? [])] });
  const data = join(folder, "data.ext4");
  const contents = join(folder, "data");
  mkdirSync(contents, { recursive: true });
  writeFileSync(join(contents, "boot.sh"), options.boot ?? "");
  await makeDisk(data, DATA_BYTES, ["-d", contents]);
  const files = await Promise.all(disks.map(async (bytes, at) => {
    const file = join(folder, `disk${at}.ext4`);
    await makeDisk(file, bytes, []);
    return file;
  }));
  if (node !== undefined) await bridge(node);
  const [shell, control, news] = [join(folder, "shell.sock"), join(folder, "qmp.sock"), join(folder, "news.sock")];
  const argv = [
    "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", "tcg,tb-size=512", "-cpu", "Nehalem", "-m", `${MEMORY_MIB}`,
    "-kernel", join(PARTS, "vmlinux"), "-initrd", join(PARTS, "initramfs"),
    "-append", `${KERNEL} guest.name=${name} guest.modules=${(options.modules ?? []).join(",")}${node === undefined ? "" : ` guest.address=${node.address}/16`}`,
    "-serial", "stdio", "-serial", `unix:${shell},server=on,wait=off`, "-qmp", `unix:${control},server=on,wait=off`, "-qmp", `unix:${news},server=on,wait=off`,
    "-blockdev", `driver=file,node-name=program,filename=${program},read-only=on`, "-device", "virtio-blk-pci,drive=program",
    "-blockdev", `driver=file,node-name=data,filename=${data}`, "-device", "virtio-blk-pci,drive=data",
    // Drives of the old kind: their speed can be changed while they run.
    ...files.flatMap((file, at) => ["-drive", `file=${file},format=raw,if=none,id=disk${at},cache=none,aio=threads`, "-device", `virtio-blk-pci,drive=disk${at},id=dev${at}`]),
    ...(node === undefined ? [] : ["-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=net,mac=02:77:00:01:00:02"]),
    "-device", "virtio-rng-pci", ...(options.qemu ?? []),
  ];

  let child: ChildProcess | null = null;
  let shown = "";
  const shutdowns: string[] = [];
  const listeners = new Set<() => void>();
  let asked = 0;
  let line: Socket | null = null;
  let talking: Promise<unknown> = Promise.resolve();

  const says = (what: RegExp, from: number, withinMs: number): Promise<void> => {
    let look: () => void = () => undefined;
    const seen = new Promise<void>((resolve) => {
      look = () => {
        if (what.test(shown.slice(from))) resolve();
      };
      listeners.add(look);
      look();
    });
    return within(withinMs, seen, () => `${name} does not say ${what} within ${withinMs} ms; its last words:\n${shown.slice(-2_000)}`).finally(() => listeners.delete(look));
  };
  /** A client of QMP hears its events; who asks has another socket, since each takes one client at a time. */
  const hearNews = async (qemu: ChildProcess): Promise<void> => {
    const socket = await dial(news, () => child === qemu);
    let heard = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      const lines = `${heard}${text}`.split("\n");
      heard = lines.pop() ?? "";
      for (const each of lines) {
        const { event, data: told } = JSON.parse(each) as { readonly event?: string; readonly data?: { readonly reason?: string } };
        if (event === "SHUTDOWN" || event === "RESET") shutdowns.push(told?.reason ?? "");
      }
    });
    socket.write('{"execute":"qmp_capabilities"}\n');
  };
  const powerOn = (): void => {
    if (child !== null) return;
    const stdio = ["pipe", "pipe", "pipe"] as const;
    const [file = "", ...rest] = [...diesWithUs(), ...argv];
    const qemu = node === undefined ? spawn(file, rest, { env: labEnv(), stdio: [...stdio] }) : node.spawn(argv, { stdio: [...stdio] });
    child = qemu;
    // One that is cut before it listens has no news.
    hearNews(qemu).catch(() => undefined);
    const hear = (bytes: Buffer): void => {
      shown += bytes.toString("latin1");
      for (const look of [...listeners]) look();
    };
    qemu.stdout?.on("data", hear);
    qemu.stderr?.on("data", hear);
    qemu.stdin?.on("error", () => undefined);
    qemu.once("exit", (code, signal) => {
      line?.destroy();
      line = null;
      if (child !== qemu) return;
      child = null;
      hear(Buffer.from(`guest: QEMU ended by itself (${code ?? signal})\n`));
    });
  };
  const kill = async (): Promise<void> => {
    const qemu = child;
    child = null;
    if (qemu === null) return;
    const gone = new Promise<void>((resolve) => qemu.once("exit", () => resolve()));
    qemu.kill("SIGKILL");
    await gone;
  };
  const ask = async (text: string, withinMs: number): Promise<string> => {
    line ??= await dial(shell);
    asked += 1;
    const [begin, end] = [`<<<${asked}`, `${asked}>>>`];
    let heard = "";
    const answered = new Promise<string>((resolve, reject) => {
      const socket = line as Socket;
      const look = (bytes: Buffer): void => {
        heard += bytes.toString("utf8");
        const [from, to] = [heard.indexOf(`\n${begin}\n`), heard.indexOf(`\n${end}\n`)];
        if (from < 0 || to < 0) return;
        socket.off("data", look);
        socket.off("close", dark);
        resolve(heard.slice(from + begin.length + 2, to));
      };
      socket.on("data", look);
      const dark = (): void => reject(new Error(`${name} lost its power while it was asked: ${text}`));
      socket.once("close", dark);
      // Quoted apart, so that an echo of the line is no answer.
      socket.write(`echo; echo "<<<"${asked}; { ${text}\n} </dev/null 2>&1; echo; echo ${asked}">>>"\n`);
    });
    return within(withinMs, answered, () => `${name} does not answer within ${withinMs} ms: ${text}\n${heard.slice(-500)}\n${shown.slice(-1_000)}`).finally(() => line?.removeAllListeners("data").removeAllListeners("close"));
  };
  return {
    powerOn, says,
    get console() { return shown; },
    get powered() { return child !== null; },
    shutdowns, disk: data,
    powerOff: kill,
    sh(text, withinMs = SHELL_WITHIN_MS) {
      const answer = talking.then(() => ask(text, withinMs));
      talking = answer.catch(() => undefined);
      return answer;
    },
    async qmp(execute, args = {}) {
      const socket = await dial(control);
      try {
        let heard = "";
        socket.setEncoding("utf8").write(`{"execute":"qmp_capabilities"}\n${JSON.stringify({ execute, arguments: args, id: 1 })}\n`);
        const answered = (async (): Promise<unknown> => {
          for (;;) {
            for (const text of heard.split("\n").slice(0, -1)) {
              const message = JSON.parse(text) as { readonly id?: number; readonly return?: unknown; readonly error?: { readonly desc: string } };
              if (message.error !== undefined) throw new Error(`${execute}: ${message.error.desc}`);
              if (message.id === 1) return message.return;
            }
            const [more] = (await once(socket, "data")) as [string];
            heard += more;
          }
        })();
        return await within(SHELL_WITHIN_MS, answered, () => `QMP does not answer ${execute}`);
      } finally {
        socket.destroy();
      }
    },
    stop: kill,
  };
}

/** The files under a folder as settings (`AgentGuestOptions`), by their names behind `under`. */
export function settingsOf(folder: string, under: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map(({ parentPath, name }) => [join(under, relative(folder, join(parentPath, name))), readFileSync(join(parentPath, name), "utf8")]));
}

async function makeDisk(file: string, bytes: number, more: readonly string[]): Promise<void> {
  writeFileSync(file, "");
  truncateSync(file, bytes);
  await must([whichProgram("mke2fs") ?? "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", ...more, file]);
}

async function dial(path: string, worthIt = () => true): Promise<Socket> {
  for (const untilMs = performance.now() + SHELL_WITHIN_MS; ; await sleep(50)) {
    if (!worthIt()) throw new Error(`who listened on ${path} is gone`);
    if (existsSync(path)) {
      const socket = connect(path);
      const connected = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
      socket.on("error", () => undefined);
      if (connected) return socket;
    }
    if (performance.now() > untilMs) throw new Error(`nobody listens on ${path}`);
  }
}
