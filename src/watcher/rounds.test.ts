import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import fc from "fast-check";
import type { References, Round } from "../core/round.ts";
import { noIcmp, tcpPeer } from "../probes/conformance.ts";
import { ssh } from "../probes/ssh.ts";
import type { Finding, Probe } from "../probes/probe.ts";
import { type Clock, bootClock, watchStalls } from "../process/boot-clock.ts";
import type { ReferenceCheck } from "./references.ts";
import { type Late, type RoundDeps, type RoundHost, type RoundProbe, startRound } from "./rounds.ts";
import { VirtualClock } from "../process/virtual-clock.ts";

const GOOD: Finding = { outcome: "good", sign: "answer", evidence: "well" };
const REFUSED: Finding = { outcome: "bad", sign: "refused", evidence: "connection refused" };
const UNKNOWN: Finding = { outcome: "unknown", sign: "not-run", evidence: "EMFILE" };

type Played = { probe: RoundProbe; aborted: () => boolean };

/** A probe that finds `finding` after `afterMs`; null: never. */
function played(clock: Clock, id: string, afterMs: number | null, finding: Finding = GOOD, timeoutMs?: number): Played {
  let aborted = false;
  const probe: Probe<unknown> = {
    name: id,
    service: true,
    awaits: "banner",
    run: (_target, _options, _tools, signal, progress) =>
      new Promise((resolve, reject) => {
        progress?.("connected");
        const takeBack = afterMs === null ? () => undefined : clock.at(clock.nowMs() + afterMs, () => resolve(finding));
        signal.addEventListener("abort", () => {
          aborted = true;
          takeBack();
          reject(signal.reason);
        });
      }),
  };
  return { probe: { id, probe, options: {}, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, aborted: () => aborted };
}

type Bench = { clock: VirtualClock; rounds: Round[]; lates: Late[]; checks: number[]; cancel(): void };

function bench(options: { probes: (clock: VirtualClock) => RoundProbe[]; last?: References | null; check?: (clock: VirtualClock) => Promise<References>; timeoutMs?: number; limitMs?: number; deps?: (clock: VirtualClock) => Partial<RoundDeps> }): Bench {
  const clock = new VirtualClock();
  const made: Bench = { clock, rounds: [], lates: [], checks: [], cancel: () => undefined };
  const references: Pick<ReferenceCheck, "check" | "last"> = {
    last: () => (options.last === undefined ? "reached" : options.last),
    check(sinceMs) {
      made.checks.push(sinceMs);
      return options.check?.(clock) ?? Promise.resolve("reached");
    },
  };
  const deps: RoundDeps = { clock, names: { address: (address) => ({ address, family: 4 }) }, tools: { icmp: noIcmp }, references, ...options.deps?.(clock) };
  const host: RoundHost = { name: "db1", hash: "h1", address: "10.0.0.1", timeoutMs: options.timeoutMs ?? 1_000, limitMs: options.limitMs ?? 5_000, probes: options.probes(clock) };
  made.cancel = startRound(host, deps, (round) => made.rounds.push(round), (late) => made.lates.push(late));
  assert.equal(made.rounds.length, 0, "onRound before startRound has returned");
  return made;
}

const outcomes = (round: Round | undefined): string[] => round?.results.map(({ probe, outcome, sign }) => `${probe} ${outcome} ${sign}`) ?? [];

test("a good round ends with its slowest probe, and asks no reference while the last known is reached", async () => {
  const run = bench({ probes: (clock) => [played(clock, "ping", 3).probe, played(clock, "ssh", 40).probe] });
  await run.clock.advance(39);
  assert.equal(run.rounds.length, 0);
  await run.clock.advance(1);
  const [round] = run.rounds;
  assert.deepEqual(outcomes(round), ["ping good answer", "ssh good answer"]);
  assert.deepEqual([round?.startedAtMs, round?.endedAtMs, round?.references], [1_000_000, 1_000_040, "reached"]);
  assert.deepEqual(round?.results.map((result) => result.latencyMs), [3, 40]);
  assert.equal(run.checks.length, 0);
  assert.equal(run.clock.pending, 0, "no timer is left behind");
  await run.clock.advance(10_000);
  assert.equal(run.rounds.length, 1);
});

test("what a probe measured goes with its result, at most sixteen of it; its own latency before that of the round", async () => {
  const perfdata = Array.from({ length: 20 }, (_, value) => ({ label: `n${value}`, value }));
  const run = bench({ probes: (clock) => [played(clock, "http", 3, { ...GOOD, perfdata, latencyMs: 1.5 }).probe, played(clock, "ssh", 4).probe] });
  await run.clock.advance(4);
  const [http, ssh] = run.rounds[0]?.results ?? [];
  assert.deepEqual([http?.latencyMs, http?.perfdata], [1.5, perfdata.slice(0, 16)]);
  assert.deepEqual(ssh, { probe: "ssh", outcome: "good", sign: "answer", evidence: "well", latencyMs: 4 });
});

test("a probe that says nothing ends its round at the time-out, is slow if it answers after all, and is reported once", async () => {
  const silent = (clock: VirtualClock): Played => played(clock, "ssh", 2_500);
  let ssh: Played | undefined;
  const run = bench({ probes: (clock) => [played(clock, "ping", 1).probe, (ssh = silent(clock)).probe] });
  await run.clock.advance(999);
  assert.equal(run.rounds.length, 0);
  await run.clock.advance(1);
  assert.deepEqual(outcomes(run.rounds[0]), ["ping good answer", "ssh bad silent"]);
  assert.equal(run.rounds[0]?.results[1]?.evidence, "no banner within 1000 ms (connected)");
  assert.deepEqual(run.checks, [1_000_000.25], "references checked since the round's start");
  assert.equal(run.lates.length, 0);
  await run.clock.advance(1_500);
  assert.deepEqual(run.lates, [{ host: "db1", hash: "h1", startedAtMs: 1_000_000, results: [{ probe: "ssh", outcome: "slow", sign: "answer", evidence: "well", latencyMs: 2_500 }] }]);
  await run.clock.advance(10_000);
  assert.deepEqual([run.rounds.length, run.lates.length, ssh?.aborted(), run.clock.pending], [1, 1, false, 0]);
});

test("at its limit the round aborts what still runs, and says no more", async () => {
  let ssh: Played | undefined;
  const run = bench({ probes: (clock) => [(ssh = played(clock, "ssh", null)).probe] });
  await run.clock.advance(4_999);
  assert.equal(ssh?.aborted(), false);
  await run.clock.advance(1);
  assert.equal(ssh?.aborted(), true);
  await run.clock.advance(5_000);
  assert.deepEqual([run.rounds.length, run.lates.length, run.clock.pending], [1, 0, 0]);
});

test("after a time in which this process stood still, and whatever order its timers come in, the round ends all the same", async () => {
  // Node runs timers of one length together, in the order of the lengths' first timers: not in the order of their moments.
  const clock = new VirtualClock();
  const due = new Map<() => void, number>();
  const unordered: Clock = { nowMs: () => clock.nowMs(), at: (atMs, fn) => (due.set(fn, atMs), () => void due.delete(fn)) };
  const probe = played(clock, "ssh", null);
  const run = bench({ probes: () => [probe.probe], deps: () => ({ clock: unordered }) });
  clock.stall(9_000);
  while (due.size > 0) for (const [fn] of [...due].toSorted(([, one], [, other]) => other - one)) if (due.delete(fn)) fn();
  await clock.advance(0);
  assert.deepEqual(run.rounds.map((round) => outcomes(round)), [["ssh unknown not-run"]]);
  assert.ok(probe.aborted());
});

test("a wrong answer after the time-out changes nothing", async () => {
  const run = bench({ probes: (clock) => [played(clock, "ssh", 2_000, REFUSED).probe] });
  await run.clock.advance(6_000);
  assert.deepEqual([outcomes(run.rounds[0]), run.lates.length], [["ssh bad silent"], 0]);
});

test("each probe has its own time-out; one that answers late while another is awaited is slow within the round", async () => {
  const run = bench({ probes: (clock) => [played(clock, "quick", 500, GOOD, 200).probe, played(clock, "slow", 3_000, GOOD, 4_000).probe] });
  await run.clock.advance(2_999);
  assert.equal(run.rounds.length, 0);
  await run.clock.advance(1);
  assert.deepEqual(outcomes(run.rounds[0]), ["quick slow answer", "slow good answer"]);
  assert.equal(run.lates.length, 0);
});

test("a time-out as long as the interval still ends in a judged round", async () => {
  const run = bench({ probes: (clock) => [played(clock, "ssh", null, GOOD, 9_000).probe], timeoutMs: 1_000, limitMs: 1_000, check: (clock) => new Promise((resolve) => clock.at(clock.nowMs() + 20, () => resolve("reached"))) });
  await run.clock.advance(1_000);
  await run.clock.advance(20);
  assert.deepEqual([outcomes(run.rounds[0]), run.rounds[0]?.references], [["ssh bad silent"], "reached"]);
  assert.equal(run.rounds[0]?.results[0]?.evidence, "no banner within 1000 ms (connected)");
});

test("a bad result starts the check of the references at once, and the round waits for it", async () => {
  const run = bench({ probes: (clock) => [played(clock, "tcp", 2, REFUSED).probe, played(clock, "ssh", 300).probe], check: (clock) => new Promise((resolve) => clock.at(clock.nowMs() + 700, () => resolve("lost"))) });
  await run.clock.advance(2);
  assert.equal(run.checks.length, 1);
  await run.clock.advance(699);
  assert.equal(run.rounds.length, 0);
  await run.clock.advance(1);
  assert.deepEqual([outcomes(run.rounds[0]), run.rounds[0]?.references], [["tcp bad refused", "ssh good answer"], "lost"]);
  assert.equal(run.checks.length, 1, "one check a round");
});

test("a check that fails is a lost reference; a good round checks only when the last was not reached", async () => {
  const failing = bench({ probes: (clock) => [played(clock, "ssh", 1, REFUSED).probe], check: () => Promise.reject(new Error("bug")) });
  await failing.clock.advance(10);
  assert.equal(failing.rounds[0]?.references, "lost");
  for (const last of ["lost", null] as const) {
    const run = bench({ probes: (clock) => [played(clock, "ssh", 1).probe], last });
    await run.clock.advance(10);
    assert.deepEqual([run.checks.length, run.rounds[0]?.references], [1, "reached"]);
  }
  const none = bench({ probes: (clock) => [played(clock, "ssh", 1).probe], last: "none" });
  await none.clock.advance(10);
  assert.deepEqual([none.checks.length, none.rounds[0]?.references], [0, "none"]);
});

test("a name that is not resolved makes every probe unknown and runs none; a host without probes ends, too", async () => {
  let ran = false;
  const probe: Probe<unknown> = { name: "ssh", service: true, run: () => ((ran = true), Promise.resolve(GOOD)) };
  const run = bench({ probes: () => [{ id: "ssh", probe, options: {} }], deps: () => ({ names: { address: () => ({ error: "db1 is not resolved yet" }) } }) });
  await run.clock.advance(0);
  assert.deepEqual(run.rounds[0]?.results, [{ probe: "ssh", outcome: "unknown", sign: "not-run", evidence: "db1 is not resolved yet", latencyMs: 0 }]);
  assert.deepEqual([ran, run.checks.length, run.clock.pending], [false, 0, 0]);
  const empty = bench({ probes: () => [] });
  await empty.clock.advance(0);
  assert.deepEqual(empty.rounds[0]?.results, []);
});

test("a probe sees the configured name beside the address", async () => {
  let seen: unknown;
  const probe: Probe<unknown> = { name: "http", service: true, run: (target) => ((seen = target), Promise.resolve(GOOD)) };
  const run = bench({ probes: () => [{ id: "http", probe, options: {} }], deps: () => ({ names: { address: () => ({ address: "fd00::1", family: 6 }) } }) });
  await run.clock.advance(0);
  assert.deepEqual(seen, { host: "db1", address: "fd00::1", family: 6, configured: "10.0.0.1" });
});

test("a probe that throws, or rejects unasked, is unknown: its fault is not the host's", async () => {
  const faulty = (run: Probe<unknown>["run"]): RoundProbe => ({ id: "x", probe: { name: "x", service: true, run }, options: {} });
  for (const broken of [() => Promise.reject(new Error("bug")), () => { throw new Error("bug"); }]) {
    const run = bench({ probes: () => [faulty(broken)] });
    await run.clock.advance(1);
    assert.deepEqual(run.rounds[0]?.results[0], { probe: "x", outcome: "unknown", sign: "not-run", evidence: "probe failed: bug", latencyMs: 0 });
  }
});

test("evidence is made short and printable whatever a probe gives", async () => {
  const run = bench({ probes: (clock) => [played(clock, "x", 1, { ...GOOD, evidence: `\x1b[2J${"x".repeat(500)}` }).probe] });
  await run.clock.advance(1);
  const evidence = run.rounds[0]?.results[0]?.evidence ?? "";
  assert.ok(evidence.length === 200 && evidence.startsWith("\\x1b[2Jxxx"));
});

test("cancelled, it aborts everything and says nothing, whenever that comes", async () => {
  for (const afterMs of [0, 5, 1_000, 1_010, 3_000]) {
    let ssh: Played | undefined;
    const run = bench({ probes: (clock) => [(ssh = played(clock, "ssh", null)).probe, played(clock, "ping", 4_000).probe], check: (clock) => new Promise((resolve) => clock.at(clock.nowMs() + 50, () => resolve("reached"))) });
    await run.clock.advance(afterMs);
    const before = run.rounds.length;
    run.cancel();
    run.cancel();
    await run.clock.advance(10_000);
    assert.deepEqual([run.rounds.length, run.lates.length, ssh?.aborted(), run.clock.pending], [before, 0, true, 0], `after ${afterMs} ms`);
  }
});

test("a round that is over and is cancelled then, as the scheduler does before the next, leaves all others alone", async () => {
  const over = bench({ probes: (clock) => [played(clock, "ssh", 1).probe] });
  await over.clock.advance(1);
  let other: Played | undefined;
  const next = bench({ probes: (clock) => [(other = played(clock, "ssh", 500)).probe] });
  over.cancel();
  await next.clock.advance(500);
  assert.deepEqual([other?.aborted(), outcomes(next.rounds[0])], [false, ["ssh good answer"]]);
});

test("a time-out that this watcher slept through is unknown, not bad; the answer that lay waiting is slow", async () => {
  const run = bench({ probes: (clock) => [played(clock, "ssh", null).probe] });
  run.clock.stall(1_600); // the timer fires 600 ms late
  await run.clock.advance(0);
  assert.deepEqual(outcomes(run.rounds[0]), ["ssh unknown not-run"]);
  assert.match(run.rounds[0]?.results[0]?.evidence ?? "", /held up for 600 ms/);
  assert.equal(run.checks.length, 0);
});

test("a stall in the middle of the round counts as well", async () => {
  const clock = new VirtualClock();
  const stalls = watchStalls(clock);
  const run = bench({ probes: (other) => [played(other, "ssh", null).probe], deps: (other) => ({ stalls: { lostMs: (sinceMs) => stalls.lostMs(sinceMs - other.ms + clock.ms) } }) });
  await run.clock.advance(300);
  await clock.advance(300);
  clock.stall(600);
  run.clock.stall(600);
  await clock.advance(100);
  await run.clock.advance(100);
  assert.deepEqual(outcomes(run.rounds[0]), ["ssh unknown not-run"]);
  stalls.close();
  assert.equal(clock.pending, 0);
});

test("a look that this watcher kept waiting for its turn is unknown at its time-out, not bad", async () => {
  const kept = (heldMs: readonly number[]) => (): RoundProbe[] => [
    { id: "plugin", options: {}, probe: { name: "plugin", service: true, run: (_target, _options, _tools, _signal, progress) => (heldMs.forEach((ms) => progress?.("waiting", ms)), new Promise(() => undefined)) } },
  ];
  const cases: readonly (readonly [readonly number[], string, string])[] = [
    [[Infinity], "unknown", "this watcher kept it waiting for its turn: too much at once"],
    [[Infinity, 400.4], "unknown", "this watcher kept it waiting for 400 ms: too much at once"],
    [[Infinity, 20], "bad", "no answer within 1000 ms (waiting)"],
    [[], "bad", "no answer within 1000 ms"],
  ];
  for (const [heldMs, outcome, evidence] of cases) {
    const run = bench({ probes: kept(heldMs) });
    await run.clock.advance(1_000);
    assert.deepEqual(run.rounds[0]?.results.map((result) => [result.outcome, result.evidence]), [[outcome, evidence]]);
    run.cancel();
  }
});

test("whatever the probes do and when: one round, every probe in it once, late answers once and only right ones", async () => {
  const shape = fc.record({ afterMs: fc.option(fc.integer({ min: 0, max: 6_000 }), { nil: null }), finding: fc.constantFrom(GOOD, REFUSED, UNKNOWN), timeoutMs: fc.constantFrom(undefined, 100, 900, 8_000) });
  await fc.assert(
    fc.asyncProperty(fc.array(shape, { maxLength: 4 }), fc.integer({ min: 0, max: 900 }), async (shapes, checkMs) => {
      const run = bench({
        probes: (clock) => shapes.map(({ afterMs, finding, timeoutMs }, at) => played(clock, `p${at}`, afterMs, finding, timeoutMs).probe),
        check: (clock) => new Promise((resolve) => clock.at(clock.nowMs() + checkMs, () => resolve("reached"))),
      });
      await run.clock.advance(12_000);
      assert.equal(run.rounds.length, 1);
      assert.equal(run.clock.pending, 0);
      const [round] = run.rounds;
      const late = new Map(run.lates.flatMap(({ results }) => results).map((result) => [result.probe, result]));
      assert.equal(late.size, run.lates.length);
      shapes.forEach(({ afterMs, finding, timeoutMs = 1_000 }, at) => {
        const limitMs = Math.min(timeoutMs, 5_000);
        const result = round?.results[at];
        assert.equal(result?.probe, `p${at}`);
        const inTime = afterMs !== null && afterMs <= limitMs;
        const rightLater = !inTime && afterMs !== null && afterMs < 5_000 && finding === GOOD;
        if (inTime) assert.equal(result?.outcome, finding.outcome);
        else assert.ok(rightLater ? (result?.outcome === "slow") !== late.has(`p${at}`) : result?.outcome === "bad" && !late.has(`p${at}`), JSON.stringify(result));
      });
      const slowestMs = Math.max(0, ...shapes.map(({ afterMs, timeoutMs = 1_000 }) => Math.min(afterMs ?? Infinity, timeoutMs, 5_000)));
      assert.ok((round?.endedAtMs ?? 0) - (round?.startedAtMs ?? 0) <= slowestMs + checkMs + 1);
    }),
    { numRuns: 150 },
  );
});

// With real sockets and the real clock.

const tools = { icmp: noIcmp };
const real = (port: number, name: string, timeoutMs: number): RoundHost => {
  return { name, hash: "h", address: "127.0.0.1", timeoutMs, limitMs: 3 * timeoutMs, probes: [{ id: "ssh", probe: ssh, options: { port } }] };
};
const realDeps: RoundDeps = { clock: bootClock, names: { address: (address) => ({ address, family: 4 }) }, tools, references: { last: () => "none", check: () => Promise.resolve("none") } };

test("a hundred hosts of which every fourth accepts and says nothing: those end at their time-out and delay nobody", async () => {
  const serving = await tcpPeer((socket) => socket.end("SSH-2.0-test\r\n"));
  const wedged = await tcpPeer((socket) => void socket.resume());
  try {
    const rounds = await Promise.all(
      Array.from({ length: 100 }, (_, at) => new Promise<Round>((resolve) => startRound(real(at % 4 === 0 ? wedged.port : serving.port, `h${at}`, 1_500), realDeps, resolve, () => undefined))),
    );
    rounds.forEach((round, at) => {
      const tookMs = round.endedAtMs - round.startedAtMs;
      if (at % 4 === 0) {
        assert.equal(round.results[0]?.evidence, "no banner within 1500 ms (connected)");
        assert.ok(tookMs >= 1_499 && tookMs < 2_250, `${tookMs} ms`);
      } else {
        assert.equal(round.results[0]?.outcome, "good", round.results[0]?.evidence);
        assert.ok(tookMs < 1_499, `${tookMs} ms`);
      }
    });
  } finally {
    await serving.close();
    await wedged.close(); // does not wait for the aborts at the limit
  }
});

test("a watcher that was stopped for a second does not blame the host", { timeout: 60_000 }, async () => {
  const module = `
    import net from "node:net";
    import { bootClock, watchStalls } from ${JSON.stringify(new URL("../process/boot-clock.ts", import.meta.url).href)};
    import { startRound } from ${JSON.stringify(new URL("./rounds.ts", import.meta.url).href)};
    import { ssh } from ${JSON.stringify(new URL("../probes/ssh.ts", import.meta.url).href)};
    const stalls = watchStalls(bootClock);
    const deps = { clock: bootClock, names: { address: (address) => ({ address, family: 4 }) }, tools: {}, references: { last: () => "none", check: async () => "none" }, stalls };
    const host = { name: "h", hash: "h", address: "127.0.0.1", timeoutMs: 700, limitMs: 5000, probes: [{ id: "ssh", probe: ssh, options: { port: Number(process.argv[1]) } }] };
    startRound(host, deps, (round) => { console.log(JSON.stringify(round.results[0])); process.exit(0); }, () => undefined);
    console.log("started");`;
  const wedged = await tcpPeer((socket) => void socket.resume());
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", module, String(wedged.port)], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  const ended = once(child, "close");
  while (!out.includes("started") && child.exitCode === null) await Promise.race([once(child.stdout, "data"), ended]);
  child.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 1_300));
  child.kill("SIGCONT");
  await ended;
  await wedged.close();
  const result = JSON.parse(out.split("\n")[1] ?? "{}") as { outcome: string; evidence: string };
  assert.equal(result.outcome, "unknown", result.evidence);
  assert.match(result.evidence, /held up/);
});
