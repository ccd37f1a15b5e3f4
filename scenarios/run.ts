// Scenarios: plain-text transcripts, events in, decisions and reasons out. A file has three parts, divided by `---`: what it
// shows, in prose; the script; and the transcript that the core gives. `bin/node24 scenarios/run.ts --write` writes the
// third part again; the test compares it letter by letter.
//
// The world of a scenario has no latency and no chance: rounds end where they begin, a store commits at once, a device
// does what it is told at once. What can go wrong between those moments is the simulator's business (sim/).

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command, Effect, Input } from "../src/core/io.ts";
import type { HostPolicy, OutletRef, Policy } from "../src/core/policy.ts";
import { LIMITS, outletKey } from "../src/core/policy.ts";
import type { AnyRecord, RecordKey } from "../src/core/records.ts";
import type { ProbeResult } from "../src/core/round.ts";
import type { State } from "../src/core/state.ts";
import { emptyState } from "../src/core/state.ts";
import { step } from "../src/core/step.ts";

type Life = "serves" | "frozen" | "silent" | "refuses" | "late" | "slow";
type VirtualHost = { policy: HostPolicy; life: Life; backMs: number; cures: boolean; bootedAtMs: number; off: boolean };
type Outlet = { state: "on" | "off"; hosts: string[]; label: string | null };

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function duration(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  if (match === null) throw new Error(`not a duration: ${text}`);
  return Number(match[1]) * (UNITS[match[2] as string] as number);
}

class Scenario {
  readonly lines: string[] = [];
  #nowMs = 0;
  #wallJumpMs = 0;
  #synced = true;
  #boot = 1;
  #state: State = emptyState();
  #order = 0;
  #queue: { atMs: number; order: number; run: () => void }[] = [];
  readonly #hosts = new Map<string, VirtualHost>();
  readonly #outlets = new Map<string, Outlet>();
  readonly #wiring = new Map<string, readonly (readonly OutletRef[])[]>();
  readonly #unreachable = new Set<string>();
  readonly #deaf = new Set<string>();
  #records = new Map<RecordKey, { value: AnyRecord; revision: number }>();
  #revision = 0;
  #storeFails = false;
  #references: "reached" | "lost" = "reached";
  #alive = false;
  #incarnation = 0;
  #brakes: Policy["brakes"] = { startupMs: 60_000, maxUnhealthy: 0.4, coolDownMs: 120_000, concurrent: 1, perHour: null };
  #quiet = new Set<string>();
  readonly #acts = new Map<number, { outlet: OutletRef; action: "on" | "off" }>();

  run(script: string): string[] {
    let untilMs = 0;
    for (const raw of script.split("\n")) {
      const line = raw.replace(/#.*/, "").trim();
      if (line === "") continue;
      const words = line.split(/\s+/);
      if (words[0] === "host") this.#addHost(words);
      else if (words[0] === "brakes") this.#setBrakes(words);
      else if (words[0] === "quiet") for (const kind of words.slice(1)) this.#quiet.add(kind);
      else if (words[0] === "until") untilMs = duration(words[1] as string);
      else this.#at(duration(words[0] as string), () => this.#happen(words.slice(1)));
    }
    for (let next = this.#pop(untilMs); next !== undefined; next = this.#pop(untilMs)) {
      this.#nowMs = next.atMs;
      next.run();
    }
    return this.lines;
  }

  #addHost(words: readonly string[]): void {
    const option = (name: string): string | undefined => {
      const at = words.indexOf(name);
      return at < 0 ? undefined : words[at + 1];
    };
    const name = words[1] as string;
    const levels = (option("power") ?? "sucker/1").split(",").map((level) => level.split("+").map((outlet): OutletRef => ({ device: outlet.split("/")[0] as string, outlet: outlet.split("/")[1] as string })));
    const policy: HostPolicy = {
      name, hash: option("hash") ?? "h1", address: name, group: option("group") ?? "ungrouped", behind: option("behind") ?? null, armed: true,
      everyMs: duration(option("every") ?? "5s"), timeoutMs: duration(option("timeout") ?? "1s"), threshold: Number(option("threshold") ?? 5),
      retryMs: (option("retry") ?? "").split(",").filter((each) => each !== "").map(duration),
      debounceMs: duration(option("debounce") ?? "40s"), bootMs: duration(option("boot") ?? "5m"), offForMs: 5_000, healthyForMs: 10_000, offConfirmMs: 30_000, onConfirmMs: 30_000, settleMs: 30_000,
      probes: [{ id: "ping", counts: false }, { id: "ssh", counts: true }], goodNeeded: null, levels,
      budget: { cycles: Number(option("cycles") ?? 3), withinMs: 6 * 3_600_000 }, self: words.includes("self"),
    };
    this.#hosts.set(name, { policy, life: "serves", backMs: duration(option("back") ?? "40s"), cures: !words.includes("incurable"), bootedAtMs: 0, off: false });
    // `wired`: the outlets that really feed it, where the configuration is wrong.
    const wired = option("wired");
    const feeds = wired === undefined ? levels : wired.split(",").map((level) => level.split("+").map((outlet): OutletRef => ({ device: outlet.split("/")[0] as string, outlet: outlet.split("/")[1] as string })));
    this.#wiring.set(name, feeds);
    for (const outlet of [...levels.flat(), ...feeds.flat()]) {
      const key = outletKey(outlet);
      const known = this.#outlets.get(key)?.hosts ?? [];
      const fed = feeds.flat().some((each) => outletKey(each) === key) && !known.includes(name) ? [...known, name] : known;
      this.#outlets.set(key, { state: "on", hosts: fed, label: null });
    }
  }

  #setBrakes(words: readonly string[]): void {
    for (let at = 1; at < words.length; at += 2) {
      const [name, value] = [words[at] as string, words[at + 1] as string];
      if (name === "startup") this.#brakes = { ...this.#brakes, startupMs: duration(value) };
      else if (name === "coolDown") this.#brakes = { ...this.#brakes, coolDownMs: duration(value) };
      else if (name === "maxUnhealthy") this.#brakes = { ...this.#brakes, maxUnhealthy: Number(value.replace("%", "")) / 100 };
      else if (name === "concurrent") this.#brakes = { ...this.#brakes, concurrent: Number(value) };
      else throw new Error(`unknown brake ${name}`);
    }
  }

  #policy(): Policy {
    const hosts = new Map([...this.#hosts].map(([name, host]) => [name, host.policy]));
    const names = new Set([...hosts.values()].flatMap((host) => host.levels.flat().map((outlet) => outlet.device)));
    const devices = new Map([...names].map((name) => [name, { name, driver: "apc", address: name, maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true }]));
    return { site: "scenario", watcher: "rikis-hopuuj", armed: true, hosts, devices, brakes: this.#brakes, observers: 3, lone: "hold", limits: LIMITS };
  }

  #happen(words: readonly string[]): void {
    const [subject, verb] = [words[0] as string, words[1] as string];
    this.lines.push(`${at(this.#nowMs)} # ${words.join(" ")}`);
    const host = this.#hosts.get(subject);
    if (subject === "start") return this.#start(null);
    if (subject === "kill") {
      this.#alive = false;
      return;
    }
    if (subject === "reboot") {
      this.#boot += 1;
      return;
    }
    if (subject === "stop") return this.#input({ kind: "stop" });
    if (subject === "went-back") return this.#start(words.slice(1).join(" "));
    if (subject === "store") this.#storeFails = verb === "fails";
    else if (subject === "references") this.#references = verb === "lost" ? "lost" : "reached";
    else if (subject === "clock") verb === "unsynced" ? (this.#synced = false) : verb === "synced" ? (this.#synced = true) : (this.#wallJumpMs += (words[2]?.startsWith("-") ? -1 : 1) * duration((words[2] as string).replace("-", "")));
    else if (subject === "device") this.#device(words);
    else if (subject === "outlet") this.#foreign(verb, words[2] as "on" | "off", words);
    else if (host !== undefined && LIVES.has(verb)) host.life = verb as Life;
    else this.#input({ kind: "command", id: 1, by: "anna", command: parseCommand(words) });
  }

  #device(words: readonly string[]): void {
    const name = words[1] as string;
    if (words[2] === "unreachable") this.#unreachable.add(name);
    else if (words[2] === "reachable") this.#unreachable.delete(name);
    else if (words[2] === "deaf") this.#deaf.add(name);
    else if (words[2] === "hears") this.#deaf.delete(name);
    else throw new Error(`unknown: ${words.join(" ")}`);
  }

  #foreign(key: string, state: "on" | "off" | "labelled", words: readonly string[]): void {
    const outlet = this.#outlets.get(key) as Outlet;
    if (state === "labelled") outlet.label = words[3] as string;
    else this.#edge(key, state);
  }

  #edge(key: string, state: "on" | "off"): void {
    const outlet = this.#outlets.get(key) as Outlet;
    if (outlet.state === state) return;
    outlet.state = state;
    for (const name of outlet.hosts) {
      const host = this.#hosts.get(name) as VirtualHost;
      const dead = (this.#wiring.get(name) ?? []).some((level) => level.every((each) => this.#outlets.get(outletKey(each))?.state === "off"));
      if (dead && !host.off) {
        host.off = true;
        host.bootedAtMs = this.#nowMs + host.backMs;
      } else if (!dead && host.off) {
        host.off = false;
        host.bootedAtMs = Math.max(host.bootedAtMs, this.#nowMs);
        if (host.cures) host.life = "serves";
      }
    }
  }

  #start(wentBack: string | null): void {
    this.#alive = true;
    this.#incarnation += 1;
    this.#state = emptyState();
    const incarnation = this.#incarnation;
    const records = [...this.#records].map(([key, record]) => ({ key, ...record }));
    this.#input({ kind: "start", records, uptimeMs: 3_600_000, wentBack, seq: 0, ledger: "scenario" });
    for (const host of this.#hosts.values()) {
      const look = () => {
        if (!this.#alive || this.#incarnation !== incarnation) return;
        this.#look(host);
        this.#at(this.#nowMs + host.policy.everyMs, look);
      };
      this.#at(this.#nowMs + host.policy.everyMs, look);
    }
    const beat = () => {
      if (!this.#alive || this.#incarnation !== incarnation) return;
      this.#input({ kind: "clock" });
      this.#at(this.#nowMs + 1_000, beat);
    };
    beat();
  }

  #serving(host: VirtualHost): Life {
    return host.off || this.#nowMs < host.bootedAtMs ? "silent" : host.life;
  }

  #look(host: VirtualHost): void {
    const life = this.#serving(host);
    const result = (probe: string, good: boolean): ProbeResult =>
      good ? { probe, outcome: "good", sign: "answer", evidence: probe === "ssh" ? "SSH-2.0" : "1 ms", latencyMs: 1 } : { probe, outcome: "bad", sign: life === "refuses" ? "refused" : "silent", evidence: life === "refuses" ? "connection refused" : "no answer within 1000 ms", latencyMs: 1_000 };
    const results = [result("ping", life !== "silent"), result("ssh", life === "serves")];
    const startedAtMs = this.#nowMs;
    this.#input({ kind: "round", round: { host: host.policy.name, hash: host.policy.hash, startedAtMs, endedAtMs: this.#nowMs, references: this.#references, results } });
    if (life === "late") this.#at(this.#nowMs + 2_000, () => this.#input({ kind: "late", host: host.policy.name, hash: host.policy.hash, startedAtMs, results: [{ probe: "ssh", outcome: "slow", sign: "answer", evidence: "SSH-2.0 after 2000 ms", latencyMs: 2_000 }] }));
  }

  #input(input: Input): void {
    if (!this.#alive) return;
    const now = { bootMs: this.#nowMs, wallMs: Date.UTC(2026, 0, 1) + this.#nowMs + this.#wallJumpMs, bootId: `boot-${this.#boot}`, synced: this.#synced };
    const { state, effects } = step(this.#state, input, now, this.#policy());
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    const later = (input: Input) => {
      const incarnation = this.#incarnation;
      this.#at(this.#nowMs, () => {
        if (incarnation === this.#incarnation) this.#input(input);
      });
    };
    switch (effect.kind) {
      case "tell":
        if (!this.#quiet.has(effect.told.kind)) this.lines.push(`${at(this.#nowMs)} ${effect.told.kind}${effect.told.host === null ? "" : ` ${effect.told.host}`}: ${effect.told.because}`);
        return;
      case "store": {
        if (this.#storeFails) return later({ kind: "stored", txn: effect.txn, result: "failed", evidence: "disk full" });
        const holds = effect.guards.every((guard) => (this.#records.get(guard.key)?.revision ?? null) === guard.revision);
        if (!holds) return later({ kind: "stored", txn: effect.txn, result: "conflict", evidence: "revision" });
        this.#revision += 1;
        for (const write of effect.writes) {
          if (write.value === null) this.#records.delete(write.key);
          else this.#records.set(write.key, { value: write.value, revision: this.#revision });
        }
        return later({ kind: "stored", txn: effect.txn, result: "committed", revision: this.#revision, sentMs: this.#nowMs });
      }
      case "act": {
        if (this.#unreachable.has(effect.outlet.device)) return later({ kind: "acted", act: effect.act, outcome: { kind: "failed", code: "POWER_UNREACHABLE", evidence: "connection refused" } });
        const outlet = this.#outlets.get(outletKey(effect.outlet)) as Outlet;
        this.#acts.set(effect.act, { outlet: effect.outlet, action: effect.action });
        return later({ kind: "ready", act: effect.act, state: outlet.state, label: outlet.label });
      }
      case "fire": {
        const act = this.#acts.get(effect.act) as { outlet: OutletRef; action: "on" | "off" };
        this.lines.push(`${at(this.#nowMs)} ! ${act.action} ${outletKey(act.outlet)}`);
        if (!this.#deaf.has(act.outlet.device)) this.#edge(outletKey(act.outlet), act.action);
        return later({ kind: "acted", act: effect.act, outcome: { kind: "accepted", evidence: "E000: Success" } });
      }
      case "cancel":
        return later({ kind: "acted", act: effect.act, outcome: { kind: "refused", by: "gate", evidence: effect.because } });
      case "read": {
        const result = this.#unreachable.has(effect.device)
          ? { ok: false as const, code: "POWER_UNREACHABLE", evidence: "connection refused" }
          : { ok: true as const, readings: effect.outlets.map((outlet) => ({ outlet, state: this.#outlets.get(`${effect.device}/${outlet}`)?.state ?? ("unknown" as const), label: this.#outlets.get(`${effect.device}/${outlet}`)?.label ?? null })) };
        return later({ kind: "readings", read: effect.read, device: effect.device, startedAtMs: this.#nowMs, result });
      }
      case "touch": {
        const answers = this.#serving(this.#hosts.get(effect.host) as VirtualHost) !== "silent";
        return later({ kind: "touched", touch: effect.touch, answered: answers ? "yes" : "no", evidence: answers ? "echo reply" : "nothing" });
      }
      case "wake":
        return this.#at(Math.max(effect.atMs, this.#nowMs), () => this.#input({ kind: "tick", key: effect.key }));
      case "reply":
        this.lines.push(`${at(this.#nowMs)} = ${effect.exit}: ${effect.text}`);
        return;
      case "exit":
        this.lines.push(`${at(this.#nowMs)} exit: ${effect.because}`);
        this.#alive = false;
        return;
      case "alarm":
        this.lines.push(`${at(this.#nowMs)} @ ${effect.alarm.severity} ${effect.alarm.alarm}${effect.again ? " (again)" : ""}: ${effect.alarm.asked}`);
        return;
      case "pace":
      case "incident":
      case "alarm-over":
        return;
    }
  }

  #at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#queue.push({ atMs, order: this.#order, run });
  }

  #pop(untilMs: number): { atMs: number; run: () => void } | undefined {
    this.#queue.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    return (this.#queue[0]?.atMs ?? Infinity) <= untilMs ? this.#queue.shift() : undefined;
  }
}

const LIVES: ReadonlySet<string> = new Set(["serves", "frozen", "silent", "refuses", "late", "slow"]);

function parseCommand(words: readonly string[]): Command {
  const [verb, host, third] = [words[0] as string, words[1] as string, words[2]];
  const forMs = words.includes("for") ? duration(words[words.indexOf("for") + 1] as string) : null;
  const confirm = words.includes("confirm") ? (words[words.indexOf("confirm") + 1] as string) : null;
  switch (verb) {
    case "fence":
      return { kind: "fence", host, reason: "asked", again: words.includes("again"), confirm };
    case "power":
      return { kind: "power", host, action: third as "on" | "off" | "cycle", reason: "asked", again: words.includes("again"), confirm };
    case "confirm-off":
      return { kind: "confirm-off", host, confirm: confirm ?? "", reason: "looked" };
    case "release":
      return { kind: "release", host };
    case "proceed":
      return { kind: "storm-proceed" };
    case "end":
      return { kind: "unbrake", brake: host as "maintenance", scope: third ?? "*" };
    case "disarmed":
    case "maintenance":
    case "inhibit":
    case "going-down":
    case "kdump":
      return { kind: "brake", brake: verb, scope: host, forMs, reason: "" };
    default:
      throw new Error(`unknown: ${words.join(" ")}`);
  }
}

function at(timeMs: number): string {
  return `${(timeMs / 1_000).toFixed(timeMs % 1_000 === 0 ? 0 : 1).padStart(6)}s`;
}

const FOLDER = import.meta.dirname;

export function scenarios(): readonly string[] {
  return readdirSync(FOLDER).filter((name) => name.endsWith(".scenario")).sort();
}

/** The file as it should read, given its prose and script. */
export function regenerate(name: string): { was: string; is: string } {
  const was = readFileSync(join(FOLDER, name), "utf8");
  const [prose = "", script = ""] = was.split(/^---$/m);
  const lines = new Scenario().run(script);
  return { was, is: `${prose.trimEnd()}\n---\n${script.trim()}\n---\n${lines.join("\n")}\n` };
}

if (process.argv[2] === "--write") {
  for (const name of scenarios()) {
    const { was, is } = regenerate(name);
    if (was === is) continue;
    writeFileSync(join(FOLDER, name), is);
    process.stdout.write(`written: ${name}\n`);
  }
}
