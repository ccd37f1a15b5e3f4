// What every power driver must do, whatever it speaks: the port's contract (power.ts) as tests. A driver's own tests call
// `powerConformance` with a rig around a real program or a virtual device. The rig tells the truth about the device; what the
// driver says is compared with it and never believed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { UpkeepError } from "../core/errors.ts";
import type { Fire, PowerDevice, PowerSession, Reading, SetOutcome } from "./power.ts";

export type PowerRig = {
  readonly device: PowerDevice;
  /** Two outlets that are on when the rig starts; the same twice where the device has one output. */
  readonly outlet: string;
  readonly other: string;
  /** A name that no outlet has. */
  readonly unknown: string;
  /** Must never be seen in evidence or in an error. */
  readonly secrets: readonly string[];
  /** Every switching command that reached the device, in order: `off 2`. */
  commands(): readonly string[];
  /** What the outlet really is, once effects under way are over. */
  truth(outlet: string): Promise<"on" | "off">;
  /** The next command is done, and its answer is lost. */
  loseAnswer(): void;
  /** The next command gets lost on its way. */
  loseCommand(): void;
  /** The device says nothing more. */
  hang(): void;
  close(): Promise<void>;
};

/** No call may last longer after its abort. Generous: the machine may be busy; a driver that waits for its step is far slower. */
const PROMPT_MS = 2_000;
const EVIDENCE_MAX = 1_000;

/** Registers the tests. `stepMs` of the rig's device should be 10 s or more, except in `makeHasty`'s, where waiting out a step is the point. */
export function powerConformance(name: string, make: () => Promise<PowerRig>, makeHasty: () => Promise<PowerRig>, skip: string | false = false): void {
  const check = (what: string, body: (rig: PowerRig, session: PowerSession) => Promise<void>, making = make): void => {
    test(`${name}: ${what}`, { skip }, async () => {
      const rig = await making();
      try {
        const session = await rig.device.open(AbortSignal.timeout(60_000));
        try {
          await body(rig, session);
        } finally {
          await session.close();
        }
      } finally {
        await rig.close();
      }
    });
  };

  check("reads outlets in the order asked, each as often as asked", async (rig, session) => {
    const readings = await session.read([rig.other, rig.outlet, rig.other], forever());
    assert.deepEqual(readings.map((reading) => [reading.outlet, reading.state]), [[rig.other, "on"], [rig.outlet, "on"], [rig.other, "on"]]);
    assert.deepEqual(await session.read([], forever()), []);
    assert.deepEqual(rig.commands(), []);
  });

  check("knows no outlet that the device does not have", async (rig, session) => {
    const gate = new Gate("open");
    await assert.rejects(session.set(rig.unknown, "off", gate.fire, forever()), hasCode("POWER_OUTLET"));
    assert.equal(gate.asked, 0);
    assert.deepEqual(rig.commands(), []);
    const next = await session.read([rig.outlet], forever());
    assert.equal(next[0]?.state, "on", "a wrong name must not spoil the session");
  });

  check("switches off and on: reads, asks the gate once, sends only then", async (rig, session) => {
    for (const [action, before] of [["off", "on"], ["on", "off"]] as const) {
      const sent = rig.commands().length;
      const gate = new Gate("open", () => assert.equal(rig.commands().length, sent, "nothing is sent before the gate opens"));
      const outcome = await session.set(rig.outlet, action, gate.fire, forever());
      assert.equal(outcome.kind, "accepted", outcome.evidence);
      clean(outcome, rig);
      assert.equal(gate.asked, 1);
      assert.equal(gate.reading?.outlet, rig.outlet);
      assert.equal(gate.reading?.state, before);
      assert.equal(await rig.truth(rig.outlet), action);
      if (rig.other !== rig.outlet) assert.equal(await rig.truth(rig.other), "on");
      assert.deepEqual((await session.read([rig.outlet], forever())).map((reading) => reading.state), [action]);
    }
    assert.deepEqual(rig.commands(), [`off ${rig.outlet}`, `on ${rig.outlet}`]);
  });

  check("a closed gate means that nothing is sent, and the session goes on", async (rig, session) => {
    for (const manner of ["closed", "throws", "unused"] as const) {
      const outcome = await session.set(rig.outlet, "off", new Gate(manner).fire, forever());
      assert.equal(outcome.kind, "refused", manner);
      assert.equal(outcome.kind === "refused" && outcome.by, "gate");
      clean(outcome, rig);
    }
    assert.deepEqual(rig.commands(), []);
    assert.equal((await session.read([rig.outlet], forever()))[0]?.state, "on");
    assert.equal((await session.set(rig.outlet, "off", new Gate("open").fire, forever())).kind, "accepted");
    assert.deepEqual(rig.commands(), [`off ${rig.outlet}`]);
  });

  check("a write that comes after the gate has answered, or a second time, does nothing", async (rig, session) => {
    const late = new Gate("closed");
    assert.equal((await session.set(rig.outlet, "off", late.fire, forever())).kind, "refused");
    late.write?.();
    await session.read([rig.outlet], forever());
    assert.deepEqual(rig.commands(), []);

    const twice = new Gate("twice");
    assert.equal((await session.set(rig.outlet, "off", twice.fire, forever())).kind, "accepted");
    twice.write?.();
    await session.read([rig.outlet], forever());
    assert.deepEqual(rig.commands(), [`off ${rig.outlet}`]);
  });

  check("an answer that is lost leaves an unknown, and the command is not repeated", async (rig, session) => {
    rig.loseAnswer();
    const outcome = await session.set(rig.outlet, "off", new Gate("open").fire, forever());
    assert.equal(outcome.kind, "unknown", outcome.evidence);
    clean(outcome, rig);
    assert.equal(await rig.truth(rig.outlet), "off");
    assert.deepEqual(rig.commands(), [`off ${rig.outlet}`]);
  }, makeHasty);

  check("a command that is lost leaves an unknown", async (rig, session) => {
    rig.loseCommand();
    const outcome = await session.set(rig.outlet, "off", new Gate("open").fire, forever());
    assert.equal(outcome.kind, "unknown", outcome.evidence);
    clean(outcome, rig);
    assert.equal(await rig.truth(rig.outlet), "on");
  }, makeHasty);

  check("a device that says nothing more ends a step in its time, without asking the gate", async (rig, session) => {
    rig.hang();
    const gate = new Gate("open");
    const outcome = session.set(rig.outlet, "off", gate.fire, forever());
    // A driver may also read an unknown and leave it to the gate; then the command is what hangs.
    const ended = await outcome.catch((error: unknown) => error);
    if (ended instanceof Error) {
      assert.ok(ended instanceof UpkeepError, String(ended));
      cleanText(ended.message, rig);
      assert.equal(gate.asked, 0);
    } else {
      assert.equal(gate.reading?.state, "unknown");
      assert.equal((ended as SetOutcome).kind, "unknown");
    }
  }, makeHasty);

  check("an abort ends a read and a set at any moment, at once, and never twice", async (rig, session) => {
    const started = performance.now();
    await session.read([rig.outlet], forever());
    await session.set(rig.outlet, "on", new Gate("closed").fire, forever());
    const wholeMs = performance.now() - started;
    await session.close();
    const moments = 12;
    for (let moment = 0; moment <= moments; moment++) {
      const opened = await openAgain(rig);
      const before = rig.commands().length;
      const abort = new AbortController();
      const gate = new Gate("open");
      const timer = setTimeout(() => abort.abort(), (wholeMs * moment) / moments);
      let abortedAt = Number.POSITIVE_INFINITY;
      abort.signal.addEventListener("abort", () => (abortedAt = performance.now()));
      const ended = await opened.set(rig.outlet, moment % 2 === 0 ? "off" : "on", gate.fire, abort.signal).catch((error: unknown) => error);
      const lateMs = performance.now() - abortedAt;
      clearTimeout(timer);
      await opened.close();
      assert.ok(lateMs < PROMPT_MS, `it ended ${lateMs} ms after the abort`);
      if (ended instanceof Error) {
        assert.ok(ended instanceof UpkeepError, String(ended));
        assert.equal(gate.asked, 0, "after the gate was asked, every end is an outcome");
      } else clean(ended as SetOutcome, rig);
      assert.ok(gate.asked <= 1);
      // Once somebody else can log in, nothing of the aborted session is under way any more.
      await (await openAgain(rig)).close();
      assert.ok(rig.commands().length - before <= (gate.used ? 1 : 0), "no command but the one that the gate let through");
    }
  });

  check("an abort while the gate decides ends the call, and a write after it does nothing", async (rig, session) => {
    const abort = new AbortController();
    const gate = new Gate("never", () => setTimeout(() => abort.abort(), 20));
    const outcome = await within(PROMPT_MS, session.set(rig.outlet, "off", gate.fire, abort.signal));
    assert.equal(outcome.kind, "unknown");
    gate.write?.();
    await session.close();
    await (await openAgain(rig)).close();
    assert.deepEqual(rig.commands(), []);
  });

  check("an abort that has already come opens and starts nothing", async (rig, session) => {
    const gate = new Gate("open");
    await assert.rejects(session.set(rig.outlet, "off", gate.fire, AbortSignal.abort()), UpkeepError);
    assert.equal(gate.asked, 0);
    await session.close();
    await assert.rejects(within(PROMPT_MS, rig.device.open(AbortSignal.abort())), UpkeepError);
    assert.deepEqual(rig.commands(), []);
  });

  check("close never rejects, can be called twice, and leaves the device to the next session", async (rig, session) => {
    await within(PROMPT_MS, Promise.all([session.close(), session.close()]));
    const next = await rig.device.open(forever());
    assert.equal((await next.read([rig.outlet], forever()))[0]?.state, "on");
    rig.hang();
    await within(PROMPT_MS, next.close());
  });
}

type Manner = "open" | "closed" | "throws" | "unused" | "twice" | "never";

/** A gate that does as it is told and remembers what it was asked. */
class Gate {
  asked = 0;
  used = false;
  reading: Reading | null = null;
  write: (() => void) | null = null;
  readonly #manner: Manner;
  readonly #look: () => void;

  constructor(manner: Manner, look: () => void = () => {}) {
    this.#manner = manner;
    this.#look = look;
  }

  readonly fire: Fire = async (reading, write) => {
    this.asked += 1;
    this.reading = reading;
    this.write = write;
    this.#look();
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.#manner === "throws") throw new Error("the ledger is full");
    if (this.#manner === "never") await new Promise(() => {});
    if (this.#manner === "open" || this.#manner === "twice") {
      this.used = true;
      write();
    }
    if (this.#manner === "twice") write();
    return this.#manner !== "closed";
  };
}

/** A device may take a moment until it notices that an aborted session is gone. */
async function openAgain(rig: PowerRig): Promise<PowerSession> {
  for (let tries = 0; ; tries++) {
    try {
      return await rig.device.open(forever());
    } catch (error) {
      if (tries >= 50 || !(error instanceof UpkeepError) || error.code !== "POWER_BUSY") throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function forever(): AbortSignal {
  return new AbortController().signal;
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof UpkeepError && error.code === code;
}

function clean(outcome: SetOutcome, rig: PowerRig): void {
  cleanText(outcome.evidence, rig);
}

function cleanText(text: string, rig: PowerRig): void {
  assert.ok(text.length > 0 && text.length <= EVIDENCE_MAX, `evidence of ${text.length} characters`);
  assert.doesNotMatch(text, /[\x00-\x1f\x7f]/, "evidence is printable and one line");
  for (const secret of rig.secrets) assert.ok(!text.includes(secret), `a secret in the evidence: ${text}`);
}

async function within<Result>(limitMs: number, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled within ${limitMs} ms`)), limitMs);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
