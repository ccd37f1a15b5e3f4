// The thread that hears hosts' kernels (UDP, netconsole). It is a thread so that a flood costs the watcher no round: here a
// datagram is looked up by its source, put together into lines, and measured against what its host may send; what is left
// goes over in batches, and no faster than the watcher takes them. Above its own measure the thread sleeps: then the kernel
// drops what does not fit into the socket, which costs least of all.
//
// A source address is all that a datagram has for a name, and anybody can write one on it (core/last-words.ts).

import type { RemoteInfo, Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { parentPort, workerData } from "node:worker_threads";
import type { KernelSign, KernelWord } from "../../core/kernel-words.ts";
import { recognise } from "../../core/kernel-words.ts";
import type { KernelRow } from "../../journal/kernel-table.ts";
import type { KernelLine } from "../../protocol/netconsole.ts";
import { KernelLines } from "../../protocol/netconsole.ts";
import type { Dropped, FromReceiver, ReceiverData, Senders, ToReceiver } from "./messages.ts";
import { plainAddress } from "./plain-address.ts";
import { Measure } from "./measure.ts";

/** A panic with all its stacks goes through whole; what goes on for ever is thinned out. */
const LINES_OF_HOST = { most: 2_000, perSecond: 10 };
const WORDS_OF_HOST = { most: 3, perSecond: 1 / 30 };
/** 20,000 datagrams a second take a fifth of a small core. */
const SLICE_MS = 50;
const DATAGRAMS_A_SLICE = 1_000;
const BATCH_MS = 20;
const BATCH_LINES = 1_000;
/** Batches that the watcher has not taken yet. */
const BATCHES_MAX = 4;
const STRANGERS_NAMED = 4;
const LOOK_EVERY_MS = 500;
const RECEIVE_BYTES = 1 << 20;

type Sender = { readonly host: string; readonly lines: KernelLines; readonly measure: Measure; readonly words: Map<KernelSign, Measure> };

const port = parentPort;
if (port === null) throw new Error("assertion failed: receiver.ts is not a program");
const given = workerData as ReceiverData;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

let senders = new Map<string, Sender | null>();
let nextId = given.firstId;
let lines: KernelRow[] = [];
let words: { host: string; word: KernelWord }[] = [];
let strangers = new Set<string>();
let dropped: Dropped = { strangers: 0, shared: 0, lines: 0, words: 0 };
let datagrams = 0;
let under = 0;
let timer: NodeJS.Timeout | null = null;
let slice = { beganMs: 0, heard: 0 };

function say(message: FromReceiver): void {
  port?.postMessage(message);
}

function follow(next: Senders): void {
  const before = senders;
  senders = new Map(next.map(([address, host]) => {
    const known = before.get(address);
    return [address, host === null ? null : known?.host === host ? known : { host, lines: new KernelLines(), measure: new Measure(LINES_OF_HOST, performance.now()), words: new Map() }];
  }));
}

function hear(bytes: Uint8Array, from: RemoteInfo): void {
  const nowMs = performance.now();
  sleepAbove(nowMs);
  datagrams += 1;
  const address = plainAddress(from.address);
  const sender = senders.get(address);
  if (sender === undefined || sender === null) {
    if (sender === null) dropped = { ...dropped, shared: dropped.shared + 1 };
    else {
      dropped = { ...dropped, strangers: dropped.strangers + 1 };
      if (strangers.size < STRANGERS_NAMED) strangers.add(address);
    }
    return soon();
  }
  keep(sender, sender.lines.take(bytes, nowMs), nowMs);
}

function sleepAbove(nowMs: number): void {
  if (nowMs - slice.beganMs >= SLICE_MS) slice = { beganMs: nowMs, heard: 0 };
  slice.heard += 1;
  if (slice.heard < DATAGRAMS_A_SLICE) return;
  Atomics.wait(sleeper, 0, 0, Math.max(1, SLICE_MS - (nowMs - slice.beganMs)));
  slice = { beganMs: performance.now(), heard: 0 };
}

function keep(sender: Sender, heard: readonly KernelLine[], nowMs: number): void {
  for (const { text, level, byKernel, uptimeUs, torn } of heard) {
    const word = recognise(text, byKernel);
    if (word !== null && !allows(sender, word.sign, nowMs)) dropped = { ...dropped, words: dropped.words + 1 };
    else if (word !== null && words.length < BATCH_LINES) words.push({ host: sender.host, word });
    if (lines.length >= BATCH_LINES || !sender.measure.take(nowMs)) {
      dropped = { ...dropped, lines: dropped.lines + 1 };
      continue;
    }
    lines.push({ id: nextId, host: sender.host, atMs: Date.now(), text, level, byKernel, uptimeUs, sign: word?.sign ?? null, torn });
    nextId += 1;
  }
  soon();
}

function allows(sender: Sender, sign: KernelSign, nowMs: number): boolean {
  let measure = sender.words.get(sign);
  if (measure === undefined) {
    measure = new Measure(WORDS_OF_HOST, nowMs);
    sender.words.set(sign, measure);
  }
  return measure.take(nowMs);
}

function soon(): void {
  timer ??= setTimeout(send, BATCH_MS);
}

function send(): void {
  timer = null;
  // Who is behind gets his next batch when he has taken one; until then it grows to its bound and no further.
  if (under >= BATCHES_MAX) return;
  under += 1;
  say({ kind: "heard", lines, words, datagrams, dropped, strangers: [...strangers] });
  [lines, words, strangers] = [[], [], new Set()];
}

function due(): void {
  const nowMs = performance.now();
  for (const sender of senders.values()) {
    const dueMs = sender?.lines.dueAtMs ?? null;
    if (sender !== null && dueMs !== null && dueMs <= nowMs) keep(sender, sender.lines.due(nowMs), nowMs);
  }
}

function open(address: string, family: "udp4" | "udp6"): void {
  const socket: Socket = createSocket({ type: family, recvBufferSize: RECEIVE_BYTES });
  socket.on("message", hear);
  socket.on("error", (error: NodeJS.ErrnoException) => {
    socket.close();
    // A machine without IPv6 hears what comes by IPv4.
    if (address === "::" && (error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL")) return open("0.0.0.0", "udp4");
    say({ kind: "failed", because: `${error.code ?? error.message} at ${given.host}:${given.port}` });
  });
  socket.bind(given.port, address, () => {
    const bound = socket.address();
    say({ kind: "open", address: bound.address, port: bound.port });
  });
  const look = setInterval(due, LOOK_EVERY_MS);
  closing = () => {
    clearInterval(look);
    clearTimeout(timer ?? undefined);
    try {
      socket.close();
    } catch {
      // It has failed before.
    }
    port?.close();
  };
}

let closing = (): void => port?.close();

port.on("message", (message: ToReceiver) => {
  if (message.kind === "senders") follow(message.senders);
  else if (message.kind === "taken") {
    under -= 1;
    if (lines.length + words.length > 0) soon();
  } else closing();
});

open(given.host, given.host.includes(":") ? "udp6" : "udp4");
