// Keeps services running on this host. Each has its own round: look, decide (core/keep.ts), write down what is about to be done, do it,
// decide again on what came of it. A service's acts never overlap, and one that hangs holds up no other.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HELD_SUFFIX, RELEASED_SUFFIX } from "../../config/agent/keep.ts";
import type { KeepService } from "../../config/agent/keep.ts";
import { keep as step, nextLookMs } from "../../core/keep.ts";
import type { KeepEffect, KeepInput, KeepRecord, KeepTurn, KeepWord, Seen } from "../../core/keep.ts";
import type { Icmp } from "../../probes/probe.ts";
import type { PartWorld } from "../part.ts";
import { definePart } from "../part.ts";
import { command, leftBehind } from "./command.ts";
import { container } from "./container.ts";
import type { Done, Kept, KeptWorld } from "./kept.ts";
import { readRecord, writeRecord } from "./record-file.ts";
import { runtimeFolder } from "./runtime-folder.ts";
import { underSystemd } from "./run.ts";
import { serving } from "./serving.ts";
import type { Serving } from "./serving.ts";
import { unit } from "./unit.ts";

export type KeepOptions = { readonly services: readonly KeepService[] };

const WRITE_LIMIT_MS = 2_000;
const LEFT_EVERY_MS = 60_000;

export const keep = definePart<KeepOptions>({
  name: "keep",
  start(world) {
    const aborter = new AbortController();
    let icmp: Promise<Icmp> | undefined;
    const openIcmp = (): Promise<Icmp> => (icmp ??= import("../../probes/ping.ts").then((module) => module.openIcmp()));
    const rounds: Round[] = [];
    const runs = (name: string): boolean => rounds.find((round) => round.name === name)?.serves === true;
    const folder = runtimeFolder(world.folder);
    for (const service of world.options.services) rounds.push(new Round(service, world, { signal: aborter.signal, folder, runs, openIcmp }));
    for (const round of rounds) round.begin();
    const stopTelling = tellOfLeft(world, folder);
    return {
      stop: async () => {
        stopTelling();
        aborter.abort();
        await Promise.all(rounds.map((round) => round.ended));
        await icmp?.then((opened) => opened.close());
      },
    };
  },
});

/** Of commands that were taken out of the configuration and run on: whether they are still wanted, only a person knows. */
function tellOfLeft(world: PartWorld<KeepOptions>, folder: string): () => void {
  const names = new Set(world.options.services.filter(({ kept }) => kept.kind === "command").map(({ policy }) => policy.name));
  let told: readonly string[] = [];
  let takeBack = (): void => {};
  const look = (): void => {
    const left = leftBehind(folder, names, world.now().bootId);
    for (const { name, pid, unit } of left) world.report({ subject: `keep:left:${name}`, verdict: "warn", because: `a command that was kept under this name runs on as process ${pid}, and nobody keeps it any more: end it (${underSystemd() ? `systemctl stop ${unit}` : `kill ${pid}`}) or configure it again`, mayCut: false });
    for (const name of told) if (!left.some((each) => each.name === name)) world.forget(`keep:left:${name}`);
    told = left.map(({ name }) => name);
    takeBack = world.at(world.now().bootMs + LEFT_EVERY_MS, look);
  };
  look();
  return () => takeBack();
}

type Around = { readonly signal: AbortSignal; /** Of what runs and what was begun, in this boot. */ readonly folder: string; runs(name: string): boolean; openIcmp(): Promise<Icmp> };

class Round {
  readonly name: string;
  /** What it was found to be last. */
  serves = false;
  ended: Promise<void> = Promise.resolve();
  readonly #service: KeepService;
  readonly #world: PartWorld<KeepOptions>;
  readonly #around: Around;
  readonly #kept: Kept;
  #serving: Serving | null = null;
  #record: KeepRecord | null = null;
  #written = "";
  /** Why its last start, or stop, came to nothing. */
  #failure: string | null = null;
  #said = "";
  #heldBy: string | null = null;

  constructor(service: KeepService, world: PartWorld<KeepOptions>, around: Around) {
    this.name = service.policy.name;
    this.#service = service;
    this.#world = world;
    this.#around = around;
    this.#kept = driverOf(service, { ...world, folder: around.folder });
  }

  begin(): void {
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    const { signal } = this.#around;
    try {
      this.#serving = await serving(this.#service, this.#world.host, () => this.#around.openIcmp(), this.#world);
      this.#record = step(await readRecord(this.#recordPath(), this.#world.now().bootId), { kind: "resumed" }, this.#nowMs(), this.#service.policy).record;
    } catch (error) {
      this.#tell({ verdict: "unknown", because: error instanceof Error ? error.message : String(error) });
      return;
    }
    while (!signal.aborted) {
      await this.#look();
      await this.#until(nextLookMs(this.#record, this.#nowMs(), this.#service.everyMs));
    }
  }

  /** One look and all that comes of it. */
  async #look(): Promise<void> {
    const { signal } = this.#around;
    if (existsSync(this.#path(RELEASED_SUFFIX))) {
      rmSync(this.#path(RELEASED_SUFFIX), { force: true });
      await this.#take({ kind: "release" });
    }
    const seen = await this.#see();
    if (signal.aborted) return;
    this.serves = seen.state === "up" && (seen.health === "good" || seen.health === "none");
    const held = this.#held();
    // Its finding may have been a warning before, too.
    if (held !== this.#heldBy) this.#world.say("info", `keep ${this.name}: ${held ?? "released"}`);
    this.#heldBy = held;
    const input: KeepInput = { kind: "look", seen, held };
    if (this.#world.dryRun) return this.#pretend(input);
    let effect = await this.#take(input);
    while (effect !== null && !signal.aborted) {
      const done = await this.#do(effect);
      // Cut short by our own end: what became of it is not known, and the record says that it was begun.
      if (signal.aborted) return;
      effect = await this.#take({ kind: effect.kind === "stop" ? "stopped" : "started", ...done });
    }
  }

  /** What would be done is told; the record stays as it is, since nothing came of it. */
  #pretend(input: KeepInput): void {
    const { effect, word, record } = step(this.#record as KeepRecord, input, this.#nowMs(), this.#service.policy);
    this.#record = effect === null ? record : { ...record, phase: "watching", dueMs: null, ours: false };
    this.#tell(effect === null ? word : { verdict: "warn", because: `would ${effect.kind} it (dry run): ${effect.because}` });
  }

  async #see(): Promise<Seen> {
    try {
      const looked = await this.#kept.look(this.#around.signal);
      // That it does not run is known; why is what a person asks.
      if (looked.state === "down" && this.#failure !== null) return { ...looked, health: "none", evidence: `${looked.evidence}; ${this.#failure}` };
      if (looked.state !== "up" || this.#serving === null) return { ...looked, health: "none" };
      const { health, evidence } = await this.#serving(this.#around.signal);
      return { state: "up", health, evidence: health === "good" ? looked.evidence : evidence };
    } catch (error) {
      return { state: "unknown", health: "none", evidence: error instanceof Error ? error.message : String(error) };
    }
  }

  async #do({ kind, because }: KeepEffect): Promise<Done> {
    this.#world.say("warning", `keep ${this.name}: ${kind}: ${because}`);
    let done: Done;
    try {
      done = await this.#kept[kind](this.#around.signal);
    } catch (error) {
      done = { ok: false, evidence: error instanceof Error ? error.message : String(error) };
    }
    const failure = done.ok ? null : `its last ${kind} failed: ${done.evidence}`;
    if (failure !== null && failure !== this.#failure) this.#world.say("warning", `keep ${this.name}: ${failure}`);
    this.#failure = failure;
    return done;
  }

  /** Written down before it is returned, so that whoever comes after us knows what was begun. */
  async #take(input: KeepInput): Promise<KeepEffect | null> {
    const turn: KeepTurn = step(this.#record as KeepRecord, input, this.#nowMs(), this.#service.policy);
    this.#record = turn.record;
    this.#tell(turn.word);
    await this.#write(turn.record);
    return turn.effect;
  }

  async #write(record: KeepRecord): Promise<void> {
    const text = JSON.stringify(record);
    if (text === this.#written) return;
    try {
      await limited(writeRecord(this.#recordPath(), this.#world.now().bootId, record), WRITE_LIMIT_MS);
      this.#written = text;
    } catch (error) {
      // A full disk is no reason to let a service lie; counts would start again with the next agent.
      const why = `keep ${this.name}: its record cannot be written: ${error instanceof Error ? error.message : String(error)}`;
      if (this.#said !== why) this.#world.say("warning", why);
      this.#said = why;
    }
  }

  #held(): string | null {
    const path = this.#path(HELD_SUFFIX);
    if (existsSync(path)) {
      let why = "";
      try {
        why = readFileSync(path, "utf8").trim().slice(0, 200);
      } catch {
        // That it is there is what counts.
      }
      return `held${why === "" ? "" : `: ${why}`} (upkeep agent release ${this.name})`;
    }
    const waitsFor = this.#service.after.find((other) => !this.#around.runs(other));
    return waitsFor === undefined ? null : `waits for ${waitsFor}`;
  }

  #tell(word: KeepWord | null): void {
    if (word !== null) this.#world.report({ subject: `keep:${this.name}`, ...word, mayCut: false });
  }

  #recordPath(): string {
    return join(this.#around.folder, `${this.name}.json`);
  }

  /** Of what people say, also over a reboot. */
  #path(suffix: string): string {
    return join(this.#world.folder, `${this.name}${suffix}`);
  }

  #nowMs(): number {
    return this.#world.now().bootMs;
  }

  #until(atMs: number): Promise<void> {
    const { signal } = this.#around;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#world.at(atMs, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}

function driverOf({ kept, startMs, stopMs, policy }: KeepService, world: KeptWorld): Kept {
  const limits = { startMs, stopMs };
  switch (kept.kind) {
    case "unit": return unit(kept.name, world, limits);
    case "command": return command(policy.name, kept, world, limits);
    case "docker":
    case "podman":
    case "lxc": return container(kept.kind, kept.name, world, limits);
  }
}

function limited<T>(work: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no end within ${limitMs} ms`)), limitMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
