// The core's inputs as frames of bytes, in order: enough to take every step again (replay.ts). Rounds and the tick of the
// clock are nearly all of them and are written in a few bytes, by what differs from the one before; everything else is a
// line of text (lines.ts). The watcher's thread writes a frame once; the history's thread keeps the bytes as they are and
// reads the probe results out of them.
//
// A `reset` begins a segment: from there on nothing refers to anything before it, so that reading can begin at each. The
// writer begins one when it must (bytes were lost on their way to the disk), when it should (a policy, for replay), and
// after so many bytes, so that what both ends remember stays small.

import type { Input } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { Measured, Outcome, ProbeResult, References, Round, Sign } from "../core/round.ts";
import type { Now } from "../core/time.ts";
import { ByteReader, ByteWriter, isShort } from "./bytes.ts";
import { lineOfInput, lineOfPolicy } from "./lines.ts";

/** A code is an index into these: they may grow at the end, and never change. */
export const OUTCOMES: readonly Outcome[] = ["good", "slow", "bad", "unknown"];
export const REFERENCES: readonly References[] = ["reached", "lost", "none"];
const SIGNS: readonly Sign[] = ["answer", "refused", "silent", "unreachable", "not-run"];

const FRAME = { reset: 0, text: 1, clock: 2, held: 3, shape: 4, round: 5, lost: 6, era: 7 } as const;
const VERSION = 1;
const SEGMENT_BYTES = 1 << 20;
const SHAPES_MAX = 20_000;
/** Bits of the byte before each result: outcome 0 and 1, sign 2 to 4, then these. */
const SAME_EVIDENCE = 1 << 5;
const ODD_LATENCY = 1 << 6;
const HAS_PERFDATA = 1 << 7;

/** A host, its hash and its probes; most rounds are of a shape that was seen before. */
type Shape = { readonly host: string; readonly hash: string; readonly slots: readonly Slot[] };
type Slot = { readonly probe: string; evidence: string; labels: readonly Label[] };
type Label = { readonly label: string; readonly unit: string | null };

type Known = { readonly index: number; readonly shape: Shape };

export class FrameWriter {
  readonly #out = new ByteWriter();
  #shapes = new Map<string, Known>();
  #count = 0;
  #segmentBytes = SEGMENT_BYTES;
  #bootMs = 0;
  #offsetMs = 0;
  #bootId = "";
  #synced = false;
  #inputs = 0;

  get bytes(): number {
    return this.#out.length;
  }

  /** The next frame refers to nothing before it. */
  reset(): void {
    this.#segmentBytes = SEGMENT_BYTES;
  }

  policy(policy: Policy): void {
    this.reset();
    this.#text(lineOfPolicy(policy));
  }

  lost(inputs: number): void {
    this.#begin();
    this.#out.byte(FRAME.lost);
    this.#out.whole(inputs);
  }

  input(input: Input, now: Now): void {
    this.#inputs += 1;
    const whole = Number.isSafeInteger(now.bootMs) && Number.isSafeInteger(now.wallMs);
    if (whole && input.kind === "round" && isPlain(input.round)) return this.#round(input.round, now);
    if (whole && input.kind === "clock") return this.#at(FRAME.clock, now);
    if (whole && input.kind === "session" && input.session.kind === "held" && Number.isSafeInteger(input.session.untilMs)) {
      // A session in a shared store is held anew every few seconds, day and night: by how much is all that differs.
      this.#at(FRAME.held, now);
      return this.#out.signed(input.session.untilMs - now.bootMs);
    }
    this.#text(lineOfInput(input, now));
  }

  /** What was written since the last time, and how many inputs are in it. */
  take(): { readonly frames: Uint8Array<ArrayBuffer>; readonly inputs: number } {
    const inputs = this.#inputs;
    this.#segmentBytes += this.#out.length;
    this.#inputs = 0;
    return { frames: this.#out.take(), inputs };
  }

  #begin(): void {
    if (this.#segmentBytes + this.#out.length < SEGMENT_BYTES && this.#count < SHAPES_MAX) return;
    this.#segmentBytes = -this.#out.length;
    this.#shapes = new Map();
    this.#count = 0;
    [this.#bootMs, this.#offsetMs, this.#bootId, this.#synced] = [0, 0, "", false];
    this.#out.byte(FRAME.reset);
    this.#out.byte(VERSION);
  }

  #text(line: string): void {
    this.#begin();
    this.#out.byte(FRAME.text);
    this.#out.text(line);
  }

  #at(frame: number, now: Now): void {
    this.#begin();
    this.#era(now);
    this.#out.byte(frame);
    this.#time(now);
  }

  #era(now: Now): void {
    if (now.bootId === this.#bootId && now.synced === this.#synced) return;
    [this.#bootId, this.#synced] = [now.bootId, now.synced];
    this.#out.byte(FRAME.era);
    this.#out.byte(now.synced ? 1 : 0);
    this.#out.text(now.bootId);
  }

  #time(now: Now): void {
    const offsetMs = now.wallMs - now.bootMs;
    this.#out.signed(now.bootMs - this.#bootMs);
    this.#out.signed(offsetMs - this.#offsetMs);
    this.#bootMs = now.bootMs;
    this.#offsetMs = offsetMs;
  }

  #round(round: Round, now: Now): void {
    this.#begin();
    this.#era(now);
    const { index, shape } = this.#known(round);
    const out = this.#out;
    out.byte(FRAME.round);
    out.whole(index);
    this.#time(now);
    out.signed(now.bootMs - round.endedAtMs);
    out.signed(round.endedAtMs - round.startedAtMs);
    out.byte(REFERENCES.indexOf(round.references));
    for (let at = 0; at < round.results.length; at += 1) writeResult(out, round.results[at] as ProbeResult, shape.slots[at] as Slot);
  }

  #known(round: Round): Known {
    const known = this.#shapes.get(round.host);
    if (known !== undefined && fits(known.shape, round)) return known;
    const made: Known = { index: this.#count, shape: { host: round.host, hash: round.hash, slots: round.results.map(({ probe }) => ({ probe, evidence: "", labels: [] })) } };
    this.#count += 1;
    this.#shapes.set(round.host, made);
    this.#out.byte(FRAME.shape);
    this.#out.text(round.host);
    this.#out.text(round.hash);
    this.#out.whole(round.results.length);
    for (const { probe } of round.results) this.#out.text(probe);
    return made;
  }
}

function fits(shape: Shape, round: Round): boolean {
  if (shape.hash !== round.hash || shape.slots.length !== round.results.length) return false;
  for (let at = 0; at < shape.slots.length; at += 1) if (shape.slots[at]?.probe !== round.results[at]?.probe) return false;
  return true;
}

/** Whether a frame can hold it exactly. */
function isPlain(round: Round): boolean {
  if (!Number.isSafeInteger(round.startedAtMs) || !Number.isSafeInteger(round.endedAtMs)) return false;
  for (const result of round.results) if (!result.evidence.isWellFormed() || !Number.isFinite(result.latencyMs)) return false;
  return true;
}

function writeResult(out: ByteWriter, { outcome, sign, evidence, latencyMs, perfdata }: ProbeResult, slot: Slot): void {
  const hundredths = Math.round(latencyMs * 100);
  const odd = hundredths / 100 !== latencyMs || hundredths < 0 || !isShort(hundredths);
  const same = evidence === slot.evidence;
  out.byte(OUTCOMES.indexOf(outcome) | (SIGNS.indexOf(sign) << 2) | (same ? SAME_EVIDENCE : 0) | (odd ? ODD_LATENCY : 0) | (perfdata === undefined ? 0 : HAS_PERFDATA));
  if (odd) out.number(latencyMs);
  else out.whole(hundredths);
  if (!same) {
    writeEvidence(out, evidence, slot.evidence);
    slot.evidence = evidence;
  }
  if (perfdata !== undefined) writePerfdata(out, perfdata, slot);
}

/** Most that change do so in a number: what is the same at both ends is not written again. */
function writeEvidence(out: ByteWriter, evidence: string, before: string): void {
  const most = Math.min(evidence.length, before.length);
  let head = 0;
  while (head < most && evidence.charCodeAt(head) === before.charCodeAt(head)) head += 1;
  let tail = 0;
  while (tail < most - head && evidence.charCodeAt(evidence.length - 1 - tail) === before.charCodeAt(before.length - 1 - tail)) tail += 1;
  let middle = evidence.slice(head, evidence.length - tail);
  if (!middle.isWellFormed()) [head, tail, middle] = [0, 0, evidence];
  out.whole(head);
  out.whole(tail);
  out.text(middle);
}

function writePerfdata(out: ByteWriter, perfdata: readonly Measured[], slot: Slot): void {
  const known = slot.labels.length === perfdata.length && perfdata.every(({ label, unit }, at) => slot.labels[at]?.label === label && slot.labels[at].unit === (unit ?? null));
  out.byte(known ? 1 : 0);
  if (!known) {
    slot.labels = perfdata.map(({ label, unit }) => ({ label, unit: unit ?? null }));
    out.whole(perfdata.length);
    for (const { label, unit } of slot.labels) {
      out.text(label);
      out.byte(unit === null ? 0 : 1);
      if (unit !== null) out.text(unit);
    }
  }
  for (const { value } of perfdata) out.number(value);
}

/** A round as it stands in a frame. The same object is given each time: what is kept of it is copied. */
export type FramedRound = {
  host: string;
  hash: string;
  /** The frame's own time. */
  now: Now;
  startedAtMs: number;
  endedAtMs: number;
  references: References;
  readonly results: { probe: string; outcome: Outcome; sign: Sign; /** Empty unless the reader was asked for it. */ evidence: string; latencyMs: number; perfdata: readonly Measured[] | null }[];
};

/** Called for each frame, in order. */
export type FrameVisitor = {
  round(round: FramedRound): void;
  clock(now: Now): void;
  /** A line of lines.ts, and where its frame stands. */
  text(line: string, at: number): void;
  held?(now: Now, untilMs: number): void;
  lost?(inputs: number): void;
};

/** Reads frames, batch by batch; what it remembers goes from one to the next. */
export class FrameReader {
  readonly #evidence: boolean;
  #begun = false;
  #shapes: Shape[] = [];
  #bootMs = 0;
  #offsetMs = 0;
  #bootId = "";
  #synced = false;
  readonly #round: FramedRound = { host: "", hash: "", now: { bootMs: 0, wallMs: 0, bootId: "", synced: false }, startedAtMs: 0, endedAtMs: 0, references: "none", results: [] };

  /** `evidence`: also read what a replay needs and a history does not keep. */
  constructor(evidence: boolean) {
    this.#evidence = evidence;
  }

  /** Calls back for all of it, and says where in it segments begin. Throws RangeError at bytes that no writer has made. */
  read(bytes: Uint8Array, visitor: FrameVisitor): readonly number[] {
    const resets: number[] = [];
    const from = new ByteReader(bytes);
    while (!from.ended) {
      const at = from.at;
      const frame = from.byte();
      if (frame !== FRAME.reset && !this.#begun) throw new RangeError("a segment without its beginning");
      switch (frame) {
        case FRAME.reset:
          if (from.byte() !== VERSION) throw new RangeError("frames of another version");
          resets.push(at);
          this.#begun = true;
          this.#shapes = [];
          [this.#bootMs, this.#offsetMs, this.#bootId, this.#synced] = [0, 0, "", false];
          break;
        case FRAME.text:
          visitor.text(from.text(), at);
          break;
        case FRAME.clock:
          visitor.clock(this.#time(from));
          break;
        case FRAME.held: {
          const now = this.#time(from);
          const untilMs = now.bootMs + from.signed();
          visitor.held?.(now, untilMs);
          break;
        }
        case FRAME.shape: {
          const [host, hash] = [from.text(), from.text()];
          const count = from.whole();
          const slots: Slot[] = [];
          for (let each = 0; each < count; each += 1) slots.push({ probe: from.text(), evidence: "", labels: [] });
          this.#shapes.push({ host, hash, slots });
          break;
        }
        case FRAME.round:
          visitor.round(this.#readRound(from));
          break;
        case FRAME.lost: {
          const inputs = from.whole();
          visitor.lost?.(inputs);
          break;
        }
        case FRAME.era:
          this.#synced = from.byte() === 1;
          this.#bootId = from.text();
          break;
        default:
          throw new RangeError("an unknown frame");
      }
    }
    return resets;
  }

  #time(from: ByteReader): Now {
    this.#bootMs += from.signed();
    this.#offsetMs += from.signed();
    return { bootMs: this.#bootMs, wallMs: this.#bootMs + this.#offsetMs, bootId: this.#bootId, synced: this.#synced };
  }

  #readRound(from: ByteReader): FramedRound {
    const shape = this.#shapes[from.whole()];
    if (shape === undefined) throw new RangeError("a round of no shape");
    const round = this.#round;
    round.host = shape.host;
    round.hash = shape.hash;
    round.now = this.#time(from);
    round.endedAtMs = round.now.bootMs - from.signed();
    round.startedAtMs = round.endedAtMs - from.signed();
    round.references = REFERENCES[from.byte()] ?? "none";
    round.results.length = shape.slots.length;
    for (let at = 0; at < shape.slots.length; at += 1) {
      const result = (round.results[at] ??= { probe: "", outcome: "unknown", sign: "not-run", evidence: "", latencyMs: 0, perfdata: null });
      const slot = shape.slots[at] as Slot;
      const flags = from.byte();
      result.probe = slot.probe;
      result.outcome = OUTCOMES[flags & 3] as Outcome;
      result.sign = SIGNS[(flags >> 2) & 7] ?? "not-run";
      result.latencyMs = (flags & ODD_LATENCY) === 0 ? from.whole() / 100 : from.number();
      if ((flags & SAME_EVIDENCE) === 0) this.#readEvidence(from, slot);
      result.evidence = slot.evidence;
      result.perfdata = (flags & HAS_PERFDATA) === 0 ? null : readPerfdata(from, slot);
    }
    return round;
  }

  #readEvidence(from: ByteReader, slot: Slot): void {
    const [head, tail] = [from.whole(), from.whole()];
    if (!this.#evidence) return from.skipText();
    slot.evidence = slot.evidence.slice(0, head) + from.text() + (tail === 0 ? "" : slot.evidence.slice(-tail));
  }
}

function readPerfdata(from: ByteReader, slot: Slot): readonly Measured[] {
  if (from.byte() === 0) {
    const labels: Label[] = [];
    const count = from.whole();
    for (let each = 0; each < count; each += 1) labels.push({ label: from.text(), unit: from.byte() === 0 ? null : from.text() });
    slot.labels = labels;
  }
  return slot.labels.map(({ label, unit }) => ({ label, value: from.number(), ...(unit === null ? {} : { unit }) }));
}

/** A round out of a frame, as the core had it. */
export function roundOf(framed: FramedRound): Round {
  const { host, hash, startedAtMs, endedAtMs, references, results } = framed;
  return { host, hash, startedAtMs, endedAtMs, references, results: results.map(({ perfdata, ...result }) => ({ ...result, ...(perfdata === null ? {} : { perfdata }) })) };
}
