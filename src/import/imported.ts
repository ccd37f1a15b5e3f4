// What an import makes of another program's files: hosts with probes, and the list of what was left behind, with the place
// and the reason. Whoever changes over has to know that list better than the configuration, so nothing is dropped in silence:
// a check becomes a probe that asks the same, or stands in the list.
//
// A check whose failure no power cycle cures (a full disk, a certificate, an agent's numbers) is never made a probe: a bad
// round may cut power here, and there it sent a mail. Secrets are not carried over either; the list says where they go.

import { parseAddress } from "../config/address.ts";
import type { DraftHost } from "../config/draft.ts";
import { parseSection } from "../config/expect.ts";
import { nameFrom, oneLine } from "../config/names.ts";
import { ProblemList } from "../config/problems.ts";
import { probeList } from "../config/sections/probes.ts";
import { ImportError } from "./source-file.ts";

/** Where something stands; no line in a database. */
export type Place = { readonly file: string; readonly line: number | null };

export type NotCarried = Place & { readonly what: string; readonly why: string };

export type Imported = {
  readonly hosts: readonly DraftHost[];
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** In the order of the files. */
  readonly notCarried: readonly NotCarried[];
  /** Checks that became probes. */
  readonly carried: number;
};

export type HostUnderWay = {
  readonly place: Place;
  readonly wanted: string;
  readonly address: string;
  readonly notes: string[];
  readonly probes: Map<string, unknown>;
  everyMs: number | null;
  /** The key of the host that it stands behind. */
  behind: string | null;
  group: string | null;
};

const HOSTS_MAX = 10_000;
const LIST_MAX = 20_000;
/** Of the schema. */
const PROBES_MAX = 16;
const NOTES_MAX = 12;
/** Checks of all hosts together: a service of `*` on ten thousand hosts is ten thousand. */
const CHECKS_MAX = 500_000;
const EVERY_MIN_MS = 1_000;
const EVERY_MAX_MS = 3_600_000;

export class Collected {
  readonly #hosts = new Map<string, HostUnderWay>();
  readonly #list: NotCarried[] = [];
  readonly #told = new Set<string>();
  #carried = 0;
  #seen = 0;

  /** The host of this key, made when it is asked for first; null (told) where its address is none. `wanted` is what it should be called. */
  host(key: string, address: string, wanted: string, place: Place): HostUnderWay | null {
    const there = this.#hosts.get(key);
    if (there !== undefined) return there;
    const parsed = parseAddress(address);
    if (!parsed.ok) return this.left(place, wanted || "(no name)", `${parsed.message}: ${parsed.hint}`);
    if (this.#hosts.size >= HOSTS_MAX) return this.leftOnce(place, "hosts", `more than ${HOSTS_MAX} of them`);
    const host: HostUnderWay = { place, wanted, address, notes: [], probes: new Map(), everyMs: null, behind: null, group: null };
    this.#hosts.set(key, host);
    return host;
  }

  known(key: string): HostUnderWay | null {
    return this.#hosts.get(key) ?? null;
  }

  /** A check that became this probe. What the loader would not take is left, with its words. */
  probe(host: HostUnderWay, probe: unknown, what: string, place: Place): void {
    this.#count();
    const problem = probeProblem(probe);
    if (problem !== null) return void this.left(place, what, problem);
    const key = JSON.stringify(probe);
    if (!host.probes.has(key) && host.probes.size >= PROBES_MAX) return void this.left(place, what, `a host has at most ${PROBES_MAX} probes`);
    this.#carried += 1;
    host.probes.set(key, probe);
    const note = oneLine(what);
    if (host.notes.length < NOTES_MAX && !host.notes.includes(note)) host.notes.push(note);
  }

  pace(host: HostUnderWay, everyMs: number): void {
    if (!Number.isFinite(everyMs)) return;
    const within = Math.min(Math.max(Math.round(everyMs), EVERY_MIN_MS), EVERY_MAX_MS);
    host.everyMs = Math.min(host.everyMs ?? Infinity, within);
  }

  /** Something that is not carried over. Null, so that it can be returned. */
  left(place: Place, what: string, why: string): null {
    this.#count();
    if (this.#list.length < LIST_MAX) this.#list.push({ ...place, what: oneLine(what), why: oneLine(why, 300) });
    return null;
  }

  /** The same thing of many is told at its first place only. */
  leftOnce(place: Place, what: string, why: string): null {
    if (this.#told.has(`${what}\0${why}`)) return null;
    this.#told.add(`${what}\0${why}`);
    return this.left(place, what, why);
  }

  #count(): void {
    this.#seen += 1;
    if (this.#seen > CHECKS_MAX) throw new ImportError(`more than ${CHECKS_MAX} checks`);
  }

  finish(): Imported {
    const taken = new Set<string>();
    const names = new Map<string, string>();
    for (const [key, host] of this.#hosts) {
      if (host.probes.size === 0) {
        this.left(host.place, host.wanted, "nothing that looks at it could be carried over");
        continue;
      }
      const name = nameFrom(host.wanted, taken);
      if (name !== host.wanted) this.left(host.place, host.wanted, `as a name; the host is called ${name}`);
      names.set(key, name);
    }
    const groupNames = new Map<string, string>();
    const takenGroups = new Set<string>();
    const groups = new Map<string, string[]>();
    const hosts: DraftHost[] = [];
    for (const [key, name] of names) {
      const host = this.#hosts.get(key) as HostUnderWay;
      const behind = host.behind === null ? undefined : names.get(host.behind);
      hosts.push({ name, address: host.address, power: null, probes: [...host.probes.values()], ...(host.everyMs === null ? {} : { every: durationText(host.everyMs) }), ...(behind === undefined ? {} : { behind }), notes: host.notes });
      if (host.group === null) continue;
      let group = groupNames.get(host.group);
      if (group === undefined) groupNames.set(host.group, (group = nameFrom(host.group, takenGroups, "group")));
      groups.set(group, [...(groups.get(group) ?? []), name]);
    }
    return { hosts, groups, notCarried: this.#list, carried: this.#carried };
  }
}

/** What the loader would say of one probe, or null. */
export function probeProblem(probe: unknown): string | null {
  const problems = new ProblemList();
  parseSection(probeList, [probe], { place: () => ({ file: "", line: 1, column: 1 }) }, problems);
  const [first] = problems.sorted();
  return first === undefined ? null : `Upkeep would not take ${typeof probe === "object" && probe !== null ? Object.keys(probe).join() : String(probe)}: ${first.message}${first.hint === null ? "" : ` (${first.hint})`}`;
}

/** `30s`, `5m`. */
export function durationText(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

/** Text that must be found as it is: what looks like a pattern is made one that means itself. */
export function literally(text: string): string {
  return /^\/.+\/[imsu]*$/s.test(text) ? `/${text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}/` : text;
}

const SENSITIVE = /(pass(word|wd)?|secret|token|api-?_?key|auth|sig(nature)?|key)=/i;

/** Why a URL cannot be written into the file as it is, or null. */
export function urlProblem(text: string): string | null {
  const url = URL.parse(text);
  if (url === null) return "not a URL";
  if (url.username !== "" || url.password !== "") return "its URL holds a user name or password: write http with headers: { Authorization: { file: … } }";
  return SENSITIVE.test(url.search) ? "its URL holds what looks like a secret" : null;
}

/** The host part of a URL, as an address. */
export function hostOfUrl(text: string): string {
  return (URL.parse(text)?.hostname ?? "").replace(/^\[|\]$/g, "");
}

const IP = /^([0-9.]+|[0-9a-f:]*:[0-9a-f:.]*)$/i;

/** A host's own name where it has one, else what people called the check. */
export function nameOf(address: string, called: string): string {
  return IP.test(address) ? called || address : address;
}
