// `upkeep lab`: the demonstration. Three virtual hosts, a virtual PDU whose outlets really start and stop them, and a real
// watcher; the user wedges a host and watches. It shows nothing that the tests do not do, with the same rig.

import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Rig } from "../../../lab/rig.ts";
import type { Wedge } from "../../../lab/virtual-host.ts";

export type LabOptions = {
  /** Loopback processes even where namespaces would work. */
  readonly processes?: boolean;
  /** Wedge a host, wait for it to be back, say why, and end. */
  readonly once?: boolean;
  readonly dialect?: "menu2" | "menu3" | "shell";
};

const HOSTS = ["logos", "ethos", "pathos"];
const GUARDED_WITHIN_MS = 60_000;
const RECOVERED_WITHIN_MS = 180_000;

function folder(): string {
  return join(tmpdir(), `upkeep-lab-${process.getuid?.() ?? 0}`);
}

function socketPath(): string {
  return join(folder(), "lab.sock");
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs the demonstration until it is told to quit. */
export async function runLab(options: LabOptions): Promise<number> {
  if (await ask("hello").catch(() => null)) {
    process.stderr.write(`upkeep lab: one is running already; to wedge a host in it: upkeep lab wedge ${HOSTS[0]}\n`);
    return 69;
  }
  prepareFolder();
  const { startRig, labRefusal } = await import("../../../lab/rig.ts");
  const refusal = options.processes === true ? "asked for by --processes" : labRefusal();
  const kind = refusal === null ? "machines" : "processes";
  say("upkeep lab: starting three virtual hosts, a virtual APC PDU named sucker, and a real watcher with a real ledger.");
  if (refusal !== null) say(`  Hosts are processes on loopback (${refusal}); left out: machines in network namespaces with real sshd and dnsmasq,\n  link-down, and ping, which proves nothing on loopback because this machine's own kernel answers it.`);
  else say("  Hosts are machines in network namespaces with real sshd and dnsmasq.");
  const rig = await startRig({ hosts: HOSTS, kind, folder: folder(), ...(options.dialect === undefined ? {} : { pdu: { dialect: options.dialect } }) });
  let ended = false;
  /** The link that makes the page's first user. */
  let link: Promise<string> | null = null;
  const watcher = rig.watch(["--log", "text"]);
  watcher.stdout?.on("data", (chunk: Buffer) => process.stdout.write(chunk));
  if (watcher.stderr !== null) createInterface({ input: watcher.stderr }).on("line", (line) => {
    if (ended) return;
    // What the watcher calls its page is an address of its own namespace: it is told again as a browser out here reaches it.
    const [own] = /https?:\/\/[^\s/]+\/set-up#\S+/.exec(line) ?? [];
    if (own === undefined) return say(`  ${line}`);
    link ??= rig.fromOutside(own);
    link.then((url) => say(`upkeep lab: its page is at ${new URL(url).origin}/`), (error: unknown) => say(`upkeep lab: its page cannot be reached from here: ${String(error)}`));
  });
  const gone = new Promise<number>((resolve) => watcher.once("exit", (code) => resolve(code ?? 1)));
  const server = await listen(rig);
  const end = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    server.close();
    watcher.kill("SIGTERM");
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 30_000).unref())]);
    await rig.stop();
    rmSync(folder(), { recursive: true, force: true });
  };
  try {
    return await Promise.race([gone.then((code) => (ended ? 0 : (say(`upkeep lab: the watcher ended by itself with exit code ${code}`), 1))), options.once === true ? once(rig) : converse(rig, kind === "machines", () => link)]);
  } finally {
    await end();
  }
}

/** For another terminal: tells the running demonstration to wedge or heal a host. */
export async function runLabOrder(words: readonly string[]): Promise<number> {
  const answer = await ask(words.join(" ")).catch(() => null);
  if (answer === null) {
    process.stderr.write("upkeep lab: no demonstration is running; start it with: upkeep lab\n");
    return 69;
  }
  say(answer);
  return answer.startsWith("no:") ? 2 : 0;
}

function prepareFolder(): void {
  rmSync(folder(), { recursive: true, force: true });
  mkdirSync(folder(), { mode: 0o700 });
  // Somebody else's folder under this name would get our password file.
  if (lstatSync(folder()).uid !== (process.getuid?.() ?? 0)) throw new Error(`${folder()} belongs to somebody else`);
  chmodSync(folder(), 0o700);
}

async function obey(rig: Rig, line: string): Promise<string> {
  const [verb, name = HOSTS[0] as string, kind = "frozen"] = line.trim().split(/\s+/);
  if (verb === "hello") return "hello";
  const host = rig.hosts.get(name);
  if (host === undefined) return `no: there is no host ${name}; hosts: ${HOSTS.join(", ")}`;
  if (verb === "heal") {
    await host.heal();
    return `${name} is healed by hand`;
  }
  if (verb !== "wedge") return "no: say wedge HOST [KIND] or heal HOST";
  if (!host.wedges.includes(kind as Wedge)) return `no: ${name} can be wedged as ${host.wedges.join(", ")}`;
  await host.wedge(kind as Wedge);
  return `${name} is wedged (${kind})`;
}

async function listen(rig: Rig): Promise<net.Server> {
  const server = net.createServer((socket) => {
    socket.setEncoding("utf8").once("data", (line: string) => {
      obey(rig, line).then(
        (answer) => socket.end(answer),
        (error: unknown) => socket.end(`no: ${error instanceof Error ? error.message : String(error)}`),
      );
    });
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(socketPath(), resolve));
  return server;
}

function ask(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = net.connect(socketPath(), () => socket.write(`${line}\n`));
    socket.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}

async function guarded(rig: Rig): Promise<void> {
  const untilMs = Date.now() + GUARDED_WITHIN_MS;
  while (Date.now() < untilMs) {
    if ((await rig.upkeep("status")).code === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`not all hosts were guarded within ${GUARDED_WITHIN_MS / 1_000} s:\n${(await rig.upkeep("status")).stdout}`);
}

async function converse(rig: Rig, machines: boolean, linkOf: () => Promise<string> | null): Promise<number> {
  await guarded(rig);
  const link = await linkOf()?.catch(() => null) ?? null;
  say(`
All three are guarded. Now wedge one. Type here:

  wedge logos               freeze it whole: its kernel still answers ping and accepts TCP, and nothing serves
  wedge ethos dns-servfail  its DNS answers SERVFAIL for a name that it serves${machines ? "\n  wedge pathos link-down    pull its cable" : ""}
  status                    what the watcher sees        why logos     what happened and why
  events                    the last ten minutes         quit          end the demonstration (Ctrl-C, too)
${link === null ? "" : `\nor look at ${new URL(link).origin}/ in a browser; to act there, too, open this link, once, and make the first user:\n\n  ${link}\n`}
or, in another terminal:

  bin/upkeep lab wedge logos
  bin/upkeep status -c ${rig.config}
  bin/upkeep why logos -c ${rig.config}

A wedged host is cut after 5 bad rounds, 2 s apart, and is back about half a minute later.
`);
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    const quit = () => resolve(0);
    process.once("SIGINT", quit);
    process.once("SIGTERM", quit);
    lines.on("line", (line) => {
      const [verb = "", ...rest] = line.trim().split(/\s+/);
      if (verb === "") return;
      if (verb === "quit" || verb === "exit") return quit();
      if (verb === "wedge" || verb === "heal") return void obey(rig, line).then(say, (error: unknown) => say(String(error)));
      if (["status", "why", "incidents", "power", "maintenance", "release", "fence"].includes(verb)) return void show(rig, [verb, ...rest]);
      if (verb === "events") return void show(rig, ["events", "--since", "10m"]);
      say("wedge HOST [KIND] | heal HOST | status | why HOST | events | incidents | quit");
    });
  });
}

async function show(rig: Rig, args: readonly string[]): Promise<void> {
  const ran = await rig.upkeep(...args);
  say(ran.stdout + ran.stderr);
}

/** The demonstration without hands. */
async function once(rig: Rig): Promise<number> {
  await guarded(rig);
  say(await obey(rig, "wedge logos"));
  const untilMs = Date.now() + RECOVERED_WITHIN_MS;
  while (Date.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const incidents = JSON.parse((await rig.upkeep("incidents", "--json")).stdout || "[]") as { incident: string; outcome: string }[];
    const done = incidents.find((each) => each.outcome === "recovered");
    if (done === undefined) continue;
    await show(rig, ["why", done.incident]);
    await show(rig, ["status"]);
    return 0;
  }
  say("upkeep lab: the host did not come back in time");
  await show(rig, ["events"]);
  return 1;
}

