// The simulator's only source of chance: sfc32 (Chris Doty-Humphrey, PractRand), seeded by a number and a word. Every part
// of the world draws from a stream of its own, so that one more draw in one place does not change what happens in another,
// and a seed means the same run on every machine.

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream: string) {
    let mixed = (seed ^ 0x9e3779b9) >>> 0;
    for (let at = 0; at < stream.length; at += 1) mixed = Math.imul(mixed ^ stream.charCodeAt(at), 0x01000193) >>> 0;
    this.#a = mixed;
    this.#b = seed >>> 0;
    this.#c = Math.imul(mixed, 0x85ebca6b) >>> 0;
    for (let at = 0; at < 12; at += 1) this.bits();
  }

  /** 32 random bits. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  /** From 0, below 1. */
  unit(): number {
    return this.bits() / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  /** A whole number from `low` to `high` whose logarithm is uniform: as often 1 to 10 as 10 to 100. */
  spread(low: number, high: number): number {
    return Math.round(low * Math.exp(this.unit() * Math.log(high / low)));
  }

  /** A waiting time of this mean. */
  wait(mean: number): number {
    return Math.round(-mean * Math.log(1 - this.unit()));
  }

  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new Error("nothing to pick from");
    return items[Math.floor(this.unit() * items.length)] as Item;
  }

  /** Picks by weight. */
  weigh<Item>(items: readonly (readonly [number, Item])[]): Item {
    let rest = this.unit() * items.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of items) {
      rest -= weight;
      if (rest < 0) return item;
    }
    return (items[items.length - 1] as readonly [number, Item])[1];
  }
}
