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
