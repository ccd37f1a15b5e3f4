// The thread that keeps the history. It takes batches in order, answers questions between them, and goes on whatever its
// disk does: what is precious (events, incidents, what is remembered of the ledger) and the probe results of open quarters
// wait in memory for better times, within a bound; inputs are dropped and counted.
//
// Rounds and ticks alone are nothing urgent: they go to the disk every ten seconds, a page or two, and everything else
// at once.

import { parentPort, workerData } from "node:worker_threads";
import { availabilityOf } from "./availability-query.ts";
import type { HistoryFile, HistoryLimits, HistoryRows } from "./history-file.ts";
import { openHistoryFile } from "./history-file.ts";
import type { FromWorker, HistoryBatch, Question, ToWorker } from "./history-messages.ts";
import { gap, Intake } from "./intake.ts";
import { OpenQuarters } from "./open-quarters.ts";
import { pageOf } from "./results-page.ts";
import { corruption, faultOf } from "./sqlite.ts";
import { joined } from "./standing-table.ts";
import type { Memory } from "./went-back.ts";

const WAITING_MAX = 20_000;
const SWEEP_EVERY_MS = 60_000;
const STROKE_EVERY_MS = 250;
const WRITE_EVERY_MS = 10_000;
const WRITE_BYTES = 32 << 10;
/** A disk that has just refused is asked again after this, not four times a second. */
const RETRY_MS = 1_000;

const port = parentPort;
if (port === null) throw new Error("assertion failed: history-worker.ts is not a program");
const given = workerData as { readonly path: string; readonly limits: HistoryLimits };
const { path } = given;
let { limits } = given;

const open = new OpenQuarters();
const intake = new Intake(open);
const NOTHING: HistoryRows = { told: [], incidents: [], parts: [], memory: null, looks: [], kernel: [] };
let file: HistoryFile | null = null;
let waiting: HistoryRows = NOTHING;
let waitingInputs = 0;
let waitingBytes = 0;
let lostInputs = 0;
let trouble: string | null = null;
let recovered = false;
let wroteMs = performance.now();
let sweptMs = 0;
let sweepTimer: NodeJS.Timeout | null = null;
/** The newest that was said of the ledger: a history made anew must know it, too. */
let remembered: Memory | null = null;
/** It was told how hosts stand. */
let looked = false;

port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "batch":
      take(message.batch);
      return say({ kind: "taken", bytes: message.bytes });
    case "limits":
      limits = message.limits;
      return file?.limit(limits);
    case "ask":
      return answer(message.id, message.question);
    case "flush":
      keep(false);
      attempt((opened) => opened.sync());
      return say({ kind: "answer", id: message.id, ok: true, value: null });
    case "close":
      keep(true);
      clearTimeout(sweepTimer ?? undefined);
      file?.close();
      file = null;
      say({ kind: "answer", id: message.id, ok: true, value: null });
      return port.close();
  }
});

function say(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

function take(batch: HistoryBatch): void {
  remembered = batch.memory ?? remembered;
  looked ||= batch.looks.length > 0;
  // Before anything of now is in the quarters: what is recovered comes before it.
  if (!recovered) recovered = tryOn((opened) => opened.recover()) === null;
  const { parts, urgent, broken } = intake.take(batch.frames);
  if (broken || (parts.length === 0 && batch.inputs > 0)) dropInputs(batch.inputs);
  waiting = { told: [...waiting.told, ...batch.told], incidents: [...waiting.incidents, ...batch.incidents], parts: [...waiting.parts, ...parts], memory: batch.memory ?? waiting.memory, looks: joined(waiting.looks ?? [], batch.looks), kernel: [...(waiting.kernel ?? []), ...batch.kernel] };
  waitingInputs += parts.length > 0 ? batch.inputs : 0;
  waitingBytes += batch.frames.length;
  const rounds = open.dropped();
  if (rounds > 0) say({ kind: "dropped", rows: 0, lines: 0, rounds });
  const precious = urgent || batch.told.length > 0 || batch.incidents.length > 0 || batch.kernel.length > 0 || batch.memory !== null || batch.looks.some(({ changes }) => changes.length > 0);
  const sinceMs = performance.now() - wroteMs;
  if (trouble === null ? precious || waitingBytes >= WRITE_BYTES || sinceMs >= WRITE_EVERY_MS : sinceMs >= RETRY_MS) keep(false);
}

/** Writes what waits; what cannot be written waits on, without its inputs. */
function keep(writeAll: boolean): void {
  wroteMs = performance.now();
  const rows = lostInputs > 0 ? { ...waiting, parts: [gap(lostInputs), ...waiting.parts] } : waiting;
  if (attempt((opened) => opened.write(rows, writeAll))) {
    // How it ended stands nowhere else once the ledger has closed it: that outlives this machine's own power loss, too.
    if (rows.incidents.some(({ endedAt }) => endedAt !== null)) attempt((opened) => opened.sync());
    waiting = NOTHING;
    [waitingInputs, waitingBytes, lostInputs] = [0, 0, 0];
    return sweep();
  }
  const told = waiting.told.slice(-WAITING_MAX);
  const incidents = waiting.incidents.slice(-WAITING_MAX);
  const gone = waiting.told.length - told.length + waiting.incidents.length - incidents.length;
  if (gone > 0) say({ kind: "dropped", rows: gone, lines: 0, rounds: 0 });
  if (waitingInputs > 0) dropInputs(waitingInputs);
  waiting = { told, incidents, parts: [], memory: waiting.memory, looks: waiting.looks ?? [], kernel: (waiting.kernel ?? []).slice(-WAITING_MAX) };
  [waitingInputs, waitingBytes] = [0, 0];
}

function dropInputs(inputs: number): void {
  lostInputs += inputs;
  intake.skip();
  say({ kind: "dropped", rows: 0, lines: inputs, rounds: 0 });
}

function sweep(): void {
  if (sweepTimer !== null || (sweptMs !== 0 && performance.now() - sweptMs < SWEEP_EVERY_MS)) return;
  stroke();
}

/** One stroke of the broom, and others at some distance while there is more to do: a question comes between any two. */
function stroke(): void {
  sweepTimer = null;
  sweptMs = performance.now();
  attempt((opened) => {
    if (opened.sweep(intake.syncedMs)) sweepTimer = setTimeout(stroke, STROKE_EVERY_MS).unref();
  });
}

function answer(id: number, question: Question): void {
  let value: unknown = null;
  // What could not be written yet belongs to the answer.
  if (waiting.told.length + waiting.incidents.length > 0 || (waiting.kernel ?? []).length > 0 || question.about === "availability") keep(false);
  const failure = tryOn((opened) => { value = ask(opened, question); });
  say(failure === null ? { kind: "answer", id, ok: true, value } : { kind: "answer", id, ok: false, value: failure });
}

function ask(opened: HistoryFile, question: Question): unknown {
  switch (question.about) {
    case "last-seq":
      return opened.lastSeq();
    case "events":
      return opened.events(question.query);
    case "incidents":
      return opened.incidents(question.query);
    case "availability":
      return availabilityOf(opened, question.query);
    case "incident":
      return opened.incident(question.incident);
    case "chain":
      return opened.chain(question.seq, question.limit);
    case "kernel":
      return opened.kernel.lines(question.query);
    case "hosts":
      return opened.results.hosts();
    case "results":
      return pageOf(opened.results, question.query);
  }
}

function attemptClose(gone: HistoryFile): void {
  try {
    gone.close();
  } catch {
    // There is nothing left to lose.
  }
}

/** Does something that writes; whether that works is told when it changes. */
function attempt(body: (opened: HistoryFile) => void): boolean {
  const failure = tryOn(body);
  if ((failure === null) !== (trouble === null)) say({ kind: "health", failure });
  trouble = failure;
  return failure === null;
}

/** Does something with the file, opening it if need be; a corrupt one is set aside and the deed done on a new one. Null or what went wrong. */
function tryOn(body: (opened: HistoryFile) => void): string | null {
  for (let tries = 1; ; tries += 1) {
    try {
      body(theFile());
      return null;
    } catch (error) {
      const corrupt = corruption(error);
      if (corrupt === null || file === null || tries > 1) return corrupt ?? faultOf(error).evidence;
      const broken = file;
      file = null;
      try {
        say({ kind: "note", text: `the history is corrupt (${corrupt}); it was set aside as ${broken.setAside(Date.now())}` });
      } catch (failure) {
        return faultOf(failure).evidence;
      }
    }
  }
}

function theFile(): HistoryFile {
  if (file !== null && !file.isThere()) {
    const gone = file;
    file = null;
    say({ kind: "note", text: "the history's file was taken away while it was open: it is opened or made anew" });
    // SQLite writes its log back into what has no name any more, or fails to: neither matters.
    attemptClose(gone);
  }
  if (file !== null) return file;
  const { file: made, problem } = openHistoryFile(path, Date.now(), limits, open);
  if (problem !== null) say({ kind: "note", text: problem });
  try {
    if (remembered !== null) made.remember(remembered);
    if (looked && made.standings.sinceMs() === null) say({ kind: "renewed" });
  } catch (error) {
    made.close();
    throw error;
  }
  file = made;
  return made;
}
