// An answer that a component waits for: asked when it is shown and whenever `deps` change, dropped when it has gone. What was
// there stays until the new one has come, so that nothing flickers.

import { useEffect, useState } from "preact/hooks";
import type { Asked } from "./api.ts";

export type Awaited<Body> = { readonly body: Body | null; readonly error: string | null; again(): void };

export function useAsked<Body>(question: (signal: AbortSignal) => Promise<Asked<Body>>, deps: readonly unknown[]): Awaited<Body> {
  const [state, setState] = useState<{ readonly body: Body | null; readonly error: string | null }>({ body: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    void question(gone.signal).then((asked) => {
      if (!gone.signal.aborted) setState((was) => (asked.ok ? { body: asked.body, error: null } : { body: was.body, error: asked.error }));
    });
    return () => gone.abort();
  }, [...deps, turn]);
  return { ...state, again: () => setTurn((at) => at + 1) };
}

export type Sending = { readonly busy: boolean; readonly error: string | null; send<Body>(question: () => Promise<Asked<Body>>, then: (body: Body) => void): Promise<void> };

/** A change that is asked for by a form: one at a time, and what the watcher has against it. */
export function useSending(): Sending {
  const [state, setState] = useState<{ readonly busy: boolean; readonly error: string | null }>({ busy: false, error: null });
  return {
    ...state,
    send: async (question, then) => {
      setState({ busy: true, error: null });
      const asked = await question();
      setState({ busy: false, error: asked.ok ? null : asked.error });
      if (asked.ok) then(asked.body);
    },
  };
}

/** Grows every so often while somebody looks: for what is asked again. */
export function useTurn(everyMs: number): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && setTurn((at) => at + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return turn;
}
