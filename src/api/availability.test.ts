// `/v1/availability` over the socket: a host that is wedged, cut and back, one that nobody has seen yet, and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { availabilityOf } from "../journal/availability-query.ts";
import { measured } from "./availability.ts";
import type { AvailabilityReport, EventLine } from "./contract.ts";
import { ask, errorOf, opened } from "./doors-for-tests.ts";
import type { History } from "./history.ts";
import { openWorld, until } from "./world-for-tests.ts";

test("many hosts are asked for some at a time, and the answer is as of one question", async () => {
  const hosts = Array.from({ length: 1_203 }, (_, index) => ({ host: `web${index}`, group: index % 2 === 0 ? "even" : "odd" }));
  const period = { fromMs: 0, toMs: 1_000 };
  const asked: number[] = [];
  const past: Pick<History, "availability"> = {
    availability: async (query) => {
      asked.push(query.hosts.length);
      return availabilityOf({ standings: { seen: (host: string) => [{ fromMs: 0, toMs: Number(host.slice(3)) % 1_000, state: "up", planned: null }], sinceMs: () => 0 } as never, incidents: () => [] }, query);
    },
  };
  const query = { hosts, periods: [period], groupsOnly: false, open: [], nowMs: 1_000 };
  const answer = await measured(past, query);
  assert.deepEqual(asked, [500, 500, 203]);
  assert.deepEqual(answer, await past.availability(query));
  assert.equal((await measured(past, { ...query, hosts: [] })).periods.length, 1);
});

test("an outage, by phase, by host and by group, and what is to be expected", async () => {
  const world = openWorld({ change: (host) => ({ ...host, group: host.name === "pathos" ? "spare" : "core" }) });
  const it = await opened({ world });
  try {
    const report = async (query = ""): Promise<AvailabilityReport> => {
      const got = await ask(it.tcp, "GET", `/v1/availability${query}`);
      assert.equal(got.status, 200, got.text);
      return got.json as AvailabilityReport;
    };
    await until("all guarded", () => [...world.watcher.state.hosts.values()].every((host) => host.unguarded === null));
    const began = Date.now() - 60_000;
    await report();
    world.wedged.add("logos");
    await until("cut", () => world.commands.includes("off 2"));
    world.wedged.delete("logos");
    await until("recovered", () => world.watcher.state.hosts.get("logos")?.incident === null && world.watcher.state.hosts.get("logos")?.counter === 0);
    const all = await report(`?from=${new Date(began).toISOString()}`);
    const [period] = all.periods;
    assert.ok(period !== undefined);
    const logos = period.hosts.find(({ host }) => host === "logos");
    assert.ok(logos !== undefined && logos.outages === 1 && logos.unplannedMs > 0 && logos.causes.detect > 0 && logos.causes.off > 0, JSON.stringify(logos));
    assert.ok(logos.availability !== null && logos.availability < 1);
    assert.equal(period.hosts.find(({ host }) => host === "ethos")?.availability, 1);
    for (const line of [...period.hosts, ...period.groups, period.total]) assert.equal(line.upMs + line.unknownMs + line.plannedMs + line.unplannedMs, line.wholeMs);
    assert.deepEqual(period.groups.map(({ group, hosts }) => [group, hosts]), [["core", 2], ["spare", 1]]);
    assert.equal(period.total.wholeMs, 3 * (Date.parse(period.to) - Date.parse(period.from)));
    assert.ok(period.total.unknownMs > 3 * 50_000, "before this watcher began nothing is known");
    assert.deepEqual(all.forecast.hosts.map(({ host, rateMeasured }) => [host, rateMeasured]), [["logos", false], ["ethos", false], ["pathos", false]]);
    assert.ok(all.forecast.hosts[0]?.cut.measured === true && all.forecast.hosts[1]?.cut.measured === false);
    assert.deepEqual(all.forecast.groups.map(({ group, odds }) => [group, odds !== null && odds > 0]), [["core", true], ["spare", true]]);

    const days = await report(`?from=2026-01-30T00:00:00Z&to=2026-02-02T00:00:00Z&step=day&by=group`);
    assert.deepEqual(days.periods.map(({ from, hosts }) => [from, hosts.length]), ["2026-01-30", "2026-01-31", "2026-02-01"].map((day) => [`${day}T00:00:00.000Z`, 0]));
    assert.deepEqual([days.periods[0]?.total.availability, days.forecast.hosts.length], [null, 0]);
    const one = await report("?host=ethos&perDay=0.5");
    assert.deepEqual([one.periods[0]?.hosts.length, one.forecast.hosts[0]?.perDay], [1, 0.5]);

    const lines = (await ask(it.tcp, "GET", "/v1/events?kind=off-sent,on-sent")).text.trim().split("\n").map((text) => (JSON.parse(text) as EventLine).kind);
    assert.deepEqual(lines, ["off-sent", "on-sent"], "lines of some kinds only");
    assert.equal((await ask(it.tcp, "GET", "/v1/events?kind=off%20sent")).status, 400);

    const refused: readonly (readonly [string, number, RegExp])[] = [
      ["from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", 400, /from is not before to/], ["step=year", 400, /step is one of all, month, day/], ["by=rack", 400, /host or group/], ["host=nobody", 404, /no host nobody/],
      ["from=1970-01-01T00:00:00Z&step=day", 400, /more than 1000 periods/], ["from=yesterday", 400, /ISO 8601/], ["perDay=-1", 400, /perDay is a number/], ["perDay=1e9", 400, /perDay/], ["since=1h", 400, /no parameter since/],
    ];
    for (const [query, status, said] of refused) {
      const got = await ask(it.control, "GET", `/v1/availability?${query}`);
      assert.equal(got.status, status, query);
      assert.match(errorOf(got), said, query);
    }
  } finally {
    await it.close();
  }
});
