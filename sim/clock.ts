// Virtual time: a heap of events, and nothing happens between two of them. An event belongs to the world or to one life of
// the watcher (its owner): a paused owner's events wait, a dead owner's never come. Ties are broken by the order of
// scheduling, so that a run is the same every time.
//
// Between events every promise continuation must have run. `drained` does that from within a macrotask and without one
// turn of the event loop: it is what Node itself calls after each callback. It stands under no contract of Node, and is
// tried once before it is relied upon.

export type Owner = { alive: boolean; frozenUntilMs: number };

export type Event = {
  atMs: number;
  sequence: number;
  readonly owner: Owner | null;
  run: (() => void) | null;
};

export class Timeline {
  readonly #heap: Event[] = [];
  #sequence = 0;
  nowMs = 0;

  at(atMs: number, owner: Owner | null, run: () => void): Event {
    if (!Number.isFinite(atMs)) throw new Error(`a timer at ${atMs}`);
    const event: Event = { atMs: atMs > this.nowMs ? atMs : this.nowMs, sequence: (this.#sequence += 1), owner, run };
    this.#push(event);
    return event;
  }

  in(delayMs: number, owner: Owner | null, run: () => void): Event {
    return this.at(this.nowMs + delayMs, owner, run);
  }

  /** The same event again, later and behind everything that is already there for that moment. */
  postpone(event: Event, toMs: number): void {
    event.atMs = toMs;
    event.sequence = this.#sequence += 1;
    this.#push(event);
  }

  /** The next event that is due by `untilMs`, taken out. */
  next(untilMs: number): Event | null {
    const heap = this.#heap;
    for (let first = heap[0]; first !== undefined && first.atMs <= untilMs; first = heap[0]) {
      this.#pop();
      if (first.run === null || (first.owner !== null && !first.owner.alive)) continue;
      return first;
    }
    return null;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const size = heap.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

const nodeDrain = (process as unknown as { _tickCallback?: () => void })._tickCallback;
let tried = false;

/** Runs every promise continuation that is due. Only from a macrotask: within a continuation it would do nothing. */
export function drained(): void {
  if (nodeDrain === undefined) throw new Error("this Node has no process._tickCallback, which the simulator needs");
  if (!tried) {
    let ran = false;
    void Promise.resolve().then(() => Promise.resolve()).then(() => (ran = true));
    nodeDrain();
    if (!ran) throw new Error("promises were not drained: runs of the simulator begin in a macrotask");
    tried = true;
  }
  nodeDrain();
}
