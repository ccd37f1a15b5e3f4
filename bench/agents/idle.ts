// What an agent costs a host on which nothing happens, beside what hosts carry anyway, in one run at one time on one core: Monit,
// which looks at the disk, the load and a ping once a minute; upsmon, which asks upsd as often as it does by default; the node
// exporter, scraped every 15 s; and Node alone, without a line of ours, which is what no agent in Node can be smaller than.

import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabNode } from "../../lab/netns.ts";
import { spawnBound, startNetwork } from "../../lab/netns.ts";
import type { Nut } from "../../lab/nut.ts";
import { nutMissing, startNut } from "../../lab/nut.ts";
import { UPKEEP } from "../../lab/rig.ts";
import { programPath, versionOf } from "../../lab/third-party.ts";
import { FLAGS } from "../../src/cli/commands/watch.ts";
import type { Account } from "../load/cpu.ts";
import { openAccount } from "../load/cpu.ts";
import { CORES } from "../load/ground.ts";

const UPSMON = "/lib/nut/upsmon";
const DOOR = 7_443;
const SCRAPE_EVERY_MS = 15_000;
/** Of any wait: a busy machine is slow. */
const LIMIT_MS = 120_000;

export type Cost = { readonly who: string; readonly what: string; readonly residentMiB: number; readonly ownMiB: number; readonly cpuPercent: number; readonly wakeups: number };
export type Idle = { readonly spanMs: number; readonly costs: readonly Cost[]; readonly versions: readonly string[]; readonly missing: readonly string[]; readonly load: number };

type Measured = { readonly who: string; readonly what: string; readonly account: Account };

export async function idle(quick: boolean, say: (text: string) => void): Promise<Idle> {
  const [network, folder] = [await startNetwork(), mkdtempSync(join(tmpdir(), "upkeep-bench-idle-"))];
  const all: Measured[] = [];
  let nut: Nut | undefined;
  const begin = (who: string, what: string, run: (account: Account) => void): void => {
    const account = openAccount(`upkeep-idle-${process.pid}-${all.length}`, CORES.looker);
    all.push({ who, what, account });
    run(account);
  };
  try {
    const [power, site] = await Promise.all([network.node("power"), network.node("site")]);
    const hosts = await Promise.all(["alone", "whole", "peers"].map((name) => network.node(name, { pingSockets: true })));
    const [alone, whole, peers] = hosts as [LabNode, LabNode, LabNode];
    const careful = `careful: { signal: { powerNodes: { nodes: [${power.address}], references: [${site.address}] } }, observe: always, powerOff: ["true"] }`;
    const configs = {
      alone: configure(folder, alone, [careful]),
      whole: configure(folder, whole, [`watchers: [${site.address}]`, careful, "health: {}", `storage: { mounts: [${folder}] }`]),
    };
    const watcher = await enrolled(folder, site, whole, configs.whole);
    // The first start ever compiles; what is measured is every later one.
    for (const [node, config] of [[alone, configs.alone], [whole, configs.whole]] as const) await startAgain(node, config);
    begin("Upkeep agent", "careful shutdown, a look a minute", ({ words }) => alone.spawn([...words, UPKEEP, "agent", "-c", configs.alone], { stdio: "ignore" }));
    begin("Upkeep agent", "the same, connected to a watcher, with hung storage every 10 s and host health every minute", ({ words }) => whole.spawn([...words, UPKEEP, "agent", "-c", configs.whole], { stdio: "ignore" }));
    begin("Node", "alone, with the same flags", ({ words }) => peers.spawn([...words, process.execPath, ...FLAGS, "-e", "setTimeout(() => {}, 1e9)"], { stdio: "ignore" }));
    if (programPath("monit") !== null) begin("Monit", "a disk, the load and a ping, once a minute", ({ words }) => peers.spawn([...words, "monit", "-I", "-c", monitrc(folder, power)], { stdio: "ignore" }));
    if (nutMissing === false) {
      nut = await startNut();
      await nut.attach();
      const { upsd } = nut;
      writeFileSync(join(upsd.folder, "upsmon.conf"), `RUN_AS_USER root\nMONITOR lab@127.0.0.1:${nut.port} 1 admin labpw primary\nMINSUPPLIES 1\nSHUTDOWNCMD "true"\nPOWERDOWNFLAG ${upsd.folder}/killpower\n`);
      begin("upsmon", "asks upsd every 5 s", ({ words }) => spawnBound([...words, UPSMON, "-F"], { stdio: "ignore", env: { ...process.env, NUT_CONFPATH: upsd.folder, NUT_STATEPATH: `${upsd.folder}/state`, NUT_ALTPIDPATH: `${upsd.folder}/state` } }));
    }
    if (programPath("prometheus-node-exporter") !== null) {
      begin("node exporter", `scraped every ${SCRAPE_EVERY_MS / 1_000} s`, ({ words }) => peers.spawn([...words, "prometheus-node-exporter", "--web.listen-address=127.0.0.1:9100"], { stdio: "ignore" }));
      peers.spawn([process.execPath, "-e", `setInterval(() => require("node:http").get("http://127.0.0.1:9100/metrics", (answer) => answer.resume()).on("error", () => {}), ${SCRAPE_EVERY_MS})`], { stdio: "ignore" });
    }
    // What the start took is given back after twenty seconds.
    await sleep(quick ? 8_000 : 32_000);
    const spanMs = quick ? 5_000 : 60_000;
    const before = all.map(({ account }) => ({ us: account.usedUs(), wakeups: account.wakeups() }));
    const fromMs = performance.now();
    await sleep(spanMs);
    const costs = all.map(({ who, what, account }, at): Cost => {
      const tookMs = performance.now() - fromMs;
      return { who, what, residentMiB: account.residentMiB(), ownMiB: account.ownMiB(), cpuPercent: (account.usedUs() - (before[at]?.us ?? 0)) / 10 / tookMs, wakeups: (account.wakeups() - (before[at]?.wakeups ?? 0)) / (tookMs / 1_000) };
    });
    for (const { who, what, residentMiB, ownMiB, cpuPercent, wakeups } of costs) {
      if (residentMiB === 0) throw new Error(`${who} (${what}) has ended`);
      say(`${who}, ${what}: ${residentMiB.toFixed(1)} MiB, of it its own ${ownMiB.toFixed(1)} MiB; ${cpuPercent.toFixed(3)} % of a core, ${wakeups.toFixed(1)} wake-ups a second`);
    }
    watcher.kill("SIGTERM");
    return { spanMs, costs, ...peersHere(), load: loadavg()[0] ?? 0 };
  } finally {
    // Before the network: agents whose power node is gone have something to decide.
    for (const { account } of all) account.close();
    await nut?.stop();
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function configure(folder: string, node: LabNode, sections: readonly string[]): string {
  const file = join(folder, `${node.name}.yaml`);
  writeFileSync(file, ["agent:", `  name: ${node.name}`, `  data: ${node.name}`, ...sections.map((line) => `  ${line}`), ""].join("\n"));
  return file;
}

/** A watcher with a door, and that host enrolled at it, as people do it. */
async function enrolled(folder: string, site: LabNode, host: LabNode, agentConfig: string): Promise<ReturnType<LabNode["spawn"]>> {
  const config = join(folder, "watcher.yaml");
  writeFileSync(config, `data: ./watcher\nwatcher: { name: site }\napi: { listen: null }\nagents: { listen: "0.0.0.0:${DOOR}" }\nhosts: { ${host.name}: { address: ${host.address}, probes: [ping] } }\n`);
  const watcher = site.spawn([UPKEEP, "watch", "-c", config], { stdio: ["ignore", "pipe", "ignore"] });
  if (watcher.stdout === null) throw new Error("a watcher without a word");
  await once(watcher.stdout, "data");
  let said = "";
  for (const endsMs = performance.now() + LIMIT_MS; ; await sleep(200)) {
    const { code, stdout, stderr } = await site.exec([UPKEEP, "agent", "code", host.name, "-c", config], { timeoutMs: LIMIT_MS });
    said = stdout + stderr;
    if (code === 0) break;
    if (performance.now() > endsMs) throw new Error(`no code: ${said}`);
  }
  const enrolment = await host.exec([UPKEEP, "agent", "enroll", /UPK1[0-9A-Z-]+/.exec(said)?.[0] ?? "", "-c", agentConfig], { timeoutMs: LIMIT_MS });
  if (enrolment.code !== 0) throw new Error(`not enrolled: ${enrolment.stdout}${enrolment.stderr}`);
  return watcher;
}

async function startAgain(node: LabNode, config: string): Promise<void> {
  const agent = node.spawn([UPKEEP, "agent", "-c", config], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(agent, "exit");
  if (agent.stdout !== null) await once(agent.stdout, "data");
  await sleep(3_000);
  agent.kill("SIGTERM");
  await ended;
}

function monitrc(folder: string, power: LabNode): string {
  const own = join(folder, "monit");
  mkdirSync(own);
  const file = join(own, "monitrc");
  const head = readFileSync(join(import.meta.dirname, "../peers/monitrc"), "utf8").replaceAll("SECONDS", "60").replaceAll("FOLDER", own);
  writeFileSync(file, `${head}check filesystem root with path /\n  if space usage > 90% then alert\ncheck system host\n  if loadavg (5min) > 100 then alert\ncheck host power with address ${power.address}\n  if failed ping count 1 timeout 1 seconds then alert\n`);
  chmodSync(file, 0o600);
  return file;
}

function peersHere(): { readonly versions: readonly string[]; readonly missing: readonly string[] } {
  const peers = [["Monit", "monit", ["monit", "--version"]], ["upsmon", nutMissing === false ? "upsd" : "", [UPSMON, "-V"]], ["node exporter", "prometheus-node-exporter", ["prometheus-node-exporter", "--version"]]] as const;
  const has = (program: string): boolean => program !== "" && programPath(program) !== null;
  return { versions: peers.flatMap(([name, program, argv]) => (has(program) ? [`${name} (${versionOf(argv)})`] : [])), missing: peers.flatMap(([name, program]) => (has(program) ? [] : [name])) };
}

export function idleLines({ spanMs, costs, versions, missing, load }: Idle): readonly string[] {
  const [agent] = costs;
  const times = (value: number, of: number): string => (value / of >= 10 ? (value / of).toFixed(0) : (value / of).toFixed(value / of < 0.1 ? 2 : 1));
  if (agent === undefined) return [];
  return [
    "### A host on which nothing happens",
    `Over ${spanMs / 1_000} s, all at one time on one core, with what each of them starts; load ${load.toFixed(1)}. *Its own* is memory that is no file's: the rest is program, which can be dropped and read again. Wake-ups are voluntary context switches of all threads, a second. *×* is the ratio to the first line.`,
    ["| program | doing | resident | × | its own | × | of a core | × | wake-ups |", "|---|---|---|---|---|---|---|---|---|", ...costs.map(({ who, what, residentMiB, ownMiB, cpuPercent, wakeups }) => `| ${who} | ${what} | ${residentMiB.toFixed(0)} MiB | ${times(residentMiB, agent.residentMiB)} | ${ownMiB.toFixed(1)} MiB | ${times(ownMiB, agent.ownMiB)} | ${cpuPercent.toFixed(3)} % | ${times(cpuPercent, agent.cpuPercent)} | ${wakeups.toFixed(1)} |`)].join("\n"),
    `${versions.length === 0 ? "" : `As Debian has them: ${versions.join("; ")}.`}${missing.length === 0 ? "" : ` Not installed here, and left out: ${missing.join(", ")}.`}`,
  ];
}
