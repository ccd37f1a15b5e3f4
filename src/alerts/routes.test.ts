import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Hours } from "./hours.ts";
import { parseHours } from "./hours.ts";
import type { Route } from "./routes.ts";
import { channelsFor } from "./routes.ts";

const ALL = ["mail", "chat", "pager"] as const;
const NOON = () => ({ day: "mon", minute: 720 }) as const;
const held = (host: string | null, severity: "critical" | "warning" | "info" = "critical", alarm = `held:${host}`) => ({ alarm, kind: "held" as const, severity, host });
const hours = (text: string): readonly Hours[] => [parseHours(text) ?? assert.fail(text)];

test("without routes everybody is told", () => {
  assert.deepEqual(channelsFor(held("a"), [], ALL, NOON), { to: ALL, routed: false });
});

test("every route that fits takes it; each channel once, in its order", () => {
  const routes: Route[] = [{ severity: ["critical"], to: ["pager", "mail"] }, { hosts: ["a"], groups: ["g"], to: ["chat", "mail"] }, { kind: ["storm"], to: ["chat"] }];
  assert.deepEqual(channelsFor(held("a"), routes, ALL, NOON).to, ["mail", "chat", "pager"]);
  assert.deepEqual(channelsFor(held("b"), routes, ALL, NOON).to, ["mail", "pager"]);
  assert.deepEqual(channelsFor(held("a", "warning"), routes, ALL, NOON).to, ["mail", "chat"]);
});

test("what no route takes goes to all, also when a route names only channels that are gone", () => {
  assert.deepEqual(channelsFor(held("b", "info"), [{ severity: ["critical"], to: ["pager"] }], ALL, NOON), { to: ALL, routed: false });
  assert.deepEqual(channelsFor(held("b"), [{ to: ["gone"] }], ALL, NOON), { to: ALL, routed: false });
  assert.deepEqual(channelsFor(held("b"), [{ hours: hours("13:00-14:00"), to: ["pager"] }], ALL, NOON).routed, false);
});

test("an alarm of no host fits a route of hosts only as the storm of its group", () => {
  const routes: Route[] = [{ groups: ["db"], hosts: ["a"], to: ["pager"] }];
  assert.deepEqual(channelsFor(held(null, "critical", "storm:group:db"), routes, ALL, NOON).to, ["pager"]);
  for (const alarm of ["storm:group:web", "storm:fleet", "ledger"]) assert.equal(channelsFor(held(null, "critical", alarm), routes, ALL, NOON).routed, false, alarm);
});

test("whatever the routes, somebody is told if there is anybody, and nobody twice", () => {
  const some = <T>(values: readonly T[]) => fc.option(fc.subarray([...values], { minLength: 1 }), { nil: undefined });
  const route = fc.record({ severity: some(["critical", "warning", "info"] as const), kind: some(["held", "storm"]), hosts: some(["a", "b"]), groups: some(["g"]), hours: fc.option(fc.constantFrom(hours("00:00-12:00"), hours("12:00-24:00 mon"), hours("22:00-06:00")), { nil: undefined }), to: fc.subarray([...ALL, "gone"], { minLength: 1 }) });
  fc.assert(fc.property(fc.array(route), fc.subarray([...ALL]), fc.constantFrom("a", "b", null), fc.constantFrom("critical" as const, "info" as const), fc.nat(1_439), (routes, all, host, severity, minute) => {
    const { to } = channelsFor(held(host, severity), routes, all, () => ({ day: "mon", minute }));
    assert.equal(to.length > 0, all.length > 0);
    assert.equal(new Set(to).size, to.length);
    assert.ok(to.every((name) => (all as readonly string[]).includes(name)));
  }));
});
