// What the members of a lab's store have in common, whatever program they run: a process of its own, in a namespace or on
// loopback, that can be killed and stopped, and ports that were free a moment ago.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { labEnv } from "./child.ts";
import type { LabNode } from "./netns.ts";
import { spawnBound } from "./netns.ts";

export function spawnIn(node: LabNode | null, argv: readonly string[]): ChildProcess {
  const settings = { stdio: ["ignore", "ignore", "pipe"], env: labEnv() } as const;
  return node === null ? spawnBound(argv, { ...settings, stdio: [...settings.stdio] }) : node.spawn(argv, { ...settings, stdio: [...settings.stdio] });
}

export function alive(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}

/** `kill -9`, and waits for it. */
export async function ended(child: ChildProcess): Promise<void> {
  if (!alive(child)) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
  }));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
