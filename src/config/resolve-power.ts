// Devices and levels of one host. A device with `{host}` in its address is one device a host, `bmc@db1`; all others are
// shared. An outlet may feed one host only, and stand once in its power: otherwise a cut for one would cut another, or a
// second level would repeat the first.

import { isAbsolute, join } from "node:path";
import type { DevicePolicy, OutletRef } from "../core/policy.ts";
import { outletKey } from "../core/policy.ts";
import type { DeviceSpec } from "./config.ts";
import { parseSection } from "./expect.ts";
import type { Entry } from "./gather.ts";
import { told } from "./gather.ts";
import { formatLevel } from "./outlets.ts";
import { DRIVERS } from "./power/index.ts";
import type { AskedDevice } from "./power/device-schema.ts";
import type { Place, ProblemList } from "./problems.ts";
import { levelFor } from "./sections/hosts.ts";
import { device as deviceSchema } from "./sections/power.ts";
import type { DeviceInput } from "./sections/power.ts";
import { Secret } from "./secret.ts";
import type { SecretReader } from "./secrets.ts";
import { didYouMean } from "./suggest.ts";

/** A device as it was declared; `input` is null when its settings are wrong, which has been told. */
export type Declared = { readonly name: string; readonly entry: Entry; readonly input: DeviceInput | null; readonly template: boolean };

export type PowerOfHost = { readonly levels: readonly (readonly OutletRef[])[]; readonly places: readonly Place[] };

export type DeviceInstance = { readonly policy: DevicePolicy; readonly spec: DeviceSpec };

/** All devices under `power:`. */
export function declareDevices(entries: ReadonlyMap<string, Entry>, problems: ProblemList): ReadonlyMap<string, Declared> {
  const declared = new Map<string, Declared>();
  for (const [name, entry] of entries) {
    const input = parseSection(deviceSchema, entry.raw, entry.at, problems) as DeviceInput | null;
    if (input !== null && input.timeout > input.deadline) problems.add(entry.at.place(["timeout"]), "TIMEOUT_OVER_DEADLINE", "timeout is longer than deadline", "timeout is one step of the dialogue, deadline the whole action");
    declared.set(name, { name, entry, input, template: JSON.stringify(entry.raw)?.includes("{host}") === true });
  }
  return declared;
}

/** Resolves the levels of every host, and makes the instances of the devices that they name. */
export class PowerResolver {
  readonly #declared: ReadonlyMap<string, Declared>;
  readonly #secrets: SecretReader;
  readonly #problems: ProblemList;
  /** Devices that are needed, and the host of those that are one a host. */
  readonly #wanted = new Map<string, { readonly device: Declared; readonly host: string }>();
  /** Which host an outlet feeds, and where that is said. */
  readonly #feeding = new Map<string, { readonly host: string; readonly place: Place }>();
  /** Which device of the network is at an address. */
  readonly #addresses = new Map<string, string>();
  readonly #used = new Set<string>();
  /** False when the power of some host could not be read: then nobody knows which devices are used. */
  #certain = true;

  constructor(declared: ReadonlyMap<string, Declared>, secrets: SecretReader, problems: ProblemList) {
    this.#declared = declared;
    this.#secrets = secrets;
    this.#problems = problems;
  }

  /** `texts` is the host's `power:`, null where it is wrong; `feeds` what it says of its power supplies. */
  levels(host: Entry, texts: readonly string[] | null, feeds: number | undefined): PowerOfHost {
    if (texts === null) {
      this.#certain = false;
      return { levels: [], places: [] };
    }
    const isList = Array.isArray((host.raw as { power?: unknown }).power);
    const placeOf = (index: number): Place => host.at.place(isList ? ["power", index] : ["power"]);
    const levels: OutletRef[][] = [];
    const own = new Set<string>();
    const outletLevels: number[] = [];
    for (const [index, text] of texts.entries()) {
      const written = levelFor(text, host.name);
      const place = placeOf(index);
      const level: OutletRef[] = [];
      for (const feed of written) {
        const ref = this.#outlet(feed, host, place);
        if (ref === null) continue;
        const key = this.#output(ref, this.#declared.get(feed.device));
        if (own.has(key)) this.#problems.add(place, "OUTLET_REPEATED", `${key} stands twice in the power of ${host.name}`, "a level that repeats another cuts nothing new");
        else this.#claim(key, host.name, place);
        own.add(key);
        level.push(ref);
      }
      if (written.some(({ outlet }) => outlet !== null)) outletLevels.push(index);
      if (feeds !== undefined && written.every(({ outlet }) => outlet !== null) && written.length !== feeds) {
        this.#problems.add(place, "FEEDS_MISMATCH", `${host.name} has ${feeds === 1 ? "one feed" : `${feeds} feeds`}, and this level cuts ${written.length}: ${formatLevel(written)}`, "feeds that are cut together are joined by +");
      }
      levels.push(level);
    }
    const [, second] = outletLevels;
    if (second !== undefined && feeds !== 1 && !this.#singleFeed(texts, host.name)) {
      this.#problems.add(placeOf(second), "LEVELS_ARE_FEEDS", `two outlets as successive levels: if ${host.name} has two power supplies, neither level cuts its power`,
        `join feeds that are cut together: ${outletLevels.map((level) => texts[level]).join(" + ")}; or say feeds: 1`);
    }
    return { levels, places: levels.map((_, index) => placeOf(index)) };
  }

  /** Every device that a host needs, and every shared one. */
  async instances(): Promise<ReadonlyMap<string, DeviceInstance>> {
    const unused: Declared[] = [];
    for (const device of this.#declared.values()) {
      if (!device.template) this.#wanted.set(device.name, { device, host: "" });
      else if (!this.#used.has(device.name)) unused.push(device);
      if (this.#certain && !this.#used.has(device.name)) this.#problems.add(device.entry.at.place([], "key"), "DEVICE_UNUSED", `no host is powered by ${device.name}`);
    }
    const instances = new Map<string, DeviceInstance>();
    for (const [name, { device, host }] of this.#wanted) {
      const instance = await this.#instantiate(device, name, host);
      if (instance !== null) instances.set(name, instance);
    }
    // What nobody uses is not made, and told what is wrong with it all the same.
    for (const device of unused) await this.#instantiate(device, device.name, "host");
    return instances;
  }

  #outlet(feed: { readonly device: string; readonly outlet: string | null }, host: Entry, place: Place): OutletRef | null {
    const device = this.#declared.get(feed.device);
    if (device === undefined) {
      this.#problems.add(place, "DEVICE_UNKNOWN", `no power device is named ${feed.device}`, didYouMean(feed.device, this.#declared.keys()) ?? "devices stand under power:");
      return null;
    }
    this.#used.add(device.name);
    const outputs = device.input === null ? null : DRIVERS[device.input.driver].outputs(device.input);
    if (feed.outlet === null && outputs?.outlet === "must") {
      this.#problems.add(place, "OUTLET_INVALID", `${feed.device} has several outlets: which one feeds ${host.name}?`, `write ${feed.device}/N`);
      return null;
    }
    if (feed.outlet !== null && outputs?.outlet === "never") {
      this.#problems.add(place, "OUTLET_INVALID", `${feed.device} has one output, and no outlet ${feed.outlet}`, `write ${feed.device}`);
      return null;
    }
    const name = device.template ? `${device.name}@${host.name}` : device.name;
    if (device.template) this.#wanted.set(name, { device, host: host.name });
    return { device: name, outlet: feed.outlet ?? outputs?.unnamed ?? "1" };
  }

  /** What is really switched, as it is told. */
  #output(ref: OutletRef, device: Declared | undefined): string {
    const input = device?.input ?? null;
    const single = input === null ? undefined : DRIVERS[input.driver].outputs(input).single;
    return single === undefined ? outletKey(ref) : `${ref.device}, ${single}`;
  }

  #claim(key: string, host: string, place: Place): void {
    const before = this.#feeding.get(key);
    if (before === undefined) this.#feeding.set(key, { host, place });
    else this.#problems.add(place, "OUTLET_SHARED", `${key} feeds ${before.host} already`, `said in ${told(before.place)}; a cut for one would cut the other`);
  }

  #singleFeed(texts: readonly string[], host: string): boolean {
    const devices = texts.flatMap((text) => levelFor(text, host)).filter(({ outlet }) => outlet !== null);
    return devices.every(({ device }) => this.#declared.get(device)?.input?.feeds === 1);
  }

  #refuseSecondName(device: Declared, name: string, address: string): void {
    const other = this.#addresses.get(address);
    this.#addresses.set(address, other ?? name);
    if (other === undefined) return;
    this.#problems.add(device.entry.at.place(["address"]), "DEVICE_REPEATED", `${name} and ${other} are one device at ${address}`, "one name a device: its sessions are queued by name, and its outlets told apart by it");
  }

  async #instantiate(device: Declared, name: string, host: string): Promise<DeviceInstance | null> {
    const { input, entry } = device;
    if (input === null) return null;
    const driver = DRIVERS[input.driver];
    let whole = true;
    const fill = (text: string): string => text.replaceAll("{host}", () => host);
    const asked: AskedDevice = {
      fill,
      secret: async (reference, at) => {
        const secret = await this.#secrets.read("file" in reference ? { file: fill(reference.file) } : reference, entry.at.place(at), entry.directory);
        whole &&= secret !== null;
        // What stands in for a missing one goes nowhere.
        return secret ?? new Secret("");
      },
      file: async (path, at) => {
        const found = await this.#secrets.text(isAbsolute(path) ? path : join(entry.directory, path), entry.at.place(at), false);
        if (typeof found === "string") return found;
        whole = false;
        this.#problems.add(entry.at.place(at), "FILE_UNREADABLE", `${path}: ${found.wrong}`);
        return "";
      },
      refuse: (code, message, at, hint) => {
        this.#problems.add(entry.at.place(at), code, message, hint ?? null);
        return null;
      },
    };
    const resolved = await driver.resolve(input, asked);
    if (resolved === null || !whole) return null;
    const { address, options } = resolved;
    if (driver.placed === true) this.#refuseSecondName(device, name, address);
    return {
      policy: { name, driver: input.driver, address, maxActMs: input.deadline, checkEveryMs: input.check, exclusiveSession: driver.capabilities?.exclusiveSession ?? false, ...(driver.capabilities?.followsHost === true ? { followsHost: true as const } : {}), ...(input.metered === undefined ? {} : { metered: { belowWatts: input.metered.below, forMs: input.metered.for } }) },
      spec: { name, stepMs: input.timeout, maxActMs: input.deadline, driver: input.driver, options } as DeviceSpec,
    };
  }
}
