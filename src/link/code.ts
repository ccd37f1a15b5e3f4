// The code that a person carries from a watcher to a host: a secret that is good once, and by what the host knows the watcher,
// in letters that can be read out. `UPK1-` and 45 characters of Crockford's base 32: 12 bytes of secret, the first 16 bytes of
// the SHA-256 of the watcher's public key.

import { createHash, randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const HEAD = "UPK1-";
const SECRET_BYTES = 12;
const PIN_BYTES = 16;
const CHARACTERS = Math.ceil(((SECRET_BYTES + PIN_BYTES) * 8) / 5);

export type Code = {
  /** Hexadecimal. */
  readonly secret: string;
  /** The first half of the watcher's pin, hexadecimal. */
  readonly pinHead: string;
};

export function makeCode(pin: string): { readonly text: string; readonly hash: string } {
  const secret = randomBytes(SECRET_BYTES);
  const bytes = Buffer.concat([secret, Buffer.from(pin.slice(0, 2 * PIN_BYTES), "hex")]);
  let bits = BigInt(`0x${bytes.toString("hex")}`) << BigInt(CHARACTERS * 5 - bytes.length * 8);
  let text = "";
  for (let n = 0; n < CHARACTERS; n += 1) {
    text = `${ALPHABET[Number(bits & 31n)]}${text}`;
    bits >>= 5n;
  }
  return { text: HEAD + (text.match(/.{1,5}/g) ?? []).join("-"), hash: hashOf(secret.toString("hex")) };
}

/** What stands in a code that somebody typed, or null where it is none. */
export function readCode(text: string): Code | null {
  const plain = text.trim().toUpperCase();
  if (!plain.startsWith(HEAD)) return null;
  const letters = plain.slice(HEAD.length).replaceAll("-", "").replaceAll("O", "0").replace(/[IL]/g, "1");
  if (letters.length !== CHARACTERS || [...letters].some((letter) => !ALPHABET.includes(letter))) return null;
  let bits = 0n;
  for (const letter of letters) bits = (bits << 5n) | BigInt(ALPHABET.indexOf(letter));
  const spare = BigInt(CHARACTERS * 5 - (SECRET_BYTES + PIN_BYTES) * 8);
  if ((bits & ((1n << spare) - 1n)) !== 0n) return null;
  const hex = (bits >> spare).toString(16).padStart(2 * (SECRET_BYTES + PIN_BYTES), "0");
  return { secret: hex.slice(0, 2 * SECRET_BYTES), pinHead: hex.slice(2 * SECRET_BYTES) };
}

/** As it is kept. A secret of 96 random bits needs no slow hash: nobody tries them all. */
export function hashOf(secret: string): string {
  return createHash("sha256").update("upkeep agent code\0").update(secret).digest("hex");
}
