// The death of the watcher's own machine: a kernel's panic, or its power gone together with whatever its disk had not been
// told to keep, at random instants in the middle of operations; then it starts again by itself, and is judged by what the
// power device saw (safety.md §5): at most one off edge in an outage, exactly one where the host stayed down, an on edge after
// each, none without an outage, nothing off at the end.
//
// The watcher, its Node and its ledger are in a virtual machine (lab/guest.ts); the hosts and the PDU are outside, and go on
// without it. An instant is something that the PDU sees plus a random while, so that all of an operation is struck, not
// only its long waits; some strikes fall into the boot after a strike. Nothing here is a matter of speed: an emulated machine
// takes as long as it takes. By hand: bin/node24 e2e/own-machine.ts --times 50 --seed 7

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { LogRecord, RecordOf } from "../lab/apc-pdu.ts";
import { PARTS } from "../lab/guest-image.ts";
import { Access } from "../src/api/access/access.ts";
import { addToken, addUser } from "../src/api/access/people.ts";
import type { Guest } from "../lab/guest.ts";
import { guestRefusal, startGuest } from "../lab/guest.ts";
import type { Lab, Machine } from "../lab/machine.ts";
import { labRefusal, startLab } from "../lab/machine.ts";
import type { LabNode } from "../lab/netns.ts";
import type { RemotePdu } from "../lab/pdu-node.ts";
import { startPduIn } from "../lab/pdu-node.ts";
import type { Wedge } from "../lab/virtual-host.ts";
import { Random } from "../sim/random.ts";
import { nowMs } from "./chaos-verdict.ts";
import type { Incident, Status } from "./watching.ts";
import { assertPolite, distribution, overlapsOf, recordsOf, until } from "./watching.ts";

export type OwnMachineOptions = {
  /** Deaths of the machine. */
  readonly times: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
};

export type OwnMachineReport = { readonly strikes: ReadonlyMap<string, number>; readonly offs: number; readonly lines: readonly string[] };

/** A machine that is dead does not even refuse. */
const SILENT = { code: null, stdout: "" };

type Death = "panic" | "power loss";
type Instant = { readonly laterMs: number; readonly writes: number };
type Outage = { readonly host: string; readonly wedge: Wedge; readonly fromMs: number; toMs: number; byHand: boolean; diedMs: number };

const HOSTS = ["logos", "ethos", "pathos", "topos"];
const WEDGES: readonly Wedge[] = ["frozen", "sshd-stopped", "banner-silent", "link-down"];
const FIRST_OUTLET = 2;
const PASSWORD = "sesame-of-the-lab";
const EVERY_MS = 1_500;
const SETTINGS = `site: own-machine
data: /data/upkeep
api: { listen: "0.0.0.0:8080", tls: none }
brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000, perHost: { cycles: 100, within: 0s } }
defaults: { every: ${EVERY_MS}ms, timeout: 1400ms, threshold: 3, debounce: 5s, boot: 12s, offFor: 1s, healthyFor: 1s, settle: 2s, offConfirm: 30s, onConfirm: 30s, probes: [ping, ssh] }
`;
const DEVICE = "check: 10s, timeout: 4s, deadline: 8s";
/** How soon the PDU frees the session of a machine that has died without a word. */
const INACTIVITY_MS = 5_000;
const UP_WITHIN_MS = 600_000;
const CALM_WITHIN_MS = 600_000;
/** A disk that is written so seldom is struck anyway. */
const WRITES_WITHIN_MS = 4_000;
const STRUCK_WITHIN_MS = 300_000;
/** The cache of what V8 compiled is written five seconds after a start (src/compile-cache.mjs). */
const COMPILED_WITHIN_MS = 8_000;
const SECOND_STRIKE = 0.3;
const MENDED_BY_HAND = 0.15;
/** The guest reads the time of day from its clock chip, in whole seconds, and an emulated one may run behind. */
const CLOCKS_DIFFER_MS = 3_000;

/** Why this machine cannot run it, in words, or null. */
export function ownMachineRefusal(): string | null {
  return labRefusal() ?? guestRefusal();
}

/** Runs it and judges; throws with what was wrong. */
export async function ownMachine({ times, seed, say = () => undefined }: OwnMachineOptions): Promise<OwnMachineReport> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-own-machine-"));
  const lab = await startLab();
  let run: OwnMachine | null = null;
  let guilty = true;
  try {
    run = await OwnMachine.start(lab, folder, seed, say);
    const report = await run.run(times);
    guilty = false;
    return report;
  } catch (error) {
    if (run === null) throw error;
    writeFileSync(join(folder, "console.log"), run.guest.console);
    writeFileSync(join(folder, "pdu.jsonl"), `${run.records.map((record) => JSON.stringify(record)).join("\n")}\n`);
    writeFileSync(join(folder, "timeline.log"), `${run.timeline.join("\n")}\n`);
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n${run.timeline.slice(-30).join("\n")}\n${run.guest.console.slice(-3_000)}\nkept: ${folder}`, { cause: error });
  } finally {
    await run?.guest.stop();
    await run?.pdu.close().catch(() => undefined);
    await lab.stop();
    if (!guilty) rmSync(folder, { recursive: true, force: true });
  }
}

/** Users of a watcher before its first start, and a token to look by: over the network nobody may without one. */
async function tokenIn(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const access = new Access({ folder, issuer: "own machine", nowMs: () => Date.now(), warn: () => undefined });
  await addUser(access, { user: "person", role: "admin", password: "somebody at the lab" });
  const { secret = "" } = addToken(access, { name: "person", scopes: ["read"], forMs: null, user: "person" }, { role: "admin", user: null, by: "socket", from: null, credential: null });
  access.close();
  return secret;
}

class OwnMachine {
  readonly guest: Guest;
  readonly pdu: RemotePdu;
  readonly records: LogRecord[] = [];
  readonly timeline: string[] = [];
  readonly outages: Outage[] = [];
  readonly strikes = new Map<string, number>();
  readonly upMs: number[] = [];
  readonly #hosts: ReadonlyMap<string, Machine>;
  readonly #person: LabNode;
  readonly #address: string;
  readonly #token: string;
  readonly #random: Random;
  readonly #say: (line: string) => void;
  readonly #beganMs = nowMs();
  #seeRecord: (record: LogRecord) => void = () => undefined;
  /** Where in the console the current boot begins. */
  #bootAt = 0;

  private constructor(guest: Guest, pdu: RemotePdu, hosts: ReadonlyMap<string, Machine>, person: LabNode, address: string, token: string, seed: number, say: (line: string) => void) {
    this.guest = guest;
    this.pdu = pdu;
    this.#hosts = hosts;
    this.#person = person;
    this.#address = address;
    this.#token = token;
    this.#random = new Random(seed, "own machine");
    this.#say = say;
  }

  static async start(lab: Lab, folder: string, seed: number, say: (line: string) => void): Promise<OwnMachine> {
    const [own, place, person] = [await lab.node("watcher"), await lab.node("sucker"), await lab.node("person")];
    const hosts = new Map(await Promise.all(HOSTS.map(async (name) => [name, await lab.machine(name, { bootMs: 500 })] as const)));
    const names = Object.fromEntries(HOSTS.map((name, index) => [index + FIRST_OUTLET, name]));
    const pdu = await startPduIn(place, { dialect: "menu3", outlets: 8, names, user: "apc", password: PASSWORD, inactivityMs: INACTIVITY_MS, address: place.address, port: 23 }, async (outlet, state) => {
      const host = hosts.get(names[outlet] ?? "");
      await (state === "on" ? host?.powerOn() : host?.powerOff());
    });
    const lines = [...hosts.values()].map((host, index) => `  ${host.name}: { address: ${host.address}, power: sucker/${index + FIRST_OUTLET} }`);
    const config = `${SETTINGS}watcher: { name: watch-vm, references: [${place.address}] }
hosts:
${lines.join("\n")}
power:
  sucker: { driver: apc, address: ${place.address}, username: apc, password: { file: sucker.password }, ${DEVICE} }
`;
    const data = join(folder, "data");
    const token = await tokenIn(join(data, "upkeep"));
    const guest = await startGuest({ node: own, folder, settings: { "upkeep.yaml": config, "sucker.password": `${PASSWORD}\n` }, data });
    const made = new OwnMachine(guest, pdu, hosts, person, own.address, token, seed, say);
    await pdu.follow((record) => {
      made.records.push(record);
      if (record.kind === "edge" || record.kind === "no-edge") made.note(`outlet ${record.outlet} ${record.kind === "edge" ? "" : "was already "}${record.state}`);
      made.#seeRecord(record);
    });
    return made;
  }

  note(text: string): void {
    const line = `${((nowMs() - this.#beganMs) / 1_000).toFixed(1).padStart(7)}  ${text}`;
    this.timeline.push(line);
    this.#say(line);
  }

  async run(times: number): Promise<OwnMachineReport> {
    const { guest } = this;
    this.#switchOn();
    await this.#up();
    await this.#calm();
    // Later boots are as quick as those of a machine that was installed long ago.
    await sleep(COMPILED_WITHIN_MS);
    await guest.sync();
    for (let deaths = 0; deaths < times;) deaths += await this.#outage(times - deaths);
    await this.pdu.idle();
    return this.#judge(times);
  }

  /** One host is wedged, and the machine dies once or twice before that is over. Resolves with how often. */
  async #outage(most: number): Promise<number> {
    const random = this.#random;
    const name = HOSTS[this.outages.length % HOSTS.length] as string;
    const host = this.#hosts.get(name) as Machine;
    const wedge = random.pick(WEDGES);
    const edges = host.edges.length;
    const struck = this.#instant();
    await host.wedge(wedge);
    const outage: Outage = { host: name, wedge, fromMs: nowMs(), toMs: Infinity, byHand: false, diedMs: 0 };
    this.outages.push(outage);
    this.note(`${name} is wedged (${wedge})`);
    const { laterMs, writes } = await struck;
    let deaths = 1;
    if (writes > 0) await this.#nthWrite(writes, () => this.#die(outage, "power loss"));
    else {
      await sleep(laterMs);
      await this.#die(outage);
    }
    if (random.chance(MENDED_BY_HAND) && host.powered && host.wedged !== null) {
      await host.heal();
      outage.byHand = true;
      this.note(`${name} is mended by hand`);
    }
    if (deaths < most && random.chance(SECOND_STRIKE)) {
      await sleep(random.whole(0, 40_000));
      deaths += 1;
      await this.#die(outage);
    }
    await until(`${name} is back in service`, async () => {
      const back = outage.byHand ? host.powered : host.powered && host.edges.length >= edges + 2;
      return back && host.serving(1).then(() => true, () => false);
    }, CALM_WITHIN_MS, 200);
    await this.#up();
    await this.#calm();
    outage.toMs = nowMs();
    return deaths;
  }

  /** Resolves at a random instant of what is about to happen. */
  #instant(): Promise<Instant> {
    const random = this.#random;
    const lines = random.whole(1, 25);
    let seen = 0;
    const isIt = random.weigh<{ readonly name: string; readonly test: (record: LogRecord) => boolean }>([
      [2, { name: "the log-in", test: (record) => record.kind === "login" }],
      [4, { name: `line ${lines}`, test: (record) => record.kind === "line" && (seen += 1) === lines }],
      [3, { name: "the off", test: (record) => record.kind === "command" && record.action === "off" }],
      [3, { name: "the off edge", test: (record) => record.kind === "edge" && record.state === "off" }],
      [2, { name: "the on", test: (record) => record.kind === "command" && record.action === "on" }],
      [1, { name: "the on edge", test: (record) => record.kind === "edge" && record.state === "on" }],
    ]);
    const writes = random.chance(0.4) ? random.whole(1, 12) : 0;
    const laterMs = random.chance(0.4) ? 0 : random.whole(0, 1_500);
    this.note(`to be struck ${writes > 0 ? `at write ${writes} of the disk` : `${laterMs} ms`} after ${isIt.name}`);
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`not within ${STRUCK_WITHIN_MS} ms: ${isIt.name}`)), STRUCK_WITHIN_MS);
      this.#seeRecord = (record) => {
        if (!isIt.test(record)) return;
        this.#seeRecord = () => undefined;
        clearTimeout(limit);
        resolve({ laterMs, writes });
      };
    });
  }

  /** Strikes in the turn in which the disk has taken its n-th write from now, or after a while without so many. */
  #nthWrite(writes: number, strike: () => Promise<void>): Promise<void> {
    const { disk } = this.guest;
    return new Promise((resolve, reject) => {
      let seen = 0;
      const now = (): void => {
        disk.onWrite = null;
        clearTimeout(limit);
        strike().then(resolve, reject);
      };
      const limit = setTimeout(now, WRITES_WITHIN_MS);
      disk.onWrite = () => {
        seen += 1;
        if (seen === writes) now();
      };
    });
  }

  async #die(outage: Outage, death: Death = this.#random.chance(0.5) ? "panic" : "power loss"): Promise<void> {
    const { guest } = this;
    const own = recordsOf(this.records, "edge").filter((edge) => edge.monoMs > outage.fromMs);
    const when = own.length === 0 ? "before off" : own.length === 1 ? "between off and on" : "after on";
    this.#bootAt = guest.console.length;
    if (death === "panic") await guest.panic();
    else {
      await guest.powerOff(() => this.#random.chance(0.5));
      this.#bootAt = guest.console.length;
    }
    outage.diedMs = nowMs();
    const what = `${death}, ${when}`;
    this.strikes.set(what, (this.strikes.get(what) ?? 0) + 1);
    this.note(`the watcher's machine: ${what}`);
    if (death === "power loss") this.#switchOn();
    const upAgain = outage.diedMs;
    this.#up().then(() => this.upMs.push(nowMs() - upAgain), () => undefined);
  }

  #switchOn(): void {
    this.#bootAt = this.guest.console.length;
    this.guest.powerOn();
  }

  async #up(): Promise<void> {
    await this.guest.says(/upkeep: watching|guest: the disk cannot/, this.#bootAt, UP_WITHIN_MS);
    assert.doesNotMatch(this.guest.console.slice(this.#bootAt), /guest: the disk cannot/, "ext4 did not survive");
  }

  /** All hosts guarded, nothing under way. */
  async #calm(): Promise<void> {
    let last: Status | null = null;
    await until("everything is guarded and nothing under way", async () => {
      last = await this.#ask<Status>("/v1/status");
      return last?.hosts.every((host) => host.verdict === "up" && host.guarded && host.operation === null && host.incident === null);
    }, CALM_WITHIN_MS, 1_000).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${(last?.hosts ?? []).map((host) => `${host.host} ${host.verdict} ${host.why ?? ""} ${host.held?.because ?? ""} ${host.operation?.phase ?? ""}`).join("; ")}`);
    });
    this.note("calm");
  }

  async #ask<Value>(path: string): Promise<Value | null> {
    const { code, stdout } = await this.#person.exec([join(PARTS, "busybox"), "wget", "-q", "-O", "-", "--header", `Authorization: Bearer ${this.#token}`, `http://${this.#address}:8080${path}`]).catch(() => SILENT);
    return code === 0 ? (JSON.parse(stdout) as Value) : null;
  }

  async #judge(times: number): Promise<OwnMachineReport> {
    const { records, outages, guest } = this;
    const guilty: string[] = [];
    const at = (ms: number): string => `${((ms - this.#beganMs) / 1_000).toFixed(1)} s`;
    const edges = recordsOf(records, "edge");
    const offs = edges.filter((edge) => edge.state === "off");
    const hostOf = (edge: RecordOf<"edge">): string => HOSTS[edge.outlet - FIRST_OUTLET] ?? `outlet ${edge.outlet}`;

    for (const outage of outages) {
      const own = offs.filter((off) => hostOf(off) === outage.host && off.monoMs >= outage.fromMs && off.monoMs <= outage.toMs);
      const what = `${outage.host}, ${outage.wedge} at ${at(outage.fromMs)}`;
      if (own.length > 1) guilty.push(`${what}: ${own.length} off edges`);
      if (own.length === 0 && !outage.byHand) guilty.push(`${what}: it stayed down and was not cut`);
    }
    for (const off of offs) {
      if (!outages.some((outage) => hostOf(off) === outage.host && off.monoMs >= outage.fromMs && off.monoMs <= outage.toMs)) guilty.push(`${hostOf(off)} was cut at ${at(off.monoMs)} without an outage`);
    }
    const darkMs: number[] = [];
    for (const name of HOSTS) {
      const own = edges.filter((edge) => hostOf(edge) === name);
      for (const [n, edge] of own.entries()) {
        if (edge.state !== (n % 2 === 0 ? "off" : "on")) guilty.push(`${name}: ${edge.state} at ${at(edge.monoMs)} out of turn`);
        if (edge.cause === "hand") guilty.push(`${name}: ${edge.state} by a hand`);
        const next = own[n + 1];
        if (edge.state === "off" && next === undefined) guilty.push(`${name}: off at ${at(edge.monoMs)} and never on`);
        if (edge.state === "off" && next !== undefined) darkMs.push(next.monoMs - edge.monoMs);
      }
    }
    const incidents = await this.#ask<readonly Incident[]>("/v1/incidents") ?? [];
    const during = (off: RecordOf<"edge">): readonly Incident[] => incidents.filter((incident) => incident.host === hostOf(off) && Date.parse(incident.began) - CLOCKS_DIFFER_MS <= off.wallMs
      && off.wallMs <= (incident.ended === null ? Infinity : Date.parse(incident.ended) + CLOCKS_DIFFER_MS));
    // The end of an incident reaches the history a moment later than the ledger, and a machine that dies in that moment forgets it.
    const dies = (off: RecordOf<"edge">): boolean => outages.some((outage) => outage.host === hostOf(off) && off.monoMs >= outage.fromMs && off.monoMs <= outage.toMs
      && edges.some((edge) => edge.outlet === off.outlet && edge.state === "on" && edge.monoMs > off.monoMs && edge.monoMs < outage.diedMs));
    for (const off of offs) if (during(off).length === 0 && !dies(off)) guilty.push(`${hostOf(off)} was cut at ${at(off.monoMs)} in no incident that the watcher knows of`);
    for (const incident of incidents) {
      const own = offs.filter((off) => during(off).includes(incident));
      if (own.length > 1) guilty.push(`incident ${incident.incident} of ${incident.host}: ${own.length} off edges`);
    }
    guilty.push(...overlapsOf(records));
    const state = await this.pdu.state();
    if (state.sessionsMax > 1) guilty.push(`${state.sessionsMax} sessions at once`);
    for (const outlet of state.outlets) if (outlet.state !== "on") guilty.push(`outlet ${outlet.outlet} is ${outlet.state} at the end`);
    try {
      assertPolite(records);
    } catch (error) {
      guilty.push(String(error));
    }
    const { counts } = guest.disk;
    const struck = [...this.strikes.values()].reduce((sum, each) => sum + each, 0);
    if (struck !== times) guilty.push(`${struck} deaths, and not ${times}`);
    const lines = [
      `${struck} deaths of the watcher's machine:`,
      ...[...this.strikes].sort().map(([name, count]) => `  ${String(count).padStart(4)} ${name}`),
      `${outages.length} outages, ${outages.filter((each) => each.byHand).length} mended by hand; ${incidents.length} incidents; ${offs.length} off edges, ${edges.length - offs.length} on edges`,
      `disk: ${counts.flushes} flushes, ${counts.sectorsWritten} sectors written; in ${counts.cuts} power losses ${counts.piecesLost} unflushed blocks of 4 KiB were lost and ${counts.piecesKept} were not`,
      `without power: ${distribution(darkMs)}`,
      `from a death to a watcher that is ready: ${distribution(this.upMs)}`,
    ];
    assert.equal(guilty.length, 0, `${guilty.join("\n")}\n\n${lines.join("\n")}`);
    return { strikes: this.strikes, offs: offs.length, lines };
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { times: { type: "string", default: "50" }, seed: { type: "string", default: String(Date.now() % 100_000) }, quiet: { type: "boolean", default: false } } });
  const refusal = ownMachineRefusal();
  if (refusal !== null) throw new Error(refusal);
  // Nothing here is a matter of speed: it gets no more of the processor than anybody else.
  setPriority(0);
  const say = values.quiet ? () => undefined : (line: string) => void process.stdout.write(`${line}\n`);
  const { lines } = await ownMachine({ times: Number(values.times), seed: Number(values.seed), say });
  process.stdout.write(`${lines.join("\n")}\n`);
}
