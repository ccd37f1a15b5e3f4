// The peers, as Debian packages them, doing what Upkeep's probe does: fping, prometheus-blackbox-exporter, Monit, and the
// monitoring plugins forked one after the other as Nagios and its kin do. Their configurations are in bench/peers/.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { programPath, versionOf } from "../../lab/third-party.ts";
import { addressOf, nameOf } from "./addresses.ts";
import type { Account } from "./cpu.ts";
import type { Ground } from "./ground.ts";
import { CORES } from "./ground.ts";

export type LookKind = "ping" | "ssh" | "http" | "dns";
export const LOOK_KINDS: readonly LookKind[] = ["ping", "ssh", "http", "dns"];

const PLUGINS = "/usr/lib/nagios/plugins";

/** Peers that are not installed. */
export function missingPeers(): readonly string[] {
  return [...["fping", "prometheus", "prometheus-blackbox-exporter", "monit", "nslookup"].filter((name) => programPath(name) === null), ...(programPath(`../..${PLUGINS}/check_ssh`) === null ? ["monitoring-plugins"] : [])];
}

export function peerVersions(): Readonly<Record<string, string>> {
  return {
    fping: versionOf(["fping", "--version"]),
    "prometheus-blackbox-exporter": versionOf(["prometheus-blackbox-exporter", "--version"]),
    prometheus: versionOf(["prometheus", "--version"]),
    monit: versionOf(["monit", "--version"]),
    "monitoring-plugins": versionOf([`${PLUGINS}/check_ssh`, "--version"]),
  };
}

/** Arguments for one look. `check_ping` runs ping, `check_dns` nslookup. */
export const FORKED: readonly { readonly plugin: string; readonly kind: LookKind; readonly words: (address: string) => readonly string[] }[] = [
  { plugin: "check_ping", kind: "ping", words: (address) => ["-H", address, "-w", "500,50%", "-c", "900,90%", "-p", "1"] },
  { plugin: "check_ssh", kind: "ssh", words: (address) => [address] },
  { plugin: "check_tcp", kind: "ssh", words: (address) => ["-H", address, "-p", "22", "-e", "SSH-2.0-"] },
  { plugin: "check_http", kind: "http", words: (address) => ["-I", address] },
  { plugin: "check_dns", kind: "dns", words: (address) => ["-H", "example.org", "-s", address] },
];

/** Runs one plugin so many times, forked by a shell; microseconds of processor time for each. */
export async function forked(ground: Ground, { plugin, words }: (typeof FORKED)[number], times: number): Promise<number> {
  const script = Array.from({ length: times }, (_, host) => `${PLUGINS}/${plugin} ${words(addressOf(host)).join(" ")} >/dev/null || exit 1`).join("\n");
  const file = join(ground.folder, `${plugin}.sh`);
  writeFileSync(file, script);
  return (await toItsEnd(ground, ["sh", file])) / times;
}

/** fping of so many hosts, so many times each, without a pause between packets: with one of a millisecond it takes four times as much. */
export async function fping(ground: Ground, hosts: number, times: number): Promise<number> {
  const file = join(ground.folder, "fping.txt");
  writeFileSync(file, Array.from({ length: hosts }, (_, host) => `${addressOf(host)}\n`).join(""));
  return (await toItsEnd(ground, ["fping", "-q", "-c", String(times), "-i", "0", "-p", "20", "-f", file])) / (hosts * times);
}

async function toItsEnd(ground: Ground, argv: readonly string[]): Promise<number> {
  const account = ground.account();
  const child = ground.node.spawn([...account.words, ...argv], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-2_000)));
  const [code] = (await once(child, "exit")) as [number | null];
  const usedUs = account.usedUs();
  account.close();
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}: ${said}`);
  return usedUs;
}

/** A program that makes a batch of looks for each line that it is given (probe-loop.ts, caller.ts). */
export type Batches = { /** Resolves with the number of successful looks. */ one(): Promise<number>; stop(): void };

export function batches(child: ChildProcess): Batches {
  const lines = createInterface({ input: child.stdout as Readable });
  return {
    async one() {
      const gone = once(child, "exit").then(([code]) => Promise.reject(new Error(`it ended with ${String(code)}`)));
      const line = once(lines, "line");
      child.stdin?.write("go\n");
      const [text] = (await Promise.race([line, gone])) as [string];
      gone.catch(() => undefined);
      return Number(text);
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

/** Starts the exporter; resolves when it answers. */
export async function startExporter(ground: Ground): Promise<Account> {
  const account = ground.account();
  ground.node.spawn([...account.words, "prometheus-blackbox-exporter", `--config.file=${join(import.meta.dirname, "../peers/blackbox.yml")}`, "--web.listen-address=127.0.0.1:9115", "--log.level=error"], { stdio: "ignore" });
  await answers(ground, "http://127.0.0.1:9115/");
  return account;
}

/** Prometheus beside a running exporter, in the exporter's account too: the two are one way of watching. */
export function startPrometheus(ground: Ground, account: Account, hosts: number, everySeconds: number): void {
  const folder = join(ground.folder, "prometheus");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "targets.json"), JSON.stringify([{ targets: Array.from({ length: hosts }, (_, host) => `${addressOf(host)}:22`) }]));
  const file = join(folder, "prometheus.yml");
  writeFileSync(file, readFileSync(join(import.meta.dirname, "../peers/prometheus.yml"), "utf8").replaceAll("EVERY", `${everySeconds}s`).replaceAll("FOLDER", folder));
  ground.node.spawn([...account.words, "prometheus", `--config.file=${file}`, `--storage.tsdb.path=${folder}/data`, "--web.listen-address=127.0.0.1:9090", "--log.level=error"], { stdio: "ignore" });
}

const MONIT: Readonly<Record<LookKind, string>> = {
  ping: "if failed ping count 1 timeout 1 seconds then alert",
  ssh: "if failed port 22 protocol ssh timeout 1 seconds then alert",
  http: "if failed port 80 protocol http timeout 1 seconds then alert",
  dns: "if failed port 53 type udp protocol dns timeout 1 seconds then alert",
};

/** Monit, with a first host that is looked at by ssh whatever the others are, so that its cycles can be counted. */
export function startMonit(ground: Ground, kind: LookKind, hosts: number, everySeconds: number): Account {
  const folder = join(ground.folder, `monit-${kind}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "monitrc");
  const head = readFileSync(join(import.meta.dirname, "../peers/monitrc"), "utf8").replaceAll("SECONDS", String(everySeconds)).replaceAll("FOLDER", folder);
  const checks = Array.from({ length: hosts }, (_, host) => `check host ${nameOf(host)} with address ${addressOf(host)} ${MONIT[host === 0 ? "ssh" : kind]}\n`);
  writeFileSync(file, `${head}${checks.join("")}`);
  chmodSync(file, 0o600);
  const account = ground.account();
  ground.node.spawn([...account.words, "monit", "-I", "-c", file], { stdio: "ignore" });
  return account;
}

async function answers(ground: Ground, url: string): Promise<void> {
  const script = `const look = () => require("node:http").get(${JSON.stringify(url)}, () => process.exit(0)).on("error", () => setTimeout(look, 100)); look();`;
  const ran = await ground.node.exec(["taskset", "-c", String(CORES.servers), process.execPath, "-e", script], { timeoutMs: 30_000 });
  if (ran.code !== 0) throw new Error(`nothing answers at ${url}`);
}
