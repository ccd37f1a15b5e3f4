// A process that starts one kept command and is killed meanwhile, by command.test.ts.

import { childGuard } from "../../child/child.ts";
import { systemClock } from "../../process/system-clock.ts";
import { command } from "./command.ts";

const [folder = "", ...argv] = process.argv.slice(2);
const kept = command("job", { argv, user: undefined, directory: "/", env: {}, output: undefined }, { guard: childGuard(), folder, now: systemClock().now }, { startMs: 20_000, stopMs: 5_000 });
process.stdout.write("begun\n");
const done = await kept.start(AbortSignal.timeout(30_000));
process.stdout.write(`${JSON.stringify(done)}\n`);
