// How often somebody may try: a bucket for each address and each name, and one for all, filled as time passes. A try takes
// from its buckets before anything is computed, and a success gives back, so that many at once gain nothing.
//
// Nobody is locked out for good, least of all by a stranger who knows his name: an empty bucket refills. Memory is bounded:
// of too many keys the one that was seen longest ago is forgotten, which costs whoever makes up keys one key a try.

import { isIPv6 } from "node:net";

const KEYS_MAX = 4_096;

export type Rate = { readonly burst: number; /** How long until one more may be tried. */ readonly everyMs: number };

export class Limit {
  readonly #rate: Rate;
  /** By key: how many are left, as it was then. In the order in which they were last touched. */
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes one: 0, or how long to wait, and then nothing was taken. */
  take(key: string, nowMs: number): number {
    const left = this.#left(key, nowMs);
    if (left < 1) return Math.ceil((1 - left) * this.#rate.everyMs);
    this.#put(key, left - 1, nowMs);
    return 0;
  }

  /** What was taken for nothing. */
  giveBack(key: string, nowMs: number): void {
    if (this.#buckets.has(key)) this.#put(key, Math.min(this.#rate.burst, this.#left(key, nowMs) + 1), nowMs);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #left(key: string, nowMs: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#rate.burst;
    return Math.min(this.#rate.burst, bucket.left + Math.max(0, nowMs - bucket.atMs) / this.#rate.everyMs);
  }

  #put(key: string, left: number, atMs: number): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, { left, atMs });
    const [oldest] = this.#buckets.size > KEYS_MAX ? this.#buckets.keys() : [];
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

/** Who an address belongs to, as far as an address tells: an IPv6 network of 64 bits is one household. */
export function household(address: string): string {
  const bare = address.toLowerCase().replace(/%.*$/, "").replace(/^::ffff:(?=[0-9.]+$)/, "");
  if (!isIPv6(bare)) return bare;
  const [head = "", tail = ""] = (URL.parse(`http://[${bare}]/`)?.hostname ?? "[]").slice(1, -1).split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  return [...before, ...Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0"), ...after].slice(0, 4).join(":");
}
