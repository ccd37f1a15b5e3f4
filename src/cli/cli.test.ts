// The command line as people and scripts use it: `bin/upkeep` as a process of its own, against a real Watcher behind a real
// control socket. What is asserted is what contracts.md promises: exit codes, JSON shapes, the typed name.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { IncidentReport, StatusReport, WhyReport } from "../api/contract.ts";
import type { Api } from "../api/server.ts";
import { openApi } from "../api/server.ts";
import type { World, WorldOptions } from "../api/world-for-tests.ts";
import { openWorld, until } from "../api/world-for-tests.ts";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const folder = mkdtempSync(join(tmpdir(), "upkeep-cli-"));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

type Ran = { readonly exit: number; readonly out: string; readonly err: string; readonly ms: number };
type Started = { readonly child: ChildProcess; readonly ran: Promise<Ran>; readonly out: () => string };

/** Nothing of the environment of whoever runs the tests changes what the command does. */
function environment(more: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: folder, TZ: "UTC", ...more };
}

function start(args: readonly string[], options: { input?: string; cwd?: string; env?: Record<string, string> } = {}): Started {
  const began = performance.now();
  const child = spawn(UPKEEP, args, { cwd: options.cwd ?? folder, env: environment(options.env), stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
  children.add(child);
  let out = "";
  let err = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
  child.stdin?.on("error", () => {});
  if (options.input !== undefined) child.stdin?.end(options.input);
  const ran = new Promise<Ran>((resolve) => {
    child.on("close", (code) => {
      children.delete(child);
      resolve({ exit: code ?? -1, out, err, ms: performance.now() - began });
    });
  });
  return { child, ran, out: () => out };
}

const run = (args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ran> => start(args, options).ran;

type Site = { readonly world: World; readonly config: string; readonly api: Api; up(...args: string[]): Promise<Ran>; close(): Promise<void> };

let sites = 0;

async function site(options: WorldOptions = {}): Promise<Site> {
  const home = join(folder, `site${(sites += 1)}`);
  mkdirSync(join(home, "state"), { recursive: true, mode: 0o700 });
  const config = join(home, "upkeep.yaml");
  writeFileSync(config, "site: homelab\ndata: state   # beside this file\nhosts: {}\n");
  const world = openWorld(options);
  const api = await openApi(world.sources, { socketPath: join(home, "state", "upkeep.sock"), listen: null, onTrouble: () => {} });
  return {
    world, config, api, up: (...args) => run([...args, "-c", config]), close: async () => {
      await api.close();
      await world.close();
    },
  };
}

const guarded = (world: World) => until("guarded", () => [...world.watcher.state.hosts.values()].every((host) => host.unguarded === null));

let calm: Site;
before(async () => {
  // Warm: the first command compiles, the others find it done.
  calm = await site();
  await guarded(calm.world);
  await calm.up("status");
});
after(() => calm.close());

test("usage is 2, configuration is 3, no watcher is 69, help and version are 0", async () => {
  const { config } = calm;
  const lonely = join(folder, "lonely.yaml");
  writeFileSync(lonely, "hosts: {}\n");
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["bogus"], 2, /unknown command 'bogus'/], [["statsu"], 2, /Did you mean status\?/], [["status", "--bogus", "-c", config], 2, /unknown option '--bogus'/], [["status", "nobody", "-c", config], 2, /there is no host nobody; hosts: logos, ethos, pathos/],
    [["why", "-c", config], 2, /missing required argument/], [["why", "nobody", "-c", config], 2, /no host and no incident nobody/], [["power", "logos", "explode", "-c", config], 2, /Allowed choices are status, on, off, cycle/],
    [["fence", "logos", "-c", config], 2, /required option '--reason <text>'/], [["fence", "logos", "--reason", " ", "-c", config], 2, /needs its reason/], [["release", "nobody", "-c", config], 2, /no host nobody/],
    [["maintenance", "start", "logos", "--for", "2", "-c", config], 2, /a unit is missing: write 2s/], [["maintenance", "start", "logos", "--for", "0s", "-c", config], 2, /no time/], [["maintenance", "start", "-c", config], 2, /name a host, or --all/],
    [["maintenance", "start", "logos", "--all", "-c", config], 2, /not both/], [["maintenance"], 2, /Usage: upkeep maintenance/], [["events", "--since", "yesterday", "-c", config], 2, /not a duration/], [["events", "--limit", "0", "-c", config], 2, /whole number/],
    [["status", "logos", "ethos", "-c", config], 2, /too many arguments for 'status': ethos/], [["agent", "frob"], 2, /there is no 'upkeep agent frob'; there are: agent status, agent code/], [["agent", "careful", "plan", "x"], 2, /too many arguments for 'agent careful plan': x/], [[], 2, /Usage: upkeep/],
    [["status"], 3, /there is no configuration: neither -c FILE, nor \$UPKEEP_CONFIG, nor \.\/upkeep\.yaml, nor \/etc/], [["status", "-c", join(folder, "none.yaml")], 3, /there is no such file/],
    [["status", "-c", lonely], 69, /no watcher answers on .*upkeep-data\/upkeep\.sock; start it with: upkeep watch -c .*lonely\.yaml/], [["power", "logos", "off", "-c", lonely], 69, /no watcher answers/], [["events", "--follow", "-c", lonely], 69, /no watcher/],
  ];
  const needsNoConfig = cases.filter(([args, exit]) => !(exit === 3 && args.length === 1) || !fsHasDefaultConfig());
  for (let at = 0; at < needsNoConfig.length; at += 4) {
    await Promise.all(needsNoConfig.slice(at, at + 4).map(async ([args, exit, said]) => {
      const ran = await run(args);
      assert.equal(ran.exit, exit, `${args.join(" ")}: ${ran.err}`);
      assert.match(ran.err, said, args.join(" "));
      assert.equal(ran.out, "", `${args.join(" ")} says so on standard error`);
    }));
  }
  const [help, version] = await Promise.all([run(["fence", "--help"]), run(["--version"])]);
  assert.deepEqual([help.exit, version.exit, help.err], [0, 0, ""]);
  assert.match(help.out, /Examples:\n {2}upkeep fence logos --reason/);
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/);
});

function fsHasDefaultConfig(): boolean {
  return process.getBuiltinModule("node:fs").existsSync("/etc/upkeep/upkeep.yaml");
}

test("the configuration: -c before or after, $UPKEEP_CONFIG, ./upkeep.yaml; $STATE_DIRECTORY is where the socket is", async () => {
  const home = join(calm.config, "..");
  const all = await Promise.all([
    run(["-c", calm.config, "status", "--json"]), run(["status", "--config", calm.config, "--json"]), run(["--json", "status"], { env: { UPKEEP_CONFIG: calm.config } }), run(["status", "--json"], { cwd: home }),
    run(["status", "--json"], { cwd: home, env: { STATE_DIRECTORY: join(home, "state") } }),
  ]);
  for (const ran of all) assert.deepEqual([ran.exit, (JSON.parse(ran.out || "{}") as StatusReport).guarded], [0, "3 of 3"], ran.err);
  assert.equal((await run(["status"], { cwd: home, env: { STATE_DIRECTORY: folder } })).exit, 69);
});

test("status opens with how many are guarded; as JSON it is the contract's", async () => {
  const [text, json, one] = await Promise.all([calm.up("status"), calm.up("status", "--json"), calm.up("status", "ethos")]);
  assert.deepEqual([text.exit, text.err], [0, ""]);
  assert.match(text.out, /^guarded 3 of 3 {2}homelab · rikis-hopuuj · \d\d:\d\d:\d\d UTC\n\nHOST +VERDICT +COUNTER +SINCE +POWER\nlogos +● up +0\/3 +\d+ \w+ +sucker\/2 on\nethos /);
  assert.doesNotMatch(text.out, /\u001b/, "no colours into a pipe");
  const status = JSON.parse(json.out) as StatusReport;
  assert.equal(json.out.split("\n").length, 2);
  assert.deepEqual(status.hosts.map((host) => [host.host, host.verdict, host.counter, host.threshold, host.guarded, host.why, host.wanted, host.brakes.length, host.incident]), ["logos", "ethos", "pathos"].map((name) => [name, "up", 0, 3, true, null, "on", 0, null]));
  assert.deepEqual(status.hosts[1]?.power.map((outlet) => [outlet.outlet, outlet.state]), [["sucker/3", "on"]]);
  assert.match(status.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(one.out, /ssh +good .*SSH-2\.0-Virtual/);
  assert.match(one.out, /ping +good .*\(evidence only\)/);
  assert.doesNotMatch(one.out, /logos/);
  const times = [];
  for (let n = 0; n < 5; n += 1) times.push(Math.round((await calm.up("status")).ms));
  console.log(`upkeep status took ${times.join(", ")} ms (launcher and all; target 150 ms on an idle machine)`);
});

test("status loads neither the schema, nor the parser, nor the database, nor the type stripper", async () => {
  const hook = 'import{registerHooks}from"node:module";const seen=[];registerHooks({load(url,context,next){seen.push(url);return next(url,context)}});process.on("exit",()=>process._rawDebug("LOADED "+JSON.stringify([...seen,...process.moduleLoadList])))';
  const ran = await run(["status", "-c", calm.config], { env: { NODE_OPTIONS: `--import=data:text/javascript;base64,${Buffer.from(hook).toString("base64")}` } });
  const loaded = JSON.parse(/LOADED (.*)/.exec(ran.err)?.[1] ?? "[]") as string[];
  assert.ok(loaded.some((url) => url.endsWith("/src/cli/commands/status.ts")), ran.err.slice(0, 300));
  assert.ok(loaded.some((name) => name.includes("http")));
  // Undici comes with an import of node:http as an ECMAScript module: 80 ms.
  assert.deepEqual(loaded.filter((url) => /\/(zod|yaml|hono|koffi|pino)\/|sqlite|amaro|undici\/undici|src\/(watcher|journal|stores|probes|power)\//.test(url)), []);
});

test("a wedged host: status says so and exits 1, why explains, events and incidents keep it", async () => {
  const { world, up, close, config } = await site();
  try {
    await guarded(world);
    const following = start(["events", "--follow", "--json", "--host", "logos", "-c", config]);
    await until("the follower has the past", () => following.out().includes('"guarded"'));
    await up("disarm", "--for", "1h", "--reason", "first look");
    world.wedged.add("logos");
    await until("down", () => world.watcher.state.hosts.get("logos")?.incident?.downAt);
    const [status, json, why] = await Promise.all([up("status"), up("status", "--json"), up("why", "logos")]);
    assert.deepEqual([status.exit, json.exit, why.exit], [1, 1, 0]);
    assert.match(status.out, /^guarded 0 of 3 /);
    assert.match(status.out, /logos +✖ down +3\/3 .*ssh: accepted, no banner within 20 ms/);
    assert.match(status.out, /The whole fleet is under disarmed by .* for another \d+ \w+( \d+ s)?: first look\./);
    assert.match(status.out, /More: upkeep why logos/);
    const host = (JSON.parse(json.out) as StatusReport).hosts[0];
    assert.deepEqual([host?.verdict, host?.guarded, host?.brakes.map((brake) => brake.brake)], ["down", false, ["disarmed"]]);
    assert.match(why.out, /^logos is down, for .*\n.*The last round, .* was bad: ssh: accepted, no banner within 20 ms\./);
    assert.match(why.out, /What happens next\n {2}It is down and is not cut, because: disarmed by .*: first look/);
    assert.deepEqual(world.commands, [], "disarmed: nothing was cut");

    assert.equal((await up("arm")).exit, 0);
    await until("cut", () => world.commands.length === 2);
    world.wedged.delete("logos");
    await until("closed", () => world.watcher.state.hosts.get("logos")?.incident === null);
    const [incidents, listed, events] = await Promise.all([up("incidents", "--json"), up("incidents"), up("events", "--since", "1h", "--json")]);
    const [incident] = JSON.parse(incidents.out) as readonly IncidentReport[];
    assert.deepEqual([incident?.host, incident?.outcome, Object.keys(incident?.phases ?? {})], ["logos", "recovered", ["detectMs", "decideMs", "cutMs", "offMs", "bootMs", "totalMs"]]);
    assert.match(listed.out, new RegExp(`${incident?.incident} +logos .* recovered `));
    const lines = events.out.trim().split("\n").map((line) => JSON.parse(line) as { seq: number; kind: string; host: string | null });
    assert.ok(lines.some((line) => line.kind === "off-sent" && line.host === "logos"));
    const told = await up("why", incident?.incident ?? "");
    assert.match(told.out, /^[a-z-]{11}: logos was out of service for .* and came back after its power was cut and restored\.\n {2}First bad sign: ssh: accepted/);
    assert.match(told.out, /\+\d+\.\d s +off-confirmed +sucker\/2/);
    assert.match(told.out, /The outage by phase: noticed within .*, without power for .*, booted in .* in all\.\n$/);
    assert.equal(((JSON.parse((await up("why", incident?.incident ?? "", "--json")).out)) as WhyReport).kind, "incident");

    await until("the follower has seen the end", () => following.out().includes('"recovered"'));
    following.child.kill("SIGTERM");
    await following.ran;
    const followed = following.out().trim().split("\n").map((line) => JSON.parse(line) as { seq: number; host: string });
    assert.ok(followed.every((line, at) => line.host === "logos" && line.seq > (followed[at - 1]?.seq ?? -1)));
  } finally {
    await close();
  }
});

test("power: a serving host is cut only after its name was typed, and the command waits for the outcome", async () => {
  const { world, up, close, config } = await site();
  try {
    await guarded(world);
    const [none, wrong, status] = await Promise.all([up("power", "logos", "cycle", "--reason", "stuck"), run(["power", "logos", "cycle", "-c", config], { input: "ethos\n" }), up("power", "logos", "status")]);
    assert.deepEqual([none.exit, wrong.exit, status.exit], [4, 4, 0]);
    assert.match(none.err, /logos is serving right now: type its name to cut its power\n.*no name was typed: nothing is done/);
    assert.match(wrong.err, /ethos is not logos: nothing is done/);
    assert.match(status.out, /sucker\/2 +on /);
    assert.deepEqual(world.commands, []);

    const cycle = await run(["power", "logos", "cycle", "--reason", "stuck in firmware", "-c", config], { input: "logos\n" });
    assert.equal(cycle.exit, 0, cycle.err);
    assert.match(cycle.out, /off-sent .*\n(.*\n)*.*off-confirmed .*\n(.*\n)*.*on-confirmed /);
    assert.match(cycle.out, /power (is on again, confirmed; logos boots|was cut and restored, and logos is back in service)\n$/);
    assert.deepEqual(world.commands, ["off 2", "on 2"]);
    await until("over", () => world.watcher.state.hosts.get("logos")?.operation === null);
    const merged = await up("power", "logos", "cycle", "--confirm", "logos");
    assert.deepEqual([merged.exit, world.commands.length], [0, 2], "a second request right after it is merged");
    assert.match(merged.out, /^merged: .*--again to repeat it\n$/);

    const off = await up("power", "logos", "off", "--reason", "new disk", "--confirm", "logos", "--json");
    assert.equal(off.exit, 0, off.err);
    const answer = JSON.parse(off.out) as { exit: number; outcome: string; operation: number };
    assert.deepEqual([answer.exit, answer.outcome, typeof answer.operation], [0, "off", "number"]);
    await until("read", () => world.watcher.state.devices.get("sucker")?.outlets.get("2")?.state === "off");
    const [isOff, down] = await Promise.all([up("power", "logos", "status", "--json"), up("status", "--json")]);
    assert.equal(isOff.exit, 1);
    assert.deepEqual((JSON.parse(isOff.out) as { wanted: string; power: { state: string }[] }).power.map((outlet) => outlet.state), ["off"]);
    const host = (JSON.parse(down.out) as StatusReport).hosts[0];
    assert.deepEqual([host?.wanted, host?.guarded, host?.wantedOff?.why], ["off", false, "new disk"]);
    const on = await up("power", "logos", "on");
    assert.equal(on.exit, 0, on.err);
    assert.equal(world.outlets.get("2"), "on");
    assert.match(on.out, /power of logos is on, confirmed\n$/);
  } finally {
    await close();
  }
});

test("power: an off that is never seen ends as unknown; --no-wait does not wait; an unreadable outlet is 5", async () => {
  const { world, up, close } = await site();
  try {
    await guarded(world);
    world.stuck.add("3");
    const off = await up("power", "ethos", "off", "--reason", "test", "--confirm", "ethos");
    assert.equal(off.exit, 5, off.out + off.err);
    assert.match(off.err, /it did not go well, and ethos .* held/);
    const quick = await up("fence", "pathos", "--reason", "console says so", "--confirm", "pathos", "--no-wait");
    assert.equal(quick.exit, 0, quick.err);
    assert.match(quick.out, /^operation \d+ begins/);
    await until("done", () => world.commands.includes("on 4"));
    world.deviceFailure = "no route to host";
    await until("noticed", () => world.watcher.state.devices.get("sucker")?.failure);
    const status = await up("status");
    assert.match(status.out, /sucker cannot be read: no route to host/);
    world.outlets.delete("2");
    world.deviceFailure = null;
    await until("unknown", () => world.watcher.state.devices.get("sucker")?.outlets.get("2")?.state === "unknown");
    assert.equal((await up("power", "logos", "status")).exit, 5);
  } finally {
    await close();
  }
});

test("refused by a brake that no person overrides: 4, with the reason", async () => {
  const { close, up, world } = await site({ change: (host) => (host.name === "pathos" ? { ...host, self: true } : host) });
  try {
    await until("seen", () => [...world.watcher.state.hosts.values()].every((host) => host.last?.outcome === "good"));
    const fence = await up("fence", "pathos", "--reason", "x", "--confirm", "pathos");
    assert.equal(fence.exit, 4);
    assert.match(fence.err, /refused: this watcher runs on it or is fed by its outlet/);
    assert.deepEqual(world.commands, []);
  } finally {
    await close();
  }
});

test("brakes by hand: maintenance, disarm, going-down, release, storm, ack, confirm-off, reload", async () => {
  const { world, up, close, config } = await site();
  try {
    await guarded(world);
    assert.match((await up("maintenance", "start", "logos", "--for", "2h", "--reason", "kernel")).out, /^maintenance for logos for 2 h\n$/);
    assert.equal((await up("maintenance", "start", "--all", "--for", "30m")).exit, 0);
    const list = JSON.parse((await up("maintenance", "list", "--json")).out) as { brake: string; scope: string; leftMs: number; reason: string; by: string }[];
    assert.deepEqual(list.map((brake) => [brake.brake, brake.scope, brake.reason]), [["maintenance", "logos", "kernel"], ["inhibit", "*", ""]]);
    assert.ok((list[0]?.leftMs ?? 0) > 7_000_000 && (list[0]?.leftMs ?? 0) <= 7_200_000);
    assert.match(list[0]?.by ?? "", /^[\x21-\x7e]+$/);
    assert.match((await up("maintenance", "list")).out, /the whole fleet .*\n?/);
    assert.equal((await up("maintenance", "end", "--all")).exit, 0);
    assert.equal((await up("maintenance", "end", "logos")).exit, 0);
    const again = await up("maintenance", "end", "logos");
    assert.deepEqual([again.exit, again.err], [1, "upkeep: there is no maintenance for logos\n"]);
    const [armed, released, storm, alarm, down, kdump, elsewhere, confirmed, reloaded] = await Promise.all([
      up("arm", "ethos"), up("release", "ethos"), up("storm", "proceed"), up("ack", "held:ethos"), up("going-down", "ethos", "--for", "5m", "--reason", "firmware"), up("going-down", "ethos", "--kdump"), up("going-down"),
      run(["confirm-off", "pathos", "--reason", "unplugged", "--json", "-c", config], { input: "pathos\n" }), up("reload"),
    ]);
    assert.deepEqual([armed.exit, released.exit, storm.exit, alarm.exit, down.exit, kdump.exit, elsewhere.exit, confirmed.exit, reloaded.exit], [1, 1, 1, 1, 0, 0, 2, 0, 0]);
    assert.match(down.out, /^going-down for ethos for 5 min, and no longer than/);
    assert.match(confirmed.err, /go and look that pathos has no power, then type its name/);
    assert.deepEqual((JSON.parse(confirmed.out) as { exit: number }).exit, 0);
    assert.equal(world.watcher.state.hosts.get("pathos")?.record.wanted.state, "off");
    world.reloads = { accepted: false, problems: ["upkeep.yaml:3:1: error UNKNOWN_KEY there is no key hsots"] };
    const refused = await up("reload");
    assert.deepEqual([refused.exit, refused.out], [3, "upkeep.yaml:3:1: error UNKNOWN_KEY there is no key hsots\n"]);
    assert.match(refused.err, /the old one goes on/);
  } finally {
    await close();
  }
});

test("text from outside cannot speak to the reader's terminal", async () => {
  const { world, up, close } = await site();
  try {
    await guarded(world);
    world.watcher.post({ kind: "round", round: { host: "logos", hash: "hash-logos", startedAtMs: world.sources.now().bootMs + 5, endedAtMs: world.sources.now().bootMs + 6, references: "none", results: [{ probe: "ssh", outcome: "bad", sign: "answer", evidence: "\u001b]0;owned\u0007\u009b31m", latencyMs: 1 }] } });
    const ran = await up("events", "--limit", "20");
    assert.equal(ran.exit, 0);
    assert.match(ran.out, /\?\]0;owned\?\?31m/);
    assert.doesNotMatch(ran.out, /[\u001b\u009b\u0007]/);
  } finally {
    await close();
  }
});

test("completion: words, options, hosts of the running watcher", async () => {
  const complete = async (...words: string[]) => (await run(["__complete", "--", ...words])).out.trim().split("\n");
  const [commands, sub, options, hosts, actions, dialects] = await Promise.all([complete("ma"), complete("maintenance", ""), complete("power", "logos", "off", "--"), complete("-c", calm.config, "power", "e"), complete("power", "logos", ""), complete("lab", "--dialect", "menu")]);
  assert.deepEqual(commands, ["maintenance"]);
  assert.deepEqual(sub, ["start", "end", "list"]);
  assert.ok(["--reason", "--again", "--confirm", "--no-wait", "--json", "--config"].every((option) => options.includes(option)), options.join(" "));
  assert.deepEqual([hosts, actions, dialects], [["ethos"], ["status", "on", "off", "cycle"], ["menu2", "menu3"]]);
  const bash = await new Promise<string>((resolve) => {
    const child = spawn("bash", ["-c", 'eval "$(upkeep completion bash)"; COMP_WORDS=(upkeep -c "$1" power e); COMP_CWORD=4; _upkeep; echo "${COMPREPLY[@]}"; COMP_WORDS=(upkeep con); COMP_CWORD=1; _upkeep; echo "${COMPREPLY[@]}"', "bash", calm.config], { env: { ...environment(), PATH: `${join(UPKEEP, "..")}:${process.env["PATH"]}` }, stdio: ["ignore", "pipe", "ignore"] });
    children.add(child);
    let out = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.on("close", () => resolve(out));
  });
  assert.equal(bash, "ethos\nconfirm-off\n");
  const scripts = await Promise.all(["bash", "zsh", "fish"].map((shell) => run(["completion", shell])));
  for (const script of scripts) assert.match(script.out, /upkeep __complete -- /);
  assert.equal((await run(["completion", "powershell"])).exit, 2);
});

test("a reader that has seen enough is no error, and a command stays quiet about it", async () => {
  const ran = await new Promise<{ code: number | null; err: string }>((resolve) => {
    const child = spawn("sh", ["-c", `"$0" events --limit 1000 --json -c "$1" | head -1 >/dev/null; "$0" status -c "$1" | head -1`, UPKEEP, calm.config], { env: environment(), stdio: ["ignore", "ignore", "pipe"] });
    children.add(child);
    let err = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code, err });
    });
  });
  assert.deepEqual(ran, { code: 0, err: "" });
});
