// What was said in a session, kept as evidence: the last part of it, printable, in one line, and never with a secret in it.
//
// A device may echo the user name or the password, in one piece or letter by letter. So text is searched for secrets before
// anything is thrown away: the last letters, which may be the beginning of one, are held back until it is known how they go
// on, and only what has been cleaned is shortened. Cutting first would leave the second half of a secret at the cut.

/** What is kept of a session; evidence is shorter still. */
const KEPT_CHARACTERS = 4096;

/** The most that `evidence` returns. */
export const EVIDENCE_CHARACTERS_MAX = 600;

const HIDDEN = "[hidden]";
/** Shorter beginnings of a secret at the very end of a text give nothing away, and hiding them would garble every text. */
const TELLING_CHARACTERS = 3;

export class Transcript {
  readonly #secrets: readonly string[];
  readonly #holdBack: number;
  #clean = "";
  #held = "";
  /** So much of what is held back came before the mark. */
  #before = 0;

  /** Empty secrets are ignored: they hide nothing. */
  constructor(secrets: readonly string[]) {
    // The longest first, so that a user name that is the beginning of the password does not leave the rest of it.
    this.#secrets = [...new Set(secrets.filter((secret) => secret !== ""))].sort((a, b) => b.length - a.length);
    this.#holdBack = Math.max(0, (this.#secrets[0]?.length ?? 0) - 1);
  }

  /** Text as it came from the device. */
  heard(text: string): void {
    const whole = this.#held + text;
    const { clean, at } = this.#cleaned(whole, Math.max(0, whole.length - this.#holdBack));
    this.#held = whole.slice(at);
    this.#before = Math.max(0, this.#before - at);
    this.#keep(clean);
  }

  /** What we sent, as it may be shown: a name in place of a secret. */
  said(shown: string): void {
    const rest = this.#rest();
    this.#held = "";
    this.#before = 0;
    this.#keep(`${rest} «${shown}» `);
  }

  /** Evidence begins here: what came before concerns something else. */
  mark(): void {
    this.#clean = "";
    this.#before = this.#held.length;
  }

  /** The end of the session since the last mark, in one printable line of at most `EVIDENCE_CHARACTERS_MAX` characters. */
  evidence(): string {
    const line = (this.#clean + this.#rest())
      .replace(/[^\x20-\x7e\n«»\u00a1-\u00ff]/g, "")
      .replace(/-{4,}/g, "---")
      .trim()
      .replace(/ *\n\s*/g, " | ")
      .replace(/ {2,}/g, " ");
    return line.length <= EVIDENCE_CHARACTERS_MAX ? line : `…${line.slice(1 - EVIDENCE_CHARACTERS_MAX)}`;
  }

  #keep(clean: string): void {
    this.#clean = (this.#clean + clean).slice(-KEPT_CHARACTERS);
  }

  /** The text up to about `end` without secrets, and how far it reaches: a secret is never parted. */
  #cleaned(text: string, end: number): { clean: string; at: number } {
    let clean = "";
    let at = 0;
    while (at < end) {
      const secret = this.#secrets.find((candidate) => text.startsWith(candidate, at));
      if (at >= this.#before) clean += secret === undefined ? text[at] : HIDDEN;
      at += secret?.length ?? 1;
    }
    return { clean, at };
  }

  /** What is held back, as far as it may be shown if nothing follows. */
  #rest(): string {
    const { clean } = this.#cleaned(this.#held, this.#held.length);
    for (const secret of this.#secrets) {
      for (let length = secret.length - 1; length >= TELLING_CHARACTERS; length--) {
        if (clean.endsWith(secret.slice(0, length))) return clean.slice(0, -length) + HIDDEN;
      }
    }
    return clean;
  }
}
