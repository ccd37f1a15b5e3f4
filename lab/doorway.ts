// A way from this machine's loopback into a namespace: a watcher of the lab listens on a loopback of its own, and whoever wants
// to see its page has a browser out here. Two halves with a unix socket between, whose file both see.

import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import type { LabNode } from "./netns.ts";

export type Doorway = { readonly port: number; close(): void };

/** Opens a port of 127.0.0.1 that leads to this port of the node's own loopback. `folder` holds the socket between. */
export async function openDoorway(node: LabNode, port: number, folder: string): Promise<Doorway> {
  const socketPath = join(folder, `doorway-${port}.sock`);
  const child = node.spawn([process.execPath, join(import.meta.dirname, "doorway-child.ts"), socketPath, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  if (child.stdout === null) throw new Error("no pipe");
  await Promise.race([once(child.stdout, "data"), once(child, "exit").then(([code]) => Promise.reject(new Error(`the doorway's inner half ended with exit code ${String(code)}`)))]);
  const server = net.createServer((outside) => {
    const inside = net.connect(socketPath);
    outside.pipe(inside).pipe(outside);
    outside.on("error", () => inside.destroy()).on("close", () => inside.destroy());
    inside.on("error", () => outside.destroy()).on("close", () => outside.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () => {
      server.close();
      child.kill("SIGKILL");
    },
  };
}
