// The thread that keeps the history. It takes batches in order, answers questions between them, and goes on whatever its
// disk does: what is precious (events, incidents, what is remembered of the ledger) waits in memory for better times, within
// a bound; probe results and inputs are dropped and counted.

import { parentPort, workerData } from "node:worker_threads";
import type { HistoryBatch, HistoryFile, HistoryLimits } from "./history-file.ts";
import { openHistoryFile } from "./history-file.ts";
import { lineOfGap } from "./lines.ts";
import type { FromWorker, Question, ToWorker } from "./history-messages.ts";
import { corruption, faultOf } from "./sqlite.ts";
import type { Memory } from "./went-back.ts";

const WAITING_MAX = 20_000;
const SWEEP_EVERY_MS = 60_000;

const port = parentPort;
if (port === null) throw new Error("assertion failed: history-worker.ts is not a program");
const { path, limits } = workerData as { readonly path: string; readonly limits: HistoryLimits };

let file: HistoryFile | null = null;
let waiting: HistoryBatch = { told: [], incidents: [], lines: "", memory: null };
let lostLines = 0;
let trouble: string | null = null;
let sweptMs = 0;
/** The newest that was said of the ledger: a history made anew must know it, too. */
let remembered: Memory | null = null;

port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "batch":
      take(message.batch);
      return say({ kind: "taken", bytes: message.bytes });
    case "ask":
      return answer(message.id, message.question);
    case "flush":
      keep(true);
      attempt((open) => open.sync());
      return say({ kind: "answer", id: message.id, ok: true, value: null });
    case "close":
      keep(true);
      file?.close();
      file = null;
      say({ kind: "answer", id: message.id, ok: true, value: null });
      return port.close();
  }
});

function say(message: FromWorker): void {
  port?.postMessage(message);
}

function take(batch: HistoryBatch): void {
  remembered = batch.memory ?? remembered;
  waiting = {
    told: [...waiting.told, ...batch.told],
    incidents: [...waiting.incidents, ...batch.incidents],
    lines: waiting.lines + batch.lines,
    memory: batch.memory ?? waiting.memory,
  };
  keep(false);
}

/** Writes what waits; what cannot be written waits on, without its lines. */
function keep(packAll: boolean): void {
  const gap = lostLines > 0 ? `${lineOfGap(lostLines)}\n` : "";
  const batch = { ...waiting, lines: gap + waiting.lines };
  if (attempt((open) => open.write(batch, packAll))) {
    // How it ended stands nowhere else once the ledger has closed it: that outlives this machine's own power loss, too.
    if (batch.incidents.some(({ endedAt }) => endedAt !== null)) attempt((open) => open.sync());
    waiting = { told: [], incidents: [], lines: "", memory: null };
    lostLines = 0;
    sweep();
    return;
  }
  const lines = waiting.lines.split("\n").length - 1;
  const told = waiting.told.slice(-WAITING_MAX);
  const incidents = waiting.incidents.slice(-WAITING_MAX);
  const rows = waiting.told.length - told.length + waiting.incidents.length - incidents.length;
  lostLines += lines;
  waiting = { told, incidents, lines: "", memory: waiting.memory };
  if (rows + lines > 0) say({ kind: "dropped", rows, lines });
}

function sweep(): void {
  if (Date.now() - sweptMs < SWEEP_EVERY_MS && Date.now() >= sweptMs) return;
  sweptMs = Date.now();
  attempt((open) => open.sweep());
}

function answer(id: number, question: Question): void {
  let value: unknown = null;
  const failure = tryOn((open) => { value = ask(open, question); });
  say(failure === null ? { kind: "answer", id, ok: true, value } : { kind: "answer", id, ok: false, value: failure });
}

function ask(open: HistoryFile, question: Question): unknown {
  switch (question.about) {
    case "last-seq":
      return open.lastSeq();
    case "events":
      return open.events(question.query);
    case "incidents":
      return open.incidents(question.query);
    case "incident":
      return open.incident(question.incident);
    case "rounds":
      return open.rounds(question.host, question.sinceMs);
  }
}

/** Does something that writes; whether that works is told when it changes. */
function attempt(body: (open: HistoryFile) => void): boolean {
  const failure = tryOn(body);
  note(failure);
  return failure === null;
}

/** Does something with the file, opening it if need be; a corrupt one is set aside and the deed done on a new one. Null or what went wrong. */
function tryOn(body: (open: HistoryFile) => void): string | null {
  for (let tries = 1; ; tries += 1) {
    try {
      body(opened());
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

function opened(): HistoryFile {
  if (file !== null) return file;
  const { file: made, problem } = openHistoryFile(path, Date.now(), limits);
  if (problem !== null) say({ kind: "note", text: problem });
  try {
    if (remembered !== null) made.remember(remembered);
  } catch (error) {
    made.close();
    throw error;
  }
  file = made;
  return made;
}

/** Tells of a change only. */
function note(failure: string | null): void {
  if ((failure === null) === (trouble === null)) return;
  trouble = failure;
  say({ kind: "note", text: failure === null ? "the history can be written again" : `the history cannot be written: ${failure}` });
}
