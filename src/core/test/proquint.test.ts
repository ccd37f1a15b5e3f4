// Names that can be said on the telephone: the examples of the paper (Wilkerson, arXiv:0901.4016), and no two incidents alike.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { proquint, scatter } from "../proquint.ts";

const address = (text: string) => text.split(".").reduce((value, part) => value * 256 + Number(part), 0);

test("the examples of the paper", () => {
  const examples: Record<string, string> = {
    "127.0.0.1": "lusab-babad", "63.84.220.193": "gutih-tugad", "63.118.7.35": "gutuk-bisog", "140.98.193.141": "mudof-sakat", "64.255.6.200": "haguz-biram",
    "128.30.52.45": "mabiv-gibot", "147.67.119.2": "natag-lisaf", "212.58.253.68": "tibup-zujah", "216.35.68.215": "tobog-higil", "216.68.232.21": "todah-vobij",
    "198.81.129.136": "sinid-makam", "12.110.110.204": "budov-kuras", "0.0.0.0": "babab-babab", "255.255.255.255": "zuzuz-zuzuz",
  };
  for (const [ip, name] of Object.entries(examples)) assert.equal(proquint(address(ip)), name, ip);
});

/** The other way, written from the paper's table and not from the code. */
function number(name: string): number {
  const bits = (letter: string) => ("bdfghjklmnprstvz".includes(letter) ? "bdfghjklmnprstvz".indexOf(letter).toString(2).padStart(4, "0") : "aiou".indexOf(letter).toString(2).padStart(2, "0"));
  return Number.parseInt([...name.replace("-", "")].map(bits).join(""), 2);
}

test("a name says its number and nothing else", () => {
  fc.assert(fc.property(fc.nat(0xffff_ffff), (value) => {
    assert.match(proquint(value), /^([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]-([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]$/);
    assert.equal(number(proquint(value)), value);
  }));
});

/** The inverse of murmur3's finaliser: multiply by the inverses of its constants. */
function gather(value: number): number {
  let mixed = value;
  mixed = (mixed ^ (mixed >>> 16)) >>> 0;
  mixed = Math.imul(mixed, 0x7ed1b41d) >>> 0;
  mixed = (mixed ^ (mixed >>> 13) ^ (mixed >>> 26)) >>> 0;
  mixed = Math.imul(mixed, 0xa5cb9243) >>> 0;
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

test("scattering loses nothing: no two incidents of a ledger have the same name", () => {
  fc.assert(fc.property(fc.nat(0xffff_ffff), (value) => assert.equal(gather(scatter(value)), value)));
  const names = new Set(Array.from({ length: 20_000 }, (_, n) => proquint(scatter(0xdead_0000 + n))));
  assert.equal(names.size, 20_000);
});

test("neighbours do not sound alike", () => {
  const names = Array.from({ length: 1_000 }, (_, n) => proquint(scatter(n)).slice(0, 5));
  const same = names.filter((name, at) => at > 0 && name === names[at - 1]).length;
  assert.equal(same, 0);
});
