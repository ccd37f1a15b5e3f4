// The wedged host of the mission, five times, each in its own way, on machines in network namespaces with real sshd and
// dnsmasq and a real PDU dialogue between: every one is cut once at its own outlet and comes back, and nobody else is
// touched. Then what must not lead to a cut: a short freeze, and a watcher that has lost its own network.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { labRefusal, startRig } from "../lab/rig.ts";
import type { Rig } from "../lab/rig.ts";
import type { Wedge } from "../lab/virtual-host.ts";
import type { Watching } from "./watching.ts";
import { assertPolite, commandsOf, edgesOf, eventsOf, guarded, incidentsOf, overlapsOf, recordsOf, startWatching, statusOf, until } from "./watching.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 600;
const THRESHOLD = 4;
/** (threshold − 1) · every + phase + timeout, one \`every\` more because a sibling is suspect (safety.md §3.2), and 2 %. */
const BOUND_MS = Math.round((THRESHOLD * EVERY_MS + TIMEOUT_MS + EVERY_MS) * 1.02);
const WEDGED: Readonly<Record<string, Wedge>> = { logos: "frozen", ethos: "sshd-stopped", pathos: "link-down", mythos: "dns-servfail", kairos: "banner-silent" };
const WELL = ["topos", "nomos"];

describe("wedged machines", { skip: labRefusal() ?? false }, () => {
  let rig: Rig;
  let watching: Watching;

  before(async () => {
    rig = await startRig({
      hosts: [...Object.keys(WEDGED), ...WELL], kind: "machines", bootMs: 700, pdu: { outlets: 12 }, device: "check: 10s, timeout: 2s, deadline: 10s",
      // Five at once is what a storm looks like: that brake is off here, and on trial in command-line.test.ts.
      settings: `brakes: { startup: 0s, maxUnhealthy: 100%, concurrent: 5, perHour: 100 }
defaults: { every: ${EVERY_MS}ms, timeout: ${TIMEOUT_MS}ms, threshold: ${THRESHOLD}, debounce: 5s, boot: 15s, offFor: 2s, healthyFor: 2s, settle: 3s }
`,
    });
    watching = await startWatching(rig);
    await guarded(rig);
  });
  after(async () => rig?.stop());

  test("every wedge: exactly one off and one on at its own outlet, recovered; the others are left alone", async (t) => {
    const died = new Map<string, number>();
    // Not at the same instant: an outage is not as tidy as that.
    await Promise.all(Object.entries(WEDGED).map(async ([name, wedge], index) => {
      await sleep(300 * index);
      died.set(name, Date.now());
      await rig.host(name).wedge(wedge);
    }));
    await until("all five are back in service", async () => (await incidentsOf(rig)).filter((each) => each.outcome === "recovered").length === 5, 60_000, 250).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${watching.tail(80)}`);
    });
    const records = await rig.records();
    for (const [name, wedge] of Object.entries(WEDGED)) {
      const outlet = rig.outlet(name);
      const edges = recordsOf(records, "edge").filter((edge) => edge.outlet === outlet);
      assert.deepEqual(edges.map((edge) => edge.state), ["off", "on"], `${name} (${wedge})`);
      assert.deepEqual(rig.host(name).edges.map((edge) => edge.to), ["on", "off", "on"], `${name} (${wedge})`);
      assert.equal(rig.host(name).wedged, null);
      const [incident, ...more] = await incidentsOf(rig, name);
      assert.deepEqual([incident?.outcome, more.length], ["recovered", 0], `${name} (${wedge})`);
      const offMs = (edges[0]?.wallMs ?? NaN) - (died.get(name) ?? NaN);
      t.diagnostic(`${name} (${wedge}): off ${offMs} ms after its death, bound ${BOUND_MS} ms`);
      assert.ok(offMs < BOUND_MS + 6_000, `${name} (${wedge}): ${offMs} ms`);
    }
    for (const name of WELL) assert.deepEqual(rig.host(name).edges.map((edge) => edge.to), ["on"], name);
    assert.equal(commandsOf(records).length, 10, commandsOf(records).join(", "));
    assertPolite(records);
    assert.deepEqual(overlapsOf(records), []);
  });

  test("why: the evidence names what was wrong", async () => {
    const evidence: Readonly<Record<string, RegExp>> = { logos: /ssh: no banner/, ethos: /ssh: no banner/, pathos: /ssh: no (answer|connection|banner)|unreachable/, mythos: /dns: .*SERVFAIL/, kairos: /ssh: no banner/ };
    for (const [name, pattern] of Object.entries(evidence)) {
      const [incident] = await incidentsOf(rig, name);
      const { stdout } = await rig.upkeep("why", incident?.incident ?? "");
      assert.match(stdout, pattern, stdout);
    }
  });

  test("frozen and thawed within the threshold: not cut", async () => {
    const mark = (await rig.records()).length;
    await until("topos is up", async () => (await statusOf(rig))?.hosts.find((host) => host.host === "topos")?.verdict === "up");
    await rig.host("topos").freeze();
    await until("half of the threshold", async () => (await statusOf(rig))?.hosts.find((host) => host.host === "topos")?.counter === THRESHOLD / 2, 10_000);
    await rig.host("topos").thaw();
    await until("it is well again", async () => {
      const host = (await statusOf(rig))?.hosts.find((each) => each.host === "topos");
      return host?.verdict === "up" && host.counter === 0;
    }, 20_000);
    assert.deepEqual(commandsOf((await rig.records()).slice(mark)), []);
    assert.deepEqual((await incidentsOf(rig, "topos")), []);
  });

  test("the watcher's own cable is out: everything is unknown, nobody is cut, and rounds count again after it", async () => {
    const mark = (await rig.records()).length;
    const mend = await rig.lab?.faults.pullCable("watcher");
    await sleep((THRESHOLD + 3) * EVERY_MS);
    const status = await statusOf(rig);
    assert.ok(status?.hosts.every((host) => host.verdict !== "down" && host.counter <= 1), JSON.stringify(status?.hosts.map((host) => [host.host, host.verdict, host.counter])));
    await mend?.();
    await until("all are up", async () => (await statusOf(rig))?.hosts.every((host) => host.verdict === "up" && host.counter === 0), 30_000, 250);
    assert.deepEqual(commandsOf((await rig.records()).slice(mark)), []);
    assert.ok((await eventsOf(rig)).some((event) => event.kind === "blind"));
    assert.equal(edgesOf(await rig.records()).length, 10);
  });
});
