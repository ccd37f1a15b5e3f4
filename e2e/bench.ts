// A site for one outage after the other: four process hosts, a virtual PDU in this process, a real watcher, everything as
// quick as it may be configured. An outage is: a host freezes, something is struck at a chosen moment (the watcher killed,
// the cable cut), and at the end the world is judged: the host is back, its outlet went off once and on once, no other
// outlet moved, and never two connections were open at the device.
//
// The hosts take turns, so that the brakes debounce and boot stay on and still hold nobody up.

import assert from "node:assert/strict";
import type { ApcPdu, ApcPduOptions, LogRecord } from "../lab/apc-pdu.ts";
import { startRig } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import { inOrder } from "../lab/virtual-host.ts";
import type { Incident } from "./watching.ts";
import { assertPolite, edgesOf, guarded, incidentsOf, overlapsOf, recordsOf, until, Watching } from "./watching.ts";

export type Dialect = ApcPduOptions["dialect"];

export const EVERY_MS = 500;
export const TIMEOUT_MS = 450;
export const THRESHOLD = 3;
/** The bound of one whole action, `deadline` in the configuration. */
export const MAX_ACT_MS = 2_000;
/** What a busy machine may add to any of the watcher's own times. */
export const BUSY_MS = 4_000;

const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s, perHour: 100000, perHost: { cycles: 100, within: 0s } }
defaults: { every: ${EVERY_MS}ms, timeout: ${TIMEOUT_MS}ms, threshold: ${THRESHOLD}, debounce: 4s, boot: 14s, offFor: 0s, healthyFor: 200ms, settle: 1s, offConfirm: 4s, onConfirm: 4s }
`;
/**
 * For outages in which a watcher is killed: an off that is waited for. A start that a busy machine draws out must not use up
 * the time that the off has, which goes on while nobody watches.
 */
export const PATIENT: BenchOptions = { settings: SETTINGS.replace("offConfirm: 4s", "offConfirm: 20s") };
const HOSTS = ["logos", "ethos", "pathos", "topos"] as const;
/** One whose power could not be reached is tried again after a minute: where the machine is so busy that a device is silent. */
const OUTAGE_LIMIT_MS = 240_000;
const ASK_EVERY_MS = 250;

/** A start costs most of a second of a core: many at once would only be late together. */
const oneStartAtATime = inOrder();

/** Puts its hooks or faults in place; told what the device has received in its life until now. */
export type Strike = (bench: Bench, before: { readonly lines: number; readonly bytes: number }) => void;

export type Outage = {
  readonly host: string;
  readonly outlet: number;
  readonly records: readonly LogRecord[];
  /** From the host's death to the relay. */
  readonly offAfterMs: number | null;
  /** Watchers that were started during it. */
  readonly starts: number;
};

export type BenchOptions = {
  readonly settings?: string;
  readonly pdu?: Partial<ApcPduOptions>;
};

export class Bench {
  readonly rig: Rig;
  readonly pdu: ApcPdu;
  watching: Watching | null = null;
  /** Unix milliseconds at which the last watcher said that it is ready. */
  readyMs = 0;
  /** Everything that watchers of this bench wrote, for whoever looks for a secret. */
  written = "";
  #turn = 0;
  #starts = 0;
  #starting: Promise<void> | null = null;
  /** Whether a watcher that ends is started again at once. */
  keepAlive = true;

  private constructor(rig: Rig, pdu: ApcPdu) {
    this.rig = rig;
    this.pdu = pdu;
  }

  static start(dialect: Dialect, more: BenchOptions = {}): Promise<Bench> {
    return oneStartAtATime(() => Bench.#start(dialect, more));
  }

  static async #start(dialect: Dialect, more: BenchOptions): Promise<Bench> {
    const rig = await startRig({
      hosts: HOSTS, kind: "processes", bootMs: 0, pdu: { dialect, outlets: 5, password: "apc", ...more.pdu }, settings: more.settings ?? SETTINGS, device: `check: 10s, timeout: 1s, deadline: ${MAX_ACT_MS}ms`,
      probes: (host) => `[{ ssh: { port: ${host.sshPort} } }]`,
    });
    const bench = new Bench(rig, rig.pdu as ApcPdu);
    try {
      await bench.begin();
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return bench;
  }

  /** Starts a watcher where none runs; resolves when it is ready. */
  begin(): Promise<void> {
    this.#starting ??= (async () => {
      try {
        this.#starts += 1;
        const watching = new Watching(this.rig.watch());
        this.watching = watching;
        void watching.ended.then(() => (this.written += watching.stdout + watching.stderr));
        await watching.ready();
        this.readyMs = Date.now();
      } finally {
        this.#starting = null;
      }
    })();
    return this.#starting;
  }

  /** `kill -9`, and the next one at once. Resolves when the old one is gone. */
  async killAndRestart(): Promise<void> {
    const { watching } = this;
    this.watching = null;
    await watching?.kill();
    if (this.keepAlive) this.begin().catch(() => undefined);
  }

  /** One outage from freeze to judgement. */
  async outage(strike: Strike = () => undefined): Promise<Outage> {
    const { rig, pdu } = this;
    const host = HOSTS[this.#turn % HOSTS.length] as string;
    this.#turn += 1;
    const outlet = rig.outlet(host);
    await this.rest([host]);
    const known = new Set((await incidentsOf(rig)).map((each) => each.incident));
    const mark = pdu.log.records.length;
    const { lines, bytes } = pdu.state();
    this.#starts = 0;
    strike(this, { lines, bytes });
    const diedMs = Date.now();
    await rig.host(host).wedge("frozen");
    let fresh: readonly Incident[] = [];
    const isOver = async (): Promise<boolean> => {
      if (this.keepAlive && this.#starting === null && (this.watching === null || this.watching.over !== null)) await this.begin().catch(() => undefined);
      // The world is looked at often, the watcher is asked seldom: its answers cost more than its work.
      if (!rig.host(host).powered || rig.host(host).wedged !== null || !edgesOf(pdu.log.records.slice(mark)).includes(`${outlet} on`)) return false;
      fresh = (await incidentsOf(rig, host)).filter((each) => !known.has(each.incident));
      return fresh.length > 0 && fresh.every((each) => each.ended !== null);
    };
    await until(`${host} is back in service`, isOver, OUTAGE_LIMIT_MS, ASK_EVERY_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}; incidents ${fresh.map((each) => each.outcome).join(", ")}; edges ${edgesOf(pdu.log.records.slice(mark)).join(", ")}\n${this.watching?.tail(40)}`);
    });
    Object.assign(pdu.hooks, { onByte: null, onLine: null });
    await pdu.idle();
    const records = pdu.log.records.slice(mark);
    const off = recordsOf(records, "edge").find((edge) => edge.state === "off");
    const outage = { host, outlet, records, offAfterMs: off === undefined ? null : off.wallMs - diedMs, starts: this.#starts };
    this.#explained(() => {
      assert.deepEqual(edgesOf(records), [`${outlet} off`, `${outlet} on`], "exactly one off and one on, at this outlet alone");
      assert.deepEqual(fresh.map((each) => each.outcome), ["recovered"], "one incident, recovered");
      assertPolite(records);
    });
    return outage;
  }

  /** These hosts are guarded, and whoever wants something of the device has to log in: what the watcher kept has died unnoticed. */
  async rest(hosts: readonly string[] = HOSTS): Promise<void> {
    if (this.watching === null || this.watching.over !== null) await this.begin();
    await guarded(this.rig, hosts).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.watching?.tail(30)}`);
    });
    this.pdu.dropSessions();
    await until("the device's session is free", () => this.pdu.state().connections === 0 && this.pdu.state().sessions === 0, 10_000);
  }

  /** True of the device in its whole life. */
  assertOneSession(): void {
    assert.deepEqual(overlapsOf(this.pdu.log.records), []);
    assert.ok(this.pdu.state().sessionsMax <= 1);
  }

  async stop(): Promise<void> {
    this.keepAlive = false;
    await this.#starting?.catch(() => undefined);
    await this.rig.stop();
  }

  #explained(check: () => void): void {
    try {
      check();
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${this.watching?.tail(60)}`, { cause: error });
    }
  }
}

/** Works through a list with so many benches at once; what fails is collected, so that one bad point does not hide the next. */
export async function inParallel<Point>(benches: number, dialect: Dialect, points: Iterator<Point>, work: (bench: Bench, point: Point) => Promise<void>, judge: (bench: Bench) => void = (bench) => bench.assertOneSession(), more: BenchOptions = {}): Promise<void> {
  const failures: string[] = [];
  const lane = async (): Promise<void> => {
    let bench: Bench | null = null;
    try {
      for (let next = points.next(); next.done !== true; next = points.next()) {
        bench ??= await Bench.start(dialect, more);
        try {
          await work(bench, next.value);
        } catch (error) {
          failures.push(`${dialect} at ${JSON.stringify(next.value)}: ${error instanceof Error ? error.message : String(error)}`);
          // What is left after a failure would only confuse the next point.
          await bench.stop();
          bench = null;
          if (failures.length > 5) return;
        }
      }
      if (bench !== null) judge(bench);
    } catch (error) {
      failures.push(`${dialect}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await bench?.stop();
    }
  };
  await Promise.all(Array.from({ length: benches }, lane));
  assert.equal(failures.length, 0, failures.join("\n\n"));
}
