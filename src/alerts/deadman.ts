// The dead-man's ping: a URL is called as long as this watcher lives, and whoever serves it calls a person when the calls
// cease. "Lives" means that the decision loop turns: a process whose timers run and that decides nothing must fall silent.
//
// The URL is a secret of sorts (who knows it can keep the alarm quiet), so no report has more of it than the server's name.

import { call } from "./http.ts";

export type DeadmanOptions = {
  /** `http:` or `https:`; called with GET. Any answer below 400 is good; redirects are not followed. */
  readonly url: string;
  readonly everyMs: number;
  /** When the decision loop last turned, and what time it is: the same clock, milliseconds. */
  readonly lastTurnMs: () => number;
  readonly nowMs: () => number;
  /** How old the last turn may be; the loop of a watcher turns every second. */
  readonly staleMs?: number;
  /** Failures and their end, in a sentence for people, once a change. */
  readonly report: (text: string) => void;
  readonly timeoutMs?: number;
};

const STALE_MS = 15_000;
const TIMEOUT_MS = 10_000;

/** Calls at once, and then every `everyMs`. The result ends it. */
export function startDeadman(options: DeadmanOptions): { close(): void } {
  const { everyMs, lastTurnMs, nowMs, staleMs = STALE_MS, report, timeoutMs = TIMEOUT_MS } = options;
  const where = new URL(options.url).host;
  const closing = new AbortController();
  let trouble: string | null = null;
  let calling = false;

  const note = (found: string | null): void => {
    if (closing.signal.aborted) return;
    if (found !== null && trouble === null) report(found);
    if (found === null && trouble !== null) report(`the dead-man's ping to ${where} is answered again`);
    trouble = found;
  };
  const beat = async (): Promise<void> => {
    // The last call is not over: it has its own time-out, and calls must not pile up.
    if (calling) return;
    const ageMs = nowMs() - lastTurnMs();
    if (ageMs > staleMs) return note(`no dead-man's ping to ${where}: the decision loop has not turned for ${Math.round(ageMs / 1_000)} s`);
    calling = true;
    const answer = await call({ method: "GET", url: options.url, headers: {}, body: null }, timeoutMs, closing.signal);
    calling = false;
    const failure = "failure" in answer ? answer.failure : answer.status > 0 && answer.status < 400 ? null : `it answered ${answer.status}`;
    note(failure === null ? null : `the dead-man's ping to ${where} fails: ${failure}`);
  };

  const timer = setInterval(() => void beat(), everyMs);
  timer.unref();
  void beat();
  return {
    close() {
      clearInterval(timer);
      closing.abort();
    },
  };
}
