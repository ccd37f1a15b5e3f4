// The power devices of a scenario: outlets that feed hosts, and the faults that a script gives a device.
//
//   unreachable · reachable | deaf: acknowledges and does nothing · hears | late 3s: the effect comes later, whoever has died
//   meanwhile · prompt | slow 2s: log-in and reading take so long · quick | cuts: the connection breaks at the command, which
//   arrives all the same · loses: it breaks and the command is lost | blind: reads unknown · sees | refuses: says no · obeys
//   meter 90W: that is what it tells of every outlet · meter mute: it tells nothing · meter late 12s · meter true

import { duration, watts } from "./script.ts";

type Outlet = { state: "on" | "off"; hosts: string[]; label: string | null; /** Said by the script. */ draws: number | null };
type Manner = { reachable: boolean; hears: boolean; lateMs: number; slowMs: number; next: "well" | "cuts" | "loses"; sees: boolean; obeys: boolean; meter: { readonly watts: number | "true" | "mute"; readonly lateMs: number } };

export type Fate = "accepted" | "cut" | "refused";

export class Devices {
  readonly #outlets = new Map<string, Outlet>();
  readonly #manners = new Map<string, Manner>();

  wire(key: string, host: string | null): void {
    const outlet = this.#outlets.get(key) ?? { state: "on" as const, hosts: [], label: null, draws: null };
    if (host !== null && !outlet.hosts.includes(host)) outlet.hosts.push(host);
    this.#outlets.set(key, outlet);
  }

  outlet(key: string): Outlet {
    const outlet = this.#outlets.get(key);
    if (outlet === undefined) throw new Error(`no outlet ${key}`);
    return outlet;
  }

  reads(key: string): { readonly state: "on" | "off" | "unknown"; readonly label: string | null } {
    const { state, label } = this.outlet(key);
    return { state: this.manner(key.split("/")[0] as string).sees ? state : "unknown", label };
  }

  manner(device: string): Manner {
    let manner = this.#manners.get(device);
    if (manner === undefined) this.#manners.set(device, (manner = { reachable: true, hears: true, lateMs: 0, slowMs: 0, next: "well", sees: true, obeys: true, meter: { watts: "true", lateMs: 0 } }));
    return manner;
  }

  /** `device sucker late 3s` */
  happen(words: readonly string[]): void {
    const manner = this.manner(words[1] as string);
    switch (words[2]) {
      case "unreachable":
      case "reachable":
        manner.reachable = words[2] === "reachable";
        return;
      case "deaf":
      case "hears":
        manner.hears = words[2] === "hears";
        return;
      case "late":
      case "prompt":
        manner.lateMs = words[2] === "late" ? duration(words[3] as string) : 0;
        return;
      case "slow":
      case "quick":
        manner.slowMs = words[2] === "slow" ? duration(words[3] as string) : 0;
        return;
      case "cuts":
      case "loses":
        manner.next = words[2];
        return;
      case "blind":
      case "sees":
        manner.sees = words[2] === "sees";
        return;
      case "refuses":
      case "obeys":
        manner.obeys = words[2] === "obeys";
        return;
      case "meter":
        manner.meter = { watts: words[3] === "mute" ? "mute" : words[3] === "true" || words[3] === "late" ? "true" : watts(words[3] as string), lateMs: words[3] === "late" ? duration(words[4] as string) : 0 };
        return;
      default:
        throw new Error(`unknown: ${words.join(" ")}`);
    }
  }

  /** What a device tells that an outlet gives; `running`: something on it runs. */
  draws(key: string, running: boolean): number | null {
    const outlet = this.outlet(key);
    const { watts: told } = this.manner(key.split("/")[0] as string).meter;
    if (told === "mute") return null;
    if (told !== "true") return told;
    return outlet.state === "off" ? 0 : (outlet.draws ?? (running ? 80 : 2));
  }

  /** What becomes of one command: what the sender learns, and when it takes effect (null: never). */
  command(device: string): { readonly fate: Fate; readonly effectMs: number | null } {
    const manner = this.manner(device);
    const { next } = manner;
    manner.next = "well";
    if (!manner.obeys) return { fate: "refused", effectMs: null };
    const effectMs = manner.hears && next !== "loses" ? manner.lateMs : null;
    return { fate: next === "well" ? "accepted" : "cut", effectMs };
  }
}
