// Somebody on the network speaks in the name of hosts' kernels, in some worlds: one word, or the same one for minutes on end. It is
// a stream of chance of its own, so that worlds without it stay what they were.

import type { KernelWord } from "../src/core/kernel-words.ts";
import { recognise } from "../src/core/kernel-words.ts";
import type { State } from "../src/core/state.ts";
import { Random } from "./random.ts";
import type { World } from "./world.ts";

const LINES = [
  "Kernel panic - not syncing: Fatal exception", "Rebooting in 10 seconds..", "Rebooting in 60 seconds..", "reboot: Restarting system", "Starting crashdump kernel...",
  "Kernel command line: BOOT_IMAGE=/vmlinuz elfcorehdr=0x2f000000", "reboot: Power down", "INFO: task jbd2/sda1-8:311 blocked for more than 120 seconds.", "EXT4-fs (sda1): Remounting filesystem read-only",
] as const;

/** Whether anybody does so in this world. */
export function isSpoofed(seed: number): boolean {
  return new Random(seed, "is spoofed").chance(0.2);
}

export function spoof(world: World): void {
  if (!isSpoofed(world.spec.seed)) return;
  const random = new Random(world.spec.seed, "spoofed words");
  const campaign = (): void => {
    if (world.healing) return;
    const sick = [...world.hosts.values()].filter((host) => !host.healthy);
    const host = random.pick(sick.length > 0 && random.chance(0.8) ? sick : [...world.hosts.values()]).name;
    const word = recognise(random.pick(LINES), null);
    if (word === null) throw new Error("assertion failed: a line of the simulator is not recognised");
    const untilMs = world.timeline.nowMs + (random.chance(0.5) ? 0 : random.spread(10_000, 1_200_000));
    const everyMs = random.spread(500, 60_000);
    const say = (): void => {
      if (world.healing) return;
      speak(world, host, word);
      if (world.timeline.nowMs < untilMs) world.timeline.in(everyMs, null, say);
    };
    say();
    world.timeline.in(random.wait(180_000), null, campaign);
  };
  world.timeline.in(90_000 + random.wait(120_000), null, campaign);
}

function speak(world: World, host: string, word: KernelWord): void {
  const { life } = world;
  if (life === null) return;
  world.timeline.in(0, life, () => {
    world.counts.add(`spoofed: ${word.sign}`);
    world.say(() => `spoofed for ${host}: ${word.reason}`);
    for (const checker of world.checkers.spoofed) checker.spoofed?.(host, word);
    const before = life.watcher.state;
    const wokeMs = before.lastStepMs + life.machine.bootedMs;
    life.watcher.post({ kind: "kernel", host, word, holds: true });
    world.stir();
    // Who did not run for a while counts from zero in whatever step comes next.
    const slept = world.timeline.nowMs - wokeMs > 5_000;
    const touched = life.alive && !slept ? moreThanAWord(before, life.watcher.state, host) : null;
    if (touched !== null) world.fail("Words", `${word.sign} for ${host}: ${touched}`);
  });
}

/** What a word may leave behind is a hold of its own host and what is told; anything else is named. */
function moreThanAWord(before: State, after: State, name: string): string | null {
  if (after.operations !== before.operations || after.runs !== before.runs) return "an operation changed";
  if (after.storms !== before.storms || after.alarms !== before.alarms || after.locks !== before.locks) return "a storm, an alarm or a lock changed";
  for (const [key, brake] of before.brakes) if (after.brakes.get(key) !== brake) return `${key} changed`;
  for (const host of before.hosts.values()) {
    const now = after.hosts.get(host.name);
    if (now === host) continue;
    if (now === undefined || host.name !== name) return `${host.name} changed`;
    if (now.counter !== host.counter || now.last !== host.last || now.badSinceMs !== host.badSinceMs || now.incident !== host.incident || now.votes !== host.votes || now.cause < host.cause) return `${name} is judged anew`;
  }
  return null;
}
