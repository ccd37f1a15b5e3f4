// Replay (safety.md §5.18) of every life of every watcher: the recorded inputs give the same effects, byte for byte, and each
// names its cause.

import { again } from "../replay.ts";
import type { FleetWorld } from "./world.ts";

export function judgeFleetReplay(world: FleetWorld): void {
  for (const site of world.sites.values()) {
    let known = new Set<number>();
    let folder: string | null = null;
    for (const life of [...site.pastLives, ...(site.life === null ? [] : [site.life])]) {
      if (life.folder !== folder) known = new Set();
      folder = life.folder;
      again(world, life, known);
      if (world.violation !== null) return;
    }
  }
}
