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

const BUCKETS = 512;

/** A persistent map over keys that come and go: a change copies one bucket and the row of buckets, however many keys there are. */
export class Register<Value> {
  readonly #buckets: readonly (ReadonlyMap<string, Value> | undefined)[];

  private constructor(buckets: readonly (ReadonlyMap<string, Value> | undefined)[]) {
    this.#buckets = buckets;
  }

  static from<Value>(entries: Iterable<readonly [string, Value]>): Register<Value> {
    const buckets: (Map<string, Value> | undefined)[] = Array.from({ length: BUCKETS }, () => undefined);
    for (const [key, value] of entries) (buckets[bucketOf(key)] ??= new Map()).set(key, value);
    return new Register(buckets);
  }

  get(key: string): Value | undefined {
    return this.#buckets[bucketOf(key)]?.get(key);
  }

  has(key: string): boolean {
    return this.#buckets[bucketOf(key)]?.has(key) ?? false;
  }

  with(key: string, value: Value): Register<Value> {
    return this.#changed(key, (bucket) => bucket.set(key, value));
  }

  without(key: string): Register<Value> {
    return this.has(key) ? this.#changed(key, (bucket) => bucket.delete(key)) : this;
  }

  *entries(): Iterable<readonly [string, Value]> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket;
  }

  #changed(key: string, change: (bucket: Map<string, Value>) => unknown): Register<Value> {
    const at = bucketOf(key);
    const bucket = new Map(this.#buckets[at]);
    change(bucket);
    const buckets = this.#buckets.slice();
    buckets[at] = bucket;
    return new Register(buckets);
  }
}

function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}
