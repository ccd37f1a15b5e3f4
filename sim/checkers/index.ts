// Every invariant of safety.md §5 that concerns one watcher and can be judged while the world runs. What is judged on the
// recorded inputs afterwards is in ../replay.ts.

import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";
import { awake } from "./awake.ts";
import { carefully } from "./careful.ts";
import { brakes } from "./brakes.ts";
import { confirmed } from "./confirmed.ts";
import { expiry } from "./expiry.ts";
import { foreign } from "./foreign.ts";
import { healthy } from "./healthy.ts";
import { intent } from "./intent.ts";
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
import { wentBack } from "./went-back.ts";
import { words } from "./words.ts";

export const CHECKERS: readonly ((world: World) => Checker)[] = [intent, healthy, oneEdge, session, owed, quiescence, confirmed, brakes, precedence, resume, foreign, liveness, awake, expiry, wentBack, stop, remedy, planned, words, reboots, carefully];
