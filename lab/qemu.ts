// A real QEMU without a machine in it (`-M none`), which starts in a moment and speaks QMP like any other. Between its socket
// and the client stands a relay that writes down what is asked and loses what it is told to lose; it is there while QEMU is.

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diesWithUs, labEnv, whenWeEnd, whichProgram } from "./child.ts";

export type Qemu = {
  /** Where a client connects. */
  readonly socket: string;
  /** Starts it again when it is run; returns when QEMU is there. */
  readonly on: readonly string[];
  /** `off` for each quit that reached it, `on` for each start by `on`. */
  commands(): readonly ("on" | "off")[];
  truth(): "on" | "off";
  readonly faults: { loseCommand: boolean; loseAnswer: boolean; silent: boolean };
  close(): Promise<void>;
};

const START_MS = 30_000;

export async function startQemu(): Promise<Qemu> {
  const program = whichProgram("qemu-system-x86_64");
  if (program === null) throw new Error("qemu-system-x86_64 is not installed");
  const folder = mkdtempSync(join(tmpdir(), "upkeep-qemu-"));
  const [inner, socket] = [join(folder, "inner"), join(folder, "qmp")];
  const faults = { loseCommand: false, loseAnswer: false, silent: false };
  const commands: ("on" | "off")[] = [];
  const sockets = new Set<Socket>();
  let qemu: ChildProcess | null = null;
  let relay: Server | null = null;

  const serve = (client: Socket): void => {
    const server = connect(inner);
    let lost = false;
    for (const each of [client, server]) {
      sockets.add(each);
      each.on("error", () => {}).on("close", () => sockets.delete(each));
    }
    client.on("close", () => server.destroy());
    server.on("close", () => {
      if (!faults.silent && !lost) client.end();
    });
    client.setEncoding("utf8").on("data", (text: unknown) => {
      if (faults.silent || lost) return;
      if (String(text).includes('"quit"')) {
        lost = faults.loseCommand || faults.loseAnswer;
        if (faults.loseCommand) return;
        commands.push("off");
      }
      server.write(String(text));
    });
    server.on("data", (bytes) => {
      if (!faults.silent && !lost) client.write(bytes);
    });
  };
  const boot = async (): Promise<void> => {
    if (qemu !== null) return;
    const [file = "", ...rest] = [...diesWithUs(), program, "-M", "none", "-nodefaults", "-display", "none", "-qmp", `unix:${inner},server=on,wait=off`];
    const child = spawn(file, rest, { env: labEnv(), stdio: "ignore" });
    qemu = child;
    child.once("exit", () => {
      qemu = null;
      relay?.close();
      relay = null;
      rmSync(inner, { force: true });
    });
    for (const endMs = performance.now() + START_MS; !existsSync(inner); await new Promise((resolve) => setTimeout(resolve, 10))) {
      if (qemu === null || performance.now() > endMs) throw new Error("QEMU does not start");
    }
    const server = createServer(serve);
    relay = server;
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(socket, resolve));
  };
  // A line for each start that is asked for, answered when it is done.
  const control = createServer((client) => {
    client.on("error", () => {}).on("data", () => {
      commands.push("on");
      void boot().then(() => client.end("done\n"), () => client.destroy());
    });
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  const { port } = control.address() as { port: number };
  const end = (): void => {
    qemu?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  const forget = whenWeEnd(end);
  await boot();
  return {
    socket,
    on: ["/bin/bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; echo on >&3; read -r answer <&3; [ "$answer" = "done" ]`],
    commands: () => commands,
    truth: () => (qemu === null ? "off" : "on"),
    faults,
    async close() {
      forget();
      for (const each of sockets) each.destroy();
      const child = qemu;
      const gone = child === null ? null : new Promise((resolve) => child.once("exit", resolve));
      end();
      await gone;
      relay?.close();
      control.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
