// A secret in memory. It never prints: not by string conversion, not as JSON, not in util.inspect or a log of the object
// that holds it. The one way to the text is `reveal`, so a search for that word finds every place where a secret leaves.

import { createHash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const HIDDEN = "[secret]";

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The secret itself, for the one call that needs it. */
  reveal(): string {
    return this.#text;
  }

  equals(other: Secret): boolean {
    // Hashed first: timingSafeEqual wants equal lengths, and a length is a hint, too.
    const digest = (secret: Secret): Buffer => createHash("sha256").update(secret.reveal()).digest();
    return timingSafeEqual(digest(this), digest(other));
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.toPrimitive](): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** Options in which any text may be a secret that is still closed. */
export type Closable<T> = T extends string ? T | Secret
  : T extends number | boolean | null | undefined | readonly unknown[] ? T
  : { readonly [K in keyof T]: Closable<T[K]> };

/** Options with their secrets open. */
export type Opened<T> = T extends Secret ? string
  : T extends string | number | boolean | null | undefined | readonly unknown[] ? T
  : { readonly [K in keyof T]: Opened<T[K]> };
