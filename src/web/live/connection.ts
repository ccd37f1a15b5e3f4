// The stream's life: begun, lost, begun again. The rule is that nobody sees an old green: whoever has heard nothing for
// STALE_AFTER_MS says so, also when the browser slept and no timer ran, and a new stream begins with a snapshot.
//
// Two clocks watch for silence, because one stands still while the machine sleeps and the other may be set.

import { signal } from "@preact/signals";
import { PATHS } from "../../api/contract.ts";
import { STALE_AFTER_MS } from "../../api/live.ts";
import { EventReader } from "./server-sent.ts";
import { take, toldAtMs } from "./store.ts";

export type Connection =
  | { readonly kind: "starting" }
  | { readonly kind: "live" }
  /** `sinceMs`: the watcher's clock at the last event; null: there was none. `tryingAtMs`: this machine's clock. */
  | { readonly kind: "stale"; readonly sinceMs: number | null; readonly because: string; readonly tryingAtMs: number | null }
  /** One has to log in. */
  | { readonly kind: "shut-out" };

export const connection = signal<Connection>({ kind: "starting" });
/** The watcher's clock, once a second while the stream lives; it stands still when it is stale. */
export const nowMs = signal(Date.now());

const BACK_OFF_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000] as const;
const SECOND_MS = 1_000;

type Moment = { readonly bootMs: number; readonly wallMs: number };

let attempt = 0;
let current: AbortController | null = null;
let retry: ReturnType<typeof setTimeout> | null = null;
/** When something came last, and when the attempt under way began or got on. */
let heard: Moment = moment();
let progress: Moment = heard;
let started = false;

/** Begins, and goes on for as long as the page is open. */
export function startConnection(): void {
  if (!started) {
    started = true;
    setInterval(lookAtClock, SECOND_MS);
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
    // A page that the browser kept while another was shown.
    addEventListener("pageshow", (event) => event.persisted && wake());
  }
  // Somebody has logged in again.
  if (connection.value.kind === "shut-out") connection.value = { kind: "starting" };
  if (connection.value.kind === "starting") heard = moment();
  again();
}

function again(): void {
  if (retry !== null) clearTimeout(retry);
  retry = null;
  current?.abort();
  const own = new AbortController();
  current = own;
  progress = moment();
  run(own.signal).then(
    () => lost(own, "the watcher ended the stream"),
    (error: unknown) => lost(own, inWordsOf(error)),
  );
}

async function run(alive: AbortSignal): Promise<void> {
  const response = await fetch(PATHS.stream, { signal: alive, cache: "no-store", headers: { accept: "text/event-stream" } });
  if (response.status === 401) {
    if (!alive.aborted) connection.value = { kind: "shut-out" };
    throw new ShutOut();
  }
  if (!response.ok || response.body === null) throw new Error(await refusal(response));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (alive.aborted || done) return;
    // Anything that comes shows that the watcher is there; only a snapshot makes what is shown live again.
    heard = moment();
    progress = heard;
    for (const event of events.read(value)) {
      take(event);
      if (event.event !== "snapshot") continue;
      attempt = 0;
      connection.value = { kind: "live" };
    }
    nowMs.value = toldAtMs.value;
  }
}

class ShutOut extends Error {}

function lost(own: AbortController, because: string): void {
  if (current !== own) return;
  own.abort();
  if (connection.value.kind === "shut-out") return;
  const waitMs = (BACK_OFF_MS[Math.min(attempt, BACK_OFF_MS.length - 1)] ?? 15_000) * (0.8 + Math.random() * 0.4);
  attempt += 1;
  retry = setTimeout(again, waitMs);
  // A stream that breaks off and is back before anybody would have called it stale never was.
  if (connection.value.kind === "live" && sinceMs(heard) < STALE_AFTER_MS) return;
  stale(because, Date.now() + waitMs);
}

function stale(because: string, tryingAtMs: number | null): void {
  connection.value = { kind: "stale", sinceMs: toldAtMs.value === 0 ? null : toldAtMs.value, because, tryingAtMs };
}

function moment(): Moment {
  return { bootMs: performance.now(), wallMs: Date.now() };
}

function sinceMs(then: Moment): number {
  const now = moment();
  return Math.max(now.bootMs - then.bootMs, now.wallMs - then.wallMs);
}

function lookAtClock(): void {
  if (connection.value.kind === "shut-out") return;
  const silentMs = sinceMs(heard);
  if (connection.value.kind !== "stale" && silentMs >= STALE_AFTER_MS) stale("nothing has come from the watcher", null);
  else if (connection.value.kind === "live") nowMs.value = toldAtMs.value + silentMs;
  if (retry === null && sinceMs(progress) >= STALE_AFTER_MS) again();
}

/** The machine woke up, the network came back, or somebody looks again. */
function wake(): void {
  lookAtClock();
  if (connection.value.kind !== "stale") return;
  attempt = 0;
  again();
}

async function refusal(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { readonly error?: unknown };
    if (typeof body.error === "string") return body.error;
  } catch {
    // What is not JSON says nothing that a reader could use.
  }
  return `the watcher answered ${response.status}`;
}

function inWordsOf(error: unknown): string {
  if (error instanceof TypeError) return "the watcher cannot be reached";
  return error instanceof Error && error.message !== "" ? error.message : "the stream broke off";
}
