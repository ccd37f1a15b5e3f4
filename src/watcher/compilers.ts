// How hard V8 works for this watcher, once it is known how much there is to do. A small one waits nearly all of its time, and
// the flags that it was started with (cli/commands/watch.ts) keep V8's optimising compilers out: they cost 10 to 20 MB. Who
// looks hundreds of times a second pays twice the processor time without them, every second of the year (ADR 18).
//
// Not by other flags at the start: how many hosts there are is known when the configuration has been read, 9 s later for
// 10,000, and that must not be done twice. Both compilers look at their switch whenever they are about to compile, so that
// it can be thrown in a running process; it is thrown once and never back.

import { setFlagsFromString } from "node:v8";
import type { Config } from "../config/config.ts";

/** Single probes a second from which on compiling pays. */
const MANY_A_SECOND = 50;
let on = false;

/** Single probes a second that a configuration asks for. */
export function probesASecond({ policy }: Pick<Config, "policy">): number {
  let sum = 0;
  for (const { probes, everyMs } of policy.hosts.values()) sum += (probes.length * 1_000) / everyMs;
  return sum;
}

/** Lets V8 optimise if this configuration is worth it. */
export function compileFor(config: Pick<Config, "policy">): void {
  if (probesASecond(config) >= MANY_A_SECOND) compileForMany();
}

/** Lets V8 optimise from now on. */
export function compileForMany(): void {
  if (on) return;
  for (const flag of ["--maglev", "--turbofan"]) setFlagsFromString(flag);
  on = true;
}
