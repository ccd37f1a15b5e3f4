// Chaos: watchers and members of the store are killed, stopped and cut off at random while hosts wedge at random; at the end
// everything is mended, and the PDU's own log is judged: at most one off edge in an outage and in an incident, exactly one
// where the host stayed down, an on edge after each, none without an outage, never two sessions at once.
//
// A host that fell silent at another's off edge looks like a wrong cable, and is held for a person (safety.md §4.5): there is
// one who releases it when it was not that. An outage is what was truly done to a host, whatever watchers believe. The seed decides what is struck and for how long; what
// the machine makes of that differs from run to run. By hand: bin/node24 e2e/chaos.ts --minutes 30 --seed 7 --store zookeeper

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Fleet, FleetOptions, FleetWatcher, StoreMember } from "../lab/fleet.ts";
import { etcdStore, startFleet, together, zookeeperStore } from "../lab/fleet.ts";
import type { Mend } from "../lab/network-faults.ts";
import type { Wedge } from "../lab/virtual-host.ts";
import { Random } from "../sim/random.ts";
import type { ChaosReport, Outage } from "./chaos-verdict.ts";
import { judge, nowMs } from "./chaos-verdict.ts";
import { DEVICE, edgesAt, guardedEverywhere, logs, senderOf, SETTINGS, statusAt } from "./several.ts";
import { recordsOf, until } from "./watching.ts";

export type ChaosOptions = {
  readonly minutes: number;
  readonly seed: number;
  readonly fleet?: Partial<FleetOptions>;
  /** Told what happens, when it happens. */
  readonly say?: (line: string) => void;
};

const HOSTS = ["logos", "ethos", "pathos", "topos"];
const WEDGES: readonly Wedge[] = ["frozen", "sshd-stopped", "banner-silent", "link-down"];
const AT_ONCE = 2;
const GAP_MS = [400, 4_000] as const;
/** A host is left alone so long after it serves again. */
const REST_MS = [1_000, 9_000] as const;
const BY_HAND = 0.25;
/** Several acts that have to wait for each other, and a store or a PDU that is away meanwhile. */
const ENDS_WITHIN_MS = 90_000;
/** How long the person takes to come. */
const PERSON_MS = 4_000;
/** Everything is mended: whatever is owed or due has to happen within this. */
const QUIET_LIMIT_MS = 240_000;
/** One kind of fault. `strike` puts it in force and gives what ends it, or null where it makes no sense now. */
type Strike = { readonly name: string; readonly weight: number; readonly lastsMs: readonly [number, number]; strike(): Promise<Mend> | null };

/** Runs it and judges; throws with what was wrong. */
export async function chaos({ minutes, seed, fleet: given = {}, say = () => undefined }: ChaosOptions): Promise<ChaosReport> {
  const fleet = await startFleet({ hosts: HOSTS, settings: SETTINGS, device: DEVICE, ...given });
  const run = new Chaos(fleet, seed, say);
  let guilty = true;
  try {
    const report = await run.run(minutes * 60_000);
    guilty = false;
    return report;
  } catch (error) {
    writeFileSync(join(fleet.folder, "chaos.log"), `${run.timeline.join("\n")}\n`);
    writeFileSync(join(fleet.folder, "pdu.jsonl"), `${fleet.records.map((record) => JSON.stringify(record)).join("\n")}\n`);
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n${run.timeline.slice(-40).join("\n")}\n${logs(fleet, 15)}\nkept: ${fleet.folder}`, { cause: error });
  } finally {
    await run.end();
    await fleet.stop({ keep: guilty });
  }
}

class Chaos {
  readonly fleet: Fleet;
  readonly timeline: string[] = [];
  readonly outages: Outage[] = [];
  readonly faults = new Map<string, number>();
  readonly seed: number;
  readonly beganMs = nowMs();
  /** Ends of watchers that nobody meant. */
  readonly ends: string[] = [];
  readonly #say: (line: string) => void;
  /** Watchers that are meant to run; the others are down on purpose. */
  readonly #wanted = new Set<FleetWatcher>();
  /** What is being done to a watcher or member; one thing at a time. */
  readonly #struck = new Set<string>();
  /** Holds that the person took back, by what they were for. */
  readonly released = new Map<string, number>();
  /** Hosts that one watcher does not reach: one at most, so that two of three judge rightly. */
  readonly #unseen = new Set<string>();
  #raging = true;
  #over = false;
  readonly #supervisors: Promise<void>[] = [];

  constructor(fleet: Fleet, seed: number, say: (line: string) => void) {
    this.fleet = fleet;
    this.seed = seed;
    this.#say = say;
    fleet.onRecord((record) => {
      if (record.kind === "edge") this.note(`outlet ${record.outlet} ${record.state} by ${senderOf(fleet, record)}`);
      if (record.kind === "no-edge") this.note(`outlet ${record.outlet} was ${record.state} already`);
    });
  }

  note(text: string): void {
    const line = `${((nowMs() - this.beganMs) / 1_000).toFixed(1).padStart(7)}  ${text}`;
    this.timeline.push(line);
    this.#say(line);
  }

  async run(forMs: number): Promise<ChaosReport> {
    const { fleet } = this;
    for (const watcher of fleet.watchers) {
      this.#wanted.add(watcher);
      this.#supervisors.push(this.#supervise(watcher));
    }
    await guardedEverywhere(fleet);
    this.note("guarded everywhere: it begins");
    const endMs = nowMs() + forMs;
    this.#supervisors.push(this.#release());
    await Promise.all([this.#rage(endMs), ...[...fleet.hosts.keys()].map((host) => this.#torment(host, endMs))]);
    this.note("all is mended");
    await guardedEverywhere(fleet, undefined, QUIET_LIMIT_MS);
    await fleet.pdu.idle();
    return judge(fleet, this);
  }

  async end(): Promise<void> {
    this.#over = true;
    this.#wanted.clear();
    await Promise.all(this.fleet.watchers.map((watcher) => watcher.kill()));
    await Promise.all(this.#supervisors);
  }

  /** What systemd does: started again after a second, whatever its end was. */
  async #supervise(watcher: FleetWatcher): Promise<void> {
    while (!this.#over) {
      if (!this.#wanted.has(watcher)) {
        await sleep(50);
        continue;
      }
      const { ended } = watcher.spawn();
      const { code, signal } = await ended;
      if (this.#over || !this.#wanted.has(watcher)) continue;
      this.note(`${watcher.name} ended by itself: ${code ?? signal}`);
      // 69: it found no store at its start. Anything else is a fault of its own.
      if (code !== 69) this.ends.push(`${watcher.name} ended by itself with ${code ?? signal}:\n${watcher.tail(8)}`);
      await sleep(1_000);
    }
  }

  /** The person who is called: looks, and releases what is held although nobody has cut it in this outage. */
  async #release(): Promise<void> {
    for (; !this.#over; await sleep(1_000)) {
      for (const watcher of this.fleet.watchers) {
        const status = await statusAt(watcher);
        if (status?.store?.ok !== true) continue;
        for (const host of status.hosts) {
          const outage = this.outages.findLast((each) => each.host === host.host);
          const cut = outage !== undefined && outage.toMs === Infinity && edgesAt(this.fleet, host.host).some((edge) => edge.monoMs > outage.fromMs);
          if (host.held === null || host.operation !== null || cut || Date.now() - Date.parse(host.held.since) < PERSON_MS) continue;
          const { code } = await watcher.upkeep("release", host.host);
          this.note(`a person releases ${host.host}, held (${host.held.kind}): ${host.held.because}: exit ${code}`);
          if (code === 0) this.released.set(host.held.kind, (this.released.get(host.held.kind) ?? 0) + 1);
        }
        break;
      }
    }
  }

  async #rage(endMs: number): Promise<void> {
    const random = new Random(this.seed, "strikes");
    const strikes = this.#strikes(random);
    const active = new Set<Promise<void>>();
    while (!this.#over && nowMs() < endMs) {
      await sleep(random.whole(...GAP_MS));
      if (active.size >= AT_ONCE) continue;
      const { name, lastsMs, strike } = random.weigh(strikes.map((each) => [each.weight, each] as const));
      const struck = strike();
      if (struck === null) continue;
      this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
      const mended = (async () => {
        const mend = await struck;
        const end = nowMs() + random.whole(...lastsMs);
        while (this.#raging && nowMs() < end) await sleep(50);
        await mend();
      })();
      active.add(mended);
      const done = (): void => void active.delete(mended);
      mended.then(done, done);
    }
    this.#raging = false;
    await Promise.all(active);
  }

  /** One host's life: well, wedged, cut or mended by hand, well. */
  async #torment(host: string, endMs: number): Promise<void> {
    const random = new Random(this.seed, host);
    const machine = this.fleet.host(host);
    for (;;) {
      await sleep(random.whole(...REST_MS));
      // A second illness within one incident would be held for a person: that it is over is a watcher's word.
      while (!this.#over && nowMs() < endMs && !(await this.#isCalm(host))) await sleep(300);
      if (this.#over || nowMs() >= endMs) return;
      const wedge = random.pick(WEDGES);
      const edges = machine.edges.length;
      await machine.serving();
      await machine.wedge(wedge);
      const outage: Outage = { host, wedge, fromMs: nowMs(), byHand: false, toMs: Infinity };
      this.outages.push(outage);
      this.note(`${host} is wedged (${wedge})`);
      const mendMs = random.chance(BY_HAND) ? random.whole(500, 9_000) : Infinity;
      await until(`${host} is cut and on again, or mended by hand`, async () => {
        if (this.#over) throw new Error("it is over");
        if (nowMs() - outage.fromMs >= mendMs && machine.powered && machine.wedged !== null) {
          await machine.heal();
          // It may have been cut in this very moment.
          outage.byHand = machine.edges.length === edges;
          if (outage.byHand) return true;
        }
        return machine.edges.length >= edges + 2 && machine.powered;
      }, Math.max(0, endMs - nowMs()) + QUIET_LIMIT_MS, 20);
      await until(`${host} serves`, () => machine.serving().then(() => true, () => false), QUIET_LIMIT_MS, 100);
      outage.toMs = nowMs();
      this.note(`${host} serves again${outage.byHand ? ", mended by hand" : ""}`);
    }
  }

  async #isCalm(name: string): Promise<boolean> {
    for (const watcher of this.fleet.watchers) {
      const status = await statusAt(watcher);
      if (status === null || status.store?.ok === false) continue;
      const host = status.hosts.find((each) => each.host === name);
      return host !== undefined && host.verdict === "up" && host.incident === null && host.operation === null && this.fleet.host(name).powered;
    }
    return false;
  }

  #strikes(random: Random): readonly Strike[] {
    const { fleet } = this;
    const { faults, store, watchers } = fleet;
    const any = <Value>(list: readonly Value[]): Value => random.pick(list);
    /** One at a time for each name; two of three watchers are left alone at most once at a time, members rarely. */
    const on = (name: string, what: string, act: () => Promise<Mend>): Promise<Mend> | null => {
      if (this.#struck.has(name)) return null;
      this.#struck.add(name);
      this.note(`${name}: ${what}`);
      return (async () => {
        const mend = await act();
        return async () => {
          await mend();
          this.#struck.delete(name);
          this.note(`${name}: mended`);
        };
      })();
    };
    const onWatcher = (what: string, act: (watcher: FleetWatcher) => Promise<Mend>): Promise<Mend> | null => {
      const watcher = any(watchers);
      return on(watcher.name, what, () => act(watcher));
    };
    const onMember = (what: string, act: (member: StoreMember) => Promise<Mend>): Promise<Mend> | null => {
      const member = any(store.members);
      // A store without its quorum is one case of many.
      if (store.members.some((each) => this.#struck.has(each.name)) && !random.chance(0.25)) return null;
      return on(member.name, what, () => act(member));
    };
    const down = async (watcher: FleetWatcher): Promise<Mend> => async () => void this.#wanted.add(watcher);
    const wayOf = (from: string, to: string): Promise<Mend> => any([() => faults.part(from, to), () => faults.cut(from, to), () => faults.cut(to, from)])();
    return [
      { name: "kill -9 of a watcher", weight: 4, lastsMs: [0, 8_000], strike: () => onWatcher("kill -9", async (watcher) => {
        this.#wanted.delete(watcher);
        await watcher.kill();
        return down(watcher);
      }) },
      { name: "SIGTERM of a watcher", weight: 1, lastsMs: [0, 3_000], strike: () => onWatcher("SIGTERM", async (watcher) => {
        this.#wanted.delete(watcher);
        // What is past off it brings to on before it ends, however long that takes with what lies around; it does not hang.
        const ended = await Promise.race([watcher.terminate(), sleep(ENDS_WITHIN_MS).then(() => null)]);
        // One that had not come to listen to it yet simply ends.
        if (ended === null || (ended.code !== 0 && ended.signal !== "SIGTERM")) this.ends.push(`${watcher.name}: ${ended === null ? `still there ${ENDS_WITHIN_MS / 1_000} s after SIGTERM` : `SIGTERM ended it with ${ended.code ?? ended.signal}`}:\n${watcher.tail(8)}`);
        await watcher.kill();
        return down(watcher);
      }) },
      { name: "SIGSTOP of a watcher", weight: 4, lastsMs: [300, 14_000], strike: () => onWatcher("SIGSTOP", async (watcher) => {
        watcher.pause();
        return async () => watcher.resume();
      }) },
      { name: "kill -9 of the watcher in charge during an operation", weight: 4, lastsMs: [0, 6_000], strike: () => this.#onActor("kill -9 in the middle", async (watcher) => {
        this.#wanted.delete(watcher);
        await watcher.kill();
        return down(watcher);
      }, on) },
      { name: "SIGSTOP of the watcher in charge during an operation", weight: 4, lastsMs: [1_000, 14_000], strike: () => this.#onActor("SIGSTOP in the middle", async (watcher) => {
        watcher.pause();
        return async () => watcher.resume();
      }, on) },
      { name: "watcher cut off from the store", weight: 3, lastsMs: [500, 10_000], strike: () => onWatcher("cut off from the store", async (watcher) => together(await Promise.all(store.members.map((member) => wayOf(watcher.node.name, member.name))))) },
      { name: "watcher cut off from the PDU", weight: 3, lastsMs: [500, 10_000], strike: () => onWatcher("cut off from the PDU", (watcher) => wayOf(watcher.node.name, "sucker")) },
      { name: "watcher cut off from a host", weight: 2, lastsMs: [500, 12_000], strike: () => {
        const host = any([...fleet.hosts.keys()]);
        if (this.#unseen.has(host)) return null;
        return onWatcher(`cut off from ${host}`, async (watcher) => {
          this.#unseen.add(host);
          const mend = await wayOf(watcher.node.name, host);
          return async () => {
            await mend();
            this.#unseen.delete(host);
          };
        });
      } },
      { name: "watcher cut off from the gateway", weight: 1, lastsMs: [500, 10_000], strike: () => onWatcher("cut off from the gateway", (watcher) => faults.part(watcher.node.name, "gateway")) },
      { name: "watcher's cable out", weight: 2, lastsMs: [500, 10_000], strike: () => onWatcher("cable out", (watcher) => faults.pullCable(watcher.node.name)) },
      { name: "loss between watcher, store and PDU", weight: 2, lastsMs: [1_000, 12_000], strike: () => onWatcher("30 % lost", async (watcher) => together(await Promise.all(
        ["sucker", ...store.members.map((member) => member.name)].flatMap((other) => [faults.lose(watcher.node.name, other, 0.3), faults.lose(other, watcher.node.name, 0.3)])))) },
      { name: "kill -9 of a member of the store", weight: 2, lastsMs: [500, 7_000], strike: () => onMember("kill -9", async (member) => {
        await member.kill();
        return () => member.start();
      }) },
      { name: "SIGSTOP of a member of the store", weight: 2, lastsMs: [500, 7_000], strike: () => onMember("SIGSTOP", async (member) => {
        await member.freeze();
        return async () => member.thaw();
      }) },
      { name: "member of the store cut off from the others", weight: 2, lastsMs: [500, 8_000], strike: () => onMember("cut off from the others", (member) => store.isolate(member.name)) },
    ];
  }

  /** The one that has a session at the PDU and a host in its hands; found in the PDU's log. */
  #onActor(what: string, act: (watcher: FleetWatcher) => Promise<Mend>, on: (name: string, what: string, act: () => Promise<Mend>) => Promise<Mend> | null): Promise<Mend> | null {
    const { fleet } = this;
    const dark = [...fleet.hosts.values()].some((host) => !host.powered || host.wedged !== null);
    const login = recordsOf(fleet.records.slice(-200), "login").at(-1);
    const actor = login === undefined ? undefined : fleet.watchers.find((each) => each.node.name === fleet.peer(login.connection));
    if (!dark || actor === undefined) return null;
    return on(actor.name, what, () => act(actor));
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "2" }, store: { type: "string", default: "etcd" }, seed: { type: "string", default: String(Date.now() % 100_000) }, quiet: { type: "boolean", default: false } } });
  const say = values.quiet ? () => undefined : (line: string) => void process.stdout.write(`${line}\n`);
  const { lines } = await chaos({ minutes: Number(values.minutes), seed: Number(values.seed), say, fleet: { store: values.store === "zookeeper" ? zookeeperStore : etcdStore } });
  process.stdout.write(`${lines.join("\n")}\n`);
}
