// A real Prometheus Alertmanager for tests: Debian's, on a free port of loopback, with its data in a folder of its own.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { labEnv, whenWeEnd } from "./child.ts";
import { programPath, thirdParty } from "./third-party.ts";

export type Alertmanager = { readonly url: string; readonly log: () => string; stop(): Promise<void> };

/** It has no other receiver than this web hook (its own format), and groups nothing. */
export async function startAlertmanager(hookUrl: string): Promise<Alertmanager> {
  const program = programPath("prometheus-alertmanager") ?? "prometheus-alertmanager";
  thirdParty("Alertmanager", [program, "--version"]);
  const folder = await mkdtemp(join(tmpdir(), "upkeep-alertmanager-"));
  const config = join(folder, "alertmanager.yml");
  await writeFile(config, `route: { receiver: hook, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }\nreceivers: [{ name: hook, webhook_configs: [{ url: "${hookUrl}", send_resolved: true }] }]\n`);
  const port = await freePort();
  const child = spawn(program, [`--config.file=${config}`, `--storage.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`, "--cluster.listen-address="], { env: labEnv(), stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => { log = (log + bytes.toString()).slice(-20_000); });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const forget = whenWeEnd(() => child.kill("SIGKILL"));
  const url = `http://127.0.0.1:${port}`;
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    const ready = await fetch(`${url}/-/ready`).then((answer) => answer.ok, () => false);
    if (ready) break;
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      child.kill("SIGKILL");
      throw new Error(`Alertmanager does not start: ${log}`);
    }
    await sleep(50);
  }
  return {
    url, log: () => log,
    async stop() {
      forget();
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
