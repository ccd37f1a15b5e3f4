// Containers by the programs of whoever runs them: rows of facts for LXC, and for Docker and Podman, which speak alike. Those of
// systemd-nspawn are units (unit.ts). None of them tells who stopped a container, so one that does not run is down; whoever
// wants it down says so with `upkeep agent hold`. A paused or frozen one is somebody's wish.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { evidenceOf } from "../../child/child.ts";
import { textOf } from "../../process/proc.ts";
import type { Kept, KeptWorld, Looked } from "./kept.ts";
import { asUnit, ask, done, underSystemd } from "./run.ts";

export type Runtime = {
  readonly look: (name: string) => readonly string[];
  judge(name: string, stdout: string): Looked;
  readonly start: (name: string) => readonly string[];
  readonly stop: (name: string, withinS: number) => readonly string[];
};

/** `docker` or `podman`: `{{.State.Status}} {{.State.ExitCode}}`. */
export function judgeInspect(name: string, stdout: string): Looked {
  const [, status = "", code = ""] = /^([a-z]+) (-?[0-9]+)\s*$/.exec(stdout) ?? [];
  const evidence = `container ${name} is ${status}`;
  switch (status) {
    case "running": return { state: "up", evidence };
    case "exited":
    case "stopped":
    case "dead": return { state: "down", evidence: `${evidence} (exit ${code})` };
    case "created":
    case "configured":
    case "initialized": return { state: "down", evidence };
    case "restarting":
    case "removing":
    case "stopping": return { state: "changing", evidence };
    default: return { state: "unknown", evidence: status === "" ? `${JSON.stringify(stdout.slice(0, 60))} is no state of a container` : evidence };
  }
}

/** `lxc-info -s`: `State: RUNNING`. */
export function judgeLxc(name: string, stdout: string): Looked {
  const state = /^State:\s+([A-Z]+)\s*$/m.exec(stdout)?.[1];
  if (state === undefined) return { state: "unknown", evidence: `lxc-info does not say how ${name} stands` };
  const evidence = `container ${name} is ${state.toLowerCase()}`;
  if (state === "RUNNING") return { state: "up", evidence };
  if (state === "STOPPED") return { state: "down", evidence };
  return { state: ["STARTING", "STOPPING", "ABORTING"].includes(state) ? "changing" : "unknown", evidence };
}

const oci = (program: string): Runtime => ({
  look: (name) => [program, "inspect", "--type", "container", "--format", "{{.State.Status}} {{.State.ExitCode}}", name],
  judge: judgeInspect,
  start: (name) => [program, "start", name],
  stop: (name, withinS) => [program, "stop", "--time", String(withinS), name],
});

export const RUNTIMES = {
  docker: oci("docker"),
  podman: oci("podman"),
  lxc: {
    look: (name) => ["lxc-info", "-n", name, "-s"],
    judge: judgeLxc,
    start: (name) => ["lxc-start", "-d", "-n", name],
    stop: (name, withinS) => ["lxc-stop", "-n", name, "-t", String(withinS)],
  },
} as const satisfies Readonly<Record<string, Runtime>>;

/** Beside what the runtime is given to stop it: to kill it then. */
const KILL_MS = 10_000;

export function container(kind: keyof typeof RUNTIMES, name: string, world: KeptWorld, { startMs, stopMs }: { readonly startMs: number; readonly stopMs: number }): Kept {
  const runtime = RUNTIMES[kind];
  const look: Kept["look"] = async (signal) => {
    const ran = await ask(world, runtime.look(name), signal);
    return "code" in ran.end && ran.end.code === 0 ? runtime.judge(name, ran.stdout) : { state: "unknown", evidence: `${kind}: ${evidenceOf(ran)}` };
  };
  return {
    look,
    async start(signal) {
      if (!underSystemd()) return done(await ask(world, runtime.start(name), signal, startMs));
      const said = join(world.folder, `${kind}-${name}.said`);
      rmSync(said, { force: true });
      // What it leaves running is the runtime's, and stays.
      const properties = { Type: "oneshot", KillMode: "process", TimeoutStartSec: `${startMs}ms`, StandardOutput: `file:${said}`, StandardError: `file:${said}`, CollectMode: "inactive-or-failed" };
      const ran = await ask(world, asUnit(`upkeep-${kind}-${name}-${Math.round(world.now().bootMs)}.service`, properties, runtime.start(name)), signal, startMs);
      return done({ ...ran, said: `${textOf(said) ?? ""}\n${ran.said}` });
    },
    async stop(signal) {
      const ran = await ask(world, runtime.stop(name, Math.ceil(stopMs / 1_000)), signal, stopMs + KILL_MS);
      // By its own word and not by the exit code: `lxc-stop` of what has just ended fails.
      const after = await look(signal);
      return after.state === "down" ? { ok: true, evidence: after.evidence } : { ok: false, evidence: `${evidenceOf(ran)}; ${after.evidence}` };
    },
  };
}
