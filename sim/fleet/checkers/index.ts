// Every invariant of safety.md §5 that several watchers can break together and that can be judged while their world runs.

import type { FleetChecker } from "../checker.ts";
import type { FleetWorld } from "../world.ts";
import { agreement } from "./agreement.ts";
import { carefully } from "../../checkers/careful.ts";
import { brakes } from "./brakes.ts";
import { charge } from "./charge.ts";
import { intent } from "./intent.ts";
import { lease } from "./lease.ts";
import { liveness } from "./liveness.ts";
import { oneEdge } from "./one-edge.ts";
import { owed } from "./owed.ts";
import { planned } from "./planned.ts";
import { precedence } from "./precedence.ts";
import { quiescence } from "./quiescence.ts";
import { reboots } from "./reboots.ts";
import { remedy } from "./remedy.ts";
import { resume } from "./resume.ts";
import { session } from "./session.ts";
import { stop } from "./stop.ts";
import { story } from "./story.ts";

export const FLEET_CHECKERS: readonly ((world: FleetWorld) => FleetChecker)[] = [intent, agreement, oneEdge, session, charge, lease, owed, quiescence, brakes, precedence, resume, liveness, stop, story, remedy, reboots, planned, carefully];
