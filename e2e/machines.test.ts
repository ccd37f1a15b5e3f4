// The wedges of the mission on machines in network namespaces with real sshd and real dnsmasq, and the virtual PDU whose
// outlets really start and stop them: each wedged host is cut once at its own outlet and comes back, no other host is touched.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Rig } from "../lab/rig.ts";
import { labRefusal, startRig } from "../lab/rig.ts";
import type { Wedge } from "../lab/virtual-host.ts";
import type { Watching } from "./watching.ts";
import { assertPolite, edgesOf, guarded, incidentsOf, overlapsOf, startWatching, until } from "./watching.ts";

const skip = labRefusal() ?? false;

const HOSTS = ["logos", "ethos", "pathos", "ketos", "telos", "well"];
const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, concurrent: 10, perHour: 1000 }
defaults: { every: 1s, timeout: 700ms, threshold: 5, debounce: 2s, boot: 20s, offFor: 1s, healthyFor: 2s, settle: 3s }
`;

let rig: Rig;
let watching: Watching;

before(async () => {
  if (skip !== false) return;
  rig = await startRig({ hosts: HOSTS, kind: "machines", settings: SETTINGS, bootMs: 1_500 });
  watching = await startWatching(rig);
  await guarded(rig);
});

after(async () => {
  if (skip !== false) return;
  await watching.kill();
  await rig.stop();
});

test("a machine that stands still for less than the threshold is not cut", { skip }, async () => {
  await rig.host("well").freeze();
  await sleep(2_500);
  await rig.host("well").thaw();
  await until("it is well again", async () => (await incidentsOf(rig, "well")).every((incident) => incident.ended !== null));
  assert.deepEqual(edgesOf(await rig.records()), []);
});

test("frozen, sshd stopped, link down, SERVFAIL, a banner that never comes: one off and one on each, at the right outlet", { skip }, async () => {
  const wedges: Record<string, Wedge> = { logos: "frozen", ethos: "sshd-stopped", pathos: "link-down", ketos: "dns-servfail", telos: "banner-silent" };
  // One after the other by a little more than two intervals, so that none looks like the consequence of another's cut.
  for (const [name, wedge] of Object.entries(wedges)) {
    await rig.host(name).wedge(wedge);
    await until(`${name} (${wedge}) was cut and is back`, async () => (await incidentsOf(rig, name)).some((incident) => incident.outcome === "recovered"), 60_000, 200);
  }
  const records = await rig.records();
  assertPolite(records);
  assert.deepEqual(overlapsOf(records), []);
  assert.deepEqual(edgesOf(records), Object.keys(wedges).flatMap((name) => [`${rig.outlet(name)} off`, `${rig.outlet(name)} on`]));
  for (const name of Object.keys(wedges)) {
    assert.deepEqual(rig.host(name).edges.map((edge) => edge.to), ["on", "off", "on"], `${name} lost its power once`);
    const why = await rig.upkeep("why", name);
    assert.match(why.stdout, /off-confirmed|off confirmed/, `the story of ${name} has its middle`);
  }
  assert.deepEqual(rig.host("well").edges.map((edge) => edge.to), ["on"], "a healthy host keeps its power");
});
