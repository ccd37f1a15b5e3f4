// Every invariant of safety.md §5 that several watchers can break together and that can be judged while their world runs.

import type { FleetChecker } from "../checker.ts";
import type { FleetWorld } from "../world.ts";

export const FLEET_CHECKERS: readonly ((world: FleetWorld) => FleetChecker)[] = [];
