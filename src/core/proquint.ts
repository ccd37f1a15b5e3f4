// Proquints: a 16-bit number as five letters that can be said on the telephone (Wilkerson, arXiv:0901.4016).
// 127.0.0.1 is lusab-babad.

const CONSONANTS = "bdfghjklmnprstvz";
const VOWELS = "aiou";

/** Two five-letter words for a 32-bit number. */
export function proquint(value: number): string {
  return `${word(value >>> 16)}-${word(value & 0xffff)}`;
}

function word(value: number): string {
  const consonant = (shift: number) => CONSONANTS.charAt((value >> shift) & 15);
  const vowel = (shift: number) => VOWELS.charAt((value >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}

/** A bijection on 32-bit numbers that scatters neighbours, so that successive incidents do not sound alike (murmur3's finaliser). */
export function scatter(value: number): number {
  let mixed = value >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
