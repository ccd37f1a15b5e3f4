// Everything but a kill: the cable cut at every line, a watcher paused for longer than all its limits or asked to end at any
// moment, lines that arrive late, a device that is gone, held by a ghost, slow to show what is, or lying. Whatever it is, the
// outlet goes off at most once, and comes on again; what cannot be made good is held, and a person is called.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import type { Cut, FaultPatch } from "../lab/apc-pdu.ts";
import { noFaults, setFaults } from "../lab/apc-pdu.ts";
import { startRig } from "../lab/rig.ts";
import { Bench, BUSY_MS, inParallel, MAX_ACT_MS } from "./bench.ts";
import type { Dialect } from "./bench.ts";
import { assertPolite, commandsOf, edgesOf, eventsOf, guarded, hostStatus, recordsOf, startWatching, statusOf, until } from "./watching.ts";

/** 1, 2, … until some outage was over before the n-th line. */
function* linesOf(state: { over: boolean }, stride = 1): Generator<number> {
  for (let n = 1; !state.over; n += stride) yield n;
}

/** What the second connection does to the count: a device that acts on late lines, or holds a ghost, still has the first one. */
const whateverSessions = (): void => undefined;

async function cutEverywhere(t: TestContext, dialect: Dialect, how: Cut["how"], side: "before" | "after", stride: number, benches: number): Promise<void> {
  const state = { over: false };
  let cuts = 0;
  await inParallel(benches, dialect, linesOf(state, stride), async (bench, n) => {
    const outage = await bench.outage(() => setFaults(bench.pdu.faults, { cut: { at: "line", n, how, side } })).finally(() => setFaults(bench.pdu.faults, { cut: null }));
    const hit = recordsOf(outage.records, "cut").length > 0;
    if (hit) cuts += 1;
    state.over ||= !hit;
  });
  t.diagnostic(`${dialect}: ${how} ${side} each of ${cuts} lines`);
  assert.ok(cuts * stride >= 8, `only ${cuts} lines were cut`);
}

describe("wounds", { concurrency: true }, () => {
  describe("the cable", { concurrency: true }, () => {
    test("reset before the device had the line, at every line of menu3", (t) => cutEverywhere(t, "menu3", "reset", "before", 1, 2));
    test("reset after the line, at every other line of menu2", (t) => cutEverywhere(t, "menu2", "reset", "after", 2, 2));
    test("silence after the line, at every line of the shell", (t) => cutEverywhere(t, "shell", "silence", "after", 1, 2));

    test("lines that arrive late, with and without a kill", async () => {
      type Late = { readonly match: string; readonly ms: number; readonly kill: boolean };
      const late: readonly Late[] = [
        { match: "olOff", ms: 1_500, kill: true },
        { match: "olOn", ms: 1_500, kill: true },
        { match: "olOff", ms: 1_500, kill: false },
        // Longer than the act's whole bound, and than the patience of whoever waits for it.
        { match: "olOff", ms: MAX_ACT_MS + 4_000, kill: false },
        { match: "olOff", ms: MAX_ACT_MS + 1_000, kill: true },
      ];
      await inParallel(2, "shell", late.values(), async (bench, { match, ms, kill }) => {
        let killing: Promise<void> | null = null;
        const stop = bench.pdu.log.watch((record) => {
          if (record.kind === "held" && kill) killing ??= bench.killAndRestart();
        });
        try {
          await bench.outage(() => setFaults(bench.pdu.faults, { hold: { ms, match, times: 1 } }));
          await killing;
        } finally {
          stop();
          setFaults(bench.pdu.faults, noFaults());
        }
      }, whateverSessions);
    });

    test("a ghost of the killed watcher holds the session", async () => {
      await inParallel(2, "menu3", [3, 10, 11, 16].values(), async (bench, n) => {
        let killed = false;
        await bench.outage((_, { lines }) => {
          bench.pdu.faults.ghostMs = 3_000;
          bench.pdu.hooks.onLine = (_n, total) => {
            if (total !== lines + n || killed) return;
            killed = true;
            return bench.killAndRestart();
          };
        }).finally(() => (bench.pdu.faults.ghostMs = 0));
        assert.ok(killed);
      }, whateverSessions);
    });

    test("the device is gone right after the off, for longer than anybody waits: a person is called, power comes back", async () => {
      await inParallel(1, "menu3", [0].values(), async (bench) => {
        const stop = bench.pdu.log.watch((record) => {
          if (record.kind !== "edge" || record.state !== "off") return;
          setFaults(bench.pdu.faults, { hangUp: true });
          bench.pdu.dropSessions();
          setTimeout(() => setFaults(bench.pdu.faults, { hangUp: false }), 14_000);
        });
        await bench.outage().finally(stop);
        const alarms = (await eventsOf(bench.rig)).filter((event) => event.kind === "alarm" && event.because.startsWith("owed-on:logos"));
        assert.equal(alarms.length, 1, "a person was called once");
        assert.deepEqual((await statusOf(bench.rig))?.alarms.map((alarm) => alarm.kind), []);
      });
    });
  });

  describe("the watcher", { concurrency: true }, () => {
    test("paused for longer than all its limits, at every line", async (t) => {
      const state = { over: false };
      let pauses = 0;
      await inParallel(3, "menu3", linesOf(state), async (bench, n) => {
        let paused = false;
        await bench.outage((_, { lines }) => {
          bench.pdu.hooks.onLine = (_n, total) => {
            if (total !== lines + n || paused) return;
            paused = true;
            const { watching } = bench;
            watching?.child.kill("SIGSTOP");
            setTimeout(() => watching?.child.kill("SIGCONT"), MAX_ACT_MS + 3_000);
          };
        });
        if (paused) pauses += 1;
        state.over ||= !paused;
      });
      t.diagnostic(`menu3: paused at each of ${pauses} lines`);
      assert.ok(pauses >= 12, `only ${pauses} pauses`);
    });

    test("paused between decision and byte, while the host comes to life: nothing is cut", async () => {
      const bench = await Bench.start("menu3");
      try {
        await bench.rest();
        const host = bench.rig.host("logos");
        const mark = bench.pdu.log.records.length;
        const asked = Promise.withResolvers<void>();
        // Immediate Off has been chosen, the question is asked: the next thing is YES.
        bench.pdu.hooks.onLine = (_n, _total, text) => {
          const chosen = recordsOf(bench.pdu.log.records.slice(mark), "line").slice(-4).map((line) => line.text).join(" ");
          if (text !== "2" || !chosen.endsWith("2 1 2")) return;
          bench.watching?.child.kill("SIGSTOP");
          asked.resolve();
        };
        await host.wedge("frozen");
        await asked.promise;
        bench.pdu.hooks.onLine = null;
        await host.thaw();
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        bench.watching?.child.kill("SIGCONT");
        await until("it has seen that the host is well", async () => {
          const status = await hostStatus(bench.rig, "logos");
          return status?.verdict === "up" && status.operation === null && status.guarded;
        });
        assert.deepEqual(commandsOf(bench.pdu.log.records.slice(mark)), []);
        assert.deepEqual(host.edges.map((edge) => edge.to), ["on"]);
      } finally {
        await bench.stop();
      }
    });

    test("SIGTERM at every other line: exit 0, and the host has power", async () => {
      const state = { over: false };
      let terms = 0;
      await inParallel(2, "menu3", linesOf(state, 2), async (bench, n) => {
        let term: Promise<void> | null = null;
        const ended = async (mark: number): Promise<void> => {
          bench.keepAlive = false;
          const { watching } = bench;
          watching?.child.kill("SIGTERM");
          try {
            assert.deepEqual(await watching?.end(), { code: 0, signal: null });
            const edges = edgesOf(bench.pdu.log.records.slice(mark));
            assert.equal(edges.filter((edge) => edge.endsWith("on")).length, edges.length / 2, `after SIGTERM: ${edges.join(", ")}`);
          } finally {
            bench.keepAlive = true;
          }
        };
        await bench.outage((_, { lines }) => {
          const mark = bench.pdu.log.records.length;
          bench.pdu.hooks.onLine = (_n, total) => {
            if (total !== lines + n || term !== null) return;
            term = ended(mark);
            // Awaited below, after the outage, which may fail before it.
            term.catch(() => undefined);
          };
        });
        state.over ||= term === null;
        await term;
        if (term !== null) terms += 1;
      });
      assert.ok(terms >= 5, `${terms} of them`);
    });
  });

  describe("a device that cannot be trusted", { concurrency: 3 }, () => {
    /** A wedged host at a device with a fault, until its operation has ended as held; then the fault is mended and a person lets it go. */
    async function held(faults: FaultPatch, kind: string, judge: (seen: { readonly edges: readonly string[]; readonly commands: readonly string[] }) => void): Promise<void> {
      const bench = await Bench.start("menu3");
      try {
        const { rig, pdu } = bench;
        await bench.rest();
        setFaults(pdu.faults, faults);
        const mark = pdu.log.records.length;
        await rig.host("logos").wedge("frozen");
        const status = await until("logos is held", async () => {
          const found = await hostStatus(rig, "logos");
          return found?.held !== null && found?.held !== undefined ? found : null;
        }, 60_000, 200).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${bench.watching?.tail(60)}`);
        });
        const records = pdu.log.records.slice(mark);
        judge({ edges: edgesOf(records), commands: commandsOf(records) });
        assert.equal(status.held?.kind, kind, status.held?.because);
        assert.equal(pdu.truth(rig.outlet("logos")), "on");
        assertPolite(records);
        const alarm = (await statusOf(rig))?.alarms.find((each) => each.kind === "held");
        assert.match(alarm?.asked ?? "", /upkeep release logos/);
        assert.equal((await rig.upkeep("status")).code, 1);
        assert.equal((await rig.upkeep("release", "logos")).code, 0);
        setFaults(pdu.faults, noFaults());
        await rig.host("logos").heal();
        await guarded(rig);
      } finally {
        await bench.stop();
      }
    }

    const none: readonly string[] = [];

    test("acknowledges the off and never does it: three times, then held", () =>
      held({ ignores: { 2: "off" } }, "unconfirmed", ({ edges, commands }) => {
        assert.deepEqual(edges, none);
        assert.ok(commands.filter((command) => command === "off 2 ignored").length <= 3, commands.join(", "));
      }));

    test("refuses the off in words", () =>
      held({ rejects: { 2: "off" } }, "unconfirmed", ({ edges }) => assert.deepEqual(edges, none)));

    test("says off, and the host still answers: contradicted", () =>
      held({ ignores: { 2: "off" }, lying: { 2: "commanded" } }, "contradicted", ({ edges, commands }) => {
        assert.deepEqual(edges, none);
        assert.equal(commands.filter((command) => command.startsWith("off")).length, 1);
      }));

    test("shows what is with a delay: one off, one on", async () => {
      await inParallel(1, "shell", [1_200, 2_500].values(), async (bench, staleMs) => {
        await bench.outage(() => setFaults(bench.pdu.faults, { staleMs })).finally(() => setFaults(bench.pdu.faults, noFaults()));
      });
    });

    test("shows what was when nobody waits any more: no loop of off and on, and power at the end", async () => {
      const bench = await Bench.start("shell");
      try {
        const { rig, pdu } = bench;
        await bench.rest();
        setFaults(pdu.faults, { staleMs: 7_000 });
        const mark = pdu.log.records.length;
        await rig.host("logos").wedge("frozen");
        await pdu.log.until("edge", (edge) => edge.state === "on" && edge.seq > mark, 60_000);
        await until("the operation has ended", async () => (await hostStatus(rig, "logos"))?.operation === null, 60_000, 200);
        // Long enough for one that would begin again.
        await new Promise((resolve) => setTimeout(resolve, 8_000));
        assert.deepEqual(edgesOf(pdu.log.records.slice(mark)), ["2 off", "2 on"], bench.watching?.tail(60));
      } finally {
        await bench.stop();
      }
    });

    test("acknowledges the on and never does it: asked again and again, a person called, and power when it obeys", async () => {
      await inParallel(1, "menu3", [0].values(), async (bench) => {
        let called = false;
        setFaults(bench.pdu.faults, { ignores: { 2: "on" } });
        void until("an alarm about the power that is owed", async () => (await statusOf(bench.rig))?.alarms.some((alarm) => alarm.kind === "owed-on"), 40_000, 250)
          .then(() => (called = true), () => undefined)
          .finally(() => setFaults(bench.pdu.faults, { ignores: {} }));
        const { records } = await bench.outage();
        assert.ok(called, "nobody was called");
        const ons = recordsOf(records, "command").filter((command) => command.action === "on");
        assert.ok(ons.length >= 2 && ons.length <= 12, `${ons.length} times on`);
      });
    });

    test("an outlet that is labelled with another host's name is not touched", async () => {
      const bench = await Bench.start("menu3", { pdu: { names: { 2: "ethos", 3: "logos" } } });
      try {
        const { rig, pdu } = bench;
        await until("it has served, and the label was read", async () => (await hostStatus(rig, "logos"))?.verdict === "up" && (await hostStatus(rig, "logos"))?.brakes.some((brake) => brake.brake === "label"));
        await rig.host("logos").wedge("frozen");
        await until("logos is down", async () => (await hostStatus(rig, "logos"))?.verdict === "down");
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        assert.deepEqual(commandsOf(pdu.log.records), none);
        assert.equal((await rig.upkeep("fence", "logos", "--reason", "wedged", "--confirm", "logos")).code, 4);
        assert.deepEqual(commandsOf(pdu.log.records), none);
      } finally {
        await bench.stop();
      }
    });

    test("the wires are swapped: contradicted, power back at once, held, and nobody else is cut", async () => {
      const rig = await startRig({
        hosts: ["logos", "ethos"], kind: "processes", bootMs: 0, device: `check: 1h, timeout: 1s, deadline: ${MAX_ACT_MS}ms`,
        settings: "brakes: { startup: 0s, maxUnhealthy: 100% }\ndefaults: { every: 400ms, timeout: 300ms, threshold: 10, debounce: 3s, boot: 3s, offFor: 1s, healthyFor: 200ms, settle: 1s, offConfirm: 3s, onConfirm: 3s }\n",
        probes: (host) => `[{ ssh: { port: ${host.sshPort} } }]`,
        wires: (_host, outlet) => [{ pdu: "sucker", outlet: outlet === 2 ? 3 : 2 }],
      });
      try {
        const watching = await startWatching(rig);
        await guarded(rig);
        await rig.host("logos").wedge("frozen");
        const off = await rig.pdu?.log.until("edge", (edge) => edge.state === "off", 20_000);
        const on = await rig.pdu?.log.until("edge", (edge) => edge.state === "on", 20_000);
        assert.ok((on?.wallMs ?? Infinity) - (off?.wallMs ?? 0) < 4_000 + BUSY_MS);
        const status = await until("logos is held", async () => {
          const found = await hostStatus(rig, "logos");
          return found?.held !== null && found?.held !== undefined ? found : null;
        }, 40_000, 200).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${watching.tail(60)}`);
        });
        assert.equal(status.held?.kind, "contradicted");
        // Its outlet is distrusted from now on; the innocent one serves again long before its own threshold.
        await until("ethos serves again", async () => (await hostStatus(rig, "ethos"))?.verdict === "up");
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        assert.deepEqual(edgesOf(await rig.records()), ["2 off", "2 on"], watching.tail(60));
        assert.deepEqual(rig.host("logos").edges.map((edge) => edge.to), ["on"]);
        assert.deepEqual(rig.host("ethos").edges.map((edge) => edge.to), ["on", "off", "on"]);
      } finally {
        await rig.stop();
      }
    });
  });
});
