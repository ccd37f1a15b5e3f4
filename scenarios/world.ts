// The world of a scenario: no chance, and no latency but what the script asks for. Rounds end where they begin, a store commits
// at once, a device does what it is told at once. What can go wrong by chance between those moments is the simulator's
// business (sim/).

import type { ActOutcome, Effect, Input } from "../src/core/io.ts";
import { recognise } from "../src/core/kernel-words.ts";
import type { CarefulPolicy, DevicePolicy, OutletRef, Policy } from "../src/core/policy.ts";
import type { RebootsPolicy } from "../src/core/policy.ts";
import { CAREFUL, LIMITS, outletKey } from "../src/core/policy.ts";
import type { AnyRecord, RecordKey } from "../src/core/records.ts";
import { statusReport } from "../src/core/report.ts";
import type { ProbeResult } from "../src/core/round.ts";
import type { State } from "../src/core/state.ts";
import { emptyState } from "../src/core/state.ts";
import { step } from "../src/core/step.ts";
import type { Now } from "../src/core/time.ts";
import { reloadProblems } from "../src/watcher/reload.ts";
import { Devices } from "./devices.ts";
import type { HostLine, Life, Word } from "./script.ts";
import { duration, watts, LIVES, parseBrakes, parseCareful, parseCommand, parseHost, parseReboots } from "./script.ts";

type VirtualHost = { line: HostLine; life: Life; bootedAtMs: number; off: boolean; looks: number; word: Word };
type Write = { readonly key: RecordKey; readonly value: AnyRecord | null };

const DAY_MS = 86_400_000;
const DOWN_AFTER_MS = 3_000;

export class World {
  readonly lines: string[] = [];
  #nowMs = 0;
  #sequence = 0;
  #queue: { atMs: number; order: number; run: () => void }[] = [];
  #wallJumpMs = 0;
  #synced = true;
  #boot = 1;
  #bootedMs = -DAY_MS;
  #state: State = emptyState();
  #policyNow: Policy | null = null;
  readonly #hosts = new Map<string, VirtualHost>();
  readonly #devices = new Devices();
  readonly #records = new Map<RecordKey, { value: AnyRecord; revision: number }>();
  #revision = 0;
  #storeFails = false;
  #storeSlowMs = 0;
  #references: "reached" | "lost" = "reached";
  #alive = false;
  #armed = true;
  #incarnation = 0;
  #pausedUntilMs = 0;
  #brakes: Policy["brakes"] = { startupMs: 60_000, maxUnhealthy: 0.4, coolDownMs: 120_000, concurrent: 1, perHour: null };
  #reboots: RebootsPolicy | null = null;
  /** What hosts make of orders. */
  #orders: "heard" | "refused" | "ignored" | "lost" = "heard";
  readonly #carriedOut = new Set<string>();
  #careful: CarefulPolicy = CAREFUL;
  #sense: Extract<Input, { kind: "power-sense" }> | null = null;
  readonly #follows = new Set<string>();
  readonly #metered = new Map<string, NonNullable<DevicePolicy["metered"]>>();
  readonly #quiet = new Set<string>();
  readonly #acts = new Map<number, { outlet: OutletRef; action: "on" | "off" }>();
  /** As the scheduler keeps them: the earliest of each key. */
  readonly #wakes = new Map<string, number>();

  run(script: string): string[] {
    let untilMs = 0;
    for (const raw of script.split("\n")) {
      const line = raw.replace(/#.*/, "").trim();
      if (line === "") continue;
      const words = line.split(/\s+/);
      if (words[0] === "host") this.#addHost(words);
      else if (words[0] === "brakes") this.#brakes = parseBrakes(words, this.#brakes);
      else if (words[0] === "reboots") this.#reboots = parseReboots(words);
      else if (words[0] === "careful") this.#careful = parseCareful(words, this.#careful);
      else if (words[0] === "device" && words[2] === "follows") this.#follows.add(words[1] as string);
      else if (words[0] === "device" && words[2] === "metered") this.#metered.set(words[1] as string, { belowWatts: watts(words[3] as string), forMs: duration(words[4] as string) });
      else if (words[0] === "quiet") for (const kind of words.slice(1)) this.#quiet.add(kind);
      else if (words[0] === "uptime") this.#bootedMs = -duration(words[1] as string);
      else if (words[0] === "unarmed") this.#armed = false;
      else if (words[0] === "until") untilMs = duration(words[1] as string);
      else this.#at(duration(words[0] as string), () => this.#happen(words.slice(1)));
    }
    for (let next = this.#pop(untilMs); next !== undefined; next = this.#pop(untilMs)) {
      this.#nowMs = next.atMs;
      next.run();
    }
    return this.lines;
  }

  #say(line: string): void {
    this.lines.push(`${(this.#nowMs / 1_000).toFixed(this.#nowMs % 1_000 === 0 ? 0 : 1).padStart(6)}s ${line}`);
  }

  #addHost(words: readonly string[]): void {
    const name = words[1] as string;
    const known = this.#hosts.get(name);
    const line = parseHost(words, known?.line);
    this.#hosts.set(name, known === undefined ? { line, life: "serves", bootedAtMs: 0, off: false, looks: 0, word: "good" } : { ...known, line });
    for (const outlet of line.policy.levels.flat()) this.#devices.wire(outletKey(outlet), null);
    for (const outlet of line.wiring.flat()) this.#devices.wire(outletKey(outlet), name);
  }

  #policy(): Policy {
    const hosts = new Map([...this.#hosts].map(([name, host]) => [name, host.line.policy]));
    const names = new Set([...hosts.values()].flatMap((host) => host.levels.flat().map((outlet) => outlet.device)));
    const devices = new Map([...names].map((name) => [name, { name, driver: "apc", address: name, maxActMs: 30_000, checkEveryMs: 300_000, exclusiveSession: true, ...(this.#follows.has(name) ? { followsHost: true as const } : {}), ...this.#meter(name) }]));
    return { site: "scenario", watcher: "rikis-hopuuj", armed: this.#armed, hosts, devices, brakes: this.#brakes, observers: 3, lone: "hold", careful: { ...this.#careful, sensed: this.#sense !== null }, shared: null, limits: LIMITS, ...(this.#reboots === null ? {} : { reboots: this.#reboots }) };
  }

  #meter(device: string): Pick<DevicePolicy, "metered"> {
    const metered = this.#metered.get(device);
    return metered === undefined ? {} : { metered };
  }

  #happen(words: readonly string[]): void {
    const [subject, verb] = [words[0] as string, words[1] as string];
    this.#say(`# ${words.join(" ")}`);
    const host = this.#hosts.get(subject);
    if (subject === "start") return this.#start(null);
    if (subject === "went-back") return this.#start(words.slice(1).join(" "));
    if (subject === "kill") this.#alive = false;
    else if (subject === "reboot") [this.#boot, this.#bootedMs] = [this.#boot + 1, this.#nowMs];
    else if (subject === "stop") this.#input({ kind: "stop" });
    else if (subject === "pause") this.#pausedUntilMs = this.#nowMs + duration(verb);
    else if (subject === "reload") this.#reload(words.slice(1));
    else if (subject === "status") this.#status();
    else if (subject === "store") this.#store(words);
    else if (subject === "history") this.#input({ kind: "history", failure: verb === "fails" ? "database or disk is full" : null });
    else if (subject === "orders") this.#orders = verb as "heard";
    else if (subject === "agent") this.#agent(verb, words.slice(2));
    else if (subject === "sense") this.#feel(words);
    else if (subject === "references") this.#references = verb === "lost" ? "lost" : "reached";
    else if (subject === "clock") this.#clock(verb, words[2]);
    else if (subject === "device") this.#devices.happen(words);
    else if (subject === "outlet" && words[2] === "labelled") this.#devices.outlet(verb).label = words[3] as string;
    else if (subject === "outlet" && words[2] === "draws") this.#devices.outlet(verb).draws = words[3] === "true" ? null : watts(words[3] as string);
    else if (subject === "outlet") this.#edge(verb, words[2] as "on" | "off");
    else if (host !== undefined && LIVES.has(verb)) host.life = verb as Life;
    else if (host !== undefined && verb === "says") this.#says(subject, words.slice(2).join(" "));
    else if (host !== undefined && verb === "agent") host.word = words[2] as Word;
    else this.#input({ kind: "command", id: 1, by: "anna", command: parseCommand(words) });
  }

  /** `agent logos boot b1`, `agent logos boot b1 needs "…"`, `agent logos gone` */
  #agent(host: string, [what, bootId = "", needs, ...why]: readonly string[]): void {
    this.#input({ kind: "boot", host, boot: what === "boot" ? { bootId, pending: needs === "needs" ? why.join(" ") : null } : null });
  }

  /** A datagram in the host's name: `logos says Rebooting in 10 seconds..` */
  #says(host: string, text: string): void {
    const word = recognise(text, true);
    if (word !== null) this.#input({ kind: "kernel", host, word, holds: true });
  }

  #store(words: readonly string[]): void {
    if (words[1] === "slow") this.#storeSlowMs = duration(words[2] as string);
    else if (words[1] === "quick") this.#storeSlowMs = 0;
    else this.#storeFails = words[1] === "fails";
  }

  /** `sense good charge 80%`: from now on, said again every ten seconds. */
  #feel(words: readonly string[]): void {
    const state = words[1] as "good" | "lost" | "unknown";
    const charge = words[2] === "charge" ? Number((words[3] as string).replace("%", "")) / 100 : null;
    this.#sense = { kind: "power-sense", state, because: state === "good" ? "the UPS is on line" : state === "lost" ? "the UPS is on battery" : "the UPS does not answer", charge };
    this.#policyNow = this.#policy();
    this.#input(this.#sense);
  }

  #clock(verb: string, by: string | undefined): void {
    if (verb === "jumps") this.#wallJumpMs += (by?.startsWith("-") === true ? -1 : 1) * duration((by ?? "").replace("-", ""));
    else this.#synced = verb === "synced";
  }

  /** `reload remove ethos` · `reload unarmed` · `reload armed` · `reload host logos threshold 3 hash h2` · `reload brakes startup 0s` */
  #reload(words: readonly string[]): void {
    const before = { hosts: new Map(this.#hosts), armed: this.#armed, brakes: this.#brakes };
    if (words[0] === "remove") this.#hosts.delete(words[1] as string);
    else if (words[0] === "host") this.#addHost(words);
    else if (words[0] === "brakes") this.#brakes = parseBrakes(words, this.#brakes);
    else this.#armed = words[0] === "armed";
    const next = this.#policy();
    const problems = this.#policyNow === null ? [] : reloadProblems(this.#state, this.#policyNow, next);
    if (problems.length === 0) {
      this.#policyNow = next;
      return this.#input({ kind: "policy" });
    }
    for (const problem of problems) this.#say(`= refused: ${problem}`);
    this.#hosts.clear();
    for (const [name, host] of before.hosts) this.#hosts.set(name, host);
    [this.#armed, this.#brakes] = [before.armed, before.brakes];
  }

  #status(): void {
    const status = statusReport(this.#state, this.#policyNow as Policy, this.#now());
    this.#say(`> guarded ${status.guarded}`);
    for (const host of status.hosts) if (host.why !== null) this.#say(`>   ${host.host} is ${host.verdict}, not guarded: ${host.why}`);
    for (const alarm of status.alarms) this.#say(`>   ${alarm.alarm}${alarm.acknowledged ? " (acknowledged)" : ""}: ${alarm.happened}`);
  }

  #edge(key: string, state: "on" | "off"): void {
    const outlet = this.#devices.outlet(key);
    if (outlet.state === state) return;
    outlet.state = state;
    for (const name of outlet.hosts) {
      const host = this.#hosts.get(name);
      if (host === undefined) continue;
      const dead = host.line.wiring.some((level) => level.every((each) => this.#devices.outlet(outletKey(each)).state === "off"));
      if (dead && !host.off) {
        host.off = true;
        host.bootedAtMs = this.#nowMs + host.line.backMs;
      } else if (!dead && host.off) {
        host.off = false;
        host.bootedAtMs = Math.max(host.bootedAtMs, this.#nowMs);
        if (host.line.cures) Object.assign(host, { life: "serves", word: "good" });
      }
    }
  }

  #start(wentBack: string | null): void {
    this.#alive = true;
    this.#incarnation += 1;
    this.#state = emptyState();
    this.#policyNow = this.#policy();
    this.#wakes.clear();
    const incarnation = this.#incarnation;
    const lives = () => this.#alive && this.#incarnation === incarnation;
    const records = [...this.#records].map(([key, record]) => ({ key, ...record }));
    this.#input({ kind: "start", records, uptimeMs: this.#now().bootMs, wentBack, seq: 0, ledger: "scenario" });
    for (const name of this.#hosts.keys()) {
      const look = () => {
        const host = this.#hosts.get(name);
        if (!lives() || host === undefined) return;
        if (this.#nowMs < this.#pausedUntilMs) return this.#at(this.#pausedUntilMs, look);
        this.#look(host);
        this.#at(this.#nowMs + host.line.policy.everyMs, look);
      };
      this.#at(this.#nowMs + (this.#hosts.get(name) as VirtualHost).line.policy.everyMs, look);
    }
    const begins = this.#nowMs;
    const beat = () => {
      if (!lives()) return;
      if (this.#nowMs < this.#pausedUntilMs) return this.#at(this.#pausedUntilMs, beat);
      this.#input({ kind: "clock" });
      if (this.#sense !== null && Math.round((this.#nowMs - begins) / 1_000) % 10 === 0) this.#input(this.#sense);
      this.#at(this.#nowMs + 1_000, beat);
    };
    beat();
  }

  #serving(host: VirtualHost): Exclude<Life, "flaps"> {
    if (host.off || this.#nowMs < host.bootedAtMs) return "silent";
    return host.life === "flaps" ? (host.looks % 2 === 0 ? "serves" : "frozen") : host.life;
  }

  #look(host: VirtualHost): void {
    host.looks += 1;
    const life = this.#serving(host);
    const { name, hash } = host.line.policy;
    const result = (probe: string, good: boolean): ProbeResult =>
      good ? { probe, outcome: "good", sign: "answer", evidence: probe === "ssh" ? "SSH-2.0" : "1 ms", latencyMs: 1 } : { probe, outcome: "bad", sign: life === "refuses" ? "refused" : "silent", evidence: life === "refuses" ? "connection refused" : "no answer within 1000 ms", latencyMs: 1_000 };
    const results = [result("ping", life !== "silent"), result("ssh", life === "serves")];
    if (host.line.policy.probes.some(({ id }) => id === "agent")) results.push(wordOf(life === "serves" ? host.word : "silent"));
    const startedAtMs = this.#now().bootMs;
    this.#input({ kind: "round", round: { host: name, hash, startedAtMs, endedAtMs: startedAtMs, references: this.#references, results } });
    if (life === "late") this.#later(2_000, { kind: "late", host: name, hash, startedAtMs, results: [{ probe: "ssh", outcome: "slow", sign: "answer", evidence: "SSH-2.0 after 2000 ms", latencyMs: 2_000 }] });
  }

  #now(): Now {
    return { bootMs: this.#nowMs - this.#bootedMs, wallMs: Date.UTC(2026, 0, 1) + this.#nowMs + this.#wallJumpMs, bootId: `boot-${this.#boot}`, synced: this.#synced };
  }

  #input(input: Input): void {
    if (!this.#alive) return;
    if (this.#nowMs < this.#pausedUntilMs) return this.#later(this.#pausedUntilMs - this.#nowMs, input);
    const { state, effects } = step(this.#state, input, this.#now(), this.#policyNow as Policy);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  /** An input that this life of the watcher gets after a while, if it lives. */
  #later(delayMs: number, what: Input | (() => Input | null)): void {
    const incarnation = this.#incarnation;
    this.#at(this.#nowMs + delayMs, () => {
      const input = incarnation !== this.#incarnation ? null : typeof what === "function" ? what() : what;
      if (input !== null) this.#input(input);
    });
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "tell":
        if (!this.#quiet.has(effect.told.kind)) this.#say(`${effect.told.kind}${effect.told.host === null ? "" : ` ${effect.told.host}`}: ${effect.told.because}`);
        return;
      case "store":
        return this.#commit(effect.txn, effect.guards, effect.writes);
      case "act": {
        const { outlet, action, act } = effect;
        const manner = this.#devices.manner(outlet.device);
        if (!manner.reachable) return this.#later(0, { kind: "acted", act, outcome: { kind: "failed", code: "POWER_UNREACHABLE", evidence: "connection refused" } });
        this.#acts.set(act, { outlet, action });
        // Read after the log-in, which may take its time.
        return this.#later(manner.slowMs, () => (this.#acts.has(act) ? { kind: "ready", act, ...this.#devices.reads(outletKey(outlet)) } : null));
      }
      case "fire":
        return this.#fire(effect);
      case "cancel":
        this.#acts.delete(effect.act);
        return this.#later(0, { kind: "acted", act: effect.act, outcome: { kind: "refused", by: "gate", evidence: effect.because } });
      case "read": {
        const { read, device } = effect;
        const startedAtMs = this.#now().bootMs;
        return this.#later(this.#devices.manner(device).slowMs, () => {
          const result = this.#devices.manner(device).reachable
            ? { ok: true as const, readings: effect.outlets.map((outlet) => ({ outlet, ...this.#devices.reads(`${device}/${outlet}`) })) }
            : { ok: false as const, code: "POWER_UNREACHABLE", evidence: "connection refused" };
          return { kind: "readings", read, device, startedAtMs, result };
        });
      }
      case "meter": {
        const { meter, device } = effect;
        const startedAtMs = this.#now().bootMs;
        const runs = (key: string): boolean => this.#devices.outlet(key).hosts.some((name) => this.#serving(this.#hosts.get(name) as VirtualHost) !== "silent");
        const told = effect.outlets.map((outlet) => ({ outlet, watts: this.#devices.draws(`${device}/${outlet}`, runs(`${device}/${outlet}`)) }));
        return this.#later(this.#devices.manner(device).meter.lateMs, () => {
          const result = this.#devices.manner(device).reachable ? { ok: true as const, draws: told } : { ok: false as const, code: "POWER_UNREACHABLE", evidence: "connection refused" };
          return { kind: "metered", meter, device, startedAtMs, result };
        });
      }
      case "touch": {
        const host = this.#hosts.get(effect.host);
        const answers = host !== undefined && this.#serving(host) !== "silent";
        return this.#later(0, { kind: "touched", touch: effect.touch, answered: answers ? "yes" : "no", evidence: answers ? "echo reply" : "nothing" });
      }
      case "remedy": {
        // A host whose sshd does not answer takes no word; one that refuses connections, or answers late, still does.
        const host = this.#hosts.get(effect.host);
        const done = host !== undefined && !host.off && (host.life === "refuses" || host.life === "late");
        this.#say(`! ${effect.remedy} at ${effect.host}`);
        if (done && host.line.cures) Object.assign(host, { life: "serves", bootedAtMs: this.#nowMs + host.line.backMs });
        return this.#later(1_000, { kind: "remedied", host: effect.host, remedy: effect.remedy, outcome: done ? "done" : "failed", evidence: done ? "exit 0" : "no answer within 10 s" });
      }
      case "order":
        return this.#order(effect);
      case "rouse": {
        const host = this.#hosts.get(effect.host);
        this.#say(`! wake-on-LAN to ${effect.host}`);
        if (host !== undefined && !host.off && this.#serving(host) === "silent" && host.line.cures) Object.assign(host, { life: "serves", bootedAtMs: this.#nowMs + host.line.backMs });
        return;
      }
      case "wake":
        return this.#wake(effect.key, effect.atMs + this.#bootedMs);
      case "reply":
        return this.#say(`= ${effect.exit}: ${effect.text}`);
      case "exit":
        this.#say(`exit: ${effect.because}`);
        this.#alive = false;
        return;
      case "alarm":
        return this.#say(`@ ${effect.alarm.severity} ${effect.alarm.alarm}${effect.again ? " (again)" : ""}: ${effect.alarm.done} ${effect.alarm.asked}`);
      case "alarm-over":
        return this.#say(`@ over ${effect.alarm.alarm}`);
      case "pace":
      case "incident":
        return;
    }
  }

  /** By a means that knows no order by its name: who may have been told before is not told again. */
  #order({ host: name, order, id, again }: Extract<Effect, { kind: "order" }>): void {
    const answer = (outcome: "done" | "failed" | "unknown", evidence: string) => this.#later(1_000, { kind: "ordered", host: name, order: id, outcome, evidence });
    if (again && order === "reboot") return answer("unknown", "it may have been told before, and cannot be asked");
    this.#say(`! ${order} ${name}`);
    if (this.#carriedOut.has(id) && order === "reboot") throw new Error(`order ${id} is carried out twice`);
    this.#carriedOut.add(id);
    if (this.#orders === "refused") return answer("failed", "exit 1");
    const host = this.#hosts.get(name);
    if (host !== undefined && !host.off && order === "reboot" && this.#orders === "heard") this.#at(this.#nowMs + DOWN_AFTER_MS, () => (host.bootedAtMs = this.#nowMs + host.line.backMs));
    return this.#orders === "lost" ? undefined : answer("done", "exit 0");
  }

  #commit(txn: number, guards: readonly { readonly key: RecordKey; readonly revision: number | null }[], writes: readonly Write[]): void {
    const sentMs = this.#now().bootMs;
    if (this.#storeFails) return this.#later(this.#storeSlowMs, { kind: "stored", txn, result: "failed", evidence: "disk full" });
    if (!guards.every((guard) => (this.#records.get(guard.key)?.revision ?? null) === guard.revision)) return this.#later(0, { kind: "stored", txn, result: "conflict", evidence: "revision" });
    this.#revision += 1;
    for (const { key, value } of writes) {
      if (value === null) this.#records.delete(key);
      else this.#records.set(key, { value, revision: this.#revision });
    }
    this.#later(this.#storeSlowMs, { kind: "stored", txn, result: "committed", revision: this.#revision, sentMs });
  }

  #fire({ act, sinceMs, withinMs }: Extract<Effect, { kind: "fire" }>): void {
    const asked = this.#acts.get(act);
    if (asked === undefined) return;
    this.#acts.delete(act);
    const ageMs = this.#now().bootMs - sinceMs;
    if (withinMs !== null && ageMs > withinMs) return this.#later(0, { kind: "acted", act, outcome: { kind: "stale", evidence: `${ageMs} ms had passed since the swap, more than ${withinMs} ms` } });
    const key = outletKey(asked.outlet);
    this.#say(`! ${asked.action} ${key}`);
    const { fate, effectMs } = this.#devices.command(asked.outlet.device);
    if (effectMs === 0) this.#edge(key, asked.action);
    else if (effectMs !== null) {
      this.#at(this.#nowMs + effectMs, () => {
        this.#say(`# ${key} turns ${asked.action}`);
        this.#edge(key, asked.action);
      });
    }
    const outcome: ActOutcome = fate === "accepted" ? { kind: "accepted", evidence: "E000: Success" } : fate === "cut" ? { kind: "unknown", evidence: "the connection broke" } : { kind: "refused", by: "device", evidence: "E102: Parameter Error" };
    this.#later(0, { kind: "acted", act, outcome });
  }

  #wake(key: string, atMs: number): void {
    const known = this.#wakes.get(key);
    if (known !== undefined && known <= atMs) return;
    this.#wakes.set(key, atMs);
    const incarnation = this.#incarnation;
    this.#at(Math.max(atMs, this.#nowMs), () => {
      if (incarnation !== this.#incarnation || this.#wakes.get(key) !== atMs) return;
      this.#wakes.delete(key);
      this.#input({ kind: "tick", key });
    });
  }

  #at(atMs: number, run: () => void): void {
    this.#sequence += 1;
    this.#queue.push({ atMs, order: this.#sequence, run });
  }

  #pop(untilMs: number): { atMs: number; run: () => void } | undefined {
    this.#queue.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    return (this.#queue[0]?.atMs ?? Infinity) <= untilMs ? this.#queue.shift() : undefined;
  }
}

/** What the probe `agent` finds; an agent is silent when its host is. */
function wordOf(word: Word): ProbeResult {
  const result = (outcome: ProbeResult["outcome"], sign: ProbeResult["sign"], evidence: string): ProbeResult => ({ probe: "agent", outcome, sign, evidence, latencyMs: 0 });
  if (word === "silent") return result("unknown", "not-run", "its agent is not connected");
  return word === "good" ? result("good", "answer", "storage:/: a write comes to the disk and back within 10 ms") : result("bad", "answer", "storage:/: a write has not reached the disk for 30 s (waits in io_schedule)");
}
