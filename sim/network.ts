// The network between the watcher and everything else: cut from its references, from one host, from all hosts, and packets
// lost at random. What lies between the watcher and a power device is the device's own (devices.ts), because what is
// queued in that cable matters.

import type { Answer } from "./hosts.ts";
import type { Random } from "./random.ts";

const LOST: Answer = { right: false, sign: "silent", latencyMs: Infinity };

export class Network {
  readonly #random: Random;
  loss: number;
  /** How many faults hold each of these cut at the moment. */
  referencesLost = 0;
  allHostsCut = 0;
  readonly hostsCut = new Map<string, number>();

  constructor(random: Random, loss: number) {
    this.#random = random;
    this.loss = loss;
  }

  reaches(host: string): boolean {
    return this.allHostsCut === 0 && (this.hostsCut.get(host) ?? 0) === 0;
  }

  cut(host: string, by: 1 | -1): void {
    this.hostsCut.set(host, (this.hostsCut.get(host) ?? 0) + by);
  }

  /** What comes of an answer on its way through the network. A ping asks twice. */
  carry(host: string, probe: string, answer: Answer): Answer {
    if (!this.reaches(host)) return LOST;
    if (this.loss === 0) return answer;
    const lost = probe === "ping" ? this.#random.chance(this.loss) && this.#random.chance(this.loss) : this.#random.chance(this.loss);
    return lost ? LOST : answer;
  }
}
