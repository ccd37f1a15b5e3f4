// Where loads are measured: a network namespace of its own with nothing but loopback, what is looked at on one core, who
// looks on another. So the processor time of the one never counts for the other, no connection of this machine meets one
// of the measurement, and nothing leaves the machine.

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { LabNode } from "../../lab/netns.ts";
import { networkRefusal, startNetwork } from "../../lab/netns.ts";
import type { Account } from "./cpu.ts";
import { accountRefusal, openAccount } from "./cpu.ts";
import type { Asked, Calls, Kind } from "./servers.ts";

/** Who is looked at, and who looks. */
export const CORES = { servers: 0, looker: 1 } as const;

export type Ground = {
  readonly node: LabNode;
  /** For configurations and records; gone at the end. */
  readonly folder: string;
  account(): Account;
  /** From now on, for each address: when it was called. */
  forget(): Promise<void>;
  calls(kind: Kind): Promise<Calls>;
  stop(): void;
};

/** Why loads cannot be measured on this machine, or null. */
export function groundRefusal(): string | null {
  return networkRefusal(["taskset"]) ?? accountRefusal() ?? (availableParallelism() < 2 ? "two cores are needed: one looks, one is looked at" : null);
}

export async function openGround(hosts: number, kinds: readonly Kind[]): Promise<Ground> {
  const network = await startNetwork();
  const node = await network.node("ground", { pingSockets: true });
  const folder = mkdtempSync(join(tmpdir(), "upkeep-load-"));
  const argv = ["taskset", "-c", String(CORES.servers), process.execPath, join(import.meta.dirname, "servers.ts")];
  const servers = node.spawn(argv, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const accounts: Account[] = [];
  const stop = (): void => {
    servers.kill("SIGKILL");
    for (const account of accounts) account.close();
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await tell(servers, { ask: "listen", hosts, kinds });
  } catch (error) {
    stop();
    throw error;
  }
  return {
    node, folder, stop,
    account() {
      const account = openAccount(`upkeep-load-${process.pid}-${accounts.length}`, CORES.looker);
      accounts.push(account);
      return account;
    },
    forget: async () => void (await tell(servers, { ask: "forget" })),
    calls: async (kind) => (await tell(servers, { ask: "calls", kind })) as Calls,
  };
}

function tell(servers: ChildProcess, asked: Asked): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error("the servers under test have ended"));
    servers.once("exit", gone);
    servers.once("message", ({ answer }: { answer: unknown }) => {
      servers.removeListener("exit", gone);
      resolve(answer);
    });
    servers.send(asked);
  });
}
