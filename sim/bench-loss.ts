// A simulated day of a thousand hosts behind a network that loses 2 % of the packets: how many are cut without need (none
// may be), and how many of those that truly wedged are cut. `bin/node24 sim/bench-loss.ts [--hosts N] [--minutes N] [--loss N]`

import { parseArgs } from "node:util";
import { lossyFleet } from "./loss.ts";

const { values } = parseArgs({ options: { hosts: { type: "string", default: "1000" }, minutes: { type: "string", default: "1440" }, loss: { type: "string", default: "0.02" }, deaths: { type: "string", default: "20" } } });

const began = performance.now();
const result = await lossyFleet({ hosts: Number(values.hosts), minutes: Number(values.minutes), loss: Number(values.loss), deaths: Number(values.deaths) });
const tookMs = performance.now() - began;
process.stdout.write(`${JSON.stringify({ ...result, loss: Number(values.loss), tookMs: Math.round(tookMs), roundsPerSecond: Math.round(result.rounds / (tookMs / 1_000)) })}\n`);
process.exitCode = result.falseCuts.length === 0 && result.missed.length === 0 && result.violation === null ? 0 : 1;
