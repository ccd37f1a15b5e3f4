// A real ZooKeeper for the lab: one server or three, each in a network namespace of its own, or on loopback with high ports
// where no lab network is given. Servers can be killed and started again with their data, stopped (SIGSTOP: the kernel goes
// on accepting for them) and thawed; what lies between namespaces is cut with the network's own faults. Data are in memory
// where there is /dev/shm, so that a busy disk does not cost an election. Everything ends by process id, and with us.

import type { ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run, whenWeEnd } from "./child.ts";
import type { Ran } from "./child.ts";
import type { Network } from "./netns.ts";
import type { Mend } from "./network-faults.ts";
import { standsStill } from "./standstill.ts";
import { alive, ended, freePorts, spawnIn } from "./store-member.ts";
import { lacking } from "./third-party.ts";

/** PEM files: a certificate authority, and the servers' certificate with its key in one file, for 127.0.0.1. */
export type ZookeeperTls = { readonly ca: string; readonly certAndKey: string };

export type ZookeeperOptions = {
  /** 1 or 3. */
  readonly members: number;
  /** Without it: loopback. */
  readonly network?: Network;
  /** For clients only, who have to show a certificate. */
  readonly tls?: ZookeeperTls;
  /** A session has 2 to 20 of them. */
  readonly tickMs?: number;
};

export type ZookeeperMember = {
  /** Of its node in the network, too. */
  readonly name: string;
  /** `HOST:PORT` */
  readonly endpoint: string;
  readonly running: boolean;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its connections and its port, and says nothing. Resolves when its last thread stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Copies its data; it must not be running. */
  save(folder: string): void;
  /** After a kill: with its data, without any, or with those that `save` has copied. */
  start(options?: { readonly wiped?: boolean; readonly restoredFrom?: string }): Promise<void>;
};

export type ZookeeperCluster = {
  readonly members: readonly ZookeeperMember[];
  readonly endpoints: readonly string[];
  /** Waits until of the running members that are neither frozen nor left out one leads and all others follow, and gives it. */
  leader(options?: { readonly without?: readonly string[]; readonly timeoutMs?: number }): Promise<ZookeeperMember>;
  /** Cuts a member off from all others; clients reach it. */
  isolate(member: string): Promise<() => Promise<void>>;
  /** Runs ZooKeeper's own command line at a running member, to its end. */
  cli(args: readonly string[], member?: string): Promise<Ran>;
  /** Ends everything and removes the data. */
  stop(): Promise<void>;
};

const JAR = "/usr/share/java/zookeeper.jar";
/** Debian's ZooKeeper names most of what it needs itself; for TLS it forgets a part of netty. */
const CLASSES = ["/etc/zookeeper/conf", JAR, ...["slf4j-simple", "netty-codec", "netty-resolver"].map((name) => `/usr/share/java/${name}.jar`)].join(":");
const JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSES, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
/** A log file is allocated before it is written, 64 MiB at a time if nothing is said. */
const SETTINGS = ["-Xmx64m", "-Dzookeeper.admin.enableServer=false", "-Dzookeeper.preAllocSize=1024", "-Dzookeeper.4lw.commands.whitelist=srvr"];
const TLS_SETTINGS = ["-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory"];
/** What prints the version. */
export const ZOOKEEPER_VERSION = ["java", "-cp", JAR, "org.apache.zookeeper.Version"] as const;

const READY_WITHIN_MS = 90_000;
const STARTS = 4;

/** The reason to skip a test that needs ZooKeeper, or false. */
export function zookeeperLacking(): string | false {
  return lacking("java", "bash") || (existsSync(JAR) ? false : "not installed: zookeeper (bin/setup --lab installs it)");
}

type Life = { readonly child: ChildProcess; log: string };

/** Starts the members and waits until they have a leader. */
export async function startZookeeper(options: ZookeeperOptions): Promise<ZookeeperCluster> {
  // Loopback ports are found free and may be taken by somebody else before ZooKeeper has them.
  for (let left = options.network === undefined ? STARTS : 1; ; left -= 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (left <= 1 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

async function startOnce(options: ZookeeperOptions): Promise<ZookeeperCluster> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), `upkeep-zookeeper-${process.pid}-`));
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
    const cluster: ZookeeperCluster = {
      members, stop,
      endpoints: members.map((member) => member.endpoint),
      leader: ({ without = [], timeoutMs = READY_WITHIN_MS } = {}) => leaderOf(members, without, timeoutMs),
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
      cli(args, name) {
        const member = members.find((each) => (name === undefined ? each.running : each.name === name));
        if (member === undefined) throw new Error("no such member is running");
        return member.cli(args);
      },
    };
    for (const member of members) await member.start();
    await cluster.leader();
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

type Member = ZookeeperMember & { readonly frozen: boolean; /** leader, follower, standalone; null when it does not serve. */ mode(): Promise<string | null>; cli(args: readonly string[]): Promise<Ran>; log(): string };

async function plan(options: ZookeeperOptions, folder: string, lives: Map<string, Life>): Promise<Member[]> {
  const { network, tls, tickMs = 500 } = options;
  const names = Array.from({ length: options.members }, (_, n) => `zookeeper${n + 1}`);
  const ports = network === undefined ? await freePorts(4 * names.length) : [];
  const places = await Promise.all(names.map(async (name, n) => {
    const node = network === undefined ? null : await network.node(name);
    const at = (which: number, usual: number): number => ports[4 * n + which] ?? usual;
    return { name, node, address: node?.address ?? "127.0.0.1", client: at(0, 2181), peer: at(1, 2888), election: at(2, 3888), secure: at(3, 2281) };
  }));
  const ensemble = places.length === 1 ? [] : places.map(({ address, peer, election }, n) => `server.${n + 1}=${address}:${peer}:${election}`);
  return places.map(({ name, node, address, client, secure }, n) => {
    const data = join(folder, name);
    const file = join(folder, `${name}.cfg`);
    writeFileSync(file, [
      `tickTime=${tickMs}`, "initLimit=20", "syncLimit=4", `dataDir=${data}`, `clientPort=${client}`, `clientPortAddress=${address}`, "maxClientCnxns=0",
      ...(tls === undefined ? [] : [
        `secureClientPort=${secure}`, `secureClientPortAddress=${address}`, "ssl.clientAuth=need", `ssl.keyStore.location=${tls.certAndKey}`, "ssl.keyStore.type=PEM",
        `ssl.trustStore.location=${tls.ca}`, "ssl.trustStore.type=PEM", "ssl.hostnameVerification=false",
      ]),
      ...ensemble, "",
    ].join("\n"));
    const argv = [...JAVA, ...SETTINGS, ...(tls === undefined ? [] : TLS_SETTINGS), "org.apache.zookeeper.server.quorum.QuorumPeerMain", file];
    const inside = (command: readonly string[], timeoutMs: number): Promise<Ran> => (node === null ? run(command, { timeoutMs }) : node.exec(command, { timeoutMs }));
    let frozen = false;
    const child = (): ChildProcess | undefined => lives.get(name)?.child;
    const stopped = (): void => {
      if (member.running) throw new Error(`${name} is running`);
    };
    const member: Member = {
      name, endpoint: `${address}:${tls === undefined ? client : secure}`,
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
      save(to) {
        stopped();
        cpSync(data, to, { recursive: true });
      },
      async start({ wiped = false, restoredFrom } = {}) {
        stopped();
        if (wiped || restoredFrom !== undefined) rmSync(data, { recursive: true, force: true });
        if (restoredFrom !== undefined) cpSync(restoredFrom, data, { recursive: true });
        mkdirSync(data, { recursive: true });
        writeFileSync(join(data, "myid"), `${n + 1}\n`);
        const life: Life = { child: spawnIn(node, argv), log: "" };
        life.child.on("error", (error) => { life.log += String(error); });
        life.child.stderr?.on("data", (bytes: Buffer) => { life.log = (life.log + bytes.toString()).slice(-8_000); });
        lives.set(name, life);
      },
      async mode() {
        // A server that is about to start, or without a majority, refuses, closes or says that it is not serving.
        const said = await inside(["bash", "-c", 'exec 3<>"/dev/tcp/$0/$1" && printf srvr >&3 && cat <&3', address, String(client)], 3_000).catch(() => null);
        return /^Mode: (\w+)/m.exec(said?.stdout ?? "")?.[1] ?? null;
      },
      cli: (args) => inside([...JAVA, "-Xmx64m", "org.apache.zookeeper.ZooKeeperMain", "-server", `${address}:${client}`, ...args], 30_000),
      log: () => lives.get(name)?.log ?? "",
    };
    return member;
  });
}

async function leaderOf(members: readonly Member[], without: readonly string[], timeoutMs: number): Promise<Member> {
  const endMs = performance.now() + timeoutMs;
  for (; performance.now() < endMs; await sleep(200)) {
    const asked = members.filter((member) => member.running && !member.frozen && !without.includes(member.name));
    if (asked.length === 0) break;
    const modes = await Promise.all(asked.map((member) => member.mode()));
    const leading = asked.filter((_, n) => modes[n] === "leader" || modes[n] === "standalone");
    const [found] = leading;
    if (leading.length === 1 && found !== undefined && modes.every((mode) => mode !== null)) return found;
  }
  throw new Error(`ZooKeeper has no leader within ${timeoutMs} ms\n${members.map((member) => member.log().slice(-1_500)).join("\n")}`);
}
