// A persistent map over a fixed set of keys: a change copies one block of 32 and a short spine, not thousands of entries.
// The fleet is such a map; a plain Map copied at every probe round would be the most expensive thing that the core does.

const BLOCK = 32;

export class Table<Value> {
  readonly #slots: ReadonlyMap<string, number>;
  readonly #blocks: readonly (readonly Value[])[];

  private constructor(slots: ReadonlyMap<string, number>, blocks: readonly (readonly Value[])[]) {
    this.#slots = slots;
    this.#blocks = blocks;
  }

  static from<Value>(entries: Iterable<readonly [string, Value]>): Table<Value> {
    const slots = new Map<string, number>();
    const blocks: Value[][] = [];
    for (const [key, value] of entries) {
      if (slots.has(key)) throw new Error(`assertion failed: key ${key} twice`);
      if (slots.size % BLOCK === 0) blocks.push([]);
      (blocks[blocks.length - 1] as Value[]).push(value);
      slots.set(key, slots.size);
    }
    return new Table(slots, blocks);
  }

  get size(): number {
    return this.#slots.size;
  }

  get(key: string): Value | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#blocks[Math.floor(slot / BLOCK)]?.[slot % BLOCK];
  }

  /** The same table with another value under an existing key. */
  with(key: string, value: Value): Table<Value> {
    const slot = this.#slots.get(key);
    if (slot === undefined) throw new Error(`assertion failed: no key ${key}`);
    const at = Math.floor(slot / BLOCK);
    const block = (this.#blocks[at] as readonly Value[]).slice();
    block[slot % BLOCK] = value;
    const blocks = this.#blocks.slice();
    blocks[at] = block;
    return new Table(this.#slots, blocks);
  }

  keys(): Iterable<string> {
    return this.#slots.keys();
  }

  *values(): Iterable<Value> {
    for (const block of this.#blocks) yield* block;
  }
}
