// Where things stand below the prefix.
//
//   PREFIX/identity         a uuid, and below it a node of that name: every transaction checks that it is there
//   PREFIX/record/2a/KEY    the records, on 64 shelves by a hash of their keys; a key is one name, percent-encoded
//
// A shelf is more than a folder. ZooKeeper compares a node's own version, and that begins anew when a node is deleted and
// made again: the same version may be another record. So whoever makes a record also writes to its shelf, and whoever relies
// on a record's version also has the shelf's compared (zookeeper-commit.ts).

import { hash } from "node:crypto";

const SHELVES = 64;
const UNENCODED = /^[A-Za-z0-9_:@,;=+!~$&'()*.-]$/;

export class Layout {
  readonly root: string;
  readonly identity: string;
  /** Holds the shelves. */
  readonly records: string;
  readonly shelves: readonly string[];

  /** `root` without a slash at its end. */
  constructor(root: string) {
    this.root = root;
    this.identity = `${root}/identity`;
    this.records = `${root}/record`;
    this.shelves = Array.from({ length: SHELVES }, (_, n) => `${this.records}/${n.toString(16).padStart(2, "0")}`);
  }

  stamp(uuid: string): string {
    return `${this.identity}/${uuid}`;
  }

  shelfOf(key: string): string {
    const digest = hash("sha256", key, "buffer");
    return this.shelves[(digest[0] ?? 0) % SHELVES] as string;
  }

  pathOf(key: string): string {
    return `${this.shelfOf(key)}/${encode(key)}`;
  }

  /** The key of a record's path; null for what is no record's, or not where it belongs. */
  keyOf(path: string): string | null {
    if (!path.startsWith(`${this.records}/`)) return null;
    const key = decode(path.slice(path.lastIndexOf("/") + 1));
    return key !== null && this.pathOf(key) === path ? key : null;
  }
}

/** What ZooKeeper takes as a prefix, with a slash before it and none at its end; null when it takes none like it. */
export function rootOf(prefix: string): string | null {
  const root = `/${prefix.replace(/^\/+|\/+$/g, "")}`;
  const names = root.slice(1).split("/");
  const fine = names.every((name) => name !== "" && name !== "." && name !== ".." && name.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f\ue000-\uf8ff\ufff0-\uffff]/.test(name));
  return fine && names[0] !== "zookeeper" ? root : null;
}

/** All folders above a path, the outermost first. */
export function above(path: string): string[] {
  const names = path.split("/").slice(1, -1);
  return names.map((_, n) => `/${names.slice(0, n + 1).join("/")}`);
}

function encode(key: string): string {
  // A name of dots alone means something else in a path.
  const dots = /^\.+$/.test(key);
  return Array.from(Buffer.from(key, "utf8"), (byte) => {
    const character = String.fromCharCode(byte);
    return UNENCODED.test(character) && !(dots && character === ".") ? character : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }).join("");
}

function decode(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}
