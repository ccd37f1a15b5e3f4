// A persistent map over a fixed set of keys: a change copies one block of 32, one page of 64 blocks and the row of pages, not
// thousands of entries. The fleet is such a map; a plain Map copied at every probe round would be the most expensive thing
// that the core does, and with 100,000 hosts so would be the row of all blocks.

const BLOCK = 32;
const PAGE = 64 * BLOCK;

export class Table<Value> {
  readonly #slots: ReadonlyMap<string, number>;
  readonly #pages: readonly (readonly (readonly Value[])[])[];

  private constructor(slots: ReadonlyMap<string, number>, pages: readonly (readonly (readonly Value[])[])[]) {
    this.#slots = slots;
    this.#pages = pages;
  }

  static from<Value>(entries: Iterable<readonly [string, Value]>): Table<Value> {
    const slots = new Map<string, number>();
    const pages: Value[][][] = [];
    for (const [key, value] of entries) {
      if (slots.has(key)) throw new Error(`assertion failed: key ${key} twice`);
      if (slots.size % PAGE === 0) pages.push([]);
      const page = pages[pages.length - 1] as Value[][];
      if (slots.size % BLOCK === 0) page.push([]);
      (page[page.length - 1] as Value[]).push(value);
      slots.set(key, slots.size);
    }
    return new Table(slots, pages);
  }

  get size(): number {
    return this.#slots.size;
  }

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  get(key: string): Value | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#pages[Math.floor(slot / PAGE)]?.[Math.floor((slot % PAGE) / BLOCK)]?.[slot % BLOCK];
  }

  /** The same table with another value under an existing key. */
  with(key: string, value: Value): Table<Value> {
    const slot = this.#slots.get(key);
    if (slot === undefined) throw new Error(`assertion failed: no key ${key}`);
    const pages = this.#pages.slice();
    const page = (pages[Math.floor(slot / PAGE)] as readonly (readonly Value[])[]).slice();
    const at = Math.floor((slot % PAGE) / BLOCK);
    const block = (page[at] as readonly Value[]).slice();
    block[slot % BLOCK] = value;
    page[at] = block;
    pages[Math.floor(slot / PAGE)] = page;
    return new Table(this.#slots, pages);
  }

  keys(): Iterable<string> {
    return this.#slots.keys();
  }

  *values(): Iterable<Value> {
    for (const page of this.#pages) for (const block of page) yield* block;
  }
}

const BUCKETS_LEAST = 512;
/** A change copies a bucket (slowly) and the row (fast): both stay short. */
const BUCKET_FULL = 64;

/** A persistent map over keys that come and go: a change copies one bucket and the row of buckets, however many keys there are. */
export class Register<Value> {
  readonly #buckets: readonly (ReadonlyMap<string, Value> | undefined)[];
  readonly size: number;

  private constructor(buckets: readonly (ReadonlyMap<string, Value> | undefined)[], size: number) {
    this.#buckets = buckets;
    this.size = size;
  }

  static from<Value>(entries: Iterable<readonly [string, Value]>): Register<Value> {
    const all = [...entries];
    const buckets: (Map<string, Value> | undefined)[] = Array.from({ length: bucketsFor(all.length) }, () => undefined);
    let size = 0;
    for (const [key, value] of all) {
      const bucket = (buckets[bucketOf(key, buckets.length)] ??= new Map());
      if (!bucket.has(key)) size += 1;
      bucket.set(key, value);
    }
    return new Register(buckets, size);
  }

  get(key: string): Value | undefined {
    return this.#buckets[bucketOf(key, this.#buckets.length)]?.get(key);
  }

  has(key: string): boolean {
    return this.#buckets[bucketOf(key, this.#buckets.length)]?.has(key) ?? false;
  }

  with(key: string, value: Value): Register<Value> {
    const size = this.has(key) ? this.size : this.size + 1;
    const changed = this.#changed(key, (bucket) => bucket.set(key, value), size);
    return size > BUCKET_FULL * this.#buckets.length ? Register.from(changed.entries()) : changed;
  }

  without(key: string): Register<Value> {
    return this.has(key) ? this.#changed(key, (bucket) => bucket.delete(key), this.size - 1) : this;
  }

  *entries(): Iterable<readonly [string, Value]> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket;
  }

  #changed(key: string, change: (bucket: Map<string, Value>) => unknown, size: number): Register<Value> {
    const at = bucketOf(key, this.#buckets.length);
    const bucket = new Map(this.#buckets[at]);
    change(bucket);
    const buckets = this.#buckets.slice();
    buckets[at] = bucket;
    return new Register(buckets, size);
  }
}

/** A power of two, so that half of them are free for growth. */
function bucketsFor(size: number): number {
  let buckets = BUCKETS_LEAST;
  while (buckets * BUCKET_FULL < 2 * size) buckets *= 2;
  return buckets;
}

function bucketOf(key: string, buckets: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) & (buckets - 1);
}
