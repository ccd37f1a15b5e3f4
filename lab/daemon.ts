// A real server for a test, on loopback, with a folder of its own and nothing of the machine's configuration. It ends with
// the test, by its process number, and with this process however that ends (child.ts). What it prints is kept, so that a
// server that does not start says why.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import net from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { diesWithUs, labEnv, must, whichProgram } from "./child.ts";

export type DaemonPlan = {
  /** For the folder's name and for errors. */
  readonly name: string;
  /** Files to write first, by their path in the folder. */
  readonly files?: (folder: string, port: number) => Readonly<Record<string, string>>;
  /** Whom to run it as where this process is root: some servers refuse root. */
  readonly as?: string;
  /** Commands to run to their end before it starts. */
  readonly before?: (folder: string, port: number) => readonly (readonly string[])[];
  readonly argv: (folder: string, port: number) => readonly string[];
  readonly env?: (folder: string) => NodeJS.ProcessEnv;
  /** Whether it serves; absent: its port accepts connections. */
  readonly ready?: (log: string) => boolean;
};

export type Daemon = {
  readonly folder: string;
  readonly port: number;
  readonly process: ChildProcess;
  log(): string;
  stop(): Promise<void>;
};

const READY_MS = 60_000;
const LOG_CHARACTERS_MAX = 1 << 20;

/** Starts a server and waits until it serves; `port` is a free one for it to use, told to every part of the plan. */
export async function startDaemon(plan: DaemonPlan, port?: number): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-${plan.name}-${process.pid}-`));
  const where = port ?? (await freePort());
  let log = "";
  try {
    for (const [path, text] of Object.entries(plan.files?.(folder, where) ?? {})) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text, { mode: 0o644 });
    }
    const user = plan.as === undefined || userInfo().uid !== 0 ? null : await idsOf(plan.as);
    if (user !== null) await must(["chown", "-R", `${user.uid}:${user.gid}`, folder]);
    const through = user === null ? [] : ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--pdeathsig", "KILL", "--"];
    const env = { ...labEnv(), ...plan.env?.(folder) };
    for (const argv of plan.before?.(folder, where) ?? []) await must([...through, ...argv], { timeoutMs: READY_MS, env });
    const [file = "", ...args] = [...(user === null ? diesWithUs() : through), ...plan.argv(folder, where)];
    const child = spawn(file, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env });
    const ended = once(child, "exit");
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-LOG_CHARACTERS_MAX)));
    const stop = async (): Promise<void> => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGCONT");
        child.kill("SIGTERM");
        const limit = setTimeout(() => child.kill("SIGKILL"), 10_000);
        await ended;
        clearTimeout(limit);
      }
      rmSync(folder, { recursive: true, force: true });
    };
    const endsAtMs = performance.now() + READY_MS;
    while (!(plan.ready === undefined ? await accepts(where) : plan.ready(log))) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > endsAtMs) {
        await stop();
        throw new Error(`${plan.name} did not start: ${log.slice(-2_000)}`);
      }
      await pause(20);
    }
    return { folder, port: where, process: child, log: () => log, stop };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Starts a server for as long as `use` takes. */
export async function withDaemon(plan: DaemonPlan, use: (daemon: Daemon) => Promise<void>): Promise<void> {
  const daemon = await startDaemon(plan);
  try {
    await use(daemon);
  } finally {
    await daemon.stop();
  }
}

/** A port of loopback where nobody listens: taken and given back. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function idsOf(user: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const id = whichProgram("id") ?? "id";
  const [uid, gid] = await Promise.all([must([id, "-u", user]), must([id, "-g", user])]);
  return { uid: Number(uid), gid: Number(gid) };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
