// A real etcd for the lab: one member or three, each in a network namespace of its own, or on loopback with high ports where
// no lab network is given. Members can be killed and started again with their data, stopped (SIGSTOP: the kernel goes on
// accepting for them) and thawed; what lies between namespaces is cut with the network's own faults. Data are in memory
// where there is /dev/shm, so that a busy disk does not cost an election. Everything ends by process id, and with us.

import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { labEnv, run, whenWeEnd } from "./child.ts";
import type { Ran } from "./child.ts";
import type { Network } from "./netns.ts";
import type { Mend } from "./network-faults.ts";
import { standsStill } from "./standstill.ts";
import { alive, ended, freePorts, spawnIn } from "./store-member.ts";

/** Files of a certificate authority, and of certificates that the members show and clients have to show. */
export type EtcdTls = { readonly ca: string; readonly cert: string; readonly key: string; readonly clientCert: string; readonly clientKey: string };

export type EtcdOptions = {
  /** 1 or 3. */
  readonly members: number;
  /** Without it: loopback. */
  readonly network?: Network;
  /** For clients only. The certificate of the members must be for 127.0.0.1. */
  readonly tls?: EtcdTls;
  readonly heartbeatMs?: number;
  readonly electionMs?: number;
};

export type EtcdMember = {
  /** Of its node in the network, too. */
  readonly name: string;
  readonly endpoint: string;
  readonly running: boolean;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its connections and its port, and says nothing. Resolves when its last thread stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /** After a kill: with its data, without any, or with those of a file that `etcdctl snapshot save` has made. */
  start(options?: { readonly wiped?: boolean; readonly restoredFrom?: string }): Promise<void>;
};

export type EtcdCluster = {
  readonly members: readonly EtcdMember[];
  readonly endpoints: readonly string[];
  /** Waits until the running members that are neither frozen nor left out agree on a leader, and gives it. */
  leader(options?: { readonly without?: readonly string[]; readonly timeoutMs?: number }): Promise<EtcdMember>;
  /** Cuts a member off from all others; clients reach it. */
  isolate(member: string): Promise<() => Promise<void>>;
  /** Runs etcdctl at a running member, to its end. */
  ctl(args: readonly string[], member?: string): Promise<Ran>;
  /** Ends everything and removes the data. */
  stop(): Promise<void>;
};

/** Programs that this needs. */
export const ETCD_PROGRAMS = ["etcd", "etcdctl"] as const;

const READY_WITHIN_MS = 60_000;
const STARTS = 4;
let clusters = 0;

type Life = { readonly child: ChildProcess; log: string };

/** Starts the members and waits until they have a leader. */
export async function startEtcd(options: EtcdOptions): Promise<EtcdCluster> {
  // Loopback ports are found free and may be taken by somebody else before etcd has them.
  for (let left = options.network === undefined ? STARTS : 1; ; left -= 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (left <= 1 || !String(error).includes("address already in use")) throw error;
    }
  }
}

async function startOnce(options: EtcdOptions): Promise<EtcdCluster> {
  clusters += 1;
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), `upkeep-etcd-${process.pid}-`));
  const lives = new Map<string, Life>();
  const killAll = (): void => {
    for (const { child } of lives.values()) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  const forgetEnding = whenWeEnd(killAll);
  const stop = async (): Promise<void> => {
    await Promise.all([...lives.values()].map(({ child }) => ended(child)));
    killAll();
    forgetEnding();
  };
  try {
    const members = await plan(options, folder, lives);
    const find = (name: string): Member => {
      const member = members.find((each) => each.name === name);
      if (member === undefined) throw new Error(`there is no member named ${name}`);
      return member;
    };
    const ctl = (args: readonly string[], name?: string): Promise<Ran> => {
      const member = name === undefined ? members.find((each) => each.running) : find(name);
      if (member === undefined) throw new Error("no member is running");
      return member.ctl(args);
    };
    const cluster: EtcdCluster = {
      members, ctl, stop,
      endpoints: members.map((member) => member.endpoint),
      leader: ({ without = [], timeoutMs = READY_WITHIN_MS } = {}) => leaderOf(() => members.filter((member) => member.running && !member.frozen && !without.includes(member.name)), timeoutMs),
      async isolate(name) {
        const { network } = options;
        if (network === undefined) throw new Error("members on loopback cannot be cut off");
        const mends: Mend[] = [];
        // One after the other: each loads all rules anew, and the last must know of all.
        for (const other of members) if (other.name !== name) mends.push(await network.faults.part(name, other.name));
        return async () => {
          for (const mend of mends) await mend();
        };
      },
    };
    await Promise.all(members.map((member) => member.start()));
    await cluster.leader();
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

type Member = EtcdMember & { readonly frozen: boolean; ctl(args: readonly string[]): Promise<Ran>; log(): string };

async function plan(options: EtcdOptions, folder: string, lives: Map<string, Life>): Promise<Member[]> {
  const { network, tls, heartbeatMs = 100, electionMs = 1_000 } = options;
  const scheme = tls === undefined ? "http" : "https";
  const names = Array.from({ length: options.members }, (_, n) => `etcd${n + 1}`);
  const ports = network === undefined ? await freePorts(2 * names.length) : [];
  const places = await Promise.all(names.map(async (name, n) => {
    const node = network === undefined ? null : await network.node(name);
    const address = node?.address ?? "127.0.0.1";
    return { name, node, client: `${scheme}://${address}:${ports[2 * n] ?? 2379}`, peer: `http://${address}:${ports[2 * n + 1] ?? 2380}` };
  }));
  const token = `lab-${process.pid}-${clusters}`;
  const initial = places.map(({ name, peer }) => `${name}=${peer}`).join(",");
  return places.map(({ name, node, client, peer }) => {
    const data = join(folder, name);
    const argv = [
      "etcd", "--name", name, "--data-dir", data, "--listen-client-urls", client, "--advertise-client-urls", client,
      "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", initial, "--initial-cluster-token", token,
      "--heartbeat-interval", String(heartbeatMs), "--election-timeout", String(electionMs),
      ...(tls === undefined ? [] : ["--cert-file", tls.cert, "--key-file", tls.key, "--trusted-ca-file", tls.ca, "--client-cert-auth"]),
    ];
    const secured = tls === undefined ? [] : ["--cacert", tls.ca, "--cert", tls.clientCert, "--key", tls.clientKey];
    let frozen = false;
    const child = (): ChildProcess | undefined => lives.get(name)?.child;
    const member: Member = {
      name, endpoint: client,
      get running() {
        return alive(child());
      },
      get frozen() {
        return frozen;
      },
      async kill() {
        const found = child();
        if (found !== undefined) await ended(found);
        frozen = false;
      },
      async freeze() {
        const found = child();
        frozen = found?.kill("SIGSTOP") ?? false;
        while (frozen && alive(found) && !standsStill(found?.pid ?? 0)) await sleep(2);
      },
      thaw() {
        child()?.kill("SIGCONT");
        frozen = false;
      },
      async start({ wiped = false, restoredFrom } = {}) {
        if (member.running) throw new Error(`${name} is running`);
        if (wiped || restoredFrom !== undefined) rmSync(data, { recursive: true, force: true });
        if (restoredFrom !== undefined) {
          const restored = await member.ctl(["snapshot", "restore", restoredFrom, "--data-dir", data, "--name", name, "--initial-cluster", initial, "--initial-cluster-token", token, "--initial-advertise-peer-urls", peer]);
          if (restored.code !== 0) throw new Error(`etcdctl snapshot restore: ${restored.stderr}`);
        }
        const life: Life = { child: spawnIn(node, argv), log: "" };
        life.child.on("error", (error) => { life.log += String(error); });
        life.child.stderr?.on("data", (bytes: Buffer) => { life.log = (life.log + bytes.toString()).slice(-8_000); });
        lives.set(name, life);
      },
      ctl: (args) => {
        const argvCtl = ["etcdctl", "--endpoints", client, "--command-timeout", "4s", "--dial-timeout", "4s", ...secured, ...args];
        const settings = { timeoutMs: 20_000, env: { ...labEnv(), ETCDCTL_API: "3" } };
        return node === null ? run(argvCtl, settings) : node.exec(argvCtl, settings);
      },
      log: () => lives.get(name)?.log ?? "",
    };
    return member;
  });
}

async function leaderOf(members: () => readonly Member[], timeoutMs: number): Promise<Member> {
  const endMs = performance.now() + timeoutMs;
  for (; performance.now() < endMs; await sleep(150)) {
    const asked = members();
    const statuses = await Promise.all(asked.map(async (member) => statusOf(await member.ctl(["endpoint", "status", "-w", "json"]).catch((error: unknown) => ({ code: 1, stdout: "", stderr: String(error) })))));
    const leaders = new Set(statuses.map((status) => status?.leader ?? "0"));
    const [leader = "0"] = leaders;
    const at = statuses.findIndex((status) => status?.member === leader);
    const found = asked[at];
    if (leaders.size === 1 && leader !== "0" && found !== undefined) return found;
    if (asked.length === 0) break;
  }
  throw new Error(`etcd has no leader within ${timeoutMs} ms\n${members().map((member) => member.log().slice(-1_500)).join("\n")}`);
}

/** The identities have 64 bits: they are cut out of the JSON as text. */
function statusOf(ran: Ran): { readonly member: string; readonly leader: string } | null {
  const member = /"member_id":(\d+)/.exec(ran.stdout)?.[1];
  const leader = /"leader":(\d+)/.exec(ran.stdout)?.[1];
  return ran.code === 0 && member !== undefined && leader !== undefined ? { member, leader } : null;
}
