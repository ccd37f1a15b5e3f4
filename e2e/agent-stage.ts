// A site with agents, for who looks at the page: a real watcher that hears kernels, feels heat, reboots in turn and grants leases;
// hosts on loopback, one with a real agent that runs a leased service, and others that come in through the same door with
// findings as the parts of an agent make them. What it shows is on the watcher's own record, and came the way it comes in life.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Rig } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import type { HostFinding } from "../src/core/finding.ts";
import type { TestHost } from "../src/watcher/agents/link-for-tests.ts";
import { makeHost } from "../src/watcher/agents/link-for-tests.ts";
import { ask, until } from "./watching.ts";

const PATIENT_MS = 90_000;
const ROOT = join(import.meta.dirname, "..");

/** As the parts `storage`, `health`, `keep`, `orphans` and `hung-tasks` say it; the longest of them, too. */
export const FOUND: readonly HostFinding[] = [
  { subject: "storage:/var", verdict: "bad", because: "a write has not reached the disk for 30 s (waits in jbd2_log_wait_commit); 3 more in state D: postgres[812], postgres[845], kworker/u8:2+flush-254:0[97]; pressure: io 98 %", mayCut: true },
  { subject: "keep:queue", verdict: "bad", because: "given up after 5 starts: podman: queue is exited", mayCut: false },
  { subject: "health:space:/srv/backups/of-the-whole-house/2026", verdict: "warn", because: "97 % of 2.0 TB are used, 60 GB are left", mayCut: false },
  { subject: "health:reboot-pending", verdict: "warn", because: "a reboot is required by linux-image-6.1.0-51-amd64", mayCut: false },
  { subject: "health:edac", verdict: "unknown", because: "no memory controller that counts errors (EDAC) is here", mayCut: false },
  { subject: "hung-tasks", verdict: "good", because: "the kernel panics when a task hangs for 120 s", mayCut: false },
  { subject: "storage:/", verdict: "good", because: "a write comes to the disk and back within 50 ms", mayCut: false },
  { subject: "orphans", verdict: "good", because: "no container without a supervisor", mayCut: false },
];

/** What a panicking Debian kernel sends. */
export const PANIC: readonly string[] = [
  "EXT4-fs error (device sda1): ext4_find_entry:1682: inode #131073: comm postgres: reading directory lblock 0",
  "BUG: unable to handle page fault for address: ffffb0a3c0a51000", "#PF: supervisor write access in kernel mode", "#PF: error_code(0x0002) - not-present page",
  "Oops: 0002 [#1] PREEMPT SMP PTI", "CPU: 3 PID: 1821 Comm: kworker/3:1 Not tainted 6.1.0-50-amd64 #1  Debian 6.1.176-1",
  "Hardware name: Supermicro Super Server/X11SSH-F, BIOS 2.7 12/07/2021", "RIP: 0010:mlx5e_napi_poll+0x1a4/0x7d0 [mlx5_core]", "Call Trace:", " <IRQ>", " __napi_poll+0x28/0x160",
  " net_rx_action+0x29e/0x350", " </IRQ>", "Kernel panic - not syncing: Fatal exception in interrupt", "Kernel Offset: 0x2f000000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000-0xffffffffbfffffff)",
  "---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---",
];

export type AgentStage = {
  readonly rig: Rig;
  /** Too hot, or not: the watcher's sense of whether hosts may come back. */
  cool(isCool: boolean): void;
  /** What the kernel of a host sends, as its netconsole does. */
  kernelSays(host: string, lines: readonly string[]): Promise<void>;
  /** Lets a host's agent in and connects it; `found` as its findings. */
  enrols(host: string, found: readonly HostFinding[]): Promise<TestHost>;
  /** The real agent, of `pathos`: it holds the lease of `db` when it is granted. */
  agent(): Promise<ChildProcess>;
  stop(): Promise<void>;
};

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  }));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** `settings`: brakes and defaults. */
export async function startAgentStage(settings: string): Promise<AgentStage> {
  const [door = 0, netconsole = 0] = await freePorts(2);
  const folder = mkdtempSync(join(tmpdir(), "upkeep-agent-stage-"));
  const sensor = join(folder, "intake");
  const cool = (isCool: boolean): void => {
    writeFileSync(`${sensor}.new`, isCool ? "24\n" : "41\n");
    renameSync(`${sensor}.new`, sensor);
  };
  cool(true);
  const rig = await startRig({
    hosts: ["logos", "ethos", "pathos", "db1", "db2", "web1"], kind: "processes", bootMs: 3_000, folder, device: "check: 6s, timeout: 2s, deadline: 20s",
    // A host on loopback cannot be silent, because this machine answers pings and refuses connections for it, and what answers has
    // not gone off. Of the databases only DNS is asked: frozen, they say nothing at all.
    probes: (host) => `[${host.name.startsWith("db") ? "" : `{ ssh: { port: ${host.sshPort} } }, `}{ dns: { port: ${host.dnsPort}, name: ${host.dnsName} } }]`,
    settings: `${settings}agents: { listen: "127.0.0.1:${door}" }
netconsole: { listen: "127.0.0.1:${netconsole}" }
careful: { haltBound: 5s, returnAfter: 4s, stagger: 1s, signal: { temperature: [{ name: intake, file: ${sensor}, scale: 1, above: 35 }] } }
reboots: { by: [{ command: { run: ["true"] } }], downWithin: 10s, settle: 1s }
`,
  });
  const hosts: TestHost[] = [];
  let agent: ChildProcess | null = null;
  const code = async (host: string): Promise<string> => {
    const made = await rig.upkeep("agent", "code", host, "--json");
    assert.equal(made.code, 0, made.stderr);
    return (JSON.parse(made.stdout) as { readonly code: string }).code;
  };
  const connected = (host: string) => until(`the agent of ${host} is there`, async () => (await ask<readonly { readonly state: string }[]>(rig, `/v1/agents?host=${host}`))?.[0]?.state === "connected", PATIENT_MS, 100);
  return {
    rig, cool,
    async kernelSays(host, lines) {
      const socket = createSocket("udp4");
      socket.bind(0, rig.host(host).address);
      await once(socket, "listening");
      // Extended format: level, number, microseconds, flags.
      for (const [at, line] of lines.entries()) await new Promise<void>((resolve) => socket.send(`${/panic|BUG|Oops/.test(line) ? 0 : 4},${500 + at},${128_413_022 + at * 41},-;${line}\n`, netconsole, "127.0.0.1", () => resolve()));
      socket.close();
    },
    async enrols(name, found) {
      const host = makeHost(name, () => [door]);
      hosts.push(host);
      assert.equal((await host.enroll(await code(name))).outcome, "enrolled");
      for (const finding of found) host.find(finding);
      host.begin();
      await connected(name);
      return host;
    },
    async agent() {
      const home = join(folder, "pathos");
      mkdirSync(home);
      writeFileSync(join(home, "upkeep.yaml"), `agent:
  name: pathos
  watchers: ["127.0.0.1:${door}"]
  selfFence: { ttl: 6s, stopWithin: 2s, services: { db: { start: [touch, ${home}/runs], stop: [rm, -f, ${home}/runs], status: [sh, -c, "test -e ${home}/runs || exit 3"] } } }
`);
      const upkeep = (...words: readonly string[]) => spawn(join(ROOT, "bin/upkeep"), ["agent", ...words, "-c", join(home, "upkeep.yaml")], { stdio: ["ignore", "ignore", "ignore"] });
      const [ended] = (await once(upkeep("enroll", await code("pathos")), "exit")) as [number | null];
      assert.equal(ended, 0);
      agent = upkeep();
      await connected("pathos");
      return agent;
    },
    async stop() {
      agent?.kill("SIGKILL");
      await Promise.all(hosts.map((host) => host.close()));
      await rig.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
