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
